#!/bin/sh
# The window, sentence by sentence, under xdotool: it is a terminal while the guest draws nothing; keys
# are places whatever the desktop's layout; the guest repeats them, and none stays down when the window
# loses the keyboard; dragging its edge tells the guest; the clipboard can be typed; title and keys.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/screen/window.sh"
needs setxkbmap
needs_terminal
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" >"$TMP/initrd" || exit 1
start_desktop

console() { "$METIC" log "$1" 2>/dev/null | tr -d '\r'; }
line() {
    xdotool type --delay 50 "$1"
    xdotool key Return
}

timeout "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --append 'quiet console=ttyS0' \
    --display sdl --serial none --name box --net none >"$TMP/box" 2>&1 </dev/null &
guest=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name 'box - metic - running, .* MIPS - Ctrl.Alt.G holds' | tail -n 1)
[ -n "$window" ] || { wrong "no window, or not that title"; cat "$TMP/box"; finish; }
good "the title has name, state, speed and the key that holds the pointer"
xdotool windowfocus --sync "$window"
await box "$prompt" "a guest that only has a serial line boots"
line 'echo "Hi: $((6*7)) <>?|"'
await box '^Hi: 42 <>?|' "typed into the terminal"
xdotool key ctrl+alt+o
line 'screen-up; stty -echo; echo is u''p'
await box '^is up' "with the plots"
xdotool key ctrl+alt+o
# The guest draws now, so keys go to its keyboard, which tells what it gets.
xdotool key ctrl+alt+t
listen="hexdump -v -e '12/2 \"%d \" \"\\n\"' /dev/input/event0 & echo"
line "$listen look''ing"
await box 'looking' "the terminal by its key, while the guest draws"
xdotool key ctrl+alt+t
sleep 1
# An event is a line: two halves of type, code, value behind the time.
sent() { await box " 1 $1 $2 0 *\$" "$3"; }
setxkbmap de
sleep 1
xdotool key 29 # the place that a German keyboard calls z
sent 21 1 "a key is a place, with another layout"
setxkbmap us
sleep 1
xdotool keydown h
sent 35 1 "a key goes down"
sent 35 2 "the guest repeats it"
# Another window takes the keyboard.
xdotool windowfocus 1 2>/dev/null || xdotool search --name '' windowfocus 2>/dev/null | head -n 1
env -u WAYLAND_DISPLAY xdotool windowunmap --sync "$window" windowmap --sync "$window" 2>/dev/null
sent 35 0 "no key stays down when the keyboard is elsewhere"
xdotool keyup h
xdotool windowfocus --sync "$window"
# What was down when the machine was saved is let go when it is loaded: nobody holds it then.
xdotool keydown j
sent 36 1 "a key is held"
"$METIC" monitor box snapshot save held >"$TMP/answer" 2>&1 || wrong "save: $(cat "$TMP/answer")"
xdotool keyup j
sent 36 0 "and let go"
ups=$(console box | grep -c ' 1 36 0 0 *$')
"$METIC" monitor box snapshot load held >"$TMP/answer" 2>&1 || wrong "load: $(cat "$TMP/answer")"
await box ' 1 36 0 0 *$' "a key that was down in a snapshot does not stay down" $((ups + 1))
"$METIC" monitor box snapshot delete held >"$TMP/answer" 2>&1
# Neither when the pointer is let go, nor through a reset.
xdotool key ctrl+alt+g
xdotool keydown k
sent 37 1 "a key is held while keyboard and pointer are"
xdotool key ctrl+alt+g
sent 37 0 "it goes up when they are let go"
xdotool keyup k
xdotool windowsize "$window" 800 560
sleep 2
xdotool key ctrl+alt+t
sleep 1
line 'kill %1; echo size $(head -n 1 /sys/class/drm/card*-Virtual-1/modes)'
await box '^size 800x560' "a dragged edge tells the guest"
xdotool key ctrl+alt+g
if timeout 20 xdotool search --sync --name 'Ctrl.Alt.G lets keyboard and pointer go' >/dev/null; then
    good "the title says how to let go"
else
    wrong "no word in the title of how to let go"
fi
xdotool key ctrl+alt+g ctrl+alt+f
sleep 2
xdotool key ctrl+alt+f ctrl+alt+s
# Linux's console cannot grow: the screen must not go dark for a window that asks it to.
if "$METIC" screenshot box "$TMP/full.png" 2>"$TMP/answer"; then good "a console is seen on a full screen"; else
    wrong "full screen: $(cat "$TMP/answer")"
fi
if command -v xclip >/dev/null; then
    printf 'echo from the clip""board\n' | timeout 20 xclip -selection clipboard -i 2>/dev/null
    sleep 1
    xdotool key ctrl+alt+v
    await box 'from the clipboard' "the clipboard is typed"
else
    echo "not tried: the clipboard (Debian: xclip)"
fi
# A key that is down when the machine is reset, and let go before the guest is back, is up there.
line "$listen ag''ain"
await box 'again' "listening again"
xdotool key ctrl+alt+t
sleep 1
xdotool keydown m
sent 50 1 "a key is held"
"$METIC" monitor box reset >"$TMP/answer" 2>&1 || wrong "reset: $(cat "$TMP/answer")"
sleep 0.3
xdotool keyup m
await box 'busybox shell' '' 2
sleep 1
line "stty -echo; screen-up; $listen resta''rted" # the screen shows nothing: this is the terminal
await box 'restarted' "the machine is reset"
sleep 1
ms=$(console box | grep -c ' 1 50 ')
xdotool key n
xdotool key ctrl+alt+t key n key ctrl+alt+t
sent 49 0 "keys come after a reset"
[ "$(console box | grep -c ' 1 50 ')" -eq "$ms" ] && good "the key that was held does not" || wrong "a key stays down after a reset"
"$METIC" stop box >"$TMP/answer" 2>&1
wait $guest
[ $? -eq 143 ] && good "stopped" || wrong "the end"
finish
