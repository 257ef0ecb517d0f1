# shellcheck shell=sh disable=SC2034,SC2154
# What udev could not do while / was read-only: rules that it made, and SUBSYSTEM.

if in_container || ! has udevadm; then return 0; fi
settled
for rules in /run/udev/tmp-rules--*; do
	[ -f "$rules" ] || continue
	cat "$rules" >>"/etc/udev/rules.d/${rules##*/tmp-rules--}" && rm -f "$rules"
done

another() { SUBSYSTEM="$SUBSYSTEM $*"; }
each_line /etc/sysconfig/udev_retry another
set --
for subsystem in ${SUBSYSTEM:-rtc}; do
	if [ -e "/sys/class/$subsystem" ] || [ -e "/sys/bus/$subsystem" ]; then
		set -- "$@" "--subsystem-match=$subsystem"
	fi
done
[ $# = 0 ] || udevadm trigger --action=add "$@"
