/* Paths (probe.h): what there are, and how they become units again before a consumer sees them. */
#include "translate/probe/probe_piece.h"

#include <string.h>

/* --- what there are --- */

struct probe_path *probe_path_at(const struct probe *probe, u32 number)
{
    return &probe->paths[number / PROBE_UNIT_PAGE][number % PROBE_UNIT_PAGE];
}

/* By the first part: units have about the order in which paths are made. */
static u32 path_hash(const struct probe_path *path)
{
    return (path->parts[0] * 2 + ((path->part_count + path->slot_count) & 1)) % PROBE_UNIT_BUCKETS;
}

static bool recipes_equal(const struct probe_path *x, const struct probe_path *y)
{
    for (unsigned i = 0; i < x->slot_count; i++) {
        if (x->recipes[i].word != y->recipes[i].word || x->recipes[i].add != y->recipes[i].add) {
            return false;
        }
    }
    return true;
}

static bool nodes_equal(const struct probe_path *x, const struct probe_path *y)
{
    for (unsigned i = 0; i < x->node_count; i++) {
        const struct probe_node *p = &x->nodes[i], *q = &y->nodes[i];
        if (p->op != q->op || p->sub != q->sub || p->wide != q->wide || p->imm != q->imm ||
            memcmp(p->operands, q->operands, sizeof(p->operands)) != 0) {
            return false;
        }
    }
    return true;
}

static bool path_equal(const struct probe_path *x, const struct probe_path *y)
{
    return x->part_count == y->part_count && x->slot_count == y->slot_count &&
           x->word_count == y->word_count && x->counted == y->counted &&
           x->node_count == y->node_count && nodes_equal(x, y) &&
           memcmp(x->parts, y->parts, x->part_count * sizeof(*x->parts)) == 0 &&
           recipes_equal(x, y);
}

/* A copy that stays. */
static void *keep(struct probe *probe, const void *bytes, size_t size)
{
    void *kept = size != 0 ? arena_alloc(probe->arena, size) : NULL;
    if (size != 0) {
        memcpy(kept, bytes, size);
    }
    return kept;
}

u32 probe_path_add(struct probe *probe, const struct probe_path *path)
{
    u32 bucket = path_hash(path);
    for (u32 n = probe->path_buckets[bucket]; n != 0; n = probe_path_at(probe, n)->next) {
        if (path_equal(probe_path_at(probe, n), path)) {
            return n;
        }
    }
    u32 number = probe->path_count;
    if (number >= PROBE_MAX_PATHS) {
        return 0;
    }
    struct probe_path **page = &probe->paths[number / PROBE_UNIT_PAGE];
    if (*page == NULL) {
        *page = probe_page_new(probe);
    }
    struct probe_path *made = probe_path_at(probe, number);
    *made = *path;
    made->parts = keep(probe, path->parts, path->part_count * sizeof(*path->parts));
    made->recipes = keep(probe, path->recipes, path->slot_count * sizeof(*path->recipes));
    made->nodes = keep(probe, path->nodes, path->node_count * sizeof(*path->nodes));
    const struct probe_unit *first = probe_unit_at(probe, path->parts[0]);
    made->fixed = first->fixed;
    made->page = (first->gva & PAGE_MASK) << PROBE_PAGE_SHIFT;
    made->next = probe->path_buckets[bucket];
    probe->path_buckets[bucket] = number;
    atomic_store_explicit(&probe->path_count, number + 1, memory_order_release);
    return number;
}

const struct probe_path *probe_path_get(const struct engine *engine, u32 number)
{
    const struct probe *probe = engine->probe;
    u32 count = probe != NULL ? atomic_load_explicit(&probe->path_count, memory_order_acquire) : 0;
    return number != 0 && number < count ? probe_path_at(probe, number) : NULL;
}

/* --- unrolling --- */

/* Hands over what was unrolled. */
static void flush(struct probe *probe)
{
    struct probe_chunk *out = probe->unrolled;
    if (out->count != 0) {
        probe->config.consume(probe->config.opaque, out);
        out->count = 0;
        probe->unrolled_words = 0;
    }
}

