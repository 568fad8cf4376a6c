#!/bin/sh
# Plug-ins: the three examples of docs/plugins on a program with known accesses and on a kernel; and
# files that are none.
set -u
passed=0
failed=0
cd "$TMP" || exit 1
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "$cross is not installed"; exit 77; }
cc=${CC:-cc}

wrong() {
    failed=$((failed + 1))
    echo "WRONG: $*"
}
# says PATTERN
says() {
    if grep -qE -- "$1" err; then passed=$((passed + 1)); else wrong "no '$1'"; head -n 20 err; fi
}
# run STATUS ARGUMENT...
run() {
    wanted=$1
    shift
    timeout -k 5 100 "$METIC" run "$@" --quiet >out 2>err </dev/null
    status=$?
    if [ $status -eq "$wanted" ]; then passed=$((passed + 1)); else wrong "$*: $status"; cat err; fi
}

for plugin in cache syscalls heatmap; do
    $cc -shared -fPIC -Wall -Wextra -Werror -I"$SRCDIR" -o $plugin.so \
        "$SRCDIR/docs/plugins/$plugin.c" || exit 1
done
$cross -g -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o hello.elf \
    "$SRCDIR/tests/docs/hello.S" || exit 1

# hello.S reads seven bytes of text and writes six to the UART and four to the finisher; the reset
# vector reads two words. Every line, once.
for engine in jit interp; do
    run 0 hello.elf --engine $engine --plugin cache.so,sets=4,ways=2
    says '^cache: 16 accesses, 4 misses \(25\.00 %\), 2 of them writes$'
done
run 0 hello.elf --plugin cache.so,sets=4,way=2,ways=2
says "^metic: the plug-in cache did not ask for 'way'$"
[ "$(grep -c 'did not ask' err)" -eq 1 ] && passed=$((passed + 1)) || wrong "asked: $(cat err)"
# lit FILE N: so many points of the picture, from FIRST on, are not black.
lit() {
    count=$(tail -c $((3 * 256 * 256)) "$1" | od -An -v -tu1 -w3 | grep -cv '^ *0 *0 *0$')
    if [ "$count" -eq "$2" ] && [ "$(wc -c <"$1")" -eq $((15 + 3 * 256 * 256)) ]; then
        passed=$((passed + 1))
    else
        wrong "$1: $count points, not $2"
    fi
}
run 0 hello.elf --clock virtual --plugin heatmap.so,file=h.ppm,size=65536
says '^heatmap: (69|70|7[0-9]) instructions ran$'
lit h.ppm 7
# Addresses are physical: the user's at 0xc0000000 are the same memory.
$cross -march=rv64gc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none -o matrix.elf \
    "$SRCDIR/tests/trace/matrix.S" 2>/dev/null || exit 1
run 0 matrix.elf --clock virtual --plugin heatmap.so,file=u.ppm,first=0xc0000000,size=65536
lit u.ppm 0
run 0 matrix.elf --clock virtual --plugin heatmap.so,file=p.ppm,size=0x400000
count=$(tail -c $((3 * 256 * 256)) p.ppm | od -An -v -tu1 -w3 | grep -cv '^ *0 *0 *0$')
if [ "$count" -gt 3 ]; then passed=$((passed + 1)); else wrong "p.ppm: $count points"; fi

# Accesses many at a time are those that are told one by one, in each hart's order, also when there
# is a part of them left at the end.
cat >both.c <<'END'
#include "ui/metic_plugin.h"
#include <stdio.h>
static const struct metic_plugin_api *api;
static metic_plugin *plugin;
static struct sum { uint64_t count, value; } one[64], many[64];
static void add(struct sum *sum, uint64_t pc, uint64_t address, uint64_t physical, uint64_t value,
                uint32_t size, uint32_t write)
{
    uint64_t all = pc ^ address << 7 ^ physical << 13 ^ value << 23 ^ size << 5 ^ write;
    sum->value = (sum->value + all) * 0x9e3779b97f4a7c15u; /* of their order, too */
    sum->count++;
}
static void on_memory(uint32_t hart, uint64_t pc, uint64_t address, uint64_t physical,
                      uint64_t value, uint32_t size, uint32_t write)
{
    add(&one[hart], pc, address, physical, value, size, write);
}
static void on_accesses(void *user, const struct metic_plugin_access *at, size_t count)
{
    for (; count != 0; count--, at++) {
        add(&((struct sum *)user)[at->hart], at->pc, at->address, at->physical, at->value, at->size, at->write);
    }
}
static void on_end(void)
{
    for (int i = 0; i < 64; i++) {
        char line[80];
        snprintf(line, sizeof(line), "hart %d: %llu accesses, %s", i, (unsigned long long)one[i].count,
                 one[i].count == many[i].count && one[i].value == many[i].value ? "equal" : "not equal");
        if (one[i].count + many[i].count != 0) {
            api->say(plugin, line);
        }
    }
}
int metic_plugin_start(const struct metic_plugin_api *given, metic_plugin *mine)
{
    api = given;
    plugin = mine;
    return api->on(plugin, "memory", (metic_plugin_fn)on_memory, "hart pc address physical value size write", 0) ||
           api->on_accesses(plugin, on_accesses, true, many) ||
           api->on(plugin, "end", (metic_plugin_fn)on_end, "", 0);
}
END
$cc -shared -fPIC -Wall -Wextra -Werror -I"$SRCDIR" -o both.so both.c || exit 1
cat >loads.S <<'END'
    .globl _start
