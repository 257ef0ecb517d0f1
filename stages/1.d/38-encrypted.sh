# shellcheck shell=sh disable=SC2034,SC2154
# Open one line of crypttab(5), on behalf of 40-volumes.sh.

# The block device that NAME=VALUE of fstab(5) means, or what it is if it has no such form.
block_device() {
	case $1 in
	UUID=*) set -- "/dev/disk/by-uuid/${1#*=}" ;;
	LABEL=*) set -- "/dev/disk/by-label/${1#*=}" ;;
	PARTUUID=*) set -- "/dev/disk/by-partuuid/${1#*=}" ;;
	PARTLABEL=*) set -- "/dev/disk/by-partlabel/${1#*=}" ;;
	esac
	DEVICE=$1
}

# NAME DEVICE KEY OPTIONS, as in the file.
decrypt() {
	[ $# -ge 2 ] || return 0
	name=$1 key=${3:-none} words=${4-}
	[ ! -e "/dev/mapper/$name" ] || return 0
	block_device "$2"
	type=luks after=
	set -- --batch-mode
	IFS=,
	for word in $words; do
		value=${word#*=}
		case $word in
		noauto)
			unset IFS
			return 0
			;;
		luks) type=luks ;;
		plain) type=plain ;;
		bitlk | tcrypt) type=$word ;;
		swap) type=plain after='mkswap' ;;
		tmp) type=plain after='mkfs.ext4 -q' ;;
		tmp=*) type=plain after="mkfs.$value -q" ;;
		readonly | read-only) set -- "$@" --readonly ;;
		discard | allow-discards) set -- "$@" --allow-discards ;;
		cipher=* | hash=* | header=* | offset=* | skip=* | tries=* | timeout=*) set -- "$@" "--$word" ;;
		size=*) set -- "$@" "--key-size=$value" ;;
		keyslot=* | key-slot=*) set -- "$@" "--key-slot=$value" ;;
		keyfile-size=* | keyfile-offset=*) set -- "$@" "--$word" ;;
		esac
	done
	unset IFS
	case $key in none | -) ;; *) set -- "$@" "--key-file=$key" ;; esac
	# The file is this function's standard input: who asks for a passphrase gets the console.
	if ! cryptsetup open --type "$type" "$@" "$DEVICE" "$name" <&3; then
		warn "$name of /etc/crypttab cannot be opened"
	elif [ -n "$after" ]; then
		$after "/dev/mapper/$name" >/dev/null || warn "$name of /etc/crypttab: $after failed"
	fi
}
