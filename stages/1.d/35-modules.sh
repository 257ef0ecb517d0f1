# shellcheck shell=sh disable=SC2034,SC2154
# Modules that nothing else asks for: MODULES, and those that are listed with arguments.

if in_container || ! has modprobe || [ ! -e /proc/modules ]; then return 0; fi
add_module() { modprobe -q "$@" || warn "module $1 cannot be loaded"; }
for module in ${MODULES-}; do add_module "$module"; done
for list in /etc/sysconfig/modules /etc/modules-load.d/*.conf; do each_line "$list" add_module; done
