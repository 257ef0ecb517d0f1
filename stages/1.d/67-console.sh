# shellcheck shell=sh disable=SC2034,SC2153,SC2154
# Encoding, font and key map of the virtual terminals; it goes on beside the next parts.

if in_container || [ ! -c /dev/tty1 ]; then return 0; fi

# The kernel's own default is UTF-8 nowadays; then there is nothing to do.
set_encoding() {
	default=/sys/module/vt/parameters/default_utf8
	old=
	[ ! -r $default ] || read -r old <$default
	case $UNICODE in
	[Nn0]* | [Ff]*) new=0 mode=-a code='\033%%@' ;;
	*) new=1 mode=-u code='\033%%G' ;;
	esac
	[ "$old" != $new ] || return 0
	[ ! -w $default ] || echo $new >$default
	for terminal in /dev/tty[1-6]; do
		# shellcheck disable=SC2059 # a constant
		printf "$code" >"$terminal"
		! has kbd_mode || kbd_mode $mode -C "$terminal"
	done
}

set_font() {
	has setfont || return 0
	# FONT may hold options too, as in the files of Linux From Scratch.
	# shellcheck disable=SC2086
	set -- ${FONT-} ${FONT_MAP:+-m "$FONT_MAP"} ${FONT_UNIMAP:+-u "$FONT_UNIMAP"}
	[ $# = 0 ] || setfont -C /dev/tty1 "$@" || warn "this console font cannot be set: $*"
}

# Without KEYMAP there is nothing to load: the kernel has us.
set_keymap() {
	if [ -z "${KEYMAP-}${KEYMAP_CORRECTIONS-}" ] || ! has loadkeys; then return 0; fi
	case $new in 1) unicode=-u ;; *) unicode= ;; esac
	# shellcheck disable=SC2086 # words
	loadkeys -q $unicode ${KEYMAP:-us} ${KEYMAP_CORRECTIONS-} -C /dev/tty1 >/dev/null ||
		warn "this key map cannot be loaded: ${KEYMAP:-us}"
	if [ -n "${LEGACY_CHARSET-}" ] && [ "$new" = 1 ]; then
		dumpkeys -c "$LEGACY_CHARSET" </dev/tty1 | loadkeys -q -u -C /dev/tty1
	fi
}

{ set_encoding; set_font; set_keymap; } &
