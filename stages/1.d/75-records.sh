# shellcheck shell=sh disable=SC2034,SC2154
# Who is logged in (nobody), that the machine has started, and what the kernel said.

umask 002
: >/run/utmp
umask 022
! chgrp utmp /run/utmp 2>/dev/null || chmod 664 /run/utmp
[ -e /var/run ] || ln -s ../run /var/run
[ -e /var/run/utmp ] || ln -s /run/utmp /var/run/utmp
in_container && return
! has utmpset || utmpset -b &
if [ -d /var/log ] && has dmesg; then
	{ umask 027; dmesg >/var/log/dmesg; } 2>/dev/null &
fi
