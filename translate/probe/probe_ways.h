/* Paths that count (PROBE_EDGES): what they are made of, and their counters. A boot has more than
 * sixty thousand, most of which run a few times, so they are one run of words each, without
 * units. */
#ifndef METIC_TRANSLATE_PROBE_WAYS_H
#define METIC_TRANSLATE_PROBE_WAYS_H

#include "cpu/base/bits.h"
#include "translate/probe/probe.h"

enum {
    PROBE_MAX_PARTS = 128,  /* of a path */
    PROBE_MAX_WAYS = 160,
    PROBE_PART_INSNS = 255, /* of a part */
    PROBE_FIRST_PATH = 4,   /* its number: nobody has a lower one */
};

/* A path as it is described, from its start on: straight pieces of code (parts), which instructions
 * are of four bytes, and the ways out, which have numbers in that order. */
struct probe_ways {
    gva_t gva;
    unsigned insn_count, part_count, way_count;
    bool far; /* something does not fit: there is no such path */
    u64 parts[PROBE_MAX_PARTS], ways[PROBE_MAX_WAYS];
    u64 wide[PROBE_MAX_PARTS * PROBE_PART_INSNS / 64 + 1];
};

/* The same, kept. */
struct probe_counted {
    gva_t gva;
    u32 next;     /* in its hash bucket */
    u32 counter;  /* number among all of its first direct way: see probe_count_of() */
    u32 indirect; /* of its first indirect way: see probe_places_of() */
    u32 taken;    /* probe_coverage's */
    u16 insn_count;
    u8 part_count, way_count;
    u64 words[];  /* parts, ways, wide */
};

static inline u64 probe_far_word(s64 distance, unsigned number)
{
    return (u64)distance << 16 | number;
}

/* Where a part begins or a way leads, from the path's start; how many instructions a part has, or
 * after how many of the path a way leaves. */
static inline s64 probe_distance(u64 word)
{
    return (s64)word >> 16;
}

static inline unsigned probe_number(u64 word)
{
    return word & 0xffff;
}

/* PROBE_INDIRECT, and how many places more than others a wide one has. */
static inline bool probe_way_indirect(u64 way)
{
    return probe_distance(way) <= PROBE_INDIRECT + PROBE_WIDE_PLACES;
}

static inline unsigned probe_way_places(u64 way)
{
    return probe_way_indirect(way)
               ? PROBE_PLACES + (unsigned)(probe_distance(way) - PROBE_INDIRECT) : 0;
}

/* How many numbers of indirect ways it has: they are numbers of pairs of places. */
static inline u32 probe_way_numbers(u64 way)
{
    return (probe_way_places(way) + PROBE_PLACES - 1) / PROBE_PLACES;
}

static inline void probe_ways_begin(struct probe_ways *path, gva_t gva)
{
    path->gva = gva;
    path->insn_count = path->part_count = path->way_count = 0;
    path->far = false;
}

/* Instructions from now on are of a part that begins there; fewer than PROBE_MAX_PARTS so far. */
static inline void probe_ways_part(struct probe_ways *path, gva_t gva)
{
    u64 part = probe_far_word((s64)(gva - path->gva), 0);
    path->far |= probe_distance(part) != (s64)(gva - path->gva);
    path->parts[path->part_count++] = part;
}

static inline void probe_ways_insn(struct probe_ways *path, unsigned length_bytes)
{
    unsigned n = path->insn_count++;
    path->wide[n / 64] = (n % 64 == 0 ? 0 : path->wide[n / 64]) |
                         (u64)(length_bytes == 4) << n % 64;
    path->parts[path->part_count - 1]++;
}

/* Behind so many instructions of the path, to `target`; fewer than PROBE_MAX_WAYS so far. */
static inline void probe_ways_way(struct probe_ways *path, unsigned after_insns, gva_t target)
{
    u64 way = probe_far_word((s64)(target - path->gva), after_insns);
    path->far |= probe_distance(way) != (s64)(target - path->gva) || probe_way_indirect(way);
    path->ways[path->way_count++] = way;
}

static inline void probe_ways_indirect(struct probe_ways *path, unsigned after_insns,
                                       unsigned places)
{
    path->ways[path->way_count++] =
        probe_far_word(PROBE_INDIRECT + places - PROBE_PLACES, after_insns);
}

/* One that may have no number yet; words as in probe_counted. */
struct probe_described {
    gva_t gva;
    unsigned insn_count, part_count, way_count;
    const u64 *words;
};

/* What probe_counted numbers lie in; all zeros at first. */
struct probe_paths {
    u64 *words;    /* a path's number is its place in it */
    u32 *buckets;
    u32 *path_of;  /* of an indirect way: by its number, of a wide one's the first */
    u32 used, directs, indirects; /* words, counters, indirect ways taken */
};

/* False: no memory. */
bool probe_paths_init(struct probe_paths *paths);
void probe_paths_fini(struct probe_paths *paths);
/* A path from there on will be added soon: its bucket, and then what is in it, is in the host's
 * cache. The engine's lock is held. */
void probe_paths_expect(const struct probe_paths *paths, gva_t gva);
void probe_paths_expect_more(const struct probe_paths *paths, gva_t gva);
/* The engine's lock is held. The number of such a path; 0: there is no room. */
u32 probe_paths_add(struct probe_paths *paths, const struct probe_ways *path);
/* The same of one that is described already. */
u32 probe_paths_number(struct probe_paths *paths, const struct probe_described *path);
/* Where the instruction is that leaves by that way of the path. */
gva_t probe_way_pc(const struct probe_counted *path, u64 way);
/* The way of the path that is the indirect one of that number. */
u64 probe_indirect_way(const struct probe_counted *path, u32 number);
/* How many bytes that many instructions take, from that one of the path on. */
unsigned probe_counted_bytes(const struct probe_counted *path, unsigned first, unsigned insns);

static inline struct probe_counted *probe_counted_at(const struct probe_paths *paths, u32 number)
{
    return (struct probe_counted *)(void *)(paths->words + number);
}

static inline gva_t probe_part_gva(const struct probe_counted *path, unsigned part)
{
    return path->gva + (u64)probe_distance(path->words[part]);
}

/* How many words[] it has. */
static inline u32 probe_words_of(unsigned parts, unsigned ways, unsigned insns)
{
    return parts + ways + (insns + 63u) / 64;
}

static inline u32 probe_counted_words(const struct probe_counted *path)
{
    return (u32)(sizeof(*path) / sizeof(u64)) +
           probe_words_of(path->part_count, path->way_count, path->insn_count);
}

#endif
