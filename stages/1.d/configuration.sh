# shellcheck shell=sh disable=SC2034,SC2154
# Read /etc/runit.conf and the files of Linux From Scratch: see runit.conf(5).
#
# Of two files that set a variable, the first that is read counts; an empty value is
# no value.  A file that ends the shell is read again, by lines (see `go_on`).

VARIABLES='HARDWARECLOCK CLOCKPARAMS TIMEZONE KEYMAP KEYMAP_CORRECTIONS FONT FONT_MAP
	FONT_UNIMAP UNICODE LEGACY_CHARSET MODULES LOGLEVEL SYSLOGD_PARMS KLOGD_PARMS
	SKIPTMPCLEAN SUBSYSTEM CREATEFILES CGROUPS HOSTNAME UTC'

load_configuration() {
	for name in $VARIABLES; do unset "$name"; done
	load /etc/runit.conf
	load /etc/rc.site
	load /etc/sysconfig/rc.site
	load /etc/sysconfig/clock
	load /etc/sysconfig/console
	clock_setting
	: "${LOGLEVEL:=4}" "${UNICODE:=1}" "${CGROUPS:=v2}"
}

# Source a file; what was set before stays.
load() {
	[ -f "$1" ] || return 0
	case $hopeless in *" $1 "*) return 0 ;; esac
	for name in $VARIABLES; do eval "kept_$name=\${$name-}; unset $name"; done
	unset SYSKLOGD_PARMS SKIPTEMPCLEAN SUBSYSTEMS
	loading=$1
	case $unsound in
	*" $1 "*) load_lines "$1" ;;
	*)
		# shellcheck disable=SC1090 # the owner's
		. "$1"
		;;
	esac
	loading=
	set +efu
	unset IFS
	umask 022
	: "${SYSLOGD_PARMS:=${SYSKLOGD_PARMS-}}" "${SKIPTMPCLEAN:=${SKIPTEMPCLEAN-}}"
	: "${SUBSYSTEM:=${SUBSYSTEMS-}}"
	# An array of bash: a line for each.  Other shells would not understand the words.
	if [ -n "${BASH_VERSION-}" ]; then
		# shellcheck disable=SC2154 # set in eval
		eval 'lines=; for line in "${CREATEFILES[@]}"; do lines="$lines$line$NEWLINE"; done'
		unset CREATEFILES
		CREATEFILES=${lines%"$NEWLINE"}
	fi
	for name in $VARIABLES; do eval "[ -z \"\$kept_$name\" ] || $name=\$kept_$name"; done
}

# Only the assignments of a file that are sound, each with the lines that it goes on over.
load_lines() {
	text=
	while IFS= read -r line || [ -n "$line" ]; do text=$text$line$NEWLINE; done <"$1"
	number=0 refused=''
	while [ -n "$text" ]; do
		number=$((number + 1))
		chunk=${text%%"$NEWLINE"*}
		text=${text#*"$NEWLINE"}
		case $chunk in
		'' | '#'*) ;;
		[A-Za-z_]*=*) load_assignment || refused="$refused $number" ;;
		*) refused="$refused $number" ;;
		esac
	done
	warn "$1: not understood, line${refused:- (unknown)}; its other settings count"
}

# The one that starts with the line CHUNK; takes the lines of it from TEXT.
load_assignment() {
	more=$text lines=0
	# In a subshell first: 99 says that it lived through it.
	until (eval "$chunk" && exit 99) >/dev/null 2>&1 || [ $? = 99 ]; do
		if [ -z "$more" ] || [ $lines = 30 ]; then return 1; fi
		chunk=$chunk$NEWLINE${more%%"$NEWLINE"*}
		more=${more#*"$NEWLINE"}
		lines=$((lines + 1))
	done
	eval "$chunk"
	number=$((number + lines)) text=$more
}

# HARDWARECLOCK: what the file of hwclock says, else UTC of the file clock.
clock_setting() {
	case ${HARDWARECLOCK-} in
	[Uu][Tt][Cc]) HARDWARECLOCK=UTC ;;
	?*) HARDWARECLOCK=localtime ;;
	*)
		mode=
		[ -r /etc/adjtime ] && { read -r _; read -r _; read -r mode; } </etc/adjtime
		case $mode:${UTC-} in
		UTC:* | :1 | :[Yy]* | :[Tt]*) HARDWARECLOCK=UTC ;;
		*) HARDWARECLOCK=localtime ;;
		esac
		;;
	esac
}

# Whether a value means yes.
is_true() {
	case $1 in 1 | [Yy] | [Yy][Ee][Ss] | [Tt] | [Tt][Rr][Uu][Ee]) return 0 ;; esac
	return 1
}
