#!/bin/sh
# Many guests at once on one host do not disturb each other: equal runs, names, ports, sockets; one
# that is killed leaves the others alone.
set -u
passed=0
failed=0
good() { passed=$((passed + 1)); echo "ok: $*"; }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }
cd "$TMP" || exit 1
export XDG_RUNTIME_DIR="$TMP/run" XDG_STATE_HOME="$TMP/state"
mkdir -p run
count=8
all=$(seq $count)

# ---- equal runs, from one image that none of them changes ----
head -c 1M /dev/urandom >disk.img
cksum <disk.img >before
for i in $all; do
    timeout 100 "$METIC" run --demo --quiet --clock virtual --cpus 2 --disk disk.img --digest-every 500k \
        --expect 'demo> ' --send 'primes 300000\n' --expect 'demo> ' --send 'poweroff\n' \
        >"virtual$i" 2>"virtual$i.err" </dev/null &
done
wait
[ "$(cat virtual1 virtual1.err | grep -c digest)" -ge 5 ] || wrong "few digests"
for i in $all; do
    cmp -s virtual1 "virtual$i" && cmp -s virtual1.err "virtual$i.err" || wrong "virtual$i differs"
done
good "$count equal runs"
cksum <disk.img | cmp -s - before && good "the image they share is as it was" || wrong "the image was changed"

# ---- names, sockets, ports ----
pids=
for i in $all; do
    timeout 200 "$METIC" run --demo --serial none --forward 23456:22 >"real$i" 2>&1 </dev/null &
    pids="$pids $!"
done
i=0
until [ "$("$METIC" ps | grep -c '^demo')" -eq $count ]; do
    i=$((i + 1))
    [ $i -lt 200 ] || { wrong "not all run"; "$METIC" ps; break; }
    sleep 0.1
done
"$METIC" ps >list
[ "$(cut -d ' ' -f 1 list | grep '^demo' | sort -u | wc -l)" -eq $count ] && good "names of their own" || {
    wrong "names"; cat list; }
ports=$(sed -n 's/^metic: forward: tcp 127.0.0.1:\([0-9]*\).*/\1/p' real? | sort -u | wc -l)
[ "$ports" -eq $count ] && good "ports of their own" || { wrong "$ports ports"; grep forward real?; }
[ "$(grep -c 'is taken' real? | awk -F: '{ n += $2 } END { print n }')" -ge $((count - 1)) ] &&
    good "said which port is taken" || wrong "the ports that are taken are not named"
timeout 20 "$METIC" run --demo --serial none --name demo >clash 2>&1 </dev/null
{ [ $? -eq 125 ] && grep -q 'runs already' clash; } && good "a name that is taken is refused" || {
    wrong "a name that is taken"; cat clash; }
sockets=$(find run -name monitor | wc -l)
[ "$sockets" -eq $count ] && good "sockets of their own" || wrong "$sockets sockets"

# ---- one is killed ----
victim=$("$METIC" ps --json | sed -n 's/.*"name": *"demo-3"[^}]*"pid": *\([0-9]*\).*/\1/p;s/.*"pid": *\([0-9]*\)[^}]*"name": *"demo-3".*/\1/p' | head -n 1)
[ -n "$victim" ] || victim=$(sed -n 1p run/metic/demo-3/lock)
kill -9 "$victim"
i=0
while "$METIC" ps | grep -q '^demo-3 '; do
    i=$((i + 1))
    [ $i -lt 100 ] || { wrong "demo-3 still runs"; break; }
    sleep 0.1
done
[ "$("$METIC" ps | grep -c '^demo')" -eq $((count - 1)) ] && good "the others run on" || {
    wrong "the others"; "$METIC" ps; }
for name in $("$METIC" ps | sed -n 's/^\(demo[^ ]*\).*/\1/p'); do
    "$METIC" stop "$name" >/dev/null 2>&1 || wrong "cannot stop $name"
done
ended=0
for pid in $pids; do
    wait "$pid"
    [ $? -eq 143 ] && ended=$((ended + 1))
done
[ $ended -eq $((count - 1)) ] && good "each was stopped by its name" || wrong "$ended were stopped"
[ -z "$(ls run/metic)" ] && good "nothing is left" || { wrong "left:"; ls run/metic; }
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
