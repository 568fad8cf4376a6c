# Sourced by the checks of shared folders, sockets and ports: Debian's kernel with the modules for
# them, which channels-up loads.
#
# add_program NAME SOURCE            builds it for the guest, whose PATH has it then
# pack_programs                      what is in $TMP/extra is in the guest from here on
# run NAME WANTED_STATUS OPTION...   as boot in boot.sh, with that kernel
# says NAME TEXT                     a line of the console of a run has TEXT
# same WHAT FILE FILE                the files are equal

. "$SRCDIR/tests/boot/boot.sh"
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }
fetch linux guest/fetch_disk.sh
mkdir -p "$TMP/extra/bin"

add_program() {
    $cross -D_GNU_SOURCE -O1 -static -o "$TMP/extra/bin/$1" "$2" || exit 1
    pack_programs
}

pack_programs() {
    (cd "$TMP/extra" && find . | cpio -o -H newc --quiet | gzip -1) >"$TMP/extra.gz" || exit 1
    cat "$linux/initramfs.cpio.gz" "$linux/channels.cpio.gz" "$TMP/extra.gz" >"$TMP/initramfs"
}

run() {
    name=$1
    wanted=$2
    shift 2
    timeout "$boot_timeout_s" "$METIC" run "$linux/vmlinux" --initrd "$TMP/initramfs" --net none \
        --append 'console=ttyS0 quiet' "$@" >"$TMP/$name" 2>&1 </dev/null
    got=$?
    if [ "$got" -eq "$wanted" ]; then good "$name"; else
        wrong "$name: status $got, not $wanted"
        tail -n 12 "$TMP/$name"
    fi
}

says() {
    if tr -d '\r' <"$TMP/$1" | grep -q -- "$2"; then good "$1: $2"; else
        wrong "$1: no '$2'"
        tr -d '\r' <"$TMP/$1" | tail -n 20
    fi
}

same() {
    if cmp "$2" "$3" >/dev/null; then good "$1"; else
        wrong "$1"
        diff "$2" "$3" | head -n 10
    fi
}
