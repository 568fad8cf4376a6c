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

# awaits TEXT [WHAT]: the console has it behind what it had at the last call.
seen=0
console() { "$METIC" log "$1" 2>/dev/null | tail -c "+$((seen + 1))"; }
awaits() {
    await menu "$@"
    seen=$("$METIC" log menu | wc -c)
}
timeout 600 "$METIC" run "$TMP/disk.img" --display sdl --serial none --firmware edk2 --name menu --net none \
    >"$TMP/menu" 2>&1 </dev/null &
guest=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name 'menu - metic' | tail -n 1)
[ -n "$window" ] || { wrong "no window"; cat "$TMP/menu"; finish; }
xdotool windowfocus --sync "$window" key ctrl+alt+t
awaits 'Press ESCAPE'
xdotool key Escape
awaits 'Boot Maintenance Manager' "Escape brings EDK2's set-up"
sleep 3
xdotool key Down
sleep 2
xdotool key Down
awaits 'the Boot Manager' "the arrow keys move in it"
xdotool key Return
awaits 'Boot Manager Menu' "Return enters the boot manager"
"$METIC" stop menu
wait $guest
finish
