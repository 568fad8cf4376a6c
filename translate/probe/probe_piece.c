/* Pieces of code that tier 0 has run, as they are told of while nothing but blocks or ways is: what
 * they were, in one run of words, of which units and paths are made later (probe_piece.h). Most run
 * once or twice, between other code: looking for their units then waits for memory, and a ring
 * forgets most of them. */
#include "translate/probe/probe_piece.h"

#include <string.h>

/* Behind the head: */
enum {
    WORD_GVA = 1,
    WORD_COUNTS, /* mode, done << 32, parts << 40, halfwords of code << 48, enum end << 56 */
    WORD_PLACE,  /* PROBE_EDGES: the target; else gpa, and FIXED */
    WORD_PARTS,  /* as in probe_ways.h; then, PROBE_EDGES, the way out if there is one and which
                    instructions are of four bytes; else the code */
};
static const u64 FIXED = (u64)1 << 63;

static unsigned words_of(const struct probe_direct *direct, enum probe_piece_end end)
{
    unsigned edges = (end != PROBE_PIECE_RAISED) + 1u;
    return WORD_PARTS + direct->part_count +
           (direct->what & PROBE_EDGES ? edges : (direct->bytes + 7) / 8);
}

_Static_assert(WORD_PARTS + PROBE_DIRECT_INSNS + PROBE_DIRECT_BYTES / 8 <= 255,
               "the head has eight bits for it");
_Static_assert(PROBE_DIRECT_INSNS <= 64 && PROBE_DIRECT_BYTES / 2 < 256,
               "numbers of instructions are bits, of halfwords bytes");

static void write_piece(u64 *words, unsigned count, const struct probe_direct *direct,
                        unsigned done, enum probe_piece_end end, gva_t target)
{
    u64 *to = words + WORD_PARTS;
    words[0] = (u64)PROBE_EVENT_BASE | PROBE_PIECE << 8 | (count - 1);
    words[WORD_GVA] = direct->gva;
    words[WORD_COUNTS] = direct->vcpu->mode | (u64)done << 32 | (u64)direct->part_count << 40 |
                         (u64)(direct->bytes / 2) << 48 | (u64)end << 56;
    for (unsigned n = 0; n < direct->part_count; n++) {
        *to++ = direct->parts[n];
    }
    if (!(direct->what & PROBE_EDGES)) {
        words[WORD_PLACE] = direct->gpa | (direct->fixed ? FIXED : 0);
        memcpy(to, direct->copy, direct->bytes);
        return;
    }
    words[WORD_PLACE] = target;
    if (end != PROBE_PIECE_RAISED) {
        s64 leads = end == PROBE_PIECE_INDIRECT ? PROBE_INDIRECT : (s64)(target - direct->gva);
        *to++ = probe_far_word(leads, direct->count);
    }
    *to = direct->wide;
}

static unsigned part(const u64 *words, unsigned shift)
{
    return words[WORD_COUNTS] >> shift & 0xff;
}

static unsigned done_of(const u64 *words)
{
    return part(words, 32);
}

static unsigned part_count(const u64 *words)
{
    return part(words, 40);
}

static enum probe_piece_end end_of(const u64 *words)
{
    return (enum probe_piece_end)part(words, 56);
}

/* --- units and paths of it --- */

/* Unit n of a piece, which is at `gpa`. */
static struct probe_unit unit_at(const u64 *words, gpa_t gpa, unsigned n)
{
    const u64 *parts = words + WORD_PARTS;
    unsigned count = part_count(words);
    u64 from = (u64)probe_distance(parts[n]);
    u64 end = n + 1 < count ? (u64)probe_distance(parts[n + 1]) : 2 * part(words, 48);
    return (struct probe_unit){
        .gpa = gpa + from, .gva = words[WORD_GVA] + from,
        .code = (const u8 *)(parts + count) + from, .mode = (u32)words[WORD_COUNTS],
        .fixed = (words[WORD_PLACE] & FIXED) != 0, .bytes = (u16)(end - from),
        .insn_count = (u16)probe_number(parts[n]),
    };
}

