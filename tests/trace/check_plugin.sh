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

cache=$(sh "$SRCDIR/tests/guest/fetch.sh" 2>/dev/null) || cache=
if [ -n "$cache" ]; then
    run 0 "$cache/vmlinuz" --initrd "$cache/initramfs.cpio.gz" --append console=ttyS0 \
        --serial none --cpus 2 --plugin syscalls.so --expect 'metic:~# ' \
        --send 'cat /nothing; poweroff -f\n'
    says '^syscalls: hart [01]: openat\(.*"/nothing"$'
    says '^syscalls: hart [01]: openat = -2$'
    says '^syscalls: hart [01]: execve\(.*"/sbin/init"$'
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
