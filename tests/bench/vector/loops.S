# The guest's loops (loops.h), as a compiler or a hand would write them.
    .option arch, +v
    .text

    .macro  function name
    .globl  \name
    .balign 16
\name:
    .endm

    .macro  add_loop lmul, b, c
1:  vsetvli t0, a3, e32, \lmul, ta, ma
    vle32.v v8, (a1)
    vle32.v \b, (a2)
    sub     a3, a3, t0
    slli    t1, t0, 2
    vadd.vv \c, v8, \b
    add     a1, a1, t1
    add     a2, a2, t1
    vse32.v \c, (a0)
    add     a0, a0, t1
    bnez    a3, 1b
    ret
    .endm

function loop_add
    add_loop m8, v16, v24
function loop_add_m1
    add_loop m1, v9, v10

    .macro  fma_loop lmul
1:  vsetvli t0, a2, e64, \lmul, ta, ma
    vle64.v v8, (a1)
    vle64.v v16, (a0)
    sub     a2, a2, t0
    slli    t1, t0, 3
    add     a1, a1, t1
    vfmacc.vf v16, fa0, v8
    vse64.v v16, (a0)
    add     a0, a0, t1
    bnez    a2, 1b
    ret
    .endm

function loop_fma
    fma_loop m8
function loop_fma_m1
    fma_loop m1

function loop_copy
1:  vsetvli t0, a2, e8, m8, ta, ma
    vle8.v  v0, (a1)
    sub     a2, a2, t0
    add     a1, a1, t0
    vse8.v  v0, (a0)
    add     a0, a0, t0
    bnez    a2, 1b
    ret

function loop_strlen
    mv      a3, a0
1:  vsetvli t0, zero, e8, m8, ta, ma
    vle8ff.v v8, (a3)
    csrr    t0, vl
    vmseq.vi v0, v8, 0
    vfirst.m t1, v0
    add     a3, a3, t0
    bltz    t1, 1b
    add     a0, a0, t0
    add     a3, a3, t1
    sub     a0, a3, a0
    ret

function loop_masked
1:  vsetvli t0, a3, e32, m4, ta, mu
    vle32.v v8, (a1)
    vle32.v v12, (a0)
    sub     a3, a3, t0
    slli    t1, t0, 2
    vmslt.vx v0, v8, a2
    add     a1, a1, t1
    vadd.vv v12, v12, v8, v0.t
    vse32.v v12, (a0)
    add     a0, a0, t1
    bnez    a3, 1b
    ret

function loop_widen
1:  vsetvli t0, a3, e16, m2, ta, ma
    vle16.v v8, (a1)
    vle16.v v12, (a2)
    sub     a3, a3, t0
    slli    t1, t0, 1
    vle32.v v16, (a0)
    add     a1, a1, t1
    add     a2, a2, t1
    vwmacc.vv v16, v8, v12
    slli    t1, t0, 2
    vse32.v v16, (a0)
    add     a0, a0, t1
    bnez    a3, 1b
    ret

function loop_sum
    vsetvli t0, zero, e64, m4, ta, ma
    vmv.v.i v8, 0
1:  vsetvli t0, a1, e64, m4, tu, ma
    vle64.v v12, (a0)
    sub     a1, a1, t0
    slli    t1, t0, 3
    vadd.vv v8, v8, v12
    add     a0, a0, t1
    bnez    a1, 1b
    vsetvli t0, zero, e64, m4, ta, ma
    vmv.s.x v16, zero
    vredsum.vs v16, v8, v16
    vmv.x.s a0, v16
    ret
