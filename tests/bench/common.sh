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

# bare WHO IMAGE WORDS: runs a bare-metal image whose command line is WORDS; console to stdout.
bare() {
    case $1 in
    metic)
        timeout "$limit" "$METIC" run "$2" --firmware none --quiet --append "$3" </dev/null
        ;;
    qemu)
        timeout "$limit" "$QEMU" -M virt -cpu rv64 -m 512M -display none -monitor none \
            -serial stdio -bios none -kernel "$2" -append "$3" </dev/null
        ;;
    esac
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
