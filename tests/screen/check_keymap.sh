#!/bin/sh
# --keymap under Debian's kernel, whose console has that layout (Debian's own tables, by ckbcomp and
# loadkeys): what the monitor types and what viewers that name letters type is what the guest's console
# reads, with Caps Lock too; from TightVNC's viewer with a keyboard of another country. What a viewer
# holds goes up when it goes.

set -u
. "$SRCDIR/tests/boot/boot.sh"
grep -q 'HAVE_XKB 1' config.h || {
    "$METIC" run --demo --keymap de >"$TMP/without" 2>&1 </dev/null
    [ $? -eq 125 ] && grep -q 'built without keyboard layouts' "$TMP/without" || wrong "$(cat "$TMP/without")"
    echo "not tried: layouts (Debian: libxkbcommon-dev)"
    finish
}
grep -q 'HAVE_VNC 1' config.h || { echo "built without VNC (Debian: libvncserver-dev)"; exit 77; }
for tool in python3 ckbcomp loadkeys; do
    command -v $tool >/dev/null || { echo "$tool is not installed (Debian: python3, console-setup, kbd)"; exit 77; }
done
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR" "$TMP/maps"
desktop=
guest=
viewer=
trap 'kill $desktop $guest $viewer 2>/dev/null' EXIT

refused() {
    "$METIC" run --demo --keymap "$1" >"$TMP/refused" 2>&1 </dev/null
    got=$?
    if [ $got -eq 2 ] && grep -q -- "$2" "$TMP/refused"; then good "--keymap '$1': $2"; else
        wrong "--keymap '$1': status $got, $(cat "$TMP/refused")"
    fi
}
refused dee 'Did you mean de?'
refused us:dvorac 'Did you mean us:dvorak?'
refused en-gb 'Did you mean gb?'
refused 'no such' 'metic list keymaps'
"$METIC" list keymaps >"$TMP/list" || wrong "metic list keymaps"
for name in de fr us:dvorak; do
    grep -q "^$name " "$TMP/list" || wrong "metic list keymaps has no $name"
done

for layout in de fr us:dvorak; do
    ckbcomp ${layout%:*} $(expr "$layout" : '.*:\(.*\)') 2>/dev/null >"$TMP/map" &&
        loadkeys -u --bkeymap "$TMP/map" 2>/dev/null >"$TMP/maps/$layout" || wrong "no console table for $layout"
done
(cd "$TMP/maps" && ls | cpio -o -H newc --quiet) | gzip >"$TMP/maps.cpio.gz"
cat "$cache/initramfs.cpio.gz" "$cache/screen.cpio.gz" "$TMP/maps.cpio.gz" >"$TMP/initrd" || exit 1

# typed NAME TEXT WHAT: the guest's console has that very line.
typed() { await "$1" "$(printf '%s' "$2" | sed 's/[][\\.*^$]/\\&/g')" "$3"; }
# start NAME LAYOUT OPTION...: a guest that says what is typed on its second terminal, where keys do not repeat
# themselves: on a busy host they are down for longer than a typist's.
start() {
    name=$1
    map=$2
    shift 2
    timeout 60 "$METIC" run "$cache/vmlinuz" --initrd "$TMP/initrd" --net none --name "$name" \
        --append 'quiet console=tty0 console=ttyS0' --screen 640x480 --keymap "$map" "$@" --expect "$prompt" --send \
        "screen-up; chvt 2; loadkmap </$map; stty -F /dev/tty2 iutf8; printf '\\\\033[?8l' >/dev/tty2; cat /dev/tty2 & echo re''ady\n" \
        >"$TMP/$name" 2>&1 </dev/null &
    guest=$!
    await "$name" '^ready'
}
stop() {
    "$METIC" stop "$1" >/dev/null || wrong "stop $1"
    wait $guest
}
tell() { "$METIC" monitor "$@" >"$TMP/answer" 2>&1 || wrong "$*: $(cat "$TMP/answer")"; }
rfb() { timeout 100 python3 "$SRCDIR/tests/screen/rfb.py" "$TMP/vnc" "$@" >"$TMP/rfb" 2>&1 || wrong "rfb $1: $(tail -n 3 "$TMP/rfb")"; }

