/* The trace store: what a file written by `metic run --trace FILE` is made of.
 *
 * A file header (magic, version u32, harts u32, where the last INDEX or DIRECTORY so far is u64,
 * CRC-32 of all that), then sections, each with a header of its own, so that a file that was cut
 * off anywhere is good up to its last whole section. All numbers are little-endian.
 *
 *   META     text, a line each: key=value (command, image, regions, registers)
 *   UNITS    units (hw/metic.h) from number `first` on; before the first stream that names them
 *   STREAM   the words of one chunk of one hart, by columns; before it its
 *            index: what kinds of events, lines of memory written and read, how often each unit
 *            began, where units ran that had moved
 *   SYMBOLS  text, a line each: address size name
 *   PATHS    units that run one after the other, from number `first` on, and how their slots follow
 *            from fewer words: what code computes from these is computed again; before the first
 *            stream that names them
 *   INDEX    the headers and indexes of the sections since the INDEX before it; that one, or a
 *            DIRECTORY that has it, is at `first`
 *   DIRECTORY  places and headers of the INDEXes since the DIRECTORY at `first`; once more at the
 *            end, of all of them
 *   UNITS_AGAIN, PATHS_AGAIN  all of them, one behind the other, at the end
 *   END      the last bytes of a file that was finished: the DIRECTORY of all is at `first`,
 *            UNITS_AGAIN at `count`
 *
 * So a file is opened without looking at its streams, and a question reads those columns of those
 * sections that may have the answer. One that was cut off is opened by what its header says, and
 * walked from there; from its start when it was cut off further.
 *
 * Payloads are zstd frames. Headers carry a CRC-32 of themselves and the sum (trace_sum) of what
 * follows, as it is in the file, so that nothing has to be unpacked to be checked; of a stream's
 * payload that is its table alone, and each of its frames has a sum in the index. */
#ifndef METIC_UI_TRACE_FORMAT_H
#define METIC_UI_TRACE_FORMAT_H

#include "cpu/base/bits.h"
#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/metic.h"

enum { TRACE_HEADER_BYTES = 32, TRACE_SECTION_BYTES = 72, TRACE_VERSION = 7,
       TRACE_VERSION_READ = 6, /* from that one on: it had fewer operations of nodes */
       TRACE_LAST_AT = 20, /* in the file header */
       TRACE_LISTED_BYTES = 8 + TRACE_SECTION_BYTES /* of a DIRECTORY: offset, header */ };
#define TRACE_MAGIC "metic-trace\n"
#define TRACE_SECTION_MAGIC 0x3153544du /* "MTS1" */

enum trace_section_kind {
    TRACE_META = 1, TRACE_UNITS, TRACE_STREAM, TRACE_SYMBOLS, TRACE_PATHS, TRACE_INDEX,
    TRACE_DIRECTORY, TRACE_UNITS_AGAIN, TRACE_PATHS_AGAIN, TRACE_END, TRACE_SECTION_KINDS,
};

/* In a file: magic u32, kind u32, stream u16, start_ns - turn_ns u16, privilege u32, then the u64s
 * in order but turn_ns, check u32, CRC of all these u32. */
struct trace_section {
    u32 kind, stream, privilege;
    u32 check;        /* trace_section_check; 0: not told */
    u64 raw_bytes, packed_bytes, index_bytes; /* index first, then the payload */
    u64 first;        /* STREAM: instruction count at its first word; UNITS: first number */
    u64 count;        /* STREAM: words, of units; of all others what they hold */
    u64 start_ns;
    u64 turn_ns;      /* start_ns, or when the turn began that it is in */
    /* not written: */
    u64 offset;       /* of the index in the file */
    u64 satp;         /* from the index */
    u32 before, behind; /* numbers of the same stream's neighbours; TRACE_NONE */
    u32 group, group_at; /* where an INDEX has its index; TRACE_NONE: only the section itself */
};
#define TRACE_NONE (~(u32)0)

/* So many instructions of a section ran at that privilege (~0: not known), in that address space
 * and Linux's task (0: not known). Of units that were left early all count. */
struct trace_context {
    u64 satp, task, insns;
    char name[16]; /* not always with a NUL */
    u32 privilege;
};

