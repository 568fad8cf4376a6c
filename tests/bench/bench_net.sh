#!/bin/sh
# A TCP stream between Debian's kernel in the guest and this host's loopback, through the user network
# of both emulators: what the guest takes, what it sends, round trips of one byte; and the same
# through a forwarded port, asked for by the host. NET_HARTS chooses the harts (1), NET_MEGABYTES how much
# (200).

set -u
. "$(dirname "$0")/common.sh"
guest=$(sh "$here/../guest/fetch.sh") || { echo "net: no guest to boot"; exit 1; }
command -v riscv64-linux-gnu-gcc >/dev/null 2>&1 || {
    echo "bench: needs riscv64-linux-gnu-gcc (Debian: gcc-riscv64-linux-gnu)"
    exit 1
}
work=$DIR/net
rm -rf "$work" && mkdir -p "$work/tree/bin" || exit 1
riscv64-linux-gnu-gcc -D_GNU_SOURCE -O2 -static -o "$work/tree/bin/stream" "$here/net/stream.c" &&
    gcc -D_GNU_SOURCE -O2 -o "$work/stream" "$here/net/stream.c" &&
    cp "$here/net/init" "$work/tree/net-init" || exit 1
(cd "$work/tree" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -9n) >"$work/more.gz"
cat "$guest/initramfs.cpio.gz" "$work/more.gz" >"$work/initramfs"
harts=${NET_HARTS:-1}
megabytes=${NET_MEGABYTES:-200}
"$work/stream" serve 0 >"$work/port" &
server=$!
trap 'kill $server 2>/dev/null' EXIT
until [ -s "$work/port" ]; do sleep 0.1; done
append="console=ttyS0 quiet rdinit=/net-init port=$(cat "$work/port") megabytes=$megabytes"

# put_sample WHO NAME "NS COUNT"
put_sample() {
    ns=${3% *}
    [ "$ns" -gt 0 ] 2>/dev/null || { echo "net: no $2 of $1's"; exit 1; }
    case $2 in
    *ask) sample net "round trip" "$2" ns "$1" $((ns / 2000)) "${3#* }" ;;
    *) sample net stream "$2" ns "$1" "$ns" "${3#* }" ;;
    esac
}

measure() {
    forward=$((20000 + $$ % 20000))
    : >"$work/log"
    if [ "$1" = metic ]; then
        timeout "$limit" "$METIC" run "$guest/vmlinuz" --initrd "$work/initramfs" --append "$append" \
            --quiet --net user --forward "$forward:5201" --cpus "$harts" </dev/null >"$work/log" 2>&1 &
    else
        timeout "$limit" "$QEMU" -M virt -cpu rv64 -m 512M -smp "$harts" -display none -monitor none \
            -serial stdio -kernel "$guest/vmlinuz" -initrd "$work/initramfs" -append "$append" \
            -netdev "user,id=n,hostfwd=tcp:127.0.0.1:$forward-:5201" \
            -device virtio-net-device,netdev=n -global virtio-mmio.force-legacy=false \
            </dev/null >"$work/log" 2>&1 &
    fi
    emulator=$!
    until grep -q '^net serves' "$work/log"; do
        kill -0 $emulator 2>/dev/null || { tail -n 15 "$work/log"; exit 1; }
        sleep 0.2
    done
    for name in get put ask; do
        put_sample "$1" "$name" "$(tr -d '\r' <"$work/log" | sed -n "s/^net $name //p")"
    done
    "$work/stream" 127.0.0.1 "$forward" get 1000000 >/dev/null
    put_sample "$1" forward-get "$("$work/stream" 127.0.0.1 "$forward" get "${megabytes}000000")"
    put_sample "$1" forward-put "$("$work/stream" 127.0.0.1 "$forward" put "${megabytes}000000")"
    put_sample "$1" forward-ask "$("$work/stream" 127.0.0.1 "$forward" ask 2000)"
    kill $emulator
    wait $emulator 2>/dev/null
}

run=0
while [ $run -lt "$N" ]; do
    measure metic
    measure qemu
    run=$((run + 1))
done
rm -rf "$work"
