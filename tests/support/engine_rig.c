/* See engine_rig.h. */
#include "tests/support/engine_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static u64 no_time(struct vcpu *vcpu)
{
    (void)vcpu;
    return 0;
}

static void no_timer(struct vcpu *vcpu, u64 ticks)
{
    (void)vcpu;
    (void)ticks;
}

static u64 device_read(void *opaque, u64 offset, unsigned size_bytes)
{
    struct engine_rig *rig = opaque;
    (void)offset;
    (void)size_bytes;
    rig->device_reads++;
    return rig->device;
}

static void device_write(void *opaque, u64 offset, u64 value, unsigned size_bytes)
{
    struct engine_rig *rig = opaque;
    (void)offset;
    (void)size_bytes;
    rig->device_writes++;
    rig->device = value;
}

static const struct mmio_ops device_ops = { device_read, device_write };

static void drop(void *opaque, enum log_level level, const char *line)
{
    (void)opaque;
    (void)level;
    (void)line;
}

struct engine_rig *engine_rig_new(unsigned harts, const struct engine_options *options)
{
    static const struct engine_machine_ops ops = { .time_ticks = no_time, .timer_arm = no_timer };
    struct metic_error error = { 0 };
    struct engine_rig *rig = calloc(1, sizeof(*rig));
    log_init(&rig->log, LOG_GUEST);
    rig->log.write = drop;
    memory_init(&rig->memory, &rig->log);
    cr_assert(memory_add_ram(&rig->memory, "ram", RV_BASE, ENGINE_RIG_RAM_BYTES, &error));
    cr_assert(memory_add_mmio(&rig->memory, "device", ENGINE_RIG_DEVICE, PAGE_BYTES, &device_ops,
                              rig, &error));
    cr_assert(memory_add_mmio(&rig->memory, "mute", ENGINE_RIG_MUTE, 4, &device_ops, rig, &error));
    rig->engine = engine_new(&rig->memory, guest_find("riscv64"), harts, options, &ops, rig,
                             &rig->log, &error);
    cr_assert(rig->engine != NULL, "%s", error.what);
    for (unsigned i = 0; i < harts; i++) {
        struct vcpu *vcpu = rig->engine->vcpus[i];
        u64 args[2] = { i, 0 };
        vcpu->guest->set_boot(vcpu, RV_BASE, args, 2);
    }
    return rig;
}

void engine_rig_free(struct engine_rig *rig)
{
    engine_free(rig->engine);
    memory_fini(&rig->memory);
    log_fini(&rig->log);
    free(rig);
}

void engine_rig_load(struct engine_rig *rig, const struct rv_program *program)
{
    cr_assert(memory_load(&rig->memory, RV_BASE, program->image, program->end));
}
