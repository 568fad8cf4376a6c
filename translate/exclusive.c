/* Exclusive sections: stopping every other hart between two blocks. See engine.h.
 *
 * A hart is counted in `running` from engine_run_enter to engine_run_leave, which bracket the run
 * loop and every sleep in it. Nobody enters while a section is active or wanted. A hart that begins
 * a section inside a helper is `parked` instead: it does not run, but it will return into its
 * block, so the block must not be freed meanwhile. */
#include "translate/engine.h"
#include "translate/engine_private.h"

/* Waits out sections; called with exclusive_lock held. */
static void wait_for_turn(struct engine *engine)
{
    while (engine->exclusive_active || engine->exclusive_waiters > 0) {
        pthread_cond_wait(&engine->exclusive_cond, &engine->exclusive_lock);
    }
}

void engine_run_enter(struct engine *engine)
{
    pthread_mutex_lock(&engine->exclusive_lock);
    wait_for_turn(engine);
    engine->running++;
    pthread_mutex_unlock(&engine->exclusive_lock);
}

void engine_run_leave(struct engine *engine)
{
    pthread_mutex_lock(&engine->exclusive_lock);
    engine->running--;
    pthread_cond_broadcast(&engine->exclusive_cond);
    pthread_mutex_unlock(&engine->exclusive_lock);
}

static bool is_running_hart(const struct vcpu *self)
{
    return self != NULL && self->engine_running;
}

/* Kicks the others and waits until none runs; `parked_too`: and none stands inside a block. Called
 * with the lock held and the caller not counted in `running`. */
static void take_section(struct engine *engine, const struct vcpu *self, bool parked_too)
{
    engine->exclusive_waiters++;
    for (unsigned i = 0; i < engine->vcpu_count; i++) {
        if (engine->vcpus[i] != self) {
            vcpu_kick(engine->vcpus[i], VCPU_REQUEST_EXCLUSIVE);
        }
    }
    pthread_cond_broadcast(&engine->exclusive_cond);
    while (engine->exclusive_active || engine->running > 0 ||
           (parked_too && engine->parked > 0)) {
        pthread_cond_wait(&engine->exclusive_cond, &engine->exclusive_lock);
    }
    engine->exclusive_waiters--;
    engine->exclusive_active = true;
}

void engine_exclusive_begin(struct engine *engine, struct vcpu *self)
{
    bool hart = is_running_hart(self);
    pthread_mutex_lock(&engine->exclusive_lock);
    engine->running -= hart;
    engine->parked += hart;
    take_section(engine, self, false);
    pthread_mutex_unlock(&engine->exclusive_lock);
}

void engine_exclusive_end(struct engine *engine, struct vcpu *self)
{
    bool hart = is_running_hart(self);
    pthread_mutex_lock(&engine->exclusive_lock);
    engine->exclusive_active = false;
    /* Not after those who wait: one of them may wait for this hart to leave its block. */
    engine->parked -= hart;
    engine->running += hart;
    pthread_cond_broadcast(&engine->exclusive_cond);
    pthread_mutex_unlock(&engine->exclusive_lock);
}

void engine_flush_begin(struct engine *engine, struct vcpu *self)
{
    bool hart = is_running_hart(self);
    pthread_mutex_lock(&engine->exclusive_lock);
    engine->running -= hart;
    take_section(engine, self, true);
    engine->parked += hart; /* engine_exclusive_end takes it back */
    pthread_mutex_unlock(&engine->exclusive_lock);
}
