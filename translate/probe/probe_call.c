/* Probes that call C, on the hart's thread: what config.calls asks for. */
#include "translate/probe/probe_private.h"

enum { CALL_FLAGS = HELPER_READS_STATE | HELPER_NEEDS_PC | HELPER_MEMORY };

static u64 call_unit(struct vcpu *vcpu, u64 number)
{
    const struct probe_config *config = &vcpu->engine->probe->config;
    config->calls.unit(config->opaque, vcpu, (u32)number);
    return 0;
}

static u64 call_insn(struct vcpu *vcpu, u64 number, u64 insn)
{
    const struct probe_config *config = &vcpu->engine->probe->config;
    config->calls.insn(config->opaque, vcpu, (u32)number, (unsigned)insn);
    return 0;
}

static u64 call_memory(struct vcpu *vcpu, u64 gva, u64 value, u64 size_and_write)
{
    const struct probe_config *config = &vcpu->engine->probe->config;
    unsigned size_bytes = (unsigned)size_and_write & 15;
    u64 mask = size_bytes == 8 ? ~(u64)0 : ((u64)1 << 8 * size_bytes) - 1;
    config->calls.memory(config->opaque, vcpu, gva, value & mask, size_bytes,
                         size_and_write >> 8 & 1);
    return 0;
}

static u64 call_nothing(struct vcpu *vcpu)
{
    (void)vcpu;
    return 0;
}

/* Being called is enough: registers are stored before it. */
const struct helper probe_call_exact = {
    .name = "exact", .fn = (u64(*)(void))(void *)call_nothing, .flags = HELPER_READS_STATE,
};
const struct helper probe_call_unit = {
    .name = "unit", .fn = (u64(*)(void))(void *)call_unit, .arg_count = 1, .flags = CALL_FLAGS,
};
const struct helper probe_call_insn = {
    .name = "insn", .fn = (u64(*)(void))(void *)call_insn, .arg_count = 2, .flags = CALL_FLAGS,
};
const struct helper probe_call_memory = {
    .name = "memory", .fn = (u64(*)(void))(void *)call_memory, .arg_count = 3,
    .flags = CALL_FLAGS,
};
