/* Loops of one vector instruction each, hot enough for traces: slides, gathers, fixed point, mixed
 * widths, segments; for check_vector.sh. With all elements, some, and under a mask. Then loops that
 * walk through memory, whose groups traces keep in registers. Prints a hash of what each leaves in
 * registers, memory and flags. Runs as faults.c does. */
#include "loops.h"

static void places(void)
{
    BOTH("e32, m1", "vslideup.vi v8, v16, 1")
    BOTH("e8, m4", "vslideup.vi v8, v16, 17")
    BOTH("e16, m8", "vslideup.vx v8, v16, %1")
    BOTH("e8, m2", "vslidedown.vi v8, v16, 5")
    BOTH("e64, m4", "vslidedown.vx v8, v16, %1")
    BOTH("e16, m1", "vslide1up.vx v8, v16, %0")
    BOTH("e32, m4", "vslide1down.vx v8, v16, %0")
    BOTH("e8, mf2", "vslide1down.vx v8, v16, %0")
    BOTH("e8, m1", "vrgather.vv v8, v16, v24")
    BOTH("e32, m8", "vrgather.vv v8, v16, v24")
    BOTH("e64, m1", "vrgather.vv v8, v16, v24")
    BOTH("e32, m1", "vrgather.vi v8, v16, 2")
    BOTH("e16, m2", "vrgather.vx v8, v16, %1")
    BOTH("e8, m1", "vrgather.vx v8, v16, %0")
    BOTH("e16, m1", "vslideup.vx v8, v16, %0")
    BOTH("e8, m2", "vslidedown.vx v8, v16, %0")
    BOTH("e8, m1", "vrgatherei16.vv v8, v16, v24")
    BOTH("e8, m4", "vrgatherei16.vv v8, v16, v24")
    BOTH("e16, m2", "vrgatherei16.vv v8, v16, v24")
    BOTH("e64, m4", "vrgatherei16.vv v8, v16, v24")
    WHOLE("e32, m2", "vcompress.vm v8, v16, v25")
    WHOLE("e8, m1", "vcompress.vm v8, v16, v25")
}

static void numbers(void)
{
    BOTH("e8, m2", "vsaddu.vv v8, v16, v24")
    BOTH("e16, m8", "vsadd.vx v8, v16, %0")
    BOTH("e8, m1", "vssubu.vv v8, v16, v24")
    BOTH("e16, m1", "vssub.vv v8, v16, v24")
    BOTH("e8, m4", "vaaddu.vv v8, v16, v24")
    BOTH("e16, m2", "vssra.vi v8, v16, 4")
    BOTH("e32, m2", "vssrl.vi v8, v16, 0")
    BOTH("e8, m1", "vnclipu.wi v8, v16, 4")
    BOTH("e16, m2", "vnclip.wi v8, v16, 9")
    BOTH("e8, m2", "vmul.vv v8, v16, v24")
    BOTH("e8, m1", "vwmaccsu.vv v8, v16, v24")
    BOTH("e16, m1", "vwaddu.wv v8, v16, v24")
    WHOLE("e8, m4", "vwredsumu.vs v8, v16, v24")
    WHOLE("e32, m2", "vfredosum.vs v8, v16, v24")
    BOTH("e32, m1", "vfwmacc.vv v8, v16, v24")
    BOTH("e32, m2", "vfwcvt.f.f.v v8, v16")
    BOTH("e32, m2", "vfncvt.f.f.w v8, v16")
}

