#!/bin/sh
# The command line as a user meets it: refusals with reason, next step and status; help; the demo,
# a signal, limits, JSON.

set -u
passed=0
failed=0
cd "$TMP" || exit 1

ok() { passed=$((passed + 1)); }
wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
    sed 's/^/    out: /' out 2>/dev/null
    sed 's/^/    err: /' err 2>/dev/null
}

# run STATUS ARGUMENT...: runs metic and checks its exit status.
run() {
    wanted=$1
    shift
    timeout -k 5 120 "$METIC" "$@" >out 2>err </dev/null
    status=$?
    if [ "$status" -eq "$wanted" ]; then ok; else wrong "status $status, not $wanted: metic $*"; fi
}
# says TEXT: standard error has it. prints TEXT: standard output has it.
says() { if grep -qF -- "$1" err; then ok; else wrong "standard error does not say: $1"; fi; }
prints() { if grep -qF -- "$1" out; then ok; else wrong "standard output does not say: $1"; fi; }
# json: standard output ends in one line that is JSON, where something is there to check it.
json() {
    command -v python3 >/dev/null 2>&1 || return 0
    if tail -n 1 out | python3 -m json.tool >/dev/null 2>&1; then ok; else wrong "no JSON"; fi
}

# --- building images: only what is refused; tests/boot/long_disk.sh builds ---------------------
run 2 build
says "there is nothing to build"
run 2 build fedora x.img
says "cannot build 'fedora'"
run 2 build debian
says "the image's name is missing"
run 2 build 'debian:a/b' x.img
says "names no suite"
run 2 build debian x.img --size 3
says "Give 1G or more"
run 2 build debian x.img --include 'a b;c'
says "is no list of packages"
run 2 build debian x.img --hostname -x
says "is no host name"
run 2 build debian x.img --variant tiny
says "there is no variant 'tiny'"
run 2 build debian x.img --ssh-key no-such-key
says "cannot read 'no-such-key'"
run 2 build debian x.img --pasword x
says "Did you mean --password?"
touch there.img
run 2 build debian there.img
says "is there already"
run 0 build --help
prints "--hostname NAME"

# --- usage -----------------------------------------------------------------------------------
run 2
says "Usage: metic COMMAND"
run 2 rnu
says "Did you mean metic run?"
run 2 run
says "there is nothing to run"
run 2 run x --rma 4G
says "there is no option --rma"
says "Did you mean --ram?"
run 2 run x --ram 4XB
says "'4XB' is not a size"
says "4GiB"
for size in 1x -5 '' 1e3 99999999T; do
    run 2 run x --ram "$size"
    says "metic: --ram: "
done
run 2 run x --ram 8
says "is too little"
run 2 run x --cpus many
says "not a number"
run 2 run x --cpus 0
says "it goes from 1 to 64"
run 2 run x --cpus 65
says "it goes from 1 to 64"
run 2 run x --engine fast
says "none of: jit interp both"
run 2 run --demo --machine
says "needs a value"
run 2 list nothing
says "there is no list 'nothing'"
run 2 inspect
says "no file"
echo x >here
run 2 here
says "metic run here"

# --- help and lists ---------------------------------------------------------------------------
run 0 --version
prints "metic "
run 0 help
prints "inspect"
run 0 run --help
prints "--limit-insns"
prints "124"
for verb in debug profile; do
    run 0 $verb --help
    prints "Usage: metic $verb THING"
    prints "--limit-insns"
done
run 0 help --man
prints ".TH METIC 1"
if command -v man >/dev/null 2>&1; then
    cp out page.1
    man --warnings -l page.1 >rendered 2>warnings </dev/null
    if [ -s warnings ]; then cp warnings err && wrong "the manual page has mistakes"; else ok; fi
fi
run 0 help --completion
if command -v bash >/dev/null 2>&1; then
    cp out completion
    # Bash expands it, not we.
    # shellcheck disable=SC2016
    complete_it='source ./completion; COMP_WORDS=(metic run --eng); COMP_CWORD=2; _metic
        echo "${COMPREPLY[@]}"; COMP_WORDS=(metic run --engine ""); COMP_CWORD=3; _metic
        echo "${COMPREPLY[@]}"'
    bash -c "$complete_it" >out 2>err
    prints "--engine"
    prints "jit interp both"
