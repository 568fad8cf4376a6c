#!/bin/sh
# A USB keyboard and tablet under Debian's kernel: found, typed on by the monitor, moved, clicked; by pin
# and by message; recorded and replayed; saved, used and put back to that. With virtio's drivers loaded as
# well each key comes once.

set -u
. "$SRCDIR/tests/boot/boot.sh"
fetch linux guest/fetch_disk.sh
export XDG_RUNTIME_DIR="$TMP/run"
mkdir -p "$XDG_RUNTIME_DIR"
cat "$linux/initramfs.cpio.gz" "$linux/usb.cpio.gz" "$linux/media.cpio.gz" >"$TMP/initrd" || exit 1
guest=
trap 'kill $guest 2>/dev/null' EXIT
# What the tablet says, and a shell on the first terminal.
listen='usb-up; until [ -e /dev/input/event1 ]; do sleep 0.1; done; dmesg | grep "USB HID"; cat /dev/input/event1 | hexdump -e '"'12/2 \"%d \" \"\\\\n\"'"' & setsid sh -c "exec sh </dev/tty1 >/dev/tty1 2>&1" & echo re''ady\n'

# run NAME OPTION...: the guest. begin NAME FIRST OPTION...: begins it, and waits until it listens.
run() {
    name=$1
    shift
    timeout "$boot_timeout_s" "$METIC" run "$linux/vmlinux" --initrd "$TMP/initrd" --net none --name "$name" \
        --append 'quiet console=ttyS0' --screen 640x480,simple --allow "$TMP" "$@" >"$TMP/$name" 2>&1 </dev/null
}
begin() {
    name=$1
    first=$2
    shift 2
    run "$name" --expect "$prompt" --send "$first$listen" "$@" &
    guest=$!
    await "$name" '^ready'
}
tell() { "$METIC" monitor "$@" >"$TMP/answer" 2>&1 || wrong "$1: $(cat "$TMP/answer")"; }
# is NAME WHAT IS WANTED
is() { if [ "$3" = "$4" ]; then good "$1: $2"; else wrong "$1: $2 is '$3', not '$4'"; fi; }

# use NAME: types and points, which ends it.
use() {
    tell "$1" 'type echo "Key: $((6*7)) <>?|" >/dev/ttyS0\n'
    await "$1" 'Key: 42 <>?|' "$1: typed"
    tell "$1" pointer 639 0
    await "$1" ' 3 0 32767 0 *$' "$1: pointed"
    tell "$1" button left
    await "$1" ' 1 272 1 0 *$'
    await "$1" ' 1 272 0 0 *$' "$1: clicked"
    tell "$1" 'type poweroff -f\n'
    wait $guest
    is "$1" 'the status' $? 0
}

# On the virtual clock an idle guest's time flies, and keys that are down would repeat: so it is busy.
begin pin 'while :; do :; done & ' --clock virtual --record "$TMP/journal"
has pin 'USB HID v1.11 Keyboard'
has pin 'USB HID v1.11 Mouse'
use pin
run replay --replay "$TMP/journal"
is replay 'the status' $? 0
grep -v '^metic:' "$TMP/pin" >"$TMP/first"
grep -v '^metic:' "$TMP/replay" >"$TMP/second"
if cmp -s "$TMP/first" "$TMP/second"; then good 'replay: the same'; else
    wrong "replay: $(diff "$TMP/first" "$TMP/second" | head -n 4)"
fi

begin saved ''
tell saved snapshot save here
tell saved 'type echo First >/dev/ttyS0\n'
await saved 'First'
tell saved snapshot load here
tell saved 'type echo Second >/dev/ttyS0\n'
await saved 'Second' 'saved: typed before and after it was put back'
tell saved 'type poweroff -f\n'
wait $guest
is saved 'the status' $? 0

begin message 'media-up; ' --machine virt,aia=aplic-imsic
tell message 'type grep xhci /proc/interrupts >/dev/ttyS0; echo Double >/dev/ttyS0\n'
await message 'Double' "with virtio's keyboard too: each key once"
has message 'MSIX.*xhci_hcd'
tell message 'type poweroff -f\n'
wait $guest
is message 'the status' $? 0
finish