_start:
    csrr t0, mhartid
    slli t0, t0, 8
    addi s1, t0, 1500
    lla s0, word
    add s0, s0, t0
1:  sd s1, (s0)
    lw a0, 4(s0)
    addi s1, s1, -1
    bnez s1, 1b
    csrr t0, mhartid
2:  bnez t0, 2b
    li a0, 0x100000
    li a1, 0x5555
    li s1, 100000       # the other hart is done before
3:  addi s1, s1, -1
    bnez s1, 3b
    sw a1, (a0)
    .bss
    .balign 8
word: .skip 1024
END
$cross -march=rv64gc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments \
    -o loads.elf loads.S || exit 1
for engine in jit interp; do
    run 0 loads.elf --clock virtual --cpus 2 --firmware none --engine $engine --plugin both.so
    says '^both: hart 0: 30[0-9][0-9] accesses, equal$'
    says '^both: hart 1: 35[0-9][0-9] accesses, equal$'
done

# Blocks that count in place: each instruction as often as the program says, in every tier, of both
# harts together.
cat >counts.c <<'END'
#include "ui/metic_plugin.h"
#include <stdio.h>
static const struct metic_plugin_api *api;
static metic_plugin *plugin;
static uint64_t runs[16];
static void each(void *user, uint64_t address, uint32_t insns, uint64_t count)
{
    (void)user;
    for (uint64_t n = (address - 0x80000000) / 4; insns-- != 0 && n < 16; n++) {
        runs[n] += count;
    }
}
static void on_end(void)
{
    char line[400];
    int at = 0;
    api->each_block(plugin, each, NULL);
    for (int i = 0; i < 16; i++) {
        at += snprintf(line + at, sizeof(line) - (size_t)at, " %llu", (unsigned long long)runs[i]);
    }
    api->say(plugin, line + 1);
}
int metic_plugin_start(const struct metic_plugin_api *given, metic_plugin *mine)
{
    api = given;
    plugin = mine;
    api->count_blocks(plugin);
    return api->on(plugin, "end", (metic_plugin_fn)on_end, "", NULL);
}
END
$cc -shared -fPIC -Wall -Wextra -Werror -I"$SRCDIR" -o counts.so counts.c || exit 1
cat >counts.S <<'END'
    .option norvc
    .globl _start
_start:
    lui s0, 2           # 0: twice, as there are two harts
1:  andi a0, s0, 7      # 1: 8192 times, twice
    bnez a0, 2f         # 2
    jal ra, once        # 3: 1024 times, twice
    addi a1, a1, 1      # 4
2:  addi s0, s0, -1     # 5
    bnez s0, 1b         # 6
    csrr a0, mhartid    # 7: twice
    bnez a0, other      # 8: twice
    lla a1, done        # 9, 10: once
3:  lw a0, (a1)         # 11: until the other hart is done
    beqz a0, 3b         # 12
    j end               # 13: once
once:
    jr ra               # 14
    .skip 4 * 8
other:
    lla a1, done
    sw a0, (a1)
4:  j 4b
end:
    li a0, 0x100000
    li a1, 0x5555
    sw a1, (a0)
5:  j 5b
    .bss
done: .skip 4
END
$cross -march=rv64i_zicsr -mabi=lp64 -nostdlib -static -o counts.elf \
    -Wl,-n,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments counts.S || exit 1
