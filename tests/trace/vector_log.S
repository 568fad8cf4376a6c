# Vector instructions whose lines in Spike's commit log are vector_log.txt: one of each kind of
# destination (cpu/riscv64/commit_log_vector.c). The lines are Spike's own. VLEN is 128, RAM ends at
# 0x90000000.
    .globl _start, tohost, fromhost
    .option norelax
    .option norvc
_start:
    li t0, 0x6600 # mstatus.FS and VS dirty
    csrs mstatus, t0
    la t0, skip
    csrw mtvec, t0
    li a0, 0x80001000
    li a1, 0x80001100
    li a2, 0x90000000 - 8
    li a3, 5
    li a4, 2
    li a6, 0x101
    li a5, 0x7f800001 # a signalling NaN
    fmv.w.x fa0, a5
    j begin
    .balign 4
skip: # the instruction; vstart tells where it stopped
    csrr t6, mepc
    addi t6, t6, 4
    csrw mepc, t6
    mret
    .balign 64
begin:
    vl1re64.v v31, (a0)             # vtype is vill
    vsetivli t1, 10, e16, m2, ta, ma
    vsetvli x0, x0, e16, m2, ta, ma # keeps vl, and vtype is the same
    vid.v v2
    vmv.s.x v0, a3                  # v0, before what is told of vector instructions; elements 0, 2
    vadd.vi v4, v2, 1, v0.t         # v5 has no active element
    vadc.vvm v6, v2, v2, v0         # v0 is no mask
    vwadd.vv v8, v2, v2             # v8 to v11
    vwadd.vv v8, v2, v2, v0.t       # v8
    vmv.s.x v0, a6                  # elements 0 and 8
    vwadd.vv v8, v2, v2, v0.t       # v8, v10; and v9, where element 8 would be if not widened
    vmv.s.x v0, a3
    vfwcvt.f.x.v v8, v2, v0.t
    vnsrl.wi v12, v8, 0
    vmseq.vi v1, v2, 7
    vmand.mm v1, v1, v0
    vredsum.vs v3, v2, v2, v0.t
    vslideup.vi v14, v2, 8          # v15 alone
    vcompress.vm v16, v2, v0
    vmv1r.v v18, v18                # writes nothing
    vmv2r.v v18, v2
    vmv.x.s t2, v2
    vfirst.m t3, v0
    vcpop.m x0, v0
    vsaddu.vx v20, v2, a3
    vssub.vx v20, v2, a3
    csrwi vxrm, 1
    csrwi vcsr, 5
    vlm.v v21, (a0)
    vsetivli t1, 3, e32, m1, ta, ma
    vfadd.vf v22, v2, fa0           # raises invalid, and vfcvt below nothing
    vfcvt.f.x.v v22, v2
    vfmv.f.s ft0, v2
    vle8.v v23, (a0), v0.t
    vlseg2e32.v v24, (a0)
    vmv.v.i v29, 8
    vsuxei8.v v24, (a1), v29, v0.t
    vsse16.v v2, (a1), a4
    csrwi vstart, 1
    vse32.v v2, (a1)
    vle32ff.v v26, (a2)             # vl becomes 2
    vsetivli t1, 3, e32, m1, ta, ma
    vle32.v v27, (a2)               # faults at element 2
    vsetvli t1, x0, e64, mf8, ta, ma # not legal
    la t0, tohost
    li t1, 1
    sd t1, 0(t0)
    j .
    .balign 64
tohost: .dword 0
    .balign 64
fromhost: .dword 0
    .org 0x1000
    .dword 0x1817161514131211, 0x8887868584838281, 0x0004000300020001, 0x0008000700060005
    .dword 0, 0, 0, 0
    .org 0x1200
