/* See trace_query.h: writes and values. Sections whose index has the lines, or units that write the
 * register, are searched by threads; units without an access there are passed over. */
#include "ui/trace/trace_query.h"

#include "cpu/base/hex.h"
#include "ui/trace/trace_pages.h"
#include "ui/trace/trace_scan.h"
#include "ui/trace/trace_sift.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* An access, a register write, or a fill of the TLB. */
struct hit {
    u64 order_ns, insns, ns, pc, address, value;
    u64 satp;        /* of physical searches */
    u64 fill;        /* its flags; address is at value; ~0: it is none */
    u32 privilege;
    u16 stream, size_bytes;
    u64 serial; /* in its stream */
};
#define NO_FILL (~(u64)0)

/* Why a section of a physical search is looked at. */
enum { FOR_FILLS = 1, FOR_ACCESSES = 2 };

struct search {
    struct trace_query *query;
    struct trace_places places;
    unsigned how;   /* TRACE_READS, TRACE_WRITES */
    bool is_values; /* those that changed */
    u64 first;      /* the value's first byte */
    int reg;        /* of values; -1: memory, or */
    int csr;        /*   this CSR; -1: none */
    bool tasks;     /*   or Linux's tasks */
    struct trace_units units; /* that write the register */
    /* places are where [first, end), physical, was mapped: */
    bool physical;
    u64 end;
    struct trace_sift sift; /* why a section is looked at */
    bool backwards; /* parts of the file, for the last ones: only their sections are asked, */
    bool is_part;   /*   and what a hart's register held before is not known; */
    u64 known_ns;   /*   from then on it is, of all harts */
    struct trace_pages pages;
    struct hit *held;  /* what was found, until nothing can come before it */
    size_t held_count, held_capacity;
    u64 serial;
    u64 last[METIC_MAX_HARTS + 1];
    u64 known[METIC_MAX_HARTS + 1]; /* bit mask: of last */
};

/* Events tell of it, not instructions. */
static bool is_of_events(const struct search *search)
{
    return search->csr >= 0 || search->tasks;
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
        if (trace_column_of(unit->slots[i].kind) == TRACE_ADDRESSES &&
            trace_places_have(&search->places, words[i], unit->slots[i].size_bytes)) {
            return true;
        }
    }
    return false;
}

/* A value that the same hart saw there just before is no news: a loop that waits for another would
 * fill the memory with it. */
static bool is_again(const struct trace_worker *worker, const struct hit *hit)
{
    const struct search *search = worker->opaque;
    const struct trace_found *found = worker->found;
    if (!search->is_values || found->count == 0) {
        return false;
    }
    const struct hit *last = (const struct hit *)found->items + (found->count - 1);
    return hit->fill == NO_FILL &&
           last->fill == NO_FILL && last->address == hit->address && last->value == hit->value &&
           last->size_bytes == hit->size_bytes && last->satp == hit->satp &&
           last->privilege == hit->privilege;
}

static void add_hit(struct trace_worker *worker, const struct hit *hit)
{
    if (is_again(worker, hit)) {
        return;
    }
    struct hit *to = trace_found_add(worker->found, sizeof(*to));
    if (to != NULL) {
        *to = *hit;
    }
}

static void search_step(void *opaque, const struct trace_step *step)
{
    struct trace_worker *worker = opaque;
    const struct search *search = worker->opaque;
    if (!step->mine) {
        return;
    }
    struct hit hit = {
        .order_ns = step->order_ns, .insns = step->insns, .pc = step->pc,
        .ns = trace_step_ns(step, search->query->text.counts_ns),
        .satp = step->satp, .fill = NO_FILL,
        .privilege = step->privilege, .stream = (u16)step->stream,
    };
    for (unsigned i = 0; search->reg >= 0 && i < step->slot_count; i++) {
        if (step->slots[i].kind == METIC_SLOT_REGISTER && step->slots[i].reg == search->reg) {
            hit.value = step->words[i];
            add_hit(worker, &hit);
        }
    }
    struct trace_access access;
    bool of_memory = search->reg < 0 && !is_of_events(search);
    for (unsigned at = 0; of_memory && trace_next_access(step, &at, &access);) {
        unsigned does = (access.read ? TRACE_READS : 0u) | (access.write ? TRACE_WRITES : 0u);
        if (search->how & does &&
            trace_places_have(&search->places, access.address, access.size_bytes)) {
            hit.address = access.address;
            hit.value = access.value;
            hit.size_bytes = access.size_bytes;
            add_hit(worker, &hit);
        }
    }
}

