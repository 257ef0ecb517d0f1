# shellcheck shell=sh disable=SC2034,SC2154
# Device nodes and modules, by udev.  That goes on beside the next parts: those which
# need a device wait for it by `settled`.

in_container && return

start_udev() {
	for udevd in /usr/lib/systemd/systemd-udevd /lib/systemd/systemd-udevd \
		/usr/sbin/udevd /sbin/udevd /usr/lib/udev/udevd /lib/udev/udevd; do
		[ -x $udevd ] || continue
		[ ! -w /proc/sys/kernel/hotplug ] || echo >/proc/sys/kernel/hotplug
		if ! $udevd --daemon; then
			emergency "$udevd does not start: devices may be missing"
			return
		fi
		has udevadm || return
		udevadm trigger --action=add --type=subsystems
		udevadm trigger --action=add --type=devices
		udevadm settle --timeout=30 &
		SETTLE=$!
		return
	done
}

start_udev