# each NAME LAYOUT TEXT: by the monitor, by letters of RFB, and both with Caps Lock.
each() {
    : >"$TMP/$1"
    start "$1" "$2" --display "vnc:$TMP/vnc"
    tell "$1" "type M1 $3\\n"
    typed "$1" "M1 $3" "$1: typed by the monitor"
    rfb type "V1 $3\n"
    typed "$1" "V1 $3" "$1: letters of a viewer"
    tell "$1" sendkey caps_lock
    tell "$1" "type M2 $3\\n"
    typed "$1" "M2 $3" "$1: typed by the monitor with Caps Lock"
    rfb type "V2 $3\n"
    typed "$1" "V2 $3" "$1: letters of a viewer with Caps Lock"
    if "$METIC" monitor "$1" type 'Щ' >"$TMP/answer" 2>&1; then wrong "$1: Щ was typed"; else
        grep -q "keyboard ($2, see --keymap) types 'Щ'" "$TMP/answer" || wrong "$1: $(cat "$TMP/answer")"
    fi
    if [ "$1" = de ]; then
        gone
    fi
    stop "$1"
}
# A viewer that goes while it holds Shift, a letter that takes AltGr, and a button: all are up, and what
# is typed then is small.
gone() {
    rfb hold 0xffe1 0x40 0x78 0.3
    rfb type 'after\n'
    typed de 'after' "what a viewer held does not stay down"
}
each de de 'äöüß€@{[]}|~^`éÀ zY <>#+*'
each fr fr 'äöü€@{[]}|~^`éèçàùê azAZ <>#+*12'
each dvorak us:dvorak 'snth~^@{[]}|"<>?QW'

# ---- A stock viewer that sends letters alone, at a Belgian keyboard ----

if ! command -v xtightvncviewer >/dev/null || ! command -v Xvfb >/dev/null || ! command -v xdotool >/dev/null ||
    ! command -v setxkbmap >/dev/null; then
    echo "not tried: a stock viewer (Debian: xtightvncviewer, xvfb, xdotool, x11-xkb-utils)"
    finish
fi
Xvfb -r -noreset -displayfd 3 -screen 0 1024x768x24 3>"$TMP/desktop" >/dev/null 2>&1 &
desktop=$!
while [ ! -s "$TMP/desktop" ] && kill -0 $desktop; do sleep 0.1; done
DISPLAY=:$(cat "$TMP/desktop")
export DISPLAY
setxkbmap be
start stock de --display vnc
address=$(tr -d '\r' <"$TMP/stock" | sed -n 's/^metic: vnc: vncviewer localhost:\([0-9]*\), password.*/\1/p')
tr -d '\r' <"$TMP/stock" | sed -n 's/^metic: vnc: .*, password //p' >"$TMP/password"
timeout 60 xtightvncviewer -autopass "127.0.0.1::$address" <"$TMP/password" >"$TMP/viewer" 2>&1 &
viewer=$!
if window=$(timeout 30 xdotool search --sync --onlyvisible --name 'stock - metic' | tail -n 1) && [ -n "$window" ]; then
    xdotool windowfocus --sync "$window" mousemove --window "$window" 320 240 click 1
    sleep 1
    # By places of that keyboard: a A @ (AltGr and 2) 2 (Shift) { (AltGr and 9) z < é ù
    for key in 24 shift+24 ISO_Level3_Shift+11 shift+11 ISO_Level3_Shift+18 25 94 11 48; do
        xdotool key --delay 60 "$key"
    done
    xdotool key Return
    typed stock 'aA@2{z<éù' "a Belgian viewer, a German guest"
else
    wrong "no window: $(tail -n 3 "$TMP/viewer")"
fi
kill $viewer 2>/dev/null
stop stock
finish