for how in '--clock virtual' '--clock virtual --engine interp' '--clock real'; do
    # shellcheck disable=SC2086
    run 0 counts.elf --cpus 2 --firmware none $how --plugin counts.so
    says '^counts: 2 16384 16384 2048 2048 16384 16384 2 2 1 1 [0-9]+ [0-9]+ 1 2048 0$'
done

run 125 hello.elf --plugin nowhere.so
says 'cannot open shared object'
run 125 hello.elf --plugin hello.elf
says 'the plug-in ./hello.elf:'
echo 'int nothing;' >none.c && $cc -shared -fPIC -o none.so none.c
run 125 hello.elf --plugin none.so
says 'has no metic_plugin_start'
cat >bad.c <<'END'
#include "ui/metic_plugin.h"
static void f(void) { }
int metic_plugin_start(const struct metic_plugin_api *api, metic_plugin *plugin)
{
    return api->on(plugin, "memory", f, "user cause", 0);
}
END
$cc -shared -fPIC -I"$SRCDIR" -o bad.so bad.c
run 125 hello.elf --plugin bad.so
says "the event 'memory' has no argument 'cause'"
says 'refused to start \(1\)'

# Those that end the process, in a callback and at the start: it is said whose fault it was, and a
# run that is not over is no success.
ends() {
    printf '%s\n' '#include "ui/metic_plugin.h"' '#include <stdlib.h>' "static void f(void) { $2; }" \
        'int metic_plugin_start(const struct metic_plugin_api *api, metic_plugin *plugin)' \
        "{ ${3:-} return api->on(plugin, \"block\", f, \"\", 0); }" >"$1.c"
    $cc -shared -fPIC -I"$SRCDIR" -o "$1.so" "$1.c" || exit 1
}
ends crashes '*(volatile int *)8 = 1'
run 139 hello.elf --plugin crashes.so
says '^metic: the plug-in crashes crashed$'
ends gives_up 'abort()'
run 134 hello.elf --plugin gives_up.so
says '^metic: the plug-in gives_up gave up \(abort\)$'
ends leaves 'exit(0)'
run 125 hello.elf --plugin leaves.so
says '^metic: the plug-in leaves called exit'
ends leaves_early '' 'exit(0);'
run 125 hello.elf --plugin leaves_early.so
says '^metic: the plug-in leaves_early called exit'

# Built for another version, and one in C++ that throws.
mkdir -p newer/ui && sed 's/\(METIC_PLUGIN_VERSION\) 2$/\1 3/' "$SRCDIR/ui/metic_plugin.h" \
    >newer/ui/metic_plugin.h && $cc -shared -fPIC -Inewer -o newer.so crashes.c || exit 1
run 125 hello.elf --plugin newer.so
says 'newer\.so is for version 3 of the interface, and this metic has 2$'
if command -v g++ >/dev/null 2>&1; then
    sed -e 's/\*(volatile int \*)8 = 1/throw 1/' -e 's/^int /extern "C" int /' crashes.c >throws.cc
    g++ -Wall -Wextra -Werror -Wno-unused-parameter -shared -fPIC -I"$SRCDIR" -o throws.so throws.cc || exit 1
    run 134 hello.elf --plugin throws.so
    says '^metic: the plug-in throws gave up \(abort\)$'
fi
# One that never returns is named after a while, without anybody having asked. One signal is enough
# to end the run, with either clock, and where it is the start that does not return.
# stuck NAME EVENT SIGNAL STATUS ARGUMENT...
stuck() {
    plugin=$1 event=$2 signal=$3 wanted=$4
    shift 4
    "$METIC" run hello.elf --plugin "$plugin.so" --quiet "$@" >out 2>err </dev/null &
    looping=$!
    for _ in $(seq 100); do
        grep -q returned err && break
        sleep 0.3
    done
    says "^metic: the plug-in $plugin has not returned from its callback for '$event' for some seconds"
    kill "-$signal" $looping
    (sleep 60; kill -KILL $looping 2>/dev/null) &
    watchdog=$!
    wait $looping
    status=$?
    kill $watchdog 2>/dev/null
    if [ $status -eq "$wanted" ]; then passed=$((passed + 1)); else wrong "$plugin, $signal: $status"; fi
    says "^metic: the plug-in $plugin has not returned from its callback for '$event', so the run ends"
}
ends loops 'for (;;) { __asm__ volatile(""); }'
stuck loops block TERM 143
stuck loops block HUP 129 --clock virtual
ends loops_early '' 'for (;;) { __asm__ volatile(""); }'
stuck loops_early start TERM 143

cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
if [ -n "$cache" ]; then
    # Calls belong to tasks: while one waits in a call the hart returns to another one.
    cat >tasks.c <<'END'
static long call(long n, long a, long b, long c, long d)
{
    register long a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c, a3 __asm__("a3") = d;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3) : "memory");
    return a0;
}
enum { YIELD = 124, GETPPID = 173, CLONE = 220, WAIT4 = 260, EXIT = 93, SIGCHLD = 17 };
void _start(void)
{
    if (call(CLONE, SIGCHLD, 0, 0, 0) == 0) {
        for (int i = 0; i < 20; i++) {
            call(YIELD, 0, 0, 0, 0);
            call(GETPPID, 0x500 + i, 0x700 - i, i, 0);
        }
        call(EXIT, 7, 0, 0, 0);
    }
    call(WAIT4, -1, 0, 0, 0);
    call(EXIT, 0, 0, 0, 0);
}
END
    mkdir -p add && $cross -O1 -nostdlib -static -o add/tasks tasks.c &&
        (cd add && echo tasks | cpio -o -H newc --quiet) >add.cpio &&
        cat "$cache/initramfs.cpio.gz" add.cpio >tasks.cpio || exit 1
    # Each with the arguments of its own, which the program writes just before it.
    for i in $(seq 0 19); do
        printf 'syscalls: syscall_173(%x, %x, %x)\n' $((0x500 + i)) $((0x700 - i)) "$i"
    done >getppids
    for cpus in 1 2; do
        run 0 "$cache/vmlinuz" --initrd tasks.cpio --append console=ttyS0 --serial none \
            --cpus $cpus --plugin syscalls.so --expect 'metic:~# ' --send '/tasks; poweroff -f\n'
        awk '/execve\(.*"\/tasks"/ { on = 1 } on && /reboot\(/ { exit } on' err |
            sed 's/hart [01]: //' >calls
        child=$(sed -n 's/^syscalls: wait4 = //p' calls | head -n 1)
        # (The shell waits for the program by the same call, and makes it by clone.)
        if [ "${child:-0}" -gt 1 ] && grep -q "^syscalls: clone = $child\$" calls &&
            ! grep -q '^syscalls: wait4 = 0$' calls && ! grep -q 'execve = [1-9]' calls &&
            [ "$(grep -c '^syscalls: syscall_173(' calls)" -eq 20 ] &&
            grep '^syscalls: syscall_173(' calls | cmp -s - getppids &&
            [ "$(grep '^syscalls: syscall_173 = ' calls | sort -u | wc -l)" -eq 1 ] &&
            [ "$(grep -c '^syscalls: syscall_173 = ' calls)" -eq 20 ] &&
            [ "$(grep -c '^syscalls: syscall_124 = 0' calls)" -eq 20 ]; then
            passed=$((passed + 1))
        else
            wrong "calls of two tasks on $cpus harts"
            cat calls
        fi
    done
    run 0 "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append console=ttyS0 \
        --serial none --cpus 2 --plugin syscalls.so --expect 'metic:~# ' \
        --send 'cat /nothing; poweroff -f\n'
    says '^syscalls: hart [01]: openat\(.*"/nothing"$'
    says '^syscalls: hart [01]: openat = -2$'
    says '^syscalls: hart [01]: execve\(.*"/sbin/init"$'
    # Addresses of the kernel have names, whichever hart asks.
    cat >names.c <<'END'
#include "ui/metic_plugin.h"
#include <string.h>
static const struct metic_plugin_api *api;
static metic_plugin *plugin;
static void on_trap(uint64_t pc, uint64_t cause)
{
    static _Atomic int said;
    char text[160];
    if (cause == 9 && pc >> 63) { /* an ecall of the kernel's */
        api->name_address(plugin, pc, text, sizeof(text));
        if (strncmp(text, "__sbi_ecall", 11) == 0 && said++ == 0) {
            api->say(plugin, text);
        }
    }
}
int metic_plugin_start(const struct metic_plugin_api *given, metic_plugin *mine)
{
    api = given;
    plugin = mine;
    return api->on(plugin, "trap", (metic_plugin_fn)on_trap, "pc cause", NULL);
}
END
    $cc -shared -fPIC -Wall -Wextra -Werror -I"$SRCDIR" -o names.so names.c || exit 1
    run 124 "$cache/vmlinuz" --append console=ttyS0 --serial none --cpus 2 --clock virtual \
        --plugin names.so --limit-insns 200M
    says '^names: __sbi_ecall\+0x[0-9a-f]+$'
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
