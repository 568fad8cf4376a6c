/* Taking numbers from untrusted bytes: nothing is read beyond their end. */
#ifndef METIC_UI_TRACE_BYTES_H
#define METIC_UI_TRACE_BYTES_H

#include "cpu/base/bits.h"
#include "cpu/base/types.h"

/* What is left to read. */
struct reader {
    const u8 *at, *end;
    bool bad; /* read beyond the end, or something that cannot be */
};

static inline u64 get_varint(struct reader *r)
{
    u64 value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (UNLIKELY(r->at == r->end)) {
            r->bad = true;
            return 0;
        }
        u8 byte = *r->at++;
        value |= (u64)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return value;
        }
    }
    r->bad = true;
    return 0;
}

static inline const u8 *get_bytes(struct reader *r, u64 count)
{
    if (count > (u64)(r->end - r->at)) {
        r->bad = true;
        return NULL;
    }
    const u8 *at = r->at;
    r->at += count;
    return at;
}

static inline u64 get_u64(struct reader *r)
{
    const u8 *at = get_bytes(r, 8);
    return at != NULL ? ld_le64(at) : 0;
}

#endif
