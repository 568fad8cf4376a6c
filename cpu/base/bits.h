/* Bit fields, alignment and little-endian access to guest bytes. */
#ifndef METIC_CPU_BASE_BITS_H
#define METIC_CPU_BASE_BITS_H

#include "cpu/base/types.h"
#include <string.h>

#define BIT(n) ((u64)1 << (n))

/* Bits [lo, lo+len) of value, shifted down; len 1..63. */
static inline u64 bits_get(u64 value, unsigned lo, unsigned len)
{
    return (value >> lo) & (((u64)1 << len) - 1);
}

/* Sign-extends the low `width` bits of value; width 1..64. */
static inline u64 bits_sext(u64 value, unsigned width)
{
    unsigned shift = 64 - width;
    return (u64)((s64)(value << shift) >> shift);
}

static inline u64 bits_align_down(u64 value, u64 alignment_bytes)
{
    return value & ~(alignment_bytes - 1);
}

static inline u64 bits_align_up(u64 value, u64 alignment_bytes)
{
    return (value + alignment_bytes - 1) & ~(alignment_bytes - 1);
}

static inline bool bits_is_pow2(u64 value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Also of no bytes. */
static inline bool bytes_are_all(const void *bytes, size_t size_bytes, u8 value)
{
    const u8 *first = bytes;
    return size_bytes == 0 || (*first == value && memcmp(first, first + 1, size_bytes - 1) == 0);
}

/* Guest memory is little-endian bytes; this is the one place that knows the host's order. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define METIC_LE16(x) __builtin_bswap16(x)
#define METIC_LE32(x) __builtin_bswap32(x)
#define METIC_LE64(x) __builtin_bswap64(x)
#define METIC_BE16(x) (x)
#define METIC_BE32(x) (x)
#define METIC_BE64(x) (x)
#else
#define METIC_LE16(x) (x)
#define METIC_LE32(x) (x)
#define METIC_LE64(x) (x)
#define METIC_BE16(x) __builtin_bswap16(x)
#define METIC_BE32(x) __builtin_bswap32(x)
#define METIC_BE64(x) __builtin_bswap64(x)
#endif

static inline u16 ld_le16(const void *p)
{
    u16 v;
    memcpy(&v, p, sizeof(v));
    return METIC_LE16(v);
}

static inline u32 ld_le32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof(v));
    return METIC_LE32(v);
}

static inline u64 ld_le64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof(v));
    return METIC_LE64(v);
}

static inline void st_le16(void *p, u16 v)
{
    v = METIC_LE16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void st_le32(void *p, u32 v)
{
    v = METIC_LE32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void st_le64(void *p, u64 v)
{
    v = METIC_LE64(v);
    memcpy(p, &v, sizeof(v));
}

static inline u32 ld_be32(const void *p)
{
    u32 v;
    memcpy(&v, p, sizeof(v));
    return METIC_BE32(v);
}

static inline u64 ld_be64(const void *p)
{
    u64 v;
    memcpy(&v, p, sizeof(v));
    return METIC_BE64(v);
}

static inline void st_be32(void *p, u32 v)
{
    v = METIC_BE32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void st_be64(void *p, u64 v)
{
    v = METIC_BE64(v);
    memcpy(p, &v, sizeof(v));
}

/* A little-endian value of 1, 2, 4 or 8 bytes, zero-extended. */
static inline u64 ld_le(const void *p, unsigned size_bytes)
{
    switch (size_bytes) {
    case 1: return *(const u8 *)p;
    case 2: return ld_le16(p);
    case 4: return ld_le32(p);
    default: return ld_le64(p);
    }
}

static inline void st_le(void *p, u64 v, unsigned size_bytes)
{
    switch (size_bytes) {
    case 1: *(u8 *)p = (u8)v; break;
    case 2: st_le16(p, (u16)v); break;
    case 4: st_le32(p, (u32)v); break;
    default: st_le64(p, v); break;
    }
}

#endif
