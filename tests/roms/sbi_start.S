/* Entries, trap vector and single instructions of the SBI conformance payload. */
#include "roms/common/linux_image.h"

#define STACK_BYTES 4096
#define HARTS_MAX 64

    .section .text.entry, "ax"
    .globl  _start
_start:
    linux_image_header 1f

1:  csrw    sie, zero
    la      t0, trap_vector
    csrw    stvec, t0
    la      t0, bss_start
    la      t1, bss_end
2:  bgeu    t0, t1, 3f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       2b
3:  li      tp, 0
    la      sp, stacks + STACK_BYTES
    tail    test_main

    /* HSM start: a0 = hart id, a1 = this hart's number in board.hart_id, plus 1 << 32. */
    .text
    .globl  secondary_entry
secondary_entry:
    csrr    a2, satp
    csrr    a3, sstatus
    slli    tp, a1, 32
    srli    tp, tp, 32
    la      t0, trap_vector
    csrw    stvec, t0
    la      sp, stacks + STACK_BYTES
    slli    t0, tp, 12
    add     sp, sp, t0
    tail    secondary_main

    /*
     * uint64_t suspend_and_resume(type, opaque): non-retentive suspend of the calling hart that
     * comes back by resume_entry with its registers from memory; the opaque value it got, plus
     * one more if satp or SIE were not 0.
     */
    .globl  suspend_and_resume
suspend_and_resume:
    la      t0, kept
    sd      ra, 0(t0)
    sd      sp, 8(t0)
    sd      gp, 16(t0)
    sd      tp, 24(t0)
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd      s\n, 32 + 8 * \n(t0)
    .endr
    mv      a2, a1
    la      a1, resume_entry
    li      a7, 0x48534d
    li      a6, 3
    ecall
    li      a0, -1                      /* it returned: wrong */
    ret
    .globl  resume_entry
resume_entry:
    la      t0, trap_vector
    csrw    stvec, t0
    la      t0, kept
    ld      ra, 0(t0)
    ld      sp, 8(t0)
    ld      gp, 16(t0)
    ld      tp, 24(t0)
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ld      s\n, 32 + 8 * \n(t0)
    .endr
    csrr    t1, satp
    csrr    t2, sstatus
    andi    t2, t2, 2
    or      t1, t1, t2
    snez    t1, t1
    add     a0, a1, t1
    ret

    .macro  each_kept do
    .irp    n, 1, 3, 5, 6, 7, 8, 9, 12, 13, 14, 15
    \do     \n
    .endr
    .irp    n, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \do     \n
    .endr
    .endm
    .macro  set_pattern n
    li      x\n, 0x5a5a0000 + \n
    .endm
    .macro  or_difference n
    li      a1, 0x5a5a0000 + \n
    xor     a1, a1, x\n
    or      a0, a0, a1
    .endm

    /* uint64_t call_keeps_registers(void): 0 if a call changes only a0 and a1. */
    .globl  call_keeps_registers
call_keeps_registers:
    addi    sp, sp, -112
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    sd      gp, 104(sp)
    each_kept set_pattern
    li      a7, 0x10                    /* BASE */
    li      a6, 0                       /* get_spec_version */
    ecall
    li      a0, 0
    each_kept or_difference
    xori    a7, a7, 0x10
    or      a0, a0, a7
    or      a0, a0, a6
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    ld      gp, 104(sp)
    addi    sp, sp, 112
    ret

    /* Instructions that are meant to trap; the handler steps over four bytes. */
    .option push
    .option norvc
    .globl  load_at
load_at:
    mv      t0, a0
    li      a0, 0
    ld      a0, 0(t0)
    ret
    .globl  store_at
store_at:
    sd      a0, 0(a0)
    ret
    .globl  illegal_insn
illegal_insn:
    .word   0xffffffff
    ret
    .globl  breakpoint
breakpoint:
    ebreak
    ret
    /* A fetch fault has nothing to step over: the handler returns to ra. */
    .globl  jump_to
jump_to:
    jr      a0
    .option pop

    .balign 4
trap_vector:
    addi    sp, sp, -144
    sd      ra, 0(sp)
    sd      t0, 8(sp)
    sd      t1, 16(sp)
    sd      t2, 24(sp)
    sd      t3, 32(sp)
    sd      t4, 40(sp)
    sd      t5, 48(sp)
    sd      t6, 56(sp)
    sd      a0, 64(sp)
    sd      a1, 72(sp)
    sd      a2, 80(sp)
    sd      a3, 88(sp)
    sd      a4, 96(sp)
    sd      a5, 104(sp)
    sd      a6, 112(sp)
    sd      a7, 120(sp)
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    mv      a3, ra
    call    trap_handle
    csrw    sepc, a0
    ld      ra, 0(sp)
    ld      t0, 8(sp)
    ld      t1, 16(sp)
    ld      t2, 24(sp)
    ld      t3, 32(sp)
    ld      t4, 40(sp)
    ld      t5, 48(sp)
    ld      t6, 56(sp)
    ld      a0, 64(sp)
    ld      a1, 72(sp)
    ld      a2, 80(sp)
    ld      a3, 88(sp)
    ld      a4, 96(sp)
    ld      a5, 104(sp)
    ld      a6, 112(sp)
    ld      a7, 120(sp)
    addi    sp, sp, 144
    sret

    .section .bss
    .balign 8
kept:
    .skip   32 + 8 * 12

    .section .stacks, "aw", @nobits
    .balign 4096
stacks:
    .skip   HARTS_MAX * STACK_BYTES
