/* Coverage: which pieces of code ran how often, and which came after which. Collected from a
 * machine that counts, kept in text files that can be merged. */
#ifndef METIC_UI_COVER_H
#define METIC_UI_COVER_H

#include "cpu/base/error.h"
#include "hw/metic.h"
#include "ui/symbols/symbols.h"

struct cover;

struct cover_block {
    u64 address, count;
    u32 bytes, insns;
};

struct cover_edge {
    u64 from, to; /* addresses of blocks */
    u64 count;
};

/* NULL with a reason. */
struct cover *cover_new(struct metic_error *error);
void cover_free(struct cover *cover);
/* Adds what the machine has counted (METIC_TRACE_EDGES). */
bool cover_take(struct cover *cover, metic_machine *machine, struct metic_error *error);
/* Sorts and sums up what was taken, before all that follows. It needs memory for a copy: end the
 * recording first, and the host has just got some back. */
bool cover_settle(struct cover *cover, struct metic_error *error);
/* With the symbols that blocks lie in. */
bool cover_write(struct cover *cover, struct symbols *symbols, const char *path,
                 struct metic_error *error);
/* Adds what is in the file, and its symbols to those. False with a reason: it is no such file, or
 * damaged. */
bool cover_read(struct cover *cover, struct symbols *symbols, const char *path,
                struct metic_error *error);
bool cover_is_empty(const struct cover *cover);
/* Whether a block begins in [first, end); asked in ascending order, once. */
bool cover_has(struct cover *cover, u64 first, u64 end);
/* Sorted by address. */
const struct cover_block *cover_blocks(struct cover *cover, size_t *count);
const struct cover_edge *cover_edges(struct cover *cover, size_t *count);
/* How often the instruction at the address ran. */
u64 cover_count(struct cover *cover, u64 address);
/* How often that one of [first, end) ran that ran most; more than once where it is a loop. */
u64 cover_most(struct cover *cover, u64 first, u64 end);

#endif
