#!/bin/sh
# virtio-gpu under Debian's kernel: a program fills whole frames of 1280x800 and flips to them, as a
# video player does. As fast as it goes ("flip"): time of a frame. At 60 a second ("video"), with all
# of metic on one processor (taskset), and its desktop (Xvfb) on another where there is one:
#
#   shown      frames that the window showed for a second of the guest's 60 (its own count, --stats)
#   made       time from frame to frame in the guest: 16.67 ms when it keeps 60
#   host       processor time a frame takes all in all, and below how much of that the hart takes
#              (the guest's own work), the GPU, the window's thread, and the desktop's server
#
# A run of one frame a second is what is taken off. "window" is metic with its window, which is left
# out where there is no Xvfb.

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
runs=
trap 'kill $desktop $runs 2>/dev/null' EXIT
cores=$(taskset -cp $$ | sed 's/.*: //; s/[-,]/ /g')
one=${cores##* } # the last, since the first has the host's interrupts
other=${cores%% *}
variants="metic qemu"
if command -v Xvfb >/dev/null 2>&1; then
    taskset -c "$other" Xvfb -displayfd 3 -screen 0 1400x900x24 3>"$work/desktop" >/dev/null 2>&1 &
    desktop=$!
    while [ ! -s "$work/desktop" ] && kill -0 $desktop; do sleep 0.1; done
    variants="metic qemu metic-window"
fi

# spent FILE PID [DESKTOP]: processor time so far, "name ns" of each thread, all of them, the desktop's.
spent() {
    for task in /proc/"$2"/task/*; do
        read -r ns rest <"$task/schedstat" && echo "$(tr ' ' '_' <"$task/comm") $ns"
    done 2>/dev/null >"$1"
    awk '{ sum += $2 } END { printf "all %.0f\n", sum }' "$1" >>"$1"
    [ -z "$desktop" ] || { read -r ns rest <"/proc/$desktop/schedstat" && echo "desktop $ns" >>"$1"; }
}
# of FILE PATTERN: the time of that thread.
of() { awk -v name="$2" '$1 ~ "^" name { sum += $2 } END { printf "%.0f", sum }' "$1"; }

# await TEXT: the guest says it.
await() {
    tries=0
    until grep -q "$1" "$work/log"; do
        tries=$((tries + 1))
        [ $tries -lt $((limit * 20)) ] && kill -0 "$runs" 2>/dev/null || { tail -n 15 "$work/log"; exit 1; }
        sleep 0.05
    done
}

# flips WHO RATE: runs it; $frames and $ns are the guest's, $shown the window's frames, and the files
# before and after have the processor time.
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
            --sound off --stats --display $display
        ;;
    esac
    : >"$work/log"
    taskset -c "$one" "$@" </dev/null >"$work/log" 2>&1 &
    runs=$!
    await '^screen [0-9]'
    spent "$work/before" $runs
    await '^screen flips'
    sleep 0.5 # what is under way comes to its end
    spent "$work/after" $runs
    wait $runs
    runs=
    read -r frames ns <<END
$(tr -d '\r' <"$work/log" | sed -n 's/^screen flips \([0-9]*\) ns \([0-9]*\) .*/\1 \2/p')
END
    shown=$(sed -n 's/^window  *\([0-9]*\) frames.*/\1/p' "$work/log")
    [ -n "$ns" ] || { tail -n 15 "$work/log"; exit 1; }
}

# part NAME PATTERN: the processor time of a thread's, a frame.
part() {
    busy=$(($(of "$work/after" "$2") - $(of "$work/before" "$2")))
    idle=$(($(of "$work/idle_after" "$2") - $(of "$work/idle_before" "$2")))
    per=$(((busy - idle) / (frames - idle_frames)))
    sample screen $kind "$kind, $1" ns $name $((per > 0 ? per : 0)) -
}

run=0
while [ $run -lt "$N" ]; do
    for who in $variants; do
        name=${who%-window}
        kind=video
        [ $who != metic-window ] || kind=window
        flips $who 0
        sample screen flip "$kind, as fast as it goes" ns $name $((ns / frames)) -
        flips $who 1
        mv "$work/before" "$work/idle_before"
        mv "$work/after" "$work/idle_after"
        idle_frames=$frames
        idle_shown=$shown
        flips $who 60
        sample screen $kind "$kind, made each" ns $name $((ns / frames)) -
        part "host a frame" all
        [ $who = qemu ] || {
            part "of it hart" hart
            part "of it GPU" virtio-gpu
        }
        [ $kind != window ] || {
            part "of it its thread" window
            part "desktop's server" desktop
            sample screen window "window, shown a second" frames metic \
                "$(awk -v n=$((shown - idle_shown + idle_frames)) -v ns="$ns" 'BEGIN { printf "%.2f", n * 1e9 / ns }')" -
        }
    done
    run=$((run + 1))
done
rm -rf "$work"
