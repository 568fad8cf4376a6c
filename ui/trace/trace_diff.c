/* `metic trace diff`: two traces, hart by hart, instruction by instruction.
 *
 * What two runs have in common is mostly their beginning, and there their sections are the same: it
 * is enough to compare what the indexes say of them. From the first section that differs on, each
 * trace is decoded by a thread. */
#include "ui/trace/trace_query.h"

#include "ui/trace/trace_scan.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1 << 16 };

/* An instruction. */
struct line {
    u64 pc, insns, hash;
};

struct batch {
    struct line lines[BATCH];
    size_t count;
    bool full; /* with lines; the side's thread waits until the reader has taken them */
};

/* One trace's instructions of one hart. */
struct side {
    struct trace_query *query;
    unsigned hart;
    u32 section; /* the next one */
    u32 ahead;   /* those before it come from the disk meanwhile */
    struct trace_ahead asked;
    struct trace_decoder decoder;
    struct trace_reader *reader;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;           /* no more lines */
    _Atomic bool stop;   /* nobody wants them */
    struct batch *batches[2], *filling;
    unsigned fill_next, read_next;
    size_t at;
};

/* --- the side's thread --- */

static void hand_over(struct side *side)
{
    pthread_mutex_lock(&side->lock);
    side->filling->full = true;
    pthread_cond_signal(&side->cond);
    side->fill_next ^= 1;
    side->filling = side->batches[side->fill_next];
    while (side->filling->full && !side->stop) {
        pthread_cond_wait(&side->cond, &side->lock);
    }
    side->filling->count = 0;
    pthread_mutex_unlock(&side->lock);
}

static void side_step(void *opaque, const struct trace_step *step)
{
    struct side *side = opaque;
    u64 hash = 14695981039346656037u;
    for (unsigned i = 0; i < step->slot_count; i++) {
        u64 mask = trace_column_of(step->slots[i].kind) == TRACE_ADDRESSES
                       ? ~(u64)0 : trace_mask(step->slots[i].size_bytes);
        hash = (hash ^ (step->words[i] & mask)) * 1099511628211u;
    }
    if (!side->stop) {
        side->filling->lines[side->filling->count++] = (struct line){step->pc, step->insns, hash};
        if (side->filling->count == BATCH) {
            hand_over(side);
        }
    }
}

static void look_ahead(struct side *side)
{
    const struct trace_section *sections = side->query->file.sections;
    while (side->ahead != TRACE_NONE && trace_ahead_room(&side->asked)) {
        trace_ahead_ask(&side->query->file, &side->asked, &sections[side->ahead]);
        side->ahead = sections[side->ahead].behind;
    }
    trace_ahead_use(&side->asked, &sections[side->section]);
}

static void *side_main(void *opaque)
{
    struct side *side = opaque;
    struct trace_file *file = &side->query->file;
    u64 sequence = 0;
    for (; side->section != TRACE_NONE && !side->stop;
         side->section = file->sections[side->section].behind) {
        const struct trace_section *section = &file->sections[side->section];
        const u64 *words;
        size_t count;
        look_ahead(side);
        if (!trace_reader_words(side->reader, section, &words, &count)) {
            break;
        }
        struct metic_trace_chunk chunk = trace_section_chunk(section, sequence++, words, count);
        if (!trace_decode(&side->decoder, &chunk)) {
            break;
        }
    }
    trace_decode_end(&side->decoder);
    pthread_mutex_lock(&side->lock);
    side->filling->full = side->filling->count != 0;
    side->over = true;
    pthread_cond_signal(&side->cond);
    pthread_mutex_unlock(&side->lock);
    return NULL;
}

/* --- the reader's --- */

