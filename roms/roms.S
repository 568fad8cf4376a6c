/* The built-in images as bytes of the host program; see roms.h. Needs -I<source root>. */
    .section .rodata
    .balign 16
    .globl  rom_sbi_start
rom_sbi_start:
    .incbin "roms/sbi/sbi.bin"
    .globl  rom_sbi_end
rom_sbi_end:
    .byte   0

    .balign 16
    .globl  rom_demo_start
rom_demo_start:
    .incbin "roms/demo/demo.bin"
    .globl  rom_demo_end
rom_demo_end:
    .byte   0

    .section .note.GNU-stack, "", %progbits
