# shellcheck shell=sh disable=SC2034,SC2154
# The loopback interface.

[ -r /sys/class/net/lo/flags ] || return 0
read -r flags </sys/class/net/lo/flags
[ $((flags & 1)) = 0 ] || return 0
if has ip; then
	ip link set lo up
elif has ifconfig; then
	ifconfig lo up
fi
