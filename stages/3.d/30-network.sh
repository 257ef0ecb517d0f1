# shellcheck shell=sh disable=SC2034,SC2154
# Interfaces that /etc/sysconfig/ifconfig.NAME describes, after what is mounted by them.

in_container && return
if [ -r /proc/self/mounts ]; then
	while read -r _ _ type _; do
		case $type in
		nfs | nfs4 | cifs | smb3)
			umount -a -f -t nfs,nfs4,cifs,smb3
			break
			;;
		esac
	done </proc/self/mounts
fi
has ifdown || return 0
interfaces
last_first=
for interface in $INTERFACES; do last_first="$interface $last_first"; done
for interface in $last_first; do
	IN_BOOT=1 ifdown "$interface" || warn "interface $interface is not down"
done
