#!/bin/sh
# virtio-blk under Debian's kernel: time of a request, metic against QEMU, on a raw and on a qcow2
# image that begin empty and are written (cache=writeback on both sides: the host's page cache).
# DISK_HARTS chooses the harts (1).

set -u
. "$(dirname "$0")/common.sh"
linux=$(sh "$here/../guest/fetch_disk.sh") || { echo "disk: no guest to boot"; exit 1; }
command -v riscv64-linux-gnu-gcc >/dev/null 2>&1 || {
    echo "bench: needs riscv64-linux-gnu-gcc (Debian: gcc-riscv64-linux-gnu)"
    exit 1
}
work=$DIR/disk
rm -rf "$work" && mkdir -p "$work/tree" || exit 1
riscv64-linux-gnu-gcc -D_GNU_SOURCE -O2 -static -o "$work/tree/disk-init" "$here/disk/disk.c" || exit 1
(cd "$work/tree" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -9n) >"$work/more.gz"
cat "$linux/initramfs.cpio.gz" "$work/more.gz" >"$work/initramfs"
append="console=ttyS0 quiet rdinit=/disk-init"
harts=${DISK_HARTS:-1}

# measure WHO FORMAT
measure() {
    rm -f "$work/image"
    if [ "$2" = raw ]; then truncate -s 1G "$work/image"; else
        "$METIC" disk create "$work/image" 1G || exit 1
    fi
    if [ "$1" = metic ]; then
        timeout "$limit" "$METIC" run "$linux/vmlinux" --initrd "$work/initramfs" --append "$append" \
            --quiet --net none --cpus "$harts" --disk "$work/image:write" </dev/null >"$work/log" 2>&1
    else
        timeout "$limit" "$QEMU" -M virt -cpu rv64 -m 512M -smp "$harts" -display none -monitor none \
            -serial stdio -kernel "$linux/vmlinux" -initrd "$work/initramfs" -append "$append" \
            -drive "file=$work/image,format=$2,if=none,id=d,discard=unmap" \
            -device virtio-blk-device,drive=d -global virtio-mmio.force-legacy=false \
            </dev/null >"$work/log" 2>&1
    fi
    grep -q '^disk end' "$work/log" || { tail -n 15 "$work/log"; exit 1; }
    for name in write-1M read-1M read-4K write-4K read-4K-32 write-4K-32 write-sync-4K; do
        ns=$(tr -d '\r' <"$work/log" | sed -n "s/^disk $name \([0-9]*\)\$/\1/p")
        [ -n "$ns" ] || { echo "disk: no $name"; exit 1; }
        sample disk "disk $2" "$2 $name" ns "$1" "$ns" -
    done
}

for format in raw qcow2; do
    run=0
    while [ $run -lt "$N" ]; do
        measure metic $format
        measure qemu $format
        run=$((run + 1))
    done
done
rm -rf "$work"
