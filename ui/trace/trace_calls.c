/* See trace_query.h: calls of a function, from call events, or from instructions with registers.
 *
 * A call is where the function's first instruction runs, and a return where the instruction behind
 * the call runs with the stack pointer of the call. The trace is looked through in windows: for
 * calls and for the places where those before returned to, then for places that are new. Registers
 * that were written before a section begins are looked for in those before it. */
#include "ui/trace/trace_query.h"

#include "cpu/base/hex.h"
#include "ui/trace/trace_scan.h"
#include "ui/trace/trace_sift.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { RA = 1, SP = 2, A0 = 10, ARGS = 6, WINDOW = 2048, LOOK_BACK = 64, MAX_OPEN = 1 << 16 };
/* What a call is told by, and what its end is. */
enum {
    CALL_REGS = 1u << RA | 1u << SP | ((1u << ARGS) - 1) << A0,
    RETURN_REGS = 1u << SP | 1u << A0,
};

/* A place that the hart came to, with its registers then. */
struct visit {
    u64 order_ns, insns, ns, pc, ra, sp, args[ARGS];
    u32 privilege;
    u32 unknown; /* bit mask: registers that were written before the section, or never */
    u16 stream;
    bool is_call;
};

struct visits {
    struct visit *list;
    size_t count, capacity;
};

struct calls {
    struct trace_query *query;
    struct trace_pool *pool;
    struct trace_sift sift;
    u8 *writes; /* by unit: a register that calls are told by */
    u64 entry;
    struct trace_units entry_code, return_code;
    u32 version;          /* of what is looked for */
    u64 *returns;         /* where calls return to, sorted: of those met before, or new ones */
    size_t return_count;
    bool for_calls;       /* those are looked for now, beside returns */
    bool has_events;      /* call events of the function were met */
    struct visits visits; /* of the window */
    struct visit *open;
    size_t open_count;
};

/* --- on threads --- */

