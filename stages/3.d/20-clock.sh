# shellcheck shell=sh disable=SC2034,SC2154
# The hardware clock, from the system clock; beside the rest, as it waits for a tick.

in_container && return

# Whether the hardware clock is less than two seconds off, asked of the first one.
clock_is_right() {
	[ -z "${CLOCKPARAMS-}" ] && [ -r /sys/class/rtc/rtc0/since_epoch ] || return
	read -r hardware </sys/class/rtc/rtc0/since_epoch
	now=$(date '+%s %z')
	zone=${now#* }
	now=${now% *}
	if [ "$HARDWARECLOCK" = localtime ]; then
		case $zone in -*) sign=-1 ;; *) sign=1 ;; esac
		zone=${zone#[-+]}
		# 1 in front: what starts with 0 would be octal
		now=$((now + sign * ((1${zone%??} - 100) * 3600 + (1${zone#??} - 100) * 60)))
	fi
	now=$((hardware - now))
	[ $now -ge -1 ] && [ $now -le 1 ]
}

save_clock() {
	has hwclock && [ -e /sys/class/rtc/rtc0 ] || return 0
	if clock_is_right; then return; fi
	case $HARDWARECLOCK in UTC) mode=--utc ;; *) mode=--localtime ;; esac
	# shellcheck disable=SC2086 # words
	hwclock --systohc $mode ${CLOCKPARAMS-} || warn 'the hardware clock cannot be set'
}

save_clock &
