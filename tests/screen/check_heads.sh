#!/bin/sh
# A guest with two screens: Debian's kernel tells them apart, with their sizes and EDIDs; one picture over both is seen
# in two windows, by two VNC servers and in two screenshots; a pointer on either comes to the right place of it; the
# cursor of one is seen there alone; each is resized, taken away and given back.

set -u
boot_timeout_s=300
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/screen/window.sh"
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
command -v riscv64-linux-gnu-gcc >/dev/null || { echo "riscv64-linux-gnu-gcc is not installed"; exit 77; }
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR" "$TMP/extra/bin"
riscv64-linux-gnu-gcc -D_GNU_SOURCE -O1 -static -o "$TMP/extra/bin/heads" "$SRCDIR/tests/screen/heads.c" || exit 1
(cd "$TMP/extra" && find . | cpio -o -H newc --quiet | gzip -1) >"$TMP/extra.gz" || exit 1
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" "$TMP/extra.gz" >"$TMP/initrd" || exit 1

# is WHAT IS WANTED
is() { if [ "$2" = "$3" ]; then good "$1"; else wrong "$1: '$2', not '$3'"; fi; }
# says COUNT TEXT: the guest's console has it so often.
says() { await box "$2" "$2" "$1"; }
tell() { "$METIC" monitor box "$@" >"$TMP/answer" 2>&1 || wrong "$*: $(cat "$TMP/answer")"; }
# colour FILE.ppm X Y: of a pixel, as rrggbb.
colour() {
    python3 -c 'import sys
kind, size, most, pixels = open(sys.argv[1], "rb").read().split(b"\n", 3)
at = 3 * (int(sys.argv[3]) * int(size.split()[0]) + int(sys.argv[2]))
print(pixels[at:at + 3].hex())' "$@"
}

refused() {
    "$METIC" run --demo "$@" >"$TMP/refused" 2>&1 </dev/null
    is "$*: status" $? 2
    grep -q 'screen' "$TMP/refused" || wrong "$*: $(cat "$TMP/refused")"
}
refused --screen 640x480 --screenshot "$TMP/x.png,screen=1"
refused --screen 640x480,2 --screenshot "$TMP/x.png,screen=4"
refused --screen 640x480,2 --record-video "$TMP/x.y4m,screen=2"

looks=
if grep -q 'HAVE_SDL2 1' config.h && command -v Xvfb >/dev/null && command -v xdotool >/dev/null; then
    start_desktop_seen
    looks="--display sdl"
else
    echo "not tried: windows (Debian: libsdl2-dev, xvfb, xdotool)"
fi
if grep -q 'HAVE_VNC 1' config.h; then
    looks="$looks --display vnc:$TMP/vnc0 --display vnc:$TMP/vnc1,screen=1"
else
    echo "not tried: VNC (Debian: libvncserver-dev)"
fi
# Words are meant.
# shellcheck disable=SC2086
timeout "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --net none --sound none --allow "$TMP" \
    --name box --append 'quiet console=ttyS0' --screen 640x480,2 $looks --screenshot "$TMP/end.png,screen=1" \
    --expect "$prompt" --send 'stty -echo; screen-up; heads\nlist\nspan\ncursor 1 100 50\n' \
    --expect 'spans 1280x480' --send 'pointer\npointer\npointer\nawait 1 800 600\nspan\nawait 0 0 0\nlist\n' \
    --expect 'head 0: nothing' --send 'await 0 700 500\nawait 1 320 200\nlist\nspan\n' \
    --expect 'spans 1020x500' --send 'hide 1\nawait 0 640 480\nlist\n' >"$TMP/box" 2>&1 </dev/null &
guest=$!
says 1 'waits'
says 1 '^head 0: 640x480, edid 640x480'
says 1 '^head 1: 640x480, edid 640x480'
tell screendump "$TMP/0.ppm" 0
tell screendump "$TMP/1.ppm" 1
is "screen 0" "$(colour "$TMP/0.ppm" 300 300)" 400000
is "screen 1" "$(colour "$TMP/1.ppm" 0 300)" 004000
tell pointer 100 50 1
tell button left
says 1 'pointer at 740, 50'

says 2 'waits'
case $looks in
*vnc*)
    for screen in 0 1; do
        timeout 60 python3 "$SRCDIR/tests/screen/rfb.py" "$TMP/vnc$screen" picture "$TMP/rfb$screen.ppm" || wrong "viewer $screen"
    done
    is "a viewer of screen 0" "$(colour "$TMP/rfb0.ppm" 98 46)" 400000
    is "a viewer of screen 1" "$(colour "$TMP/rfb1.ppm" 0 300)" 004000
    is "its cursor" "$(colour "$TMP/rfb1.ppm" 98 46)" ffffff
    timeout 60 python3 "$SRCDIR/tests/screen/rfb.py" "$TMP/vnc1" hold 0.5
    says 1 'pointer at 650, 10'
    ;;
*) tell button left ;;
esac

says 3 'waits'
case $looks in
*sdl*)
    first=$(timeout 60 xdotool search --sync --onlyvisible --name '^box - metic' | tail -n 1)
    second=$(timeout 60 xdotool search --sync --onlyvisible --name '^box, screen 1 - metic' | tail -n 1)
    place() { xdotool getwindowgeometry --shell "$1" | sed -n 's/^[XY]=//p' | tr '\n' ' '; }
    set -- $(place "$first") $(place "$second")
    is "the second window does not cover the first" "$(($3 - $1)) $(($4 - $2))" '40 40'
    xdotool windowmove --sync "$first" 0 0 windowmove --sync "$second" 640 400
    until_is "the first window" 256000 count 0 0 640 400 400000
    until_is "the second, without its cursor" $((640 * 480 - 256)) count 640 400 640 480 004000
    until_is "the cursor, where the guest put it" 256 count 736 444 16 16 ffffff
    xdotool mousemove 840 860 click 1
    says 1 'pointer at 840, 460'
    ;;
*) tell button left ;;
esac

case $looks in
*vnc*)
    timeout 100 python3 "$SRCDIR/tests/screen/rfb.py" "$TMP/vnc1" sizes 800 600 >"$TMP/sizes" 2>&1
    is "a viewer asks for a size, and is told no other" "$(cat "$TMP/sizes")" '640x480 800x600'
    ;;
*) tell resize 800x600 1 ;;
esac
says 1 'spans 1440x600'
tell screendump "$TMP/1.ppm" 1
is "another size" "$(head -n 2 "$TMP/1.ppm" | tail -n 1)" '800 600'
tell resize off 0
says 1 '^head 0: nothing'
says 1 '^head 1: 800x600, edid 800x600'
tell resize 700x500
tell resize 320x200 1
says 1 'spans 1020x500'
says 1 '^head 0: 700x500, edid 700x500'
case $looks in
*sdl*)
    xdotool search --onlyvisible --name '^box, screen 1 - metic' getwindowgeometry >"$TMP/geometry"
    tries=0
    until xdotool getwindowgeometry "$second" | grep -q 320x200 || [ $tries -gt 100 ]; do tries=$((tries + 1)); sleep 0.2; done
    [ $tries -le 100 ] && good "the second window follows" || wrong "$(xdotool getwindowgeometry "$second")"
    ;;
esac
tell resize 640x480
says 2 '^head 0: 640x480, edid 640x480'
"$METIC" stop box >"$TMP/answer" 2>&1
wait $guest
is "stopped" $? 143
guest=
is "a screenshot at the end" "$(od -An -t u1 -j 16 -N 8 "$TMP/end.png" 2>/dev/null | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }')" '320 200'
finish
