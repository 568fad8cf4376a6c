#!/bin/sh
# A shared folder by 9P with Debian's kernel: random work on files in one, with several kinds of
# caching, and on this host's disk gives the same transcript and the same tree; nothing outside is
# reached; read-only is; a snapshot goes on with what was open; a replay needs no folder.

set -u
. "$SRCDIR/tests/boot/channels.sh"
. "$SRCDIR/tests/share/share.sh"
steps=${LONG:+20000}
steps=${steps:-1500}

$CC -D_GNU_SOURCE -O1 -o "$TMP/stress" "$SRCDIR/tests/share/stress.c" || exit 1
add_program stress "$SRCDIR/tests/share/stress.c"

by9p='mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000'
mkdir "$TMP/native" "$TMP/shared" "$TMP/shared/mmap" "$TMP/shared/loose" "$TMP/ro" || exit 1
(cd "$TMP/native" && "$TMP/stress" 7 "$steps" 9p) >"$TMP/native.txt" || exit 1
echo untouched >"$TMP/outside"
echo hello >"$TMP/ro/file"
ln -s ../outside "$TMP/shared/out"
run share 0 --share "$TMP/shared,9p" --share "$TMP/ro:ro,9p,tag=fixed" --cpus 2 \
    --expect "$prompt" --send "channels-up; mkdir /a /b /c; $by9p,cache=mmap shared /a && $by9p fixed /b && echo moun\"\"ted\\n" \
    --expect 'mounted' --expect "$prompt" --send "(cd /a/mmap; stress 7 $steps 9p >../mmap.txt); umount /a\n" \
    --expect "$prompt" --send "$by9p,cache=loose shared /a; (cd /a/loose; stress 7 $steps 9p >../loose.txt)\n" \
    --expect "$prompt" --send "cat /a/out; echo x >/b/new; rm /b/file; cat /b/file\n" \
    --expect "$prompt" --send 'umount /a /b; poweroff\n'
says share "mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 shared"
says share "can't open '/a/out'"
says share "can't create /b/new: Read-only file system"
for cache in mmap loose; do
    same "share: with cache=$cache as on the disk" "$TMP/native.txt" "$TMP/shared/$cache.txt"
    sums "$TMP/native" >"$TMP/native.sums"
    sums "$TMP/shared/$cache" >"$TMP/shared.sums"
    same "share: with cache=$cache the same files" "$TMP/native.sums" "$TMP/shared.sums"
done
[ "$(cat "$TMP/outside")" = untouched ] || wrong "the file outside was changed"

goes_on ,9p channels-up "$by9p"
replays ,9p channels-up "$by9p" "3 200 9p"

"$METIC" run "$linux/vmlinux" --share "$TMP/ro,9p,cache=always" >"$TMP/refused" 2>&1 </dev/null
says refused "the guest's mount says what is cached"
finish
