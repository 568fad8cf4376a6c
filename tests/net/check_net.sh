#!/bin/sh
# The network with Debian's kernel: DHCP, pings, transfers from and to a server on this host, forwards,
# a capture, the outside closed off, two guests linked, and runs on the virtual clock.

set -u
grep -q 'HAVE_SLIRP 1' config.h || { echo "built without libslirp (Debian: libslirp-dev)"; exit 77; }
. "$SRCDIR/tests/boot/boot.sh"
bytes=3000000
$CC -std=gnu11 -D_GNU_SOURCE -O1 -o "$TMP/host" "$SRCDIR/tests/net/host.c" || exit 1
"$TMP/host" serve "$TMP/port" $bytes &
servers=$!
"$TMP/host" occupy "$TMP/taken" &
servers="$servers $!"
# shellcheck disable=SC2086,SC2064
trap "kill $servers 2>/dev/null" EXIT
while [ ! -s "$TMP/port" ] || [ ! -s "$TMP/taken" ]; do sleep 0.1; done
port=$(cat "$TMP/port")
taken=$(cat "$TMP/taken")
server=http://10.0.2.2:$port
sum=$("$TMP/host" body $bytes | md5sum | cut -d ' ' -f 1)

# hears NAME TEXT: the guest's console has a line with TEXT (a regular expression).
hears() {
    if tr -d '\r' <"$TMP/$1" | grep -q -- "$2"; then
        good "$1: $2"
    else
        wrong "$1: no '$2'"
        tr -d '\r' <"$TMP/$1" | tail -n 30
    fi
}

# forward_of NAME PROTOCOL PORT: the host's port that leads to the guest's.
forward_of() {
    sed -n "s/^metic: forward: $2 127.0.0.1:\([0-9]*\) .*the guest's port $3\$/\1/p" "$TMP/$1"
}

# ---- Files for the guest's firmware, by TFTP: those of a folder and no others ----

mkdir "$TMP/tftp" && echo tftp-gave-this >"$TMP/tftp/file" && echo tftp-gave-secret >"$TMP/secret" &&
    ln -s ../secret "$TMP/tftp/link"
boot tftp.out 0 --tftp "$TMP/tftp" --bootfile file --expect "$prompt" --send 'net-up\n' \
    --expect "$prompt" --send 'for f in ../secret link nothing file; do tftp -g -l /tmp/got -r $f 10.0.2.2; done\n' \
    --expect "$prompt" --send 'cat /tmp/got; tftp -p -l /tmp/got -r put 10.0.2.2\n' \
    --expect "$prompt" --send 'poweroff\n'
hears tftp.out '^tftp-gave-this'
grep -q tftp-gave-secret "$TMP/tftp.out" && wrong "TFTP gave a file from outside its folder"
[ -e "$TMP/tftp/put" ] && wrong "TFTP wrote a file"

# ---- The user network, everything in one guest ----

# The guest answers what connects to its port 22, as an SSH server does, and powers off when it
# is told to.
(failed=0; boot user 0 --net user --pcap "$TMP/user.pcapng" --forward "$taken:22" --forward "$taken:7/udp" \
    --expect "$prompt" --send 'net-up\n' \
    --expect "$prompt" --send 'ip -4 addr show eth0; cat /etc/resolv.conf; ping -c 2 10.0.2.2\n' \
    --expect "$prompt" --send "wget -q -O /tmp/f $server/; md5sum </tmp/f\n" \
    --expect "$prompt" --send "printf 'PUT / HTTP/1.0\\\\r\\\\nContent-Length: $bytes\\\\r\\\\n\\\\r\\\\n' >/tmp/h\n" \
    --expect "$prompt" --send "cat /tmp/h /tmp/f | nc 10.0.2.2 $port\n" \
    --expect "$prompt" --send 'for i in 1 2 3 4 5 6 7 8; do sleep 2; ping -c 2 fec0::2 && break; done\n' \
    --expect "$prompt" --send 'echo; echo guest speaks | nc -l -p 22; echo heard it\n' \
    --expect 'heard it\r' --expect "$prompt" --send 'poweroff\n'
    exit $failed) &
guest=$!
await user 'nc -l -p 22'
forwarded=$(forward_of user tcp 22)
"$TMP/host" datagram "$(forward_of user udp 7)"
i=0
until "$TMP/host" get "$forwarded" >"$TMP/got" || [ $i -eq 60 ]; do
    i=$((i + 1))
    sleep 0.3
