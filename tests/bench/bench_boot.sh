#!/bin/sh
# Wall time from the start of the process to the guest's shell (and power-off, which takes no time):
# metic against qemu-system-riscv64 with the same kernel, initramfs, harts and memory. The two take
# turns, so that a change of the host's mood meets both; the median counts.

set -u
here=$(cd "$(dirname "$0")" && pwd)
qemu=${QEMU:-qemu-system-riscv64}
append="console=ttyS0 metic.bench"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

command -v "$qemu" >/dev/null 2>&1 || {
    echo "boot: no $qemu to compare with (configure --install-bench-deps brings it)"
    exit 1
}
cache=$(sh "$here/../guest/fetch.sh") || { echo "boot: no guest to boot"; exit 1; }

run_metic() {
    timeout 300 "$METIC" run "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append "$append" \
        --ram 512M --cpus "$1"
}
run_qemu() {
    timeout 300 "$qemu" -M virt -cpu rv64 -m 512M -smp "$1" -display none -monitor none -serial stdio \
        -kernel "$cache/vmlinuz" -initrd "$cache/initramfs.cpio.gz" -append "$append"
}

# measure WHO HARTS: adds the milliseconds of one boot to WHO's list.
measure() {
    start_ns=$(date +%s%N)
    "run_$1" "$2" </dev/null >"$work/log" 2>&1 && grep -q 'metic.bench: shell reached' "$work/log" || {
        echo "boot: $1 with $2 harts did not reach the shell:"
        tail -n 15 "$work/log"
        exit 1
    }
    echo $((($(date +%s%N) - start_ns) / 1000000)) >>"$work/$1"
}

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

for harts in ${HARTS:-1 2}; do
    : >"$work/metic" && : >"$work/qemu"
    run=0
    while [ $run -lt "$RUNS" ]; do
        measure metic "$harts"
        measure qemu "$harts"
        run=$((run + 1))
    done
    awk -v m="$(median "$work/metic")" -v q="$(median "$work/qemu")" -v h="$harts" -v r="$RUNS" \
        'BEGIN { printf "boot to shell, %d hart(s), median of %d: metic %.2f s, QEMU %.2f s, " \
                        "metic/QEMU %.2f\n", h, r, m / 1000, q / 1000, m / q }'
done
