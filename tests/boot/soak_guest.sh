#!/bin/sh
# The guest's part of long_soak.sh. Arguments: SECONDS PORT BYTES MD5. Ends with "soak-ended STATUS".

seconds=$1
server=10.0.2.2
port=$2
bytes=$3
sum=$4
share=$(dirname "$0")
failed=0
end=$(($(date +%s) + seconds))
bad() { echo "soak: WRONG: $*"; failed=$((failed + 1)); }

mkdir -p /var/soak
cd /var/soak || exit 1
busybox ip link set eth0 up 2>/dev/null
busybox udhcpc -i eth0 -n -q >/dev/null 2>&1
# Touches what memory is free.
mkdir -p /fill
mount -t tmpfs -o size=100% fill /fill
head -c "$(($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) - 80000))K" /dev/zero >/fill/zeros || bad "filling memory"
umount /fill
stress-ng --cpu 2 --cpu-load 30 --vm 1 --vm-bytes 64M --hdd 1 --hdd-bytes 32M --pipe 1 --switch 1 --verify \
    --metrics-brief --timeout "${seconds}s" --temp-path /var/soak >stress.log 2>&1 &
stress=$!
: >"$share/started"
rounds=0
head -c 2000000 /dev/urandom >source
while [ "$(date +%s)" -lt $end ]; do
    rounds=$((rounds + 1))
    busybox wget -q -O got "http://$server:$port/" && [ "$(md5sum <got | cut -d ' ' -f 1)" = "$sum" ] ||
        bad "round $rounds: a transfer to the guest"
    { printf 'PUT / HTTP/1.0\r\nContent-Length: %s\r\n\r\n' "$bytes"; cat got; } |
        busybox nc $server "$port" | grep -q "received $bytes" || bad "round $rounds: a transfer from the guest"
    cp source "$share/copy" && mv "$share/copy" "$share/moved" && cmp source "$share/moved" ||
        bad "round $rounds: a copy in the shared folder"
    mkdir -p "$share/many" && (cd "$share/many" && for i in 1 2 3 4 5 6 7 8 9; do echo $rounds-$i >$i; done) &&
        [ "$(cat "$share"/many/* | tr '\n' ' ')" = "$(for i in 1 2 3 4 5 6 7 8 9; do echo $rounds-$i; done | tr '\n' ' ')" ] ||
        bad "round $rounds: small files in the shared folder"
    rm -r "$share/many"
    cp source copy && sync && echo 3 >/proc/sys/vm/drop_caches && cmp source copy ||
        bad "round $rounds: a copy on the disk"
done
wait $stress || bad "stress-ng: status $?"
grep -iE 'fail|error' stress.log | grep -v 'failed: 0' && bad "stress-ng found errors"
tail -n 12 stress.log
# A hart that the host did not run looks stuck: whether that counts is for the host to say.
stuck='soft lockup|stalls on|detected stall|self-detected'
dmesg | grep -E 'BUG:|Oops|WARNING:|I/O error|EXT4-fs error' | grep -vE "$stuck" && bad "the kernel complains"
echo "soak-stuck $(dmesg | grep -cE "$stuck")"
rm -f "$share/moved"
echo "soak: $rounds rounds in $seconds s"
echo "soak-ended $failed"
