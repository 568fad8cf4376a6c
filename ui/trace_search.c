/* See trace_query.h: writes and values. Sections whose index has the lines, or units that write the
 * register, are searched by threads; units without an access there are passed over. */
#include "ui/trace_query.h"

#include "ui/trace_scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* An access or a register write. */
struct hit {
    u64 insns, ns, pc, address, value;
    u32 privilege;
    u16 stream, size_bytes;
};

struct search {
    struct trace_query *query;
    u64 first, end;
    bool reads;     /* those too */
    bool is_values; /* those that changed */
    int reg;        /* of values; -1: memory, or */
    int csr;        /*   this CSR; -1: none */
    struct trace_units units; /* that write the register */
    u64 last[METIC_MAX_HARTS + 1];
    u64 known[METIC_MAX_HARTS + 1]; /* bit mask: of last */
};

bool trace_query_told(struct trace_query *query, const struct trace_step *step)
{
    struct trace_text *text = &query->text;
    if (trace_text_is_full(text) || step->insns < text->from_insns ||
        (text->to_insns != 0 && step->insns >= text->to_insns)) {
        return false;
    }
    char where[160];
    symbols_print(&query->symbols, step->pc, where, sizeof(where));
    printf("hart %u, instruction %" PRIu64 ", %" PRIu64 " ns, %s-mode, %016" PRIx64 " %s: ",
           step->stream, step->insns, step->ns, trace_privilege(step->privilege), step->pc, where);
    text->told++;
    return true;
}

/* --- on threads --- */

static bool wants_unit(void *opaque, u32 number, u64 pc, const u64 *words)
{
    const struct trace_worker *worker = opaque;
    const struct search *search = worker->opaque;
    const struct metic_trace_unit *unit = &worker->file->units[number];
    (void)pc;
    if (search->reg >= 0) {
        return search->units.wanted[number] != 0;
    }
    for (unsigned i = 0; i < unit->slot_count; i++) {
        if (trace_column_of(unit->slots[i].kind) == TRACE_ADDRESSES && words[i] < search->end &&
            words[i] + unit->slots[i].size_bytes > search->first) {
            return true;
        }
    }
    return false;
}

static void add_hit(struct trace_worker *worker, const struct hit *hit)
{
    struct hit *to = trace_found_add(worker->found, sizeof(*to));
    if (to != NULL) {
        *to = *hit;
    }
}

static void search_step(void *opaque, const struct trace_step *step)
{
    struct trace_worker *worker = opaque;
    const struct search *search = worker->opaque;
    struct hit hit = {
        .insns = step->insns, .ns = step->ns, .pc = step->pc, .privilege = step->privilege,
        .stream = (u16)step->stream,
    };
    for (unsigned i = 0; search->reg >= 0 && i < step->slot_count; i++) {
        if (step->slots[i].kind == METIC_SLOT_REGISTER && step->slots[i].reg == search->reg) {
            hit.value = step->words[i];
            add_hit(worker, &hit);
        }
    }
    struct trace_access access;
    for (unsigned at = 0; search->reg < 0 && trace_next_access(step, &at, &access);) {
        if ((access.write || search->reads) && access.address < search->end &&
            access.address + access.size_bytes > search->first) {
            hit.address = access.address;
            hit.value = access.value;
            hit.size_bytes = access.size_bytes;
            add_hit(worker, &hit);
        }
    }
}

