/* See probe_ways.h. */
#include "translate/probe/probe_ways.h"

#include "cpu/base/zeros.h"

#include <string.h>

enum { PATH_WORDS = 1 << 26, BUCKETS = 1 << 17 }; /* virtual memory */

static const size_t words_bytes = PATH_WORDS * sizeof(u64), buckets_bytes = BUCKETS * sizeof(u32);
static const size_t path_of_bytes = PROBE_MAX_INDIRECTS * sizeof(u32);
_Static_assert((int)PATH_WORDS <= (int)PROBE_CUT, "a path's number is below that bit");
_Static_assert(sizeof(struct probe_counted) == 8 * PROBE_FIRST_PATH, "number 0 can be looked at");

bool probe_paths_init(struct probe_paths *paths)
{
    paths->buckets = zeros_new_dense(buckets_bytes + words_bytes); /* both in the first huge page */
    paths->words = (void *)((u8 *)paths->buckets + buckets_bytes);
    paths->path_of = zeros_new(path_of_bytes);
    paths->directs = paths->indirects = 1; /* nothing has number 0 */
    paths->used = PROBE_FIRST_PATH;
    return paths->buckets != NULL && paths->path_of != NULL;
}

void probe_paths_fini(struct probe_paths *paths)
{
    zeros_free(paths->buckets, buckets_bytes + words_bytes);
    zeros_free(paths->path_of, path_of_bytes);
}

/* Paths near each other have their buckets near each other: they are made in about that order. */
static u32 hash(gva_t gva)
{
    u64 page = (gva >> PAGE_BITS) * 0x9e3779b97f4a7c15u;
    return ((u32)(page >> 32) + (u32)(gva & PAGE_OFFSET_MASK) / 16) % BUCKETS;
}

static u32 words_of(const struct probe_described *path)
{
    return probe_words_of(path->part_count, path->way_count, path->insn_count);
}

static bool is_path(const struct probe_counted *made, const struct probe_described *path)
{
    return made->gva == path->gva && made->insn_count == path->insn_count &&
           made->part_count == path->part_count && made->way_count == path->way_count &&
           memcmp(made->words, path->words, words_of(path) * sizeof(u64)) == 0;
}

void probe_paths_expect(const struct probe_paths *paths, gva_t gva)
{
    __builtin_prefetch(&paths->buckets[hash(gva)]);
}

void probe_paths_expect_more(const struct probe_paths *paths, gva_t gva)
{
    __builtin_prefetch(probe_counted_at(paths, paths->buckets[hash(gva)]));
}

/* Counters for the ways of the path that gets that number. False: there are no more. */
static bool take_counters(struct probe_paths *paths, const struct probe_described *path,
                          u32 number, struct probe_counted *made)
{
    const u64 *ways = path->words + path->part_count;
    u32 indirects = 0, directs = 0;
    for (unsigned n = 0; n < path->way_count; n++) {
        u32 numbers = probe_way_numbers(ways[n]);
        directs += numbers == 0;
        indirects += numbers;
    }
    if (directs > PROBE_MAX_DIRECTS - paths->directs ||
        indirects > PROBE_MAX_INDIRECTS - paths->indirects) {
        return false;
    }
    made->counter = paths->directs;
    made->indirect = paths->indirects;
    paths->directs += directs;
    for (unsigned n = 0; n < path->way_count && indirects != 0; n++) {
        if (probe_way_indirect(ways[n])) {
            paths->path_of[paths->indirects] = number;
            paths->indirects += probe_way_numbers(ways[n]);
        }
    }
    return true;
}

u32 probe_paths_number(struct probe_paths *paths, const struct probe_described *path)
{
    u32 *bucket = &paths->buckets[hash(path->gva)];
    for (u32 n = *bucket; n != 0; n = probe_counted_at(paths, n)->next) {
        if (is_path(probe_counted_at(paths, n), path)) {
            return n;
        }
    }
    struct probe_counted head = {
        .gva = path->gva, .next = *bucket, .insn_count = (u16)path->insn_count,
        .part_count = (u8)path->part_count, .way_count = (u8)path->way_count,
    };
    u32 number = paths->used, words = probe_counted_words(&head);
    if (words > PATH_WORDS - number || !take_counters(paths, path, number, &head)) {
        return 0;
    }
    struct probe_counted *made = probe_counted_at(paths, number);
    *made = head;
    memcpy(made->words, path->words, words_of(path) * sizeof(u64));
    paths->used += words;
    *bucket = number;
    return number;
}

u32 probe_paths_add(struct probe_paths *paths, const struct probe_ways *path)
{
    u64 words[ARRAY_LEN(path->parts) + ARRAY_LEN(path->ways) + ARRAY_LEN(path->wide)];
    const struct probe_described described = {
        path->gva, path->insn_count, path->part_count, path->way_count, words,
    };
    size_t parts = path->part_count, ways = path->way_count;
    if (path->far) {
        return 0;
    }
    memcpy(words, path->parts, parts * sizeof(u64));
    memcpy(words + parts, path->ways, ways * sizeof(u64));
    memcpy(words + parts + ways, path->wide, (path->insn_count + 63u) / 64 * sizeof(u64));
    return probe_paths_number(paths, &described);
}

gva_t probe_way_pc(const struct probe_counted *path, u64 way)
{
    unsigned part = 0, first = 0, insn = probe_number(way) - 1;
    while (insn - first >= probe_number(path->words[part])) {
        first += probe_number(path->words[part++]);
    }
    return probe_part_gva(path, part) + probe_counted_bytes(path, first, insn - first);
}

u64 probe_indirect_way(const struct probe_counted *path, u32 number)
{
    const u64 *way = path->words + path->part_count;
    for (u32 n = path->indirect; n < number || !probe_way_indirect(*way); way++) {
        n += probe_way_numbers(*way);
    }
    return *way;
}

unsigned probe_counted_bytes(const struct probe_counted *path, unsigned first, unsigned insns)
{
    const u64 *wide = path->words + path->part_count + path->way_count;
    unsigned halfwords = insns, end = first + insns;
    for (unsigned n = first; n < end;) {
        unsigned left = 64 - n % 64, count = left < end - n ? left : end - n;
        halfwords += (unsigned)__builtin_popcountll(wide[n / 64] >> n % 64 << (64 - count));
        n += count;
    }
    return 2 * halfwords;
}
