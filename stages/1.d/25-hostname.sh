# shellcheck shell=sh disable=SC2034,SC2154
# The machine's name: /etc/hostname, else HOSTNAME of /etc/sysconfig/network.

in_container && return
if [ -r /etc/hostname ]; then
	while read -r name _ || [ -n "$name" ]; do
		case $name in '' | '#'*) ;; *) HOSTNAME=$name && break ;; esac
	done </etc/hostname
elif [ -r /etc/sysconfig/network ]; then
	while IFS='=' read -r key name || [ -n "$key" ]; do
		[ "$key" = HOSTNAME ] || continue
		name=${name%%[ #]*}
		name=${name#[\"\']}
		HOSTNAME=${name%[\"\']}
	done </etc/sysconfig/network
fi
name=${HOSTNAME:-localhost}
if [ -w /proc/sys/kernel/hostname ]; then
	echo "$name" >/proc/sys/kernel/hostname
else
	hostname "$name"
fi