static int compare(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

static bool is_return(const struct calls *calls, u64 pc)
{
    return calls->return_count != 0 &&
           bsearch(&pc, calls->returns, calls->return_count, sizeof(pc), compare) != NULL;
}

static bool is_told(const struct metic_trace_slot *slot)
{
    return slot->kind == METIC_SLOT_REGISTER && slot->reg < 32 && CALL_REGS >> slot->reg & 1;
}

static void keep_register(struct trace_worker *worker, const struct metic_trace_slot *slot,
                          u64 word)
{
    if (is_told(slot)) {
        worker->regs[slot->reg] = word;
        worker->known |= 1u << slot->reg;
    }
}

/* Whether one of the places is in the unit: then it is looked at step by step. */
static bool wants_unit(void *opaque, u32 number, u64 pc, const u64 *words)
{
    const struct trace_worker *worker = opaque;
    const struct calls *calls = worker->opaque;
    const struct metic_trace_unit *unit = &worker->file->units[number];
    (void)words;
    if (calls->for_calls && calls->entry - pc < unit->bytes) {
        return true;
    }
    if (pc == unit->address || calls->return_count == 0) {
        return calls->return_count != 0 && calls->return_code.wanted[number] != 0;
    }
    size_t low = 0, high = calls->return_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (calls->returns[middle] < pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < calls->return_count && calls->returns[low] - pc < unit->bytes;
}

/* What a unit wrote whose steps are not told. */
static void keep_unit(void *opaque, unsigned stream, u32 number, u64 pc, unsigned retired)
{
    struct trace_worker *worker = opaque;
    const struct calls *calls = worker->opaque;
    const struct trace_stream *of = &worker->decoder->streams[stream];
    const struct metic_trace_unit *unit = &worker->file->units[number];
    (void)pc;
    if (calls->writes[number] && !of->wanted) {
        for (unsigned i = 0; i < unit->slot_count && unit->slots[i].insn < retired; i++) {
            keep_register(worker, &unit->slots[i], of->words[i]);
        }
    }
}

static void keep_registers(struct trace_worker *worker, const struct trace_step *step)
{
    for (unsigned i = 0; i < step->slot_count; i++) {
        keep_register(worker, &step->slots[i], step->words[i]);
    }
}

static void add_visit(struct trace_worker *worker, const struct trace_step *step, bool is_call)
{
    const struct calls *calls = worker->opaque;
    struct visit *visit = trace_found_add(worker->found, sizeof(*visit));
    if (visit != NULL) {
        *visit = (struct visit){
            .order_ns = step->order_ns, .insns = step->insns, .pc = step->pc,
            .ns = trace_step_ns(step, calls->query->text.counts_ns),
            .ra = worker->regs[RA], .sp = worker->regs[SP], .privilege = step->privilege,
            .stream = (u16)step->stream, .is_call = is_call,
            .unknown = (is_call ? CALL_REGS : RETURN_REGS) & ~worker->known,
        };
        memcpy(visit->args, worker->regs + A0, sizeof(visit->args));
    }
}

static void visit_step(void *opaque, const struct trace_step *step)
{
    struct trace_worker *worker = opaque;
    const struct calls *calls = worker->opaque;
    if (step->mine && is_return(calls, step->pc)) {
        add_visit(worker, step, false);
    }
    if (step->mine && calls->for_calls && step->pc == calls->entry) {
        add_visit(worker, step, true);
    }
    keep_registers(worker, step);
}

static void no_step(void *opaque, const struct trace_step *step)
{
    (void)opaque;
    (void)step;
}

static bool wants_none(void *opaque, u32 number, u64 pc, const u64 *words)
{
    (void)opaque;
    (void)number;
    (void)pc;
    (void)words;
    return false;
}

static bool wants_item(void *opaque, const u32 *units, unsigned count, u64 page_delta)
{
    const struct trace_worker *worker = opaque;
    for (unsigned i = 0; i < count; i++) {
        u64 pc = worker->file->units[units[i]].address + (page_delta << 12);
        if (wants_unit(opaque, units[i], pc, NULL)) {
            return true;
        }
    }
    return false;
}

static void keep_passed(void *opaque, u32 registers, const u64 *values)
{
    struct trace_worker *worker = opaque;
    for (unsigned reg = 0; reg < 32; reg++) {
        if (registers >> reg & 1) {
            worker->regs[reg] = *values++;
        }
    }
    worker->known |= registers;
}

static struct visit visit_end(const struct trace_worker *worker)
{
    struct visit visit = {
        .ra = worker->regs[RA], .sp = worker->regs[SP], .unknown = CALL_REGS & ~worker->known,
    };
    memcpy(visit.args, worker->regs + A0, sizeof(visit.args));
    return visit;
}

/* Registers that the visit does not know, but that one does. */
static void fill_in(struct visit *visit, const struct visit *from)
{
    u32 now = visit->unknown & ~from->unknown;
    visit->ra = now >> RA & 1 ? from->ra : visit->ra;
    visit->sp = now >> SP & 1 ? from->sp : visit->sp;
    for (unsigned i = 0; i < ARGS; i++) {
        visit->args[i] = now >> (A0 + i) & 1 ? from->args[i] : visit->args[i];
    }
    visit->unknown &= ~now;
}

/* Registers that were written in the sections before. */
static void look_back(struct trace_worker *worker, u32 number)
{
    const struct trace_callbacks callbacks = {
        .unit = keep_unit, .step = no_step, .wants = wants_none, .passed = keep_passed,
        .opaque = worker,
    };
    struct visit *visits = worker->found->items;
    u32 unknown = 0;
    for (size_t i = 0; i < worker->found->count; i++) {
        unknown |= visits[i].unknown;
    }
    for (unsigned n = 0; unknown != 0 && n < LOOK_BACK; n++) {
        const struct trace_want want = {.registers = CALL_REGS, .end_registers = unknown};
        number = worker->file->sections[number].before;
        worker->known = 0;
        if (number != TRACE_NONE) {
            trace_file_will_read(worker->file, &worker->file->sections[number]);
        }
        if (number == TRACE_NONE || !trace_worker_decode(worker, number, &want, &callbacks)) {
            return;
        }
        const struct visit end = visit_end(worker);
        for (size_t i = 0; i < worker->found->count; i++) {
            fill_in(&visits[i], &end);
        }
        unknown &= ~worker->known;
    }
}

static void visit_section(struct trace_worker *worker, u32 number)
{
    const struct trace_callbacks callbacks = {
        .unit = keep_unit, .step = visit_step, .wants = wants_unit, .passed = keep_passed,
        .opaque = worker,
    };
    const struct calls *calls = worker->opaque;
    const struct trace_want want = {
        .item = wants_item, .opaque = worker, .version = calls->version,
        .registers = CALL_REGS,
    };
    worker->known = 0;
    worker->found->bad |= !trace_worker_decode(worker, number, &want, &callbacks);
    look_back(worker, number);
}

/* --- the caller's --- */

static u8 may_visit(void *opaque, struct trace_file *file, u32 number, unsigned thread)
{
    const struct calls *calls = opaque;
    const struct trace_section *section = &file->sections[number];
    (void)thread;
    return trace_query_may_have(calls->query, file, number) &&
           ((calls->for_calls && trace_file_may_run(file, section, &calls->entry_code)) ||
            (calls->return_count != 0 && trace_file_may_run(file, section, &calls->return_code)));
}

static bool is_wanted(void *opaque, u32 number)
{
    const struct calls *calls = opaque;
    return calls->sift.answers[number] != 0;
}

static bool take(void *opaque, u32 number, struct trace_found *found)
{
    struct calls *calls = opaque;
    struct visits *visits = &calls->visits;
    (void)number;
    if (visits->capacity - visits->count < found->count) {
        size_t capacity = (visits->count + found->count) * 2;
        void *bigger = realloc(visits->list, capacity * sizeof(*visits->list));
        if (bigger == NULL) {
            found->bad = true;
            return false;
        }
        visits->list = bigger;
        visits->capacity = capacity;
    }
    if (found->count != 0) {
        memcpy(visits->list + visits->count, found->items, found->count * sizeof(struct visit));
        visits->count += found->count;
    }
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct visit *x = a, *y = b;
    if (x->order_ns != y->order_ns) {
        return x->order_ns < y->order_ns ? -1 : 1;
    }
    if (x->stream != y->stream) {
        return x->stream < y->stream ? -1 : 1;
    }
    if (x->insns != y->insns) {
        return x->insns < y->insns ? -1 : 1;
    }
    return x->is_call - y->is_call; /* what returns to the function's start does so first */
}

/* Units that have one of the places. */
static bool find_returns(struct calls *calls)
{
    const struct trace_file *file = &calls->query->file;
    struct trace_units *units = &calls->return_code;
    free(units->wanted);
    *units = (struct trace_units){.wanted = calloc((size_t)file->unit_count + 1, 1)};
    if (units->wanted == NULL) {
        return false;
    }
    units->first = calls->return_count != 0 ? calls->returns[0] : 0;
    units->end = calls->return_count != 0 ? calls->returns[calls->return_count - 1] + 2 : 0;
    for (u32 i = 0; i < file->unit_count; i++) {
        u64 first = file->units[i].address, end = first + file->units[i].bytes;
        size_t low = 0, high = calls->return_count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (calls->returns[middle] < first) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        units->wanted[i] = low < calls->return_count && calls->returns[low] < end;
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    u32 x = *(const u32 *)a, y = *(const u32 *)b;
    return x < y ? -1 : x > y;
}

/* Visits of what is looked for now, of at most WINDOW sections [first, end) by their order. */
static bool scan_for(struct calls *calls, u32 first, u32 end, struct metic_error *error)
{
    const struct trace_scan scan = {
        .file = &calls->query->file, .pool = calls->pool, .wanted = is_wanted,
        .work = visit_section, .take = take, .opaque = calls, .who = &calls->query->who,
    };
    struct trace_file *file = &calls->query->file;
    u32 list[WINDOW];
    memcpy(list, file->order + first, (end - first) * sizeof(*list));
    qsort(list, end - first, sizeof(*list), by_number);
    trace_sift_list(&calls->sift, file, list, end - first);
    calls->version++;
    return trace_scan_run(&scan, first, end, error);
}

/* The list, sorted and without doubles, is what is looked for. */
static bool look_for(struct calls *calls, u64 *list, size_t count)
{
    size_t kept = 0;
    if (count != 0) {
        qsort(list, count, sizeof(*list), compare);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || list[kept - 1] != list[i]) {
            list[kept++] = list[i];
        }
    }
    calls->returns = list;
    calls->return_count = kept;
    return find_returns(calls);
}

/* Where calls return to that were not looked for: then they are, in the same sections, and from
 * now on with the others. */
static bool do_new_returns(struct calls *calls, u32 first, u32 end, struct metic_error *error)
{
    size_t known = calls->return_count, fresh = 0;
    u64 *before = calls->returns;
    u64 *all = malloc((known + calls->visits.count + 1) * sizeof(*all));
    u64 *list = malloc((calls->visits.count + 1) * sizeof(*list));
    for (size_t i = 0; all != NULL && list != NULL && i < calls->visits.count; i++) {
        const struct visit *visit = &calls->visits.list[i];
        if (visit->is_call && !is_return(calls, visit->ra)) {
            list[fresh++] = visit->ra;
        }
    }
    if (all == NULL || list == NULL || fresh == 0) {
        bool good = all != NULL && list != NULL;
        free(all);
        free(list);
        return good || error_set(error, NULL, "the host has no memory");
    }
    calls->for_calls = false;
    bool good = look_for(calls, list, fresh) && scan_for(calls, first, end, error);
    if (known != 0) {
        memcpy(all, before, known * sizeof(*all));
    }
    memcpy(all + known, list, calls->return_count * sizeof(*all));
    size_t count = known + calls->return_count;
    free(before);
    free(list);
    return look_for(calls, all, count) && good;
}

static void open_call(struct calls *calls, const struct visit *visit)
{
    if (calls->open_count == MAX_OPEN) { /* the oldest never returned */
        memmove(calls->open, calls->open + 1, (MAX_OPEN - 1) * sizeof(*calls->open));
        calls->open_count--;
    }
    calls->open[calls->open_count++] = *visit;
}

static char *put_call(const struct calls *calls, const struct visit *call, char *at)
{
    bool json = trace_answer_is_json(calls->query);
    if (json) {
        at = trace_answer_put_string(put_text(at, ",\"function\":"), calls->query->words[2]);
        at = put_text(at, ",\"args\":[");
    } else {
        at += sprintf(at, "%.150s(", calls->query->words[2]);
    }
    for (unsigned n = 0; n < ARGS; n++) {
        at = n == 0 ? at : put_text(at, json ? "," : ", ");
        if (call->unknown >> (A0 + n) & 1) {
            at = put_text(at, json ? "null" : "?");
        } else {
            at = put_hex(put_text(at, json ? "\"0x" : ""), call->args[n]);
            at = put_text(at, json ? "\"" : "");
        }
    }
    return put_text(at, json ? "]" : ")");
}

static char *put_result(const struct calls *calls, const struct visit *call, u64 result, char *at)
{
    if (trace_answer_is_json(calls->query)) {
        at = trace_answer_put_hex(at, "result", result);
        return put_decimal(put_text(at, ",\"called\":"), call->insns);
    }
    return at + sprintf(at, " = %" PRIx64 " (%" PRId64 "), called at instruction %" PRIu64, result,
                        (s64)result, call->insns);
}

/* Of one that did not return: from where it was called, if that is known. */
static char *put_open(const struct calls *calls, const struct visit *call, char *at)
{
    char from[160] = "";
    bool json = trace_answer_is_json(calls->query);
    if (!(call->unknown >> RA & 1)) {
        symbols_print(&calls->query->symbols, call->ra, from, sizeof(from));
    }
    if (json) {
        return put_text(trace_answer_put_string(put_text(at, ",\"from\":"), from),
                        ",\"result\":null");
    }
    at = from[0] != '\0' ? put_text(put_text(at, " from "), from) : at;
    return put_text(at, ", no return recorded");
}

static void close_call(struct calls *calls, const struct visit *visit)
{
    size_t i = calls->open_count;
    while (i-- > 0 && (calls->open[i].ra != visit->pc || calls->open[i].sp != visit->sp)) {
    }
    if (i == (size_t)-1) {
        return;
    }
    const struct visit *call = &calls->open[i];
    struct trace_step step = {.stream = visit->stream, .insns = visit->insns, .ns = visit->ns,
                              .privilege = visit->privilege, .pc = visit->pc};
    char text[TRACE_ANSWER_BYTES], *at = NULL;
    if (trace_answer_has(calls->query, visit->args[0], ~(u64)0)) {
        at = trace_answer_begin(calls->query, &step, "call", text);
    }
    if (at != NULL) {
        at = put_result(calls, call, visit->args[0], put_call(calls, call, at));
        trace_answer_end(calls->query, text, at, visit->order_ns);
    }
    memmove(&calls->open[i], &calls->open[i + 1],
            (calls->open_count - i - 1) * sizeof(*calls->open));
    calls->open_count--;
}

/* Those that have not ended where the recording does, as of panic. */
static void tell_open(struct calls *calls)
{
    for (size_t i = 0; i < calls->open_count && !calls->query->has_value; i++) {
        const struct visit *call = &calls->open[i];
        struct trace_step step = {.stream = call->stream, .insns = call->insns, .ns = call->ns,
                                  .privilege = call->privilege, .pc = call->pc};
        char text[TRACE_ANSWER_BYTES], *at = trace_answer_begin(calls->query, &step, "call", text);
        if (at != NULL) {
            at = put_open(calls, call, put_call(calls, call, at));
            trace_answer_end(calls->query, text, at, call->order_ns);
        }
    }
}

static bool do_window(struct calls *calls, u32 first, u32 end, struct metic_error *error)
{
    struct trace_file *file = &calls->query->file;
    calls->for_calls = true;
    if (!scan_for(calls, first, end, error) || !do_new_returns(calls, first, end, error)) {
        return false;
    }
    if (calls->visits.count != 0) {
        qsort(calls->visits.list, calls->visits.count, sizeof(struct visit), by_time);
    }
    /* What the next window begins before is left for it. */
    u64 end_ns = end < file->order_count ? file->sections[file->order[end]].turn_ns : ~(u64)0;
    struct visits *visits = &calls->visits;
    size_t told = 0;
    for (; told < visits->count && visits->list[told].order_ns < end_ns &&
           !trace_text_is_full(&calls->query->text); told++) {
        const struct visit *visit = &visits->list[told];
        (visit->is_call ? open_call : close_call)(calls, visit);
    }
    visits->count -= told;
    memmove(visits->list, visits->list + told, visits->count * sizeof(*visits->list));
    return true;
}

/* --- call events --- */

static char *put_event(const struct calls *calls, const struct trace_event *event, char *at)
{
    enum { MOST = TRACE_ANSWER_BYTES / 2 };
    char says[MOST] = "";
    if (trace_answer_is_json(calls->query)) {
        const u64 *w = event->words;
        if (event->kind == METIC_EVENT_CALL_END) {
            at = trace_answer_put_string(put_text(at, ",\"function\":"), calls->query->words[2]);
            return trace_answer_put_hex(at, "result", w[2]);
        }
        struct visit call = {.unknown = 0};
        for (unsigned n = 0; n < ARGS && n + 3 < event->count; n++) {
            call.args[n] = w[n + 3];
        }
        return put_call(calls, &call, at);
    }
    FILE *to = fmemopen(says, sizeof(says), "w");
    if (to != NULL) {
        trace_event_print(to, event, &calls->query->symbols);
        fclose(to);
    }
    return put_text(at, says);
}

static void calls_event(void *opaque, const struct trace_event *event)
{
    struct calls *calls = opaque;
    bool is_call = (event->kind == METIC_EVENT_CALL || event->kind == METIC_EVENT_CALL_END) &&
                   event->count >= 5 && event->words[0] == calls->entry;
    bool is_asked = event->kind == METIC_EVENT_CALL_END
                        ? event->count >= 5 &&
                              trace_answer_has(calls->query, event->words[2], ~(u64)0)
                        : !calls->query->has_value;
    calls->has_events |= is_call;
    if (is_call && is_asked && event->mine) {
        struct trace_step step = {.stream = event->stream, .insns = event->insns, .ns = event->ns,
                                  .privilege = event->privilege, .pc = event->words[0]};
        const char *kind = event->kind == METIC_EVENT_CALL ? "call" : "return";
        char text[TRACE_ANSWER_BYTES], *at = trace_answer_begin(calls->query, &step, kind, text);
        if (at != NULL) {
            trace_answer_end(calls->query, text, put_event(calls, event, at), event->order_ns);
        }
    }
}

static bool has_call_events(struct trace_query *query, const struct trace_section *section)
{
    const u64 calls = (u64)1 << METIC_EVENT_CALL | (u64)1 << METIC_EVENT_CALL_END;
    return (trace_file_kinds(&query->file, section) & calls) != 0;
}

static bool from_events(struct calls *calls, struct metic_error *error)
{
    const struct trace_callbacks callbacks = {.event = calls_event, .opaque = calls};
    return trace_query_each(calls->query, &callbacks, has_call_events, error);
}

static bool find_writes(struct calls *calls)
{
    const struct trace_file *file = &calls->query->file;
    calls->writes = calloc((size_t)file->unit_count + 1, 1);
    for (u32 i = 0; calls->writes != NULL && i < file->unit_count; i++) {
        for (unsigned n = 0; n < file->units[i].slot_count; n++) {
            calls->writes[i] |= is_told(&file->units[i].slots[n]);
        }
    }
    return calls->writes != NULL;
}

static bool from_registers(struct calls *calls, struct metic_error *error)
{
    struct trace_file *file = &calls->query->file;
    calls->open = malloc(MAX_OPEN * sizeof(*calls->open));
    calls->sift = (struct trace_sift){.ask = may_visit, .opaque = calls};
    bool good = calls->open != NULL && find_writes(calls) &&
                trace_sift_begin(&calls->sift, file) &&
                trace_file_find_code(file, calls->entry, calls->entry + 2, &calls->entry_code);
    if (!good) {
        error_set(error, NULL, "the host has no memory");
    }
    calls->pool = good ? trace_pool_new(file, error) : NULL;
    good = calls->pool != NULL;
    for (u32 at = 0; good && at < file->order_count; at += WINDOW) {
        u32 left = file->order_count - at;
        good = do_window(calls, at, at + (left < WINDOW ? left : WINDOW), error);
        if (trace_text_is_full(&calls->query->text)) {
            break;
        }
    }
    if (good) {
        tell_open(calls);
    }
    trace_pool_free(calls->pool);
    trace_sift_end(&calls->sift);
    free(calls->writes);
    free(calls->open);
    free(calls->returns);
    free(calls->visits.list);
    free(calls->entry_code.wanted);
    free(calls->return_code.wanted);
    return good;
}

bool trace_query_calls(struct trace_query *query, struct metic_error *error)
{
    struct calls calls = {.query = query};
    u64 end;
    if (!trace_query_place(query, query->words[2], &calls.entry, &end, error)) {
        return false;
    }
    bool events = trace_file_meta(&query->file, "events", 16, 0) >> METIC_EVENT_CALL & 1;
    bool registers = trace_file_meta(&query->file, "what", 10, ~(u64)0) & METIC_TRACE_REGISTERS;
    if (events && !from_events(&calls, error)) {
        return false;
    }
    if (calls.has_events || (events && !registers)) {
        return true;
    }
    /* Events are of the functions of --trace-calls alone: all others are told by registers. */
    if (!registers) {
        return error_set(error, "Record with --trace-calls FUNCTION, or with registers among "
                         "--trace-events.", "%s has no registers, by which calls are told",
                         query->file.path);
    }
    return from_registers(&calls, error);
}
