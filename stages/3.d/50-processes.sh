# shellcheck shell=sh disable=SC2034,SC2154
# End what is left: udev, then everything, by TERM, and by KILL what does not listen.

# Seconds from TERM to KILL: enough for a database that runs without supervision.
SECONDS_TO_END=5
[ ! -r "$STATE/killwait" ] || read -r SECONDS_TO_END <"$STATE/killwait"
case $SECONDS_TO_END in '' | *[!0-9]*) SECONDS_TO_END=5 ;; esac

# SESSION: that of a process, by its number or `self`; empty if it is gone.
session_of() {
	SESSION=
	{ IFS= read -r words <"/proc/$1/stat"; } 2>/dev/null || return
	words=${words##*) }
	words=${words#* * * }
	SESSION=${words%% *}
}

# Whether a process is left that killall5 would end: no kernel thread, no zombie, not of
# this session, without the `@` of those that the root file system lives on.
any_process() {
	session_of self
	own=$SESSION
	for process in /proc/[1-9]*; do
		process=${process#/proc/}
		words=
		{ IFS= read -r words <"/proc/$process/cmdline"; } 2>/dev/null
		case $process:$words in 1:* | *: | *:@*) continue ;; esac
		session_of "$process"
		case $SESSION in '' | "$own") ;; *) return 0 ;; esac
	done
	return 1
}

# Most often nothing is left but runsvs that are about to go.
end_processes() {
	any_process || return 0
	sleep 0.02
	any_process || return 0
	killall5 -t "$SECONDS_TO_END"
	[ $? != 1 ] || warn 'killall5 failed'
}

in_container || ! has udevadm || ! [ -S /run/udev/control ] || udevadm control --exit --timeout=3
! has killall5 || end_processes
# The clock, the seed and the record of this stage.
wait
