# shellcheck shell=sh disable=SC2034,SC2154
# The kernel's own file systems, and /run.

# Mount TYPE with OPTIONS on POINT, or as /etc/fstab says, unless something is there.
mount_pseudo() {
	is_mounted "$1" && return
	[ -d "$1" ] || mkdir -p "$1"
	case $FSTAB in *" $1 "*) mount "$1" && return ;; esac
	mount -t "$2" -o "$3" "$2" "$1" || warn "$1 cannot be mounted"
}

[ -e /proc/self/mounts ] || mount -t proc -o nosuid,nodev,noexec proc /proc
read_mounts
if ! in_container; then
	mount_pseudo /sys sysfs nosuid,nodev,noexec
	mount_pseudo /dev devtmpfs mode=0755,nosuid
	mount_pseudo /run tmpfs mode=0755,nosuid,nodev
	mount_pseudo /dev/pts devpts gid=5,mode=620,nosuid,noexec
	if [ -L /dev/shm ]; then
		if [ ! -d /dev/shm/. ]; then
			shm=$(readlink -m /dev/shm)
			mkdir -p "$shm" && chmod 1777 "$shm"
		fi
	else
		mount_pseudo /dev/shm tmpfs mode=1777,nosuid,nodev
	fi
	[ -e /dev/fd ] || ln -sfn /proc/self/fd /dev/fd
	[ -e /dev/stdin ] || ln -sf /proc/self/fd/0 /dev/stdin
	[ -e /dev/stdout ] || ln -sf /proc/self/fd/1 /dev/stdout
	[ -e /dev/stderr ] || ln -sf /proc/self/fd/2 /dev/stderr
fi

# What a container's earlier life left must not be taken for this one's.
[ ! -e "$STATE" ] || rm -rf "$STATE"
mkdir -p "$STATE"
[ -d /run/lock ] || mkdir -m 1777 /run/lock
