/*
 * Everything of the firmware that cannot be C: reset entry, trap entry and exit, the trap that
 * probes with, and the way down into the next stage.
 *
 * Convention: below M-mode, mscratch holds this hart's struct hart. In the firmware, tp holds it
 * and mscratch is 0, which is how a trap of the firmware itself is told from one from below.
 */
#include "roms/sbi/layout.h"

    .section .text.entry, "ax"
    .globl  _start
    /* In: a0 hart id, a1 device tree, a2 struct fw_dynamic_info or anything else. */
_start:
    csrw    mie, zero
    csrw    mscratch, zero
    la      t0, trap_entry
    csrw    mtvec, t0
    la      t0, boot_lottery
    li      t1, 1
    amoadd.w.aq t1, t1, (t0)
    bnez    t1, wait_for_boot

    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  la      sp, boot_stack_top
    call    boot_first
    call    use_hart
    tail    boot_rest

    /* The losers sleep until the first hart has found them in the device tree. */
wait_for_boot:
    csrwi   mie, 8                      /* MSIE: wakes wfi; mstatus.MIE is off */
    la      t0, boot_done
1:  lw      t1, 0(t0)
    fence   r, rw
    bnez    t1, 2f
    wfi
    j       1b
2:  csrr    t0, mhartid
    la      a0, harts
    la      t1, hart_count
    lw      t1, 0(t1)
    li      t3, HART_BYTES
3:  beqz    t1, unknown_hart
    ld      t2, HART_ID(a0)
    beq     t2, t0, 4f
    add     a0, a0, t3
    addi    t1, t1, -1
    j       3b
4:  call    use_hart
    tail    boot_other

    /* A hart that the device tree does not name has no stack and nothing to do. */
unknown_hart:
    csrw    mie, zero
1:  wfi
    j       1b

    /* a0 = struct hart: from here on this hart's stack and tp. */
use_hart:
    mv      tp, a0
    ld      sp, HART_STACK_TOP(tp)
    ret

    /*
     * void enter_lower(uint64_t a0, uint64_t a1): mret to mepc with mstatus as set, these two
     * arguments and no other register of the firmware left.
     */
    .globl  enter_lower
enter_lower:
    csrw    mscratch, tp
    li      ra, 0
    li      sp, 0
    li      gp, 0
    li      tp, 0
    li      t0, 0
    li      t1, 0
    li      t2, 0
    li      s0, 0
    li      s1, 0
    li      a2, 0
    li      a3, 0
    li      a4, 0
    li      a5, 0
    li      a6, 0
    li      a7, 0
    li      s2, 0
    li      s3, 0
    li      s4, 0
    li      s5, 0
    li      s6, 0
    li      s7, 0
    li      s8, 0
    li      s9, 0
    li      s10, 0
    li      s11, 0
    li      t3, 0
    li      t4, 0
    li      t5, 0
    li      t6, 0
    mret

    .macro  each_register op
    \op     x1, FRAME_X(1)(sp)
    \op     x3, FRAME_X(3)(sp)
    \op     x5, FRAME_X(5)(sp)
    \op     x6, FRAME_X(6)(sp)
    \op     x7, FRAME_X(7)(sp)
    \op     x8, FRAME_X(8)(sp)
    \op     x9, FRAME_X(9)(sp)
    \op     x10, FRAME_X(10)(sp)
    \op     x11, FRAME_X(11)(sp)
    \op     x12, FRAME_X(12)(sp)
    \op     x13, FRAME_X(13)(sp)
    \op     x14, FRAME_X(14)(sp)
    \op     x15, FRAME_X(15)(sp)
    \op     x16, FRAME_X(16)(sp)
    \op     x17, FRAME_X(17)(sp)
    \op     x18, FRAME_X(18)(sp)
    \op     x19, FRAME_X(19)(sp)
    \op     x20, FRAME_X(20)(sp)
    \op     x21, FRAME_X(21)(sp)
    \op     x22, FRAME_X(22)(sp)
    \op     x23, FRAME_X(23)(sp)
    \op     x24, FRAME_X(24)(sp)
    \op     x25, FRAME_X(25)(sp)
    \op     x26, FRAME_X(26)(sp)
    \op     x27, FRAME_X(27)(sp)
    \op     x28, FRAME_X(28)(sp)
    \op     x29, FRAME_X(29)(sp)
    \op     x30, FRAME_X(30)(sp)
    \op     x31, FRAME_X(31)(sp)
    .endm

    .balign 4
    .globl  trap_entry
trap_entry:
    csrrw   tp, mscratch, tp
    beqz    tp, trap_in_firmware
    sd      sp, HART_SAVED_SP(tp)
    ld      sp, HART_STACK_TOP(tp)
    addi    sp, sp, -FRAME_BYTES
    each_register sd
    ld      t0, HART_SAVED_SP(tp)
    sd      t0, FRAME_X(2)(sp)
    csrrw   t0, mscratch, zero
    sd      t0, FRAME_X(4)(sp)
    csrr    t0, mepc
    sd      t0, FRAME_MEPC(sp)
    csrr    t0, mstatus
    sd      t0, FRAME_MSTATUS(sp)
    mv      a0, sp
    call    trap_handle
    ld      t0, FRAME_MEPC(sp)
    csrw    mepc, t0
    ld      t0, FRAME_MSTATUS(sp)
    csrw    mstatus, t0
    csrw    mscratch, tp
    each_register ld
    ld      x4, FRAME_X(4)(sp)
    ld      x2, FRAME_X(2)(sp)
    mret

    /* A mistake of ours: say so on a stack of its own and end the machine. */
trap_in_firmware:
    la      sp, boot_stack_top
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    tail    trap_fatal

    .balign 4
    .globl  probe_trap
probe_trap:
    csrw    mscratch, t0
    csrr    t0, mepc
    addi    t0, t0, 4
    csrw    mepc, t0
    csrr    t0, mcause
    csrrw   t0, mscratch, t0
    mret

    /*
     * uint64_t load_below(uint64_t address): eight bytes as the interrupted mode sees them
     * (mstatus.MPP must hold it; inside probe_begin). Naturally aligned addresses only.
     * uint32_t load_insn_half(uint64_t address): two bytes it could execute.
     */
    .option push
    .option norvc
    .globl  load_below
load_below:
    mv      t0, a0
    li      a0, 0
    li      t1, 1 << 17                 /* MPRV */
    csrs    mstatus, t1
    ld      a0, 0(t0)
    csrc    mstatus, t1
    ret
    .globl  load_insn_half
load_insn_half:
    mv      t0, a0
    li      a0, 0
    li      t1, 1 << 17 | 1 << 19       /* MPRV, MXR */
    csrs    mstatus, t1
    lhu     a0, 0(t0)
    csrc    mstatus, t1
    ret
    /* uint64_t load_try(uint64_t address): a plain load that may trap (inside probe_begin). */
    .globl  load_try
load_try:
    mv      t0, a0
    li      a0, 0
    ld      a0, 0(t0)
    ret
    .option pop

    /* In .data, not .bss: the harts draw lots before anyone has cleared the latter. */
    .section .data
    .balign 4
boot_lottery:
    .word   0
    .globl  boot_done
boot_done:
    .word   0

    /* The first hart's until its place in the table is known; later that of a fatal trap. */
    .section .stacks, "aw", @nobits
    .balign 16
    .skip   2 * HART_STACK_BYTES
boot_stack_top:
