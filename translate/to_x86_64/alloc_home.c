/* Values that guest state holds too (homes), and what a C call does to registers. */
#include "translate/to_x86_64/alloc.h"

/* Forgets values that are dead or have lost their home. */
static void homes_compact(struct compile *c)
{
    unsigned kept = 0;
    for (unsigned n = 0; n < c->home_count; n++) {
        const struct value *value = &c->values[c->homes[n]];
        if (value->home != NO_HOME && value->last_use >= c->at) {
            c->homes[kept++] = c->homes[n];
        }
    }
    c->home_count = kept;
}

void alloc_add_home(struct compile *c, ir_ref ref, u32 offset, unsigned bytes)
{
    unsigned root = c->values[ref].root;
    struct value *value = &c->values[root];
    if (value->home != NO_HOME || (value->flags & VALUE_CONST)) {
        return;
    }
    if (c->home_count == HOMES_MAX) {
        homes_compact(c);
    }
    if (c->home_count < HOMES_MAX) {
        value->home = offset;
        value->home_bytes = (u8)bytes;
        c->home_words |= alloc_home_words(offset, bytes);
        c->homes[c->home_count++] = (u16)root;
    }
}

void alloc_leave_home(struct compile *c, unsigned root)
{
    struct value *value = &c->values[root];
    if (value->reg == NO_REG && value->slot == NO_SLOT) {
        bool xmm = type_is_float(c->ir->insns[root].type);
        u32 locked = c->locked;
        unsigned reg = alloc_take_any(c, xmm);
        alloc_load_root(c, root, reg);
        alloc_bind(c, root, reg);
        c->locked = locked;
    }
    value->home = NO_HOME;
}

void alloc_home_lost(struct compile *c, u32 offset, unsigned bytes)
{
    for (unsigned n = 0; n < c->home_count; n++) {
        struct value *value = &c->values[c->homes[n]];
        if (value->home == NO_HOME || offset + bytes <= value->home ||
            offset >= value->home + value->home_bytes) {
            continue;
        }
        if (value->last_use > c->at) {
            alloc_leave_home(c, c->homes[n]);
        } else if (value->last_use < c->at) {
            value->home = NO_HOME;
        }
    }
}

void alloc_forget_homes(struct compile *c)
{
    homes_compact(c);
    for (unsigned n = 0; n < c->home_count; n++) {
        struct value *value = &c->values[c->homes[n]];
        if (value->last_use > c->at && value->home >= sizeof(struct vcpu)) {
            alloc_leave_home(c, c->homes[n]);
        }
    }
}

void alloc_spill_for_call(struct compile *c)
{
    for (unsigned reg = 0; reg < REG_COUNT; reg++) {
        bool clobbered = reg >= REG_XMM0 || (c->temps & alloc_bit(reg));
        if (clobbered && alloc_used_from(c, reg, c->at + 1)) {
            alloc_spill(c, reg);
        }
    }
}

void alloc_spill_pins(struct compile *c)
{
    for (unsigned n = 0; n < c->pinned_count; n++) {
        unsigned reg = x86_pinned_regs[n];
        if (alloc_used_from(c, reg, c->at + 1)) {
            alloc_spill(c, reg);
        }
    }
}
