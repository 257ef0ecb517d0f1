# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# What ifup, ifdown and the services of interfaces share.  Sourced, never run.

# What ip says is compared below.
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
NEWLINE='
'

SETTINGS='IFACE SERVICE ONBOOT MTU GATEWAY INTERFACE_COMPONENTS VIRTINT
	IP PREFIX PEER BROADCAST IP6 PREFIX6 PEER6 TYPE STATIC_GATEWAY SOURCE
	STP IP_FORWARD DHCP_START DHCP_STOP PRINTIP PRINTALL WPA_ARGS WPA_SERVICE'

# complain HOW WHAT...: one line, with a colon between the parts.
complain() {
	line=$ME
	for what; do line="$line: $what"; done
	printf '%s\n' "$line" >&2
}

warning() { complain warning "$@"; }

fatal() {
	complain fatal "$@"
	exit 1
}

# The start of a service: its arguments are an interface, then up or down.
service() {
	ME=${0##*/}
	case $#:${2-} in
	2:up | 2:down) ;;
	*)
		printf 'usage: IFCONFIG=FILE %s INTERFACE up|down\n' "$ME" >&2
		exit 2
		;;
	esac
	ME=if$2
	settings "${IFCONFIG:?}"
	IFACE=$1 ACTION=$2
}

# Read a file ifconfig.NAME.  It is tried in a subshell first: what is no shell would end
# this one.  Nothing but the file sets what is a setting.
settings() {
	reason=
	if [ -d "$1" ]; then
		reason='is a directory'
	elif [ ! -e "$1" ]; then
		reason='file does not exist'
	elif [ ! -r "$1" ]; then
		reason='access denied'
	fi
	[ -z "$reason" ] || fatal 'unable to read' "$1" "$reason"
	for name in $SETTINGS; do unset "$name"; done
	set +f
	# shellcheck disable=SC1090 # the owner's
	told=$(exec 3>&1 2>&1 >/dev/null </dev/null; . "$1"; printf sound >&3)
	if [ "$told" != sound ]; then
		told=${told%%"$NEWLINE"*}
		told=${told##*"$1: "}
		told=${told%sound}
		fatal 'unable to read' "$1" "${told:-it ends the shell}"
	fi
	# shellcheck disable=SC1090
	. "$1" >/dev/null </dev/null
	set +eu -f
	unset IFS
}

# refuse SETTING REASON: what is wrong with a setting of the file.
refuse() {
	eval "value=\${$1-}"
	fatal "$IFCONFIG" "$1${value:+=$value}" "$2"
}

has() { command -v "$1" >/dev/null 2>&1; }

need() { has "$1" || fatal 'unable to run' "$1" 'file does not exist'; }

# Run ip.  When it fails, REASON is what it said, without what says nothing.
try() {
	REASON=$(ip "$@" 2>&1) && return
	REASON=${REASON%%"$NEWLINE"*}
	REASON=${REASON#ip: } REASON=${REASON#Error: } REASON=${REASON#RTNETLINK answers: }
	REASON=${REASON%.}
	return 1
}

# Whether what failed had been done before, or its interface is gone.
was_there() {
	case $REASON in *'File exists'* | *'already assigned'*) return 0 ;; esac
	return 1
}

was_gone() {
	case $REASON in
	*'No such process'* | *'Cannot assign requested address'* | *'ddress not found'*) return 0 ;;
	*'Cannot find device'* | *"can't find device"* | *'No such device'*) return 0 ;;
	esac
	return 1
}

# Whether there is such an interface.  FLAGS: ,UP,... and LINK: all that ip says of it.
find_link() {
	LINK=$(ip -o link show dev "$1" 2>/dev/null) && [ -n "$LINK" ] || return 1
	FLAGS=${LINK#*<}
	FLAGS=,${FLAGS%%>*},
}

no_link() { fatal 'unable to find interface' "$1" 'no such device'; }

is_up() {
	case $FLAGS in *,UP,*) return 0 ;; esac
	return 1
}

# Whether an interface has addresses of a family that did not come by themselves.
has_addresses() {
	case $1 in
	4) test -n "$(ip -4 -o addr show dev "$2" 2>/dev/null)" ;;
	*)
		ip -6 -o addr show dev "$2" 2>/dev/null | {
			while read -r line; do
				case $line in *'scope link'* | *dynamic*) ;; *) exit 0 ;; esac
			done
			exit 1
		}
		;;
	esac
}

is_number() {
	case $1 in '' | *[!0-9]* | ??????????*) return 1 ;; esac
	[ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

is_true() {
	case $1 in 1 | [Yy] | [Yy][Ee][Ss] | [Tt] | [Tt][Rr][Uu][Ee] | [Oo][Nn]) return 0 ;; esac
	return 1
}

# Whether a text is an address of family 4 or 6.
is_address() {
	if [ "$1" = 4 ]; then
		case $2 in '' | *[!0-9.]* | *.) return 1 ;; esac
		IFS=.
		set -- $2
		unset IFS
		[ $# = 4 ] || return 1
		for part; do is_number "$part" 0 255 || return 1; done
		return 0
	fi
	case $2 in
	*[!0-9a-fA-F:]* | *:::* | *::*::*) return 1 ;;
	*::*) most=9 least=1 ;;
	*:*:*) most=8 least=8 ;;
	*) return 1 ;;
	esac
	case $2 in :[!:]* | *[!:]:) return 1 ;; esac
	IFS=:
	set -- $2
	unset IFS
	[ $# -ge $least ] && [ $# -le $most ] || return 1
	for part; do [ ${#part} -le 4 ] || return 1; done
}

# Whether process PID lives and is called so: what is dead and not yet waited for does not.
lives() {
	comm='' state=''
	{ [ -r "/proc/$PID/stat" ] && read -r _ comm state _ <"/proc/$PID/stat"; } 2>/dev/null
	[ "$comm" = "($1)" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# The same of the one that a file names.
is_running() {
	PID=''
	[ -r "$2" ] && read -r PID <"$2"
	is_number "$PID" 2 999999999 && lives "$1"
}

# Let process PID end: it was asked to, is now, and must ten seconds later.  Its file may be
# gone before it is.
end_process() {
	turns=0
	while lives "$1"; do
		case $turns in
		20) kill -TERM "$PID" 2>/dev/null ;;
		120) kill -KILL "$PID" 2>/dev/null ;;
		150) fatal "unable to stop $1" "$IFACE" "process $PID does not end" ;;
		esac
		turns=$((turns + 1))
		sleep 0.1
	done
}

# What a DHCP client got, for PRINTIP and PRINTALL.
print_lease() {
	is_true "${PRINTIP-}" || is_true "${PRINTALL-}" || return 0
	address=$(ip -4 -o addr show dev "$IFACE")
	address=${address#*inet }
	line="$IFACE: address ${address%% *}"
	if is_true "${PRINTALL-}"; then
		route=$(ip -4 route show default dev "$IFACE")
		case $route in *via*) route=${route#*via } line="$line, gateway ${route%% *}" ;; esac
		[ -r /etc/resolv.conf ] && while read -r word server _; do
			[ "$word" != nameserver ] || { line="$line, name server $server"; break; }
		done </etc/resolv.conf
	fi
	printf '%s\n' "$line"
}
