/* How sound is laid out in memory: frames, each one sample for every channel, little-endian. */
#ifndef METIC_HW_SOUND_SOUND_FORMAT_H
#define METIC_HW_SOUND_SOUND_FORMAT_H

#include "cpu/base/types.h"

enum sound_sample { SOUND_U8, SOUND_S16, SOUND_S32, SOUND_FLOAT, SOUND_SAMPLES };
enum {
    SOUND_MAX_CHANNELS = 2,
    SOUND_MIN_RATE_HZ = 4000,
    SOUND_MAX_RATE_HZ = 384000,
};

struct sound_format {
    u32 rate_hz;
    u8 channels;
    u8 sample; /* enum sound_sample */
};

unsigned sound_sample_bytes(enum sound_sample sample);
unsigned sound_frame_bytes(const struct sound_format *format);
bool sound_format_equal(const struct sound_format *a, const struct sound_format *b);
void sound_fill_silence(const struct sound_format *format, void *bytes, size_t frames);

/* To stereo between -1 and 1, and back; a single channel is both, or the mean of both. What is
 * too loud is clipped. Nothing is lost of 8 and 16 bits on the way there and back. */
void sound_to_stereo(const struct sound_format *format, const void *bytes, size_t frames,
                     float *stereo);
void sound_from_stereo(const struct sound_format *format, const float *stereo, size_t frames,
                       void *bytes);

#endif
