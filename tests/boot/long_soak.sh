#!/bin/sh
# An hour (SOAK_S seconds) of a Debian guest with four harts in which everything is busy and checked:
# stress-ng --verify on processors, memory and disk, files copied back and forth in a shared folder,
# transfers from and to a server on this host, all compared by checksum. The guest's kernel must have
# nothing to say, and metic's memory must not grow.
#
# Memory: the guest first touches all of its RAM, so that what metic holds grows from then on only by
# metic's own doing (translated code, which is mapped twice, is counted once, and its
# cache is small enough to have been full by then). The most of the second
# quarter is compared with the rest, and the slope is told. In less than ten minutes it is only told.
#
# An hour is for a host that does nothing else, or for a nice value that says the same: SOAK_CPU per
# cent of one processor (100) is what metic takes at most.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/boot/firmware.sh"
seconds=${SOAK_S:-3600}
cpu=${SOAK_CPU:-100}
bytes=3000000
"$METIC" build debian disk.img --variant minimal --hostname soak --include stress-ng,busybox-static,e2fsprogs \
    >build 2>&1 || { cat build; wrong "build"; finish; }
"$METIC" disk convert disk.img disk.qcow2 >convert 2>&1 && rm disk.img || { cat convert; wrong "convert"; finish; }
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
timeout -k 5 $((seconds * 2 + 1200)) "$METIC" run disk.qcow2 --write --cpus 4 --ram 1G --net user \
    --share share --limit-cpu "$cpu" --code-cache 64M --script steps >console 2>err </dev/null &
guest=$!
started=$(date +%s)
# timeout's child is metic.
until metic=$(pgrep -P $guest) || ! kill -0 $guest 2>/dev/null; do sleep 0.2; done
: >resident
while kill -0 $guest 2>/dev/null; do
    [ -e share/started ] && awk -v now="$(date +%s)" '/^Pss:/ { print $2, now }' "/proc/$metic/smaps_rollup" \
        >>resident 2>/dev/null
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
# Harts that stand still are metic's fault when the host gave it what it asked for.
took=$(($(date +%s) - started))
used=$(awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) / hz) }' stat)
stuck=$(sed -n 's/^soak-stuck //p' text)
if [ "${stuck:-0}" -eq 0 ]; then
    good "no hart stood still"
elif [ $((used * 100)) -lt $((took * cpu * 9 / 10)) ]; then
    echo "not judged, as the host gave metic $used s of its processors in $took s: $stuck lines about stuck harts"
else
    wrong "harts stood still: $stuck lines"
fi
awk '{ all[NR] = $1; when[NR] = $2 }
     END {
         first = int(NR / 4)
         for (i = first; i <= NR; i++) {
             if (i <= NR / 2) { before = all[i] > before ? all[i] : before }
             else { after = all[i] > after ? all[i] : after }
             n++; x = when[i] - when[first]; y = all[i]; sx += x; sy += y; sxx += x * x; sxy += x * y
         }
         wide = n * sxx - sx * sx
         slope = wide == 0 ? 0 : (n * sxy - sx * sy) / wide * 3600
         printf "held: at most %d KiB in the second quarter, %d after; slope %+.0f KiB an hour\n",
             before, after, slope
         exit NR < 8 || after > before * 1.02
     }' resident >grown
grew=$?
if [ "$seconds" -lt 600 ]; then
    echo "not judged in so little time: $(cat grown)"
elif [ $grew -eq 0 ]; then
    good "$(cat grown)"
else
    wrong "$(cat grown)"
fi
"$METIC" disk check disk.qcow2 >check 2>&1 && good "the disk is sound" || { cat check; wrong "the disk"; }
finish
