/* `metic trace diff`: two traces, hart by hart, instruction by instruction; or what a task, an
 * address space or a privilege ran in them, on whichever harts that was, in the order of time.
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
    u32 hart;
};

struct batch {
    struct line lines[BATCH];
    size_t count;
    bool full; /* with lines; the side's thread waits until the reader has taken them */
};

/* One trace's instructions of one hart. */
struct side {
    struct trace_query *query;
    struct trace_query *narrowed; /* a copy: what it asks for, in the order of time; NULL: all of a
                                     hart, whose sections these are: */
    u32 section; /* the next one */
    u32 ahead;   /* those before it come from the disk meanwhile */
    struct trace_ahead asked;
    struct trace_decoder decoder;
    struct trace_reader *reader;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;           /* no more lines */
    bool failed;         /* for this reason, */
    struct metic_error error;
    _Atomic bool stop;   /* nobody wants them */
    struct batch *batches[2], *filling;
    unsigned fill_next, read_next;
    size_t at;
};

/* Not all of a hart is compared, but what the query asks for. */
static bool is_narrowed(const struct trace_query *query)
{
    return trace_who_narrows(&query->who) || query->text.from_insns != 0 ||
           query->text.to_insns != 0;
}

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
        side->filling->lines[side->filling->count++] =
            (struct line){step->pc, step->insns, hash, step->stream};
        if (side->filling->count == BATCH) {
            hand_over(side);
        }
    }
}

