#!/bin/sh
# What a user does in the window goes through the journal: keys, the pointer's place, drags, all buttons, the
# wheel, a mouse that is held, another size of the window. Recorded under Debian's kernel and replayed
# without a window, and with one in which somebody types: the same console, the same digests.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/screen/window.sh"
needs
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" >"$TMP/initrd" || exit 1
start_desktop

# run NAME OPTION...: the guest.
run() {
    name=$1
    shift
    timeout "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --net none --sound none --name "$name" \
        --append 'quiet console=tty0 console=ttyS0' --screen 800x600 --clock virtual --digest-every 200M "$@" \
        >"$TMP/$name" 2>&1 </dev/null
}

# Linux's console can shrink, and not grow. An event is a line: two halves of type, code, value behind the time. The guest is busy, since on the virtual
# clock an idle one's time flies, and keys that are down would repeat.
listen='for i in 0 1 2; do hexdump -v -e '"'12/2 \"%d \" \"\\\\n\"'"' /dev/input/event$i & done'
run record --display sdl --record "$TMP/journal" --expect "$prompt" --send \
    "screen-up; while :; do :; done & $listen; setsid sh -c \"exec sh </dev/tty2 >/dev/tty2 2>&1\" & chvt 2; echo re''ady\\n" &
guest=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name 'record - metic' | tail -n 1)
[ -n "$window" ] || { wrong "no window"; tail -n 3 "$TMP/record"; finish; }
await record '^ready' "the guest listens"
xdotool windowfocus --sync "$window" mousemove --window "$window" 799 0
await record ' 3 0 32767 0 *$' "the pointer's place"
xdotool type --delay 60 'echo "Hi: $((6*7)) <>?|" >/dev/ttyS0'
xdotool key Return
await record 'Hi: 42 <>?|' "typed"
button=0
for code in 272 274 273; do
    button=$((button + 1))
    xdotool click $button
    await record " 1 $code 1 0 *\$" "button $code goes down"
    await record " 1 $code 0 0 *\$" "and up"
done
for button in 8:275 9:276; do
    xdotool click "${button%:*}"
    await record " 1 ${button#*:} 1 0 *\$" "an extra button: ${button#*:}"
done
xdotool click 4
await record ' 2 8 1 0 *$' "the wheel, up"
xdotool click 5
await record ' 2 8 -1 -1 *$' "and down"
xdotool mousemove --window "$window" 0 0 mousedown 1 mousemove --window "$window" 320 599 mouseup 1
await record ' 3 1 32767 0 *$' "dragged"
xdotool key ctrl+alt+g
timeout 20 xdotool search --sync --name 'record - metic.*lets keyboard and pointer go' >/dev/null || wrong "the pointer is not held"
xdotool mousemove_relative 20 10
await record ' 2 0 [1-9][0-9]* 0 *$' "a mouse that is held moves by how far"
xdotool key ctrl+alt+g
xdotool windowsize "$window" 640 420
xdotool type --delay 60 'until grep 640x420 /sys/class/drm/card*-Virtual-1/modes >/dev/ttyS0; do :; done'
xdotool key Return
await record '^640x420' "the window's size"
# The console takes what is nearest, and the window follows. The next wish it answers with the same again, and
# the window stays as its user made it.
xdotool windowsize --sync "$window" 900 700
tries=0
until [ $tries -gt 150 ] || [ "$(xdotool getwindowgeometry "$window" | grep -c 800x600)" = 1 ]; do
    tries=$((tries + 1))
    sleep 0.2
done
[ $tries -le 150 ] && good "the window follows the guest" || wrong "$(xdotool getwindowgeometry "$window")"
xdotool windowsize --sync "$window" 1000 740
tries=0
while [ $tries -lt 15 ] && [ "$(xdotool getwindowgeometry "$window" | grep -c 1000x740)" = 1 ]; do
    tries=$((tries + 1))
    sleep 0.2
done
[ $tries -eq 15 ] && good "a window stays larger than a guest wants it" || wrong "$(xdotool getwindowgeometry "$window")"
xdotool type --delay 60 'poweroff -f'
xdotool key Return
wait $guest
[ $? -eq 0 ] && good "typed: the end" || wrong "the end: $(tail -n 3 "$TMP/record")"

# same NAME WHAT: its console and digests are the recording's.
same() {
    grep -v '^metic: \(vnc\|screen\|image\|machine\|record\|replay\|window\)' "$TMP/record" >"$TMP/first"
    grep -v '^metic: \(vnc\|screen\|image\|machine\|record\|replay\|window\)' "$TMP/$1" >"$TMP/second"
    digests=$(grep -c 'digest' "$TMP/second")
    if [ "$digests" -lt 3 ]; then wrong "$2: $digests digests"; elif cmp -s "$TMP/first" "$TMP/second"; then
        good "$2: the same, with $digests digests"
    else
        wrong "$2: $(diff "$TMP/first" "$TMP/second" | head -n 4)"
    fi
}
run replay --replay "$TMP/journal"
same replay "replayed without a window"
run seen --replay "$TMP/journal" --display sdl &
guest=$!
if window=$(timeout 60 xdotool search --sync --onlyvisible --name 'seen - metic' | tail -n 1) && [ -n "$window" ]; then
    xdotool windowfocus --sync "$window" mousemove --window "$window" 100 100 click 1 type --delay 20 'nonsense'
    xdotool windowsize "$window" 700 500
else
    wrong "no window for the replay"
fi
wait $guest
same seen "replayed in a window, with somebody at its keyboard"
finish
