#!/bin/sh
# Real programs: Debian's for riscv64 under Debian's kernel in metic and QEMU, one hart; the same
# packages for amd64 in a chroot are native.

set -u
. "$(dirname "$0")/common.sh"
log=$DIR/linux.log
append="console=ttyS0 quiet rdinit=/bench/init"

guest=$(sh "$here/../guest/fetch.sh") && cache=$(sh "$here/fetch_linux.sh") || {
    echo "linux: no guest to boot"
    exit 1
}

# As another user a chroot needs a user namespace.
native() {
    if [ "$(id -u)" -eq 0 ]; then
        chroot "$cache/native" /bin/busybox sh /bench/work.sh
    else
        unshare -r chroot "$cache/native" /bin/busybox sh /bench/work.sh
    fi
}

record() {
    awk -v who="$1" 'BEGIN { OFS = "\t" }
        { sub(/\r$/, "") }
        $1 == "linux" && NF == 5 { print "linux", $3, $2, "ns", who, $4, $5 }
        $0 == "linux end" { whole = 1 }
        END { exit !whole }' "$log" >>"$OUT"
}

run=0
while [ $run -lt "$N" ]; do
    for who in metic qemu native; do
        if [ $who = native ]; then
            native >"$log" 2>&1
        else
            linux $who 1 "$guest/vmlinuz" "$cache/initramfs.cpio" "$append" >"$log" 2>&1
        fi
        record $who || {
            echo "linux: $who failed:"
            tail -n 8 "$log"
            [ $who = native ] || exit 1
        }
    done
    run=$((run + 1))
done
