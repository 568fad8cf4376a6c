/* What the kernels need of the machine that runs them. */
#ifndef METIC_TESTS_BENCH_RUN_H
#define METIC_TESTS_BENCH_RUN_H

#include <stdint.h>

uint64_t run_now_ns(void);
void run_print(const char *text);

/* Runs the kernels named in WANTED, which has commas between names; all of them if it is empty. */
void run_all(const char *wanted);

#endif
