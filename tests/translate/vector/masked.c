/* Loops as those of ops.c, of what is done under masks by any host: common arithmetic, comparisons,
 * choices, loads and stores. */
#include "loops.h"

/* Small whole numbers, of which those of v20 are 0 now and then. */
#define SMALL(type, wide, insn)                                                                    \
    BOTH(type, "vand.vi v20, v16, 3\nvfcvt.f.x.v v20, v20\nvand.vi v16, v16, 15\n"                 \
               "vfcvt.f.x.v v16, v16\nfcvt." wide ".w fa0, %1\n" insn)

static void integers(void)
{
    BOTH("e8, m1", "vadd.vv v8, v16, v24")
    BOTH("e8, m2", "vadd.vx v8, v16, %0")
    BOTH("e16, m1", "vadd.vv v8, v16, v24")
    BOTH("e16, m4", "vsub.vx v8, v16, %0")
    BOTH("e32, m1", "vsub.vv v8, v16, v24")
    BOTH("e32, m2", "vsub.vx v8, v16, %0")
    BOTH("e64, m1", "vand.vv v8, v16, v24")
    BOTH("e64, m4", "vand.vx v8, v16, %0")
    BOTH("e8, m8", "vand.vv v8, v16, v24")
    BOTH("e64, m8", "vor.vx v8, v16, %0")
    BOTH("e8, m1", "vor.vv v8, v16, v24")
    BOTH("e8, m2", "vor.vx v8, v16, %0")
    BOTH("e16, m1", "vxor.vv v8, v16, v24")
    BOTH("e16, m4", "vxor.vx v8, v16, %0")
    BOTH("e32, m1", "vxor.vv v8, v16, v24")
    BOTH("e32, m2", "vminu.vx v8, v16, %0")
    BOTH("e64, m1", "vminu.vv v8, v16, v24")
    BOTH("e64, m4", "vminu.vx v8, v16, %0")
    BOTH("e8, m8", "vmin.vv v8, v16, v24")
    BOTH("e64, m8", "vmin.vx v8, v16, %0")
    BOTH("e8, m1", "vmin.vv v8, v16, v24")
    BOTH("e8, m2", "vmaxu.vx v8, v16, %0")
    BOTH("e16, m1", "vmaxu.vv v8, v16, v24")
    BOTH("e16, m4", "vmaxu.vx v8, v16, %0")
    BOTH("e32, m1", "vmax.vv v8, v16, v24")
    BOTH("e32, m2", "vmax.vx v8, v16, %0")
    BOTH("e64, m1", "vmax.vv v8, v16, v24")
    BOTH("e64, m4", "vmul.vx v8, v16, %0")
    BOTH("e8, m8", "vmul.vv v8, v16, v24")
    BOTH("e64, m8", "vmul.vx v8, v16, %0")
    BOTH("e8, m1", "vmacc.vv v8, v16, v24")
    BOTH("e8, m2", "vmacc.vx v8, %0, v16")
    BOTH("e16, m1", "vmacc.vv v8, v16, v24")
    BOTH("e16, m4", "vnmsac.vx v8, %0, v16")
    BOTH("e32, m1", "vnmsac.vv v8, v16, v24")
    BOTH("e32, m2", "vnmsac.vx v8, %0, v16")
    BOTH("e64, m1", "vmadd.vv v8, v16, v24")
    BOTH("e64, m4", "vmadd.vx v8, %0, v16")
    BOTH("e8, m8", "vmadd.vv v8, v16, v24")
    BOTH("e64, m8", "vnmsub.vx v8, %0, v16")
    BOTH("e8, m1", "vnmsub.vv v8, v16, v24")
    BOTH("e8, m2", "vnmsub.vx v8, %0, v16")
    BOTH("e16, m1", "vsll.vv v8, v16, v24")
    BOTH("e16, m4", "vsll.vx v8, v16, %0")
    BOTH("e32, m1", "vsll.vv v8, v16, v24")
    BOTH("e32, m2", "vsrl.vx v8, v16, %0")
    BOTH("e64, m1", "vsrl.vv v8, v16, v24")
    BOTH("e64, m4", "vsrl.vx v8, v16, %0")
    BOTH("e8, m8", "vsra.vv v8, v16, v24")
    BOTH("e64, m8", "vsra.vx v8, v16, %0")
    BOTH("e8, m1", "vsra.vv v8, v16, v24")
    BOTH("e16, m2", "vzext.vf2 v8, v16")
    BOTH("e32, m4", "vsext.vf4 v8, v16")
    BOTH("e64, m8", "vzext.vf8 v8, v16")
    BOTH("e8, m2", "vwaddu.vv v8, v16, v24")
    BOTH("e16, m1", "vwmacc.vv v8, v16, v24")
    BOTH("e32, m2", "vwsub.wv v8, v16, v24")
    BOTH("e64, m2", "vid.v v8")
    BOTH("e8, m4", "vid.v v8")
}

/* By a vector and by a scalar in turn, in all widths. */
#define COMPARE(op)                                                                                \
    BOTH("e8, m1", op ".vv v8, v16, v24")                                                          \
    BOTH("e8, m2", op ".vx v8, v16, %0")                                                           \
    BOTH("e16, m1", op ".vv v8, v16, v24")                                                         \
    BOTH("e16, m4", op ".vx v8, v16, %0")                                                          \
    BOTH("e32, m1", op ".vv v8, v16, v24")                                                         \
    BOTH("e32, m2", op ".vx v8, v16, %0")                                                          \
    BOTH("e64, m1", op ".vv v8, v16, v24")                                                         \
    BOTH("e64, m4", op ".vx v8, v16, %0")                                                          \
    BOTH("e8, m8", op ".vv v8, v16, v24")                                                          \
    BOTH("e64, m8", op ".vx v8, v16, %0")

#define ABOVE(type)                                                                                \
    BOTH(type, "vmsgtu.vx v8, v16, %1")                                                            \
    BOTH(type, "vmsgt.vi v8, v16, 5")

/* What is compared is overwritten. */
#define COMPARE_OVER(type)                                                                         \
    BOTH(type, "vmseq.vv v16, v16, v24")                                                           \
    BOTH(type, "vmsgt.vx v24, v24, %0")

static void compares(void)
{
    COMPARE("vmseq")
    COMPARE("vmsne")
    COMPARE("vmsltu")
    COMPARE("vmslt")
    COMPARE("vmsleu")
    COMPARE("vmsle")
    ABOVE("e8, m1")
    ABOVE("e8, m2")
    ABOVE("e16, m1")
    ABOVE("e16, m4")
    ABOVE("e32, m1")
    ABOVE("e32, m2")
    ABOVE("e64, m1")
    ABOVE("e64, m4")
    ABOVE("e8, m8")
    ABOVE("e64, m8")
    COMPARE_OVER("e8, m1")
    COMPARE_OVER("e32, m2")
    COMPARE_OVER("e64, m4")
    COMPARE_OVER("e16, m8")
}

#define CHOOSE(type)                                                                               \
    WHOLE(type, "vmerge.vvm v8, v16, v24, v0")                                                     \
    WHOLE(type, "vmerge.vxm v8, v16, %0, v0")

#define MOVE(type, bits)                                                                           \
    BOTH(type, "vle" bits ".v v8, (%2)")                                                           \
    BOTH(type, "vse" bits ".v v16, (%2)")                                                          \
    BOTH(type, "vcpop.m t1, v16\nvadd.vx v8, v8, t1")

static void chooses(void)
{
    CHOOSE("e8, m1")
    CHOOSE("e8, m2")
    CHOOSE("e16, m1")
    CHOOSE("e16, m4")
    CHOOSE("e32, m1")
    CHOOSE("e32, m2")
    CHOOSE("e64, m1")
    CHOOSE("e64, m4")
    CHOOSE("e8, m8")
    CHOOSE("e64, m8")
    MOVE("e8, m1", "8")
    MOVE("e16, m2", "16")
    MOVE("e32, m2", "32")
    MOVE("e64, m4", "64")
}

#define BY_BOTH(type, wide, op)                                                                    \
    SMALL(type, wide, op ".vv v8, v16, v20")                                                       \
    SMALL(type, wide, op ".vf v8, v16, fa0")

#define ARITHMETIC(op)                                                                             \
    BY_BOTH("e32, m1", "s", op)                                                                    \
    BY_BOTH("e32, m4", "s", op)                                                                    \
    BY_BOTH("e64, m1", "d", op)                                                                    \
    BY_BOTH("e64, m4", "d", op)

