#!/bin/sh
# The two commands of the README on a bare Debian 12: a fresh debootstrap with nothing but apt, once
# as root, then as an ordinary user with the packages present; and `make run` without a network.
# Needs root, debootstrap and the network; two gigabytes of disk and some minutes.

set -u
skip() { echo "$*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "needs root, to make a bare Debian"
command -v debootstrap >/dev/null 2>&1 || skip "needs debootstrap (Debian package)"
unshare -m true 2>/dev/null || skip "needs a mount namespace of its own"
. "$SRCDIR/ui/build/apt_private.sh"
mirror=$(apt_mirror)
[ -n "$mirror" ] || skip "the machine's apt is not configured with a Debian mirror"

root=$TMP/root
bad=0
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$TMP/debootstrap" 2>&1 || {
    tail -n 3 "$TMP/debootstrap"
    skip "debootstrap could not make a bare Debian"
}

# inside COMMANDS: runs them there, in a mount namespace that goes away with them.
inside() {
    unshare -m --propagation private sh -c '
        mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" &&
            mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts" &&
            ln -sf pts/ptmx "$1/dev/ptmx" &&
            exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -c "$2"' \
        sh "$root" "$1" </dev/null
}

wrong() {
    echo "$1: FAILED"
    tail -n 40 "$TMP/out"
    bad=$((bad + 1))
}

# try NAME COMMANDS: they must succeed. Says how long that took, and the last line of a check.
try() {
    start_s=$(date +%s)
    if inside "$2" >"$TMP/out" 2>&1; then
        echo "$1: ok, $(($(date +%s) - start_s)) s" \
            "$(tail -n 1 "$TMP/out" | grep '[0-9] passed' || true)"
    else
        wrong "$1"
    fi
}
# says TEXT: the commands before printed it.
says() { grep -q -- "$1" "$TMP/out" || wrong "no '$1' was printed"; }

mkdir -p "$root/dev/shm" "$root/src"
(cd "$SRCDIR" && tar -c --exclude=.git --exclude=./obj --exclude='./build*' .) | tar -x -C "$root/src"
cp -a "$root/src" "$root/src-user"
inside "useradd -m user && chown -R user /src-user" || exit 1

# Without the packages an ordinary user is told what to ask root for.
inside "su user -c 'cd /src-user && mkdir a && cd a && ../configure --install-deps'" \
    >"$TMP/out" 2>&1 && wrong "user: configure succeeds without a compiler"
says 'As root, run'
says 'apt-get install .* gcc '

try "root: run" "cd /src && ./configure --install-deps && make -j2 run"
says 'riscv64 GNU/Linux'
try "root: run again" "cd /src && make run"
says 'riscv64 GNU/Linux'
try "root: check" "cd /src && ./configure --install-deps && make -j2 check"
try "user: run" "su user -c 'cd /src-user && mkdir b && cd b && ../configure --install-deps &&
    make -j2 run'"
says 'riscv64 GNU/Linux'
try "user: check" "su user -c 'cd /src-user/b && make -j2 check'"
try "user: install" "su user -c 'cd /src-user/b && make install DESTDIR=/tmp/d &&
    /tmp/d/usr/local/bin/metic --version'"
try "user: run without network and cache" "unshare -n su user -c 'cd /src-user/b &&
    XDG_CACHE_HOME=/tmp/empty make run'"
says 'no network, and nothing in'
says 'demo> '
[ "$bad" -eq 0 ]
