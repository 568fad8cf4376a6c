/* See probe_jump.h. */
#include "translate/probe/probe_jump.h"

#include "cpu/base/zeros.h"
#include "translate/probe/probe.h"

enum { JUMPS = 1 << 12 }; /* of two that would share a place, the first has it */

struct probe_jumps {
    u16 at[JUMPS]; /* in `jumps`; 0: none */
    unsigned count;
    struct jump {
        gva_t pc;
        unsigned count;
        u16 missed, made; /* since its code was made anew; how often that was */
        gva_t targets[PROBE_WIDE_PLACES];
    } jumps[JUMPS + 1];
};

struct probe_jumps *probe_jumps_new(void)
{
    return zeros_new(sizeof(struct probe_jumps));
}

void probe_jumps_free(struct probe_jumps *jumps)
{
    zeros_free(jumps, sizeof(*jumps));
}

static size_t place_of(gva_t pc)
{
    return (size_t)((pc >> 1) * 0x9e3779b97f4a7c15u >> 32) % JUMPS;
}

static void note(struct jump *jump, gva_t target)
{
    unsigned n = 0;
    while (n < jump->count && jump->targets[n] != target) {
        n++;
    }
    if (n == jump->count && n < PROBE_WIDE_PLACES) {
        jump->targets[jump->count++] = target;
    }
}

bool probe_jump_missed(struct probe_jumps *jumps, gva_t pc, const gva_t *targets, unsigned count)
{
    enum { MISSED = 8, MADE_MAX = 4 };
    u16 *at = &jumps->at[place_of(pc)];
    if (*at == 0) {
        *at = (u16)++jumps->count;
        jumps->jumps[*at].pc = pc;
    }
    struct jump *jump = &jumps->jumps[*at];
    if (jump->pc != pc) {
        return false;
    }
    for (unsigned n = 0; n < count; n++) {
        note(jump, targets[n]);
    }
    if (jump->made == MADE_MAX || ++jump->missed < MISSED) {
        return false;
    }
    jump->missed = 0;
    jump->made++;
    return true;
}

const gva_t *probe_jump_targets(const struct probe_jumps *jumps, gva_t pc, unsigned *count)
{
    const struct jump *jump = &jumps->jumps[jumps->at[place_of(pc)]];
    *count = jump->pc == pc ? jump->count : 0;
    return jump->targets;
}
