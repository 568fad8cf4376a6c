#!/bin/sh
# Shared folders with Debian's kernel: random work on files in one and on this host's disk gives the same
# transcript and the same tree; nothing outside is reached; a folder that is read-only is; with the
# virtual clock a run is recorded with what the folder answered, and repeated without it.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/share/share.sh"
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }
steps=${LONG:+30000}
steps=${steps:-3000}

# The guest's initramfs with the program in it; the kernel takes archives one after the other.
mkdir -p "$TMP/extra/bin"
$CC -D_GNU_SOURCE -O1 -o "$TMP/stress" "$SRCDIR/tests/share/stress.c" &&
    $cross -D_GNU_SOURCE -O1 -static -o "$TMP/extra/bin/stress" "$SRCDIR/tests/share/stress.c" ||
    exit 1
(cd "$TMP/extra" && find . | cpio -o -H newc --quiet | gzip -1) >"$TMP/extra.gz" || exit 1
cat "$cache/initramfs.cpio.gz" "$TMP/extra.gz" >"$TMP/initramfs"

# run NAME WANTED_STATUS OPTION...: as boot, with that initramfs.
run() {
    boot "$@" --initrd "$TMP/initramfs" --net none
}

# says NAME TEXT: a line of the console has TEXT.
says() {
    if tr -d '\r' <"$TMP/$1" | grep -q -- "$2"; then good "$1: $2"; else
        wrong "$1: no '$2'"
        tr -d '\r' <"$TMP/$1" | tail -n 20
    fi
}

same() {
    if cmp "$2" "$3" >/dev/null; then good "$1"; else
        wrong "$1"
        diff "$2" "$3" | head -n 10
    fi
}

mkdir "$TMP/native" "$TMP/shared" "$TMP/shared/work" "$TMP/ro" || exit 1
(cd "$TMP/native" && "$TMP/stress" 11 "$steps") >"$TMP/native.txt" || exit 1
echo untouched >"$TMP/outside"
echo hello >"$TMP/ro/file"
ln -s ../outside "$TMP/shared/out"

run share 0 --share "$TMP/shared" --share "$TMP/ro:ro,tag=fixed" --cpus 2 \
    --expect "$prompt" --send 'insmod /lib/modules/virtio_mmio.ko; mkdir /a /b; mount -t virtiofs shared /a && mount -t virtiofs fixed /b && echo moun""ted\n' \
    --expect 'mounted' --expect "$prompt" --send "(cd /a/work; stress 11 $steps >../guest.txt)\n" \
    --expect "$prompt" --send "cat /a/out; echo x >/b/new; rm /b/file; cat /b/file\n" \
    --expect "$prompt" --send 'umount /a /b; poweroff\n'
says share "in the guest, mount -t virtiofs shared"
says share "can't open '/a/out'"
says share "can't create /b/new: Read-only file system"
same "share: as on the disk" "$TMP/native.txt" "$TMP/shared/guest.txt"
sums "$TMP/native" >"$TMP/native.sums"
sums "$TMP/shared/work" >"$TMP/shared.sums"
same "share: the same files" "$TMP/native.sums" "$TMP/shared.sums"
[ "$(cat "$TMP/outside")" = untouched ] || wrong "the file outside was changed"

goes_on '' 'insmod /lib/modules/virtio_mmio.ko' 'mount -t virtiofs'
replays '' 'insmod /lib/modules/virtio_mmio.ko' 'mount -t virtiofs' '3 200'

# Refusals.
refuses() {
    "$METIC" run "$cache/vmlinuz" --share "$1" >"$TMP/refused" 2>&1 </dev/null
    says refused "$2"
}
refuses "$TMP/none" 'cannot be shared: No such file'
refuses "$TMP/outside" 'cannot be shared: Not a directory'
refuses "$TMP/ro,cache=maybe" "'cache=maybe' is none of"
refuses "" 'empty value'
finish
