/* Pieces of code that tier 0 has run, as they are told of while nothing but blocks or ways is: what
 * they were, in one run of words, of which units and paths are made later (probe_piece.h). Most run
 * once or twice, between other code: looking for their units then waits for memory, and a ring
 * forgets most of them. */
#include "translate/probe/probe_piece.h"

#include <string.h>

/* Behind the head: */
enum {
    WORD_GVA = 1,
    WORD_GPA,    /* and FIXED */
    WORD_COUNTS, /* mode, done << 32, units << 40, ways << 48, way << 56 */
    WORD_TARGET,
    WORD_BYTES,  /* of each unit instructions and halfwords; each way; the code */
};
static const u64 FIXED = (u64)1 << 63;

/* A way as it stands there. */
enum { WAY_TARGET = 0, WAY_AFTER = 4, WAY_BYTES = 5 };

static unsigned words_of(const struct probe_direct *direct)
{
    size_t bytes = 2 * direct->unit_count + WAY_BYTES * direct->way_count + direct->bytes;
    return WORD_BYTES + (unsigned)(bytes + 7) / 8;
}

_Static_assert(WORD_BYTES + (2 + WAY_BYTES + 4) * (PROBE_DIRECT_INSNS + 1) / 8 + 1 <= 255,
               "the head has eight bits for it");
_Static_assert(PROBE_DIRECT_INSNS < 255, "numbers of instructions and ways are bytes");

static void write_piece(u64 *words, unsigned count, const struct probe_direct *direct,
                        unsigned done, unsigned way, gva_t target)
{
    words[0] = (u64)PROBE_EVENT_BASE | PROBE_PIECE << 8 | (count - 1);
    words[WORD_GVA] = direct->gva;
    words[WORD_GPA] = direct->gpa | (direct->fixed ? FIXED : 0);
    words[WORD_COUNTS] = direct->vcpu->mode | (u64)done << 32 | (u64)direct->unit_count << 40 |
                         (u64)direct->way_count << 48 | (u64)way << 56;
    words[WORD_TARGET] = target;
    u8 *to = (u8 *)(words + WORD_BYTES);
    for (unsigned n = 0; n < direct->unit_count; n++) {
        *to++ = direct->later_units[n].insns;
        *to++ = direct->later_units[n].halfwords;
    }
    for (unsigned n = 0; n < direct->way_count; n++) {
        s64 leads = direct->ways[n].target;
        st_le32(to + WAY_TARGET, leads == PROBE_INDIRECT ? (u32)INT32_MIN : (u32)(s32)leads);
        to[WAY_AFTER] = (u8)direct->ways[n].after_insns;
        to += WAY_BYTES;
    }
    memcpy(to, direct->copy, direct->bytes);
}

/* --- units and paths of it --- */

struct piece {
    u64 counts;
    bool fixed;
    gva_t gva, target;
    const u8 *units, *ways, *code;
};

static unsigned part(const struct piece *piece, unsigned shift)
{
    return piece->counts >> shift & 0xff;
}

static unsigned unit_count(const struct piece *piece)
{
    return part(piece, 40);
}

static unsigned way_count(const struct piece *piece)
{
    return part(piece, 48);
}

static struct piece read_piece(const u64 *words)
{
    struct piece piece = {
        .counts = words[WORD_COUNTS], .fixed = (words[WORD_GPA] & FIXED) != 0,
        .gva = words[WORD_GVA], .target = words[WORD_TARGET],
        .units = (const u8 *)(words + WORD_BYTES),
    };
    piece.ways = piece.units + 2 * unit_count(&piece);
    piece.code = piece.ways + WAY_BYTES * way_count(&piece);
    return piece;
}

/* Its units, one after the other. */
struct piece_units {
    const struct piece *piece;
    gpa_t gpa;
    unsigned next, bytes; /* number of the next one, and how far from the start it is */
};

static struct piece_units units_begin(const struct piece *piece, gpa_t gpa)
{
    return (struct piece_units){.piece = piece, .gpa = gpa};
}

static bool next_unit(struct piece_units *units, struct probe_unit *unit)
{
    const struct piece *piece = units->piece;
    unsigned n = units->next++;
    if (n == unit_count(piece)) {
        return false;
    }
    *unit = (struct probe_unit){
        .gpa = units->gpa + units->bytes, .gva = piece->gva + units->bytes,
        .code = piece->code + units->bytes, .mode = (u32)piece->counts, .fixed = piece->fixed,
        .insn_count = piece->units[2 * n], .bytes = (u16)(2 * piece->units[2 * n + 1]),
    };
    units->bytes += unit->bytes;
    return true;
}

/* The engine's lock is held. PROBE_PATH_BASE and a path, or a unit, or 0. */
static u32 piece_number(struct probe *probe, const struct piece *piece, gpa_t gpa)
{
    u32 parts[PROBE_DIRECT_INSNS];
    parts[0] = 0; /* there is one, which compilers do not see */
    struct probe_path path = {.parts = parts, .part_count = (u16)unit_count(piece)};
    struct probe_unit unit;
    struct piece_units units = units_begin(piece, gpa);
    for (unsigned n = 0; next_unit(&units, &unit); n++) {
        parts[n] = probe_unit_add(probe, &unit);
        path.insn_count = (u16)(path.insn_count + unit.insn_count);
    }
    u32 number = path.part_count != 1 ? probe_path_add(probe, &path) : 0;
    return path.part_count == 1 ? parts[0] : number != 0 ? PROBE_PATH_BASE + number : 0;
}