/* Whether the event is what is looked for; *hit then has what it says. */
static bool event_hits(const struct search *search, const struct trace_event *event,
                       struct hit *hit)
{
    const u64 *w = event->words;
    if (event->count < 3) {
        return false;
    }
    if (search->tasks) { /* its address, and the words of its name */
        hit->value = w[0];
        hit->address = w[1];
        hit->satp = w[2];
        return event->kind == METIC_EVENT_TASK && event->mine;
    }
    if (search->csr >= 0) {
        hit->value = w[w[0] >> 17 & 1 ? 2 : 1];
        return event->kind == METIC_EVENT_CSR && event->mine && (w[0] & 0xfff) == (u64)search->csr;
    }
    hit->address = w[0];
    hit->value = w[1];
    if (search->physical && event->kind == METIC_EVENT_TLB_FILL) {
        hit->fill = w[2];
        return trace_places_have(&search->places, w[0] & ~(u64)4095, 4096);
    }
    hit->size_bytes = (u16)(w[2] & 0xff);
    return search->reg < 0 && event->kind == METIC_EVENT_MEMORY && event->mine &&
           search->how & (w[2] >> 8 & 1 ? TRACE_WRITES : TRACE_READS) &&
           trace_places_have(&search->places, w[0], w[2] & 0xff);
}

static void search_event(void *opaque, const struct trace_event *event)
{
    struct trace_worker *worker = opaque;
    struct hit hit = {
        .order_ns = event->order_ns, .insns = event->insns, .ns = event->ns, .pc = event->pc,
        .satp = event->satp,
        .fill = NO_FILL, .privilege = event->privilege, .stream = (u16)event->stream,
    };
    if (!worker->over && event_hits(worker->opaque, event, &hit)) {
        add_hit(worker, &hit);
    }
}

/* Whether one of the units writes the register that is looked for; of CSRs events tell. */
static bool wants_item(void *opaque, const u32 *units, unsigned count, u64 page_delta)
{
    const struct search *search = opaque;
    bool wanted = false;
    (void)page_delta;
    for (unsigned i = 0; search->reg >= 0 && i < count; i++) {
        wanted |= search->units.wanted[units[i]] != 0;
    }
    return wanted;
}

static void search_section(struct trace_worker *worker, u32 number)
{
    static const struct trace_callbacks model = {
        .step = search_step, .event = search_event, .wants = wants_unit,
    };
    const struct search *search = worker->opaque;
    struct trace_callbacks callbacks = model;
    callbacks.opaque = worker;
    unsigned why = search->sift.answers[number];
    if (why == FOR_FILLS) {
        worker->found->bad |= !trace_worker_events(worker, number, &callbacks);
        return;
    }
    const struct trace_want want = {
        .places = search->reg < 0 && !is_of_events(search) ? &search->places : NULL,
        .how = search->how, .item = wants_item, .opaque = worker->opaque, .version = 1,
        .before_events = is_of_events(search),
    };
    worker->found->bad |= !trace_worker_decode(worker, number, &want, &callbacks);
    if (worker->none && why & FOR_FILLS) {
        worker->found->bad |= !trace_worker_events(worker, number, &callbacks);
    }
}

/* --- the caller's --- */

struct fill_search {
    const struct search *search;
    bool found;
};

static void look_for_fill(void *opaque, u64 gva_page, u64 gpa_page)
{
    struct fill_search *fills = opaque;
    (void)gpa_page;
    fills->found = fills->found ||
                   trace_places_have(&fills->search->places, gva_page << 12, 4096);
}

