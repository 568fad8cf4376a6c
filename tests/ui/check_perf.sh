#!/bin/sh
# --perf-map and --jitdump: names for the host's perf, of an ELF's symbols, of a kernel's own, and
# of a program that the kernel has moved.
set -u
passed=0
failed=0
cd "$TMP" || exit 1
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }
command -v python3 >/dev/null 2>&1 || { echo "python3 is not installed"; exit 77; }

# expect WHAT COMMAND...
expect() {
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "WRONG: $what"
        head -n 5 err dumped 2>/dev/null | sed 's/^/    /'
    fi
}
# run ARGUMENT...: the files are named after the process.
run() {
    # shellcheck disable=SC2016
    timeout -k 5 200 sh -c 'echo $$ >pid; exec "$METIC" run "$@" --perf-map --jitdump --quiet' \
        sh "$@" >out 2>err </dev/null
    status=$?
    mv "/tmp/perf-$(cat pid).map" map
    mv "/tmp/jit-$(cat pid).dump" dump
    python3 "$SRCDIR/tests/ui/jitdump.py" dump >dumped 2>&1
    dumped=$?
}
# named PATTERN: a line of the map is an address, a size and a name like that.
named() {
    grep -Eq "^[0-9a-f]+ [0-9a-f]+ $1\$" map
}

$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o hello.elf \
    "$SRCDIR/tests/docs/hello.S" || exit 1
run hello.elf
expect "a bare-metal program runs" [ $status -eq 0 ]
expect "a block has its symbol" named putc
expect "and an offset" named '(_start|next)(\+0x[0-9a-f]+)?'
expect "the dump is whole" [ $dumped -eq 0 ]
expect "the dump has what the map has" [ "$(cut -d' ' -f2 dumped)" = "$(wc -l <map | tr -d ' ')" ]

expect "what all code shares has a name" named metic_common_code
expect "what runs seldom as well" named '[a-z_]+(\+0x[0-9a-f]+)? \(cold\)'

# A loop that calls: its trace is two functions' in turn.
cat >pieces.S <<'END'
        .globl  _start, leaf
        .type   _start, @function
        .type   leaf, @function
_start: li      s0, 3000000
1:      mv      a0, s0
        call    leaf
        add     s1, s1, a0
        addi    s0, s0, -1
        bnez    s0, 1b
        li      t0, 0x100000
        li      t1, 0x5555
        sw      t1, (t0)
2:      j       2b
        .balign ALIGN
leaf:   slli    a0, a0, 1
        xori    a0, a0, 5
        ret
END
for align in 2 4096; do # in one page, and in two
    $cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o pieces.elf \
        -Wa,--defsym,ALIGN=$align pieces.S || exit 1
    run pieces.elf
    expect "a program with a loop that calls runs" [ $status -eq 0 ]
    expect "the called part of a trace has its function's name" named 'leaf \(trace\)'
    expect "and the calling part its own" named '_start(\+0x[0-9a-f]+)? \(trace\)'
done

cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
if [ -n "$cache" ]; then
    # One that gets no room for all its code: places are used again.
    run "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --code-cache 8M --limit-insns 300M
    expect "a kernel runs to the limit" [ $status -eq 124 ]
    expect "its functions have names" named 'start_kernel(\+0x[0-9a-f]+)?'
    expect "traces are told" named '[a-z_0-9]+(\.[a-z.0-9]+)?(\+0x[0-9a-f]+)? \(trace\)'
    expect "the dump is whole" [ $dumped -eq 0 ]
    expect "most code has a name" awk '{ exit $3 < 0.9 * $2 }' dumped

    # A program that the guest moves.
    cat >moved.c <<'END'
static long call(long n, long a, long b, long c)
{
    register long a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}
__attribute__((noipa)) long moved_leaf(long x) { return x * 3 + 1; }
__attribute__((noipa)) long moved_loop(long n)
{
    long sum = 0;
    while (n-- > 0) {
        sum += moved_leaf(sum);
    }
    return sum;
}
void _start(void) { call(94, moved_loop(3000000) & 0, 0, 0); }
END
    mkdir -p add && $cross -O1 -nostdlib -static -fPIE -Wl,-pie,--no-dynamic-linker -o add/moved \
        moved.c && (cd add && echo moved | cpio -o -H newc --quiet) >add.cpio &&
        cat "$cache/initramfs.cpio.gz" add.cpio >moved.cpio || exit 1
    run "$cache/vmlinuz" --initrd moved.cpio --append console=ttyS0 --symbols add/moved \
        --expect 'metic:~# ' --send '/moved; poweroff -f\n'
    expect "a kernel runs a program" [ $status -eq 0 ]
    expect "a program's functions have names where the guest has moved it" \
        named 'moved_leaf \(trace\)'
else
    echo "no guest kernel: only the bare-metal program was run"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
