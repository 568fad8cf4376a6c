#!/bin/sh
# metic ssh and metic cp with the host's OpenSSH and a whole Debian that `metic build debian` made with
# a key: commands, their status, files and folders both ways. With --balloon, memory
# that was used in the guest and is free again goes back to the host.

set -u
grep -q 'HAVE_SLIRP 1' config.h || { echo "built without libslirp (Debian: libslirp-dev)"; exit 77; }
for tool in ssh scp ssh-keygen; do
    command -v "$tool" >/dev/null 2>&1 || { echo "no $tool (Debian: openssh-client)"; exit 77; }
done
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/boot/firmware.sh"
XDG_RUNTIME_DIR=$TMP/run
export XDG_RUNTIME_DIR
mkdir -m 700 run

# One key for all runs of this test, so that its image is built once.
key=$(dirname "$cache")/ssh-key
[ -e "$key" ] || ssh-keygen -q -t ed25519 -N '' -C metic -f "$key" || exit 1
"$METIC" build debian disk.img --ssh-key "$key.pub" --hostname far >build 2>&1 || { cat build; exit 1; }
timeout -k 5 1800 "$METIC" run disk.img --name far --balloon --forward 2222:22 >console 2>&1 </dev/null &
machine=$!
trap 'kill $machine 2>/dev/null' EXIT

far() { timeout -k 5 600 "$METIC" ssh far -i "$key" -o LogLevel=ERROR "$@" </dev/null; }
copy() { timeout -k 5 600 "$METIC" cp -i "$key" -o LogLevel=ERROR "$@" </dev/null; }
until "$METIC" ps | grep -q '^far '; do
    kill -0 $machine 2>/dev/null || { cat console; wrong "the machine ended"; finish; }
    sleep 0.2
done
[ "$(far -- 'systemctl is-system-running --wait; hostname' | tr '\n' ' ')" = "running far " ] &&
    good "a command" || wrong "metic ssh: a command"
far -- 'exit 7'
[ $? -eq 7 ] && good "a command's status" || wrong "metic ssh: a command's status"
head -c 5000000 /dev/urandom >there
copy there far:/tmp/there && copy far:/tmp/there back && cmp there back && good "a file, both ways" ||
    wrong "metic cp: a file"
mkdir -p tree/empty tree/deep/er && cp there tree/deep/er/ && echo short >tree/short
copy -r tree far:/tmp && copy -r far:/tmp/tree again && diff -r tree again && good "a folder, both ways" ||
    wrong "metic cp -r"

# The machine's own process: timeout's child.
process=$(pgrep -P $machine)
pss_mib() { awk '/^Pss:/ { print int($2 / 1024) }' "/proc/$process/smaps_rollup"; }
far -- 'head -c 400M /dev/zero >/dev/shm/full' && full=$(pss_mib) && far -- 'rm /dev/shm/full' || full=0
now=$full
for second in $(seq 120); do
    now=$(pss_mib)
    [ $((full - now)) -lt 300 ] || break
    sleep 1
done
[ $((full - now)) -ge 300 ] && good "free memory goes back to the host: $full MiB, then $now" ||
    wrong "of $full MiB $now are left after 400 were freed in the guest"

far -- poweroff
wait $machine
got=$?
[ $got -eq 0 ] && good "off" || { wrong "status $got"; tail -n 20 console; }
finish
