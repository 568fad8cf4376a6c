# Bare metal, for tests/gdb/check_gdb.sh: numbers v8's elements, adds 5 to them, and powers off.
    .option arch, +v
    .globl  _start, numbered, added
_start:
    li      t0, 0x200               # mstatus.VS: initial
    csrs    mstatus, t0
    vsetivli t0, 4, e32, m1, ta, ma
    vid.v   v8
numbered:
    nop
    vadd.vi v8, v8, 5
added:
    vmv.x.s a0, v8
    li      t0, 0x100000
    li      t1, 0x5555
    sw      t1, 0(t0)
1:  j       1b
