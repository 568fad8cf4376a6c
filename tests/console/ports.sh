#!/bin/sh
# The guest's end: what udev would do, then talk on the port 'agent' as port_client.py wants it.
channels-up
mkdir -p /dev/virtio-ports
for port in /sys/class/virtio-ports/*; do
    ln -sf "/dev/${port##*/}" "/dev/virtio-ports/$(cat "$port/name")"
done
ls /dev/virtio-ports
[ "${1:-}" = talk ] || exit 0
heard() {
    until read -r line <&3; do sleep 0.1; done
}
echo logged >/dev/virtio-ports/log
exec 3<>/dev/virtio-ports/agent
heard
echo "got $line" >&3
cat /bin/busybox >&3
head -c 1000000 <&3 | md5sum >/tmp/sum
read -r sum _ </tmp/sum
echo "sum $sum" >&3
while read -r line <&3; do :; done
echo "the other end has gone"
heard
echo "got $line" >&3
