# A bare-metal program that does a little of everything a trace can tell of: three privileges, a
# page table, calls, branches, loads, stores and atomics, CSRs, traps, an interrupt that ends a
# wait, a page fault, fences, device registers, console output; a second hart calls the same
# function. It powers off at the end.
    .globl  _start, work, supervisor, user, shout, leaf
    .option norelax
_start:
    csrr    t0, mhartid
    bnez    t0, second
    la      sp, stack_top
    lla     t0, machine_trap
    csrw    mtvec, t0
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    li      t0, 0xb1ff          # to S-mode: all exceptions but its own ecall
    li      t1, 0x200
    not     t1, t1
    and     t0, t0, t1
    csrw    medeleg, t0
    li      t0, 0x222
    csrw    mideleg, t0
    li      t0, -1
    csrw    mcounteren, t0
    csrw    scounteren, t0
    li      t0, 1
    slli    t0, t0, 63
    csrw    menvcfg, t0         # stimecmp
    # Three gigapages: devices, memory, memory again for the user at 0xc0000000.
    la      t0, table
    li      t1, 0xc7            # V R W A D
    sd      t1, 0(t0)
    li      t1, 0x80000000 >> 2 | 0xcf
    sd      t1, 16(t0)
    li      t1, 0x80000000 >> 2 | 0xdf
    sd      t1, 24(t0)
    srli    t0, t0, 12
    li      t1, 8
    slli    t1, t1, 60
    or      s0, t0, t1
    lla     t0, supervisor
    csrw    mepc, t0
    li      t0, 0x800           # MPP: S
    csrw    mstatus, t0
    mret

    .balign 4
machine_trap:                   # the supervisor's ecall
    csrr    t6, mepc
    addi    t6, t6, 4
    csrw    mepc, t6
    mret

supervisor:
    csrw    satp, s0
    sfence.vma
    lla     t0, supervisor_trap
    csrw    stvec, t0
    li      a0, 3
    call    work
    ecall
    lla     a0, text
    call    shout
    li      s1, 2               # two rounds in U-mode
again:
    lla     t0, user
    li      t1, 0x40000000
    add     t0, t0, t1
    csrw    sepc, t0
    or      sp, sp, t1          # the stack where the user sees it
    li      t0, 0x100
    csrc    sstatus, t0
    sret
back:                           # with the user's result in a0
    addi    s1, s1, -1
    bnez    s1, again
    li      t0, 0x5000          # a page fault of the supervisor itself: nothing is mapped there
    lla     s2, behind
    slli    t0, t0, 24
    ld      t1, 0(t0)
behind:
    sfence.vma zero, zero
    li      t0, 0x20
    csrs    sie, t0
    rdtime  t1
    addi    t1, t1, 200
    csrw    0x14d, t1           # stimecmp
    wfi
    csrsi   sstatus, 2
    nop
    csrci   sstatus, 2
    li      a0, 5
    call    work
#include "finish.inc"

    .balign 4
supervisor_trap:
    csrr    t5, scause
    bltz    t5, timer
    li      t6, 8
    beq     t5, t6, from_user
    csrw    sepc, s2            # the fault goes on behind its load
    sret
from_user:
    li      t6, 0x40000000
    xor     sp, sp, t6
    lla     t6, back
    jr      t6
timer:
    li      t6, -1
    csrw    0x14d, t6
    sret

user:
    li      a0, 0x123
    lla     a1, cell
    sd      a0, 0(a1)
    lw      a2, 4(a1)
    amoadd.w a3, a0, (a1)
    lr.d    a4, (a1)
    sc.d    a5, a4, (a1)
    li      a0, 2
    call    work
    ecall

# work(n): the sum of leaf(n) ... leaf(1), kept in `cell`.
work:
    addi    sp, sp, -32
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    mv      s0, a0
    li      s1, 0
1:  mv      a0, s0
    call    leaf
    add     s1, s1, a0
    addi    s0, s0, -1
    bnez    s0, 1b
    mv      a0, s1
    lla     t0, cell
    amoadd.d zero, a0, (t0)
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    addi    sp, sp, 32
    ret

leaf:                           # n * n + 1
    mul     a0, a0, a0
    addi    a0, a0, 1
    ret

shout:
    li      t0, 0x10000000
1:  lbu     t1, 0(a0)
    beqz    t1, 2f
    sb      t1, 0(t0)
    addi    a0, a0, 1
    j       1b
2:  ret

second:
    lla     sp, second_top
    li      s2, 4
1:  mv      a0, s2
    call    work
    addi    s2, s2, -1
    bnez    s2, 1b
2:  wfi
    j       2b

text:
    .string "matrix\n"
    .balign 8
cell:
    .dword  0
    .balign 4096
table:
    .zero   4096
    .zero   2048
stack_top:
    .zero   2048
second_top:
