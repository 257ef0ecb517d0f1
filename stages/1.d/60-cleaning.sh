# shellcheck shell=sh disable=SC2034,SC2154
# /tmp as after an installation; files that were meant for one boot; CREATEFILES.

# What is mounted on a container's /tmp is somebody else's.
clean_tmp() {
	is_true "${SKIPTMPCLEAN-}" && return
	if in_container && is_mounted /tmp; then return; fi
	cd /tmp || return
	set --
	for name in * .[!.]* ..?*; do
		case $name in lost+found | '*' | '.[!.]*' | '..?*') continue ;; esac
		set -- "$@" "./$name"
	done
	case $#:$MOUNTS in
	0:*) ;;
	*' /tmp/'* | ?????*:*) # something is mounted in it, or it is too much for one call
		find . -xdev -mindepth 1 ! -path ./lost+found -delete
		;;
	*) rm -rf "$@" ;;
	esac || warn '/tmp could not be emptied'
	cd /
}

# A line of /etc/sysconfig/createfiles: NAME TYPE MODE OWNER GROUP [DTYPE MAJOR MINOR].
#
# What somebody has left in /tmp, which need not have been emptied, is not followed.
create_file() {
	if [ $# -lt 5 ] || [ -e "$1" ] || [ -L "$1" ]; then return 0; fi
	case $2 in
	file) : >"$1" ;;
	dir) mkdir "$1" ;;
	dev)
		case ${6-} in
		char) mknod "$1" c "$7" "$8" ;;
		block) mknod "$1" b "$7" "$8" ;;
		pipe) mkfifo "$1" ;;
		*) false ;;
		esac
		;;
	*) false ;;
	esac && chmod "$3" "$1" && chown "$4:$5" "$1" && return
	warn "/etc/sysconfig/createfiles: $1 cannot be made"
}

# Each line of CREATEFILES is a command.
create_files() {
	: "${CREATEFILES:=mkdir -p -m 1777 /tmp/.ICE-unix /tmp/.X11-unix}"
	rest=$CREATEFILES$NEWLINE
	while [ -n "$rest" ]; do
		line=${rest%%"$NEWLINE"*}
		rest=${rest#*"$NEWLINE"}
		[ -z "$line" ] || (eval "$line") || warn "CREATEFILES: this failed: $line"
	done
	each_line /etc/sysconfig/createfiles create_file
}

read_mounts
clean_tmp
for file in /etc/nologin /run/nologin /forcefsck /forcequotacheck /fastboot; do
	[ ! -e $file ] || rm -f $file
done
create_files