/* What a page was at comes from all fills of it before, wherever the window begins. */
static u8 why_physical(const struct search *search, struct trace_file *file, u32 number)
{
    const struct trace_section *section = &file->sections[number];
    struct fill_search fills = {search, false};
    bool fill = trace_file_kinds(file, section) >> METIC_EVENT_TLB_FILL & 1 &&
                (!trace_file_fills(file, section, look_for_fill, &fills) || fills.found);
    bool access = trace_query_may_have(search->query, file, number) &&
                  trace_file_may_access(file, section, &search->places, search->how);
    return (u8)((fill ? FOR_FILLS : 0) | (access ? FOR_ACCESSES : 0));
}

static u8 why_section(void *opaque, struct trace_file *file, u32 number, unsigned thread)
{
    const struct search *search = opaque;
    const struct trace_section *section = &file->sections[number];
    bool wanted;
    (void)thread;
    if (search->physical) {
        return why_physical(search, file, number);
    }
    if (!trace_query_may_have(search->query, file, number)) {
        return 0;
    }
    if (is_of_events(search)) {
        wanted = trace_file_kinds(file, section) >>
                 (search->tasks ? METIC_EVENT_TASK : METIC_EVENT_CSR) & 1;
    } else if (search->reg >= 0) {
        wanted = trace_file_may_run(file, section, &search->units);
    } else {
        wanted = trace_file_may_access(file, section, &search->places, search->how);
    }
    return wanted ? FOR_ACCESSES : 0;
}

static bool is_wanted(void *opaque, u32 number)
{
    struct search *search = opaque;
    u8 why = search->backwards ? search->sift.answers[number]
                               : trace_sift_answer(&search->sift, &search->query->file, number);
    return why != 0;
}

static char *put_json_hit(const struct search *search, const struct hit *hit, u64 gpa, char *at)
{
    at = trace_answer_put_hex(at, "value", hit->value);
    if (!search->is_values) {
        at = trace_answer_put_hex(at, "address", hit->address);
        at = put_decimal(put_text(at, ",\"bytes\":"), hit->size_bytes);
    }
    return search->physical ? trace_answer_put_hex(at, "physical", gpa) : at;
}

static char *put_hit(const struct search *search, const struct hit *hit, u64 gpa, char *at)
{
    bool digits = !search->is_values && hit->size_bytes <= 8;
    at = digits ? put_hex_digits(at, hit->value, 2u * hit->size_bytes) : put_hex(at, hit->value);
    if (!search->is_values) {
        at = put_hex(put_text(at, search->how & TRACE_WRITES ? " to " : " from "), hit->address);
    }
    if (!search->is_values && hit->size_bytes > 8) {
        at = put_text(put_decimal(put_text(at, ", "), hit->size_bytes), " bytes");
    }
    if (search->physical && !search->is_values) {
        at = put_hex(put_text(at, ", physical "), gpa);
    }
    return at;
}

/* Of Linux's tasks, whose names are in two words. */
static char *put_task(const struct search *search, const struct hit *hit, char *at)
{
    char name[17] = {0};
    memcpy(name, &hit->address, 8);
    memcpy(name + 8, &hit->satp, 8);
    if (trace_answer_is_json(search->query)) {
        at = trace_answer_put_hex(at, "value", hit->value);
        return trace_answer_put_string(put_text(at, ",\"task\":"), name);
    }
    for (char *c = name; *c != '\0'; c++) { /* the guest's bytes */
        *at++ = *c >= ' ' && *c <= '~' ? *c : '?';
    }
    return put_text(put_hex(put_text(at, " ("), hit->value), ")");
}

