/* The trace store: what a file written by `metic run --trace FILE` is made of.
 *
 * A file header, then sections, each with a header of its own, so that a file that was cut off
 * anywhere is good up to its last whole section. All numbers are little-endian.
 *
 *   META     text, a line each: key=value (command, image, regions, registers)
 *   UNITS    units (hw/metic.h) from number `first` on; before the first stream that names them
 *   STREAM   the words of one chunk of one hart, by columns; before it its index: pages that code
 *            ran in, pages written, how often each unit began, satp
 *   SYMBOLS  text, a line each: address size type name
 *
 * Section payloads are zstd frames with a checksum; headers carry a CRC-32 of themselves. */
#ifndef METIC_UI_TRACE_FORMAT_H
#define METIC_UI_TRACE_FORMAT_H

#include "cpu/base/bits.h"
#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/metic.h"

enum { TRACE_HEADER_BYTES = 32, TRACE_SECTION_BYTES = 72, TRACE_VERSION = 1 };
#define TRACE_MAGIC "metic-trace\n"
#define TRACE_SECTION_MAGIC 0x3153544du /* "MTS1" */

enum trace_section_kind {
    TRACE_META = 1, TRACE_UNITS, TRACE_STREAM, TRACE_SYMBOLS, TRACE_SECTION_KINDS,
};

/* In a file: magic u32, kind u32, stream u32, privilege u32, then the u64s in order, CRC u32, 0. */
struct trace_section {
    u32 kind, stream, privilege;
    u64 raw_bytes, packed_bytes, index_bytes; /* index first, then the payload */
    u64 first;        /* STREAM: instruction count at its first word; UNITS: first number */
    u64 count;        /* STREAM: words; UNITS: units */
    u64 start_ns;
    u64 satp;
    u64 offset;       /* of the index in the file; not written */
};

/* Columns of a STREAM payload, each preceded by its length (u64). */
enum trace_column {
    TRACE_HEADS,      /* u32 each: unit or event, its number */
    TRACE_PAGES,      /* units that did not run where they were translated: varints, heads since
                         the last one, page number less that of translation (zigzag) */
    TRACE_ADDRESSES,  /* varints: less the last one of the same slot (zigzag) */
    TRACE_VALUES,
    TRACE_REGISTERS,
    TRACE_EVENTS,     /* u64 each */
    TRACE_COLUMNS,
};

enum { TRACE_PREDICTIONS = 4096, TRACE_MAX_CHUNK_WORDS = 1 << 20, TRACE_UNIT_SLOTS_MAX = 1024 };

static inline unsigned trace_prediction(u32 unit, unsigned slot)
{
    return (unit * 61 + slot) % TRACE_PREDICTIONS;
}

/* The column of a slot's word. */
static inline enum trace_column trace_column_of(u8 kind)
{
    switch (kind) {
    case METIC_SLOT_LOAD_ADDRESS:
    case METIC_SLOT_STORE_ADDRESS:
    case METIC_SLOT_AMO_ADDRESS: return TRACE_ADDRESSES;
    case METIC_SLOT_REGISTER: return TRACE_REGISTERS;
    default: return TRACE_VALUES;
    }
}

static inline u64 trace_mask(unsigned size_bytes)
{
    return size_bytes >= 8 ? ~(u64)0 : ((u64)1 << 8 * size_bytes) - 1;
}

static inline u64 trace_zigzag(u64 difference)
{
    return difference << 1 ^ (u64)((s64)difference >> 63);
}

static inline u64 trace_unzigzag(u64 coded)
{
    return coded >> 1 ^ (~(coded & 1) + 1);
}

/* The page of a unit's word, with the bits above bit 47 that the word has no room for. */
static inline u64 trace_page(u64 word, u64 translated_at)
{
    u64 page = word >> 28 << 12;
    u64 known = translated_at & ~(u64)0xfff;
    if (((page ^ known) & 0xfffffffff000u) == 0) {
        return known;
    }
    return (u64)((s64)(page << 16) >> 16);
}

#endif