/* The next line, or NULL: the hart's stream is over. */
static const struct line *side_line(struct side *side)
{
    struct batch *batch = side->batches[side->read_next];
    if (LIKELY(side->at != 0 && side->at < batch->count)) {
        return &batch->lines[side->at];
    }
    pthread_mutex_lock(&side->lock);
    if (side->at != 0) { /* all of them were read */
        batch->full = false;
        side->at = 0;
        side->read_next ^= 1;
        batch = side->batches[side->read_next];
        pthread_cond_signal(&side->cond);
    }
    while (!batch->full && !side->over) {
        pthread_cond_wait(&side->cond, &side->lock);
    }
    bool more = batch->full;
    pthread_mutex_unlock(&side->lock);
    return more ? &batch->lines[0] : NULL;
}

static bool side_begin(struct side *side, struct trace_query *query, unsigned hart, u32 section)
{
    const struct trace_callbacks callbacks = {.step = side_step, .opaque = side};
    *side = (struct side){.query = query, .hart = hart, .section = section,
                           .ahead = section};
    side->reader = trace_reader_new(&query->file);
    side->batches[0] = calloc(1, sizeof(struct batch));
    side->batches[1] = calloc(1, sizeof(struct batch));
    side->filling = side->batches[0];
    trace_decoder_init(&side->decoder, &callbacks, trace_file_unit, &query->file);
    pthread_mutex_init(&side->lock, NULL);
    pthread_cond_init(&side->cond, NULL);
    return side->reader != NULL && side->batches[0] != NULL && side->batches[1] != NULL &&
           pthread_create(&side->thread, NULL, side_main, side) == 0;
}

static void side_end(struct side *side, bool begun)
{
    if (begun) {
        pthread_mutex_lock(&side->lock);
        side->stop = true;
        pthread_cond_signal(&side->cond);
        pthread_mutex_unlock(&side->lock);
        pthread_join(side->thread, NULL);
    }
    trace_decoder_fini(&side->decoder);
    trace_reader_free(side->reader);
    free(side->batches[0]);
    free(side->batches[1]);
}

/* --- what is the same by the indexes --- */

static bool same_unit(const struct metic_trace_unit *a, const struct metic_trace_unit *b)
{
    return a->address == b->address && a->mode == b->mode && a->bytes == b->bytes &&
           a->slot_count == b->slot_count && memcmp(a->code, b->code, a->bytes) == 0 &&
           memcmp(a->slots, b->slots, a->slot_count * sizeof(*a->slots)) == 0;
}

/* Units below this number are the same. */
static u32 same_units(const struct trace_file *a, const struct trace_file *b)
{
    u32 n = 0;
    while (n < a->unit_count && n < b->unit_count && same_unit(&a->units[n], &b->units[n])) {
        n++;
    }
    return n;
}

static u32 first_section(const struct trace_file *file, unsigned hart)
{
    for (u32 i = 0; i < file->section_count; i++) {
        if (file->sections[i].kind == TRACE_STREAM && file->sections[i].stream == hart) {
            return i;
        }
    }
    return TRACE_NONE;
}

static bool same_section(struct trace_file *a, u32 i, struct trace_file *b, u32 j, u32 units)
{
    const struct trace_section *x = &a->sections[i], *y = &b->sections[j];
    u32 left[TRACE_FRAMES], right[TRACE_FRAMES], last_left, last_right;
    return x->first == y->first && x->count == y->count && x->raw_bytes == y->raw_bytes &&
           x->satp == y->satp && x->privilege == y->privilege &&
           trace_file_checks(a, x, left, &last_left) &&
           trace_file_checks(b, y, right, &last_right) && last_left == last_right &&
           last_left < units && memcmp(left, right, sizeof(left)) == 0;
}

/* Moves both to the last section that may be the first with a difference; what was passed over. A
 * trace with gaps does not say how many instructions that were. */
