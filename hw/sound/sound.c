/* See sound.h. */
#include "hw/sound/sound.h"

#include "hw/sound/resample.h"
#include "hw/sound/sound_player.h"
#include "hw/sound/wav.h"
#include <stdlib.h>
#include <string.h>

enum { FEED_ROOM = 1 << 14 };

struct sound {
    struct journal *journal;
    struct wav_writer *out;
    bool has_file, microphone;
    pthread_mutex_t lock;

    /* Under the lock. */
    struct sound_player *players;
    struct sound_ring feed;
    u32 feed_hz;

    /* The card's. */
    struct wav_data file;
    u64 file_place; /* how far it was recorded from: frames, 32.32 */
    u32 file_to_hz; /* what file_resample is for */
    struct resample file_resample;
    float stereo[2 * SOUND_MAX_PART];
};

struct sound *sound_new(const struct sound_options *options, struct journal *journal,
                        struct log *log, struct metic_error *error)
{
    struct sound *sound = calloc(1, sizeof(*sound));
    if (sound == NULL) {
        error_set(error, NULL, "the host has no memory for sound");
        return NULL;
    }
    sound->journal = journal;
    sound->microphone = options->microphone;
    pthread_mutex_init(&sound->lock, NULL);
    bool ok = !sound->microphone || sound_ring_init(&sound->feed, FEED_ROOM) ||
              error_set(error, NULL, "the host has no memory for sound");
    if (ok && options->in_path != NULL) {
        ok = wav_read(options->in_path, &sound->file, error);
        sound->has_file = ok;
    }
    if (ok && options->out_path != NULL) {
        sound->out = wav_writer_new(options->out_path, journal_is_deterministic(journal), log,
                                    error);
        ok = sound->out != NULL;
    }
    if (!ok) {
        sound_free(sound);
        return NULL;
    }
    return sound;
}

void sound_free(struct sound *sound)
{
    if (sound != NULL) {
        wav_writer_free(sound->out);
        wav_data_fini(&sound->file);
        sound_ring_fini(&sound->feed);
        pthread_mutex_destroy(&sound->lock);
        free(sound);
    }
}

bool sound_has_input(const struct sound *sound)
{
    return sound->has_file || sound->microphone;
}

/* --- playing --- */

void sound_play(struct sound *sound, const struct sound_format *format, const void *bytes,
                size_t frames)
{
    if (sound->out != NULL) {
        wav_writer_put(sound->out, format, bytes, frames);
    }
    pthread_mutex_lock(&sound->lock);
    if (sound->players != NULL) {
        sound_to_stereo(format, bytes, frames, sound->stereo);
    }
    for (struct sound_player *p = sound->players; p != NULL; p = p->next) {
        sound_player_put(p, format->rate_hz, sound->stereo, frames);
    }
    pthread_mutex_unlock(&sound->lock);
}

u64 sound_latency_ns(struct sound *sound)
{
    u64 latency_ns = 0;
    if (journal_is_deterministic(sound->journal)) {
        return 0;
    }
    pthread_mutex_lock(&sound->lock);
    for (const struct sound_player *p = sound->players; p != NULL; p = p->next) {
        u64 ns = sound_player_latency_ns(p);
        latency_ns = ns > latency_ns ? ns : latency_ns;
    }
    pthread_mutex_unlock(&sound->lock);
    return latency_ns;
}

struct sound_player *sound_player_new(struct sound *sound, u32 rate_hz, u32 period_frames)
{
    struct sound_player *player = calloc(1, sizeof(*player));
    if (player == NULL || !sound_ring_init(&player->ring, 1 << 16)) {
        free(player);
        return NULL;
    }
    player->sound = sound;
    player->rate_hz = rate_hz;
    player->period_frames = period_frames;
    pthread_mutex_lock(&sound->lock);
    player->next = sound->players;
    sound->players = player;
    pthread_mutex_unlock(&sound->lock);
    return player;
}

void sound_player_free(struct sound_player *player)
{
    if (player == NULL) {
        return;
    }
    pthread_mutex_lock(&player->sound->lock);
    struct sound_player **link = &player->sound->players;
    while (*link != player) {
        link = &(*link)->next;
    }
    *link = player->next;
    pthread_mutex_unlock(&player->sound->lock);
    sound_ring_fini(&player->ring);
    free(player);
}

void sound_player_take(struct sound_player *player, float *stereo, size_t frames)
{
    pthread_mutex_lock(&player->sound->lock);
    sound_player_fill(player, stereo, frames);
    pthread_mutex_unlock(&player->sound->lock);
}

/* --- recording --- */

