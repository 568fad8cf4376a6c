#!/bin/sh
# A screen for VNC viewers: a client of our own (rfb.py) sees what a screenshot shows and types into
# the guest, hostile ones do no harm, and TigerVNC's viewer, on a desktop of its own, gets in with the
# password and types.

set -u
. "$SRCDIR/tests/boot/boot.sh"
if grep -q 'HAVE_VNC 0' config.h; then
    "$METIC" run --demo --display vnc >"$TMP/without" 2>&1 </dev/null
    [ $? -eq 125 ] && grep -q 'built without VNC' "$TMP/without" || wrong "not built in: $(cat "$TMP/without")"
    echo "not tried: VNC (Debian: libvncserver-dev)"
    finish
fi
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" >"$TMP/initrd" || exit 1
desktop=
guest=
trap 'kill $desktop $guest 2>/dev/null' EXIT

# is WHAT IS WANTED
is() { if [ "$2" = "$3" ]; then good "$1"; else wrong "$1: '$2', not '$3'"; fi; }
rfb() { timeout 100 python3 "$SRCDIR/tests/screen/rfb.py" "$TMP/vnc" "$@" >"$TMP/rfb" 2>&1 ||
    { wrong "rfb $1: $(tail -n 3 "$TMP/rfb")"; return 1; }; }

# start NAME OPTION...: a guest whose first terminal's shell is on the screen, without a blinking cursor.
start() {
    name=$1
    shift
    timeout "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --net none --allow "$TMP" --name "$name" \
        --append 'quiet console=tty0 console=ttyS0' --screen 640x480 "$@" --expect "$prompt" --send \
        'screen-up; printf "\\033[?25l" >/dev/tty2; setsid sh -c "exec sh </dev/tty2 >/dev/tty2 2>&1" & chvt 2; echo re''ady\n' \
        >"$TMP/$name" 2>&1 </dev/null &
    guest=$!
    await "$name" '^ready'
}

refused() {
    "$METIC" run --demo --display "$1" >"$TMP/refused" 2>&1 </dev/null
    is "$1: status" $? "$2"
    if grep -q -- "$3" "$TMP/refused"; then good "$3"; else wrong "$1: no '$3': $(cat "$TMP/refused")"; fi
}
refused vnc:0.0.0.0:1 125 'ssh -L'
refused vnc:/nowhere/x 125 'cannot listen'
refused "vnc:$TMP/x,password-file=$TMP/none" 125 'no password in'
refused vncx 2 'there is no display'

start box --display "vnc:$TMP/vnc"
has box 'metic: vnc: vncviewer'
is "the socket's mode" "$(stat -c %a "$TMP/vnc")" 600
rfb picture "$TMP/rfb.ppm"
"$METIC" screenshot box - >"$TMP/shot.png" || wrong screenshot
python3 - "$XDG_RUNTIME_DIR/metic/box/monitor" "$TMP/shot.ppm" <<'END' || wrong "screendump"
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile("rw")
for command in ({"execute": "qmp_capabilities"}, {"execute": "screendump", "arguments": {"filename": sys.argv[2]}}):
    f.readline()
    f.write(json.dumps(command) + "\n")
    f.flush()
assert "return" in f.readline()
END
if cmp -s "$TMP/rfb.ppm" "$TMP/shot.ppm"; then good "a viewer sees what the screenshot shows"; else wrong "pictures differ"; fi
rfb type 'echo "Hi: $((6*7)) <>?|aB" >/dev/ttyS0\n' && await box 'Hi: 42 <>?|aB' "typed by keysyms"
rfb hostile "${SEED:-1}" "${FUZZ_SECONDS:-3}" && good "$(cat "$TMP/rfb")"
rfb picture "$TMP/after.ppm" && good "a viewer gets in after them"
"$METIC" stop box || wrong stop
wait $guest
is "stopped" $? 143
[ ! -e "$TMP/vnc" ] || wrong "the socket stays"

if ! command -v xtigervncviewer >/dev/null || ! command -v Xvfb >/dev/null || ! command -v xdotool >/dev/null; then
    echo "not tried: a stock viewer (Debian: tigervnc-viewer, xvfb, xdotool)"
    finish
fi
Xvfb -displayfd 3 -screen 0 1024x768x24 3>"$TMP/desktop" >/dev/null 2>&1 &
desktop=$!
while [ ! -s "$TMP/desktop" ] && kill -0 $desktop; do sleep 0.1; done
DISPLAY=:$(cat "$TMP/desktop")
export DISPLAY
start stock --display vnc
place=$(tr -d '\r' <"$TMP/stock" | sed -n 's/^metic: vnc: vncviewer localhost:\([0-9]*\), password.*/\1/p')
password=$(tr -d '\r' <"$TMP/stock" | sed -n 's/^metic: vnc: .*, password //p')
VNC_PASSWORD=wrongone timeout 20 xtigervncviewer -AlertOnFatalError=0 "127.0.0.1::$place" >"$TMP/viewer" 2>&1
if grep -qi 'auth' "$TMP/viewer"; then good "a wrong password is refused"; else wrong "$(tail -n 2 "$TMP/viewer")"; fi
VNC_PASSWORD=$password timeout 60 xtigervncviewer "127.0.0.1::$place" >"$TMP/viewer" 2>&1 &
viewer=$!
if window=$(timeout 30 xdotool search --sync --onlyvisible --name 'stock - metic' | tail -n 1); then
    xdotool windowfocus --sync "$window" mousemove --window "$window" 320 240 click 1
    sleep 1
    xdotool type --delay 60 'echo "Hi: $((6*7)) <>?|aB" >/dev/ttyS0'
    xdotool key Return
    await stock 'Hi: 42 <>?|aB' "typed in a stock viewer"
    xdotool type --delay 60 'poweroff -f'
    xdotool key Return
    wait $guest
    is "what was typed ended the machine" $? 0
else
    wrong "no window: $(tail -n 3 "$TMP/viewer")"
fi
kill $viewer 2>/dev/null
finish
