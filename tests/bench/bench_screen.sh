#!/bin/sh
# virtio-gpu under Debian's kernel: a program fills whole frames of 1280x800 and flips to them, as a
# video player does. As fast as it goes: time of a frame. At 60 a second: the host's processor time a
# frame takes all in all, and how many were shown a second; metic-window is metic with its window on a
# desktop of its own (Xvfb), which is left out where there is none.

set -u
. "$(dirname "$0")/common.sh"
guest=$(sh "$here/../guest/fetch.sh") || { echo "screen: no guest to boot"; exit 1; }
command -v riscv64-linux-gnu-gcc >/dev/null 2>&1 || {
    echo "bench: needs riscv64-linux-gnu-gcc (Debian: gcc-riscv64-linux-gnu)"
    exit 1
}
work=$DIR/screen
rm -rf "$work" && mkdir -p "$work/tree" || exit 1
riscv64-linux-gnu-gcc -D_GNU_SOURCE -O2 -static -o "$work/tree/flip-init" "$here/screen/flip.c" || exit 1
(cd "$work/tree" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -9n) >"$work/more.gz"
cat "$guest/initramfs.cpio.gz" "$guest/screen.cpio.gz" "$work/more.gz" >"$work/initramfs"
desktop=
trap 'kill $desktop 2>/dev/null' EXIT
variants="metic qemu"
if command -v Xvfb >/dev/null 2>&1; then
    Xvfb -displayfd 3 -screen 0 1400x900x24 3>"$work/desktop" >/dev/null 2>&1 &
    desktop=$!
    while [ ! -s "$work/desktop" ] && kill -0 $desktop; do sleep 0.1; done
    variants="metic qemu metic-window"
fi

# flips WHO RATE: runs it; $frames, $ns, and $cpu_ns of the host's processors for the whole run.
flips() {
    append="console=ttyS0 quiet rdinit=/flip-init flip=$2"
    case $1 in
    qemu)
        set -- "$QEMU" -M virt -cpu rv64 -m 512M -display none -monitor none -serial stdio \
            -kernel "$guest/vmlinuz" -initrd "$work/initramfs" -append "$append" \
            -global virtio-mmio.force-legacy=false -device virtio-gpu-device
        ;;
    *)
        display=none
        [ "$1" = metic ] || display=sdl
        set -- env DISPLAY=":$(cat "$work/desktop" 2>/dev/null)" "$METIC" run "$guest/vmlinuz" \
            --initrd "$work/initramfs" --append "$append" --quiet --net none --screen 1280x800 \
            --sound off --display $display
        ;;
    esac
    cpu_ns=$({ timeout "$limit" "$@" </dev/null >"$work/log" 2>&1; times; } |
        awk 'NR == 2 { gsub(/[ms]/, " "); printf "%.0f", (60 * $1 + $2 + 60 * $3 + $4) * 1e9 }')
    read -r frames ns <<END
$(tr -d '\r' <"$work/log" | sed -n 's/^screen flips \([0-9]*\) ns \([0-9]*\) .*/\1 \2/p')
END
    [ -n "$ns" ] || { tail -n 15 "$work/log"; exit 1; }
}

run=0
while [ $run -lt "$N" ]; do
    for who in $variants; do
        flips $who 0
        sample screen flip "flip 1280x800" ns $who $((ns / frames)) -
        flips $who 1
        idle_ns=$cpu_ns
        flips $who 60
        sample screen video "video 1280x800, host" ns $who $(((cpu_ns - idle_ns) / frames)) -
        sample screen video "video 1280x800, frame" ns $who $((ns / frames)) -
    done
    run=$((run + 1))
done
rm -rf "$work"