void sound_feed(struct sound *sound, u32 rate_hz, const float *stereo, size_t frames)
{
    pthread_mutex_lock(&sound->lock);
    if (sound->microphone) {
        if (sound->feed.from_hz == 0) {
            sound_ring_set_rates(&sound->feed, rate_hz, rate_hz);
        }
        sound->feed_hz = rate_hz;
        sound_ring_put(&sound->feed, stereo, frames);
    }
    pthread_mutex_unlock(&sound->lock);
}

/* A frame of the file, which is silent before its beginning and behind its end. */
static void file_stereo(const struct wav_data *file, s64 frame, float *stereo)
{
    stereo[0] = stereo[1] = 0;
    if (frame >= 0 && (u64)frame < file->frames) {
        sound_to_stereo(&file->format,
                        file->bytes + (size_t)frame * sound_frame_bytes(&file->format), 1, stereo);
    }
}

/* In the file's own format its bytes are what is recorded. */
static void record_plain(struct sound *sound, const struct sound_format *format, void *bytes,
                         size_t frames)
{
    const struct wav_data *file = &sound->file;
    unsigned frame_bytes = sound_frame_bytes(format);
    u64 at = sound->file_place >> 32; /* a part of a frame is not looked for */
    size_t left = at < file->frames ? file->frames - (size_t)at : 0;
    size_t part = frames < left ? frames : left;
    if (part > 0) {
        memcpy(bytes, file->bytes + (size_t)at * frame_bytes, part * frame_bytes);
    }
    sound_fill_silence(format, (u8 *)bytes + part * frame_bytes, frames - part);
    sound->file_place = (at + frames) << 32;
}

static void record_file(struct sound *sound, const struct sound_format *format, void *bytes,
                        size_t frames)
{
    const struct wav_data *file = &sound->file;
    if (sound_format_equal(format, &file->format)) {
        record_plain(sound, format, bytes, frames);
        return;
    }
    if (sound->file_to_hz != format->rate_hz) {
        resample_init(&sound->file_resample, file->format.rate_hz, format->rate_hz);
        sound->file_to_hz = format->rate_hz;
    }
    u64 step = resample_step(file->format.rate_hz, format->rate_hz);
    float window[2 * RESAMPLE_TAPS];
    for (size_t i = 0; i < frames; i++, sound->file_place += step) {
        s64 first = (s64)(sound->file_place >> 32) - RESAMPLE_BEFORE;
        for (unsigned tap = 0; tap < RESAMPLE_TAPS; tap++) {
            file_stereo(file, first + tap, window + 2 * tap);
        }
        resample_frame(&sound->file_resample, window, (u32)sound->file_place,
                       sound->stereo + 2 * i);
    }
    sound_from_stereo(format, sound->stereo, frames, bytes);
}

static void record_feed(struct sound *sound, const struct sound_format *format, void *bytes,
                        size_t frames)
{
    size_t done = 0;
    pthread_mutex_lock(&sound->lock);
    if (sound->feed_hz != 0) {
        sound_ring_set_rates(&sound->feed, sound->feed_hz, format->rate_hz);
        sound_ring_keep(&sound->feed, FEED_ROOM / 4); /* a guest that did not listen */
        done = sound_ring_take(&sound->feed, resample_step(sound->feed_hz, format->rate_hz),
                               sound->stereo, frames);
    }
    pthread_mutex_unlock(&sound->lock);
    memset(sound->stereo + 2 * done, 0, (frames - done) * 2 * sizeof(float));
    sound_from_stereo(format, sound->stereo, frames, bytes);
}

void sound_record(struct sound *sound, const struct sound_format *format, void *bytes,
                  size_t frames)
{
    size_t size_bytes = frames * sound_frame_bytes(format);
    if (journal_is_replay(sound->journal)) {
        size_t got_bytes = 0;
        u8 *answer = journal_take_answer(sound->journal, size_bytes, &got_bytes);
        sound_fill_silence(format, bytes, frames);
        memcpy(bytes, answer, got_bytes);
        free(answer);
        return;
    }
    if (sound->has_file) {
        record_file(sound, format, bytes, frames);
    } else if (sound->microphone) {
        record_feed(sound, format, bytes, frames);
    } else {
        sound_fill_silence(format, bytes, frames);
    }
    if (journal_is_recording(sound->journal)) {
        journal_put_answer(sound->journal, bytes, size_bytes);
    }
}

/* --- saved state --- */

void sound_save(struct sound *sound, struct state_writer *writer)
{
    state_write_u64(writer, sound->file_place);
}

bool sound_load(struct sound *sound, struct state_reader *reader)
{
    return state_read_u64(reader, &sound->file_place);
}
