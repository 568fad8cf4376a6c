# A bare-metal program for the board riscv-virt with a simple framebuffer of 320 by 240: draws
# columns one pixel wide, white and nearly black in turn, and then goes round and round.
#
#   riscv64-linux-gnu-gcc -nostdlib -static -Wl,-n,-Ttext=0x80000000,--build-id=none \
#       -o look.elf tests/screen/look.S
    .globl  _start
_start:
    li      a0, 0x04000000      # the framebuffer
    li      a1, 320 * 240
    li      a2, 0xffffff
    li      a3, 0x010101
next:
    sw      a2, 0(a0)
    sw      a3, 4(a0)
    addi    a0, a0, 8
    addi    a1, a1, -2
    bnez    a1, next
spin:
    j       spin
