#!/bin/sh
# Start, size, restoring a snapshot, idling and two harts: metic and QEMU.

set -u
. "$(dirname "$0")/common.sh"
log=$DIR/scale.log
idle_seconds=${IDLE_SECONDS:-10}
hertz=$(getconf CLK_TCK)

build primitives.elf kernels.elf first.elf restore.elf first LIBRARY="$(dirname "$METIC")" snapshot || exit 1
guest=$(sh "$here/../guest/fetch.sh") && cache=$(sh "$here/fetch_linux.sh") || {
    echo "scale: no guest to boot"
    exit 1
}

# From the start of the process to a byte that the first guest instructions write to the UART, and
# what is resident then, of which the guest has touched one page.
measure_first() {
    case $1 in
    metic) set -- "$1" "$METIC" run "$DIR/first.elf" --firmware none --quiet ;;
    qemu)
        set -- "$1" "$QEMU" -M virt -cpu rv64 -m 512M -display none -monitor none -serial stdio \
            -bios none -kernel "$DIR/first.elf"
        ;;
    esac
    who=$1
    shift
    took=$("$DIR/first" "$@") || { echo "scale: $who came to no first instruction"; return 1; }
    sample scale first "start to first instruction" ns "$who" "${took% *}" -
    sample scale size "resident at first instruction" MiB "$who" \
        "$(awk -v kib="${took#* }" 'BEGIN { print kib / 1024 }')" -
}

# A program that prints one word and ends the machine: process start to process end.
measure_start() {
    start_ns=$(now_ns)
    bare "$1" "$DIR/primitives.elf" bench=nothing >"$log" 2>&1
    took_ns=$(($(now_ns) - start_ns))
    grep -q '^end' "$log" || { echo "scale: $1 did not start"; return 1; }
    sample scale start "start to end of nothing" ns "$1" $took_ns -
}

# restored_qemu WRAPPER MONITOR OPTION...: QEMU with the guest that is saved.
restored_qemu() {
    wrapper=$1
    monitor=$2
    shift 2
    $wrapper "$QEMU" -M virt -cpu rv64 -m 256M -display none -monitor "$monitor" -serial stdio -bios none \
        -kernel "$DIR/restore.elf" -drive "file=$DIR/restore.qcow2,if=none,id=d,format=qcow2" \
        -device virtio-blk-device,drive=d "$@"
}

# A guest of 256 MiB, 32 of them written, which then speaks without end: saved, once.
save_guest() {
    rm -f "$DIR/restore.zst" "$DIR/restore.qcow2"
    "$METIC" run "$DIR/restore.elf" --firmware none --quiet --ram 256M --clock virtual --save-at 3M \
        --limit-insns 3100k --save "$DIR/restore.zst" </dev/null >"$log" 2>&1
    "$METIC" disk create "$DIR/restore.qcow2" 64M >>"$log" 2>&1
    rm -f "$DIR/monitor"
    restored_qemu "" "unix:$DIR/monitor,server=on,wait=off" >/dev/null 2>>"$log" </dev/null &
    child=$!
    sleep 2
    python3 - "$DIR/monitor" >>"$log" 2>&1 <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def until_prompt():
    got = b""
    while not got.endswith(b"(qemu) "):
        got += s.recv(4096)
until_prompt()
s.sendall(b"savevm a\n")
until_prompt()
s.sendall(b"quit\n")
END
    wait $child 2>/dev/null
    [ -s "$DIR/restore.zst" ] || { echo "scale: nothing was saved"; return 1; }
}

# From the start of a process that restores that guest to its first byte, and (of metic's, processor
# time, one sitting for all runs) within the process and into another machine of it: a booted Linux.
measure_restore() {
    case $1 in
    metic) took=$("$DIR/first" "$METIC" restore "$DIR/restore.zst" --quiet) || took= ;;
    qemu) took=$(restored_qemu "$DIR/first" none -loadvm a) || took= ;;
    esac
    # Without python3 QEMU was not told to save.
    [ -n "$took" ] || { echo "scale: $1 restored nothing"; [ "$1" = qemu ]; return; }
    sample scale restore "restore: start to first byte" ns "$1" "${took% *}" -
}

measure_restore_inside() {
    "$DIR/snapshot" "$guest/vmlinuz" "$guest/initramfs.cpio.gz" "$DIR/linux.zst" >"$log" 2>&1 || {
        echo "scale: no snapshots inside a process"
        tail -n 3 "$log"
        return 1
    }
    rm -f "$DIR/linux.zst"
    sed -n 's/^\(load, same machine, after [0-9]*\) instructions  *\([0-9.]*\) ms.*/\1 insns|\2/p
        s/^\(another machine, to its first\) instruction  *\([0-9.]*\) ms.*/\1 insn|\2/p
        s/^new process, from the file, the same  *\([0-9.]*\) ms.*/new process, to its first insn|\1/p' "$log" |
        while IFS='|' read -r what ms; do
            sample scale restore "$what" ns metic "$(awk -v ms="$ms" 'BEGIN { print ms * 1e6 }')" -
        done
}

