#!/bin/sh
# qcow2 and raw images as qemu-img and qemu-io have them, and ours as these see them: images of every
# shape made by either side, written by both in turn with random operations, snapshots kept, chains
# with relative names, checks and repairs, locks; and what `metic disk` refuses.

set -u
command -v qemu-img >/dev/null && command -v qemu-io >/dev/null || {
    echo "needs qemu-img and qemu-io (Debian: qemu-utils)"
    exit 77
}
passed=0
failed=0
good() { passed=$((passed + 1)); }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }
# ok NAME COMMAND...: must succeed; its output is shown when it does not.
ok() {
    name=$1
    shift
    if "$@" >"$TMP/out" 2>&1; then good; else wrong "$name: $*"; tail -n 5 "$TMP/out"; fi
}
# refused STATUS TEXT COMMAND...: must end with the status and say the text.
refused() {
    wanted=$1
    text=$2
    shift 2
    "$@" >"$TMP/out" 2>&1
    got=$?
    if [ $got -eq "$wanted" ] && grep -q -- "$text" "$TMP/out"; then
        good
    else
        wrong "status $got, wanted $wanted with '$text': $*"
        cat "$TMP/out"
    fi
}

$CC -std=gnu11 -D_GNU_SOURCE -O1 -pthread -I. -I"$SRCDIR" $(sed -n 's/^SANITIZE = //p' Makefile) \
    -o "$TMP/disk_ops" "$SRCDIR/tests/hw/block/disk_ops.c" libmetic-hw.a libmetic-translate.a \
    libmetic-cpu.a libmetic-base.a $(sed -n 's/^LIBS = //p' Makefile) -ldl -lm || exit 1
seed=${RANDOM_SEED:-1}
steps=${RANDOM_TESTS:-40}
# In memory where the host has that: what is synced is no question here.
work=$(mktemp -d /dev/shm/metic-disk-XXXXXX 2>/dev/null) || work=$TMP
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mv "$TMP/disk_ops" .

# turns NAME IMAGE CLUSTER: both sides write to the image in turn; MODEL is what must be read.
turns() {
    for turn in 1 2 3 4; do
        seed=$((seed + 1))
        if [ $((turn % 2)) -eq 1 ]; then
            ok "$1 (seed $seed)" ./disk_ops do "$2" model $seed "$steps" "$3"
        else
            ./disk_ops print "$2" model $seed "$steps" "$3" >commands
            ok "$1 (seed $seed)" qemu-io "$2" <commands
        fi
        ok "$1 turn $turn" qemu-img check "$2"
        ok "$1 turn $turn" "$METIC" disk check "$2"
    done
    ok "$1 as qemu-img reads it" qemu-img compare -F raw "$2" model
    ok "$1 as metic reads it" "$METIC" disk compare "$2" model
}

# ---- Images of many shapes ----

shape() {
    name=$1
    cluster=$2
    shift 2
    rm -f image model
    truncate -s 3000320 model
    if [ "$1" = qemu ]; then
        shift
        ok "$name" qemu-img create -q -f qcow2 -o "$1" image 3000320
    else
        shift
        # shellcheck disable=SC2086
        ok "$name" "$METIC" disk create image 3000320 $1
    fi
    turns "$name" image "$cluster"
}
shape qemu-plain 65536 qemu compat=1.1
shape qemu-v2 4096 qemu compat=0.10,cluster_size=4096
shape qemu-small 512 qemu cluster_size=512,refcount_bits=64
shape qemu-zstd 4096 qemu cluster_size=4096,compression_type=zstd,refcount_bits=8
shape qemu-lazy 65536 qemu lazy_refcounts=on
shape qemu-full 65536 qemu preallocation=metadata
shape metic-plain 65536 metic ""
shape metic-v2 1024 metic "--version 2 --cluster 1K"
shape metic-zstd 2097152 metic "--zstd --cluster 2M"
shape metic-bits 4096 metic "--cluster 4K --refcount-bits 1 --lazy-refcounts"

# ---- Snapshots inside an image stay what they were ----

rm -f image model
truncate -s 2M model
qemu-img create -q -f qcow2 -o cluster_size=4096 image 2M
turns before image 4096
cp model model-then
qemu-img snapshot -c then image
turns after image 4096
ok "metic counts the snapshot" sh -c "'$METIC' disk info image | grep -q 'snapshots: *1'"
ok "resize with a snapshot" "$METIC" disk resize image 4M
cp image back
ok "the snapshot applies" qemu-img snapshot -a then back
ok "the snapshot is as it was" qemu-img compare -F raw back model-then
ok "a deleted snapshot" qemu-img snapshot -d then image
ok "a deleted snapshot" "$METIC" disk check image

