#!/bin/sh
# What recording and coverage cost: the kernels (kernels/kernels.def) with and without, in the ring; a
# whole boot with and without, in user time; and a trace on disk against QEMU's -d exec,nochain, both
# of the same kernel's start, per instruction. PARTS=boot,disk: these alone (default: kernels,boot,disk).

set -u
. "$(dirname "$0")/common.sh"
words="bench=${KERNELS:-fib,mixed_list,mixed_state,heapsort,bytecode,parser,crc,matmul_double}"
log=$DIR/trace.log
parts=,${PARTS:-kernels,boot,disk},
# is_asked PART
is_asked() {
    case $parts in *",$1,"*) return 0 ;; esac
    return 1
}

build kernels.elf || exit 1

# recorded WHO OPTION...: the kernels' own times.
recorded() {
    who=$1
    shift
    timeout "$limit" "$METIC" run "$DIR/kernels.elf" --firmware none --quiet --append "$words" "$@" \
        </dev/null >"$log" 2>&1 &&
        awk -v who="$who" 'BEGIN { OFS = "\t" }
            { sub(/\r$/, "") }
            $1 == "kernel" && NF == 5 { print "trace", $3, $2, "ns", who, $4, $5; n++ }
            END { exit n == 0 }' "$log" >>"$OUT" || {
        echo "trace: $who failed:"
        tail -n 5 "$log"
        exit 1
    }
}

run=0
while is_asked kernels && [ $run -lt "$N" ]; do
    recorded metic
    recorded metic-blocks --trace "$DIR/ring.trace" --trace-last 1M --trace-events blocks
    recorded metic-memory --trace "$DIR/ring.trace" --trace-last 1M --trace-events memory
    recorded metic-all --trace "$DIR/ring.trace" --trace-last 1M --trace-events memory,registers
    recorded metic-cover --cover "$DIR/ring.cover"
    run=$((run + 1))
done

# The boot of a kernel to its shell, some commands, power-off: ns of processor time.
boot=$(sh "$here/../guest/fetch.sh") || exit 0
# booted WHO OPTION...
booted() {
    who=$1
    shift
    used=$( (timeout "$limit" "$METIC" run "$boot/vmlinuz" --initrd "$boot/initramfs.cpio.gz" --quiet \
        --append console=ttyS0 --serial none --expect 'metic:~# ' \
        --send 'gzip -c /bin/busybox | md5sum; ls -lR /bin /sys >/dev/null; poweroff -f\n' "$@" \
        >/dev/null 2>&1 </dev/null || echo "trace: a boot failed: $who" >&2; times) |
        awk 'END { split($0, t, /[ms ]+/); print (t[1] * 60 + t[2] + t[3] * 60 + t[4]) * 1e9 }')
    sample trace boot "a boot and some commands" ns "$who" "$used" -
}
run=0
while is_asked boot && [ $run -lt "$N" ]; do
    booted metic
    booted metic-blocks --trace "$DIR/ring.trace" --trace-last 1M --trace-events blocks
    booted metic-memory --trace "$DIR/ring.trace" --trace-last 1M --trace-events memory
    booted metic-all --trace "$DIR/ring.trace" --trace-last 1M --trace-events memory,registers
    booted metic-cover --cover "$DIR/ring.cover"
    booted metic-call --trace "$DIR/ring.trace" --trace-calls do_sys_openat2
    booted metic-count --clock virtual
    run=$((run + 1))
done

# On disk: ns for each instruction of the first 200 million of a kernel's start, less the run without.
cache=$(sh "$here/../guest/fetch.sh") || exit 0
start="$cache/vmlinuz --initrd $cache/initramfs.cpio.gz --append console=ttyS0 --serial none --quiet"
# timed OPTION...: ns of processor time.
timed() {
    # shellcheck disable=SC2086
    (timeout "$limit" "$METIC" run $start --limit-insns 200M "$@" >/dev/null 2>&1; times) |
        awk 'END { split($0, t, /[ms ]+/); print (t[1] * 60 + t[2] + t[3] * 60 + t[4]) * 1e9 }'
}
run=0
while is_asked disk && [ $run -lt "$N" ]; do
    plain=$(timed)
    with=$(timed --trace "$DIR/disk.trace" --trace-events blocks)
    awk -v a="$plain" -v b="$with" 'BEGIN { printf "%.3f\n", (b - a) / 200e6 }' >"$log"
    sample trace disk "blocks on disk, an instruction" ns metic "$(cat "$log")" -
    with=$(timed --trace "$DIR/disk.trace" --trace-events memory,registers)
    awk -v a="$plain" -v b="$with" 'BEGIN { printf "%.3f\n", (b - a) / 200e6 }' >"$log"
    sample trace disk "all on disk, an instruction" ns metic "$(cat "$log")" -
    # QEMU: some seconds of its log; its lines name blocks, whose lengths -d in_asm tells.
    used=$( (timeout 4 "$QEMU" -M virt -cpu rv64 -m 512M -display none -monitor none -serial none \
        -kernel "$cache/vmlinuz" -initrd "$cache/initramfs.cpio.gz" -append console=ttyS0 \
        -d in_asm,exec,nochain -D "$DIR/qemu.log" </dev/null >/dev/null 2>&1
        times) | awk 'END { split($0, t, /[ms ]+/); print (t[1] * 60 + t[2] + t[3] * 60 + t[4]) * 1e9 }')
    awk -v used="$used" '/^IN:/ { insns = 0; fresh = 1 } /^0x/ { insns++; pc = fresh ? substr($1, 3) : pc
             sub(/:$/, "", pc); fresh = 0; n[pc] = insns }
         /^Trace/ { split($0, part, "/"); total += n[part[2]] > 0 ? n[part[2]] : 1 }
         END { printf "%.3f\n", used / (total > 0 ? total : 1) }' "$DIR/qemu.log" >"$log"
    sample trace disk "blocks on disk, an instruction" ns qemu "$(cat "$log")" -
    sample trace disk "all on disk, an instruction" ns qemu "$(cat "$log")" -
    rm -f "$DIR/qemu.log" "$DIR"/*.trace
    run=$((run + 1))
done
