#!/bin/sh
# What a machine may take of the host: --limit-cpu, --limit-memory.
set -u
passed=0
failed=0
good() { passed=$((passed + 1)); echo "ok: $*"; }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }
cd "$TMP" || exit 1
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }

# grow.S touches a page more for ever; spin.S does nothing for ever.
cat >grow.S <<'END'
.globl _start
_start: li t0, 0x81000000
        li t1, 4096
1:      sd t0, 0(t0)
        add t0, t0, t1
        j 1b
END
cat >spin.S <<'END'
.globl _start
_start: j _start
END
for name in grow spin; do
    $cross -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o $name.elf $name.S || exit 1
done

# memory NAME STATUS OPTION...
memory() {
    name=$1 wanted=$2
    shift 2
    timeout 100 "$METIC" run grow.elf --ram 2G --quiet "$@" >"$name" 2>&1 </dev/null
    status=$?
    [ $status -eq "$wanted" ] && good "$name: status $status" || { wrong "$name: status $status"; cat "$name"; }
}
for engine in jit interp; do
    memory "memory $engine" 124 --limit-memory 300M --engine $engine
    grep -q 'MiB of this host.s memory, more than --limit-memory' "memory $engine" || wrong "no reason"
done
memory 'virtual clock' 124 --limit-memory 300M --clock virtual
memory 'too little' 125 --limit-memory 1M
grep -q 'before the guest runs' 'too little' || wrong "no reason: $(cat 'too little')"
for value in 0 0.5 -3 half '50%%' ''; do
    "$METIC" run grow.elf --limit-cpu "$value" >bad 2>&1
    [ $? -eq 2 ] && good "--limit-cpu '$value' is refused" || { wrong "--limit-cpu '$value'"; cat bad; }
done

# No more than its share, whatever else runs on this host: the time that was used, and a little for
# the start, against the clock on the wall. bash's time gives both.
for harts in 1 3; do
    bash -c 'TIMEFORMAT="%R %U %S"; time timeout -s TERM 3 "$METIC" run spin.elf --cpus '$harts' --quiet \
        --limit-cpu 20% >spin.out 2>&1 </dev/null' 2>times
    awk '{ share = ($2 + $3) / $1; printf "%.2f\n", share; exit !(share > 0 && share < 0.30) }' times >share &&
        good "$harts harts took $(cat share)" || wrong "$harts harts took $(cat share) of a processor: $(cat times)"
done

# The virtual clock: the same run. (Digests and the guest's console each have a stream of their own: how the
# two mix is the host's affair.)
digests() {
    name=$1
    shift
    timeout 100 "$METIC" run --demo --quiet --clock virtual --cpus 2 --digest-every 500k --expect 'demo> ' \
        --send 'primes 300000\n' --expect 'demo> ' --send 'poweroff\n' "$@" >"$name.out" 2>"$name.err" </dev/null
}
digests free
digests held --limit-cpu 10%
if [ "$(cat free.* | grep -c digest)" -ge 5 ] && cmp -s free.out held.out && cmp -s free.err held.err; then
    good "equal digests"
else
    wrong "digests differ"
    head -n 20 free.err held.err
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
