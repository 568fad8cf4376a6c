/* Coverage: which pieces of code ran how often, and which came after which. Collected from units of
 * a recording, kept in text files that can be merged. */
#ifndef METIC_UI_COVER_H
#define METIC_UI_COVER_H

#include "ui/trace_decode.h"

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
/* Whose units are told to cover_unit. */
void cover_set_units(struct cover *cover, struct trace_decoder *decoder);
/* struct trace_callbacks's member. */
void cover_unit(void *opaque, unsigned stream, u32 unit, u64 pc, unsigned retired);
bool cover_write(struct cover *cover, const char *path, struct metic_error *error);
/* Adds what is in the file. False with a reason: it is no such file, or damaged. */
bool cover_read(struct cover *cover, const char *path, struct metic_error *error);
/* Sorted by address. */
const struct cover_block *cover_blocks(struct cover *cover, size_t *count);
const struct cover_edge *cover_edges(struct cover *cover, size_t *count);
/* How often the instruction at the address ran. */
u64 cover_count(struct cover *cover, u64 address);

#endif
