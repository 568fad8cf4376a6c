# The work, the same in the guest and native (in a chroot). A line for each part:
#     linux NAME CLASS NANOSECONDS RESULT
# where the result is a sum over what the part printed. Sizes are fixed; native takes some 20 to
# 100 ms for each. What measures itself says nanoseconds for one operation, and has no result.

export PATH=/bin LC_ALL=C PYTHONHASHSEED=0 HOME=/tmp
cd /bench || exit 1
bb=/bin/busybox

# part CLASS NAME: runs the function part_NAME.
part() {
    start=$EPOCHREALTIME
    "part_$2" >/tmp/out 2>/tmp/err
    end=$EPOCHREALTIME
    took_us=$((${end%.*}${end#*.} - ${start%.*}${start#*.}))
    echo "linux $2 $1 ${took_us}000 $($bb md5sum </tmp/out | $bb cut -c 1-12)"
    $bb head -n 1 /tmp/err
}

# rated CLASS NAME: function rated_NAME prints operations a second.
rated() {
    rate=$("rated_$2" 2>/tmp/err)
    ns=$($bb awk -v rate="$rate" 'BEGIN { if (rate + 0) { printf "%.0f", 1e9 / rate } }')
    if [ -n "$ns" ]; then
        echo "linux $2 $1 $ns -"
    else
        echo "bench: no result of $2"
        $bb cat /tmp/err
    fi
}

part_fork_exec() {
    i=0
    while [ $i -lt 500 ]; do
        $bb true
        i=$((i + 1))
    done
    echo $i
}

part_shell_loop() {
    i=0
    sum=0
    while [ $i -lt 30000 ]; do
        sum=$(((sum * 3 + i) % 65521))
        i=$((i + 1))
    done
    echo $sum
}

part_shell_pipes() {
    i=0
    while [ $i -lt 60 ]; do
        echo $i | $bb cat | $bb tr 0-9 a-j
        i=$((i + 1))
    done
}

# Two shells hand a number to and fro.
part_pipe_ping_pong() {
    $bb rm -f /tmp/to /tmp/fro
    $bb mkfifo /tmp/to /tmp/fro
    while read -r n; do echo $((n + 1)); done </tmp/to >/tmp/fro &
    exec 3>/tmp/to 4</tmp/fro
    n=0
    while [ "$n" -lt 5000 ]; do
        echo "$n" >&3
        read -r n <&4
    done
    exec 3>&- 4<&-
    wait
    echo "$n"
}

part_sha256sum() { $bb sha256sum text; }
part_gzip() { $bb gzip -c <text | $bb gunzip -c | $bb md5sum; }
part_sort() { $bb sort text | $bb md5sum; }
part_busybox_awk() { $bb awk '{ n[$3]++; s += $2 } END { for (w in n) c++; print c, s }' text; }
part_gawk() {
    gawk '{ n[$3]++; s += $2; gsub(/ab/, "x"); l += length } END { print length(n), s, l }' text
}
part_xz() { $bb head -c 400000 text | /bin/xz -2 -T1 -c | /bin/xz -d -c | $bb md5sum; }
part_zstd() { /bin/zstd -q -6 --single-thread -c text | /bin/zstd -q -d -c | $bb md5sum; }
part_7zip() {
    $bb rm -f /tmp/text.7z
    /usr/lib/7zip/7zr a -mmt1 -mx1 -bd /tmp/text.7z text | $bb grep -c Ok
    /usr/lib/7zip/7zr x -mmt1 -so /tmp/text.7z | $bb md5sum
}
part_openssl_sha512() { openssl dgst -sha512 text; }
part_openssl_aes() {
    openssl enc -aes-128-cbc -K 00112233445566778899aabbccddeeff -iv 0 -in text 2>&1 | $bb md5sum
}
rated_openssl_rsa() {
    openssl speed -seconds 1 -mr rsa2048 | $bb awk -F: '$1 == "+F2" { print $4 }'
}
part_sqlite3() { sqlite3 :memory: <work.sql; }
part_python_int() { python3 -S -E work.py int; }
part_python_float() { python3 -S -E work.py float; }
part_python_object() { python3 -S -E work.py object; }
part_perl() {
    perl -ne 'while (/([a-z]+)/g) { $n{$1}++ } END { print scalar(keys %n), " $n{abba}\n" }' text
}
# The compiler proper; what it writes is for its own architecture, so only its success counts.
part_gcc() { /usr/libexec/gcc/*/14/cc1 -quiet -O2 work.c -o /tmp/work.s && echo compiled; }

part os fork_exec
part os shell_loop
part os shell_pipes
part os pipe_ping_pong
part busybox sha256sum
part busybox gzip
part busybox sort
part busybox busybox_awk
part programs gawk
part programs xz
part programs zstd
part programs 7zip
part programs openssl_sha512
part programs openssl_aes
rated programs openssl_rsa
part programs sqlite3
part programs python_int
part programs python_float
part programs python_object
part programs perl
part programs gcc
echo "linux end"
