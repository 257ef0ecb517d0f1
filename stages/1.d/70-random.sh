# shellcheck shell=sh disable=SC2034,SC2154
# The seed of the last shutdown goes into the kernel's pool, and cannot be used again.

SEED=/var/lib/random-seed
in_container && return

# Written without credit: who could read the seed may know it.
{
	[ ! -f $SEED ] || cat $SEED >/dev/urandom
	umask 077
	dd if=/dev/urandom of=$SEED.new bs=512 count=1 2>/dev/null && mv -f $SEED.new $SEED
} 2>/dev/null &
