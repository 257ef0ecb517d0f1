# shellcheck shell=sh disable=SC2034,SC2154
# File systems are checked while / is read-only; fsck(8) has the exit codes.

in_container && return

# Say what a check of SUBJECT found, in its exit code; true if its owner must have a look.
checked() {
	case $2 in
	0) return 1 ;;
	1)
		say "$1: errors were found and corrected"
		return 1
		;;
	32)
		warn "$1: the check was cancelled"
		return 1
		;;
	esac
	if [ $(($2 & 6)) = 2 ]; then
		say "$1: errors were corrected, the machine has to start again"
		restart
	fi
	if [ $(($2 & 4)) = 0 ] && missing_device; then
		warn "$1: $DEVICE of /etc/fstab is missing ($2)"
		return 1
	fi
}

# Whether a device that should be checked is not there; DEVICE is the first.
missing_device() {
	while read -r DEVICE _ _ options _ pass _ || [ -n "$DEVICE" ]; do
		case ${pass:-0}:$DEVICE:,$options, in
		0:* | *:'#'* | *,noauto,*) continue ;;
		esac
		block_device "$DEVICE"
		case $DEVICE in /dev/*) [ -b "$DEVICE" ] || return 0 ;; esac
	done </etc/fstab
	return 1
}

# By way of stage 3, as any other restart.
restart() {
	set_flag reboot
	leave 100
}

check_file_systems() {
	[ ! -e /fastboot ] && ! asked_for fastboot fsck.mode=skip || return 0
	set -- -T -a
	if [ -e /forcefsck ] || asked_for forcefsck fsck.mode=force; then set -- "$@" -f; fi
	read_mounts
	case $FSTAB_ROOT in '' | *' 0') ;; *) check_root "$@" ;; esac
	[ -z "$FSTAB_CHECK" ] || check_others "$@"
}

# The initial RAM disk may have done it already.
check_root() {
	has "fsck.${FSTAB_ROOT%% *}" || return 0
	[ ! -e /run/initramfs/fsck-root ] || return 0
	if [ "$ROOT_MODE" = rw ] && ! mount -o remount,ro /; then
		warn '/ is in use: it is not checked'
		return
	fi
	ROOT_MODE=ro
	fsck "$@" /
	code=$?
	checked / $code || return 0
	emergency "/ has errors that need you: run fsck by hand ($code)"
	[ $((code & 4)) = 0 ] || restart
}

check_others() {
	settled
	fsck -A -R -M "$@"
	code=$?
	! checked 'file systems' $code ||
		emergency "a file system has errors that need you: run fsck by hand ($code)"
}

! has fsck || check_file_systems