fi
run 0 list machines
prints "riscv-virt"
run 0 list devices
prints "ns16550a"
run 0 list insns
prints "amoadd.w"
run 0 list csrs
prints "mhpmcounter3 "
run 0 list ir
prints "select"
run 0 doctor
prints "SBI firmware"

# --- what cannot be started -------------------------------------------------------------------
run 125 run no-such-file
says "there is no file 'no-such-file'"
run 125 run .
says "is a directory"
run 125 run /bin/true
says "not a RISC-V one"
run 125 run "$SRCDIR/configure"
says "is a script"
run 125 run here
says "is a text file"
: >empty
run 125 run empty
says "'empty' is empty"
says "Fetch or build it again"
for option in --initrd --dtb --firmware; do
    run 125 run --demo $option empty
    says "'empty' is empty"
    run 125 run --demo $option .
    says "is a directory"
    run 125 run --demo $option /dev/null
    says "Name a file"
done
run 125 run --demo --initrd here
says "no initial ramdisk: a text file"
says "Give a cpio archive"
run 125 run --demo --dtb here
says "not a device tree: a text file"
run 125 run --demo --disk empty
says "truncate -s 8G"
run 125 run --demo --disk here
says "is a text file, not a disk image"
says "truncate -s %512"
run 125 run --demo --disk .
says "neither a file nor a block device"
run 125 run --demo --disk no-such-disk
says "check the path"
run 125 run --demo --flash no-such-flash
says "check the path"
run 125 run --demo --flash .
says "give a file"
truncate -s 2G disk.img
run 125 run disk.img
says "is an empty disk"
printf 'QFI\373%500s' x >disk.qcow2
run 125 run disk.qcow2
says "qcow2"
printf '070701%500s' x >i.cpio
run 125 run i.cpio
says "--initrd"
run 125 run --demo --initrd no-such-initrd
says "no-such-initrd"
run 125 run --demo --firmware here
says "is a text file"
run 125 run --demo --machine pdp11
says "pdp11"
run 125 run no-such-file --json
prints '"exit_status":125'
json

# A kernel of our own making: the header of an Image, a jump to itself, 4 MiB to be put to zero.
# The format is made of escapes on purpose.
# shellcheck disable=SC2059
octets() { printf "$(printf '\\%03o' "$@")"; }
{
    octets 111 0 0 4 0 0 0 0                           # j .+0x40
    octets 0 0 32 0 0 0 0 0 0 0 64 0 0 0 0 0           # text_offset 2 MiB, image_size 4 MiB
    octets 0 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
    octets 82 73 83 67 86 0 0 0 82 83 67 5 0 0 0 0     # RISCV, RSC\5
    octets 111 0 0 0                                   # j .
} >kernel
run 0 inspect kernel
prints "Linux kernel Image for RISC-V"
prints "in S-mode, behind SBI firmware"
run 125 run kernel --ram 4M
says "RAM"
says "--ram 64M"
head -c 64 kernel >kernel.cut
run 125 run kernel.cut
says "truncated kernel"
gzip -c kernel >kernel.gz
run 0 inspect kernel.gz
prints "gzip-compressed"
head -c 40 kernel.gz >kernel.gz.cut
run 125 run kernel.gz.cut
says "is truncated: its gzip data"
says "Fetch or copy it again"
if command -v zstd >/dev/null 2>&1; then
    zstd -q kernel -o kernel.zst
    head -c 40 kernel.zst >kernel.zst.cut
    run 125 run kernel.zst.cut
    says "is truncated: its zstd data"
fi
# Text in whole sectors may be a disk.
printf '%512s' x >sector
run 124 run kernel --disk sector --limit-insns 1k --serial none

