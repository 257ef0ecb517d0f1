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

# Only the assignments of a file that are sound, each with the lines it goes on over.
load_lines() {
	number=0 chunk='' refused=''
	while IFS= read -r line || [ -n "$line" ]; do
		number=$((number + 1))
		if [ -n "$chunk" ]; then
			chunk=$chunk$NEWLINE$line
		else
			start=$number
			case $line in
			[A-Za-z_]*=*) chunk=$line ;;
			'' | '#'*) continue ;;
			*)
				refused="$refused $number"
				continue
				;;
			esac
		fi
		# In a subshell first: 99 says that it lived through it.
		( eval "$chunk" && exit 99 ) >/dev/null 2>&1
		if [ $? = 99 ]; then
			eval "$chunk"
			chunk=
		elif [ $((number - start)) -ge 30 ]; then
			refused="$refused $start"
			chunk=
		fi
	done <"$1"
	[ -z "$chunk" ] || refused="$refused $start"
	warn "$1: not understood, line${refused:- (unknown)}; its other settings count"
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