# 20,000 functions that are called once each. Time and bytes for each guest instruction that is
# translated (as tier 0 would not do with them), and what running them takes, for an instruction.
measure_translation() {
    timeout "$limit" "$METIC" run "$DIR/kernels.elf" --firmware none --quiet --stats \
        --no-tier0 --append bench=cold </dev/null >"$log" 2>&1
    cold_insns=$(awk '/^hart 0/ { print $3 }' "$log")
    sample scale translate "translation, per insn" ns metic \
        "$(awk '/^translation time/ { print $5 }' "$log")" -
    sample scale translate "host code, per insn" bytes metic \
        "$(awk '/^host code/ { print $5 + 0 }' "$log")" -
}

measure_new_code() {
    bare "$1" "$DIR/kernels.elf" bench=cold >"$log" 2>&1
    took_ns=$(awk '$1 == "kernel" && $2 == "cold" { print $4, $5 }' "$log" | tr -d '\r')
    [ -n "$took_ns" ] && [ -n "$cold_insns" ] || { echo "scale: no result of cold in $1"; return 1; }
    sample scale translate "code that runs once, per insn" ns "$1" \
        "$(awk -v ns="${took_ns% *}" -v n="$cold_insns" 'BEGIN { print ns / n }')" "${took_ns#* }"
}

cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

# The process itself must be the child, so no timeout here; the loop has one.
start_shell() {
    case $1 in
    metic)
        "$METIC" run "$guest/vmlinuz" --initrd "$guest/initramfs.cpio.gz" --quiet --ram 512M \
            --net none --append "console=ttyS0" <"$DIR/typed" >"$log" 2>&1 &
        ;;
    qemu)
        "$QEMU" -M virt -cpu rv64 -m 512M -display none -monitor none -serial stdio \
            -kernel "$guest/vmlinuz" -initrd "$guest/initramfs.cpio.gz" \
            -append "console=ttyS0" <"$DIR/typed" >"$log" 2>&1 &
        ;;
    esac
    child=$!
}

# Memory at the prompt, then what an idle guest uses of a core.
measure_idle() {
    rm -f "$DIR/typed" && mkfifo "$DIR/typed" && exec 9<>"$DIR/typed" || return 1
    start_shell "$1"
    waited=0
    while ! grep -q 'metic:~#' "$log"; do
        sleep 1
        waited=$((waited + 1))
        if [ $waited -gt 120 ] || ! kill -0 $child 2>/dev/null; then
            echo "scale: $1 came to no prompt"
            kill $child 2>/dev/null
            return 1
        fi
    done
    sleep 3
    sample scale memory "resident at the prompt" MiB "$1" \
        "$(awk '/^VmRSS/ { print $2 / 1024 }' /proc/$child/status)" -
    before=$(cpu_ticks $child)
    sleep "$idle_seconds"
    used=$(($(cpu_ticks $child) - before))
    sample scale idle "idle guest, of a core" % "$1" \
        "$(awk -v t=$used -v s="$idle_seconds" -v h="$hertz" \
            'BEGIN { print 100 * t / h / s }')" -
    kill $child 2>/dev/null
    wait $child 2>/dev/null
    exec 9>&-
    return 0
}

# pair_sample WORD WORK NAME WHO: from the log's line with that first word, how much faster two harts
# did WORK times as much work as one.
pair_sample() {
    times=$(awk -v word="$1" -v work="$2" \
        '{ sub(/\r$/, "") } $1 == word && $3 > 0 { print work * $2 / $3 }' "$log")
    [ -n "$times" ] || { echo "scale: no result of $3 in $4"; return 1; }
    sample scale harts "$3" x "$4" "$times" -
}

# How much more work two harts do than one.
measure_pair() {
    linux "$1" 2 "$guest/vmlinuz" "$cache/initramfs.cpio" \
        "console=ttyS0 quiet rdinit=/bench/init bench=pair" >"$log" 2>&1
    pair_sample pair 2 "two harts over one" "$1" &&
        pair_sample make 1 "make -j2 over make" "$1"
}

save_guest && measure_restore_inside || exit 1
run=0
while [ $run -lt "$N" ]; do
    measure_translation
    for who in metic qemu; do
        measure_first $who && measure_start $who && measure_new_code $who && measure_restore $who &&
            measure_idle $who && measure_pair $who || exit 1
    done
    run=$((run + 1))
done