# --- runs -------------------------------------------------------------------------------------
# A kernel that waits for interrupts with none enabled, on every hart that was started.
head -c 64 kernel >waiting
octets 115 0 80 16 111 240 223 255 >>waiting            # wfi; j .-4
for how in '' '--clock virtual' '--engine interp' '--cpus 3'; do
    # shellcheck disable=SC2086
    run 91 run waiting --json $how
    prints '"reason":"idle"'
    prints "waits for what cannot come"
    json
done
run 91 run waiting
says "no timer set and no more input; hart 0 is at pc 0x8020004"
run 124 run kernel --limit-insns 1M --serial none
run 124 run kernel --limit-time 200ms --clock virtual --serial none --json
prints '"reason":"limit"'
json
run 0 run --demo --expect 'demo> ' --send 'echo a\x62c\n' --expect 'demo> ' --send 'poweroff\n'
prints "abc"
says "image:"
cp out plain
printf 'expect demo> \nsend echo a\\x62c\\n\nexpect demo> \nsend poweroff\\n\n' >script
run 0 run --demo --script script --quiet --serial file:console
if [ -s err ]; then wrong "--quiet is not quiet"; else ok; fi
if grep -q abc console; then ok; else wrong "--serial file: wrote no console"; fi
run 0 run --demo --script script --serial none --json
prints '"reason":"poweroff"'
json

run 0 run --demo --quiet --send 'nonsense\n' --expect 'help lists them' --expect 'demo> ' --send 'poweroff\n'
prints "nonsense: no such command"
run 0 run --demo --quiet --expect 'demo> ' --send 'echo before\n\001xecho behind\n' --expect never --limit-time 20s

# What could not be written at the end is said at the start: nothing runs.
mkdir folder
for option in screenshot profile cover; do
    for place in /dev/null/out folder; do
        run 125 run --demo --quiet --screen 64x64 --$option $place --expect 'demo> ' --send 'poweroff\n'
        says "--$option: cannot write $place: "
        if grep -q demo out; then wrong "--$option $place: the guest ran"; else ok; fi
    done
done
run 2 run --demo --screen 1x1
says "metic: --screen: 1x1 is not a size"
run 2 run --demo --display nothing
says "metic: --display: there is no display nothing"
run 2 screenshot --screen
says "--screen takes a number from 0 to 3, not ''"
run 2 screenshot box --screen 9 x.png
says "not '9'"
run 2 screenshot a b c
says "'c' means nothing here"
printf 'no recording' >text
run 125 run --demo --replay text
says "text is no recording"
run 91 run --demo --serial none --clock virtual --record whole
run 91 run --demo --serial none --clock virtual --replay whole
if grep -q 'cut off' err; then wrong "a whole recording is called cut off"; fi
for other in '--ram 64M' '--cpus 2' '--append x' '--cpu rv64,v=on'; do
    # shellcheck disable=SC2086
    run 92 run --demo --serial none --clock virtual --replay whole $other
    says "it was recorded from another machine"
done
run 125 profile --demo --serial none --profile boot.svg
says "--profile boot.svg: there is no such form of profiles"
head -c -16 whole >cut
run 92 run --demo --serial none --clock virtual --replay cut
says "the recording was cut off: nothing is replayed after instruction"
run 125 run --demo --save "$PWD/none/x" --save-at 1K
says "nothing can be written into $PWD/none"
run 125 run --demo --save . --save-at 1K
says "--save: . is a folder"
mkfifo pipe
run 125 run --demo --save pipe --save-at 1K
says "pipe is no file"
[ -p pipe ] || wrong "the pipe is gone"
run 0 trace query --help

for pair in TERM:143 INT:130 HUP:129; do
    "$METIC" run kernel --serial none >out 2>err </dev/null &
    pid=$!
    # It says what it starts just before it does.
    tries=0
    until grep -q 'machine:' err || [ $tries -ge 300 ]; do sleep 0.1; tries=$((tries + 1)); done
    sleep 0.3
    kill -s "${pair%:*}" $pid
    wait $pid
    status=$?
    if [ $status -eq "${pair#*:}" ]; then ok; else wrong "status $status, not ${pair#*:}"; fi
done

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