/* Of small numbers, and of whatever there is. */
#define FLOATS(type, wide)                                                                         \
    SMALL(type, wide, "vfrdiv.vf v8, v16, fa0")                                                    \
    SMALL(type, wide, "vfrsub.vf v8, v16, fa0")                                                    \
    SMALL(type, wide, "vfsqrt.v v8, v16")                                                          \
    SMALL(type, wide, "vfmacc.vv v8, v16, v20")                                                    \
    SMALL(type, wide, "vfnmacc.vf v8, fa0, v16")                                                   \
    SMALL(type, wide, "vfmsac.vv v8, v16, v20")                                                    \
    SMALL(type, wide, "vfnmsub.vv v8, v16, v20")                                                   \
    SMALL(type, wide, "vfmadd.vf v8, fa0, v16")                                                    \
    SMALL(type, wide, "vmfeq.vv v8, v16, v20")                                                     \
    SMALL(type, wide, "vmfne.vf v8, v16, fa0")                                                     \
    SMALL(type, wide, "vmflt.vv v8, v16, v20")                                                     \
    SMALL(type, wide, "vmfle.vf v8, v16, fa0")                                                     \
    SMALL(type, wide, "vmfgt.vf v8, v16, fa0")                                                     \
    SMALL(type, wide, "vmfge.vf v8, v16, fa0")                                                     \
    BOTH(type, "vfadd.vv v8, v16, v20")                                                            \
    BOTH(type, "vfdiv.vv v8, v16, v20")                                                            \
    BOTH(type, "vfsqrt.v v8, v16")                                                                 \
    BOTH(type, "vfmacc.vv v8, v16, v20")                                                           \
    BOTH(type, "vmflt.vv v8, v16, v20")                                                            \
    BOTH(type, "vmfeq.vv v8, v16, v20")

static void floats(void)
{
    ARITHMETIC("vfadd")
    ARITHMETIC("vfsub")
    ARITHMETIC("vfmul")
    ARITHMETIC("vfdiv")
    FLOATS("e32, m2", "s")
    FLOATS("e64, m2", "d")
}

/* Of so many elements, which the translator knows. */
#define FIXED(count, type, insn)                                                                   \
    LOOP(type, "vsetivli t0, " count ", " type ", tu, mu\n" insn, 1000ul)                          \
    LOOP(type, "vsetivli t0, " count ", " type ", tu, mu\n" insn ", v0.t", 1000ul)

static void fixed(void)
{
    FIXED("3", "e32, m1", "vadd.vv v8, v16, v24")
    FIXED("5", "e64, m4", "vxor.vx v8, v16, %0")
    FIXED("17", "e8, m2", "vmaxu.vv v8, v16, v24")
    FIXED("7", "e16, m1", "vmseq.vi v8, v16, 3")
    FIXED("9", "e32, m4", "vle32.v v8, (%2)")
    FIXED("9", "e32, m4", "vse32.v v16, (%2)")
    FIXED("9", "e8, m1", "vle8.v v8, (%2)")
    FIXED("9", "e16, m2", "vse16.v v16, (%2)")
    FIXED("0", "e32, m2", "vadd.vv v8, v16, v24")
    FIXED("6", "e32, m2", "vfadd.vv v8, v16, v24")
    FIXED("3", "e64, m2", "vfmacc.vv v8, v16, v24")
    FIXED("3", "e64, m2", "vmflt.vv v8, v16, v24")
    FIXED("11", "e16, m2", "vcpop.m t1, v16")
}

/* Masks that the loop makes, of what it reads, and stores under them. */
static void walks(void)
{
    WALK("e32, m4", "vle32.v v8, (%0)\nvmsltu.vx v0, v8, %3\nvle32.v v12, (%1), v0.t\n"
                    "vadd.vv v12, v12, v8, v0.t\nvse32.v v12, (%1), v0.t")
    WALK("e64, m2", "vle64.v v8, (%0)\nvmsgt.vi v0, v8, 0\nvxor.vv v10, v8, v12, v0.t\n"
                    "vmerge.vim v12, v10, 5, v0\nvse64.v v12, (%1), v0.t")
    WALK("e8, m1", "vle8.v v8, (%0)\nvmsleu.vi v1, v8, 9\nvmsne.vi v2, v8, 3\n"
                   "vmandn.mm v0, v1, v2\nvmaxu.vv v8, v8, v9, v0.t\nvse8.v v8, (%1)")
    WALK("e32, m1", "vle32.v v8, (%0)\nvmslt.vx v0, v8, %3\nvmsle.vx v0, v8, %4, v0.t\n"
                    "vfirst.m t1, v0, v0.t\nvadd.vx v8, v8, t1\nvse32.v v8, (%1)")
}

void supervisor_main(void)
{
    integers();
    compares();
    chooses();
    floats();
    fixed();
    walks();
    put_text("end\n");
}
