/* For tests of traces whose rounds become vectors (to_x86_64/lanes.c): random programs, most of
 * which have to compile and some to have vectors. */
#ifndef METIC_TESTS_SUPPORT_RIG_LANES_H
#define METIC_TESTS_SUPPORT_RIG_LANES_H

#include "tests/support/rig_pair.h"
#include "tests/support/rig_random.h"

/* For a TestSuite()'s .init. */
static void rig_lanes_setup(void)
{
    rig_pair_setup();
    if (!(rig->context.features & HOST_FEATURE_AVX2)) {
        cr_skip_test("this host has no AVX2");
    }
}

/* Whether the code that `rig` made last, at `code`, has vectors: these end by vzeroupper. */
static inline bool rig_lanes_has_vectors(const u8 *code)
{
    const u8 *bytes = rig->write + (code - rig->exec);
    for (size_t n = 0; n + 3 <= rig->result.code_bytes; n++) {
        if (bytes[n] == 0xc5 && bytes[n + 1] == 0xf8 && bytes[n + 2] == 0x77) {
            return true;
        }
    }
    return false;
}

/* make() makes a program by pick() and compiles it, NULL: it is too complex; check() runs it. */
static inline void rig_lanes_run(unsigned programs, const u8 *(*make)(u32 flags),
                                 void (*check)(const u8 *code))
{
    unsigned wide = 0, compiled = 0;
    for (unsigned n = 0; n < programs; n++) {
        seed = 0x9e3779b97f4a7c15u * (n + 1);
        if (n % 64 == 0) {
            rig_free(rig);
            rig = rig_new(HOST_FEATURE_ALL);
        }
        const u8 *code = make(HOST_TRACE | HOST_STEADY | HOST_LONG | HOST_DYN_ROUNDING |
                              (n % 4 != 0 ? (u32)HOST_ONE_HART : 0));
        if (code == NULL) {
            continue;
        }
        compiled++;
        wide += rig_lanes_has_vectors(code);
        check(code);
    }
    cr_assert_gt(compiled, programs * 9 / 10);
    cr_assert_gt(wide, programs / 8, "only %u of %u have vectors", wide, compiled);
}

#endif
