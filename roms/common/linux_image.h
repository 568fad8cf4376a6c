/*
 * For assembly files: the 64 bytes that begin a RISC-V Linux Image (the kernel's
 * Documentation/arch/riscv/boot-image-header.rst), so that every loader takes the file for a
 * kernel. They stand at _start, image_end comes from the linker script.
 */
#ifdef __ASSEMBLER__
    .macro  linux_image_header entry
    .option push
    .option norvc
    j       \entry
    nop
    .option pop
    .quad   0x200000                    /* load offset from the start of RAM */
    .quad   image_end - _start
    .quad   0                           /* little-endian */
    .word   2                           /* header version 0.2 */
    .word   0
    .quad   0
    .ascii  "RISCV\0\0\0"
    .ascii  "RSC\5"
    .word   0
    .endm
#endif
