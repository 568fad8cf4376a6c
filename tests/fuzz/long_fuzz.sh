#!/bin/sh
# Every fuzzer for FUZZ_S seconds (a minute), built with sanitizers and coverage. What reaches new
# code lands in fuzz-found/<target> of the build directory, where the next run goes on from; a crash
# leaves its input there, in "current" (8 bytes of length, then the bytes). FUZZ_SEED repeats a run,
# FUZZ_ONLY=text chooses targets.
#
# A target is tests/fuzz/fuzz_<name>.c; sources() names what it looks into.

set -u
seconds=${FUZZ_S:-60}
seed=${FUZZ_SEED:-$(date +%s)}
compiler=${CC:-cc}
libs=$(sed -n 's/^LIBS = //p' Makefile)
failed=0
passed=0
# A file may claim to be as large as it likes; the host then says no.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:allocator_may_return_null=1"

# The files to instrument, from the top of the tree, which is the current directory; all else comes
# from the libraries that are built.
sources() {
    case $1 in
    loader) echo hw/loader/loader*.c cpu/memory.c ;;
    decode) echo cpu/insn.c cpu/riscv64/decode.c cpu/riscv64/disasm.c ;;
    lower)
        echo cpu/insn.c cpu/riscv64/decode.c translate/from_riscv64/*.c translate/ir/ir.c \
            translate/ir/ir_fold*.c translate/ir/ir_verify.c translate/opt/*.c
        ;;
    machine) echo translate/lockstep.c translate/from_riscv64/*.c cpu/riscv64/*.c ;;
    journal) echo hw/journal/journal_file.c ;;
    args) echo ui/command/args*.c ui/command/option*.c hw/parse_size.c ;;
    qcow2) echo hw/block/qcow2*.c hw/block/blk_image.c hw/block/blk_file.c ;;
    gdb)
        echo ui/gdb/gdb*.c ui/monitor/monitor*.c hw/machine/machine_history.c \
            hw/machine/machine_reverse.c hw/machine/machine_debug.c
        ;;
    trace) echo ui/trace/trace_[dfgipru]*.c ui/trace/trace_text.c ui/trace/cover.c ;;
    gdb_agent) echo ui/gdb/gdb_agent.c ;;
    btf) echo hw/btf.c ;;
    semihost) echo hw/semihost/*.c ;;
    fuse | p9) echo hw/share/*.c ;;
    disk_layout) echo hw/block/disk_layout.c ;;
    qmp) echo ui/monitor/qmp*.c ui/monitor/monitor*.c ui/monitor/line_edit.c ui/screen/key*.c ;;
    keyboard) echo ui/screen/keyboard.c ui/screen/key_steps.c ui/screen/keys.c ui/screen/keymap*.c ;;
    snapshot) echo hw/machine/machine_snapshot.c hw/snapshot/*.c cpu/state.c ;;
    fw_cfg) echo hw/misc/fw_cfg.c hw/device.c cpu/memory.c ;;
    virtio_snd) echo hw/virtio/*.c hw/sound/*.c hw/device.c cpu/memory.c ;;
    spice_agent) echo hw/char/*.c ;;
    wav) echo hw/sound/wav_read.c hw/sound/sound_format.c ;;
    virtio_net) echo hw/virtio/*.c hw/net/*.c hw/device.c cpu/memory.c ;;
    ramfb) echo hw/display/*.c hw/misc/fw_cfg.c hw/device.c cpu/memory.c ;;
    virtio_gpu | virtio_input) echo hw/virtio/*.c hw/display/*.c hw/device.c cpu/memory.c ;;
    xhci) echo hw/usb/*.c hw/pci/pci*.c hw/device.c cpu/memory.c ;;
    virtio_*) echo hw/virtio/*.c hw/block/blk*.c hw/device.c cpu/memory.c ;;
    esac
}

# build NAME: the target, what it looks into, the driver.
build() {
    flags="-std=gnu11 -O1 -g -D_GNU_SOURCE -pthread -I. -I$SRCDIR -fsanitize=address,undefined \
        -fno-sanitize-recover=undefined"
    objects=
    for source in "tests/fuzz/fuzz_$1.c" $(cd "$SRCDIR" && sources "$1"); do
        object=$TMP/$1-$(echo "$source" | tr / -).o
        # Word splitting is meant: these are lists.
        # shellcheck disable=SC2086
        $compiler $flags -fsanitize-coverage=trace-pc -c -o "$object" "$SRCDIR/$source" || return 1
        objects="$objects $object"
    done
    # shellcheck disable=SC2086
    $compiler $flags -c -o "$TMP/$1-driver.o" "$SRCDIR/tests/fuzz/fuzz.c" &&
        $compiler $flags -o "$TMP/fuzz_$1" "$TMP/$1-driver.o" $objects libmetic-ui.a libmetic-hw.a \
            libmetic-translate.a libmetic-cpu.a libmetic-base.a \
            $libs -lm
}

# fuzz NAME: builds and runs it; leaves what it has to say in $TMP/NAME.log, and NAME.ok on success.
fuzz() {
    found=fuzz-found/$1
    mkdir -p "$found"
    {
        echo "$1: $seconds s, seed $seed"
        if build "$1" &&
            timeout $((seconds + 120)) "$TMP/fuzz_$1" "$seconds" "$seed" \
                "$SRCDIR/tests/fuzz/corpus/$1" "$found"; then
            : >"$TMP/$1.ok"
        else
            echo "$1: FAILED; its input is in $(pwd)/$found/current, the seed was $seed"
        fi
    } >"$TMP/$1.log" 2>&1
}

# As many at a time as there are processors.
names=
for target in "$SRCDIR"/tests/fuzz/fuzz_*.c; do
    name=$(basename "$target" .c)
    name=${name#fuzz_}
    case $name in
    *"${FUZZ_ONLY:-}"*) names="$names $name" ;;
    esac
done
jobs=$(nproc)
running=0
for name in $names; do
    fuzz "$name" &
    running=$((running + 1))
    if [ $running -ge "$jobs" ]; then
        wait
        running=0
    fi
done
wait
for name in $names; do
    cat "$TMP/$name.log"
    if [ -e "$TMP/$name.ok" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
