# shellcheck shell=sh disable=SC2034,SC2154
# Interfaces with ONBOOT=yes in /etc/sysconfig/ifconfig.NAME; ifup looks for that itself.

if in_container || ! has ifup; then return 0; fi
interfaces
for interface in $INTERFACES; do
	IN_BOOT=1 ifup "$interface" || warn "interface $interface is not up"
done