static void search_event(void *opaque, const struct trace_event *event)
{
    struct trace_worker *worker = opaque;
    const struct search *search = worker->opaque;
    if (!worker->over && search->csr >= 0 && event->kind == METIC_EVENT_CSR && event->count >= 3 &&
        (event->words[0] & 0xfff) == (u64)search->csr) {
        const struct hit hit = {
            .insns = event->insns, .ns = event->ns, .pc = event->pc,
            .value = event->words[event->words[0] >> 17 & 1 ? 2 : 1],
            .privilege = event->privilege, .stream = (u16)event->stream,
        };
        add_hit(worker, &hit);
    }
    if (worker->over || search->reg >= 0 || search->csr >= 0 || event->kind != METIC_EVENT_MEMORY ||
        event->count < 3 || (!(event->words[2] >> 8 & 1) && !search->reads) ||
        event->words[0] >= search->end ||
        event->words[0] + (event->words[2] & 0xff) <= search->first) {
        return;
    }
    const struct hit hit = {
        .insns = event->insns, .ns = event->ns, .pc = event->pc, .address = event->words[0],
        .value = event->words[1], .privilege = event->privilege, .stream = (u16)event->stream,
        .size_bytes = (u16)(event->words[2] & 0xff),
    };
    add_hit(worker, &hit);
}

static void search_section(struct trace_worker *worker, u32 number)
{
    static const struct trace_callbacks model = {
        .step = search_step, .event = search_event, .wants = wants_unit,
    };
    const struct search *search = worker->opaque;
    struct trace_callbacks callbacks = model;
    callbacks.opaque = worker;
    if (search->reg < 0 && search->csr < 0 &&
        !trace_reader_touches(worker->reader, &worker->file->sections[number], search->first,
                              search->end, search->reads)) {
        return;
    }
    worker->found->bad |= !trace_worker_decode(worker, number, &callbacks);
}

/* --- the caller's --- */

static bool is_wanted(void *opaque, u32 number)
{
    const struct search *search = opaque;
    struct trace_file *file = &search->query->file;
    const struct trace_section *section = &file->sections[number];
    if (!trace_query_in_window(search->query, number)) {
        return false;
    }
    if (search->csr >= 0) {
        return trace_file_kinds(file, section) >> METIC_EVENT_CSR & 1;
    }
    if (search->reg >= 0) {
        return trace_file_may_run(file, section, &search->units);
    }
    return search->reads ? trace_file_may_access(file, section, search->first, search->end)
                         : trace_file_may_write(file, section, search->first, search->end);
}

static void print_hit(struct search *search, const struct hit *hit)
{
    struct trace_step step = {.stream = hit->stream, .insns = hit->insns, .ns = hit->ns,
                              .privilege = hit->privilege, .pc = hit->pc};
    if (!trace_query_told(search->query, &step)) {
        return;
    }
    if (search->is_values) {
        printf("%" PRIx64 "\n", hit->value);
    } else if (hit->size_bytes <= 8) {
        printf("%0*" PRIx64 " to %" PRIx64 "\n", 2 * hit->size_bytes, hit->value, hit->address);
    } else {
        printf("%" PRIx64 " to %" PRIx64 ", %u bytes\n", hit->value, hit->address,
               hit->size_bytes);
    }
}

/* What the bytes from `first` on hold after an access to some of them, as far as is known; false:
 * nothing else than before. */
static bool value_of(struct search *search, struct hit *hit)
{
    u64 mask = ~(u64)0;
    bool of_hart = search->reg >= 0 || search->csr >= 0;
    if (!of_hart) {
        u64 skip = search->first - hit->address;
        if (hit->address > search->first || (skip != 0 && (hit->size_bytes > 8 || skip > 7))) {
            return false;
        }
        hit->value >>= 8 * skip;
        mask = trace_mask((unsigned)(hit->size_bytes - skip));
    }
    unsigned n = of_hart ? hit->stream : 0;
    hit->value = (search->last[n] & ~mask) | (hit->value & mask);
    bool same = (mask & ~search->known[n]) == 0 && search->last[n] == hit->value;
    search->known[n] |= mask;
    search->last[n] = hit->value;
    return !same;
}

static bool take(void *opaque, u32 number, struct trace_found *found)
{
    struct search *search = opaque;
    struct hit *hits = found->items;
    (void)number;
    for (size_t i = 0; i < found->count; i++) {
        if (!search->is_values || value_of(search, &hits[i])) {
            print_hit(search, &hits[i]);
        }
    }
    return !trace_text_is_full(&search->query->text);
}

