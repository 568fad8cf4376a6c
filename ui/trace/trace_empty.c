/* See trace_empty.h. */
#include "ui/trace/trace_empty.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Events that filters leave in whatever they choose. */
#define EVENT(name) ((u64)1 << METIC_EVENT_##name)
#define STAYING (EVENT(IO) | EVENT(TASK) | EVENT(TLB_FILL) | EVENT(TLB_FLUSH) | EVENT(TRANSLATE))
#define MARKS (EVENT(SYNC) | EVENT(CONTEXT))

bool trace_empty_tells(const struct metic_trace_options *options,
                       const struct metic_trace_chunk *chunk)
{
    bool asks_code = options->what != 0 || options->call_count != 0;
    u64 ignored = MARKS | (asks_code ? STAYING : 0);
    for (size_t at = 0; at < chunk->count;) {
        u64 word = chunk->words[at] & METIC_TRACE_NUMBER;
        if (word < METIC_TRACE_EVENT || !(ignored >> (word >> 8 & 0xff) & 1)) {
            return true;
        }
        at += 1 + (word & 0xff);
    }
    return false;
}

static void say_tasks(const struct metic_trace_seen *seen, const char *wanted)
{
    enum { SAID_AT_MOST = 80 };
    const char *nearest = NULL;
    unsigned best = 4;
    fprintf(stderr, seen->task_count == 0 ? "       No task of a Linux kernel was seen"
                                          : "       Tasks that ran:");
    for (unsigned i = 0; i < seen->task_count; i++) {
        unsigned distance = args_distance(wanted, seen->tasks[i]);
        nearest = distance < best ? seen->tasks[i] : nearest;
        best = distance < best ? distance : best;
        if (i < SAID_AT_MOST) {
            fprintf(stderr, "%s %s", i == 0 ? "" : ",", seen->tasks[i]);
        }
    }
    fprintf(stderr, "%s.%s%s%s\n", seen->task_count > SAID_AT_MOST ? " and others" : "",
            nearest != NULL ? " Did you mean task=" : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
}

/* One that differs in the ASID or the mode alone is near. */
static void say_satps(const struct metic_trace_seen *seen, u64 wanted)
{
    const u64 page = ((u64)1 << 44) - 1;
    u64 nearest = 0;
    fprintf(stderr, "       satp was");
    for (unsigned i = 0; i < seen->satp_count; i++) {
        nearest = ((seen->satps[i] ^ wanted) & page) == 0 ? seen->satps[i] : nearest;
        fprintf(stderr, "%s 0x%" PRIx64, i == 0 ? "" : ",", seen->satps[i]);
    }
    fprintf(stderr, "%s", seen->satp_count == METIC_SEEN_MAX ? " and others." : ".");
    if (nearest != 0) {
        fprintf(stderr, " Did you mean satp=0x%" PRIx64 "?", nearest);
    }
    fprintf(stderr, "\n");
}

static bool is_key(const char *filter, const char *key)
{
    return strncmp(filter, key, strlen(key)) == 0 && filter[strlen(key)] == '=';
}

/* Why it alone was enough for nothing to be recorded, or NULL. */
static const char *why_not(const struct metic_trace_seen *seen, const char *filter,
                           bool window_began)
{
    if (!window_began) {
        return is_key(filter, "insns") ? "the run ended before" : NULL;
    }
    return is_key(filter, "task") && !seen->task           ? "no such task ran"
           : is_key(filter, "satp") && !seen->satp         ? "satp never had that value"
           : is_key(filter, "function") && !seen->function ? "it was not called"
           : is_key(filter, "start") && !seen->start       ? "that never came"
                                                           : NULL;
}

static bool say_filter(const struct metic_trace_seen *seen, const char *filter,
                       metic_machine *machine, u64 satp, bool window_began)
{
    const char *why = why_not(seen, filter, window_began);
    if (why == NULL) {
        return false;
    }
    fprintf(stderr, "metic: nothing was recorded: --trace-filter %s: %s\n", filter, why);
    if (is_key(filter, "task")) {
        say_tasks(seen, strchr(filter, '=') + 1);
    } else if (is_key(filter, "satp") && seen->satp_count != 0) {
        say_satps(seen, satp);
    } else if (is_key(filter, "insns")) {
        fprintf(stderr, "       Hart 0 ran %" PRIu64 " instructions.\n",
                metic_instructions(machine, 0));
    }
    return true;
}

void trace_empty_say(const struct run_args *args, const struct metic_trace_options *options,
                     metic_machine *machine, const struct metic_trace_seen *seen,
                     bool window_began)
{
    const struct run_trace *trace = &args->trace;
    bool told = false;
    for (unsigned i = 0; i < trace->filter_count; i++) {
        told |= say_filter(seen, trace->filters[i], machine, options->satp, window_began);
    }
    if (told) {
        return;
    }
    if (trace->calls != NULL) {
        fprintf(stderr, "metic: nothing was recorded: --trace-calls %s: none of them was called"
                "%s\n", trace->calls, trace->filter_count != 0 ? " where the filters look" : "");
        return;
    }
    fprintf(stderr, "metic: nothing was recorded: no instruction that ran passes");
    for (unsigned i = 0; i < trace->filter_count; i++) {
        fprintf(stderr, "%s --trace-filter %s", i == 0 ? "" : " and", trace->filters[i]);
    }
    fprintf(stderr, "\n");
}