/* Carries, high halves, shifts of bytes and of each element's own width. */
static void carries(void)
{
    BOTH("e8, m1", "vsll.vv v8, v16, v24")
    BOTH("e8, m4", "vsrl.vx v8, v16, %0")
    BOTH("e8, m2", "vsra.vi v8, v16, 11")
    BOTH("e8, m2", "vsra.vv v8, v16, v24")
    BOTH("e8, mf4", "vsll.vi v8, v16, 3")
    WHOLE("e32, m2", "vadc.vvm v8, v16, v24, v0")
    WHOLE("e8, m1", "vadc.vxm v8, v16, %0, v0")
    WHOLE("e64, m8", "vsbc.vvm v8, v16, v24, v0")
    WHOLE("e16, mf2", "vsbc.vxm v8, v16, %0, v0")
    WHOLE("e64, m1", "vmadc.vv v8, v16, v24")
    WHOLE("e8, m2", "vmadc.vim v8, v16, -1, v0")
    WHOLE("e16, m8", "vmadc.vxm v8, v16, %0, v0")
    WHOLE("e32, m4", "vmsbc.vvm v8, v16, v24, v0")
    WHOLE("e32, mf2", "vmsbc.vx v8, v16, %0")
    BOTH("e32, m2", "vmulhu.vv v8, v16, v24")
    BOTH("e32, m1", "vmulh.vx v8, v16, %0")
    BOTH("e16, m2", "vmulhsu.vv v8, v16, v24")
    BOTH("e32, m8", "vmulhsu.vx v8, v16, %0")
    BOTH("e8, m1", "vmsbf.m v8, v16")
    BOTH("e8, m4", "vmsif.m v8, v16")
    BOTH("e64, m1", "vmsof.m v8, v16")
    BOTH("e8, m8", "vmsif.m v8, v16")
}

/* Fixed point in all widths, by counts that are not constant, and in another rounding. */
static void fixed(void)
{
    BOTH("e32, m2", "vsadd.vv v8, v16, v24")
    BOTH("e64, m1", "vssub.vv v8, v16, v24")
    BOTH("e32, m1", "vssub.vx v8, v16, %0")
    BOTH("e64, m4", "vsaddu.vv v8, v16, v24")
    BOTH("e32, m2", "vssubu.vx v8, v16, %0")
    BOTH("e8, m1", "vaadd.vv v8, v16, v24")
    BOTH("e16, m2", "vaadd.vx v8, v16, %0")
    BOTH("e32, m1", "vaaddu.vv v8, v16, v24")
    BOTH("e64, m2", "vasub.vv v8, v16, v24")
    BOTH("e16, m1", "vasubu.vv v8, v16, v24")
    BOTH("e32, m4", "vasubu.vx v8, v16, %0")
    BOTH("e16, m4", "vsmul.vv v8, v16, v24")
    BOTH("e16, m1", "vsmul.vx v8, v16, %0")
    BOTH("e16, m2", "vssra.vv v8, v16, v24")
    BOTH("e64, m1", "vssrl.vv v8, v16, v24")
    BOTH("e32, m2", "vssra.vx v8, v16, %0")
    BOTH("e8, m2", "vnclip.wv v8, v16, v24")
    BOTH("e32, m1", "vnclipu.wx v8, v16, %0")
    BOTH("e16, m1", "csrwi vxrm, 2\nvnclipu.wv v8, v16, v24")
    BOTH("e32, m1", "csrwi vxrm, 1\nvaadd.vv v8, v16, v24")
}

static void reductions(void)
{
    BOTH("e8, m4", "vredsum.vs v8, v16, v24")
    BOTH("e8, m8", "vredxor.vs v8, v16, v24")
    BOTH("e16, m8", "vredand.vs v8, v16, v24")
    BOTH("e32, m1", "vredor.vs v8, v16, v24")
    BOTH("e64, m8", "vredmaxu.vs v8, v16, v24")
    BOTH("e32, m4", "vredmin.vs v8, v16, v24")
    BOTH("e8, m1", "vredminu.vs v8, v16, v24")
    BOTH("e16, mf4", "vredmax.vs v8, v16, v24")
    BOTH("e16, m4", "vwredsum.vs v8, v16, v24")
    BOTH("e8, m2", "vwredsumu.vs v8, v16, v24")
    LOOP("e32, m1", "vredsum.vs v8, v16, v24", 0ul)
    LOOP("e8, m4", "vredand.vs v8, v16, v24, v0.t", 0ul)
    LOOP("e16, m1", "vwredsum.vs v8, v16, v24", 0ul)
}

