/* The list of front ends; see front.h. */
#include "translate/front.h"
#include "translate/engine.h"

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