static u64 pass_same(struct trace_query *a, u32 *i, struct trace_query *b, u32 *j)
{
    u64 passed = 0;
    u32 units = same_units(&a->file, &b->file);
    if (trace_file_meta(&a->file, "gaps", 10, 1) != 0) {
        return 0;
    }
    while (*i != TRACE_NONE && *j != TRACE_NONE) {
        const struct trace_section *x = &a->file.sections[*i], *y = &b->file.sections[*j];
        if (x->behind == TRACE_NONE || y->behind == TRACE_NONE ||
            !same_section(&a->file, *i, &b->file, *j, units) ||
            !same_section(&a->file, x->behind, &b->file, y->behind, units)) {
            break;
        }
        passed += a->file.sections[x->behind].first - x->first;
        *i = x->behind;
        *j = y->behind;
    }
    return passed;
}

/* --- the answer --- */

/* The instruction as `metic trace show` has it, values included: it may be these that differ. */
static void show_line(struct trace_query *query, unsigned hart, u64 insns)
{
    struct trace_text *text = &query->text, before = *text;
    const struct trace_callbacks callbacks = {.step = trace_text_step, .opaque = text};
    struct metic_error ignored;
    text->to = stdout;
    text->from_insns = insns;
    text->to_insns = insns + 1;
    text->harts = (u64)1 << hart;
    text->limit = text->told + 1;
    fputs("    ", stdout);
    if (!trace_query_each(query, &callbacks, NULL, &ignored) || text->told == before.told) {
        putchar('\n');
    }
    *text = before;
}

static void say_side(struct trace_query *query, unsigned hart, const struct line *line)
{
    char where[160];
    if (line == NULL) {
        printf("  %s ends there\n", query->words[0]);
        return;
    }
    symbols_print(&query->symbols, line->pc, where, sizeof(where));
    printf("  %s: instruction %" PRIu64 ", pc %016" PRIx64 " %s\n", query->words[0], line->insns,
           line->pc, where);
    show_line(query, hart, line->insns);
}

/* True when the hart does the same in both. */
static bool diff_hart(struct side *a, struct side *b, u64 *same)
{
    for (;;) {
        const struct line *x = side_line(a), *y = side_line(b);
        if (x == NULL && y == NULL) {
            return true;
        }
        if (x == NULL || y == NULL || x->pc != y->pc || x->hash != y->hash) {
            return false;
        }
        a->at++;
        b->at++;
        ++*same;
    }
}

static bool tell_hart(struct trace_query *a, struct trace_query *b, unsigned hart, bool *differ,
                      struct metic_error *error)
{
    struct side *sides = calloc(2, sizeof(*sides));
    u32 i = first_section(&a->file, hart), j = first_section(&b->file, hart);
    u64 same = pass_same(a, &i, b, &j);
    bool left = sides != NULL && side_begin(&sides[0], a, hart, i);
    bool right = left && side_begin(&sides[1], b, hart, j);
    *differ = right && !diff_hart(&sides[0], &sides[1], &same);
    if (right && !*differ) {
        printf("hart %u: the same, %" PRIu64 " instructions\n", hart, same);
    } else if (right) {
        printf("hart %u: first difference after %" PRIu64 " instructions that are the same\n", hart,
               same);
        say_side(a, hart, side_line(&sides[0]));
        say_side(b, hart, side_line(&sides[1]));
    }
    if (sides != NULL) {
        side_end(&sides[0], left);
        side_end(&sides[1], right);
    }
    free(sides);
    return right || error_set(error, NULL, "the host has no memory, or no threads");
}

bool trace_query_diff(struct trace_query *query, struct metic_error *error)
{
    struct trace_query *other = calloc(1, sizeof(*other));
    if (other == NULL || !trace_query_open(query, error)) {
        free(other);
        return false;
    }
    other->words[0] = query->words[1];
    bool opened = trace_query_open(other, error);
    bool good = opened;
    unsigned differences = 0;
    for (unsigned hart = 0; good && hart < query->file.harts; hart++) {
        bool differ;
        good = tell_hart(query, other, hart, &differ, error);
        differences += differ;
    }
    if (opened) {
        query->damaged |= other->damaged;
        trace_query_close(other);
    }
    trace_query_close(query);
    free(other);
    return good && (differences == 0 || error_set(error, NULL, "the runs differ"));
}