/* The engine's lock is held. PROBE_PATH_BASE and a path, or a unit, or 0. */
static u32 piece_number(struct probe *probe, const u64 *words, gpa_t gpa)
{
    u32 parts[PROBE_DIRECT_INSNS];
    parts[0] = 0; /* there is one, which compilers do not see */
    struct probe_path path = {.parts = parts, .part_count = (u16)part_count(words)};
    for (unsigned n = 0; n < path.part_count; n++) {
        const struct probe_unit unit = unit_at(words, gpa, n);
        parts[n] = probe_unit_add(probe, &unit);
        path.insn_count = (u16)(path.insn_count + unit.insn_count);
    }
    u32 number = path.part_count != 1 ? probe_path_add(probe, &path) : 0;
    return path.part_count == 1 ? parts[0] : number != 0 ? PROBE_PATH_BASE + number : 0;
}

u64 probe_piece_head(struct probe *probe, const u64 *words, unsigned *done)
{
    bool fixed = words[WORD_PLACE] & FIXED;
    pthread_mutex_lock(&probe->engine->lock);
    u32 number = piece_number(probe, words, words[WORD_PLACE] & ~FIXED);
    pthread_mutex_unlock(&probe->engine->lock);
    *done = done_of(words);
    return number | (fixed ? 0 : (words[WORD_GVA] & PAGE_MASK) << PROBE_PAGE_SHIFT);
}

/* --- counted --- */

/* PROBE_COUNT: units that began. The one that an exception ended did. */
static void count_units(struct vcpu *vcpu, const u64 *words)
{
    struct probe *probe = vcpu->engine->probe;
    unsigned begun = done_of(words) + (end_of(words) == PROBE_PIECE_RAISED);
    for (unsigned n = 0, first = 0; first < begun && n < part_count(words); n++) {
        const struct probe_unit unit = unit_at(words, words[WORD_PLACE] & ~FIXED, n);
        ++*probe_count_of(vcpu, probe_unit_counter(probe_unit_add(probe, &unit)));
        first += unit.insn_count;
    }
}

static void count_ways(struct vcpu *vcpu, const u64 *words)
{
    struct probe_paths *paths = &vcpu->engine->probe->ways;
    const enum probe_piece_end end = end_of(words);
    struct probe_described path = {
        .gva = words[WORD_GVA], .part_count = part_count(words),
        .way_count = end != PROBE_PIECE_RAISED, .words = words + WORD_PARTS,
    };
    for (unsigned n = 0; n < path.part_count; n++) {
        path.insn_count += probe_number(path.words[n]);
    }
    u32 number = probe_paths_number(paths, &path);
    const struct probe_counted *counted = probe_counted_at(paths, number);
    if (number == 0) {
        return;
    }
    if (end == PROBE_PIECE_RAISED) {
        probe_edge_count(vcpu, PROBE_CUT | number, done_of(words));
    } else if (end == PROBE_PIECE_INDIRECT) {
        probe_way_count(vcpu, counted->indirect, PROBE_PLACES, words[WORD_PLACE]);
    } else {
        ++*probe_count_of(vcpu, counted->counter);
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
        if (units) {
            count_units(vcpu, stream->pieces + at[0]);
        } else {
            count_ways(vcpu, stream->pieces + at[0]);
        }
        memmove(at, at + 1, EXPECTED * sizeof(at[0]));
        at[EXPECTED] = next_piece(stream, at[EXPECTED]);
    }
    stream->piece_words = 0;
    pthread_mutex_unlock(&vcpu->engine->lock);
}

void probe_piece_tell(struct probe_direct *direct, unsigned done, enum probe_piece_end end,
                      gva_t target)
{
    struct vcpu *vcpu = direct->vcpu;
    struct probe_stream *stream = probe_stream_of(vcpu);
    unsigned count = words_of(direct, end);
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
    write_piece(words, count, direct, done, end, target);
}