static void narrowed_step(void *opaque, const struct trace_step *step)
{
    struct side *side = opaque;
    struct trace_text *text = &side->narrowed->text;
    if (step->mine && step->insns >= text->from_insns &&
        (text->to_insns == 0 || step->insns < text->to_insns)) {
        side_step(side, step);
    }
    if (side->stop) { /* the text is full, and nothing more decoded */
        text->limit = text->told = 1;
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

static void decode_narrowed(struct side *side)
{
    const struct trace_callbacks callbacks = {.step = narrowed_step, .opaque = side};
    side->failed = !trace_query_each(side->narrowed, &callbacks, NULL, &side->error);
}

/* All sections of a hart. */
static void decode_hart(struct side *side)
{
    struct trace_file *file = &side->query->file;
    u64 sequence = 0;
    for (; side->section != TRACE_NONE && !side->stop;
         side->section = file->sections[side->section].behind) {
        const struct trace_section *section = &file->sections[side->section];
        const u64 *words;
        size_t count;
        look_ahead(side);
        if (!trace_reader_words(side->reader, section, &words, &count)) {
            side->failed = !trace_scan_damaged(file, side->section, &side->error);
            break;
        }
        struct metic_trace_chunk chunk = trace_section_chunk(section, sequence++, words, count);
        if (!trace_decode(&side->decoder, &chunk)) {
            break;
        }
    }
    trace_decode_end(&side->decoder);
}

static void *side_main(void *opaque)
{
    struct side *side = opaque;
    (side->narrowed != NULL ? decode_narrowed : decode_hart)(side);
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

static struct trace_query *narrow(struct trace_query *query, u64 harts)
{
    struct trace_query *narrowed = malloc(sizeof(*narrowed));
    if (narrowed != NULL) {
        *narrowed = *query;
        trace_file_view(&query->file, &narrowed->file);
        narrowed->text.harts = harts;
        narrowed->text.limit = narrowed->text.told = 0;
    }
    return narrowed;
}

/* Of a hart from that section on; TRACE_NONE: what the query asks for, on these harts. */
static bool side_begin(struct side *side, struct trace_query *query, u64 harts, u32 section)
{
    const struct trace_callbacks callbacks = {.step = side_step, .opaque = side};
    *side = (struct side){.query = query, .section = section, .ahead = section};
    side->reader = trace_reader_new(&query->file);
    side->batches[0] = calloc(1, sizeof(struct batch));
    side->batches[1] = calloc(1, sizeof(struct batch));
    side->filling = side->batches[0];
    side->narrowed = is_narrowed(query) ? narrow(query, harts) : NULL;
    trace_decoder_init(&side->decoder, &callbacks, trace_file_unit, &query->file);
    pthread_mutex_init(&side->lock, NULL);
    pthread_cond_init(&side->cond, NULL);
    return side->reader != NULL && side->batches[0] != NULL && side->batches[1] != NULL &&
           (side->narrowed != NULL || !is_narrowed(query)) &&
           pthread_create(&side->thread, NULL, side_main, side) == 0;
}

/* Waits for its thread. */
static void side_stop(struct side *side)
{
    pthread_mutex_lock(&side->lock);
    side->stop = true;
    pthread_cond_signal(&side->cond);
    pthread_mutex_unlock(&side->lock);
    pthread_join(side->thread, NULL);
}

static void side_end(struct side *side)
{
    trace_decoder_fini(&side->decoder);
    trace_reader_free(side->reader);
    free(side->batches[0]);
    free(side->batches[1]);
    if (side->narrowed != NULL) {
        trace_file_view_end(&side->narrowed->file);
        free(side->narrowed);
    }
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
static void show_line(struct trace_query *query, const struct line *line)
{
    struct trace_text *text = &query->text, before = *text;
    const struct trace_callbacks callbacks = {.step = trace_text_step, .opaque = text};
    struct metic_error ignored;
    text->to = stdout;
    text->from_insns = line->insns;
    text->to_insns = line->insns + 1;
    text->harts = (u64)1 << line->hart;
    text->limit = text->told + 1;
    fputs("    ", stdout);
    if (!trace_query_each(query, &callbacks, NULL, &ignored) || text->told == before.told) {
        putchar('\n');
    }
    *text = before;
}

static void say_side(struct trace_query *query, const struct line *line)
{
    char where[160];
    if (line == NULL) {
        printf("  %s ends there\n", query->words[0]);
        return;
    }
    symbols_print(&query->symbols, line->pc, where, sizeof(where));
    printf("  %s: instruction %" PRIu64 ", pc %016" PRIx64 " %s\n", query->words[0], line->insns,
           line->pc, where);
    show_line(query, line);
}

/* Where two sides part: each one's line, NULL where there are no more. */
struct parting {
    struct line lines[2];
    const struct line *a, *b;
};

static const struct line *keep_line(struct line *kept, const struct line *line)
{
    if (line != NULL) {
        *kept = *line;
        return kept;
    }
    return NULL;
}

/* True when both are the same to their ends. */
static bool compare_sides(struct side *a, struct side *b, u64 *same, struct parting *parting)
{
    for (;;) {
        const struct line *x = side_line(a), *y = side_line(b);
        if (x == NULL && y == NULL) {
            return true;
        }
        if (x == NULL || y == NULL || x->pc != y->pc || x->hash != y->hash) {
            parting->a = keep_line(&parting->lines[0], x);
            parting->b = keep_line(&parting->lines[1], y);
            return false;
        }
        a->at++;
        b->at++;
        ++*same;
    }
}

/* What is compared, as the answer names it. */
static void name_compared(const struct trace_query *query, u64 harts, char *name, size_t bytes)
{
    const struct trace_who *who = &query->who;
    if (who->task != NULL) {
        snprintf(name, bytes, "task %s", who->task);
    } else if (who->satp != 0) {
        snprintf(name, bytes, "satp %" PRIx64, who->satp);
    } else if (who->privileges != 0) {
        snprintf(name, bytes, "what was asked for");
    } else {
        snprintf(name, bytes, "hart %u", (unsigned)__builtin_ctzll(harts));
    }
}

static bool say_none(const struct trace_query *query, struct metic_error *error)
{
    char next[400];
    snprintf(next, sizeof(next), "metic trace query %s counts %s lists what ran", query->words[0],
             query->who.task != NULL ? "task" : query->who.satp != 0 ? "satp" : "priv");
    return error_set(error, next, "%s has no instruction of those", query->words[0]);
}

static bool tell_parting(struct trace_query *a, struct trace_query *b, u64 harts, u64 same,
                         bool differ, const struct parting *parting, struct metic_error *error)
{
    char name[64];
    name_compared(a, harts, name, sizeof(name));
    if (trace_who_narrows(&a->who) && same == 0 && (parting->a == NULL || parting->b == NULL)) {
        return say_none(parting->a == NULL ? a : b, error);
    }
    if (!differ) {
        printf("%s: the same, %" PRIu64 " instructions\n", name, same);
        return true;
    }
    printf("%s: first difference after %" PRIu64 " instructions that are the same\n", name, same);
    say_side(a, parting->a);
    say_side(b, parting->b);
    return true;
}

/* Of one hart, or what the query asks for on these. */
static bool compare(struct trace_query *a, struct trace_query *b, u64 harts, bool *differ,
                    struct metic_error *error)
{
    struct side *sides = calloc(2, sizeof(*sides));
    struct parting parting = {.a = NULL, .b = NULL};
    u32 i = TRACE_NONE, j = TRACE_NONE;
    u64 same = 0;
    if (!is_narrowed(a)) {
        i = first_section(&a->file, (unsigned)__builtin_ctzll(harts));
        j = first_section(&b->file, (unsigned)__builtin_ctzll(harts));
        same = pass_same(a, &i, b, &j);
    }
    bool left = sides != NULL && side_begin(&sides[0], a, harts, i);
    bool right = left && side_begin(&sides[1], b, harts, j);
    *differ = right && !compare_sides(&sides[0], &sides[1], &same, &parting);
    if (left) {
        side_stop(&sides[0]);
    }
    if (right) {
        side_stop(&sides[1]);
    }
    bool good = right || error_set(error, NULL, "the host has no memory, or no threads");
    for (unsigned n = 0; sides != NULL && n < 2; n++) {
        if (good && sides[n].failed) {
            *error = sides[n].error;
            good = false;
        }
        side_end(&sides[n]);
    }
    free(sides);
    return good && tell_parting(a, b, harts, same, *differ, &parting, error);
}

/* Hart by hart, or all harts at once. */
static bool compare_all(struct trace_query *a, struct trace_query *b, unsigned *differences,
                        struct metic_error *error)
{
    u64 asked = a->text.harts != 0 ? a->text.harts : ~(u64)0;
    u64 harts = asked & (a->file.harts < 64 ? ((u64)1 << a->file.harts) - 1 : ~(u64)0);
    bool good = true, differ;
    if (trace_who_narrows(&a->who)) {
        good = compare(a, b, harts, &differ, error);
        *differences += differ;
        return good;
    }
    for (u64 left = harts; good && left != 0; left &= left - 1) {
        good = compare(a, b, left & (~left + 1), &differ, error);
        *differences += differ;
    }
    return good;
}

bool trace_query_diff(struct trace_query *query, struct metic_error *error)
{
    struct trace_query *other = calloc(1, sizeof(*other));
    if (other == NULL || !trace_query_open(query, error)) {
        free(other);
        return false;
    }
    other->words[0] = query->words[1];
    other->who = query->who;
    other->text.harts = query->text.harts;
    other->text.from_insns = query->text.from_insns;
    other->text.to_insns = query->text.to_insns;
    bool opened = trace_query_open(other, error);
    unsigned differences = 0;
    bool good = opened && compare_all(query, other, &differences, error);
    if (opened) {
        query->damaged |= other->damaged;
        trace_query_close(other);
    }
    trace_query_close(query);
    free(other);
    return good && (differences == 0 || error_set(error, NULL, "the runs differ"));
}
