#!/bin/sh
# In a Debian that `metic build debian` made, containers start and are confined: podman (with crun) and
# systemd-nspawn give a process its own process numbers, network, host name and read-only root; what
# goes over its memory limit is killed, and the guest goes on.

set -u
. "$SRCDIR/tests/boot/boot.sh"
XDG_STATE_HOME=$TMP/state
XDG_DATA_HOME=$(dirname "$cache")/test-data
export XDG_STATE_HOME XDG_DATA_HOME
cd "$TMP" || exit 1
[ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet || exit 1
"$METIC" build debian disk.img --variant minimal --hostname box \
    --include podman,systemd-container,busybox-static,crun >build 2>&1 || { cat build; exit 1; }

# Each line waits for the prompt before it. What is looked for is put together by the guest, so that
# the echo of the command is no answer.
cat >steps <<'END'
expect box login:
send root\n
expect ~# 
send mkdir -p /c/bin /c/proc /c/sys /c/dev /c/tmp /c/etc /c/run /c/var /c/usr && cp /bin/busybox /c/bin/ && ln -s busybox /c/bin/sh && echo made-$((1+1))\n
expect made-2
expect ~# 
send P="podman run --rm --network none --memory 64m --read-only --hostname inner --rootfs /c /bin/busybox"\n
expect ~# 
send $P sh -c 'b=/bin/busybox; echo pid-$$ host-$($b hostname) mem-$($b cat /sys/fs/cgroup/memory.max) net-$($b ls /sys/class/net) procs-$($b ls /proc | $b grep -c "^[0-9]"); $b touch /x || echo ro-$((1+1))'\n
expect pid-1 host-inner mem-67108864 net-lo procs-
expect Read-only file system
expect ro-2
expect ~# 
send $P dd if=/dev/zero of=/dev/shm/x bs=1M count=60; podman run --rm --network none --memory 64m --shm-size 200m --rootfs /c /bin/busybox dd if=/dev/zero of=/dev/shm/x bs=1M count=150; echo killed-$?\n
expect killed-137
expect ~# 
send $P id -u; $P sh -c '/bin/busybox mount -t tmpfs none /tmp || echo nomount-$((1+1))'\n
expect nomount-2
expect ~# 
send systemd-nspawn -q -D /c --private-network --read-only --register=no --keep-unit /bin/busybox sh -c 'b=/bin/busybox; echo nspawn-pid-$$ net-$($b ls /sys/class/net); $b touch /x || echo ro-$((2+1))'\n
expect nspawn-pid-1 net-lo
expect ro-3
expect ~# 
send unshare --user --map-root-user --pid --fork --mount-proc sh -c 'echo unshared-$$-$(id -u)'; lsns -n -t pid | wc -l\n
expect unshared-1-0
expect ~# 
send systemctl is-system-running; podman ps -q | wc -l; poweroff\n
expect running
END
timeout -k 5 2400 "$METIC" run disk.img --clock virtual --script steps >console 2>&1 </dev/null
got=$?
if [ "$got" -eq 0 ]; then good "containers start and are confined"; else
    wrong "containers: status $got"
    tail -n 30 console
fi
finish