/* Room for so many words, the first of which comes after `insns` instructions. */
static u64 *room(struct probe *probe, struct probe_stream *stream, unsigned words, u64 insns)
{
    struct probe_chunk *out = probe->unrolled;
    struct probe_unroll *unroll = &stream->unroll;
    if (out->count + words > out->capacity || probe->unrolled_words > PROBE_MAX_UNROLLED) {
        flush(probe);
    }
    if (out->count == 0) {
        out->stream = stream->number;
        out->sequence = unroll->out_sequence++;
        out->start_insns = insns;
        out->start_ns = unroll->ns + (probe->config.counts_ns ? insns - unroll->ns_insns : 0);
        out->turn_ns = unroll->turn_ns;
        out->address_space = unroll->address_space;
        out->privilege = unroll->privilege;
    }
    u64 *at = out->words + out->count;
    out->count += words;
    probe->unrolled_words += words;
    return at;
}

static u64 page_bits(const struct probe_unit *unit)
{
    return (unit->gva & PAGE_MASK) << PROBE_PAGE_SHIFT;
}

/* Where a unit runs whose first word is `head`. */
static gva_t address_of(const struct probe_unit *unit, u64 head)
{
    const gva_t named = ((gva_t)1 << 48) - PAGE_BYTES;
    gva_t page = head >> PROBE_PAGE_SHIFT & named;
    return (unit->gva & ~named) | page;
}

/* Whether the unit that begins after `insns` instructions is to be told; then, when the one before
 * it was not, the count is first. */
static bool is_told(struct probe *probe, struct probe_stream *stream,
                    const struct probe_unit *unit, u64 head, u64 insns)
{
    struct probe_unroll *unroll = &stream->unroll;
    const struct probe_config *config = &probe->config;
    if (LIKELY(config->range_count == 0 && config->every <= 1 && !unroll->gap)) {
        return true;
    }
    if (!probe_address_wanted(config, address_of(unit, head)) ||
        (config->every > 1 && unroll->units++ % config->every != 0)) {
        unroll->gap = true;
        return false;
    }
    if (unroll->gap) {
        const u64 sync[3] = {PROBE_EVENT_BASE | VCPU_EVENT_SYNC << 8 | 2, insns, unroll->ns};
        memcpy(room(probe, stream, ARRAY_LEN(sync), insns), sync, sizeof(sync));
        unroll->gap = false;
    }
    return true;
}

/* What a slot's word, or an operand, is. */
static u64 word_value(struct probe_unroll *unroll, u16 word)
{
    if (word == PROBE_NO_WORD) {
        return 0;
    }
    if (LIKELY(!(word & PROBE_NODE))) {
        return unroll->words[word];
    }
    for (unsigned number = word & ~(unsigned)PROBE_NODE; unroll->nodes_done <= number;) {
        const struct probe_node *node = &unroll->path->nodes[unroll->nodes_done];
        u64 operands[4] = {0};
        for (unsigned i = 0; i < probe_node_operands(node->op); i++) {
            u16 from = node->operands[i];
            operands[i] = from & PROBE_NODE ? unroll->nodes[from & ~(unsigned)PROBE_NODE]
                                            : unroll->words[from];
        }
        unroll->nodes[unroll->nodes_done++] = probe_node_value(node, operands);
    }
    return unroll->nodes[word & ~(unsigned)PROBE_NODE];
}

static void put_part(struct probe *probe, struct probe_stream *stream)
{
    struct probe_unroll *unroll = &stream->unroll;
    const struct probe_path *path = unroll->path;
    u32 number = path->parts[unroll->part++];
    const struct probe_unit *unit = probe_unit_at(probe, number);
    u64 head = (unit->fixed ? page_bits(unit) : unroll->page) | number;
    u64 insns = unroll->insns + unroll->begun;
    unroll->begun += unit->insn_count;
    if (!is_told(probe, stream, unit, head, insns)) {
        unroll->slot += unit->slot_count;
        return;
    }
    u64 *to = room(probe, stream, 1u + unit->slot_count, insns);
    *to++ = head;
    for (unsigned i = 0; i < unit->slot_count; i++) {
        const struct probe_recipe *recipe = &path->recipes[unroll->slot++];
        to[i] = word_value(unroll, recipe->word) + recipe->add;
    }
}

