# shellcheck shell=sh
# Sourced by bench_*.sh: how the two emulators are started, and how samples are written.

here=$(cd "$(dirname "$0")" && pwd)
limit=${LIMIT:-600}

# sample SECTION CLASS NAME UNIT WHO VALUE RESULT
sample() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>"$OUT"
}

# build TARGET...: makes parts of bench.mk in $DIR.
build() {
    for tool in riscv64-unknown-elf-gcc gcc; do
        command -v $tool >/dev/null 2>&1 || {
            echo "bench: needs $tool (Debian: gcc-riscv64-unknown-elf, gcc)"
            return 1
        }
    done
    env -u MAKEFLAGS make -s -C "$DIR" -f "$here/bench.mk" SRC="$here" "$@"
}

# bare WHO IMAGE WORDS: runs a bare-metal image whose command line is WORDS, on the processor $cpu;
# console to stdout.
cpu=rv64
bare() {
    case $1 in
    metic)
        timeout "$limit" "$METIC" run "$2" --cpu "$cpu" --firmware none --quiet --append "$3" </dev/null
        ;;
    qemu)
        timeout "$limit" "$QEMU" -M virt -cpu "$cpu" -m 512M -display none -monitor none \
            -serial stdio -bios none -kernel "$2" -append "$3" </dev/null
        ;;
    esac
}

# kernel_samples SECTION WHO LOG: the lines of LOG as samples.
kernel_samples() {
    awk -v section="$1" -v who="$2" 'BEGIN { OFS = "\t" }
        { sub(/\r$/, "") }
        $1 == "kernel" && NF == 5 { print section, $3, $2, "ns", who, $4, $5; n++ }
        END { exit n == 0 }' "$3" >>"$OUT"
}

# parts LIST FILE: the names in LIST, commas between them, or all that FILE (a .def) lists.
parts() {
    if [ -n "$1" ]; then
        echo "$1" | tr , '\n'
    else
        sed -n 's/^[A-Z]*(\([a-z0-9_]*\),.*/\1/p' "$2"
    fi
}

# run_kernels SECTION PROGRAM FILE: the kernels that FILE lists, of PROGRAM.elf in metic and QEMU and
# of PROGRAM.native. They take turns at each kernel, so that what is compared is a second apart.
run_kernels() {
    log=$DIR/$1.log
    build "$2.elf" "$2.native" || return 1
    run=0
    while [ $run -lt "$N" ]; do
        for kernel in $(parts "${KERNELS:-}" "$3"); do
            for who in metic qemu native; do
                if [ $who = native ]; then
                    "$DIR/$2.native" "$kernel" >"$log"
                else
                    bare $who "$DIR/$2.elf" "bench=$kernel" >"$log" 2>&1
                fi && kernel_samples "$1" $who "$log" || {
                    echo "$1: $who failed at $kernel:"
                    tail -n 5 "$log"
                    return 1
                }
            done
        done
        run=$((run + 1))
    done
}

# linux WHO HARTS KERNEL INITRD WORDS
linux() {
    case $1 in
    metic)
        timeout "$limit" "$METIC" run "$3" --initrd "$4" --append "$5" --quiet --ram 512M \
            --net none --cpus "$2" </dev/null
        ;;
    qemu)
        timeout "$limit" "$QEMU" -M virt -cpu rv64 -m 512M -smp "$2" -display none -monitor none \
            -serial stdio -kernel "$3" -initrd "$4" -append "$5" </dev/null
        ;;
    esac
}

now_ns() { date +%s%N; }