# ---- Chains, with names relative to the image that has them ----

mkdir -p chain
rm -f model
truncate -s 2M model
./disk_ops print - model 77 60 4096 >commands
cp model chain/base.raw
qemu-img create -q -f qcow2 -b base.raw -F raw chain/middle.qcow2
ok "an overlay by metic" "$METIC" disk create chain/top.qcow2 --backing chain/middle.qcow2
ok "its name is relative" sh -c "qemu-img info chain/top.qcow2 | grep -q '^backing file: middle.qcow2 '"
turns chain chain/top.qcow2 65536
cp chain/top.qcow2 chain/safe.qcow2
ok "commit" "$METIC" disk commit chain/top.qcow2
ok "the middle has it" qemu-img compare -F raw chain/middle.qcow2 model
ok "the overlay is empty" sh -c "'$METIC' disk check chain/top.qcow2 | grep -q '^0 of'"
ok "rebase to the base" "$METIC" disk rebase chain/top.qcow2 --backing chain/base.raw
ok "after rebase" qemu-img compare -F raw chain/top.qcow2 model
ok "after rebase" qemu-img check chain/top.qcow2
ok "rebase to nothing" "$METIC" disk rebase chain/top.qcow2
mv chain/base.raw chain/gone.raw
ok "it stands alone" "$METIC" disk compare chain/top.qcow2 model
refused 125 'needs the image under it: cannot open the disk chain/base.raw' \
    "$METIC" disk compare chain/middle.qcow2 model
mkdir links && ln -s ../chain/middle.qcow2 links/middle.qcow2 && mv chain/gone.raw chain/base.raw
ok "behind a symbolic link" "$METIC" disk compare links/middle.qcow2 model
mv chain/base.raw chain/gone.raw
ok "a moved base" "$METIC" disk rebase --unsafe --backing chain/gone.raw \
    --backing-format raw chain/middle.qcow2
ok "after the move" "$METIC" disk compare chain/middle.qcow2 model

# ---- Converting, both ways, through compressed images ----

for how in "" "--compress" "--compress --zstd --cluster 16K" "--version 2 --compress"; do
    rm -f new
    # shellcheck disable=SC2086
    ok "convert $how" "$METIC" disk convert $how model new
    ok "convert $how" qemu-img compare -f raw model new
    ok "convert $how" qemu-img check new
done
for how in "" "-c" "-c -o compression_type=zstd" "-o compat=0.10"; do
    # shellcheck disable=SC2086
    qemu-img convert $how -f raw -O qcow2 model new
    rm -f old
    ok "qemu-img convert $how" "$METIC" disk check new
    ok "back to raw" "$METIC" disk convert --format raw new old
    ok "back to raw" cmp model old
done
truncate -s 5G holes
ok "holes stay holes" "$METIC" disk convert holes new.qcow2
ok "holes stay holes" test "$(du -k new.qcow2 | cut -f 1)" -lt 1000

# ---- Sizes ----

for size in +1M 9G +20G; do
    ok "resize $size" "$METIC" disk resize new.qcow2 $size
    ok "resize $size" qemu-img check new.qcow2
done
refused 125 'say --shrink' "$METIC" disk resize new.qcow2 1M
ok "shrink" "$METIC" disk resize --shrink new.qcow2 1M
ok "shrink" qemu-img check new.qcow2
ok "10 TB" "$METIC" disk create large.qcow2 10T
ok "10 TB" qemu-io -c 'write -P 5 9T 64k' -c 'read -P 5 9T 64k' large.qcow2
ok "10 TB" "$METIC" disk check large.qcow2
ok "10 TB on the host" test "$(du -k large.qcow2 | cut -f 1)" -lt 2000

# ---- Damage: found by both, mended ----

