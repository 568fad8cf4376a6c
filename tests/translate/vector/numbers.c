/* Loops as those of ops.c: division, products, conversions between widths, ordered sums, counts of
 * mask bits, segments of fault-only-first loads, results that are no numbers. */
#include "loops.h"

/* By v24, which has zeroes. */
#define DIVIDE(type)                                                                               \
    BOTH(type, "vdivu.vv v8, v16, v24")                                                            \
    BOTH(type, "vdiv.vv v8, v16, v24")                                                             \
    BOTH(type, "vremu.vv v8, v16, v24")                                                            \
    BOTH(type, "vrem.vv v8, v16, v24")                                                             \
    BOTH(type, "vdivu.vx v8, v16, %0")                                                             \
    BOTH(type, "vdiv.vx v8, v16, %1")                                                              \
    BOTH(type, "vremu.vx v8, v16, %4")                                                             \
    BOTH(type, "vrem.vx v8, v16, %1")

/* The smallest number by -1; both of either sign and any length. */
#define DIVIDE_ANY(type, sign)                                                                     \
    WHOLE(type, "li t1, " sign "\nvsll.vx v16, v16, t1\nvmv.v.i v24, -1\nvdiv.vv v8, v16, v24")   \
    WHOLE(type, "li t1, " sign "\nvsll.vx v16, v16, t1\nvmv.v.i v24, -1\nvrem.vv v8, v16, v24")   \
    WHOLE(type, "vsra.vx v24, v16, %0\nvxor.vv v24, v24, v8\nvdiv.vv v8, v16, v24")                \
    WHOLE(type, "vsrl.vx v24, v16, %0\nvdivu.vv v8, v16, v24")                                     \
    WHOLE(type, "vsra.vx v24, v16, %0\nvrem.vv v8, v16, v24")                                      \
    WHOLE(type, "vsrl.vx v24, v16, %0\nvremu.vv v8, v16, v24")                                     \
    WHOLE(type, "li t1, -1\nvmv.v.x v16, t1\nvsrl.vx v24, v16, %0\nvdivu.vv v8, v16, v24")         \
    WHOLE(type, "li t1, -1\nvmv.v.x v16, t1\nvsrl.vx v24, v16, %0\nvremu.vv v8, v16, v24")

static void division(void)
{
    DIVIDE("e8, m1")
    DIVIDE("e16, m2")
    DIVIDE("e32, m1")
    DIVIDE("e64, m1")
    DIVIDE("e64, m4")
    DIVIDE("e8, mf2")
    DIVIDE_ANY("e8, m2", "7")
    DIVIDE_ANY("e16, m1", "15")
    DIVIDE_ANY("e32, m2", "31")
    DIVIDE_ANY("e64, m2", "63")
    BOTH("e8, m8", "vdiv.vv v8, v16, v24")
    BOTH("e16, m8", "vrem.vv v8, v16, v24")
    BOTH("e32, m8", "vdivu.vv v8, v16, v24")
    BOTH("e32, mf2", "vremu.vx v8, v16, %4")
}

static void products(void)
{
    BOTH("e64, m1", "vmulhu.vv v8, v16, v24")
    BOTH("e64, m4", "vmulh.vx v8, v16, %0")
    BOTH("e64, m2", "vnot.v v24, v16\nvmulh.vv v8, v16, v24")
    BOTH("e64, m2", "vnot.v v24, v16\nvmulhsu.vv v8, v16, v24")
    BOTH("e64, m1", "li t1, -3\nvmulhsu.vx v8, v16, t1")
    BOTH("e32, m2", "vnot.v v24, v16\nvsmul.vv v8, v16, v24")
    BOTH("e32, m1", "li t1, 0x7fffffff\nvsmul.vx v8, v16, t1")
    BOTH("e64, m1", "vnot.v v24, v16\nvsmul.vv v8, v16, v24")
    BOTH("e64, m4", "li t1, 1\nslli t1, t1, 63\nvsmul.vx v8, v16, t1")
    WHOLE("e32, m1", "vsll.vi v16, v16, 31\nvsmul.vv v8, v16, v16")
    WHOLE("e64, m2", "li t1, 63\nvsll.vx v16, v16, t1\nvsmul.vv v8, v16, v16")
    BOTH("e32, m1", "csrwi vxrm, 1\nvsmul.vv v8, v16, v24")
}