/* Places in many pages, one after the other or two in turn, eight pages apart. */
__attribute__((used)) static uint8_t far_places[72 * 4096];

#define FAR(type, how, insn)                                                                       \
    BOTH(type, "vsetvli t0, %3, " how ", tu, mu\nvid.v v20\nli t1, 4400\nvmul.vx v20, v20, t1\n"  \
               "la t1, far_places\nvsetvli t0, %3, " type ", tu, mu\n" insn)                       \
    BOTH(type, "vsetvli t0, %3, " how ", tu, mu\nvid.v v24\nvand.vi v20, v24, 1\nli t1, 32766\n"  \
               "vmul.vx v20, v20, t1\nvsll.vi v24, v24, 3\nvadd.vv v20, v20, v24\n"                \
               "la t1, far_places\nvsetvli t0, %3, " type ", tu, mu\n" insn)

static void far_memory(void)
{
    FAR("e32, m1", "e32, m1", "vsuxei32.v v16, (t1), v20")
    FAR("e32, m4", "e32, m4", "vluxei32.v v8, (t1), v20")
    FAR("e8, m1", "e32, m4", "vsoxei32.v v16, (t1), v20")
    FAR("e8, m1", "e32, m4", "vloxei32.v v8, (t1), v20")
    FAR("e64, m4", "e32, m2", "vsuxei32.v v16, (t1), v20")
    FAR("e64, m4", "e32, m2", "vluxei32.v v8, (t1), v20")
    FAR("e16, m2", "e32, m4", "vluxseg2ei32.v v8, (t1), v20")
    WHOLE("e32, m4", "li t1, 4104\nla t0, far_places\nvlse32.v v8, (t0), t1")
}

static void memory(void)
{
    BOTH("e32, m2", "vlse32.v v8, (%2), %4")
    BOTH("e32, m2", "vsse32.v v16, (%2), %4")
    BOTH("e32, m2", "vluxei32.v v8, (%2), v24")
    BOTH("e16, m1", "vsuxei32.v v16, (%2), v24")
    BOTH("e8, m2", "vlseg2e8.v v8, (%2)")
    BOTH("e8, m1", "vlseg3e8.v v8, (%2)")
    BOTH("e8, m1", "vsseg4e8.v v16, (%2)")
    BOTH("e16, m1", "vlseg2e16.v v8, (%2)")
    BOTH("e32, m2", "vlseg3e32.v v8, (%2)")
    BOTH("e64, m1", "vlseg7e64.v v8, (%2)")
    BOTH("e16, m1", "vlseg8e16.v v8, (%2)")
    BOTH("e32, mf2", "vlseg2e16.v v8, (%2)")
    BOTH("e8, m2", "vsseg2e8.v v16, (%2)")
    BOTH("e16, m1", "vsseg5e16.v v16, (%2)")
    BOTH("e64, m2", "vsseg3e64.v v16, (%2)")
    BOTH("e32, m1", "vsseg6e32.v v16, (%2)")
}

