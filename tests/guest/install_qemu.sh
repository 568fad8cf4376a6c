#!/bin/sh
# configure --install-bench-deps: installs QEMU 10 from Debian's backports: the system emulator that
# `make bench` measures against, and the user-mode one that the differential tests compare with (the
# one in Debian 12 itself does not know the newer extensions). The backports suite is in a private
# apt configuration for this one run; the machine's own sources stay as they are.

set -u
here=$(cd "$(dirname "$0")" && pwd)
packages='qemu-system-riscv qemu-user'

die() { printf 'bench packages: %s\n' "$*" >&2; exit 1; }

# version PROGRAM: "10.0.2", or nothing.
version() { "$1" --version 2>/dev/null | sed -n 's/^qemu.* version \([0-9.]*\).*/\1/Ip'; }

report() {
    echo "bench packages: QEMU for systems $(version qemu-system-riscv64)," \
        "for programs $(version qemu-riscv64) $1"
}

case $(version qemu-system-riscv64)/$(version qemu-riscv64) in
10.*/10.*) report "present"; exit 0 ;;
esac
command -v apt-get >/dev/null 2>&1 || die "needs Debian's apt"
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || die "needs root: run $0 as root"
    exec sudo sh "$here/install_qemu.sh"
fi

. "$here/../../ui/build/apt_private.sh"
codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
[ -n "$codename" ] || die "cannot tell which Debian this is (/etc/os-release)"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
apt_private_init "$dir" "$codename" "$(dpkg --print-architecture)" /var/lib/dpkg/status || exit 1
sed "s/ $codename main/ $codename-backports main/" "$dir/sources.list" >"$dir/backports"
cat "$dir/backports" >>"$dir/sources.list"
apt_private_update || die "cannot read the mirror's lists"
# Word splitting is meant: this is a list.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt_private -q -y install --no-install-recommends \
    -t "$codename-backports" $packages || die "apt could not install $packages"
report "installed"
