# Bare metal, for tests/gdb/check_points.sh: adds two floating-point registers, reads two CSRs, and
# powers off with the rounding mode as its status.
    .globl  _start, before, after
_start:
    li      t0, 0x2000              # mstatus.FS: initial
    csrs    mstatus, t0
before:
    fadd.d  fa0, fa0, fa1
    fcvt.w.d a2, fa0                # by the rounding mode of fcsr
    csrr    a0, mscratch
    csrr    a1, frm
after:
    li      t0, 0x100000
    li      t1, 0x5555
    sw      t1, 0(t0)
1:  j       1b
