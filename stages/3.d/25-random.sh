# shellcheck shell=sh disable=SC2034,SC2154
# A seed for the next boot.

SEED=/var/lib/random-seed
in_container && return
{
	umask 077
	dd if=/dev/urandom of=$SEED.new bs=512 count=1 && mv -f $SEED.new $SEED
} 2>/dev/null &