static void masks(void)
{
    WALK("e32, m4", "vle32.v v8, (%0)\nvmslt.vx v0, v8, %3\nvle32.v v12, (%1)\n"
                    "vadd.vv v12, v12, v8, v0.t\nvse32.v v12, (%1)")
    WALK("e8, m2", "vle8.v v8, (%0)\nvmsgtu.vi v0, v8, 9\nvmerge.vxm v10, v8, %3, v0\n"
                   "vse8.v v10, (%1)")
    WALK("e64, m2", "vle64.v v8, (%0)\nvmsne.vv v0, v8, v16\nvmacc.vx v16, %3, v8, v0.t\n"
                    "vse64.v v16, (%1), v0.t")
    WALK("e16, m1", "vle16.v v0, (%0)\nvsub.vv v16, v16, v8, v0.t\nvse16.v v16, (%1)")
    WALK("e16, mf2", "vle16.v v8, (%0)\nvmsle.vv v0, v8, v16\nvxor.vv v16, v16, v8, v0.t\n"
                     "vmv.v.x v9, %3\nvse16.v v16, (%1)")
    WALK("e32, m2", "vle32.v v8, (%0), v0.t\nvmv.v.x v10, %3\nvmv1r.v v0, v8\n"
                    "vmul.vv v10, v10, v8, v0.t\n"
                    "vse32.v v10, (%1)")
    WALK("e8, m1", "vle8.v v8, (%0)\nvle8.v v9, (%1)\nvmandn.mm v0, v8, v9\nvcpop.m t1, v0\n"
                   "vadd.vx v8, v8, t1\nvfirst.m t1, v8, v0.t\nvadd.vx v8, v8, t1, v0.t\n"
                   "vmxor.mm v8, v8, v0\nvse8.v v8, (%1)")
    WALK("e8, m1", "vle8.v v0, (%0)\nvadd.vx v0, v0, %3\nvcpop.m t1, v9, v0.t\nvadd.vx v0, v0, t1\n"
                   "vmseq.vv v0, v0, v8\nvmv.v.v v9, v0\nvse8.v v9, (%1)")
    WALK("e8, m8", "vle8.v v8, (%0)\nvmseq.vi v0, v8, 3, v0.t\nvfirst.m t1, v0\nvor.vx v8, v8, t1\n"
                   "vse8.v v8, (%1)")
    WALK("e64, m1", "vle64.v v8, (%0)\nvmv.x.s t1, v8\nvmv.s.x v9, t1\nvadd.vv v8, v8, v9\n"
                    "vredsum.vs v10, v8, v9\nvse64.v v10, (%1)")
}

static void widths(void)
{
    WALK("e8, m1", "vlseg3e8.v v8, (%0)\nvadd.vv v11, v8, v9\nvadd.vv v9, v9, v10\n"
                   "vadd.vx v10, v11, %3\nvsseg3e8.v v9, (%1)")
    WALK("e32, m2", "vlseg2e32.v v8, (%0)\nvmul.vv v12, v8, v10\nvsub.vv v10, v8, v10\n"
                    "vmv2r.v v8, v12\nvsseg2e32.v v8, (%1)")
    WALK("e16, m2", "vle16.v v8, (%0)\nvle16.v v10, (%1)\nvwmacc.vv v16, v8, v10\n"
                    "vsetvli t0, %4, e32, m4, tu, mu\nvse32.v v16, (%1)")
    WALK("e8, m4", "vle8.v v8, (%0)\nvwsubu.vx v16, v8, %3\nvnsrl.wi v8, v16, 3\nvse8.v v8, (%1)")
    WALK("e32, m2", "vle32.v v8, (%0)\nvsext.vf2 v16, v8\nvzext.vf4 v18, v8\n"
                    "vadd.vv v16, v16, v18\n"
                    "vse32.v v16, (%1)")
    WALK("e8, m1", "vle8.v v8, (%0)\nvwaddu.wv v16, v16, v8\nvnclipu.wi v9, v16, 4\n"
                   "vsaddu.vv v9, v9, v8\n"
                   "vaaddu.vv v9, v9, v8\nvssra.vi v9, v9, 1\nvse8.v v9, (%1)")
    /* Parts of what is kept, and what has it as a part. */
    WALK("e32, m2", "vle32.v v8, (%0)\nvadd.vx v8, v8, %3\nvsetvli t0, %4, e32, m1, tu, mu\n"
                    "vsll.vi v10, v9, 3\nvmul.vv v9, v8, v9\nvsetvli t0, %4, e32, m4, tu, mu\n"
                    "vsrl.vv v12, v8, v8\nvse32.v v12, (%1)")
    WALK("e16, m4", "vle16.v v8, (%0)\nvsra.vi v8, v8, 1\nvsetvli t0, %4, e8, mf2, tu, mu\n"
                    "vmsltu.vv v0, v9, v11\nvxor.vv v10, v9, v11, v0.t\nvwaddu.vx v12, v9, %3\n"
                    "vsetvli t0, %4, e16, m4, tu, mu\nvmaxu.vv v8, v8, v12, v0.t\nvse16.v v8, (%1)")
    WALK("e8, m1", "vle8.v v8, (%0)\nvadd.vv v8, v8, v8\nvslidedown.vi v9, v8, 1\n"
                   "vslide1up.vx v10, v9, %3\n"
                   "vrgather.vi v11, v10, 2\nvadd.vv v11, v11, v9\nvse8.v v11, (%1)")
}

