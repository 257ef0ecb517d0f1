# shellcheck shell=sh disable=SC2034,SC2154
# Block devices made of others: RAID of the BIOS, btrfs, LVM, encryption.

[ -z "$SETTLE" ] || wait "$SETTLE"
in_container && return
[ -n "$CLOCK_SET" ] || set_clock

activate_volumes() {
	has vgchange || return 0
	vgchange --sysinit -a ay || warn 'some logical volumes are missing'
}

! has dmraid || dmraid -i -ay
! has btrfs || btrfs device scan >/dev/null || warn 'btrfs device scan failed'
activate_volumes
if [ -f /etc/crypttab ] && has cryptsetup; then
	each_line /etc/crypttab decrypt 3<&0
	activate_volumes
fi
