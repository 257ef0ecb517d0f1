# shellcheck shell=sh disable=SC2034,SC2154
# syslogd and klogd, where they are and are no services.

in_container && return
for service in "$RUNIT"/runsvdir/*/*syslog* "$RUNIT"/runsvdir/*/*socklog*; do
	[ ! -d "$service" ] || return 0
done

# SYSLOGD_PARMS not set: without marks, and older ones have to be told so.
start_syslogd() {
	if [ -z "${SYSLOGD_PARMS-}" ]; then
		syslogd -m 0 2>/dev/null || syslogd
		return
	fi
	# shellcheck disable=SC2086 # words
	syslogd $SYSLOGD_PARMS
}

! has syslogd || start_syslogd || warn 'syslogd does not start'
# shellcheck disable=SC2086 # words
! has klogd || klogd ${KLOGD_PARMS-} || warn 'klogd does not start'
