/* See sound_format.h. */
#include "hw/sound/sound_format.h"

#include "cpu/base/bits.h"
#include <math.h>
#include <string.h>

unsigned sound_sample_bytes(enum sound_sample sample)
{
    static const u8 bytes[SOUND_SAMPLES] = {
        [SOUND_U8] = 1, [SOUND_S16] = 2, [SOUND_S32] = 4, [SOUND_FLOAT] = 4};
    return bytes[sample];
}

unsigned sound_frame_bytes(const struct sound_format *format)
{
    return format->channels * sound_sample_bytes((enum sound_sample)format->sample);
}

bool sound_format_equal(const struct sound_format *a, const struct sound_format *b)
{
    return a->rate_hz == b->rate_hz && a->channels == b->channels && a->sample == b->sample;
}

void sound_fill_silence(const struct sound_format *format, void *bytes, size_t frames)
{
    memset(bytes, format->sample == SOUND_U8 ? 0x80 : 0, frames * sound_frame_bytes(format));
}

static float sample_load(enum sound_sample sample, const u8 *at)
{
    u32 bits;
    float value;
    switch (sample) {
    case SOUND_U8: return (float)(*at - 128) / 128.0f;
    case SOUND_S16: return (float)(s16)ld_le16(at) / 32768.0f;
    case SOUND_S32: return (float)(s32)ld_le32(at) / 2147483648.0f;
    default:
        bits = ld_le32(at);
        memcpy(&value, &bits, sizeof(value));
        return isfinite(value) ? value : 0;
    }
}

/* The nearest of the whole numbers from -full to full - 1. */
static s32 quantize(float value, double full)
{
    double scaled = rint((double)value * full);
    scaled = scaled < -full ? -full : scaled > full - 1 ? full - 1 : scaled;
    return (s32)scaled;
}

static void sample_store(enum sound_sample sample, float value, u8 *at)
{
    u32 bits;
    switch (sample) {
    case SOUND_U8: *at = (u8)(quantize(value, 128) + 128); break;
    case SOUND_S16: st_le16(at, (u16)quantize(value, 32768)); break;
    case SOUND_S32: st_le32(at, (u32)quantize(value, 2147483648.0)); break;
    default:
        memcpy(&bits, &value, sizeof(bits));
        st_le32(at, bits);
        break;
    }
}

void sound_to_stereo(const struct sound_format *format, const void *bytes, size_t frames,
                     float *stereo)
{
    enum sound_sample sample = (enum sound_sample)format->sample;
    unsigned step_bytes = sound_sample_bytes(sample);
    const u8 *at = bytes;
    for (size_t i = 0; i < frames; i++) {
        float left = sample_load(sample, at);
        at += step_bytes;
        float right = format->channels > 1 ? sample_load(sample, at) : left;
        at += format->channels > 1 ? step_bytes : 0;
        stereo[2 * i] = left;
        stereo[2 * i + 1] = right;
    }
}

void sound_from_stereo(const struct sound_format *format, const float *stereo, size_t frames,
                       void *bytes)
{
    enum sound_sample sample = (enum sound_sample)format->sample;
    unsigned step_bytes = sound_sample_bytes(sample);
    u8 *at = bytes;
    for (size_t i = 0; i < frames; i++, stereo += 2) {
        if (format->channels == 1) {
            sample_store(sample, (stereo[0] + stereo[1]) / 2, at);
        } else {
            sample_store(sample, stereo[0], at);
            at += step_bytes;
            sample_store(sample, stereo[1], at);
        }
        at += step_bytes;
    }
}
