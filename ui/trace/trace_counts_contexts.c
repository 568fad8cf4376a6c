/* See trace_counts.h: who ran. Sections say how much of them was of which context
 * (trace_context); threads add up their own, by the context. */
#include "ui/trace/trace_counts.h"

#include "ui/trace/trace_sift.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Contexts and what ran in them, on one hart: a hash table, of which a quarter stays empty. */
struct table {
    struct cell {
        struct trace_context context; /* insns: the sum; 0: empty */
        u32 hart;
        u64 last; /* orders contexts by when they were met last */
    } *cells;
    size_t count, size; /* a power of two, or 0 */
};

struct sums {
    struct trace_query *query;
    struct adding {
        struct sums *sums;
        struct table table;
        u32 hart;
        u64 last; /* of the next context */
    } threads[TRACE_THREADS_MAX];
    _Atomic bool damaged, no_memory;
};

static u64 hash(const struct trace_context *context, u32 hart)
{
    u64 name;
    memcpy(&name, context->name, sizeof(name));
    u64 mixed = (context->satp ^ context->task << 7 ^ name) * 0x9e3779b97f4a7c15u;
    return (mixed ^ context->privilege ^ (u64)hart << 8) * 0x9e3779b97f4a7c15u >> 20;
}

static bool same(const struct cell *cell, const struct trace_context *context, u32 hart)
{
    return cell->hart == hart && cell->context.privilege == context->privilege &&
           cell->context.satp == context->satp && cell->context.task == context->task &&
           memcmp(cell->context.name, context->name, sizeof(context->name)) == 0;
}

static void put(struct table *table, const struct trace_context *context, u32 hart, u64 last)
{
    size_t at = hash(context, hart) & (table->size - 1);
    while (table->cells[at].context.insns != 0 && !same(&table->cells[at], context, hart)) {
        at = (at + 1) & (table->size - 1);
    }
    struct cell *cell = &table->cells[at];
    if (cell->context.insns == 0) {
        *cell = (struct cell){*context, hart, last};
        table->count++;
    } else {
        cell->context.insns += context->insns;
        cell->last = last > cell->last ? last : cell->last;
    }
}

static bool grow(struct table *table)
{
    struct table bigger = {.size = table->size != 0 ? 2 * table->size : 1024};
    bigger.cells = calloc(bigger.size, sizeof(*bigger.cells));
    for (size_t i = 0; bigger.cells != NULL && i < table->size; i++) {
        if (table->cells[i].context.insns != 0) {
            put(&bigger, &table->cells[i].context, table->cells[i].hart, table->cells[i].last);
        }
    }
    if (bigger.cells == NULL) {
        return false;
    }
    free(table->cells);
    *table = bigger;
    return true;
}

static void add_context(void *opaque, const struct trace_context *context)
{
    struct adding *adding = opaque;
    struct table *table = &adding->table;
    if (context->insns == 0 || !trace_who_is(&adding->sums->query->who, context->privilege,
                                             context->satp, context->name)) {
        return;
    }
    if (table->count >= table->size / 4 * 3 && !grow(table)) {
        adding->sums->no_memory = true;
        return;
    }
    put(table, context, adding->hart, adding->last++);
}

static u8 add_section(void *opaque, struct trace_file *file, u32 number, unsigned thread)
{
    struct sums *sums = opaque;
    struct adding *adding = &sums->threads[thread];
    if (trace_query_in_window(sums->query, number) &&
        !trace_counts_is_cut(sums->query, number)) {
        adding->sums = sums;
        adding->hart = file->sections[number].stream;
        adding->last = file->sections[number].turn_ns << 8; /* more than a section has contexts */
        if (!trace_file_contexts(file, &file->sections[number], add_context, adding)) {
            sums->damaged = true;
        }
    }
    return 0;
}

static void add_step(void *opaque, const struct trace_cut_step *step)
{
    struct adding *adding = opaque;
    adding->hart = step->hart;
    add_context(adding, &step->context);
}

/* --- rows --- */

static void name_task(struct row *row, const struct trace_context *context)
{
    char name[sizeof(context->name) + 1] = {0};
    memcpy(name, context->name, sizeof(context->name));
    for (char *at = name; *at != '\0'; at++) { /* the guest's bytes */
        *at = *at >= ' ' && *at <= '~' ? *at : '?';
    }
    snprintf(row->text, sizeof(row->text), "%s", context->task != 0 ? name : "(before any task)");
}

static void name_privilege(struct row *row, u32 privilege)
{
    snprintf(row->text, sizeof(row->text), privilege != ~(u32)0 ? "%s-mode" : "(not known)",
             trace_privilege(privilege));
}

static int by_space(const void *a, const void *b)
{
    const struct cell *x = *(const struct cell *const *)a, *y = *(const struct cell *const *)b;
    if (x->context.satp != y->context.satp) {
        return x->context.satp < y->context.satp ? -1 : 1;
    }
    if (x->context.task != y->context.task) {
        return x->context.task < y->context.task ? -1 : 1;
    }
    return x->last < y->last ? -1 : x->last > y->last;
}

