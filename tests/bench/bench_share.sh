#!/bin/sh
# git on a tree of 4,000 files in a shared folder, under Debian's kernel: virtio-fs inside metic against
# QEMU with virtiofsd (VIRTIOFSD names it when it is not where Debian has it; that is skipped with a word
# when there is none). The same user, the host's file cache warm.

set -u
. "$(dirname "$0")/common.sh"
. "$here/../../ui/build/apt_private.sh"
guest=$(sh "$here/../guest/fetch.sh") || { echo "share: no guest to boot"; exit 1; }
for tool in riscv64-linux-gnu-gcc git awk; do
    command -v $tool >/dev/null 2>&1 || { echo "share: needs $tool"; exit 1; }
done
daemon=${VIRTIOFSD:-}
for path in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; do
    [ -n "$daemon" ] || [ ! -x $path ] || daemon=$path
done
[ -n "$daemon" ] || echo "share: no virtiofsd here (Debian: virtiofsd); QEMU is left out"
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/metic/bench-git
work=$DIR/share
rm -rf "$work" && mkdir -p "$work/tree/bin" "$work/shared" "$cache" || exit 1
daemon_pid=
trap '[ -z "$daemon_pid" ] || kill $daemon_pid 2>/dev/null; rm -rf "$work"' EXIT

# git of the guest's Debian with the three libraries it wants.
if [ ! -x "$cache/tree/usr/bin/git" ]; then
    apt_private_init "$cache/apt" trixie riscv64 "$cache/status" && apt_private_update || exit 1
    (cd "$cache" && apt_private -q download git libc6 libpcre2-8-0 zlib1g) >&2 || exit 1
    rm -rf "$cache/all" && mkdir -p "$cache/all" "$cache/tree/usr/bin" "$cache/tree/lib"
    for deb in "$cache"/*.deb; do dpkg-deb -x "$deb" "$cache/all" || exit 1; done
    for name in libc.so.6 libz.so.1 libpcre2-8.so.0 ld-linux-riscv64-lp64d.so.1; do
        cp -L "$(find "$cache/all" -path "*riscv64-linux-gnu/$name" | head -n 1)" "$cache/tree/lib/" || exit 1
    done
    cp "$cache/all/usr/bin/git" "$cache/tree/usr/bin/" && rm -rf "$cache/all" "$cache"/*.deb
fi
cp -a "$cache/tree/." "$work/tree/" && mkdir -p "$work/tree/usr/lib/git-core" &&
    ln -s /usr/bin/git "$work/tree/usr/lib/git-core/git" &&
    riscv64-linux-gnu-gcc -O2 -static -o "$work/tree/bin/timed" "$here/share/timed.c" &&
    cp "$here/share/init" "$work/tree/share-init" || exit 1
for name in git-upload-pack git-index-pack; do
    ln -sf git "$work/tree/usr/bin/$name"
done
(cd "$work/tree" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1n) >"$work/more.gz"
cat "$guest/initramfs.cpio.gz" "$work/more.gz" >"$work/initramfs"
append="console=ttyS0 quiet rdinit=/share-init"

# The tree: 40 folders of 100 files, a commit, and every tenth file changed since.
make_tree() {
    mkdir -p "$work/shared/repository" && cd "$work/shared/repository" && git init -q . || exit 1
    awk 'BEGIN { srand(1); for (d = 0; d < 40; d++) { system("mkdir -p d" d)
        for (f = 0; f < 100; f++) { name = "d" d "/f" f; for (l = 0; l < 40; l++)
            print int(rand() * 1e9), "quick brown fox", l, f % 7 == 0 ? "zebra" : "" > name
        close(name) } } }'
    git add . && git -c user.name=bench -c user.email=bench@example.org commit -q -m first &&
        for file in d*/f*5; do sed -i '3s/quick/slow/' "$file"; done
    cd "$OLDPWD" || exit 1
}

measure() {
    if [ "$1" = metic ]; then
        timeout "$limit" "$METIC" run "$guest/vmlinuz" --initrd "$work/initramfs" --append "$append" \
            --quiet --net none --share "$work/shared,tag=tree" </dev/null >"$work/log" 2>&1
    else
        "$daemon" --socket-path "$work/sock" --shared-dir "$work/shared" --sandbox none \
            --cache auto >"$work/daemon.log" 2>&1 &
        daemon_pid=$!
        until [ -S "$work/sock" ]; do
            kill -0 $daemon_pid 2>/dev/null || { tail -n 3 "$work/daemon.log"; exit 1; }
            sleep 0.1
        done
        timeout "$limit" "$QEMU" -M virt -cpu rv64 -m 512M -display none -monitor none -serial stdio \
            -kernel "$guest/vmlinuz" -initrd "$work/initramfs" -append "$append" \
            -object memory-backend-memfd,id=m,size=512M,share=on -machine memory-backend=m \
            -chardev "socket,id=c,path=$work/sock" -global virtio-mmio.force-legacy=false \
            -device vhost-user-fs-device,chardev=c,tag=tree </dev/null >"$work/log" 2>&1
        kill $daemon_pid 2>/dev/null
        wait $daemon_pid 2>/dev/null
        daemon_pid=
        rm -f "$work/sock"
    fi
    grep -q '^share end' "$work/log" || { tail -n 15 "$work/log"; exit 1; }
    tr -d '\r' <"$work/log" | sed -n 's/^share \([a-z-]*\) \([0-9]*\) \([0-9a-f]*\)$/\1 \2 \3/p' \
        >"$work/times"
    while read -r name ns sum; do
        sample share git "$name" ns "$1" "$ns" "$sum"
    done <"$work/times"
}

make_tree
run=0
while [ $run -lt "$N" ]; do
    rm -rf "$work/shared/clone"
    measure metic
    [ -z "$daemon" ] || measure qemu
    run=$((run + 1))
done
