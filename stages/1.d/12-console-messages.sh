# shellcheck shell=sh disable=SC2034,SC2154
# Which of the kernel's messages the console shows: LOGLEVEL, as dmesg -n takes it.

in_container && return
case $LOGLEVEL in
emerg) level=1 ;;
alert) level=2 ;;
crit) level=3 ;;
err) level=4 ;;
warn) level=5 ;;
notice) level=6 ;;
info) level=7 ;;
debug) level=8 ;;
[1-8]) level=$LOGLEVEL ;;
*)
	warn "LOGLEVEL is $LOGLEVEL, which is no level: 4 is used"
	level=4
	;;
esac
[ ! -w /proc/sys/kernel/printk ] || echo "$level" >/proc/sys/kernel/printk