static void counts(void)
{
    BOTH("e8, m1", "viota.m v8, v16")
    BOTH("e8, m8", "viota.m v8, v16")
    BOTH("e16, m8", "viota.m v8, v16")
    BOTH("e32, m2", "viota.m v8, v16")
    BOTH("e64, m8", "viota.m v8, v16")
    BOTH("e64, m1", "viota.m v8, v16")
    BOTH("e8, mf4", "viota.m v8, v16")
    LOOP("e16, m2", "viota.m v8, v16, v0.t", 0ul)
    BOTH("e8, m2", "vlseg2e8ff.v v8, (%2)")
    BOTH("e32, m1", "vlseg3e32ff.v v8, (%2)")
    BOTH("e64, m1", "vlseg4e64ff.v v8, (%2)")
}

/* Numbers of bytes, and of whatever there is: not-a-numbers, infinities, what fits no integer. */
#define SMALL(type, half, insn)                                                                    \
    BOTH(type, "vsetvli t0, zero, " half ", ta, ma\nvand.vi v16, v16, 15\n"                       \
               "vfcvt.f.x.v v16, v16\nvsetvli t0, %3, " type ", tu, mu\n" insn)

static void conversions(void)
{
    SMALL("e32, m1", "e32, m1", "vfwcvt.x.f.v v8, v16")
    SMALL("e32, m2", "e32, m2", "vfwcvt.xu.f.v v8, v16")
    SMALL("e32, m1", "e32, m1", "vfwcvt.rtz.x.f.v v8, v16")
    SMALL("e32, m4", "e32, m4", "vfwcvt.rtz.xu.f.v v8, v16")
    SMALL("e32, m1", "e64, m2", "vfncvt.x.f.w v8, v16")
    SMALL("e32, m4", "e64, m8", "vfncvt.xu.f.w v8, v16")
    SMALL("e32, m2", "e64, m4", "vfncvt.rtz.x.f.w v8, v16")
    SMALL("e32, m1", "e64, m2", "vfncvt.rtz.xu.f.w v8, v16")
    BOTH("e32, m1", "vfwcvt.x.f.v v8, v16")
    BOTH("e32, m2", "vfwcvt.rtz.xu.f.v v8, v16")
    BOTH("e32, m1", "vfncvt.x.f.w v8, v16")
    BOTH("e32, m2", "vfncvt.rtz.xu.f.w v8, v16")
    BOTH("e16, m1", "vfwcvt.f.x.v v8, v16")
    BOTH("e16, m2", "vfwcvt.f.xu.v v8, v16")
    BOTH("e32, m1", "vfwcvt.f.x.v v8, v16")
    BOTH("e32, m4", "vfwcvt.f.xu.v v8, v16")
    BOTH("e16, mf2", "vfwcvt.f.x.v v8, v16")
    BOTH("e32, m1", "vfncvt.f.x.w v8, v16")
    BOTH("e32, m4", "vfncvt.f.xu.w v8, v16")
    BOTH("e32, m2", "csrwi frm, 1\nvfncvt.f.x.w v8, v16")
    BOTH("e32, m2", "csrwi frm, 4\nvfncvt.f.xu.w v8, v16")
    BOTH("e16, m1", "vfncvt.x.f.w v8, v16")
    BOTH("e32, m2", "vfclass.v v8, v16")
    BOTH("e64, m4", "vfclass.v v8, v16")
    WHOLE("e32, m1", "vsll.vx v16, v16, %0\nvfclass.v v8, v16")
    WHOLE("e64, m1", "vsra.vx v16, v16, %0\nvfclass.v v8, v16")
}

static void sums(void)
{
    SMALL("e32, m1", "e32, m1", "vfredosum.vs v8, v16, v16")
    SMALL("e64, m4", "e64, m4", "vfredusum.vs v8, v16, v16")
    SMALL("e32, m2", "e32, m2", "vfwredosum.vs v8, v16, v8")
    SMALL("e32, m4", "e32, m4", "vmv.v.i v8, 0\nvfwredusum.vs v8, v16, v8")
    SMALL("e32, m2", "e32, m2", "vmv.v.i v8, 0\nvfwadd.wv v8, v8, v16")
    SMALL("e32, m1", "e32, m1", "vmv.v.i v8, 0\nvfwsub.wv v8, v8, v16")
    SMALL("e32, m2", "e32, m2", "vmv.v.i v8, 0\nvfwsub.wf v8, v8, fa0")
    BOTH("e32, m1", "vfredosum.vs v8, v16, v24")
    BOTH("e32, m2", "vfwredosum.vs v8, v16, v24")
    BOTH("e32, m2", "vfwadd.wv v8, v16, v24")
    BOTH("e32, m1", "vfwsub.wv v8, v16, v24")
    WHOLE("e64, m1", "vmv.v.i v0, 0\nvfredosum.vs v8, v16, v24, v0.t")
    LOOP("e64, m2", "vfredosum.vs v8, v16, v24, v0.t", 0ul)
    LOOP("e32, m2", "vfwredosum.vs v8, v16, v24, v0.t", 0ul)
}

