# shellcheck shell=sh disable=SC2034,SC2154
# Block devices made of others: RAID of the BIOS, btrfs, LVM, encryption.

in_container && return

# A clock whose module came with udev.
if [ -z "$CLOCK_SET" ] && has hwclock; then
	settled
	set_clock
fi

activate_volumes() {
	has vgchange || return 0
	vgchange --sysinit -a ay || warn 'some logical volumes are missing'
}

if has dmraid || has btrfs || has vgchange || [ -f /etc/crypttab ]; then settled; fi
! has dmraid || dmraid -i -ay
! has btrfs || btrfs device scan >/dev/null || warn 'btrfs device scan failed'
activate_volumes
if [ -f /etc/crypttab ] && has cryptsetup; then
	each_line /etc/crypttab decrypt 3<&0
	activate_volumes
fi