static void print_hit(struct search *search, const struct hit *hit, u64 gpa)
{
    struct trace_query *query = search->query;
    bool of_hart = search->reg >= 0 || is_of_events(search);
    u64 mask = of_hart            ? ~(u64)0
               : search->is_values ? search->known[0]
                                   : trace_mask(hit->size_bytes);
    if (!trace_answer_has(query, hit->value, mask)) {
        return;
    }
    struct trace_step step = {.stream = hit->stream, .insns = hit->insns, .ns = hit->ns,
                              .privilege = hit->privilege,
                              .pc = search->tasks ? TRACE_NOWHERE : hit->pc};
    const char *event = search->is_values ? "value" : search->how & TRACE_WRITES ? "write" : "read";
    char text[TRACE_ANSWER_BYTES], *at = trace_answer_begin(query, &step, event, text);
    if (at != NULL) {
        at = search->tasks                ? put_task(search, hit, at)
             : trace_answer_is_json(query) ? put_json_hit(search, hit, gpa, at)
                                           : put_hit(search, hit, gpa, at);
        trace_answer_end(query, text, at, hit->order_ns);
    }
}

/* What the bytes from `first` on hold after an access to some of them, at `address`, as far as is
 * known; false: nothing else than before. */
static bool value_of(struct search *search, struct hit *hit, u64 address)
{
    u64 mask = ~(u64)0;
    bool of_hart = search->reg >= 0 || search->csr >= 0;
    if (!of_hart) {
        u64 skip = search->first - address;
        if (address > search->first || (skip != 0 && (hit->size_bytes > 8 || skip > 7))) {
            return false;
        }
        hit->value >>= 8 * skip;
        mask = trace_mask((unsigned)(hit->size_bytes - skip));
    }
    unsigned n = of_hart ? hit->stream : 0;
    hit->value = (search->last[n] & ~mask) | (hit->value & mask);
    bool same = (mask & ~search->known[n]) == 0 && search->last[n] == hit->value;
    if (search->is_part && search->known[n] == 0) { /* is it another than before? */
        search->known_ns = hit->order_ns > search->known_ns ? hit->order_ns : search->known_ns;
        same = true;
    }
    search->known[n] |= mask;
    search->last[n] = hit->value;
    return !same;
}

/* Where a hit of a physical search was; false: elsewhere, or it is a fill, which is noted. */
static bool is_there(struct search *search, const struct hit *hit, u64 *gpa)
{
    if (hit->fill != NO_FILL) {
        const u64 words[] = {hit->address, hit->value, hit->fill};
        const struct trace_event event = {
            .stream = hit->stream, .kind = METIC_EVENT_TLB_FILL, .satp = hit->satp,
            .words = words, .count = ARRAY_LEN(words),
        };
        trace_pages_event(&search->pages, &event);
        return false;
    }
    *gpa = hit->address;
    return (!trace_is_translated(hit->privilege, hit->satp) ||
            trace_pages_find(&search->pages, hit->stream, hit->privilege, hit->satp, hit->address,
                             gpa)) &&
           *gpa < search->end && *gpa + hit->size_bytes > search->first;
}

static int by_order(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->order_ns != y->order_ns) {
        return x->order_ns < y->order_ns ? -1 : 1;
    }
    if (x->stream != y->stream) {
        return x->stream < y->stream ? -1 : 1;
    }
    return x->serial < y->serial ? -1 : x->serial > y->serial;
}

/* Mostly it is in order, and sorting that would copy all of it. */
static void sort_held(struct search *search)
{
    for (size_t i = 1; i < search->held_count; i++) {
        if (by_order(&search->held[i - 1], &search->held[i]) > 0) {
            qsort(search->held, search->held_count, sizeof(*search->held), by_order);
            return;
        }
    }
}

/* Tells of what is held from before that time. */
static void tell_held(struct search *search, u64 before_ns)
{
    size_t told = 0;
    sort_held(search);
    for (; told < search->held_count && search->held[told].order_ns < before_ns; told++) {
        struct hit *hit = &search->held[told];
        u64 gpa = hit->address;
        if ((!search->physical || is_there(search, hit, &gpa)) &&
            (!search->is_values || search->tasks || value_of(search, hit, gpa))) {
            print_hit(search, hit, gpa);
        }
    }
    search->held_count -= told;
    memmove(search->held, search->held + told, search->held_count * sizeof(*search->held));
}