/* Results that are no numbers, with and without a flag. v20 is `bits` in every second element and 0
 * in the others; `all` is in every element of v16. */
#define SPECIAL(type, bits, all, insn)                                                             \
    BOTH(type, "vid.v v20\nvand.vi v20, v20, 1\nli t1, " bits "\nvmul.vx v20, v20, t1\n"           \
               "li t1, " all "\nvmv.v.x v16, t1\nfmv.d.x fa0, t1\n" insn)

#define ONE "0x3f800000"
#define INFINITE "0x7f800000"
#define QUIET "0x7fc12345"
#define SIGNALLING "0xff812345"
#define ONE_64 "0x3ff0000000000000"
#define INFINITE_64 "0x7ff0000000000000"
#define QUIET_64 "0xfff8000000012345"
#define SIGNALLING_64 "0x7ff0000000012345"

#define ARITHMETIC(type, one, infinite, quiet, signalling)                                         \
    SPECIAL(type, infinite, one, "vfsub.vv v8, v20, v20")                                          \
    SPECIAL(type, quiet, one, "vfadd.vv v8, v20, v16")                                             \
    SPECIAL(type, quiet, one, "vfrdiv.vf v8, v20, fa0")                                            \
    SPECIAL(type, signalling, one, "vfmul.vv v8, v16, v20")                                        \
    SPECIAL(type, signalling, one, "vfsqrt.v v8, v20")                                             \
    SPECIAL(type, infinite, infinite, "vfdiv.vv v8, v20, v16")                                     \
    SPECIAL(type, infinite, one, "vmseq.vi v0, v20, 0\nvfsub.vv v8, v20, v20")                     \
    SPECIAL(type, quiet, one, "vmseq.vi v0, v20, 0\nvfsqrt.v v8, v20")

/* The last three forget nothing: no product of theirs is infinity times 0. */
#define FUSED(type, one, infinite, quiet, signalling)                                              \
    SPECIAL(type, infinite, quiet, "vmv.v.v v8, v16\nvmv.v.i v24, 0\nvfmacc.vv v8, v20, v24")     \
    SPECIAL(type, infinite, quiet, "vmv.v.v v8, v16\nvmv.v.i v24, 0\nvfnmsac.vv v8, v24, v20")    \
    SPECIAL(type, infinite, quiet, "vmv.v.v v8, v20\nvmv.v.i v24, 0\nvfmadd.vv v8, v24, v16")     \
    SPECIAL(type, infinite, quiet, "vmv.v.i v8, 0\nvfnmsub.vv v8, v20, v16")                      \
    SPECIAL(type, quiet, infinite, "vmv.v.v v8, v20\nvmv.v.i v24, 0\nvfmacc.vf v8, fa0, v24")     \
    SPECIAL(type, signalling, one, "vmv.v.v v8, v16\nvfmsac.vv v8, v20, v16")                     \
    SPECIAL(type, infinite, quiet, "vmv.v.v v8, v16\nvmv.v.i v24, 0\nvmseq.vi v0, v20, 0\n"       \
                                   "vfmacc.vv v8, v20, v24")                                       \
    SPECIAL(type, quiet, one, "vmv.v.v v8, v20\nvfmacc.vv v8, v16, v16")                          \
    SPECIAL(type, quiet, infinite, "vmv.v.v v8, v20\nvfnmacc.vv v8, v16, v16")                    \
    SPECIAL(type, quiet, infinite, "vmv.v.v v8, v16\nvfmadd.vv v8, v16, v20")

