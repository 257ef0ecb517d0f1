# shellcheck shell=sh disable=SC2034,SC2154
# Nothing stays mounted for writing.

in_container && return

# Whether something is mounted that a disk or a server keeps, but for /.
any_mount() {
	[ -r /proc/self/mounts ] || return
	while read -r source point type _; do
		case $point:$source:$type in
		/:*) ;;
		*:/* | *:*:nfs* | *:*:cifs | *:*:smb3 | *:*:zfs | *:*:9p | *:*:virtiofs | *:*:overlay) return 0 ;;
		esac
	done </proc/self/mounts
	return 1
}

if [ -r /proc/swaps ] && has swapoff; then
	{ read -r _ && read -r swap; } </proc/swaps && { swapoff -a || warn 'swap is still in use'; }
fi
if any_mount; then
	umount -a -r -t noproc,nosysfs,nodevtmpfs,nodevpts,notmpfs,nocgroup,nocgroup2,noefivarfs ||
		warn 'not every file system could be unmounted'
fi
read_mounts
[ "$ROOT_MODE" != rw ] || mount -o remount,ro / || warn '/ stays writable'
