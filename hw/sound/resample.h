/* Another rate: band-limited interpolation. Each frame that comes out is a sum over the
 * RESAMPLE_TAPS frames around its place, weighted by a windowed sinc, whose cut-off is that of the
 * lower rate.
 *
 * A place is a number of source frames in 32.32 fixed point: so the same places give the same sound
 * wherever one begins, and a position can be saved. Stereo alone. No state but the weights. */
#ifndef METIC_HW_SOUND_RESAMPLE_H
#define METIC_HW_SOUND_RESAMPLE_H

#include "cpu/base/types.h"

enum {
    RESAMPLE_TAPS = 32,
    RESAMPLE_BEFORE = RESAMPLE_TAPS / 2 - 1, /* frames needed before a place's whole part */
    RESAMPLE_AFTER = RESAMPLE_TAPS / 2,      /* and after it */
    RESAMPLE_PHASES = 128,
};

struct resample {
    float weights[RESAMPLE_PHASES + 1][RESAMPLE_TAPS];
};

/* For going from one rate to another. */
void resample_init(struct resample *resample, u32 from_hz, u32 to_hz);

/* How far the place moves with each frame that comes out. */
u64 resample_step(u32 from_hz, u32 to_hz);

/* One stereo frame. `frames` points at the RESAMPLE_TAPS frames from (whole part of the place) -
 * RESAMPLE_BEFORE on; `fraction` is the place's lower half. */
void resample_frame(const struct resample *resample, const float *frames, u32 fraction,
                    float out[2]);

#endif