/* `type`, and how results are cleared that are twice as wide. */
#define WIDENED(type, wide)                                                                        \
    SPECIAL(type, INFINITE, ONE, "vfwsub.vv v8, v20, v20")                                         \
    SPECIAL(type, QUIET, ONE, "vfwadd.vv v8, v20, v16")                                            \
    SPECIAL(type, SIGNALLING, ONE, "vfwmul.vv v8, v20, v16")                                       \
    SPECIAL(type, QUIET, ONE, "vfwcvt.f.f.v v8, v20")                                              \
    SPECIAL(type, SIGNALLING, ONE, "vfwcvt.f.f.v v8, v20")                                         \
    SPECIAL(type, INFINITE, "0",                                                                   \
            "vsetvli t0, %3, " wide ", tu, mu\nli t1, -1\nvmv.v.x v8, t1\nvsetvli t0, %3, " type   \
            ", tu, mu\nvfwmacc.vv v8, v20, v16")                                                   \
    SPECIAL(type, INFINITE, ONE,                                                                   \
            "vsetvli t0, %3, " wide ", tu, mu\nli t1, -1\nvmv.v.x v8, t1\nvsetvli t0, %3, " type   \
            ", tu, mu\nvfwnmsac.vv v8, v20, v16")

static void no_numbers(void)
{
    ARITHMETIC("e32, m1", ONE, INFINITE, QUIET, SIGNALLING)
    ARITHMETIC("e32, m4", ONE, INFINITE, QUIET, SIGNALLING)
    ARITHMETIC("e64, m1", ONE_64, INFINITE_64, QUIET_64, SIGNALLING_64)
    ARITHMETIC("e64, m2", ONE_64, INFINITE_64, QUIET_64, SIGNALLING_64)
    FUSED("e32, m1", ONE, INFINITE, QUIET, SIGNALLING)
    FUSED("e32, m2", ONE, INFINITE, QUIET, SIGNALLING)
    FUSED("e64, m4", ONE_64, INFINITE_64, QUIET_64, SIGNALLING_64)
    WIDENED("e32, m1", "e64, m2")
    WIDENED("e32, m2", "e64, m4")
    SPECIAL("e64, m2", QUIET_64, ONE_64,
            "vsetvli t0, %3, e32, m1, tu, mu\nvfncvt.f.f.w v8, v20")
    SPECIAL("e64, m4", SIGNALLING_64, ONE_64,
            "vsetvli t0, %3, e32, m2, tu, mu\nvfncvt.f.f.w v8, v20")
}

/* From memory, so that they are kept in registers between. */
static void walks(void)
{
    WALK("e64, m1", "vle64.v v8, (%0)\nvadd.vx v8, v8, %3\nvmulh.vv v9, v8, v8\n"
                    "vdivu.vv v10, v9, v8\nvrem.vv v9, v9, v10\nvse64.v v9, (%1)")
    WALK("e32, m2", "vle32.v v8, (%0)\nvmul.vv v10, v8, v8\nvsmul.vv v10, v10, v8\n"
                    "vdiv.vv v10, v10, v8\nvse32.v v10, (%1)")
    WALK("e16, m1", "vle16.v v8, (%0)\nvfwcvt.f.x.v v10, v8\nvsetvli t0, %4, e32, m2, tu, mu\n"
                    "vfadd.vv v10, v10, v10\nvfwcvt.x.f.v v12, v10\nvfncvt.f.x.w v14, v12\n"
                    "vfclass.v v16, v14\nvadd.vv v14, v14, v16\nvse32.v v14, (%1)")
    WALK("e32, m1", "vle32.v v8, (%0)\nvfadd.vv v9, v8, v8\nvfsub.vv v9, v9, v9\n"
                    "vmsgtu.vx v0, v8, %3\nvfmul.vv v9, v9, v8, v0.t\nvfsqrt.v v10, v8\n"
                    "vfmacc.vv v10, v8, v9, v0.t\nvfmadd.vv v9, v8, v10, v0.t\n"
                    "vse32.v v9, (%1)\nvse32.v v10, (%1), v0.t")
    WALK("e8, m1", "vle8.v v8, (%0)\nvmsgtu.vx v0, v8, %3\nviota.m v9, v0\nvadd.vv v8, v8, v9\n"
                   "vse8.v v8, (%1)")
    WALK("e8, m1", "vlseg3e8ff.v v8, (%0)\nvadd.vv v8, v9, v10\nvse8.v v8, (%1)")
}

void supervisor_main(void)
{
    division();
    products();
    counts();
    conversions();
    sums();
    no_numbers();
    walks();
    put_text("end\n");
}
