# shellcheck shell=sh disable=SC2034,SC2154
# The root file system becomes writable, unless /etc/fstab has it read-only.

in_container && return
read_mounts
case $ROOT_MODE:${FSTAB_ROOT#* } in
rw:*) ;;
*:ro | *:ro,* | *:*,ro,* | *:ro\ * | *:*,ro\ *) ;;
*) mount -o remount,rw / || warn '/ stays read-only' ;;
esac
