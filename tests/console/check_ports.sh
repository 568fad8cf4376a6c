#!/bin/sh
# Console ports with names under Debian's kernel: both directions over a Unix socket, more than fits,
# a client that goes and comes back; a file; a pseudo-terminal; recorded and replayed; a snapshot.

set -u
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
. "$SRCDIR/tests/boot/channels.sh"
mkdir -p "$TMP/extra/bin"
cp "$SRCDIR/tests/console/ports.sh" "$TMP/extra/bin/ports"
chmod 755 "$TMP/extra/bin/ports"
pack_programs
sockets=$(mktemp -d /tmp/metic-port-XXXXXX) || exit 1
trap 'rm -rf "$sockets"' EXIT
path=$sockets/agent
size=$(wc -c <"$cache/busybox")
wanted_md5=$(md5sum <"$cache/busybox")
wanted_sum=$(python3 -c 'import hashlib; print(hashlib.md5(bytes(i * 7 % 251 for i in range(1000000))).hexdigest())')

for run in real record; do
    timeout 300 python3 "$SRCDIR/tests/console/port_client.py" "$path" "$size" >"$TMP/$run.host" 2>&1 &
    client=$!
    [ $run = real ] && more='' || more="--record $TMP/journal --digest-every 200M --quiet"
    # shellcheck disable=SC2086
    run $run 0 --port "agent=socket:$path" --port "log=file:$TMP/$run.log" --port term=pty $more \
        --expect "$prompt" --send 'ports talk; poweroff\n'
    wait $client
    says $run '^agent *log *term'
    says $run 'the other end has gone'
    says $run.host '^got hello'
    says $run.host "^md5 ${wanted_md5%% *}"
    says $run.host "^sum $wanted_sum"
    says $run.host '^got again'
    says $run.log '^logged'
    [ ! -e "$path" ] || wrong "$run: the socket is still there"
done
says real 'term: /dev/pts/'
run replay 0 --port "agent=socket:$path" --port "log=file:$TMP/replay.log" --port term=pty --quiet \
    --replay "$TMP/journal" --digest-every 200M
same 'replay: the same, digests included' "$TMP/record" "$TMP/replay"
same 'replay: the same in the file' "$TMP/record.log" "$TMP/replay.log"

# What a program reads from a port goes on where a snapshot is loaded, with another client.
run save 124 --port "agent=socket:$path" --clock virtual --save "$TMP/snapshot" --limit-time 5s \
    --quiet --expect "$prompt" --send 'ports; until read -r line </dev/virtio-ports/agent; do sleep 0.1; done; echo "heard $line"; poweroff\n'
(until printf 'hello\n' | timeout 180 python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"hello\n")
time.sleep(3)' "$path" 2>/dev/null; do sleep 0.1; done) &
client=$!
timeout 180 "$METIC" restore "$TMP/snapshot" >"$TMP/restore" 2>&1 </dev/null
wait $client
says restore '^heard hello'

refuses() {
    "$METIC" run "$linux/vmlinux" "$@" >"$TMP/refused" 2>&1 </dev/null
    says refused "$want"
}
want='is no NAME=WHERE' refuses --port agent
want="two ports are called a" refuses --port a=none --port a=none
want='letters, digits, dots' refuses --port 'a b=none'
want='cannot be on stdio' refuses --port a=stdio
finish
