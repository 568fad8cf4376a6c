/* Exclusive sections: a hart that is about to free all blocks waits for one that stands inside a
 * block, in a helper that wants a section of its own. */
#include "tests/support/engine_rig.h"
#include "translate/engine_private.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

static struct engine_rig *rig;
static struct host host; /* the real one, but its buffer is full once, at the worst moment */
static pthread_t helper;
static unsigned compiled;
static u64 flushes_inside;

static void enter(struct vcpu *vcpu)
{
    engine_run_enter(rig->engine);
    vcpu->engine_running = true;
}

static void leave(struct vcpu *vcpu)
{
    vcpu->engine_running = false;
    engine_run_leave(rig->engine);
}

/* What lr without a near sc does, or fence.i after stores into many pages of code: stops the
 * others, and returns into its block. */
static void *stop_the_others(void *opaque)
{
    struct vcpu *vcpu = opaque;
    engine_exclusive_begin(rig->engine, vcpu);
    engine_exclusive_end(rig->engine, vcpu);
    flushes_inside = rig->engine->stats.flushes;
    leave(vcpu);
    return NULL;
}

static unsigned parked(void)
{
    pthread_mutex_lock(&rig->engine->exclusive_lock);
    unsigned count = rig->engine->parked;
    pthread_mutex_unlock(&rig->engine->exclusive_lock);
    return count;
}

static enum host_status full_once(const struct host_request *request, struct host_result *result)
{
    if (compiled++ != 1) { /* the second: an empty buffer would have the block cut shorter */
        return host_find()->compile(request, result);
    }
    cr_assert(pthread_create(&helper, NULL, stop_the_others, rig->engine->vcpus[1]) == 0);
    while (parked() == 0) {
        sched_yield();
    }
    return HOST_NO_ROOM;
}

Test(exclusive, a_flush_waits_for_a_hart_in_a_helper, .timeout = 60)
{
    struct engine_options options = { .kind = ENGINE_JIT, .no_tier0 = true };
    rig = engine_rig_new(2, &options);
    struct rv_program *p = rv_new();
    rv_nop(p);
    rv_j(p, 1);
    rv_label(p, 1);
    rv_addi(p, A0, A0, 1);
    rv_j(p, 1);
    rv_finish(p);
    engine_rig_load(rig, p);
    rv_free(p);
    host = *rig->engine->host;
    host.compile = full_once;
    rig->engine->host = &host;

    enter(rig->engine->vcpus[1]);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->limit_insns = 1000;
    atomic_store(&vcpu->deadline, 0);
    cr_expect(engine_run(vcpu) == ENGINE_STOP_LIMIT);
    pthread_join(helper, NULL);
    cr_expect(compiled > 2 && rig->engine->stats.flushes == 1);
    cr_expect(flushes_inside == 0, "blocks were freed under a hart inside one");
    engine_rig_free(rig);
}
