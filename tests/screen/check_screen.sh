#!/bin/sh
# A screen with Debian's kernel: its console drawn by virtio-gpu over mmio and PCI, the picture as a
# PNG, equal pictures in equal runs; and a window on a desktop of its own (Xvfb), in which xdotool
# types.

set -u
. "$SRCDIR/tests/boot/boot.sh"
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" >"$TMP/initrd" || exit 1
append='quiet console=tty0 console=ttyS0'

# screen NAME STATUS OPTION...
screen() {
    name=$1
    wanted=$2
    shift 2
    timeout "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --net none \
        --append "$append" "$@" >"$TMP/$name" 2>&1 </dev/null
    got=$?
    if [ "$got" -eq "$wanted" ]; then good "$name"; else
        wrong "$name: status $got, not $wanted"
        tail -n 12 "$TMP/$name"
    fi
}

# size FILE: WIDTH HEIGHT of a PNG, from its header.
size() { od -An -t u1 -j 16 -N 8 "$1" | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }'; }

# is NAME WHAT IS WANTED
is() { if [ "$3" = "$4" ]; then good "$1: $2"; else wrong "$1: $2 is '$3', not '$4'"; fi; }

for bus in mmio pci; do
    screen "gpu-$bus" 124 --screen 640x480 --virtio $bus --screenshot "$TMP/$bus.png" --clock virtual \
        --limit-time 20s --expect "$prompt" --send 'screen-up; dmesg | grep -c virtio_gpudrmfb\n' \
        --expect "$prompt" --send 'printf "\\033[41mred\\033[0m\\n" >/dev/tty0; echo do''ne\n'
    has "gpu-$bus" '^1'
    is "gpu-$bus" 'the size' "$(size "$TMP/$bus.png")" '640 480'
done
screen again 124 --screen 640x480 --virtio mmio --screenshot "$TMP/again.png" --clock virtual \
    --limit-time 20s --expect "$prompt" --send 'screen-up; dmesg | grep -c virtio_gpudrmfb\n' \
    --expect "$prompt" --send 'printf "\\033[41mred\\033[0m\\n" >/dev/tty0; echo do''ne\n'
if cmp -s "$TMP/mmio.png" "$TMP/again.png"; then good "equal pictures"; else wrong "equal pictures"; fi
# An empty screen of this size takes a few hundred bytes.
bytes=$(wc -c <"$TMP/mmio.png")
if [ "$bytes" -gt 3000 ]; then good "something is drawn"; else wrong "a picture of $bytes bytes"; fi

screen simple 124 --screen 640x480,simple --screenshot "$TMP/simple.png" --limit-insns 1M
is simple 'the size' "$(size "$TMP/simple.png")" '640 480'
"$METIC" run --demo --quiet --screenshot "$TMP/none.png" --expect 'demo> ' --send 'poweroff\n' \
    >"$TMP/none" 2>&1 </dev/null
is none 'the status' $? 125
has none 'screen 0 shows nothing'
"$METIC" run --demo --screen 1x1 >"$TMP/tiny" 2>&1 </dev/null
is tiny 'the status' $? 2
has tiny '1280x800'

# ---- The window ----

env -u DISPLAY -u WAYLAND_DISPLAY "$METIC" run --demo --display sdl >"$TMP/nodesktop" 2>&1 </dev/null
is nodesktop 'the status' $? 125
has nodesktop 'metic: no window\|without a window\|SDL2 is not'

if ! grep -q 'HAVE_SDL2 1' config.h || ! command -v Xvfb >/dev/null || ! command -v xdotool >/dev/null; then
    echo "not tried: the window (Debian: libsdl2-dev, xvfb, xdotool)"
    finish
fi
Xvfb -displayfd 3 -screen 0 1024x768x24 3>"$TMP/desktop" >/dev/null 2>&1 &
desktop=$!
# shellcheck disable=SC2064
trap "kill $desktop 2>/dev/null" EXIT
while [ ! -s "$TMP/desktop" ] && kill -0 $desktop; do sleep 0.1; done
DISPLAY=:$(cat "$TMP/desktop")
export DISPLAY

# What is typed into the window reaches a shell on the guest's first terminal, which ends the machine.
(failed=0; screen window 0 --display sdl --screen 640x480 --name typed \
    --expect "$prompt" --send 'screen-up; setsid sh -c "exec sh </dev/tty2 >/dev/tty2 2>&1" & chvt 2; echo re''ady\n'
    exit $failed) &
guest=$!
await window '^ready'
if window=$(xdotool search --sync --onlyvisible --name 'typed - metic'); then
    xdotool windowfocus --sync "$window" 2>/dev/null
    xdotool mousemove --window "$window" 320 240 click 1
    xdotool type --delay 80 'echo "Hi: $((6*7))" >/dev/ttyS0'
    xdotool key Return
    await window 'Hi: 42'
    xdotool type --delay 80 'poweroff -f'
    xdotool key Return
fi
wait $guest
is window 'what was typed was run' "$(tr -d '\r' <"$TMP/window" | grep -c 'Hi: 42')" 1
finish