static void sums(void)
{
    WALK("e64, m2", "vle64.v v8, (%0)\nvmadc.vv v0, v8, v16\nvadc.vvm v16, v8, v16, v0\n"
                    "vse64.v v16, (%1)")
    WALK("e8, m2", "vle8.v v8, (%0)\nvsll.vv v10, v8, v8\nvsra.vx v12, v8, %3\n"
                   "vaadd.vv v10, v10, v12\nvse8.v v10, (%1)")
    WALK("e32, m1", "vle32.v v8, (%0)\nvsadd.vv v16, v16, v8\nvssra.vv v9, v16, v8\n"
                    "vmulhsu.vv v9, v9, v8\nvse32.v v9, (%1)")
    WALK("e8, m1", "vle8.v v8, (%0)\nvmseq.vi v0, v8, 3\nvmsif.m v9, v0\nvmandn.mm v0, v9, v0\n"
                   "vredsum.vs v10, v8, v10, v0.t\nvse8.v v10, (%1)")
    WALK("e16, m1", "vle16.v v8, (%0)\nvmsbc.vx v0, v8, %3\nvsbc.vvm v9, v8, v16, v0\n"
                    "vasubu.vv v9, v9, v8\nvnclip.wx v12, v8, %3\nvse16.v v9, (%1)")
}

/* Numbers from bytes; and whatever memory has: not-a-numbers, which leave the trace. */
static void floats(void)
{
#define NUMBERS "vle8.v v6, (%0)\nvzext.vf4 v8, v6\nvfcvt.f.xu.v v8, v8\n"
    WALK("e32, m1", NUMBERS "vmfgt.vf v0, v8, fa0\nvfadd.vv v9, v8, v8, v0.t\n"
                    "vfsqrt.v v9, v9, v0.t\n"
                            "vfsgnjn.vv v9, v9, v8\nvfmin.vv v9, v9, v8\nvse32.v v9, (%1)")
    WALK("e32, m2", NUMBERS "vfmadd.vv v8, v8, v8, v0.t\nvfdiv.vv v10, v8, v8\n"
                    "vfcvt.x.f.v v10, v8\n"
                            "vse32.v v10, (%1)")
    WALK("e32, m2", NUMBERS "vfwmul.vv v12, v8, v8\nvfwmacc.vv v12, v8, v8, v0.t\n"
                    "vfncvt.f.f.w v16, v12\n"
                            "vse32.v v16, (%1)")
    WALK("e32, m2", "vle32.v v8, (%0)\nvfadd.vv v10, v8, v8\nvfmul.vv v10, v8, v8, v0.t\n"
                    "vse32.v v10, (%1)")
    WALK("e64, m4", "vle64.v v8, (%0)\nvmfle.vv v0, v8, v16\nvfmax.vv v12, v8, v16, v0.t\n"
                    "vse64.v v12, (%1)")
}

void supervisor_main(void)
{
    places();
    numbers();
    carries();
    fixed();
    reductions();
    memory();
    far_memory();
    masks();
    widths();
    sums();
    floats();
    put_text("end\n");
}
