/* The list of front ends; see front.h. */
#include "translate/engine.h"
#include "translate/front.h"
#include "translate/probe/probe.h"

#include <string.h>

#define FRONT(descriptor) extern const struct front descriptor;
#include "translate/fronts.def"
#undef FRONT

const struct front *const front_list[] = {
#define FRONT(descriptor) &descriptor,
#include "translate/fronts.def"
#undef FRONT
    NULL,
};

const struct front *front_find(const struct guest *guest)
{
    for (unsigned i = 0; front_list[i] != NULL; i++) {
        if (front_list[i]->guest == guest) {
            return front_list[i];
        }
    }
    return NULL;
}

void front_expect(struct vcpu *vcpu)
{
    const struct guest_vector *vector = vcpu->guest->vector;
    vcpu->engine->vector_key = 0;
    if (vector != NULL) {
        memcpy(&vcpu->engine->vector_key, (const u8 *)vcpu + vector->key, sizeof(u32));
    }
}

void front_begin(struct engine *engine, u32 mode, struct lower *l)
{
    *l = (struct lower){
        .ir = engine->ir, .host = engine->host, .host_context = &engine->host_context,
        .vector_key = engine->vector_key, .mode = mode,
        .answer = engine->answer,
        .lone_lrs = engine_learns_reservations(engine) ? &engine->reservation_sites : NULL,
        .pairs_over_pages = engine_pairs_over_pages(engine),
        .tells_csrs = engine->tells_csrs &&
                      (engine->tells_all_csrs || (mode & VCPU_MODE_PROBE) != 0),
        .poll_first = (mode & VCPU_MODE_COUNT) != 0,
    };
    l->open_lr.value = IR_REF_NONE;
    ir_reset(engine->ir, engine->guest);
    engine->ir->marks = (u8)probe_marks(engine->probe, mode);
    engine->ir->keeps_sets = probe_tells_registers(engine->probe, mode);
    if (engine->front->begin != NULL) {
        engine->front->begin(l);
    }
}
