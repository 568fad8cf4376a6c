# Sourced by check_system.sh and long_system.sh in the build directory: makes $TMP/system_diff and
# $TMP/driver.elf, .bin; ends the script with 77 where something is missing.

qemu=${QEMU:-qemu-system-riscv64}
cross=riscv64-linux-gnu
command -v $cross-gcc >/dev/null 2>&1 || { echo "no $cross-gcc, which builds the guest"; exit 77; }
command -v "$qemu" >/dev/null 2>&1 ||
    { echo "no $qemu (./configure --install-bench-deps brings it)"; exit 77; }
version=$("$qemu" --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
[ "${version:-0}" -ge 10 ] ||
    { echo "QEMU $version is too old, 10 is needed (./configure --install-bench-deps)"; exit 77; }

sanitize=$(sed -n 's/^SANITIZE = //p' Makefile) # as the libraries were built
libs=$(sed -n 's/^LIBS = //p' Makefile)
# Word splitting is meant: these are lists.
# shellcheck disable=SC2086
$CC $sanitize -std=gnu11 -D_GNU_SOURCE -O1 -pthread -I. -I"$SRCDIR" -o "$TMP/system_diff" \
    "$SRCDIR"/tests/system/*.c libmetic-hw.a libmetic-translate.a libmetic-cpu.a libmetic-base.a \
    $libs -ldl -lm &&
    $cross-gcc -nostdlib -nostartfiles -static -march=rv64gc -mabi=lp64d -I"$SRCDIR" \
        -Wl,-N,-Ttext=0x80000000,--build-id=none,--no-warn-rwx-segments -o "$TMP/driver.elf" \
        "$SRCDIR/tests/system/driver.S" &&
    $cross-objcopy -O binary -j .text "$TMP/driver.elf" "$TMP/driver.bin" || exit 1
