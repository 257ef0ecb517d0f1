# shellcheck shell=sh disable=SC2034,SC2154
# Control groups: CGROUPS is v2, v1, hybrid (v1, and v2 in unified/) or none.

read_mounts # /etc/fstab may have it
if in_container || [ ! -d /sys/fs/cgroup ] || is_mounted /sys/fs/cgroup; then return 0; fi

# One directory for each controller that the kernel has.
mount_controllers() {
	mount -t tmpfs -o mode=0755,nosuid,nodev,noexec cgroup /sys/fs/cgroup || return
	while read -r name _ _ enabled; do
		case $name:$enabled in '#'* | *:0) continue ;; esac
		mkdir "/sys/fs/cgroup/$name"
		mount -t cgroup -o "nosuid,nodev,noexec,$name" cgroup "/sys/fs/cgroup/$name" ||
			rmdir "/sys/fs/cgroup/$name"
	done </proc/cgroups
}

case $CGROUPS in
none) ;;
v1) mount_controllers ;;
hybrid)
	mount_controllers
	mkdir /sys/fs/cgroup/unified
	mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup/unified
	;;
*)
	[ "$CGROUPS" = v2 ] || warn "CGROUPS is $CGROUPS, which is not known: v2 is used"
	mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup ||
		mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
	;;
esac
