#!/bin/sh
# --perf-map and --jitdump: names for the host's perf, of an ELF's symbols and of a kernel's own.
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

cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
if [ -n "$cache" ]; then
    # One that gets no room for all its code: places are used again.
    run "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --code-cache 8M --limit-insns 300M
    expect "a kernel runs to the limit" [ $status -eq 124 ]
    expect "its functions have names" named 'start_kernel(\+0x[0-9a-f]+)?'
    expect "traces are told" named '[a-z_0-9]+(\.[a-z.0-9]+)?(\+0x[0-9a-f]+)? \(trace\)'
    expect "the dump is whole" [ $dumped -eq 0 ]
    expect "most code has a name" awk '{ exit $3 < 0.9 * $2 }' dumped
else
    echo "no guest kernel: only the bare-metal program was run"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
