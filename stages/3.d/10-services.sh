# shellcheck shell=sh disable=SC2034,SC2154
# Stop the services: all at once, each with its finish script; then its runsv.

SERVICES=$RUNIT/runsvdir/current
[ ! -e "$STATE/runsvdir/alone" ] || SERVICES=$STATE/runsvdir/current
# Where stage 1 was skipped there may be no place for it: not a reason to end here.
{ mkdir -p "$STATE" && true >"$STATE/stopping"; } 2>/dev/null

# Meanwhile: what needs no service to have ended.
in_container || ! has halt || halt -w &

stop_services() {
	set -- "$SERVICES"/*
	[ -e "$1" ] && has sv || return 0
	sv -w 10 force-stop "$@" | while read -r line; do
		case $line in kill:* | timeout:*) warn "$line" ;; esac
	done
	# As `sv exit` does it; a FIFO opened for both never makes one wait.
	for service; do
		if [ -p "$service/supervise/control" ]; then
			printf x 1<>"$service/supervise/control"
		fi
	done
}

say 'stopping the services ...'
stop_services
