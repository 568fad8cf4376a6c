#!/bin/sh
# EDK2's menus answer to keys in the window: its set-up and its boot manager, on the console, which the
# window shows as a terminal.

set -u
. "$SRCDIR/tests/boot/boot.sh"
for tool in Xvfb xdotool; do
    command -v $tool >/dev/null || { echo "$tool is not installed"; exit 77; }
done
grep -q 'HAVE_SDL2 1' config.h || { echo "built without SDL2 (Debian: libsdl2-dev)"; exit 77; }
grep -q 'HAVE_VTERM 1' config.h || { echo "built without libvterm (Debian: libvterm-dev)"; exit 77; }
export XDG_RUNTIME_DIR="$TMP/run" XDG_STATE_HOME="$TMP/state" XDG_DATA_HOME="$(dirname "$cache")/test-data"
mkdir -p "$XDG_RUNTIME_DIR" "$XDG_DATA_HOME"
desktop=
guest=
trap 'kill $desktop $guest 2>/dev/null' EXIT
[ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet || exit 77
"$METIC" build debian "$TMP/disk.img" --variant minimal --hostname meticos --password 'a b$c' --include less \
    >"$TMP/build" 2>&1 || { tail -n 5 "$TMP/build"; exit 1; }
Xvfb -displayfd 3 -screen 0 1280x900x24 3>"$TMP/display" >/dev/null 2>&1 &
desktop=$!
while [ ! -s "$TMP/display" ] && kill -0 $desktop; do sleep 0.1; done
DISPLAY=:$(cat "$TMP/display")
export DISPLAY

# await TEXT WHAT: the console has it behind what it had at the last call.
seen=0
await() {
    tries=0
    until "$METIC" log menu 2>/dev/null | tail -c "+$((seen + 1))" | grep -a -q -- "$1"; do
        tries=$((tries + 1))
        if [ $tries -gt 240 ] || ! kill -0 $guest 2>/dev/null; then
            wrong "$2: no '$1'"
            finish
        fi
        sleep 0.5
    done
    [ -z "$2" ] || good "$2"
    seen=$("$METIC" log menu | wc -c)
}
timeout 600 "$METIC" run "$TMP/disk.img" --display sdl --serial none --firmware edk2 --name menu --net none \
    >"$TMP/menu" 2>&1 </dev/null &
guest=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name 'menu - metic' | tail -n 1)
[ -n "$window" ] || { wrong "no window"; cat "$TMP/menu"; finish; }
xdotool windowfocus --sync "$window" key ctrl+alt+t
await 'Press ESCAPE' ''
xdotool key Escape
await 'Boot Maintenance Manager' "Escape brings EDK2's set-up"
sleep 3
xdotool key Down
sleep 2
xdotool key Down
await 'the Boot Manager' "the arrow keys move in it"
xdotool key Return
await 'Boot Manager Menu' "Return enters the boot manager"
"$METIC" stop menu
wait $guest
finish
