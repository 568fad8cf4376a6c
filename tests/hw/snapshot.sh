# Sourced by the snapshot tests, after boot.sh.

net=-
grep -q 'HAVE_SLIRP 1' config.h && net=user

# program: builds snapshot_boot.
program() {
    sanitize=$(sed -n "s/^SANITIZE = //p" Makefile) # as the libraries were built
    libs=$(sed -n "s/^LIBS = //p" Makefile)
    # shellcheck disable=SC2086
    $CC $sanitize -O1 -std=gnu11 -D_GNU_SOURCE -I. -I"$SRCDIR" -o "$TMP/snapshot_boot" \
        "$SRCDIR/tests/hw/snapshot_boot.c" libmetic.a $libs -lutil -pthread || exit 1
}

# same HARTS ENGINE DISK NET SEED: saved and loaded on the way, a run is what it is without.
same() {
    plain="$TMP/plain-$1-$2-$4"
    run="$TMP/saved-$1-$2-$4-$5"
    timeout 900 "$TMP/snapshot_boot" "$cache/vmlinuz" "$cache/initramfs.cpio.gz" "$1" "$2" "$3" "$4" \
        0 0 "$TMP/snapshot" >"$plain" || { wrong "$1 harts, $2: the plain run failed"; return; }
    timeout 1800 "$TMP/snapshot_boot" "$cache/vmlinuz" "$cache/initramfs.cpio.gz" "$1" "$2" "$3" "$4" \
        "$points" "$5" "$TMP/snapshot" >"$run" 2>"$run.log"
    saved=$(grep -c '^saved at' "$run.log")
    if [ "$saved" -lt "$points" ]; then
        wrong "$1 harts, $2, seed $5: saved $saved times, not $points"
        tail -n 3 "$run.log"
    elif cmp "$plain" "$run" && grep -q 'status 0: the guest powered off' "$run"; then
        good "$1 harts, $2, seed $5: saved $saved times, and the same $(wc -l <"$plain") digests"
    else
        wrong "$1 harts, $2, seed $5: another outcome"
        diff "$plain" "$run" | head -n 4
        grep '^saved' "$run.log"
    fi
}