u64 probe_piece_head(struct probe *probe, const u64 *words, unsigned *done)
{
    struct piece piece = read_piece(words);
    pthread_mutex_lock(&probe->engine->lock);
    u32 number = piece_number(probe, &piece, words[WORD_GPA] & ~FIXED);
    pthread_mutex_unlock(&probe->engine->lock);
    *done = part(&piece, 32);
    return number | (piece.fixed ? 0 : (piece.gva & PAGE_MASK) << PROBE_PAGE_SHIFT);
}

/* --- counted --- */

/* PROBE_COUNT: units that began. The one that an exception ended did. */
static void count_units(struct vcpu *vcpu, const struct piece *piece, gpa_t gpa)
{
    struct probe *probe = vcpu->engine->probe;
    unsigned begun = part(piece, 32) + (part(piece, 56) == PROBE_DIRECT_NONE);
    struct probe_unit unit;
    struct piece_units units = units_begin(piece, gpa);
    for (unsigned first = 0; first < begun && next_unit(&units, &unit);) {
        ++*probe_count_of(vcpu, probe_unit_counter(probe_unit_add(probe, &unit)));
        first += unit.insn_count;
    }
}

static void describe(const struct piece *piece, struct probe_ways *path,
                     unsigned (*insn_bytes)(const u8 *bytes))
{
    const u8 *code = piece->code;
    probe_ways_begin(path, piece->gva);
    for (unsigned n = 0; n < unit_count(piece); n++) {
        probe_ways_part(path, piece->gva + (u64)(code - piece->code));
        for (unsigned i = 0; i < piece->units[2 * n]; i++) {
            unsigned length_bytes = insn_bytes(code);
            probe_ways_insn(path, length_bytes);
            code += length_bytes;
        }
    }
    const u8 *way = piece->ways;
    for (unsigned n = 0; n < way_count(piece); n++, way += WAY_BYTES) {
        s32 leads = (s32)ld_le32(way + WAY_TARGET);
        if (leads == INT32_MIN) {
            probe_ways_indirect(path, way[WAY_AFTER], PROBE_PLACES);
        } else {
            probe_ways_way(path, way[WAY_AFTER], (piece->gva & PAGE_MASK) + (u64)(s64)leads);
        }
    }
}

static void count_ways(struct vcpu *vcpu, const struct piece *piece)
{
    struct probe_paths *paths = &vcpu->engine->probe->ways;
    struct probe_ways path;
    unsigned way = part(piece, 56);
    describe(piece, &path, vcpu->guest->insn_bytes);
    u32 number = probe_paths_add(paths, &path);
    const struct probe_counted *counted = probe_counted_at(paths, number);
    if (number == 0) {
        return;
    }
    if (way == PROBE_DIRECT_NONE) {
        probe_edge_count(vcpu, PROBE_CUT | number, part(piece, 32));
        return;
    }
    u32 indirects = 0;
    for (unsigned n = 0; n < way; n++) {
        indirects += probe_way_indirect(path.ways[n]);
    }
    if (probe_way_indirect(path.ways[way])) {
        probe_way_count(vcpu, counted->indirect + indirects, PROBE_PLACES, piece->target);
    } else {
        ++*probe_count_of(vcpu, counted->counter + way - indirects);
    }
}

/* Where the piece behind the one at that word begins; at the end it is the end. */
static unsigned next_piece(const struct probe_stream *stream, unsigned at)
{
    return at < stream->piece_words ? at + 1 + (unsigned)(stream->pieces[at] & 0xff) : at;
}

/* What is to come waits for memory while others are counted. */
enum { EXPECTED = 8 };

void probe_pieces_count(struct vcpu *vcpu)
{
    struct probe_stream *stream = probe_stream_of(vcpu);
    const struct probe_paths *paths = &vcpu->engine->probe->ways;
    bool units = vcpu->engine->probe->config.what & PROBE_COUNT;
    if (stream->piece_words == 0) {
        return;
    }
    pthread_mutex_lock(&vcpu->engine->lock);
    unsigned at[EXPECTED + 1] = {0}; /* the next pieces; at the end some are none */
    for (unsigned n = 0; n < EXPECTED; n++) {
        at[n + 1] = next_piece(stream, at[n]);
    }
    while (at[0] < stream->piece_words) {
        if (at[EXPECTED] < stream->piece_words && !units) {
            probe_paths_expect(paths, stream->pieces[at[EXPECTED] + WORD_GVA]);
        }
        if (at[EXPECTED / 2] < stream->piece_words && !units) {
            probe_paths_expect_more(paths, stream->pieces[at[EXPECTED / 2] + WORD_GVA]);
        }
        struct piece piece = read_piece(stream->pieces + at[0]);
        if (units) {
            count_units(vcpu, &piece, stream->pieces[at[0] + WORD_GPA] & ~FIXED);
        } else {
            count_ways(vcpu, &piece);
        }
        memmove(at, at + 1, EXPECTED * sizeof(at[0]));
        at[EXPECTED] = next_piece(stream, at[EXPECTED]);
    }
    stream->piece_words = 0;
    pthread_mutex_unlock(&vcpu->engine->lock);
}

void probe_piece_tell(struct probe_direct *direct, unsigned done, unsigned way, gva_t target)
{
    struct vcpu *vcpu = direct->vcpu;
    struct probe_stream *stream = probe_stream_of(vcpu);
    unsigned count = words_of(direct);
    u64 *words;
    if (direct->what & PROBE_COUNTERS) {
        if (stream->piece_words + count > PROBE_PIECE_WORDS) {
            probe_pieces_count(vcpu);
        }
        words = stream->pieces + stream->piece_words;
        stream->piece_words += count;
    } else {
        vcpu->insns -= done; /* a new chunk says it */
        words = probe_reserve(vcpu, count);
        vcpu->insns += done;
    }
    write_piece(words, count, direct, done, way, target);
}
