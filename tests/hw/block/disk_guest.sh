# Sourced: Debian's kernel with a disk, and an ext4 file system made on the host.
#
# guest NAME STATUS SCRIPT OPTION...   boots, loads the disk's modules, types the lines of SCRIPT one
#                                      after the other, powers off; the console stays in $work/NAME

passed=0
failed=0
good() { passed=$((passed + 1)); echo "ok: $*"; }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }
# ok NAME COMMAND...: must succeed; its output is shown when it does not.
ok() {
    what=$1
    shift
    if "$@" >"$TMP/out" 2>&1; then good "$what"; else wrong "$what: $*"; tail -n 5 "$TMP/out"; fi
}
# has NAME TEXT: the console of a run has it.
has() {
    if grep -q -- "$2" "$work/$1"; then good "$1: $2"; else
        wrong "$1: no '$2'"
        tail -n 20 "$work/$1"
    fi
}

for tool in mke2fs e2fsck debugfs; do
    command -v "$tool" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin:/sbin
    command -v "$tool" >/dev/null 2>&1 || { echo "no $tool (Debian: e2fsprogs)"; exit 77; }
done
command -v qemu-img >/dev/null || { echo "no qemu-img (Debian: qemu-utils)"; exit 77; }
. "$SRCDIR/tests/guest/fetch_one.sh"
fetch linux guest/fetch_disk.sh
work=$(mktemp -d /dev/shm/metic-guest-XXXXXX 2>/dev/null) || work=$TMP
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
prompt='metic:~# '

guest() {
    name=$1
    wanted=$2
    lines=$3
    shift 3
    printf "expect %s\nsend disk-up\\\\n\n" "$prompt" >"$name.script"
    printf '%s\n' "$lines" | while IFS= read -r line; do
        printf 'expect %s\nsend %s\\n\n' "$prompt" "$line"
    done >>"$name.script"
    printf 'expect %s\nsend poweroff -f\\n\n' "$prompt" >>"$name.script"
    timeout -k 5 180 "$METIC" run "$linux/vmlinux" --initrd "$linux/initramfs.cpio.gz" \
        --append 'console=ttyS0 quiet' --net none --script "$name.script" "$@" >"$name" 2>&1 </dev/null
    got=$?
    if [ $got -eq "$wanted" ]; then good "$name"; else
        wrong "$name: status $got, not $wanted"
        tail -n 20 "$name"
    fi
}

# fs FILE SIZE: a raw disk with an ext4 file system that has a file of its own.
fs() {
    rm -f "$1"
    echo "from the host" >hello && truncate -s "$2" "$1" && mke2fs -q -t ext4 -F "$1" &&
        debugfs -w -R 'write hello hello' "$1" >/dev/null 2>&1
}

# whole IMAGE: the file system on it is whole, once its journal is played back.
whole() {
    rm -f copy && qemu-img convert -O raw "$1" copy && e2fsck -fp copy >fsck 2>&1
    [ $? -le 1 ] && e2fsck -fn copy >>fsck 2>&1 || { cat fsck; return 1; }
}
