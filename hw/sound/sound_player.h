/* A listener's ring; only sound.c and sound_player.c include this. */
#ifndef METIC_HW_SOUND_SOUND_PLAYER_H
#define METIC_HW_SOUND_SOUND_PLAYER_H

#include "hw/sound/resample.h"
#include "hw/sound/sound.h"

/* Frames of one rate on their way to another, kept by somebody's lock. */
struct sound_ring {
    float *frames; /* stereo */
    size_t room;   /* frames; a power of two */
    u64 written;   /* frames ever put in */
    u64 place;     /* the next frame to come out, in frames ever put in, 32.32; see `base` */
    u64 base;      /* what place counts from */
    u32 from_hz, to_hz;
    struct resample resample;
};

bool sound_ring_init(struct sound_ring *ring, size_t room);
void sound_ring_fini(struct sound_ring *ring);
/* Empties it for a pair of rates, when that is another. */
void sound_ring_set_rates(struct sound_ring *ring, u32 from_hz, u32 to_hz);
/* When there is no room, the oldest frames go. */
void sound_ring_put(struct sound_ring *ring, const float *stereo, size_t frames);
/* How many frames wait, at the rate they came with. */
size_t sound_ring_waiting(const struct sound_ring *ring);
/* Forgets all but the newest `frames`. */
void sound_ring_keep(struct sound_ring *ring, size_t frames);
/* Takes frames out, going `step` (32.32) for each; how many there were. */
size_t sound_ring_take(struct sound_ring *ring, u64 step, float *stereo, size_t frames);

struct sound_player {
    struct sound *sound;
    struct sound_player *next;
    u32 rate_hz, period_frames;
    bool primed; /* enough waits to go on without a gap */
    struct sound_ring ring;
};

/* The sound's lock is held. */
void sound_player_put(struct sound_player *player, u32 rate_hz, const float *stereo,
                      size_t frames);
u64 sound_player_latency_ns(const struct sound_player *player);
void sound_player_fill(struct sound_player *player, float *stereo, size_t frames);

#endif
