/* Probes of code that tier 0 runs from its bytes: the same units, ways and words that its block
 * would have, written by C. The front end describes the piece that it decoded, instruction by
 * instruction; then it says when it runs, and what the values are. */
#include "translate/probe/probe_direct.h"
#include "translate/probe/probe_piece.h"

#include <string.h>

enum { DIRECT_WHAT = PROBE_STREAM | PROBE_COUNTERS | PROBE_EXACT };

enum probe_direct_how probe_direct_start(struct probe_direct *direct, struct vcpu *vcpu, gpa_t gpa,
                                         bool fixed, const u8 *guest, unsigned code_bytes)
{
    struct engine *engine = vcpu->engine;
    struct probe *probe = engine->probe;
    const struct probe_config *config = &probe->config;
    gpa_t gpa_page = gpa & PAGE_MASK;
    bool hooks = false, watched = vcpu->mode & VCPU_MODE_PROBE;
    direct->later = config->events == 0 && !(config->what & (PROBE_MEMORY | PROBE_REGISTERS));
    if (probe->hook_count != 0 || config->range_count != 0 || !direct->later) {
        pthread_mutex_lock(&engine->lock);
        hooks = probe_page_has_hooks(probe, gpa_page);
        watched = watched && probe_page_wanted(probe, gpa_page);
        if (watched && !direct->later) {
            const struct probe_unit first = {.gpa = gpa, .gva = vcpu->pc, .mode = vcpu->mode};
            probe_unit_expect(probe, &first);
        }
        pthread_mutex_unlock(&engine->lock);
    }
    if (hooks) {
        return PROBE_DIRECT_NEVER;
    }
    if (!watched || config->what == 0) {
        return PROBE_DIRECT_UNSEEN;
    }
    bool partly = (config->what & PROBE_COUNT) && (config->what != PROBE_COUNT || !direct->later);
    if ((config->what & ~(unsigned)DIRECT_WHAT) || config->has_gaps || config->range_count != 0 ||
        partly) {
        return PROBE_DIRECT_NEVER;
    }
    direct->vcpu = vcpu;
    direct->gpa = gpa;
    direct->gva = vcpu->pc;
    direct->fixed = fixed;
    if (!direct->later) {
        memcpy(direct->copy, guest, code_bytes);
    }
    direct->what = config->what;
    direct->count = direct->bytes = direct->part_count = 0;
    direct->wide = 0;
    direct->unit.bytes = direct->unit.insn_count = 0;
    return PROBE_DIRECT_RECORDS;
}

/* --- what the piece is --- */

void probe_direct_unit(struct probe_direct *direct)
{
    direct->bytes += direct->unit.bytes;
    direct->unit = (struct probe_unit){
        .gpa = direct->gpa + direct->bytes, .gva = direct->gva + direct->bytes,
        .mode = direct->vcpu->mode, .fixed = direct->fixed,
        .code = direct->copy + direct->bytes, .slots = direct->slots,
    };
}

static void add_slot(struct probe_direct *direct, enum probe_slot_kind kind, unsigned size_bytes,
                     unsigned reg)
{
    struct probe_unit *unit = &direct->unit;
    direct->slots[unit->slot_count++] = (struct probe_slot){
        .kind = (u8)kind, .size_bytes = (u8)size_bytes, .insn = (u8)(unit->insn_count - 1),
        .reg = (u16)reg,
    };
}

void probe_direct_add_access(struct probe_direct *direct, unsigned size_bytes, bool write)
{
    add_slot(direct, write ? PROBE_STORE_ADDRESS : PROBE_LOAD_ADDRESS, size_bytes, 0);
    add_slot(direct, write ? PROBE_STORE_VALUE : PROBE_LOAD_VALUE, size_bytes, 0);
}

void probe_direct_add_register(struct probe_direct *direct, u32 state_offset)
{
    const struct probe *probe = direct->vcpu->engine->probe;
    unsigned reg = probe->reg_at[state_offset / 8];
    if (reg != 0) {
        add_slot(direct, PROBE_REGISTER, 8, reg - 1);
    }
}

/* --- how it runs --- */

void probe_direct_begins(struct probe_direct *direct)
{
    struct engine *engine = direct->vcpu->engine;
    const struct probe_unit *unit = &direct->unit;
    pthread_mutex_lock(&engine->lock);
    u32 number = probe_unit_add(engine->probe, unit);
    pthread_mutex_unlock(&engine->lock);
    u64 page = direct->fixed ? 0 : (unit->gva & PAGE_MASK) << PROBE_PAGE_SHIFT;
    u64 *at = probe_reserve(direct->vcpu, number != 0 ? 1u + unit->slot_count : 1u);
    direct->at = number != 0 ? at + 1 : direct->none;
    *at = page | number;
}

void probe_direct_part(struct probe_direct *direct, gva_t gva, unsigned count, u64 wide)
{
    direct->parts[direct->part_count++] = probe_far_word((s64)(gva - direct->gva), count);
    direct->wide |= wide << direct->count; /* below 64: there is an instruction in it */
    direct->count += count;
}

void probe_direct_raised(struct probe_direct *direct, unsigned insn)
{
    if (insn != 0 || (direct->what & PROBE_COUNT)) {
        probe_piece_tell(direct, insn, PROBE_PIECE_RAISED, 0);
    }
}

void probe_direct_way(struct probe_direct *direct, bool indirect, gva_t target)
{
    probe_piece_tell(direct, direct->count,
                     indirect ? PROBE_PIECE_INDIRECT : PROBE_PIECE_DIRECT, target);
}
