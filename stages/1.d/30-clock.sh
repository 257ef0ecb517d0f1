# shellcheck shell=sh disable=SC2034,SC2154
# The system clock, from the hardware clock.

CLOCK_SET=
in_container && return

set_clock() {
	has hwclock || return 0
	for rtc in /sys/class/rtc/rtc*; do
		[ -e "$rtc" ] || return 0
		CLOCK_SET=yes
		# A kernel that has read the clock itself took it for UTC: what is left is
		# to say so, or to correct it, and that needs no wait for the clock's tick.
		kernel=0 drift=
		[ -r "$rtc/hctosys" ] && read -r kernel <"$rtc/hctosys"
		[ -r /etc/adjtime ] && read -r drift _ </etc/adjtime
		case $kernel:${CLOCKPARAMS-}:$drift in 1:: | 1::0 | 1::0.0 | 1::0.000000) break ;; esac
		kernel=0
	done
	case $HARDWARECLOCK in UTC) mode=--utc ;; *) mode=--localtime ;; esac
	if [ -n "${TIMEZONE-}" ]; then export TZ="$TIMEZONE"; fi
	# shellcheck disable=SC2086 # CLOCKPARAMS are words
	{ [ "$kernel" = 1 ] && hwclock --systz $mode; } ||
		hwclock --hctosys $mode ${CLOCKPARAMS-} ||
		warn 'the hardware clock cannot be read'
	unset TZ
}

set_clock
