#!/bin/sh
# configure --install-bench-deps: installs qemu-system-riscv64 from Debian's backports, which
# `make bench` measures against. The backports suite is in a private apt configuration for this one
# run; the machine's own sources stay as they are.

set -u
here=$(cd "$(dirname "$0")" && pwd)
package=qemu-system-riscv

die() { printf 'bench packages: %s\n' "$*" >&2; exit 1; }

installed_version() {
    qemu-system-riscv64 --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p'
}

case $(installed_version) in
10.*) echo "bench packages: qemu-system-riscv64 $(installed_version) is present"; exit 0 ;;
esac
command -v apt-get >/dev/null 2>&1 || die "needs Debian's apt"
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || die "needs root: run $0 as root"
    exec sudo sh "$here/install_qemu.sh"
fi

. "$here/apt_private.sh"
codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
[ -n "$codename" ] || die "cannot tell which Debian this is (/etc/os-release)"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
apt_private_init "$dir" "$codename" "$(dpkg --print-architecture)" /var/lib/dpkg/status || exit 1
sed "s/ $codename main/ $codename-backports main/" "$dir/sources.list" >"$dir/backports"
cat "$dir/backports" >>"$dir/sources.list"
apt_private_update || die "cannot read the mirror's lists"
DEBIAN_FRONTEND=noninteractive apt_private -q -y install --no-install-recommends \
    -t "$codename-backports" "$package" || die "apt could not install $package"
echo "bench packages: qemu-system-riscv64 $(installed_version) installed"
