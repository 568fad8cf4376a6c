/* The code buffer: host memory for translated code, mapped twice, so that no page is ever writable
 * and executable through one mapping (W^X). All harts of a machine share one.
 *
 * It has two parts: at the start what runs, behind it what runs seldom ("cold"), so that the
 * latter takes no room in the host's caches. Allocation is a bump pointer in each, under the
 * engine's lock; everything is given back at once, in an exclusive section (engine.h). */
#ifndef METIC_TRANSLATE_CODEBUF_H
#define METIC_TRANSLATE_CODEBUF_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

struct codebuf {
    u8 *write;          /* writable view */
    const u8 *exec;     /* executable view of the same bytes */
    size_t size_bytes;
    size_t cold_start;  /* where the cold part begins */
    size_t used_bytes;  /* from the start; */
    size_t cold_end;    /* of what is used of the cold part */
    size_t keep_bytes;  /* the host's common thunks at the start survive codebuf_clear */
    size_t asked_bytes, cold_asked_bytes; /* of each part, that the host was asked for */
};

bool codebuf_init(struct codebuf *buffer, size_t size_bytes, struct metic_error *error);
void codebuf_fini(struct codebuf *buffer);

static inline size_t codebuf_room(const struct codebuf *buffer)
{
    return buffer->cold_start - buffer->used_bytes;
}

static inline size_t codebuf_cold_room(const struct codebuf *buffer)
{
    return buffer->size_bytes - buffer->cold_end;
}

static inline bool codebuf_is_empty(const struct codebuf *buffer)
{
    return buffer->used_bytes == buffer->keep_bytes && buffer->cold_end == buffer->cold_start;
}

/* Has the host give memory for what is written next, in both parts and through both mappings. */
void codebuf_ahead(struct codebuf *buffer);

/* Takes size_bytes that were just written at write + used_bytes and cold_bytes at write + cold_end;
 * keeps the next start aligned. */
void codebuf_commit(struct codebuf *buffer, size_t size_bytes, size_t cold_bytes);

/* Everything committed so far belongs to the thunks. */
void codebuf_keep(struct codebuf *buffer);
void codebuf_clear(struct codebuf *buffer);
void codebuf_clear_all(struct codebuf *buffer); /* what was kept, too */

/* The writable alias of an address in the executable view. */
static inline u8 *codebuf_write_alias(const struct codebuf *buffer, const void *exec)
{
    return buffer->write + ((const u8 *)exec - buffer->exec);
}

#endif
