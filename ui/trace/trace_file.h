/* Reading trace stores (trace_format.h): sections, units, indexes. Streams are in trace_reader.h.
 * The file may be damaged or made by an enemy: nothing in it is believed. One thread, but that
 * others may look at sections and units of an open file. */
#ifndef METIC_UI_TRACE_FILE_H
#define METIC_UI_TRACE_FILE_H

#include "ui/trace/trace_format.h"

struct trace_file {
    const u8 *bytes; /* the whole file, mapped */
    size_t size;
    char path[256];
    unsigned harts;
    struct trace_section *sections; /* without those of kind TRACE_INDEX and above */
    size_t section_count, section_capacity;
    u32 *order;           /* numbers of STREAM sections, */
    u32 order_count;      /*   by when they begin */
    bool has_turns;       /* harts ran in turns, one after the other */
    struct metic_trace_unit *units;
    u32 unit_count;
    struct metic_trace_path *paths; /* believed no more than they are in the file */
    u32 path_count;
    char *meta, *symbols; /* texts, or NULL */
    const char *damage;   /* why the rest of the file is left out, or NULL */
    u64 damage_offset;
    bool cut;             /* it is no damage: the file ends there */
    void *zstd;
    struct trace_section *groups; /* INDEX sections, */
    u32 group_count, group_now;   /*   of which one is unpacked */
    u8 *group_bytes;
};

/* False with a reason when nothing can be read. What comes before damage can be. */
bool trace_file_open(struct trace_file *file, const char *path, struct metic_error *error);
/* How far a file has been looked at; zero: not at all. */
struct trace_walk {
    u64 offset, ahead;
};
/* Looks at each section that begins before `end`, but the streams that a reader can check, from
 * where the walk is; `damaged` gets what is wrong. */
void trace_file_check(struct trace_file *file, struct trace_walk *walk, u64 end,
                      void (*damaged)(void *opaque, u64 offset, const char *what), void *opaque);
void trace_file_close(struct trace_file *file);

/* For trace_decoder_init, with the file. */
bool trace_file_unit(void *file, u32 number, struct metic_trace_unit *unit);
/* A number of what the file says of its recording; `otherwise` when it does not. */
u64 trace_file_meta(const struct trace_file *file, const char *key, int base, u64 otherwise);

/* The section is wanted soon: it comes into memory meanwhile. */
void trace_file_will_read(const struct trace_file *file, const struct trace_section *section);
/* The same of many, one after the other, as long as there is room for more on their way. */
enum { TRACE_AHEAD_BYTES = 32 << 20 };
struct trace_ahead {
    u64 bytes; /* asked for and not used yet; 0 at first */
};
static inline bool trace_ahead_room(const struct trace_ahead *ahead)
{
    return ahead->bytes < TRACE_AHEAD_BYTES;
}
void trace_ahead_ask(const struct trace_file *file, struct trace_ahead *ahead,
                     const struct trace_section *section);
/* One that was asked for is used now. */
static inline void trace_ahead_use(struct trace_ahead *ahead, const struct trace_section *section)
{
    ahead->bytes -= section->index_bytes + section->packed_bytes;
}

/* The same file for another thread, which may ask its indexes; until the file is closed. */
void trace_file_view(const struct trace_file *file, struct trace_file *view);
void trace_file_view_end(struct trace_file *view);

/* --- what the indexes say (trace_index.c) --- */

/* The bytes of a section's index, until another is asked for; NULL: damaged. */
const u8 *trace_file_index(struct trace_file *file, const struct trace_section *section);

/* Addresses that are looked for: in order, apart from each other. */
struct trace_place {
    u64 first, end;
};
struct trace_places {
    const struct trace_place *list;
    size_t count;
};
/* Number of the first place that ends behind the address. */
size_t trace_places_find(const struct trace_places *places, u64 address);
/* Whether one of them has a byte of [address, address + size_bytes). */
static inline bool trace_places_have(const struct trace_places *places, u64 address, u64 size_bytes)
{
    size_t i = 0;
    if (places->count > 4) {
        i = trace_places_find(places, address);
    } else {
        while (i < places->count && places->list[i].end <= address) {
            i++;
        }
    }
    return i < places->count && (places->list[i].first <= address ||
                                 places->list[i].first - address < size_bytes);
}

/* Whether an access to one of the places may be in the section. */
enum { TRACE_READS = 1, TRACE_WRITES = 2 };
bool trace_file_may_access(struct trace_file *file, const struct trace_section *section,
                           const struct trace_places *places, unsigned how);

/* Units that are looked for, and addresses where others may run that have moved. */
struct trace_units {
    u64 first, end; /* first == end: none */
    u8 *wanted;     /* by unit */
};
/* No memory: false. Those with code in [first, end); the caller frees `wanted`. */
bool trace_file_find_code(const struct trace_file *file, u64 first, u64 end,
                          struct trace_units *units);
/* Those that write the register. */
bool trace_file_find_register(const struct trace_file *file, unsigned reg,
                              struct trace_units *units);
bool trace_file_may_run(struct trace_file *file, const struct trace_section *section,
                        const struct trace_units *units);

/* Calls `each` for the pages that the section's fills of the TLB tell of; false: the index does not
 * know them all. */
bool trace_file_fills(struct trace_file *file, const struct trace_section *section,
                      void (*each)(void *opaque, u64 gva_page, u64 gpa_page), void *opaque);

/* Calls `each` for the contexts that the section ran in; false when the index is damaged. */
bool trace_file_contexts(struct trace_file *file, const struct trace_section *section,
                         void (*each)(void *opaque, const struct trace_context *context),
                         void *opaque);
/* Adds to counts[unit] how often each unit began; false when the index is damaged. */
bool trace_file_counts(struct trace_file *file, const struct trace_section *section, u64 *counts);
/* Bit mask of the kinds of events in it; all when the index is damaged. */
u64 trace_file_kinds(struct trace_file *file, const struct trace_section *section);
/* What the section's frames sum up to, and the largest number of a unit in it; false: damaged. */
bool trace_file_checks(struct trace_file *file, const struct trace_section *section,
                       u32 checks[TRACE_FRAMES], u32 *last_unit);

#endif
