#!/bin/sh
# The way from power-on to another entry of GRUB's menu by keys in the window, seen on the screen: Return
# at EDK2's prompt, arrows and Return in GRUB's menus, and Debian's kernel starts for a single user.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/screen/window.sh"
needs
make_disk
start_desktop

console() { "$METIC" log "$1" 2>/dev/null | tr -d '\r'; }
# colour X Y: of a pixel, as rrggbb.
colour() {
    "$METIC" monitor menu screendump "$TMP/now.ppm" >"$TMP/answer" 2>&1 || { cat "$TMP/answer"; return; }
    set -- "$1" "$2" $(head -n 2 "$TMP/now.ppm" | tail -n 1)
    header=$(head -n 3 "$TMP/now.ppm" | wc -c)
    od -An -t x1 -j $((header + 3 * ($2 * $3 + $1))) -N 3 "$TMP/now.ppm" | tr -d ' '
}
# shown: a sum of the picture, when it no longer changes.
shown() {
    sum=
    until "$METIC" screenshot menu "$TMP/now.png" >/dev/null 2>&1 && [ "$sum" = "$(cksum <"$TMP/now.png")" ]; do
        kill -0 $guest 2>/dev/null || break
        sum=$(cksum <"$TMP/now.png" 2>/dev/null)
        sleep 0.5
    done
    echo "$sum"
}

timeout 900 "$METIC" run "$TMP/disk.img" --display sdl --screen 1024x768 --firmware edk2 --name menu --net none --clock virtual \
    --allow "$TMP" >"$TMP/menu" 2>&1 </dev/null &
guest=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name 'menu - metic' | tail -n 1)
[ -n "$window" ] || { wrong "no window"; cat "$TMP/menu"; finish; }
xdotool windowfocus --sync "$window"
await menu 'Press ESCAPE'
xdotool key Return
# GRUB counts a second down, which any key stops: so one is pressed until its menu's blue is there.
tries=0
until [ "$(colour 700 400)" = 0000a8 ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { wrong "no menu of GRUB's"; finish; }
    xdotool key Up
    sleep 0.2
done
good "a key keeps GRUB's menu"
# press KEY BEFORE: presses it; what is shown then, once that is something else than before.
press() {
    xdotool key "$1"
    now=$(shown)
    tries=0
    while [ "$now" = "$2" ] && [ $tries -lt 60 ]; do
        tries=$((tries + 1))
        now=$(shown)
    done
    echo "$now"
}
second=$(press Down "$(shown)")
first=$(press Up "$second")
if [ "$first" != "$second" ]; then good "an arrow key moves"; else wrong "an arrow key moves nothing"; fi
again=$(press Down "$first")
if [ "$again" = "$second" ]; then good "there and back"; else wrong "the way back shows something else"; fi
options=$(press Return "$again")
if [ "$options" != "$again" ]; then good "Return enters the other options"; else wrong "Return does nothing"; fi
press Down "$options" >/dev/null
xdotool key Return
await menu 'ernel command line:.* single' "the other entry boots"
"$METIC" stop menu
wait $guest
finish
