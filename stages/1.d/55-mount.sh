# shellcheck shell=sh disable=SC2034,SC2154
# Local file systems, and swap.

in_container && return
for point in $FSTAB_LOCAL; do
	is_mounted "$point" && continue
	settled
	mount -a -O no_netdev -t nonfs,nonfs4,nocifs,nosmb3,noncp,noncpfs,noafs,noceph ||
		warn 'not every file system of /etc/fstab could be mounted'
	break
done
if [ -n "$FSTAB_SWAP" ] && has swapon; then
	settled
	swapon -a || warn 'not all swap of /etc/fstab could be used'
fi
