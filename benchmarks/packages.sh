#!/bin/sh
# Debian's packages of those whom we are measured beside, where they can be installed.
# Who is missing in the end is left out of the benchmarks, with a word.
set -u

missing=
for package in runit s6 daemontools; do
	dpkg-query -W -f '${Status}' $package 2>/dev/null | grep -q 'ok installed' ||
		missing="$missing $package"
done
test -n "$missing" || exit 0

if ! command -v apt-get >/dev/null || test "$(id -u)" != 0; then
	echo "bench: as root, on Debian, these would be installed now:$missing" >&2
	exit 0
fi

# Packages may not start services here: 101 is policy-rc.d's word for that.
policy=/usr/sbin/policy-rc.d
if ! test -e $policy; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
echo "bench: installing$missing" >&2
for package in $missing; do
	apt-get install -q -y --no-install-recommends "$package" >/dev/null 2>&1 ||
		echo "bench: $package cannot be installed" >&2
done
exit 0
