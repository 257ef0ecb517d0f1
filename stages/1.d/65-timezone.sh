# shellcheck shell=sh disable=SC2034,SC2154
# TIMEZONE, if it is set: /etc/localtime becomes a link to it, in one step.

[ -n "${TIMEZONE-}" ] || return 0
zone=/usr/share/zoneinfo/$TIMEZONE
if [ ! -f "$zone" ]; then
	warn "TIMEZONE is $TIMEZONE, and there is no $zone"
elif [ "$(readlink /etc/localtime)" != "$zone" ]; then
	{ ln -sfn "$zone" /etc/localtime.new && mv -f /etc/localtime.new /etc/localtime; } ||
		warn '/etc/localtime cannot be replaced'
fi
