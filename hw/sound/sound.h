/* The cable of a machine's sound card: what the guest plays goes to a WAV file and to players
 * (a window's loudspeaker); what it records comes from a WAV file, a microphone, or is silence.
 *
 *   virtio_snd.c  ->  struct sound  ->  wav_write.c, sound_player
 *                                   <-  wav_read.c, sound_feed
 *
 * The card has guest time as its clock and never waits: playing copies, recording takes what is
 * there. A player has a clock of its own, the loudspeaker's; it takes a little faster or slower
 * than the guest gives, so that the few hundredths of a second between the two stay the same, and
 * is silent by itself when the guest gives nothing.
 *
 * What a guest records is an answer in the journal (with the virtual clock), however it came about.
 *
 * Threads: the card's functions under its device's lock; the rest by any thread. One mutex inside,
 * held for a copy only. */
#ifndef METIC_HW_SOUND_SOUND_H
#define METIC_HW_SOUND_SOUND_H

#include "hw/journal/journal.h"
#include "hw/sound/sound_format.h"

struct sound;

struct sound_options {
    const char *out_path; /* a WAV file for what is played, or NULL */
    const char *in_path;  /* a WAV file to record from, or NULL */
    bool microphone;      /* record what sound_feed brings */
};

/* Opens the files. NULL with a reason. The journal and the log outlive it. */
struct sound *sound_new(const struct sound_options *options, struct journal *journal,
                        struct log *log, struct metic_error *error);
void sound_free(struct sound *sound); /* NULL allowed; players are gone by then */

/* ---- For the card ---- */

bool sound_has_input(const struct sound *sound);
/* At most SOUND_MAX_PART frames at a time. */
enum { SOUND_MAX_PART = 4096 };
void sound_play(struct sound *sound, const struct sound_format *format, const void *bytes,
                size_t frames);
/* How long until what is played next is heard; 0 without a listener and with the virtual clock. */
u64 sound_latency_ns(struct sound *sound);
/* Fills all frames, with silence where there is nothing. */
void sound_record(struct sound *sound, const struct sound_format *format, void *bytes,
                  size_t frames);

/* How far a WAV file was recorded from. */
void sound_save(struct sound *sound, struct state_writer *writer);
bool sound_load(struct sound *sound, struct state_reader *reader);

/* ---- For who listens and speaks ---- */

struct sound_player;

/* A listener that takes frames at its own rate, about `period_frames` at a time; NULL without
 * memory. */
struct sound_player *sound_player_new(struct sound *sound, u32 rate_hz, u32 period_frames);
void sound_player_free(struct sound_player *player); /* NULL allowed */
/* Stereo, between -1 and 1. */
void sound_player_take(struct sound_player *player, float *stereo, size_t frames);

/* What a microphone hears; without `microphone` it is forgotten. At one rate for good. */
void sound_feed(struct sound *sound, u32 rate_hz, const float *stereo, size_t frames);

#endif
