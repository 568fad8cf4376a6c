#!/bin/sh
# Snapshots of Debian's kernel: saved and loaded on the way, in the same machine, in another and from
# a file, a boot with disk and network ends as it does without; the command line; what is refused.
# long_snapshot.sh does it at many points, with more harts and the interpreter.

set -u
. "$SRCDIR/tests/boot/boot.sh"
. "$SRCDIR/tests/hw/snapshot.sh"
points=3

program
head -c 3145728 /dev/zero | tr '\0' 'm' >"$TMP/disk.img"
same 1 jit "$TMP/disk.img" "$net" 1
same 4 jit "$TMP/disk.img" "$net" 2

# ---- The command line ----

shell saved --clock virtual --ram 256M --net none --save "$TMP/saved.zst" --save-at 700M --cpus 2
[ -s "$TMP/saved.zst" ] || wrong "nothing was saved"
timeout 60 "$METIC" inspect "$TMP/saved.zst" >"$TMP/inspect" && has inspect '2 harts, 256 MiB'

# Everything but what one run is about comes from the file.
if timeout 60 "$METIC" restore "$TMP/saved.zst" --expect "$prompt" --send 'nproc; poweroff\n' \
    >"$TMP/restored" 2>&1 </dev/null; then
    has restored '^2.\{0,1\}$'
    if grep -q 'Linux version' "$TMP/restored"; then
        wrong "restored: the kernel began again"
    else
        good "restored: went on from the snapshot"
    fi
else
    wrong "restored: status $?"
    tail -n 5 "$TMP/restored"
fi

# A reset after that wants the images again.
if timeout 60 "$METIC" restore "$TMP/saved.zst" --quiet --expect "$prompt" --send 'reboot\n' \
    --expect "$prompt" --send 'poweroff\n' >"$TMP/reset" 2>&1 </dev/null; then
    has reset 'Linux version' && good "reset: booted from its files"
else
    wrong "reset: status $?"
    tail -n 5 "$TMP/reset"
fi

# refused NAME STATUS TEXT ARGUMENT...
refused() {
    name=$1
    wanted=$2
    text=$3
    shift 3
    timeout 60 "$METIC" restore "$@" >"$TMP/$name" 2>&1 </dev/null
    got=$?
    if [ "$got" -eq "$wanted" ] && grep -q -- "$text" "$TMP/$name"; then
        good "$name: $text"
    else
        wrong "$name: status $got, not $wanted with '$text'"
        cat "$TMP/$name"
    fi
}

bytes=$(wc -c <"$TMP/saved.zst")
head -c 500000 "$TMP/saved.zst" >"$TMP/cut.zst"
cp --sparse=always "$TMP/saved.zst" "$TMP/state.zst"
printf x | dd of="$TMP/state.zst" bs=1 seek=$((bytes - 50)) conv=notrunc 2>/dev/null
cp --sparse=always "$TMP/saved.zst" "$TMP/memory.zst"
printf xyz | dd of="$TMP/memory.zst" bs=4096 seek=5000 conv=notrunc 2>/dev/null
refused none 125 'No such file' "$TMP/none.zst"
refused kernel 125 'is no snapshot' "$cache/vmlinuz"
refused cut 125 'is cut short' "$TMP/cut.zst"
refused state 125 'does not unpack' "$TMP/state.zst"
refused memory 125 'is not what was saved' "$TMP/memory.zst" --quiet
refused harts 125 'has 2 harts, the machine 3' "$TMP/saved.zst" --cpus 3
refused processor 125 "harts are rv64, the machine's rv64,v=on" "$TMP/saved.zst" --cpu rv64,v=on
refused usage 2 'no option --harts' "$TMP/saved.zst" --harts 2
if command -v zstd >/dev/null; then
    zstd -q -t "$TMP/saved.zst" && good "zstd takes it for a file of its own"
fi

# A disk that was changed meanwhile is another disk.
boot disk 124 --clock virtual --ram 256M --disk "$TMP/disk.img" --limit-insns 200M \
    --save "$TMP/disk.zst"
touch -d tomorrow "$TMP/disk.img"
refused changed 125 'was changed after the snapshot' "$TMP/disk.zst" --limit-insns 300M
finish