done
wait $guest
failed=$((failed + $?))
hears user 'inet 10.0.2.15/24'
hears user 'nameserver 10.0.2.3'
hears user 'bytes from 10.0.2.2: seq=1'
hears user "^$sum"
hears user "^received $bytes"
hears user 'bytes from fec0::2: seq=1'
hears user "forward: tcp 127.0.0.1:.* ($taken is taken)"
hears user '^hello from the host'
if [ "$(cat "$TMP/got")" = "guest speaks" ]; then
    good "forward: port $forwarded reached the guest"
else
    wrong "forward: the guest was not reached at port '$forwarded'"
fi

# The capture, read by somebody else if there is somebody.
if command -v tcpdump >/dev/null 2>&1; then
    tcpdump -n -vv -r "$TMP/user.pcapng" >"$TMP/tcpdump" 2>&1 || wrong "tcpdump: $(tail -n 3 "$TMP/tcpdump")"
    hears tcpdump 'ICMP echo reply'
    hears tcpdump 'BOOTP/DHCP, Request'
    hears tcpdump '> 10.0.2.15.7: .*UDP, length 4'
    if grep -q -e 'incorrect' -e 'bad cksum' -e 'truncated' "$TMP/tcpdump"; then
        wrong "tcpdump: $(grep -m 1 -e incorrect -e 'bad cksum' -e truncated "$TMP/tcpdump")"
    fi
else
    echo "not tried: reading the capture with tcpdump (Debian: tcpdump)"
fi

# ---- A scripted run reaches no one outside, unless it is asked ----

shell closed --expect "$prompt" --send 'net-up\n' \
    --expect "$prompt" --send "ping -c 1 10.0.2.2; wget -T 5 -q -O - $server/ | wc -c\n"
hears closed 'cannot connect to the outside'
hears closed 'bytes from 10.0.2.2: seq=0'
hears closed '^0$'

# ---- Two guests, one cable ----

# end NAME ME OTHER: pings the other, and stays until both have.
end() {
    boot "$1" 0 --net "socket:$TMP/cable" --expect "$prompt" --send "net-up 10.1.0.$2/24\n" \
        --expect "$prompt" --send "until ping -c 1 -W 1 10.1.0.$3; do sleep 1; done\n" \
        --expect "$prompt" --send 'sleep 5; cat /sys/class/net/eth0/address\n' \
        --expect "$prompt" --send 'poweroff\n'
}
(failed=0; end link-1 1 2; exit $failed) &
guest=$!
await link-1 'where another guest can come'
end link-2 2 1
wait $guest
failed=$((failed + $?))
hears link-1 'bytes from 10.1.0.2'
hears link-1 '^52:54:00:12:34:56'
hears link-2 'bytes from 10.1.0.1'
hears link-2 '^52:54:00:12:34:57'
[ ! -e "$TMP/cable" ] || wrong "the socket is still there"

# ---- The virtual clock ----

for run in a b; do
    shell "virtual-$run" --clock virtual --net user:restrict --digest-every 100M --quiet \
        --expect "$prompt" --send 'net-up\n' --expect "$prompt" --send 'ping -c 2 10.0.2.2\n'
    grep '^digest ' "$TMP/virtual-$run" >"$TMP/digests-$run"
    hears "virtual-$run" 'bytes from 10.0.2.2: seq=1'
done
if cmp "$TMP/digests-a" "$TMP/digests-b"; then
    good "virtual: equal digests, $(wc -l <"$TMP/digests-a") of them"
else
    wrong "virtual: the digests differ"
fi

# What came from outside is in the recording; the replay asks nobody.
visit="wget -q -O - $server/ | md5sum"
shell record --record "$TMP/journal" --net user --digest-every 100M --quiet \
    --expect "$prompt" --send 'net-up\n' --expect "$prompt" --send "$visit\n"
hears record "^$sum"
# shellcheck disable=SC2086
kill $servers
shell replay --replay "$TMP/journal" --net user --digest-every 100M --quiet \
    --expect "$prompt" --send 'net-up\n' --expect "$prompt" --send "$visit\n"
hears replay "^$sum"
# (How lines of ours mix with the guest's is the host's affair.)
for run in record replay; do
    grep '^digest ' "$TMP/$run" >"$TMP/$run.digests"
    grep -v '^digest ' "$TMP/$run" >"$TMP/$run.console"
done
if cmp "$TMP/record.digests" "$TMP/replay.digests" && cmp "$TMP/record.console" "$TMP/replay.console"; then
    good "replay: the same, digests included"
else
    wrong "replay: another run"
fi
finish
