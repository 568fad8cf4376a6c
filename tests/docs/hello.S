# A bare-metal program for the board riscv-virt: writes a line to the UART, byte by byte, and powers
# the machine off with status 0. translate/WALK.md follows its sb instruction.
#
#   riscv64-linux-gnu-gcc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none \
#       -o hello.elf tests/docs/hello.S
    .option norvc
    .globl  _start, putc
_start:
    lui     a0, 0x10000         # the UART's first register: 0x10000000
    lla     a1, text
next:
    lbu     a2, 0(a1)
    beqz    a2, done
    jal     putc
    addi    a1, a1, 1
    j       next
done:
    lui     a0, 0x100           # the test finisher: 0x100000
    lui     a5, 5
    addi    a5, a5, 0x555       # 0x5555: power off, status 0
    sw      a5, 0(a0)
stop:
    j       stop

putc:                           # the character in a2 goes to the UART at a0
    mv      a5, a2
    andi    a5, a5, 127
    sb      a5, 0(a0)
    ret

text:
    .string "hello\n"
