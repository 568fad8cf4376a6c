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
    u32 number; /* PROBE_PATH_BASE and a path, or a unit */
    u32 path;   /* or 0 */
    bool fixed;
    gva_t gva, target;
};

static unsigned part(const struct piece *piece, unsigned shift)
{
    return piece->counts >> shift & 0xff;
}

/* The engine's lock is held. */
static struct piece read_piece(struct probe *probe, const u64 *words)
{
    struct piece piece = {
        .counts = words[WORD_COUNTS], .fixed = (words[WORD_GPA] & FIXED) != 0,
        .gva = words[WORD_GVA], .target = words[WORD_TARGET],
    };
    bool counts = probe->config.what & PROBE_EDGES;
    u32 parts[PROBE_DIRECT_INSNS];
    struct probe_way ways[PROBE_DIRECT_INSNS + 1];
    struct probe_path path = {.parts = parts, .ways = ways, .part_count = (u16)part(&piece, 40),
                              .way_count = counts ? (u16)part(&piece, 48) : 0};
    const u8 *from = (const u8 *)(words + WORD_BYTES);
    const u8 *way = from + 2 * path.part_count;
    const u8 *code = way + WAY_BYTES * part(&piece, 48);
    struct probe_unit unit = {.gpa = words[WORD_GPA] & ~FIXED, .gva = piece.gva, .code = code,
                              .mode = (u32)piece.counts, .fixed = piece.fixed};
    for (unsigned n = 0; n < path.part_count; n++, from += 2) {
        unit.insn_count = from[0];
        unit.bytes = (u16)(2 * from[1]);
        parts[n] = probe_unit_add(probe, &unit);
        path.insn_count = (u16)(path.insn_count + unit.insn_count);
        unit.gpa += unit.bytes;
        unit.gva += unit.bytes;
        unit.code += unit.bytes;
    }
    for (unsigned n = 0; n < path.way_count; n++, way += WAY_BYTES) {
        s32 leads = (s32)ld_le32(way + WAY_TARGET);
        ways[n] = (struct probe_way){.target = leads == INT32_MIN ? PROBE_INDIRECT : leads,
                                     .after_insns = way[WAY_AFTER]};
    }
    piece.number = parts[0];
    if (path.part_count != 1 || counts) {
        piece.path = probe_path_add(probe, &path);
        piece.number = piece.path != 0 ? PROBE_PATH_BASE + piece.path : 0;
    }
    return piece;
}

u64 probe_piece_head(struct probe *probe, const u64 *words, unsigned *done)
{
    pthread_mutex_lock(&probe->engine->lock);
    struct piece piece = read_piece(probe, words);
    pthread_mutex_unlock(&probe->engine->lock);
    *done = part(&piece, 32);
    return piece.number | (piece.fixed ? 0 : (piece.gva & PAGE_MASK) << PROBE_PAGE_SHIFT);
}

/* --- counted --- */

static void count_piece(struct vcpu *vcpu, const struct piece *piece)
{
    unsigned way = part(piece, 56), done = part(piece, 32);
    if (piece->path == 0) {
        return;
    }
    const struct probe_path *path = probe_path_at(vcpu->engine->probe, piece->path);
    if (way == PROBE_DIRECT_NONE) {
        probe_edge_count(vcpu, PROBE_CUT | piece->path, done);
    } else if (path->ways[way].target == PROBE_INDIRECT) {
        probe_edge_count(vcpu, path->counter + way, piece->target);
    } else {
        vcpu->probe_counts[path->counter + way]++;
    }
}

void probe_pieces_count(struct vcpu *vcpu)
{
    struct probe_stream *stream = probe_stream_of(vcpu);
    struct probe *probe = vcpu->engine->probe;
    pthread_mutex_lock(&vcpu->engine->lock);
    for (unsigned at = 0; at < stream->piece_words;) {
        const u64 *words = stream->pieces + at;
        struct piece piece = read_piece(probe, words);
        count_piece(vcpu, &piece);
        at += 1 + (unsigned)(words[0] & 0xff);
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
    if (direct->what & PROBE_EDGES) {
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
