#!/bin/sh
# All that comes from outside in one recording: keys and pointer of the window and of a VNC viewer, sizes
# asked for by both, texts copied in both, sound that the guest records while it plays. Replayed with nobody
# there, and other sound to record: the same console, sound, digests.

set -u
boot_timeout_s=500
. "$SRCDIR/tests/boot/channels.sh"
. "$SRCDIR/tests/screen/window.sh"
needs python3 xclip
needs_vnc
fetch alsa guest/fetch_tree.sh alsa "" alsa-utils busybox-static
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
# The guest is busy, since on the virtual clock an idle one's time flies, and keys that are down would
# repeat. An event of the pointer's is a line: two halves of type, code, value behind the time.
cat >"$TMP/extra/bin/all" <<'END2'
#!/bin/sh
ports >/dev/null
disk-up
media-up
mount /dev/vda /mnt
mount -o bind /dev /mnt/dev
mount -t proc proc /mnt/proc
mount -t tmpfs tmp /mnt/tmp
while :; do :; done &
mkfifo /copied
clip /dev/virtio-ports/com.redhat.spice.0 <>/copied &
for i in 0 1 2; do
    exec 7</dev/input/event$i # open before it is told that it listens
    hexdump -v -e '12/2 "%d " "\n"' <&7 &
done
exec 7<>/dev/tty2
setsid sh -c 'exec sh </dev/tty2 >/dev/tty2 2>&1' &
chvt 2
echo ready
while ! [ -e /heard ]; do
    chroot /mnt arecord -q -f S16_LE -r 44100 -c 2 -d 1 /tmp/heard.wav
    echo "heard $(md5sum </mnt/tmp/heard.wav)"
    chroot /mnt aplay -q /tmp/heard.wav
done
poweroff -f
END2
cp "$SRCDIR/tests/console/ports.sh" "$TMP/extra/bin/ports"
chmod 755 "$TMP/extra/bin/ports" "$TMP/extra/bin/all"
add_program clip "$SRCDIR/tests/clipboard/clip.c"
cat "$linux/media.cpio.gz" >>"$TMP/initramfs"
python3 "$SRCDIR/tests/sound/wav.py" noise "$TMP/noise.wav" 60 44100 2 16
python3 "$SRCDIR/tests/sound/wav.py" tone "$TMP/tone.wav" 500 1 8000 1 8
start_desktop

# all NAME OPTION...: the guest.
all() {
    name=$1
    shift
    timeout "$boot_timeout_s" "$METIC" run "$linux/vmlinux" --initrd "$TMP/initramfs" --disk "$alsa" --net none \
        --append 'quiet console=tty0 console=ttyS0' --screen 800x600 --clock virtual --digest-every 500M --quiet \
        --sound "wav:$TMP/$name.wav" --name "$name" "$@" >"$TMP/$name" 2>&1 </dev/null
}
rfb() { timeout 60 python3 "$SRCDIR/tests/screen/rfb.py" "$TMP/vnc" "$@" >"$TMP/rfb" 2>&1 || wrong "rfb: $(tail -n 1 "$TMP/rfb")"; }

all record --display sdl --display "vnc:$TMP/vnc" --sound-in "$TMP/noise.wav" --record "$TMP/journal" \
    --expect "$prompt" --send 'all\n' &
guest=$!
window=$(timeout 60 xdotool search --sync --onlyvisible --name 'record - metic' | tail -n 1)
[ -n "$window" ] || { wrong "no window"; tail -n 3 "$TMP/record"; finish; }
await record '^ready' "the guest listens"
await record 'clipboard is shared' "its agent is answered"
xdotool windowfocus --sync "$window" mousemove --window "$window" 799 0
await record ' 3 0 32767 0 *$' "the pointer, in the window"
xdotool type --delay 60 'echo "window: $((6*7))" >/dev/ttyS0'
xdotool key Return
await record '^window: 42' "typed in the window"
rfb type 'echo "viewer: $((6*7))" >/dev/ttyS0\n'
await record '^viewer: 42' "typed in a viewer"
printf 'from the desktop' | timeout 100 xclip -selection clipboard -i >/dev/null 2>&1
await record 'host has: from the desktop' "copied on the desktop"
rfb copy 'from a viewer: Grüße' utf8
await record 'host has: from a viewer: Grüße' "copied in a viewer"
rfb type 'echo "from the guest" >/copied\n'
await record 'host takes it' "copied in the guest"
xdotool windowsize "$window" 640 420
rfb type 'until grep 640x420 /sys/class/drm/card*-Virtual-1/modes >/dev/ttyS0; do :; done\n'
await record '^640x420' "the window's size"
rfb resize 720 500
rfb type 'until grep 720x500 /sys/class/drm/card*-Virtual-1/modes >/dev/ttyS0; do :; done\n'
await record '^720x500' "a viewer's size"
await record '^heard' "sound was recorded"
rfb type 'touch /heard\n'
wait $guest
[ $? -eq 0 ] && good "typed in a viewer: the end" || wrong "the end: $(tail -n 3 "$TMP/record")"
guest=

all replay --sound-in "$TMP/tone.wav" --replay "$TMP/journal"
digests=$(grep -c digest "$TMP/replay")
[ "$digests" -ge 3 ] && good "$digests digests" || wrong "$digests digests"
same 'the same console and digests' "$TMP/record" "$TMP/replay"
same 'the same sound' "$TMP/record.wav" "$TMP/replay.wav"
finish
