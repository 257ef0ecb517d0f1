# shellcheck shell=sh disable=SC2034,SC2154
# Kernel parameters from /etc/sysctl.conf, and from sysctl.d where sysctl knows it.

if in_container || ! has sysctl; then return 0; fi
for file in /etc/sysctl.conf /etc/sysctl.d/*.conf /usr/lib/sysctl.d/*.conf /run/sysctl.d/*.conf; do
	[ -f "$file" ] || continue
	sysctl -q --system >/dev/null 2>&1 || {
		[ ! -f /etc/sysctl.conf ] || sysctl -q -p >/dev/null
	} || warn 'some kernel parameters could not be set'
	break
done
