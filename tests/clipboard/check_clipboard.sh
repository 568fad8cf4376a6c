#!/bin/sh
# The clipboard under Debian's kernel: a program (clip.c) says in the guest what SPICE's agent says
# there; VNC clients copy and paste, in Latin-1 and in UTF-8; a window; long texts; a hostile agent; a recording
# has what the host copied and is replayed without it; a snapshot.

set -u
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
boot_timeout_s=300
. "$SRCDIR/tests/boot/channels.sh"
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
cp "$SRCDIR/tests/console/ports.sh" "$TMP/extra/bin/ports"
chmod 755 "$TMP/extra/bin/ports"
add_program clip "$SRCDIR/tests/clipboard/clip.c"
port=/dev/virtio-ports/com.redhat.spice.0

run off 0 --screen 640x480 --clipboard off --clock virtual --expect "$prompt" \
    --send 'ls /sys/class/virtio-ports | wc -l; poweroff\n'
run taken 0 --screen 640x480 --port "com.redhat.spice.0=file:$TMP/taken.port" --clock virtual --expect "$prompt" \
    --send "ports; echo mine >$port; poweroff\n"
[ "$(cat "$TMP/taken.port")" = mine ] && good "the port can lead elsewhere" || wrong "the port does not lead elsewhere"

# Everybody on: it runs until it is told to go.
if grep -q 'HAVE_VNC 0' config.h; then
    echo "not tried: VNC (Debian: libvncserver-dev)"
    finish
fi
guest=
trap 'kill $guest 2>/dev/null' EXIT
rfb() { timeout "$boot_timeout_s" python3 "$SRCDIR/tests/screen/rfb.py" "$TMP/vnc" "$@"; }
# go NAME COMMAND OPTION...: metic runs with VNC, and has begun when its socket is there.
go() {
    name=$1
    shift
    timeout "$boot_timeout_s" "$METIC" "$@" --display "vnc:$TMP/vnc" --quiet --name box >"$TMP/$name" 2>&1 </dev/null &
    guest=$!
    until [ -S "$TMP/vnc" ]; do
        kill -0 $guest 2>/dev/null || { wrong "$name ends at once"; cat "$TMP/$name"; finish; }
        sleep 0.1
    done
}
copies() {
    rfb copy "$@" >"$TMP/rfb" 2>&1 || wrong "rfb: $(tail -n 1 "$TMP/rfb")"
}

kernel="--initrd $TMP/initramfs --net none --screen 640x480 --clock virtual"
# Word splitting is meant.
# shellcheck disable=SC2086
go record run "$linux/vmlinux" $kernel --append 'console=ttyS0 quiet' --record "$TMP/journal" --digest-every 500M \
    --expect "$prompt" --send "ports >/dev/null; clip $port hostile; clip $port\\n" \
    --expect 'host has: UTF-8: €' --send 'from the guest: Grüße, 世界\n' \
    --expect 'host has: the guest may go on' --send 'from the guest: again\n' \
    --expect 'host takes it' --send '\004' --expect "$prompt" --send 'poweroff\n'
rfb paste utf8 >"$TMP/paste8" 2>&1 &
rfb paste >"$TMP/paste1" 2>&1 &
await paste8 ready "a client with the extended clipboard"
await paste1 ready "a client without"
await record 'hostile: done' "nonsense of the guest's"
await record 'clipboard is shared' "the agent is answered"
copies 'Latin-1: Grüße'
await record 'host has: Latin-1: Grüße' "copied on the host, Latin-1"
copies @70000
await record 'host has 70000 bytes' "a long text"
copies 'UTF-8: €, 世界' utf8
await record 'host has: UTF-8: €, 世界' "copied on the host, UTF-8"
# Of two texts that a guest copies at once, viewers may see the second alone.
await paste8 '^pasted: from the guest: Grüße, 世界$' "pasted, UTF-8"
await paste1 '^pasted: from the guest: Grüße, ??$' "pasted, Latin-1"
copies 'the guest may go on'
wait $guest
[ $? -eq 0 ] && good "powered off" || { wrong "the end"; tail -n 5 "$TMP/record"; }
guest=
wait

# shellcheck disable=SC2086
timeout "$boot_timeout_s" "$METIC" run "$linux/vmlinux" $kernel --append 'console=ttyS0 quiet' --quiet --digest-every 500M \
    --replay "$TMP/journal" >"$TMP/replay" 2>&1 </dev/null
same 'replay without VNC: the same, digests included' "$TMP/record" "$TMP/replay"

# shellcheck disable=SC2086
run save 124 $kernel --save "$TMP/snapshot" --limit-time 5s --quiet --expect "$prompt" --send "ports >/dev/null; clip $port\\n"
go restore restore "$TMP/snapshot"
copies 'to a snapshot'
await restore 'host has: to a snapshot' "copied to a machine that was loaded"
copies @600000
await restore 'longer than 512 KiB; the guest does not get it' "a text that is too long is said"
"$METIC" stop box >/dev/null 2>&1
wait $guest
guest=

# A window on X's desktop, whose keyboard is nobody's all the while.
if ! grep -q 'HAVE_XFIXES 1' config.h || ! command -v Xvfb >/dev/null || ! command -v xclip >/dev/null; then
    echo "not tried: the window (Debian: libsdl2-dev, libxfixes-dev, xvfb, xclip)"
    finish
fi
. "$SRCDIR/tests/screen/window.sh"
start_desktop
timeout "$boot_timeout_s" "$METIC" run "$linux/vmlinux" --initrd "$TMP/initramfs" --net none --screen 640x480 \
    --append 'console=ttyS0 quiet' --display sdl --quiet --name box --expect "$prompt" \
    --send "ports >/dev/null; clip $port\n" --expect 'host has: outside: Äpfel' --send 'inside: Grüße\n' \
    >"$TMP/window" 2>&1 </dev/null &
guest=$!
outside() { printf '%s' "$1" | timeout 60 xclip -selection clipboard -i >/dev/null 2>&1; }
await window 'clipboard is shared' "the agent is answered, with a window"
outside 'outside: Äpfel'
await window 'host has: outside: Äpfel' "copied on the desktop, without the window's keyboard"
await window 'host takes it' "copied in the guest"
tries=0
until [ "$(timeout 10 xclip -selection clipboard -o 2>/dev/null)" = 'inside: Grüße' ] || [ $tries -gt 100 ]; do
    tries=$((tries + 1))
    sleep 0.2
done
[ $tries -le 100 ] && good "pasted on the desktop" || wrong "nothing to paste on the desktop"
outside 'outside again'
await window 'host has: outside again' "copied on the desktop again"
if grep -q 'host has: inside' "$TMP/window"; then wrong "the guest got its own text back"; else good "a text is not given back"; fi
"$METIC" stop box >/dev/null 2>&1
wait $guest
guest=
finish
