#!/bin/sh
# What the window looks like, pixel by pixel: a picture of columns one pixel wide in its own size, twice as
# large, sharp and smooth; the plots over it, which go without a trace; full screen and back, on a desktop
# that has no window manager.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/screen/window.sh"
needs python3 riscv64-linux-gnu-gcc
riscv64-linux-gnu-gcc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o "$TMP/look.elf" \
    "$SRCDIR/tests/screen/look.S" || exit 1
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
start_desktop_seen

timeout 200 "$METIC" run "$TMP/look.elf" --display sdl --screen 320x240,simple --sound none --name look --net none \
    >"$TMP/look" 2>&1 </dev/null &
guest=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name 'look - metic' | tail -n 1)
[ -n "$window" ] || { wrong "no window"; tail -n 3 "$TMP/look"; finish; }
xdotool windowfocus --sync "$window"
tries=0
until [ "$(xdotool getwindowgeometry "$window" | grep -c 320x240)" = 1 ]; do
    tries=$((tries + 1))
    [ $tries -lt 150 ] || { wrong "the window is not as large as the picture"; finish; }
    sleep 0.2
done
eval "$(xdotool getwindowgeometry --shell "$window" | grep '^[XY]=')" # its place; sets X and Y
until_is "as it is: white and black in turn" ffffff010101ffffff010101 row $((X + 100)) $((Y + 100)) 4
until_is "two colours" 2 colours "$X" "$Y" 320 240

xdotool windowsize --sync "$window" 640 480
until_is "twice as large and sharp: each pixel four" ffffffffffff010101010101ffffff row $((X + 200)) $((Y + 300)) 5
until_is "the same two colours" 2 colours "$X" "$Y" 640 480
sharp=$(look digest "$X" "$Y" 640 480)
xdotool key ctrl+alt+s
until_not "smooth: something between them" 2 colours "$X" "$Y" 640 480
row=$(look row $((X + 200)) $((Y + 300)) 5)
[ "$row" != ffffffffffff010101010101ffffff ] && good "columns run into each other: $row" || wrong "smooth is sharp: $row"
xdotool key ctrl+alt+s
until_is "sharp again" "$sharp" digest "$X" "$Y" 640 480

# Larger and smaller by keys, as far as the desktop has room; a picture stays in its shape.
sized() {
    tries=0
    until [ "$(xdotool getwindowgeometry "$window" | grep -c "$1\$")" = 1 ] || [ $tries -gt 150 ]; do tries=$((tries + 1)); sleep 0.2; done
    [ $tries -le 150 ] && good "$2: $1" || wrong "$2: $(xdotool getwindowgeometry "$window"), not $1"
}
xdotool key ctrl+alt+0
sized 320x240 "a key has it as it is"
xdotool key --repeat 3 --repeat-delay 300 ctrl+alt+equal
sized 1200x900 "as large as there is room"
eval "$(xdotool getwindowgeometry --shell "$window" | grep '^[XY]=')"
until_is "all of it is seen" 2 colours "$X" $((Y + 899)) 1200 1
xdotool key --repeat 2 --repeat-delay 300 ctrl+alt+minus
sized 640x480 "smaller"
eval "$(xdotool getwindowgeometry --shell "$window" | grep '^[XY]=')"
until_is "and sharp" "$sharp" digest "$X" "$Y" 640 480

# Five plots, each in its colour and place, over the picture.
xdotool key ctrl+alt+o
band=0
for colour in 5adc5a f0c83c 5aaafa f06e5a c88cfa; do
    top=$((Y + 10 + 54 * band))
    until_not "plot $band is drawn" 0 count $((X + 10)) $top 480 48 $colour
    for other in 5adc5a f0c83c 5aaafa f06e5a c88cfa; do
        [ $other = $colour ] || [ "$(look count $((X + 10)) $top 480 48 $other)" = 0 ] || wrong "plot $band has $other"
    done
    band=$((band + 1))
done
until_is "the picture is beside them" 2 colours $((X + 500)) "$Y" 140 480
moving=$(look digest "$X" "$Y" 640 280)
until_not "they move" "$moving" digest "$X" "$Y" 640 280
# No instruction is executed by a machine that is paused: the first curve goes along its bottom.
bottom="count $((X + 10)) $((Y + 10 + 42)) 480 6 5adc5a"
# Words are meant.
# shellcheck disable=SC2086
before=$(look $bottom)
"$METIC" monitor look pause >"$TMP/answer" 2>&1 || wrong "pause: $(cat "$TMP/answer")"
tries=0
# shellcheck disable=SC2086
until [ "$(look $bottom)" -ge $((before + 6)) ] || [ $tries -gt 150 ]; do tries=$((tries + 1)); sleep 0.2; done
[ $tries -le 150 ] && good "a machine that is paused executes nothing" || wrong "the plot of a paused machine is not at 0"
xdotool key ctrl+alt+p
timeout 20 xdotool search --sync --name 'look - metic - running' >/dev/null && good "a key has it go on" || wrong "$(xdotool getwindowname "$window")"
xdotool key ctrl+alt+p
timeout 20 xdotool search --sync --name 'look - metic - paused' >/dev/null && good "and stop" || wrong "$(xdotool getwindowname "$window")"
timeout 20 xdotool search --sync --name ' - paused, 0 MIPS - ' >/dev/null && good "its title says so" ||
    wrong "the title of a paused machine: $(xdotool getwindowname "$window")"
"$METIC" monitor look continue >"$TMP/answer" 2>&1 || wrong "continue: $(cat "$TMP/answer")"
xdotool key ctrl+alt+o
until_is "without them it is as before" "$sharp" digest "$X" "$Y" 640 480

xdotool key ctrl+alt+f
until_is "full screen: black on the left" 40 count 0 450 40 1 000000
until_is "and on the right" 40 count 1240 450 40 1 000000
until_is "its shape is kept: the picture between, up to all edges" 2 colours 40 0 1200 900
until_not "from the first column on" 0 count 40 899 1 1 ffffff
xdotool key ctrl+alt+f
until_is "and back, as it was" "$sharp" digest "$X" "$Y" 640 480
[ "$(xdotool getwindowgeometry "$window" | grep -c 640x480)" = 1 ] && good "in its size" || wrong "$(xdotool getwindowgeometry "$window")"
"$METIC" stop look >"$TMP/answer" 2>&1
wait $guest
finish
