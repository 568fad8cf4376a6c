/* Keys that are pressed one after the other, with a rest after each, as fingers do: for what gives
 * many at once (a script, a monitor). Rests are host time, and end with the virtual clock when as
 * much of the guest's has passed, since a guest that is ahead of its host would repeat a key that
 * is held. What becomes of keys in the guest is the journal's business, as with any input.
 *
 *   monitor, VNC  ->  struct typist  ->  struct input (on the loop's thread)
 *
 * Threads: any. */
#ifndef METIC_HW_DISPLAY_TYPIST_H
#define METIC_HW_DISPLAY_TYPIST_H

#include "cpu/base/error.h"
#include "hw/clock.h"
#include "hw/display/input.h"
#include "hw/loop.h"

enum { TYPIST_MAX_STEPS = 8192, TYPIST_MAX_REST_MS = 10000 };

struct typist_step {
    u16 code;    /* KEY_* or INPUT_BTN_*; 0: a rest alone */
    bool down;
    u16 then_ms; /* at most TYPIST_MAX_REST_MS */
};

struct typist;

/* NULL with a reason. The loop, the clock and the input outlive it. */
struct typist *typist_new(struct loop *loop, struct clock *clock, struct input *input,
                          struct metic_error *error);
void typist_free(struct typist *typist); /* NULL allowed; forgets what waits */

/* Behind what waits already. False: there would be too many, and none is taken. */
bool typist_add(struct typist *typist, const struct typist_step *steps, unsigned count);

/* Virtual clock, between two turns of the guest: goes on when its rest is over in guest time. */
void typist_look(struct typist *typist);

#endif