/* The task that ran most in the address space, as a program (kernel threads borrow one), by the
 * last name it had: a program begins with that of who starts it. Cells are in order; NULL: none. */
static const struct trace_context *program_of(struct cell *const *cells, size_t count)
{
    const struct trace_context *most = NULL, *last = NULL;
    u64 most_insns = 0, insns = 0;
    for (size_t i = 0; i < count; i++) {
        const struct trace_context *context = &cells[i]->context;
        if (context->privilege != 0 || context->task == 0) {
            continue;
        }
        insns = last != NULL && last->task == context->task ? insns + context->insns
                                                            : context->insns;
        last = context;
        if (insns >= most_insns) {
            most_insns = insns;
            most = context;
        }
    }
    return most;
}

static void add_space(struct rows *rows, struct cell *const *cells, size_t count)
{
    struct row *row = trace_rows_add(rows, cells[0]->context.satp, 0), name = {0};
    const struct trace_context *program = program_of(cells, count);
    if (row == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        row->count += cells[i]->context.insns;
    }
    if (program != NULL) {
        name_task(&name, program);
    }
    snprintf(row->text, sizeof(row->text), "%016" PRIx64 "%s%.16s", row->key,
             program != NULL ? " " : "", name.text);
}

/* A row for each address space. */
static void add_spaces(struct rows *rows, const struct table *table)
{
    struct cell **list = malloc((table->count + 1) * sizeof(struct cell *));
    size_t count = 0;
    rows->no_memory |= list == NULL;
    for (size_t i = 0; list != NULL && i < table->size; i++) {
        if (table->cells[i].context.insns != 0) {
            list[count++] = &table->cells[i];
        }
    }
    if (count != 0) {
        qsort(list, count, sizeof(struct cell *), by_space);
    }
    for (size_t first = 0, end = 0; first < count; first = end) {
        while (end < count && list[end]->context.satp == list[first]->context.satp) {
            end++;
        }
        add_space(rows, list + first, end - first);
    }
    free(list);
}

static void add_row(struct rows *rows, const struct cell *cell, const char *by)
{
    struct row *row = trace_rows_add(rows, 0, cell->context.insns);
    if (row == NULL) {
        return;
    }
    if (strcmp(by, "task") == 0) {
        name_task(row, &cell->context);
    } else if (strcmp(by, "priv") == 0) {
        name_privilege(row, cell->context.privilege);
    } else {
        row->key = cell->hart;
        snprintf(row->text, sizeof(row->text), "hart %u", cell->hart);
    }
}

/* What all threads have, in the first one's table; false: no memory. */
static bool gather(struct sums *sums)
{
    struct adding *all = &sums->threads[0];
    all->sums = sums;
    for (unsigned n = 1; n < TRACE_THREADS_MAX; n++) {
        const struct table *table = &sums->threads[n].table;
        for (size_t i = 0; i < table->size; i++) {
            all->hart = table->cells[i].hart;
            all->last = table->cells[i].last;
            add_context(all, &table->cells[i].context);
        }
    }
    return !sums->no_memory;
}

bool trace_counts_contexts(struct trace_query *query, struct rows *rows, struct metic_error *error)
{
    struct trace_file *file = &query->file;
    const char *by = query->words[2];
    if (strcmp(by, "task") == 0 &&
        !(trace_file_meta(file, "events", 16, 0) >> METIC_EVENT_TASK & 1)) {
        return error_set(error, "record with tasks among --trace-events",
                         "%s has no tasks", file->path);
    }
    struct sums *sums = calloc(1, sizeof(*sums));
    struct trace_sift sift = {.ask = add_section, .opaque = sums};
    if (sums == NULL || !trace_sift_begin(&sift, file)) {
        free(sums);
        return error_set(error, NULL, "the host has no memory");
    }
    sums->query = query;
    if (file->section_count != 0) {
        (void)trace_sift_answer(&sift, file, (u32)file->section_count - 1); /* all are asked */
    }
    trace_sift_end(&sift);
    sums->threads[0].sums = sums;
    bool read = trace_counts_cut(query, add_step, &sums->threads[0], error);
    bool good = read && gather(sums);
    const struct table *all = &sums->threads[0].table;
    bool spaces = strcmp(by, "satp") == 0;
    if (good && spaces) {
        add_spaces(rows, all);
    }
    for (size_t i = 0; good && !spaces && i < all->size; i++) {
        if (all->cells[i].context.insns != 0) {
            add_row(rows, &all->cells[i], by);
        }
    }
    if (sums->damaged) {
        good = error_set(error, NULL, "%s: an index is damaged", file->path);
    } else if (read && !good) {
        error_set(error, NULL, "the host has no memory");
    }
    for (unsigned n = 0; n < TRACE_THREADS_MAX; n++) {
        free(sums->threads[n].table.cells);
    }
    free(sums);
    return good;
}
