#!/bin/sh
# Boots that take minutes: lock-step of both engines, the hostile modes of the translator, many
# harts, a plain x86-64; and what an idle guest costs the host.

set -u
boot_timeout_s=900
. "$SRCDIR/tests/boot/boot.sh"

# Both engines in lock-step for the first 200 million instructions, with one hart and with two.
boot both 124 --engine both --limit-insns 200M
boot both-2 124 --engine both --limit-insns 100M --cpus 2

# Hostile modes.
shell no-links --no-links
shell one-entry-tlb --one-entry-tlb
shell block-insns-1 --block-insns 1
shell tiny-cache --code-cache 1M
shell tiny-cache-4 --code-cache 1M --cpus 4
shell verify --verify
shell all-at-once --no-links --one-entry-tlb --block-insns 1 --code-cache 1M
shell interp-4 --engine interp --cpus 4
shell harts-16 --cpus 16
shell little-ram --ram 192M
shell virtual-interp --engine interp --clock virtual --digest-every 100M --quiet
shell virtual-jit --clock virtual --digest-every 100M --quiet
for engine in interp jit; do
    grep '^digest ' "$TMP/virtual-$engine" >"$TMP/digests-$engine"
done
if cmp -s "$TMP/digests-interp" "$TMP/digests-jit" && [ -s "$TMP/digests-jit" ]; then
    good "virtual: both engines have equal digests"
else
    wrong "virtual: the engines' digests differ"
    diff "$TMP/digests-interp" "$TMP/digests-jit" | head -n 4
fi

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
