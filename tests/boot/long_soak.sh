#!/bin/sh
# An hour (SOAK_S seconds) of a Debian guest with four harts in which everything is busy and checked:
# stress-ng --verify on processors, memory and disk, files copied back and forth in a shared folder,
# transfers from and to a server on this host, all compared by checksum. The guest's kernel must have
# nothing to say, and metic's memory must not grow.
#
# Memory: what metic holds in the second quarter of the time, when the guest has touched all of its RAM,
# is compared with the rest; in less than ten minutes, or on a host that runs much else, it has not, and that is said instead.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/boot/firmware.sh"
seconds=${SOAK_S:-3600}
bytes=3000000
"$METIC" build debian disk.img --variant minimal --hostname soak --include stress-ng,busybox-static,e2fsprogs \
    >build 2>&1 || { cat build; wrong "build"; finish; }
$CC -std=gnu11 -D_GNU_SOURCE -O1 -o host "$SRCDIR/tests/net/host.c" || exit 1
./host serve port $bytes &
server=$!
trap 'kill $server 2>/dev/null' EXIT
while [ ! -s port ]; do sleep 0.1; done
mkdir share
cp "$SRCDIR/tests/boot/soak_guest.sh" share/soak.sh

cat >steps <<END
expect soak login:
send root\n
expect ~# 
send mount -t virtiofs share /mnt && sh /mnt/soak.sh $seconds $(cat port) $bytes $(./host body $bytes | md5sum | cut -d ' ' -f 1)\n
expect soak-ended
expect ~# 
send poweroff\n
END
timeout -k 5 $((seconds * 2 + 1200)) "$METIC" run disk.img --cpus 4 --ram 1G --net user --share share \
    --script steps >console 2>err </dev/null &
guest=$!
started=$(date +%s)
# timeout's child is metic.
until metic=$(pgrep -P $guest) || ! kill -0 $guest 2>/dev/null; do sleep 0.2; done
: >resident
while kill -0 $guest 2>/dev/null; do
    [ -e share/started ] && awk '/^VmRSS/ { print $2 }' "/proc/$metic/status" >>resident 2>/dev/null
    cat "/proc/$metic/stat" >stat.new 2>/dev/null && [ -s stat.new ] && mv stat.new stat
    sleep $((seconds / 200 + 1))
done
wait $guest
status=$?
[ $status -eq 0 ] && good "the guest ended by itself" || { wrong "status $status"; tail -n 30 console; }
tr -d '\r' <console >text
grep -q '^soak-ended 0$' text && good "$(grep -a '^soak: ' text | tail -n 1)" ||
    { wrong "an error in the guest"; grep -a '^soak' text | tail; tail -n 15 text; }
grep -aE '^\[ *[0-9.]+\].*(BUG:|Oops|WARNING:|I/O error|EXT4-fs error)' text | grep -v 'soft lockup' &&
    wrong "the guest's kernel complains"
# Harts that stand still are metic's fault when the host gave it a processor, at least, all the time.
took=$(($(date +%s) - started))
used=$(awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) / hz) }' stat)
stuck=$(sed -n 's/^soak-stuck //p' text)
if [ "${stuck:-0}" -eq 0 ]; then
    good "no hart stood still"
elif [ "$used" -lt "$took" ]; then
    echo "not judged, as the host gave metic $used s of its processors in $took s: $stuck lines about stuck harts"
else
    wrong "harts stood still: $stuck lines"
fi
awk '{ all[NR] = $1 }
     END {
         for (i = int(NR / 4); i <= NR; i++) {
             if (i <= NR / 2) { before = all[i] > before ? all[i] : before }
             else { after = all[i] > after ? all[i] : after }
         }
         printf "resident: at most %d KiB in the second quarter, %d after\n", before, after
         exit NR < 8 || after > before * 1.03
     }' resident >grown
grew=$?
if [ $seconds -lt 600 ] || [ "$used" -lt "$took" ]; then
    echo "not judged in so little time: $(cat grown)"
elif [ $grew -eq 0 ]; then
    good "$(cat grown)"
else
    wrong "$(cat grown)"
fi
finish
