#!/bin/sh
# Disks with Debian's kernel: an overlay in a qcow2 file over a compressed qcow2 image, write-back,
# read-only, discard, several queues, a host that is full (and what on-error does), equal digests with
# the virtual clock, and a machine that is killed.

set -u
. "$SRCDIR/tests/hw/block/disk_guest.sh"

# guest_state STATUS NAME OPTION...: goes on from own.zst, and looks at the disk.
guest_state() {
    wanted=$1
    name=$2
    shift 2
    timeout -k 5 180 "$METIC" restore own.zst "$@" --expect "$prompt" --send 'disk-up\n' --expect "$prompt" \
        --send 'mount -t ext4 /dev/vda /mnt; cat /mnt/hello; ls /mnt; umount /mnt; poweroff -f\n' >"$name" 2>&1 </dev/null
    got=$?
    [ $got -eq "$wanted" ] && good "$name" || { wrong "$name: status $got, not $wanted"; tail -n 20 "$name"; }
}

# ---- An overlay in a file ----

fs base.raw 64M
ok "a compressed base" "$METIC" disk convert --compress --zstd base.raw base.qcow2
cp base.qcow2 base.before
guest overlay 0 'mount -t ext4 /dev/vda /mnt && cat /mnt/hello
ls /sys/block/vda/mq | wc -w; cat /sys/block/vda/serial
head -c 9000000 /dev/urandom >/mnt/noise; md5sum </mnt/noise; sync
rm /mnt/hello; fstrim -v /mnt; umount /mnt' \
    --cpus 2 --disk base.qcow2,overlay=over.qcow2
has overlay '^from the host'
has overlay '^2.$'
has overlay '^disk0'
ok "the base is as it was" cmp base.qcow2 base.before
ok "the overlay" qemu-img check over.qcow2
ok "its file system" whole over.qcow2
sum=$(tr -d '\r' <overlay | grep -E '^[0-9a-f]{32} ')
guest again 0 'mount -t ext4 /dev/vda /mnt && md5sum </mnt/noise; ls /mnt' \
    --disk base.qcow2,overlay=over.qcow2
has again "^$sum"
if grep -q '^hello' again; then wrong "again: the removed file is back"; else good "again: removed"; fi
"$METIC" run --demo --disk base.raw,overlay=over.qcow2 >refused 2>&1
has refused 'lies over base.qcow2, not over base.raw'

# ---- An overlay that leaves memory ----

# Its bytes come back from the file without a name, and a snapshot can be made of it.
noise='mount -t ext4 /dev/vda /mnt && head -c 30000000 /dev/zero | tr "\\\\0" x >/mnt/noise; sync
echo 3 >/proc/sys/vm/drop_caches; echo "sum $(md5sum </mnt/noise)"'
noise_sum=$(head -c 30000000 /dev/zero | tr '\0' x | md5sum | cut -d ' ' -f 1)
guest spill 0 "$noise" --disk base.qcow2 --overlay-memory 8M --clock virtual --digest-every 1G --save spill.zst --save-at 2G
has spill "^sum $noise_sum"
guest no-spill 0 "$noise" --disk base.qcow2 --overlay-memory 1G --clock virtual --digest-every 1G
ok "equal digests in memory and out of it" sh -c \
    'grep digest spill >s1; grep digest no-spill >s2; [ -s s1 ] && cmp s1 s2'

# ---- To the image itself, and only to be read ----

cp base.qcow2 mine.qcow2
guest write 0 'mount -t ext4 /dev/vda /mnt && echo written >/mnt/note; sync
if echo x >/dev/vdb; then echo not so; else echo "is read-only"; fi; cat /sys/block/vdb/ro' \
    --disk mine.qcow2:write --disk base.raw:ro,format=raw
has write '^is read-only'
ok "written" qemu-img check mine.qcow2
ok "written" whole mine.qcow2
ok "written" sh -c "debugfs -R 'cat note' copy 2>/dev/null | grep -q written"

# ---- A host that has no room ----

# The limit on a file's size stands for a full disk: writes beyond it fail, for any user.
limited() { (ulimit -f "$1" && shift && guest "$@"; echo $passed $failed >counts); read -r passed failed <counts; }
fs full.raw 64M
ok "a qcow2 to fill" "$METIC" disk convert full.raw full.qcow2
limited 16384 full 0 'mount -t ext4 /dev/vda /mnt && echo early >/mnt/early; sync; echo "early $?"
dd if=/dev/zero of=/mnt/late bs=1M count=30 conv=fsync; echo "late $?"
umount /mnt' --disk full.qcow2:write
has full '^early 0'
has full '^late 1'
has full 'the host failed: File too large'
ok "full: the image" qemu-img check full.qcow2
ok "full: what was there" sh -c \
    "qemu-img convert -O raw full.qcow2 copy && e2fsck -fy copy >/dev/null; debugfs -R 'cat early' copy 2>/dev/null | grep -q early"
fs full.raw 64M
rm -f full.qcow2
"$METIC" disk convert full.raw full.qcow2
limited 16384 stop 125 'mount -t ext4 /dev/vda /mnt && echo early >/mnt/early; sync
dd if=/dev/urandom of=/mnt/late bs=1M count=30 conv=fsync' --disk full.qcow2:write,on-error=stop
has stop 'the host failed a disk; its request is kept'
ok "stop: the image" qemu-img check full.qcow2
ok "stop: its file system" whole full.qcow2

# ---- The virtual clock ----

for run in 1 2; do
    guest virtual-$run 0 'mount -t ext4 /dev/vda /mnt && head -c 300000 /dev/vda >/mnt/f; sync; md5sum </mnt/f' \
        --clock virtual --digest-every 400M --cpus 2 --disk base.qcow2
done
grep digest virtual-1 >digests-1
grep digest virtual-2 >digests-2
[ -s digests-1 ] && cmp -s digests-1 digests-2 && good "equal digests" || wrong "digests differ"

# ---- A disk that is written itself is in a snapshot ----

# Saved before the guest mounts it. What it wrote since is put back when that is asked for, and only then.
for format in raw qcow2; do
    fs own.raw 64M
    [ $format = raw ] || ok "own.qcow2" "$METIC" disk convert own.raw own.qcow2
    guest own-$format 0 'mount -t ext4 /dev/vda /mnt && rm /mnt/hello; head -c 3000000 /dev/urandom >/mnt/noise; umount /mnt' \
        --clock virtual --disk own.$format:write --save own.zst --save-at 300M
    guest_state 125 moved-$format
    has moved-$format 'revert-disks puts it back'
    guest_state 0 reverted-$format --revert-disks
    has reverted-$format '^from the host'
    ok "$format: the image" sh -c "[ $format = raw ] || qemu-img check own.$format"
    ok "$format: its file system" whole own.$format
done

# ---- A machine that is killed ----

. "$SRCDIR/tests/hw/block/kill_guest.sh"
fs killed.raw 64M
"$METIC" disk convert killed.raw killed.qcow2
kill_rounds killed.qcow2 qcow2 2

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
