/* Vector sequences, as sequences.S; vl and vtype are what the first instruction makes them, except
 * in those that begin without one: they find vtype e32, m1 and vl VLMAX. */
    .option norvc
    .option arch, +v
    .macro sequence name
    .balign 64
    .globl g_\name
g_\name:
    .endm

    .text
    .globl _start
_start:
    li      t0, 0x6600          /* mstatus.FS, VS */
    csrs    mstatus, t0
    vsetvli t0, zero, e32, m1, ta, ma
    li      t0, 0x100000        /* the finisher: pass */
    li      t1, 0x5555
    sw      t1, 0(t0)
0:  j       0b

    sequence set_unknown
    vsetvli a0, a1, e32, m4, ta, ma
    j       over
    sequence set_all
    vsetvli a0, zero, e8, m8, ta, ma
    j       over
    sequence guarded_add
    vadd.vv v1, v2, v3
    j       over
    sequence add_m1
    vsetvli a0, zero, e32, m1, ta, ma
    vadd.vv v1, v2, v3
    j       over
    sequence add_m8_scalar
    vsetvli a0, zero, e8, m8, ta, ma
    vadd.vx v8, v16, a1
    j       over
    sequence subtract_from_immediate
    vsetvli a0, zero, e64, m2, ta, ma
    vrsub.vi v2, v4, 3
    j       over
    sequence add_three_elements
    vsetivli zero, 3, e32, m1, ta, ma
    vadd.vv v1, v2, v3
    j       over
    sequence add_masked
    vsetvli a0, zero, e16, m4, ta, mu
    vadd.vv v4, v8, v12, v0.t
    j       over
    sequence shift_immediate
    vsetvli a0, zero, e32, m4, ta, ma
    vsrl.vi v4, v8, 5
    j       over
    sequence shift_vector
    vsetvli a0, zero, e32, m4, ta, ma
    vsll.vv v4, v8, v12
    j       over
    sequence multiply_add
    vsetvli a0, zero, e32, m2, ta, ma
    vmacc.vv v2, v4, v6
    j       over
    sequence load_m1
    vsetvli a0, zero, e32, m1, ta, ma
    vle32.v v1, (a1)
    j       over
    sequence store_m8
    vsetvli a0, zero, e8, m8, ta, ma
    vse8.v  v8, (a1)
    j       over
    sequence load_masked
    vsetvli a0, zero, e32, m4, ta, mu
    vle32.v v4, (a1), v0.t
    j       over
    sequence load_some
    vsetivli zero, 5, e8, m1, ta, ma
    vle8.v  v1, (a1)
    j       over
    sequence whole_registers
    vl2re64.v v2, (a1)
    vmv2r.v v4, v2
    vs2r.v  v4, (a2)
    j       over
    sequence compare
    vsetvli a0, zero, e8, m4, ta, ma
    vmseq.vi v0, v4, 0
    vfirst.m a1, v0
    j       over
    sequence merge
    vsetvli a0, zero, e32, m4, ta, ma
    vmerge.vxm v4, v8, a1, v0
    j       over
    sequence sum
    vsetvli a0, zero, e64, m4, ta, ma
    vredsum.vs v1, v4, v2
    vmv.x.s a1, v1
    j       over
    sequence widen
    vsetvli a0, zero, e16, m2, ta, ma
    vwmacc.vv v4, v2, v8
    j       over
    sequence narrow
    vsetvli a0, zero, e16, m2, ta, ma
    vnsra.wi v2, v4, 7
    j       over
    sequence float_add
    vsetvli a0, zero, e64, m4, ta, ma
    vfadd.vv v4, v8, v12
    j       over
    sequence float_fused_scalar
    vsetvli a0, zero, e32, m4, ta, ma
    vfmacc.vf v4, fa0, v8
    j       over
    sequence float_less
    vsetvli a0, zero, e32, m4, ta, ma
    vmflt.vv v0, v4, v8
    j       over
    sequence slide_down
    vsetvli a0, zero, e32, m8, ta, ma
    vslidedown.vi v8, v16, 3
    j       over
    sequence slide_up_by_register
    vsetvli a0, zero, e16, m8, ta, ma
    vslideup.vx v8, v16, a1
    j       over
    sequence slide_one_up
    vsetvli a0, zero, e32, m4, ta, ma
    vslide1up.vx v8, v16, a1
    j       over
    sequence gather
    vsetvli a0, zero, e16, m8, ta, ma
    vrgather.vv v8, v16, v24
    j       over
    sequence compress
    vsetvli a0, zero, e32, m4, ta, ma
    vcompress.vm v8, v16, v24
    j       over
    sequence three_fields
    vsetvli a0, zero, e16, m1, ta, ma
    vlseg3e16.v v4, (a1)
    j       over
    sequence carry_out
    vsetvli a0, zero, e64, m2, ta, ma
    vmadc.vvm v0, v4, v8, v0
    j       over
    sequence sum_under_mask
    vsetvli a0, zero, e32, m2, ta, ma
    vredsum.vs v1, v4, v2, v0.t
    j       over
    sequence shift_bytes
    vsetvli a0, zero, e8, m2, ta, ma
    vsra.vi v4, v8, 3
    j       over
    sequence saturated_words
    vsetvli a0, zero, e32, m2, ta, ma
    vsadd.vv v4, v8, v12
    j       over
    sequence shift_rounded
    vsetvli a0, zero, e16, m2, ta, ma
    vssra.vv v4, v8, v12
    j       over
    sequence divide_bytes
    vsetvli a0, zero, e8, m1, ta, ma
    vdiv.vv v4, v8, v12
    j       over
    sequence remainder_words
    vsetvli a0, zero, e32, m1, ta, ma
    vremu.vx v4, v8, a1
    j       over
    sequence divide_longs
    vsetvli a0, zero, e64, m1, ta, ma
    vdiv.vv v4, v8, v12
    j       over
    sequence high_longs
    vsetvli a0, zero, e64, m2, ta, ma
    vmulh.vv v4, v8, v12
    j       over
    sequence fraction_words
    vsetvli a0, zero, e32, m1, ta, ma
    vsmul.vv v4, v8, v12
    j       over
    sequence count_before
    vsetvli a0, zero, e16, m2, ta, ma
    viota.m v4, v8, v0.t
    j       over
    sequence float_to_wide_int
    vsetvli a0, zero, e32, m1, ta, ma
    vfwcvt.rtz.x.f.v v4, v8
    j       over
    sequence float_class
    vsetvli a0, zero, e64, m1, ta, ma
    vfclass.v v4, v8
    j       over
    sequence float_sum_under_mask
    vsetvli a0, zero, e32, m2, ta, ma
    vfredosum.vs v4, v8, v12, v0.t
    j       over

over:
    j       over