/* The parts that begin before instruction number `insns` of the path. */
static void put_parts(struct probe *probe, struct probe_stream *stream, u64 insns)
{
    struct probe_unroll *unroll = &stream->unroll;
    while (unroll->path != NULL && unroll->part < unroll->path->part_count &&
           unroll->begun < insns) {
        put_part(probe, stream);
    }
}

/* Something else begins: what is pending is over, after all its instructions or so many. */
static void finish(struct probe *probe, struct probe_stream *stream)
{
    struct probe_unroll *unroll = &stream->unroll;
    put_parts(probe, stream, unroll->pending);
    unroll->path = NULL;
    unroll->insns += unroll->pending;
    unroll->pending = 0;
}

static void take_event(struct probe *probe, struct probe_stream *stream, u32 head,
                       const u64 *words)
{
    struct probe_unroll *unroll = &stream->unroll;
    unsigned kind = head >> 8 & 0xff, count = head & 0xff;
    u64 done = words[1] - unroll->insns;
    if (kind == VCPU_EVENT_SYNC || kind == VCPU_EVENT_TRAP) {
        unroll->pending = done < unroll->pending ? (unsigned)done : unroll->pending;
        finish(probe, stream);
        unroll->insns = words[1];
    } else if (words[1] >= unroll->insns) {
        put_parts(probe, stream, done < unroll->pending ? done + 1 : unroll->pending);
    }
    unroll->ns = words[2];
    unroll->ns_insns = words[1];
    unroll->turn_ns = kind == VCPU_EVENT_SYNC && count > 2 ? words[3] : unroll->turn_ns;
    if (kind == VCPU_EVENT_CONTEXT) {
        unroll->privilege = (u32)words[3];
        unroll->address_space = words[4];
    }
    memcpy(room(probe, stream, 1 + count, words[1]), words, (1 + count) * sizeof(*words));
}

/* A path or a unit; the number of its words behind the first. */
static unsigned take_head(struct probe *probe, struct probe_stream *stream, u32 head,
                          const u64 *words)
{
    struct probe_unroll *unroll = &stream->unroll;
    finish(probe, stream);
    if (head < PROBE_PATH_BASE) {
        const struct probe_unit *unit = probe_unit_at(probe, head);
        unsigned count = 1u + unit->slot_count;
        u64 page = unit->fixed ? page_bits(unit) : 0;
        if (is_told(probe, stream, unit, words[0] | page, unroll->insns)) {
            u64 *to = room(probe, stream, count, unroll->insns);
            memcpy(to, words, count * sizeof(*words));
            to[0] |= page;
        }
        unroll->pending = unit->insn_count;
        return unit->slot_count;
    }
    unroll->path = probe_path_at(probe, head - PROBE_PATH_BASE);
    unroll->part = unroll->slot = unroll->begun = unroll->nodes_done = 0;
    unroll->page = words[0] & ~(((u64)1 << PROBE_UNIT_BITS) - 1);
    unroll->words = words + 1;
    if (unroll->path->counted && words[1] != unroll->insns) {
        unroll->insns = words[1];
        unroll->gap = true;
    }
    unroll->pending = unroll->path->insn_count;
    if (!probe_unit_at(probe, unroll->path->parts[0])->fixed) {
        return unroll->path->word_count;
    }
    u32 left = (u32)(words[0] >> 32);
    unroll->page = 0;
    unroll->pending = left != 0 && left < unroll->pending ? left : unroll->pending;
    return unroll->path->word_count;
}

/* What tier 0 ran. */
static void take_piece(struct probe *probe, struct probe_stream *stream, const u64 *words)
{
    struct probe_unroll *unroll = &stream->unroll;
    unsigned done;
    const u64 head = probe_piece_head(probe, words, &done);
    take_head(probe, stream, (u32)head & (((u32)1 << PROBE_UNIT_BITS) - 1), &head);
    unroll->words = unroll->kept; /* it has none */
    unroll->pending = done < unroll->pending ? done : unroll->pending;
}