/* No section that is to come has anything before this one's start. */
static bool take(void *opaque, u32 number, struct trace_found *found)
{
    struct search *search = opaque;
    const struct hit *hits = found->items;
    if (search->held_count != 0) {
        tell_held(search, search->query->file.sections[number].turn_ns);
    }
    if (search->held_capacity - search->held_count < found->count) {
        size_t capacity = (search->held_count + found->count) * 2;
        void *bigger = realloc(search->held, capacity * sizeof(*search->held));
        if (bigger == NULL) {
            found->bad = true;
            return false;
        }
        search->held = bigger;
        search->held_capacity = capacity;
    }
    for (size_t i = 0; i < found->count; i++) {
        search->held[search->held_count] = hits[i];
        search->held[search->held_count++].serial = search->serial++;
    }
    return !trace_text_is_full(&search->query->text);
}

/* Sections [first, end) by their order. */
static bool scan_part(struct search *search, u32 first, u32 end, struct metic_error *error)
{
    const struct trace_scan scan = {
        .file = &search->query->file, .wanted = is_wanted, .work = search_section, .take = take,
        .opaque = search, .who = &search->query->who,
    };
    bool good = trace_scan_run(&scan, first, end, error);
    if (search->held_count != 0) {
        tell_held(search, ~(u64)0);
    }
    return good;
}

static int by_number(const void *a, const void *b)
{
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return x < y ? -1 : x > y;
}

/* Asks the indexes of those sections; false: no memory. */
static bool sift_part(struct search *search, u32 first, u32 end)
{
    struct trace_file *file = &search->query->file;
    u32 *list = malloc((end - first + 1u) * sizeof(*list));
    if (list != NULL) {
        memcpy(list, file->order + first, (end - first) * sizeof(*list));
        qsort(list, end - first, sizeof(*list), by_number);
        trace_sift_list(&search->sift, file, list, end - first);
    }
    free(list);
    return list != NULL;
}

/* Nothing behind this time is in sections before number `first` of the order: the next one of each
 * hart begins there. */
static u64 settled_ns(const struct trace_file *file, u32 first)
{
    u64 ns = 0;
    for (unsigned hart = 0; hart < file->harts; hart++) {
        u32 i = first;
        while (i != 0 && file->sections[file->order[i - 1]].stream != hart) {
            i--;
        }
        const struct trace_section *last = i != 0 ? &file->sections[file->order[i - 1]] : NULL;
        if (last != NULL) {
            u64 ends = last->behind != TRACE_NONE ? file->sections[last->behind].turn_ns
                                                  : ~(u64)0;
            ns = ends > ns ? ends : ns;
        }
    }
    return ns;
}

/* The last answers: of the file's last part, which is four times as long each time, until all that
 * there are behind the first of them is in it. */
static bool run_backwards(struct search *search, struct metic_error *error)
{
    struct trace_query *query = search->query;
    const struct trace_file *file = &query->file;
    u32 end = file->order_count, done;
    while (end != 0 && !trace_query_in_window(query, file->order[end - 1])) {
        end--;
    }
    done = end;
    for (u64 part = 256;; part *= 4) {
        u32 first = part < end ? end - (u32)part : 0;
        trace_answers_forget(query);
        search->held_count = 0;
        memset(search->known, 0, sizeof(search->known));
        search->is_part = first != 0;
        search->known_ns = 0;
        if (!sift_part(search, first, done)) {
            return error_set(error, NULL, "the host has no memory");
        }
        if (!scan_part(search, first, end, error)) {
            return false;
        }
        const struct trace_last *kept = &query->kept;
        u64 settled = settled_ns(file, first);
        settled = search->known_ns > settled ? search->known_ns : settled;
        bool is_full = kept->room != 0 && kept->used == kept->room;
        if (first == 0 || (is_full && kept->ring[kept->next].order_ns > settled)) {
            return true;
        }
        done = first;
    }
}

