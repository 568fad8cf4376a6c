/* Fixed-width names used throughout, and the address types. Guest values are always
 * fixed-width; host sizes are size_t. */
#ifndef METIC_CPU_BASE_TYPES_H
#define METIC_CPU_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned __int128 u128;
typedef __int128 s128;

/* Guest virtual and guest physical addresses. A host address is a plain pointer. */
typedef u64 gva_t;
typedef u64 gpa_t;

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* For code on a hot path that a compiler's own judgement leaves a call. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
/* For the rare rest of such code: inlined it would make the whole save registers first. */
#define NOINLINE __attribute__((noinline))

/* The guest page that the soft-MMU and the code-page marks work in. */
enum { PAGE_BITS = 12 };
#define PAGE_BYTES ((u64)1 << PAGE_BITS)
#define PAGE_OFFSET_MASK (PAGE_BYTES - 1)
#define PAGE_MASK (~PAGE_OFFSET_MASK)

#endif
