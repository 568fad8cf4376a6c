/* Sound: a machine with options.sound. */
#ifndef METIC_SOUND_H
#define METIC_SOUND_H

#include "hw/metic/base.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sound_player metic_player;

/* Listens to what the guest plays, at a rate (4000 to 384000) of the listener's own clock, which
 * takes about `period_frames` at a time: the two clocks are kept together by bending the sound a
 * little. NULL with a reason. Closed before the machine is freed. */
metic_player *metic_player_new(metic_machine *machine, unsigned rate_hz, unsigned period_frames,
                               struct metic_error *error);
void metic_player_free(metic_player *player); /* NULL allowed */
/* The next frames, stereo between -1 and 1; silence when the guest plays nothing. Any thread, one
 * at a time; never waits for the guest. */
void metic_player_take(metic_player *player, float *stereo, size_t frames);
/* What a microphone hears, always at the same rate; any thread. */
void metic_feed_sound(metic_machine *machine, unsigned rate_hz, const float *stereo,
                      size_t frames);

#endif
