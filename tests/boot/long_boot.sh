#!/bin/sh
# Boots that take minutes: lock-step of both engines, the hostile modes of the translator, many
# harts; and what an idle guest costs the host.

set -u
boot_timeout_s=900
. "$SRCDIR/tests/boot/boot.sh"

# Both engines in lock-step for the first 200 million instructions, with one hart and with two.
boot both 124 --engine both --limit-insns 200M
boot both-2 124 --engine both --limit-insns 100M --cpus 2

# Hostile modes.
shell no-links --no-links
shell one-entry-tlb --one-entry-tlb
shell large-tlb --large-tlb
shell block-insns-1 --block-insns 1
shell tiny-cache --code-cache 1M
shell tiny-cache-4 --code-cache 1M --cpus 4
shell verify --verify
shell interp-4 --engine interp --cpus 4
shell harts-16 --cpus 16
shell little-ram --ram 192M

# same_digests A B: two runs went through the same states.
same_digests() {
    for run in "$1" "$2"; do grep '^digest ' "$TMP/$run" >"$TMP/digests-$run"; done
    if cmp -s "$TMP/digests-$1" "$TMP/digests-$2" && [ -s "$TMP/digests-$1" ]; then
        good "$1 and $2 have equal digests"
    else
        wrong "the digests of $1 and $2 differ"
        diff "$TMP/digests-$1" "$TMP/digests-$2" | head -n 4
    fi
}
shell virtual-interp --engine interp --clock virtual --digest-every 100M --quiet
shell virtual-jit --clock virtual --digest-every 100M --quiet
same_digests virtual-interp virtual-jit

# All hostile modes at once are a thousand times slower than none, so not as far as the shell; but
# with the virtual clock every state on the way must be the one of a plain run.
for harts in 1 4; do
    for modes in "" "--no-links --one-entry-tlb --block-insns 1 --code-cache 1M"; do
        # Word splitting is meant: it is a list.
        # shellcheck disable=SC2086
        boot "virtual-$harts${modes:+-hostile}" 124 --clock virtual --cpus "$harts" --quiet \
            --digest-every 10M --limit-insns 100M $modes
    done
    same_digests "virtual-$harts" "virtual-$harts-hostile"
done

# CPU time (user and system, in clock ticks of 10 ms) of a process so far.
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# idle HARTS: a guest at its shell prompt takes at most 2 % of a core, over ten seconds.
idle() {
    mkfifo "$TMP/idle-in-$1"
    "$METIC" run "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append "console=ttyS0" \
        --cpus "$1" <"$TMP/idle-in-$1" >"$TMP/idle-$1" 2>&1 &
    pid=$!
    exec 8>"$TMP/idle-in-$1"
    waited_s=0
    until grep -q "$prompt" "$TMP/idle-$1" || [ $waited_s -ge 200 ]; do
        sleep 1
        waited_s=$((waited_s + 1))
    done
    sleep 3
    before=$(cpu_ticks $pid)
    sleep 10
    used=$(($(cpu_ticks $pid) - before))
    echo 'poweroff' >&8
    exec 8>&-
    wait $pid || wrong "idle-$1: the guest did not power off"
    if [ $used -le 20 ]; then
        good "idle-$1: ${used}0 ms of CPU in 10 s"
    else
        wrong "idle-$1: ${used}0 ms of CPU in 10 s"
    fi
}
idle 1
idle 4
finish
