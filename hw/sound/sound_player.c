/* Rings of frames between two clocks, and the listener that keeps one about equally full. */
#include "hw/sound/sound_player.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLAYER_ROOM = 1 << 15,
    PLAYER_SLACK_MS = 20, /* beyond a period: what the card gives at a time, and a late host */
    PLAYER_MAX_BEND = 200, /* the rate is bent by at most a 200th, which nobody hears */
};

/* --- the ring --- */

bool sound_ring_init(struct sound_ring *ring, size_t room)
{
    ring->room = room;
    ring->frames = calloc(room, 2 * sizeof(float));
    return ring->frames != NULL;
}

void sound_ring_fini(struct sound_ring *ring)
{
    free(ring->frames);
}

static void empty(struct sound_ring *ring)
{
    memset(ring->frames, 0, ring->room * 2 * sizeof(float));
    ring->written = RESAMPLE_TAPS; /* of silence */
    ring->base = RESAMPLE_TAPS;
    ring->place = 0;
}

void sound_ring_set_rates(struct sound_ring *ring, u32 from_hz, u32 to_hz)
{
    if (ring->from_hz != from_hz || ring->to_hz != to_hz) {
        ring->from_hz = from_hz;
        ring->to_hz = to_hz;
        resample_init(&ring->resample, from_hz, to_hz);
        empty(ring);
    }
}

/* The frame that comes out next. */
static u64 ring_next(const struct sound_ring *ring)
{
    return ring->base + (ring->place >> 32);
}

size_t sound_ring_waiting(const struct sound_ring *ring)
{
    u64 next = ring_next(ring);
    return ring->written > next ? (size_t)(ring->written - next) : 0;
}

void sound_ring_keep(struct sound_ring *ring, size_t frames)
{
    if (sound_ring_waiting(ring) > frames) {
        ring->base = ring->written - frames;
        ring->place &= UINT32_MAX;
    }
}

void sound_ring_put(struct sound_ring *ring, const float *stereo, size_t frames)
{
    for (size_t i = 0; i < frames; i++, ring->written++) {
        memcpy(ring->frames + 2 * (ring->written & (ring->room - 1)), stereo + 2 * i,
               2 * sizeof(float));
    }
    if (sound_ring_waiting(ring) > ring->room - RESAMPLE_TAPS) {
        sound_ring_keep(ring, ring->room / 2);
    }
}

size_t sound_ring_take(struct sound_ring *ring, u64 step, float *stereo, size_t frames)
{
    size_t done = 0;
    for (; done < frames; done++) {
        u64 next = ring_next(ring);
        if (next + RESAMPLE_AFTER >= ring->written) {
            break;
        }
        float window[2 * RESAMPLE_TAPS];
        for (unsigned tap = 0; tap < RESAMPLE_TAPS; tap++) {
            u64 at = next - RESAMPLE_BEFORE + tap;
            memcpy(window + 2 * tap, ring->frames + 2 * (at & (ring->room - 1)),
                   2 * sizeof(float));
        }
        resample_frame(&ring->resample, window, (u32)ring->place, stereo + 2 * done);
        ring->place += step;
    }
    ring->base += ring->place >> 32;
    ring->place &= UINT32_MAX;
    return done;
}

/* --- the listener --- */

/* How many frames should wait when a period is about to be taken. */
static size_t target(const struct sound_player *player)
{
    u64 period = (u64)player->period_frames * player->ring.from_hz / player->rate_hz;
    return (size_t)(period + player->ring.from_hz * PLAYER_SLACK_MS / 1000 + RESAMPLE_AFTER);
}

void sound_player_put(struct sound_player *player, u32 rate_hz, const float *stereo,
                      size_t frames)
{
    if (player->ring.from_hz != rate_hz) {
        player->primed = false;
    }
    sound_ring_set_rates(&player->ring, rate_hz, player->rate_hz);
    sound_ring_put(&player->ring, stereo, frames);
}

u64 sound_player_latency_ns(const struct sound_player *player)
{
    u32 hz = player->ring.from_hz;
    return hz == 0 ? 0 : sound_ring_waiting(&player->ring) * (u64)1000000000 / hz;
}

/* A little more than the plain step when too much waits, less when too little; as far as it goes
 * when that is half as much again as is wanted, or half as much. */
static u64 bent_step(const struct sound_player *player, size_t waiting, size_t wanted)
{
    s64 step = (s64)resample_step(player->ring.from_hz, player->rate_hz);
    s64 limit = step / PLAYER_MAX_BEND;
    s64 bend = ((s64)waiting - (s64)wanted) * 2 * limit / (s64)wanted;
    bend = bend > limit ? limit : bend < -limit ? -limit : bend;
    return (u64)(step + bend);
}

void sound_player_fill(struct sound_player *player, float *stereo, size_t frames)
{
    size_t done = 0;
    if (player->ring.from_hz != 0) {
        size_t wanted = target(player), waiting = sound_ring_waiting(&player->ring);
        if (waiting > 4 * wanted) {
            sound_ring_keep(&player->ring, wanted);
            waiting = wanted;
        }
        player->primed = player->primed || waiting >= wanted;
        if (player->primed) {
            done = sound_ring_take(&player->ring, bent_step(player, waiting, wanted), stereo,
                                   frames);
            player->primed = done == frames;
        }
    }
    memset(stereo + 2 * done, 0, (frames - done) * 2 * sizeof(float));
}
