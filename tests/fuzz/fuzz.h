/* A small coverage-guided fuzzer: fuzz.c is the driver, each fuzz_<target>.c a target. Targets
 * are built with -fsanitize-coverage=trace-pc, the driver without; long_fuzz.sh builds and runs
 * them. */
#ifndef METIC_TESTS_FUZZ_FUZZ_H
#define METIC_TESTS_FUZZ_FUZZ_H

#include "cpu/base/bits.h"
#include "cpu/base/types.h"

enum { FUZZ_MAX_BYTES = 8192 };

/* The target. Runs one input; whatever it is, nothing may crash, hang or read past its end (the
 * block is exactly as long). */
void fuzz_one(const u8 *bytes, size_t size_bytes);

/* The target. Adds the inputs to begin with. */
void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes));

#endif
