/* The user's mistakes, as values: what was wrong, where, and what to do next.
 *
 * A function that can fail for the user's reasons takes a `struct metic_error *` as its last
 * argument, fills it and returns false (or NULL). Guest faults never use this; they become guest
 * traps. metic's own mistakes are CHECKs: a CHECK may never be reachable by guest or file input. */
#ifndef METIC_CPU_BASE_ERROR_H
#define METIC_CPU_BASE_ERROR_H

#include "cpu/base/types.h"

/* Also defined in hw/metic.h, which embedders include alone. */
#ifndef METIC_ERROR_DEFINED
#define METIC_ERROR_DEFINED
struct metic_error {
    char what[512]; /* one sentence without a final newline; empty when there is no error */
    char next[256]; /* what the user can do, or empty */
};
#endif

/* Fills `error` (may be NULL, then nothing happens) and returns false, so that a failing function
 * can end in `return error_set(error, "...")`. `next` may be NULL. */
bool error_set(struct metic_error *error, const char *next, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the process with the failed expression and its place; only for metic's own mistakes. */
_Noreturn void error_check_failed(const char *expression, const char *file, int line);

/* The host gives no memory in the middle of a run, where no part could go on without it: says so
 * and ends the process with status 125. What makes things (machines, images) returns an error
 * instead. */
_Noreturn void error_no_memory(size_t size_bytes);

#define CHECK(expression)                                            \
    do {                                                             \
        if (UNLIKELY(!(expression))) {                               \
            error_check_failed(#expression, __FILE__, __LINE__);     \
        }                                                            \
    } while (0)

#endif
