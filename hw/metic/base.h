/* What the other parts of metic.h need: errors, and the machine's name. */
#ifndef METIC_BASE_H
#define METIC_BASE_H

/* What went wrong, in words. Functions that take one fill it when they return false or NULL; it
 * may be NULL. */
#ifndef METIC_ERROR_DEFINED
#define METIC_ERROR_DEFINED
struct metic_error {
    char what[512]; /* one sentence without a final newline; empty when there is no error */
    char next[256]; /* what the user can do, or empty */
};
#endif

typedef struct metic_machine metic_machine;

#endif