/* The index of a STREAM: satp u64; bit mask of enum metic_trace_event u64; the sum of each packed
 * frame u32 (0: not told); then lines written, lines read, units, lines that units ran at elsewhere
 * than they were translated. Lines are LINE_BYTES of memory: number of pages (~0: any line) as a
 * varint, for each the difference to the last page, and a bit mask of its lines u64. Units: their
 * number, for each the difference to the last one, and how often it began. Behind them the pages
 * that fills of the TLB told of: number (~0: any) as a varint, for each the difference to the last
 * virtual page, and to the last physical one (zigzag). At last contexts: number as a varint, for
 * each privilege + 1, differences of satp and of the task's address to the last one's (zigzag), and
 * instructions << 1 | 1 when the 16 bytes of a name follow, which are otherwise the last one's.
 *
 * An INDEX has for each section its offset u64, the header, the index. */
enum {
    TRACE_SATP_AT = 0, TRACE_KINDS_AT = 8, TRACE_CHECKS_AT = 16, TRACE_LISTS_AT = 28,
    TRACE_LINE_SHIFT = 6,
};

/* Columns of a STREAM payload. They are in frames, by what is asked for together. It begins with
 * the sizes of columns, raw, and of frames, packed; u32 each.
 *
 * A head is a unit, an event or METIC_TRACE_PATH and the number of a path in PATHS; before one that
 * ended early METIC_TRACE_LEFT and after how many instructions. Then only words are there that the
 * parts that ran need. The words of an item (trace_item.h) in ADDRESSES are the bytes, as many as
 * it needs, of each one's difference to the same word of the last such item in the section
 * (zigzag); ADDRESS_LENGTHS has how many these are, in four bits each, from a new byte on for each
 * item. The same in VALUES and VALUE_LENGTHS. So items that nobody asks for are passed over by
 * adding up lengths that stand next to each other. */
enum trace_column {
    TRACE_HEADS,      /* u32 each */
    TRACE_PAGES,      /* items that did not run where they were translated: varints, heads of items
                         since the last one, page number less that of translation (zigzag) */
    TRACE_EVENTS,     /* u64 each */
    TRACE_ADDRESS_LENGTHS,
    TRACE_VALUE_LENGTHS,
    TRACE_ADDRESSES,
    TRACE_VALUES,
    TRACE_COLUMNS,
};
enum { TRACE_FRAMES = 3, TRACE_TABLE_BYTES = 4 * (TRACE_COLUMNS + TRACE_FRAMES) };

static inline unsigned trace_frame_of(enum trace_column column)
{
    return column == TRACE_VALUES ? 2 : column >= TRACE_ADDRESS_LENGTHS ? 1 : 0;
}

/* The lines of its page that [address, address + size_bytes) has; the rest of it is in the next. */
static inline u64 trace_lines(u64 address, u64 size_bytes)
{
    unsigned first = (unsigned)(address & 4095) >> TRACE_LINE_SHIFT;
    u64 last = (address & 4095) + size_bytes - 1;
    unsigned end = last < 4096 ? (unsigned)last >> TRACE_LINE_SHIFT : 63;
    return ~(u64)0 << first & ~(u64)0 >> (63 - end);
}

enum { TRACE_MAX_CHUNK_WORDS = 1 << 20, TRACE_UNIT_SLOTS_MAX = 1024, TRACE_PATH_PARTS_MAX = 1024,
       TRACE_PATH_NODES_MAX = 1024 };

/* The column of a slot's word. */
static inline enum trace_column trace_column_of(u8 kind)
{
    switch (kind) {
    case METIC_SLOT_LOAD_ADDRESS:
    case METIC_SLOT_STORE_ADDRESS:
    case METIC_SLOT_AMO_ADDRESS: return TRACE_ADDRESSES;
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

/* A sum that tells damage, not forgery, and costs little more than to read the bytes; never 0. */
u32 trace_sum(const u8 *bytes, u64 size_bytes);
/* Of a section's index and what is behind it, of a STREAM the table alone; never 0. */
u32 trace_section_check(const struct trace_section *section, const u8 *index);

#endif
