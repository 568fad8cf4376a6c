/* See again.h. */
#include "translate/again.h"

#include "translate/engine_private.h"

static bool is_of(const struct again *again, const struct vcpu *vcpu)
{
    return again->pc == vcpu->pc && again->insns == vcpu->insns;
}

bool again_take(struct vcpu *vcpu, u64 *value, bool *answered)
{
    struct again *again = &vcpu->engine->again[vcpu->index];
    if (!again->again || !is_of(again, vcpu) || again->next == again->count) {
        return false;
    }
    *value = again->accesses[again->next].value;
    *answered = again->accesses[again->next].answered;
    again->next++;
    return true;
}

bool again_keep(struct vcpu *vcpu, u64 deadline, u64 value, bool answered)
{
    struct again *again = &vcpu->engine->again[vcpu->index];
    if (!is_of(again, vcpu)) {
        *again = (struct again){.pc = vcpu->pc, .insns = vcpu->insns};
    }
    if (again->again || again->count == AGAIN_ACCESSES) {
        return true; /* the hart looks up behind it in any case; or it is too much to keep */
    }
    again->accesses[again->count].value = value;
    again->accesses[again->count++].answered = answered;
    if (atomic_load(&vcpu->deadline) >= deadline) {
        return true;
    }
    again->again = true;
    return vcpu_raise(vcpu, AGAIN_CAUSE, 0);
}