/* The stream goes on where its last chunk ended, or not: the ring has lost something. */
static void begin(const struct probe *probe, struct probe_unroll *unroll,
                  const struct probe_chunk *chunk)
{
    bool goes_on = unroll->known && chunk->sequence == unroll->next_sequence;
    if (!goes_on || probe->config.counts_ns) {
        unroll->ns = chunk->start_ns;
        unroll->ns_insns = chunk->start_insns;
    }
    if (!goes_on) {
        unroll->path = NULL;
        unroll->pending = 0;
        unroll->insns = chunk->start_insns;
        unroll->turn_ns = chunk->turn_ns;
        unroll->address_space = chunk->address_space;
        unroll->privilege = chunk->privilege;
        unroll->known = true;
    }
    unroll->next_sequence = chunk->sequence + 1;
}

/* A path goes to the consumer as it is when what follows in its chunk says how far it came, and
 * that is an end of one of its units. The number of words then, with what said so; or 0. */
static size_t keep_path(struct probe *probe, struct probe_stream *stream, const u64 *words,
                        size_t left_words)
{
    const struct probe_config *config = &probe->config;
    const u32 mask = ((u32)1 << PROBE_UNIT_BITS) - 1;
    u32 number = (u32)words[0] & mask;
    if (!config->keeps_paths || number < PROBE_PATH_BASE || config->range_count != 0 ||
        config->every > 1 || stream->unroll.gap) {
        return 0;
    }
    const struct probe_path *path = probe_path_at(probe, number - PROBE_PATH_BASE);
    size_t used = 1u + path->word_count;
    u32 left = path->fixed ? (u32)(words[0] >> 32) : 0;
    u32 next = used < left_words ? (u32)words[used] & mask : PROBE_EVENT_BASE;
    if (next >= PROBE_LEFT_BASE && next < PROBE_EVENT_BASE) {
        left = next - PROBE_LEFT_BASE;
        used++;
        next = used < left_words ? (u32)words[used] & mask : PROBE_EVENT_BASE;
    }
    if (next >= PROBE_LEFT_BASE || path->counted) {
        return 0;
    }
    finish(probe, stream);
    bool ended = left != 0 && left < path->insn_count;
    unsigned extra = ended ? 1 : 0;
    u64 *to = room(probe, stream, 1u + path->word_count + extra, stream->unroll.insns);
    if (ended) {
        *to++ = PROBE_LEFT_BASE + left;
    }
    to[0] = path->fixed ? path->page | number : words[0];
    for (unsigned i = 1; i <= path->word_count; i++) {
        to[i] = words[i];
    }
    probe->unrolled_words += (size_t)path->slot_count + path->part_count;
    stream->unroll.pending = ended ? left : path->insn_count;
    return used;
}

void probe_unroll_chunk(struct probe *probe, const struct probe_chunk *chunk)
{
    struct probe_stream *stream = &probe->streams[chunk->stream];
    struct probe_unroll *unroll = &stream->unroll;
    begin(probe, unroll, chunk);
    for (size_t i = 0; i < chunk->count;) {
        const u64 *words = chunk->words + i;
        __builtin_prefetch(words + 128); /* another processor wrote them */
        u32 head = (u32)words[0] & (((u32)1 << PROBE_UNIT_BITS) - 1);
        if (head >= PROBE_EVENT_BASE) {
            if ((head >> 8 & 0xff) == PROBE_PIECE) {
                take_piece(probe, stream, words);
            } else {
                take_event(probe, stream, head, words);
            }
            i += 1 + (head & 0xff);
        } else if (head >= PROBE_LEFT_BASE) {
            unroll->pending = unroll->path != NULL ? head - PROBE_LEFT_BASE : unroll->pending;
            i++;
        } else {
            size_t kept = keep_path(probe, stream, words, chunk->count - i);
            i += kept != 0 ? kept : 1 + take_head(probe, stream, head, words);
        }
    }
    flush(probe);
    if (unroll->path != NULL) {
        memcpy(unroll->kept, unroll->words, unroll->path->word_count * sizeof(u64));
        unroll->words = unroll->kept;
    }
}
