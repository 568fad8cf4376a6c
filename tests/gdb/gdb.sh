# Sourced by the tests with GDB.
#
# begin NAME ARGUMENT...  a machine in the background, at a socket; its end goes to NAME.status, what
#                         it prints to NAME.out and NAME.err
# debug [FILE...]         gdb with the commands on standard input, attached to it; what it says is in $name.gdb
# with ARGUMENT...        metic debug, the same commands; $name is its name, $status how it ended
# ends STATUS             how the machine ended
# says PATTERN [N]        gdb said so, N times when given
# same WHAT IS WANTED     two texts are equal
# bare FOLDER/NAME [OPTION...]  builds NAME.elf from tests/FOLDER/NAME.S
# needs_kernel            Debian's kernel is in the folder $cache, or the test is over
# count_guest             the same; builds the program count, and initrd.gz with it
# linux NAME ARGUMENT...  Debian's kernel, whose shell does $ask, starts `count` and goes on opening files

set -u
passed=0
failed=0
cd "$TMP" || exit 1
command -v gdb-multiarch >/dev/null 2>&1 || { echo "gdb-multiarch is not installed"; exit 77; }
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }

good() { passed=$((passed + 1)); }
wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
}
begin() {
    name=$1
    shift
    rm -f socket
    (
        timeout -k 5 120 "$METIC" run "$@" --quiet --gdb="$TMP/socket" >"$name.out" 2>"$name.err" \
            </dev/null
        echo $? >"$name.status"
    ) &
    tries=0
    until [ -S socket ] || [ $tries -eq 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
debug() {
    shown=no
    { echo 'set confirm off'; echo 'set pagination off'; echo 'set style enabled off'
      echo 'target remote socket'; cat; } >commands
    timeout -k 5 100 gdb-multiarch -nx -batch -x commands "$@" >"$name.gdb" 2>&1 </dev/null ||
        wrong "$name: gdb ended with $?"
}
ends() {
    wait
    status=$(cat "$name.status")
    if [ "$status" = "$1" ]; then good; else wrong "$name: status $status, not $1"; fi
}
with() {
    { echo 'set confirm off'; cat; } >commands
    timeout -k 5 100 "$METIC" debug "$@" --quiet >"$name.gdb" 2>&1 <commands
    status=$?
    shown=no
}
# Once for each run of gdb.
show() {
    [ "$shown" = no ] && sed 's/^/    gdb: /' "$name.gdb" | tail -n 40
    shown=yes
}
says() {
    count=$(grep -cE -- "$1" "$name.gdb")
    if [ "$count" = "${2:-$count}" ] && { [ "$count" -gt 0 ] || [ "${2:-1}" = 0 ]; }; then
        good
    else
        wrong "$name: $count times, not ${2:-any}: $1"
        show
    fi
}
same() {
    if [ "$2" = "$3" ]; then
        good
    else
        echo "$2" >is
        echo "$3" >wanted
        wrong "$name: $1: $(diff is wanted | head -n 20)"
    fi
}
finish() {
    echo "$passed passed, $failed failed${1:+, $1 skipped}"
    [ $failed -eq 0 ]
    exit
}

bare() {
    source=$1
    shift
    $cross -g -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none "$@" \
        -o "${source##*/}.elf" "$SRCDIR/tests/$source.S" || exit 1
}

# What follows needs Debian's kernel.
needs_kernel() {
    cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
    if [ -z "$cache" ]; then
        echo "no Debian kernel here: the rest was not tried"
        finish 1
    fi
}

# Breakpoints count in every address space, so the program lies where busybox has nothing.
count_guest() {
    needs_kernel
    $cross -g -O1 -static -D_GNU_SOURCE -Wl,-Ttext-segment=0x5000000 -o count \
        "$SRCDIR/tests/gdb/count.c" || exit 1
    mkdir -p root/bin
    cp count root/bin/
    (cd root && echo bin/count | cpio -o -H newc --quiet | gzip) >more.cpio.gz
    cat "$cache/initramfs.cpio.gz" more.cpio.gz >initrd.gz
}

ask=
linux() {
    name=$1
    shift
    begin "$name" "$cache/vmlinuz" --initrd initrd.gz --append console=ttyS0 --cpus 4 \
        --serial "file:$TMP/$name.console" --expect 'metic:~# ' --send "$ask echo began
count & while sleep 0.02; do cat /proc/version >/dev/null; done\n" "$@"
    tries=0
    until tr -d '\r' <"$name.console" 2>/dev/null | grep -q '^began$' || [ $tries -eq 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    sleep 1
}
