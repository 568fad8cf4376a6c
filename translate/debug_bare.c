/* See debug.c: bare addresses, the physical ones of breakpoints, at which no block may begin and
 * before which each ends. */
#include "translate/debug.h"

#include "translate/engine_private.h"

#include <string.h>

/* Index of the first bare address at or after gpa. */
static unsigned bare_index(const struct debug *debug, gpa_t gpa)
{
    unsigned low = 0, high = debug->bare_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (debug->bare[middle] < gpa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_bare(const struct debug *debug, gpa_t gpa)
{
    unsigned at = bare_index(debug, gpa);
    return at < debug->bare_count && debug->bare[at] == gpa;
}

/* Lock held. True when it was not bare before. */
static bool make_bare(struct debug *debug, gpa_t gpa)
{
    if (is_bare(debug, gpa)) {
        return false;
    }
    unsigned at = bare_index(debug, gpa);
    debug->bare = debug_grown(debug->bare, debug->bare_count, sizeof(*debug->bare));
    memmove(&debug->bare[at + 1], &debug->bare[at],
            (debug->bare_count - at) * sizeof(*debug->bare));
    debug->bare[at] = gpa;
    debug->bare_count++;
    return true;
}

bool debug_page_fetched(struct vcpu *vcpu, gpa_t page)
{
    struct engine *engine = vcpu->engine;
    struct debug *debug = &engine->debug;
    gva_t first = vcpu->pc & PAGE_MASK;
    bool added = false;
    pthread_mutex_lock(&engine->lock);
    for (unsigned i = debug_break_index(debug, first);
         i < debug->break_count && debug->breaks[i].gva - first < PAGE_BYTES; i++) {
        added |= make_bare(debug, page | (debug->breaks[i].gva & PAGE_OFFSET_MASK));
    }
    if (added) {
        block_page_remove(&engine->blocks, page);
    }
    bool bare = is_bare(debug, page | (vcpu->pc & PAGE_OFFSET_MASK));
    pthread_mutex_unlock(&engine->lock);
    for (unsigned i = 0; added && i < engine->vcpu_count; i++) {
        if (engine->vcpus[i] == vcpu) {
            pipeline_forget_removed(vcpu);
        } else {
            vcpu_kick(engine->vcpus[i], VCPU_REQUEST_FLUSH_JUMPS);
        }
    }
    return bare;
}

bool debug_page_is_known(struct vcpu *vcpu, gpa_t page)
{
    struct engine *engine = vcpu->engine;
    const struct debug *debug = &engine->debug;
    gva_t first = vcpu->pc & PAGE_MASK;
    bool known = true;
    pthread_mutex_lock(&engine->lock);
    for (unsigned i = debug_break_index(debug, first);
         known && i < debug->break_count && debug->breaks[i].gva - first < PAGE_BYTES; i++) {
        known = is_bare(debug, page | (debug->breaks[i].gva & PAGE_OFFSET_MASK));
    }
    pthread_mutex_unlock(&engine->lock);
    return known;
}

bool debug_is_bare(const struct engine *engine, gpa_t gpa)
{
    return is_bare(&engine->debug, gpa);
}

unsigned debug_cut(const struct engine *engine, gpa_t gpa, unsigned bytes, unsigned skip)
{
    const struct debug *debug = &engine->debug;
    unsigned at = bare_index(debug, gpa + skip);
    if (at < debug->bare_count && debug->bare[at] - gpa < bytes) {
        bytes = (unsigned)(debug->bare[at] - gpa);
    }
    return bytes;
}

/* Addresses whose breakpoint is gone may have blocks again; those cut short before them go. In
 * which page one was is not known, so one of any page keeps it. */
void debug_drop_bare(struct engine *engine)
{
    struct debug *debug = &engine->debug;
    u64 offsets[PAGE_BYTES / 64] = {0}; /* in their pages, of the breakpoints */
    for (unsigned i = 0; i < debug->break_count; i++) {
        u64 offset = debug->breaks[i].gva & PAGE_OFFSET_MASK;
        offsets[offset / 64] |= BIT(offset % 64);
    }
    unsigned kept = 0;
    pthread_mutex_lock(&engine->lock);
    for (unsigned i = 0; i < debug->bare_count; i++) {
        u64 offset = debug->bare[i] & PAGE_OFFSET_MASK;
        if (offsets[offset / 64] >> (offset % 64) & 1) {
            debug->bare[kept++] = debug->bare[i];
        } else {
            block_page_remove(&engine->blocks, debug->bare[i] & PAGE_MASK);
        }
    }
    debug->bare_count = kept;
    pthread_mutex_unlock(&engine->lock);
}
