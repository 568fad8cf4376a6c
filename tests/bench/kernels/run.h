/* What the kernels and primitives need of the machine that runs them, and how they report. */
#ifndef METIC_TESTS_BENCH_RUN_H
#define METIC_TESTS_BENCH_RUN_H

#include <stdint.h>

uint64_t run_now_ns(void);
void run_print(const char *text);

/* Prints a line of five words: KIND, NAME, CLASS, the number in decimal, the result in hex. */
void run_line(const char *kind, const char *name, const char *class, uint64_t number,
              uint64_t result);

/* Whether the list WANTED, with commas between its names, has NAME; an empty list has all. */
int run_is_wanted(const char *wanted, const char *name);

/* The program: runs what WANTED names. */
void run_all(const char *wanted);

#endif
