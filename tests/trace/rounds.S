# Every operation on floats whose result a trace need not store, of every pair of a table, in all
# five rounding modes: NaNs of all kinds, infinities, subnormals, sums of registers, singles that
# are none.
    .macro operations type
    fadd.\type ft0, ft0, fa0
    fadd.\type fa2, fa0, fa1
    fsub.\type fa3, fa2, fa1
    fmul.\type fa4, fa0, fa1
    fdiv.\type fa5, fa4, fa0
    fsqrt.\type fa6, fa1
    fmadd.\type fa7, fa0, fa1, fa2
    fmsub.\type ft1, fa0, fa1, ft0
    fnmadd.\type ft2, fa0, fa1, ft1
    fnmsub.\type ft3, ft2, fa1, fa0
    fmin.\type ft4, fa0, fa1
    fmax.\type ft5, fa0, fa1
    fsgnj.\type ft6, fa0, fa1
    fsgnjn.\type ft7, fa0, fa1
    fsgnjx.\type ft8, fa0, fa1
    fadd.\type ft9, fa0, fa1, rtz
    fmul.\type ft10, fa0, fa1, rup
    fdiv.\type ft11, fa0, fa1, rdn
    fsub.\type fs0, fa0, fa1, rmm
    fadd.\type fs1, fs0, ft9
    .endm
    .globl _start
_start:
    li t0, 0x6000
    csrs mstatus, t0
    la s0, numbers
    li s3, 8 * 8
    li s2, 4
mode:
    fsrm s2
    li s4, 0
first:
    li s5, 0
second:
    add t0, s0, s4
    add t1, s0, s5
    fld fa0, 0(t0)
    fld fa1, 0(t1)
    operations d
    fadd.s fs2, fa0, fa1
    flw fa0, 64(t0)
    flw fa1, 64(t1)
    operations s
    fsd fa4, 128(t0)
    fsw fa2, 132(t0)
    fld fa2, 128(t0)
    flw fa3, 128(t0)
    fadd.s fa3, fa3, fa3
    addi s5, s5, 8
    bltu s5, s3, second
    addi s4, s4, 8
    bltu s4, s3, first
    addi s2, s2, -1
    bgez s2, mode
#include "finish.inc"
    .balign 8
numbers:
    .dword 0x3fd5555555555555, 0x8000000000000000, 0x7ff0000000000000, 0xfff8000000000123
    .dword 0x7ff0000000000001, 0x0000000000000003, 0x7fefffffffffffff, 0xc00921fb54442d18
    .dword 0x3eaaaaab, 0x80000000, 0x7f800000, 0xffc00123
    .dword 0x7f800001, 0x00000003, 0x7f7fffff, 0xc0490fdb
    .zero 64
