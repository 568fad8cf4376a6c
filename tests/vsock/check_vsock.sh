#!/bin/sh
# Streams between programs of guest and host by AF_VSOCK with Debian's kernel, both ways, several at
# once, more than fits; ports where nobody listens; recorded and replayed; reset where a snapshot is
# loaded.

set -u
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
. "$SRCDIR/tests/boot/channels.sh"
add_program guest "$SRCDIR/tests/vsock/guest.c"
host() { timeout 60 python3 "$SRCDIR/tests/vsock/host.py" "$@"; }

# Sockets have short paths.
sockets=$(mktemp -d /tmp/metic-vsock-XXXXXX) || exit 1
trap 'kill $helpers 2>/dev/null; rm -rf "$sockets"' EXIT
helpers=
path=$sockets/v
host echo "$path" 52 &
helpers=$!

# Streams in both directions, then one to port 99, which lets the guest go on.
talk() {
    host talk "$path" 1234 4 1500000 && host ask "$path" 77 && host ask "$path" 99
}
work='channels-up; guest send 52 2000000; guest send 53 1; guest echo 1234 &\n'
for run in real record; do
    talk >"$TMP/$run.host" 2>&1 &
    talker=$!
    [ $run = real ] && more='' || more="--record $TMP/journal --digest-every 200M"
    # shellcheck disable=SC2086
    run $run 0 --vsock "$path" --quiet $more --expect "$prompt" --send "$work" \
        --expect 'echo listens' --send 'guest wait 99; poweroff\n'
    wait $talker
    says $run 'sent 2000000 got 2000000 wrong 0'
    says $run 'connect: Connection reset'
    says $run.host '4 of 4 streams came back whole'
    says $run.host '^closed'
    says $run.host '^OK [0-9]'
    [ ! -e "$path" ] || wrong "$run: the socket is still there"
done
run replay 0 --vsock "$sockets/other" --quiet --replay "$TMP/journal" --digest-every 200M
same 'replay: the same, digests included, without a socket' "$TMP/record" "$TMP/replay"
[ ! -e "$sockets/other" ] || wrong 'the replay made a socket'

# A stream that is open when a snapshot is made is reset where that is loaded, and new ones work.
run save 124 --vsock "$path" --clock virtual --save "$TMP/snapshot" --limit-time 6s --quiet \
    --expect "$prompt" --send 'channels-up; (sleep 5; echo late) | guest send 52 100000000; echo gone; guest send 52 1000; guest echo 1234 &\n'
host talk "$path" 1234 1 1000 >"$TMP/restore.host" 2>&1 &
talker=$!
timeout 100 "$METIC" restore "$TMP/snapshot" >"$TMP/restore" 2>&1 </dev/null &
restored=$!
wait $talker
kill $restored
wait $restored
says restore '^gone'
says restore 'sent 1000 got 1000 wrong 0'
says restore.host '1 of 1 streams came back whole'

refuses() {
    "$METIC" run "$linux/vmlinux" --vsock "$1" >"$TMP/refused" 2>&1 </dev/null
    says refused "$2"
}
echo >"$sockets/file"
refuses "$sockets/file" 'is no socket'
mv "$sockets/v_52" "$sockets/taken"
refuses "$sockets/taken" 'somebody else listens at the socket'
refuses "$sockets/none/v" 'cannot be made: No such file'
refuses "$path,cid=2" 'a number from 3'
finish
