#!/bin/sh
# The balloon with Debian's kernel: memory that was freed in the guest leaves this host's process, by
# itself; the guest does with less when the monitor asks, and gets it back; equal runs with the
# virtual clock; a snapshot in between.
set -u
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
. "$SRCDIR/tests/boot/channels.sh"
echo 'int main(void) { return 0; }' >"$TMP/nothing.c"
add_program nothing "$TMP/nothing.c"
export XDG_RUNTIME_DIR="$TMP/run" XDG_STATE_HOME="$TMP/state"
mkdir -p "$XDG_RUNTIME_DIR"

# rss: what the process holds, in MiB.
rss() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$guest/status" 2>/dev/null || echo 0; }
# until_rss OPERATOR MIB: waits for that; what it is, is in $now.
until_rss() {
    i=0
    while now=$(rss) && ! [ "$now" "$1" "$2" ]; do
        i=$((i + 1))
        [ $i -lt 300 ] || return 1
        sleep 0.2
    done
}
qmp() {
    { echo qmp_capabilities; cat; } |
        python3 "$SRCDIR/tests/ui/qmp_talk.py" "$XDG_RUNTIME_DIR/metic/box/monitor" >"$TMP/qmp" 2>&1
}

timeout "$boot_timeout_s" "$METIC" run "$linux/vmlinux" --initrd "$TMP/initramfs" --net none --name box \
    --append 'console=ttyS0 quiet' --balloon --ram 768M --virtio-console file:"$TMP/hvc" \
    --expect "$prompt" --send 'channels-up; mkdir -p /m; mount -t tmpfs none /m; echo rea""dy\n' \
    --expect "$prompt" --send 'dd if=/dev/urandom of=/m/x bs=1M count=300 2>/dev/null; echo fil""led\n' \
    --expect 'filled' --send 'sleep 5; rm /m/x; echo rem""oved\n' \
    --expect 'never' >"$TMP/box" 2>&1 </dev/null &
pid=$!
guest=$pid
await box '^removed'
guest=$("$METIC" ps --json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | head -n 1)
[ -n "$guest" ] || guest=$(pgrep -P $pid)
# What was touched: 300 MiB of file and the kernel's own.
most=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$guest/status")
[ "$most" -gt 380 ] && good "the guest took $most MiB" || wrong "the guest took only $most MiB"
until_rss -lt $((most - 230)) && good "by itself it is back to $now MiB" || wrong "still $now MiB of $most"
qmp <<'END'
query-balloon
human-monitor-command {"command-line": "info balloon"}
balloon {"value": 268435456}
END
grep -q '"actual": 805306368' "$TMP/qmp" && good "query-balloon" || { wrong "query-balloon"; cat "$TMP/qmp"; }
grep -q 'MiB were reported free so far' "$TMP/qmp" && good "info balloon" || wrong "info balloon"
i=0
until echo query-balloon | qmp; grep -q '"actual": 268435456' "$TMP/qmp"; do
    i=$((i + 1))
    [ $i -lt 100 ] || { wrong "the guest does not do with less"; cat "$TMP/qmp"; break; }
    sleep 0.2
done
grep -q '"total-memory"' "$TMP/qmp" && good "the guest's counts" || { wrong "no counts"; cat "$TMP/qmp"; }
least=$(rss)
qmp <<'END'
balloon {"value": 805306368}
snapshot-save {"tag": "small"}
snapshot-load {"tag": "small"}
END
[ "$(grep -c '"return": {}' "$TMP/qmp")" -eq 4 ] && good "a snapshot" || { wrong "a snapshot"; cat "$TMP/qmp"; }
i=0
until echo query-balloon | qmp; grep -q '"actual": 805306368' "$TMP/qmp"; do
    i=$((i + 1))
    [ $i -lt 100 ] || { wrong "the guest does not get it back"; cat "$TMP/qmp"; break; }
    sleep 0.2
done
good "with less it was $least MiB, and it has all again"
# After a snapshot was loaded, RAM is the file's pages; what is reported then leaves the process, too.
echo quit | qmp
wait $pid
[ $? -eq 0 ] && good "ended" || wrong "status"

# Twice the same, with the virtual clock.
for run in first second; do
    run $run 0 --balloon --clock virtual --quiet --digest-every 200M --expect "$prompt" \
        --send 'channels-up; mkdir -p /m; mount -t tmpfs none /m; dd if=/dev/zero of=/m/x bs=1M count=64 2>/dev/null; rm /m/x; sleep 6; poweroff\n'
done
same 'equal digests' "$TMP/first" "$TMP/second"
[ "$(grep -c digest "$TMP/first")" -ge 3 ] || wrong "few digests"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
