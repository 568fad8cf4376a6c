/* The rigs of tests that compare a trace with its interpreted run: `rig`, whose IR becomes host
 * code, and `spare`, whose hart keeps the state that both runs begin with. The two functions are
 * for a TestSuite()'s .init and .fini. */
#ifndef METIC_TESTS_SUPPORT_RIG_PAIR_H
#define METIC_TESTS_SUPPORT_RIG_PAIR_H

#include "tests/support/host_rig.h"

static struct rig *rig, *spare;

static void rig_pair_setup(void)
{
    if (host_find() == NULL) {
        cr_skip_test("no backend for this host");
    }
    rig = rig_new(HOST_FEATURE_ALL);
    spare = rig_new(HOST_FEATURE_ALL);
}

static void rig_pair_teardown(void)
{
    rig_free(rig);
    rig_free(spare);
}

/* Reads guest register n of `rig`. */
static inline ir_ref x(unsigned n)
{
    return ir_get(rig->ir, IR_I64, RIG_X(n), 8);
}

#endif
