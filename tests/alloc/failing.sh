# shellcheck shell=sh
# Shared by check_failing.sh and long_failing.sh: runs metic again and again, each time with another
# request to the host failing. $1 is the distance between two of them.
#
# A run must go on and end as without failure, or end with status 125 (2: options) and a reason.

set -u
stride=$1
seconds=60
passed=0
failed=0
program=$(pwd)/obj/tests/alloc/failing
env -u MAKEFLAGS make -s "${program#"$(pwd)"/}" || exit 1
cd "$TMP" || exit 1
# A sanitizer's findings must not look like metic's own statuses.
export ASAN_OPTIONS=exitcode=99:allocator_may_return_null=1 LSAN_OPTIONS=exitcode=99
export UBSAN_OPTIONS=exitcode=99

# judge NAME STATUS GOOD: after one run, whose standard error is in err.
judge() {
    if [ "$2" -eq "$3" ]; then
        passed=$((passed + 1))
    elif { [ "$2" -eq 125 ] || [ "$2" -eq 2 ]; } && grep -q '^metic: .* ' err; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$1: status $2"
        tail -n 25 err | sed 's/^/    /'
    fi
}

# scenario NAME STATUS ARGUMENT...
scenario() {
    name=$1
    good=$2
    shift 2
    METIC_FAIL_REPORT=count timeout -s KILL $seconds "$program" "$@" >out 2>err </dev/null
    status=$?
    if [ $status -ne "$good" ]; then
        failed=$((failed + 1))
        echo "$name: without any failure: status $status, not $good"
        sed 's/^/    /' err
        return
    fi
    total=$(cat count)
    at=$((stride > 1 ? stride / 2 + 1 : 1))
    while [ $at -le "$total" ]; do
        for many in 1 1000000; do
            METIC_FAIL_AT=$at METIC_FAIL_COUNT=$many timeout -s KILL $seconds \
                "$program" "$@" >out 2>err </dev/null
            judge "$name, $at of $total, $many" $? "$good"
        done
        at=$((at + stride))
    done
    echo "$name: $total requests"
}

cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "no $cross, which builds the guest"; exit 77; }
$cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o hello.elf \
    "$SRCDIR/tests/docs/hello.S" || exit 1
# The header of a kernel Image, a jump to itself, 4 MiB to be put to zero (see check_cli.sh).
# shellcheck disable=SC2059
octets() { printf "$(printf '\\%03o' "$@")"; }
{
    octets 111 0 0 4 0 0 0 0
    octets 0 0 32 0 0 0 0 0 0 0 64 0 0 0 0 0
    octets 0 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
    octets 82 73 83 67 86 0 0 0 82 83 67 5 0 0 0 0
    octets 111 0 0 0
    head -c 300000 /dev/zero
} >kernel
gzip -c kernel >kernel.gz
printf '070701%5000s' x >initrd
head -c 2M /dev/zero | tr '\000' x >disk
head -c 4096 /dev/zero >flash

# Making a machine.
for engine in jit interp both; do
    scenario "machine, $engine" 124 run kernel --engine $engine --cpus 2 --ram 64M --limit-insns 1k \
        --serial none --virtio-console file:hvc --disk disk --flash flash
done
# Loading.
scenario "ELF" 0 run hello.elf --firmware none
scenario "gzip" 124 run kernel.gz --initrd initrd --append 'a b' --limit-insns 1k --ram 64M
if command -v zstd >/dev/null 2>&1; then
    zstd -q kernel
    scenario "zstd" 124 run kernel.zst --initrd initrd --limit-insns 1k --ram 64M
fi
scenario "inspect" 0 inspect kernel.gz
# Running.
for engine in jit both; do
    scenario "recorded, $engine" 0 run --demo --engine $engine --clock virtual --disk disk \
        --record journal --serial stdio \
        --expect 'demo> ' --send 'primes 20\n' --expect 'demo> ' --send 'poweroff\n'
done
"$METIC" run --demo --record journal --disk disk --quiet --serial none \
    --expect 'demo> ' --send 'primes 20\n' --expect 'demo> ' --send 'poweroff\n' </dev/null
scenario "replayed" 0 run --demo --replay journal --disk disk
scenario "traced" 124 run --demo --trace-format spike --trace log --limit-insns 20k
scenario "in parallel" 0 run --demo --cpus 3 --disk disk \
    --expect 'demo> ' --send 'primes 20\n' --expect 'demo> ' --send 'poweroff\n'
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