static bool run(struct search *search, struct metic_error *error)
{
    const struct trace_scan scan = {
        .file = &search->query->file, .wanted = is_wanted, .work = search_section, .take = take,
        .opaque = search,
    };
    return trace_scan_run(&scan, 0, (u32)search->query->file.section_count, error);
}

/* --- physical addresses: all is decoded in order, with the TLB's fills --- */

struct physical {
    struct trace_query *query;
    u64 first, end;
};

static void physical_event(void *opaque, const struct trace_event *event)
{
    struct physical *physical = opaque;
    trace_pages_event(&physical->query->text.pages, event);
}

static void physical_step(void *opaque, const struct trace_step *step)
{
    struct physical *physical = opaque;
    struct trace_access access;
    for (unsigned at = 0; trace_next_access(step, &at, &access);) {
        u64 gpa;
        if (access.write &&
            trace_pages_find(&physical->query->text.pages, step, access.address, &gpa) &&
            gpa < physical->end && gpa + access.size_bytes > physical->first &&
            trace_query_told(physical->query, step)) {
            printf("%0*" PRIx64 " to %" PRIx64 ", physical %" PRIx64 "\n", 2 * access.size_bytes,
                   access.value, access.address, gpa);
        }
    }
}

static bool physical_writes(struct trace_query *query, const char *place, struct metic_error *error)
{
    struct physical physical = {.query = query};
    const struct trace_callbacks callbacks = {
        .step = physical_step, .event = physical_event, .opaque = &physical,
    };
    if (!(trace_file_meta(&query->file, "events", 16, 0) >> METIC_EVENT_TLB_FILL & 1)) {
        return error_set(error, "record with --trace-events memory,tlb",
                         "%s has no TLB fills, which tell physical addresses", query->file.path);
    }
    bool good = trace_query_place(query, place, &physical.first, &physical.end, error) &&
                trace_query_each(query, &callbacks, NULL, error);
    trace_pages_free(&query->text.pages);
    return good;
}

bool trace_query_writes(struct trace_query *query, struct metic_error *error)
{
    if (strncmp(query->words[2], "phys:", 5) == 0) {
        return physical_writes(query, query->words[2] + 5, error);
    }
    struct search search = {.query = query, .reg = -1, .csr = -1};
    return trace_query_place(query, query->words[2], &search.first, &search.end, error) &&
           run(&search, error);
}

static int find_register(const char *name)
{
    for (unsigned i = 0; metic_trace_register(i)[0] != '\0'; i++) {
        if (strcmp(metic_trace_register(i), name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* The number of a CSR whose accesses are events of the trace; -1: none. */
static int find_csr(const struct trace_file *file, const char *name)
{
    bool told = trace_file_meta(file, "events", 16, 0) >> METIC_EVENT_CSR & 1;
    for (unsigned i = 0; told && i < 4096; i++) {
        char text[32];
        metic_csr_name(i, text, sizeof(text));
        if (strcmp(text, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool trace_query_values(struct trace_query *query, struct metic_error *error)
{
    struct search search = {
        .query = query, .csr = find_csr(&query->file, query->words[2]), .reads = true,
        .is_values = true,
    };
    search.reg = search.csr >= 0 ? -1 : find_register(query->words[2]);
    if (search.csr >= 0) {
        return run(&search, error);
    }
    if (search.reg < 0) {
        u64 end;
        if (!trace_query_place(query, query->words[2], &search.first, &end, error)) {
            return false;
        }
        search.end = search.first + 1;
        return run(&search, error);
    }
    if (!trace_file_find_register(&query->file, (unsigned)search.reg, &search.units)) {
        return error_set(error, NULL, "the host has no memory");
    }
    bool good = run(&search, error);
    free(search.units.wanted);
    return good;
}