static bool run(struct search *search, struct metic_error *error)
{
    const struct trace_query *query = search->query;
    /* What memory holds may be known of bytes that were accessed long before. */
    search->backwards = query->last != 0 && !search->physical &&
                        (!search->is_values || search->reg >= 0 || is_of_events(search));
    search->sift = (struct trace_sift){.ask = why_section, .opaque = search};
    bool good = trace_sift_begin(&search->sift, &query->file) ||
                error_set(error, NULL, "the host has no memory");
    good = good && (search->backwards ? run_backwards(search, error)
                                      : scan_part(search, 0, query->file.order_count, error));
    free(search->held);
    trace_sift_end(&search->sift);
    return good;
}

/* Of [first, end), physical. */
static bool run_physical(struct search *search, struct metic_error *error)
{
    struct trace_file *file = &search->query->file;
    if (!(trace_file_meta(file, "events", 16, 0) >> METIC_EVENT_TLB_FILL & 1)) {
        return error_set(error, "record with --trace-events memory,tlb",
                         "%s has no TLB fills, which tell physical addresses", file->path);
    }
    search->physical = true;
    bool good = trace_query_physical(search->query, search->first, search->end,
                                        &search->places, error) &&
           run(search, error);
    trace_pages_free(&search->pages);
    free((void *)(uintptr_t)search->places.list);
    return good;
}

/* Of an address, a symbol, or phys:ADDRESS; of values the first byte alone. */
static bool run_memory(struct search *search, struct metic_error *error)
{
    const char *text = search->query->words[2];
    bool physical = strncmp(text, "phys:", 5) == 0;
    struct trace_place place;
    search->reg = search->csr = -1;
    if (!trace_query_place(search->query, text + (physical ? 5 : 0), &place.first, &place.end,
                           error)) {
        return false;
    }
    if (search->is_values) {
        place.end = place.first + 1;
    }
    search->first = place.first;
    search->end = place.end;
    search->places = (struct trace_places){&place, 1};
    return physical ? run_physical(search, error) : run(search, error);
}

bool trace_query_writes(struct trace_query *query, struct metic_error *error)
{
    struct search search = {.query = query, .how = TRACE_WRITES};
    return run_memory(&search, error);
}

bool trace_query_reads(struct trace_query *query, struct metic_error *error)
{
    struct search search = {.query = query, .how = TRACE_READS};
    return run_memory(&search, error);
}

/* By its name, or as x10, f10 and fp; -1: none. */
static int find_register(const char *name)
{
    enum { FRAME_POINTER = 8, FILE_REGS = 32 };
    char *rest;
    bool numbered = (name[0] == 'x' || name[0] == 'f') && name[1] >= '0' && name[1] <= '9';
    unsigned long number = numbered ? strtoul(name + 1, &rest, 10) : 0;
    if (numbered && *rest == '\0' && number < FILE_REGS) {
        return (int)number + (name[0] == 'f' ? TRACE_FIRST_FLOAT : 0);
    }
    if (strcmp(name, "fp") == 0) {
        return FRAME_POINTER;
    }
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
        .query = query, .csr = find_csr(&query->file, query->words[2]), .is_values = true,
        .how = TRACE_READS | TRACE_WRITES,
    };
    search.tasks = strcmp(query->words[2], "task") == 0 &&
                   trace_file_meta(&query->file, "events", 16, 0) >> METIC_EVENT_TASK & 1;
    search.reg = is_of_events(&search) ? -1 : find_register(query->words[2]);
    if (is_of_events(&search)) {
        return run(&search, error);
    }
    if (search.reg < 0) {
        return run_memory(&search, error);
    }
    if (strcmp(query->words[2], "pc") == 0) {
        return error_set(error, "metic trace show FILE tells where it was, and with --branches "
                         "where it went.", "the pc is no register that instructions write");
    }
    if (!trace_file_find_register(&query->file, (unsigned)search.reg, &search.units)) {
        return error_set(error, NULL, "the host has no memory");
    }
    bool good = run(&search, error);
    free(search.units.wanted);
    return good;
}
