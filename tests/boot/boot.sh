# Sourced by the boot tests: fetches the guest, and says how a run of it is judged.
#
# boot NAME WANTED_STATUS OPTION...   runs the kernel with the busybox initramfs and compares the
#                                     exit status; the console's output stays in $TMP/NAME
# shell NAME OPTION...                the same: uname at the shell, then poweroff, status 0
# await NAME TEXT [WHAT [COUNT]]      waits for a guest in the background, whose process is in $guest, until
#                                     $TMP/NAME has the text (COUNT times); the check ends when it is gone before

passed=0
failed=0
good() { passed=$((passed + 1)); echo "ok: $*"; }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }
finish() { echo "$passed passed, $failed failed"; [ "$failed" -eq 0 ]; exit; }

. "$SRCDIR/tests/guest/fetch_one.sh"
fetch cache guest/fetch.sh
prompt='metic:~# '
boot_timeout_s=${boot_timeout_s:-120}

boot() {
    name=$1
    wanted=$2
    shift 2
    start_s=$(date +%s)
    # KILL, whose status is 137: metic's own for --limit-insns is 124, as timeout's would be
    timeout -s KILL "$boot_timeout_s" "$METIC" run "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" \
        --append "console=ttyS0 ${append:-}" "$@" >"$TMP/$name" 2>&1 </dev/null
    got=$?
    if [ "$got" -eq "$wanted" ]; then
        good "$name ($(($(date +%s) - start_s)) s)"
    elif [ "$got" -eq 137 ]; then
        wrong "$name: not done after $boot_timeout_s s"
        return 1
    else
        wrong "$name: status $got, not $wanted"
        tail -n 12 "$TMP/$name"
        return 1
    fi
}

# has NAME TEXT: the console of a run must have it.
has() {
    grep -q -- "$2" "$TMP/$1" || { wrong "$1: no '$2' on the console"; tail -n 5 "$TMP/$1"; }
}

# console NAME: what it said. A check whose guest says it elsewhere has a function of its own by that name.
console() { tr -d '\r' <"$TMP/$1" 2>/dev/null; }
await() {
    gone=
    until [ "$(console "$1" | grep -a -c -- "$2")" -ge "${4:-1}" ]; do
        if [ -n "$gone" ]; then
            wrong "$1: ${3:-waiting}: no '$2'"
            console "$1" | tail -n 8
            finish
        fi
        kill -0 "$guest" 2>/dev/null || gone=1 # what it said at last is still looked at
        sleep 0.1
    done
    [ -z "${3:-}" ] || good "$3"
}

shell() {
    name=$1
    shift
    boot "$name" 0 "$@" --expect "$prompt" --send 'uname -a; nproc\n' --expect "$prompt" \
        --send 'poweroff\n' || return
    has "$name" '^Linux metic .* riscv64'
}
