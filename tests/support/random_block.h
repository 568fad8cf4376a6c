/* Random numbers that find mistakes, and random blocks of IR over all its operations: equal from
 * equal seeds. One thread. */
#ifndef METIC_TESTS_SUPPORT_RANDOM_BLOCK_H
#define METIC_TESTS_SUPPORT_RANDOM_BLOCK_H

#include "tests/support/host_rig.h"

void rnd_seed(u64 seed);
u64 rnd(void);
unsigned below(unsigned n); /* n > 0 */

/* Often small, all ones, near a border of a width. */
u64 random_int(void);
/* The bits of numbers; often special ones, and where conversions overflow. */
u64 random_f64(void);
u32 random_f32(void);

/* Register x30 is to point to a table somewhere. */
enum { RANDOM_BLOCK_TABLE = 30 };

/* Makes a block in rig->ir; fails the test when it is not well-formed. With `host_rounding` it sets
 * no rounding mode that the host lacks. */
void random_block(struct rig *rig, bool host_rounding);

#endif
