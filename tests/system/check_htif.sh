#!/bin/sh
# Berkeley's host-target interface: what a program says by system calls and by single characters, how it
# ends, and messages that point nowhere. The same on either clock and engine.

set -u
cross=riscv64-linux-gnu-gcc
command -v $cross >/dev/null 2>&1 || { echo "no $cross, which builds the guest"; exit 77; }
passed=0
failed=0
good() { passed=$((passed + 1)); }
wrong() { failed=$((failed + 1)); echo "FAILED: $*"; }

cat >"$TMP/htif.c" <<'END'
volatile unsigned long tohost, fromhost;

static long call(long number, long a0, long a1, long a2)
{
    volatile long words[8] = {number, a0, a1, a2};
    __sync_synchronize();
    while (tohost != 0) {
    }
    tohost = (unsigned long)words;
    while (fromhost == 0) {
    }
    fromhost = 0;
    __sync_synchronize();
    return words[0];
}

static void put(char c)
{
    while (tohost != 0) {
    }
    tohost = 1UL << 56 | 1UL << 48 | (unsigned char)c;
}

static void number(long n)
{
    char text[24], *at = text + 24;
    int minus = n < 0;
    *--at = '\n';
    for (n = minus ? -n : n; at == text + 23 || n != 0; n /= 10) {
        *--at = (char)('0' + n % 10);
    }
    if (minus) {
        *--at = '-';
    }
    call(64, 1, (long)at, text + 24 - at);
}

static char many[70000];

void start(void)
{
    static const char hello[] = "said at once\n";
    put('o');
    put('k');
    put('\n');
    number(call(64, 2, (long)hello, sizeof(hello) - 1));
    number(call(64, 3, (long)hello, 1));         /* no such file: EBADF */
    number(call(64, 1, 0x40, 1));                /* not memory: EFAULT */
    number(call(64, 1, -1L, 8));
    number(call(64, 1, 0x9ffffff0, 32) < 32);    /* memory ends in the middle */
    number(call(56, -100, (long)"/etc/passwd", 0)); /* openat: ENOSYS */
    number(call(-1L, 0, 0, 0));
    for (unsigned i = 0; i < sizeof(many); i++) {
        many[i] = i % 100 == 99 ? '\n' : 'x';
    }
    long wrote = call(64, 1, (long)many, sizeof(many));
    number(wrote);
    tohost = 0x10;              /* a call that is no memory: no result is written */
    while (tohost != 0) {
    }
    fromhost = 0;
    tohost = 0x7fUL << 56 | 4;  /* no such device */
    while (tohost != 0) {
    }
#ifdef BY_CALL
    call(93, 7, 0, 0);
#else
    tohost = 7 << 1 | 1;
#endif
    for (;;) {
    }
}
__asm__(".globl _start\n_start: lla sp, stack_end\n j start\n.bss\n.align 4\n.skip 4096\nstack_end:\n.text");
END
flags='-O2 -ffreestanding -nostdlib -static -fno-pie -no-pie -fno-stack-protector -mcmodel=medany
    -march=rv64gc -mabi=lp64d -Wl,-N,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments'
# Word splitting is meant: a list.
# shellcheck disable=SC2086
$cross $flags -o "$TMP/word.elf" "$TMP/htif.c" && $cross $flags -DBY_CALL -o "$TMP/call.elf" "$TMP/htif.c" || exit 1

cat >"$TMP/wanted" <<'END'
ok
said at once
13
-9
-14
-14
1
-38
-38
END
for end in word call; do
    for how in 'jit real' 'interp real' 'jit virtual' 'both virtual'; do
        timeout -s KILL 60 "$METIC" run "$TMP/$end.elf" --quiet --clock "${how#* }" --engine "${how% *}" \
            </dev/null >"$TMP/out" 2>"$TMP/err"
        status=$?
        tr -d '\r' <"$TMP/out" >"$TMP/said"
        if [ $status -eq 7 ]; then good; else wrong "$end, $how: status $status: $(head -c 300 "$TMP/err")"; fi
        # What lies at the end of memory is zeros.
        if head -n 9 "$TMP/said" | tr -d '\000' | cmp -s - "$TMP/wanted"; then good; else
            wrong "$end, $how: said: $(head -c 300 "$TMP/said")"
        fi
        if [ "$(grep -c '^x*$' "$TMP/said")" -eq 655 ] && tail -n 1 "$TMP/said" | grep -q '65536$'; then good; else
            wrong "$end, $how: of a long text $(wc -c <"$TMP/said") bytes came"
        fi
    done
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
