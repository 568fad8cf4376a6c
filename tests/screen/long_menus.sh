#!/bin/sh
# EDK2's menus answer to keys in the window: its set-up and its boot manager, on the console, which the
# window shows as a terminal.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/screen/window.sh"
needs
needs_terminal
make_disk
start_desktop

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
