/* When a profile's samples are taken: see struct engine_sampler. */
#include "translate/engine_private.h"

/* A number below `below`, from a sequence that is the same in each run (xorshift). */
static u64 sample_random(struct vcpu *vcpu, u64 below)
{
    u64 x = vcpu->sample_random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    vcpu->sample_random = x;
    return (x >> 11) % below;
}

/* Not the same place in each period: a loop whose length divides it would show one instruction. */
static void plan_sample(struct vcpu *vcpu)
{
    u64 every = vcpu->engine->sampler.every_insns;
    vcpu->next_sample_insns = UINT64_MAX;
    if (every != 0) {
        u64 next = vcpu->sample_period_insns + every;
        vcpu->sample_period_insns = next > vcpu->insns ? next : vcpu->insns + 1;
        vcpu->next_sample_insns = vcpu->sample_period_insns + sample_random(vcpu, every);
    }
}

static void take_sample(struct vcpu *vcpu)
{
    const struct engine_sampler *sampler = &vcpu->engine->sampler;
    if (sampler->sample != NULL) {
        sampler->sample(sampler->opaque, vcpu);
    }
    plan_sample(vcpu);
}

/* A kick is seen at a poll, and those stand where control goes round. So a kick chooses one of the
 * instructions behind it. */
void sample_attend(struct vcpu *vcpu, bool requested)
{
    u64 spread = vcpu->engine->sampler.spread_insns;
    if (requested && spread != 0 && vcpu->next_sample_insns == UINT64_MAX) {
        vcpu->next_sample_insns = vcpu->insns + 1 + sample_random(vcpu, spread);
    }
    if (vcpu->insns >= vcpu->next_sample_insns) {
        take_sample(vcpu);
    }
}

void engine_sample(struct engine *engine, const struct engine_sampler *sampler)
{
    engine->sampler = *sampler;
    bool samples = sampler->every_insns != 0 || sampler->spread_insns != 0;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        struct vcpu *vcpu = engine->vcpus[i];
        bool exact = engine->options.exact_deadlines || samples;
        vcpu->mode = (vcpu->mode & ~(u32)VCPU_MODE_COUNT) | (exact ? (u32)VCPU_MODE_COUNT : 0u);
        vcpu->sample_random = 0x9e3779b97f4a7c15u * (i + 1);
        vcpu->sample_period_insns = vcpu->insns - sampler->every_insns;
        plan_sample(vcpu);
        vcpu->guest->mode_changed(vcpu);
    }
}