# damage OFFSET OCTAL...: bytes of the copy `hurt`.
damage() { printf "$2" | dd of=hurt bs=1 seek="$1" conv=notrunc 2>/dev/null; }
qemu-img create -q -f qcow2 image 4M
qemu-io -c 'write -P 1 0 1M' image >/dev/null
mend() {
    refused 1 "$2" "$METIC" disk check hurt
    ok "$1: mended" "$METIC" disk check --repair hurt
    ok "$1: nothing left" qemu-img check hurt
    ok "$1: readable" qemu-io -c 'read -P 1 64k 960k' hurt
}
cp image hurt; damage $((0x20000 + 10)) '\0\5'; mend "a leak" 'counted 5'
cp image hurt; damage $((0x20000 + 12)) '\0\0'; mend "counted as free" 'counted 0'
cp image hurt; damage $((0x10000)) '\0\0\0\0\0\0\0\0'; mend "no refcounts at all" 'counted 0'
cp image hurt; damage $((0x10000)) '\0\0\0\0\0\1\3\0'; mend "refcounts between clusters" 'misplaced'
cp image hurt; damage $((0x30000)) '\0'; mend "a lost mark" 'wrongly marked'
cp image hurt; damage 79 '\1'; ok "dirty: qemu sees it" sh -c "qemu-img info hurt | grep -q 'format: qcow2'"
ok "dirty: mended at open" ./disk_ops do hurt model 5 1 4096
ok "dirty: is clean" sh -c "'$METIC' disk info hurt | grep -q 'dirty: *false'"
cp image hurt; damage 79 '\2'
refused 125 'marked corrupt, so it cannot be written' "$METIC" disk resize hurt 8M
ok "corrupt: mended" "$METIC" disk check --repair hurt
ok "corrupt: usable" "$METIC" disk resize hurt 8M

# ---- Refused by name ----

printf 'QFI\373\0\0\0\5' >bad && truncate -s 64K bad
refused 125 'qcow2 of version 5' "$METIC" disk info bad
qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=64k bad 1M
refused 125 'subclusters (extended_l2)' "$METIC" disk convert bad x
qemu-img create -q -f qcow2 -o data_file=bad.raw bad 1M
refused 125 'data in another file' "$METIC" disk convert bad x
cp image hurt; damage 72 '\100'
refused 125 'feature bit 62' "$METIC" disk convert hurt x
cp image hurt; damage 35 '\1'
refused 125 'encrypted' "$METIC" disk convert hurt x
cp image hurt; damage 23 '\50'
refused 125 'not of 512 bytes to 2 MiB' "$METIC" disk convert hurt x
head -c 100 image >hurt
refused 125 'damaged' "$METIC" disk convert hurt x
for format in vdi vpc qed parallels vmdk vhdx; do
    rm -f foreign && qemu-img create -q -f $format foreign 10M
    refused 125 'Convert it: qemu-img convert' "$METIC" run --demo --disk foreign
    refused 125 'image, not a raw disk' "$METIC" run foreign --limit-time 1s
done
head -c 70000 image >hurt
refused 125 'cut short' "$METIC" disk convert hurt x
qemu-img create -q -f qcow2 loop 1M && qemu-img rebase -u -F qcow2 -b loop loop
refused 125 'lies over itself' "$METIC" disk convert loop x
qemu-img rebase -u -F raw -b nbd://localhost/x loop
refused 125 'not a file' "$METIC" disk convert loop x
qemu-img create -q -f qcow2 -b image -F qcow2 over && qemu-img create -q -f raw guest.raw 1M
qemu-img convert -q -f qcow2 -O qcow2 over guest.raw
qemu-img rebase -q -u -f qcow2 -b image -F qcow2 guest.raw
cp guest.raw hurt; qemu-img create -q -f qcow2 -b guest.raw -F qcow2 unsure
cp unsure hurt; damage 112 '\1'; mv hurt unsure # its name for the format
refused 125 'without saying its format' "$METIC" disk convert unsure x
refused 125 'exists already' "$METIC" disk create image 1G
refused 125 'cannot have clusters of 3000' "$METIC" disk create y 1G --cluster 3000
refused 2 'no size' "$METIC" disk create y 1Q
[ $failed -eq 0 ] || [ ! -e y ] || wrong "a refused create left a file"

# ---- Locks: one writer, or many readers, whoever they are ----

qemu-img create -q -f qcow2 locked 1M
# hold COMMAND...: runs it in the background until fd 8 is closed.
hold() {
    rm -f fifo && mkfifo fifo && : >held
    "$@" <fifo >held 2>&1 &
    holder=$!
    exec 8>fifo
    until grep -q 'qemu-io>' held; do kill -0 $holder 2>/dev/null || break; sleep 0.05; done
}
release() { exec 8>&-; wait $holder 2>/dev/null; }
hold qemu-io locked
refused 125 'in use by another' "$METIC" disk resize locked 2M
refused 125 'being written to by another' "$METIC" disk convert locked x
ok "looking is allowed" "$METIC" disk info locked
release
hold qemu-io -r locked
refused 125 'in use by another' "$METIC" disk resize locked 2M
ok "many readers" "$METIC" disk compare locked locked
release
ok "free again" "$METIC" disk resize locked 2M

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
