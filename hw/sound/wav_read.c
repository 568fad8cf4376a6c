/* Reads WAVE files; see wav.h. */
#include "hw/sound/wav.h"

#include "cpu/base/bits.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_HEAD_BYTES = 8,
    RIFF_HEAD_BYTES = 12,
    FMT_BYTES = 16,
    FMT_EXTENDED_BYTES = 40,
    TAG_PCM = 1,
    TAG_FLOAT = 3,
    TAG_EXTENDED = 0xfffe,
};

#define WAV_MAX_BYTES ((size_t)1 << 30)

struct wav_chunk {
    const u8 *bytes;
    size_t size_bytes;
};

/* The first chunk with that name; a data chunk may be cut off by the end of the file. */
static struct wav_chunk find_chunk(const u8 *bytes, size_t size_bytes, const char *name)
{
    size_t at = RIFF_HEAD_BYTES;
    while (size_bytes - at >= CHUNK_HEAD_BYTES) {
        size_t size = ld_le32(bytes + at + 4);
        size_t left = size_bytes - at - CHUNK_HEAD_BYTES;
        size = size < left ? size : left;
        if (memcmp(bytes + at, name, 4) == 0) {
            return (struct wav_chunk){bytes + at + CHUNK_HEAD_BYTES, size};
        }
        size_t skip = size + (size & 1);
        at += CHUNK_HEAD_BYTES + (skip < left ? skip : left);
    }
    return (struct wav_chunk){NULL, 0};
}

/* What the "fmt " chunk says; `bits` of a sample. False: it cannot be played. */
static bool read_format(struct wav_chunk chunk, struct sound_format *format, unsigned *bits)
{
    if (chunk.size_bytes < FMT_BYTES) {
        return false;
    }
    unsigned tag = ld_le16(chunk.bytes);
    if (tag == TAG_EXTENDED && chunk.size_bytes >= FMT_EXTENDED_BYTES) {
        tag = ld_le16(chunk.bytes + 24);
    }
    *bits = ld_le16(chunk.bytes + 14);
    u32 channels = ld_le16(chunk.bytes + 2);
    format->rate_hz = ld_le32(chunk.bytes + 4);
    format->channels = (u8)channels;
    format->sample = tag == TAG_FLOAT ? SOUND_FLOAT
                     : *bits == 8     ? SOUND_U8
                     : *bits == 16    ? SOUND_S16
                                      : SOUND_S32;
    bool known = (tag == TAG_PCM && (*bits == 8 || *bits == 16 || *bits == 24 || *bits == 32)) ||
                 (tag == TAG_FLOAT && *bits == 32);
    return known && channels >= 1 && channels <= SOUND_MAX_CHANNELS &&
           format->rate_hz >= SOUND_MIN_RATE_HZ && format->rate_hz <= SOUND_MAX_RATE_HZ;
}

bool wav_parse(const u8 *bytes, size_t size_bytes, const char *name, struct wav_data *wav,
               struct metic_error *error)
{
    unsigned bits = 0;
    *wav = (struct wav_data){.bytes = NULL};
    if (size_bytes < RIFF_HEAD_BYTES || memcmp(bytes, "RIFF", 4) != 0 ||
        memcmp(bytes + 8, "WAVE", 4) != 0) {
        return error_set(error, "give a WAV file", "%s is not a WAV file", name);
    }
    if (!read_format(find_chunk(bytes, size_bytes, "fmt "), &wav->format, &bits)) {
        return error_set(error,
                         "convert it: one or two channels of 8, 16, 24 or 32 bits or float, "
                         "at 4 to 384 kHz",
                         "the sound in %s is in a format that metic does not read", name);
    }
    struct wav_chunk data = find_chunk(bytes, size_bytes, "data");
    size_t samples = data.size_bytes / (bits / 8);
    wav->frames = samples / wav->format.channels;
    samples = wav->frames * wav->format.channels;
    if (wav->frames == 0) {
        return error_set(error, "give one with sound in it", "there is no sound in %s", name);
    }
    wav->bytes = malloc(samples * sound_sample_bytes((enum sound_sample)wav->format.sample));
    if (wav->bytes == NULL) {
        return error_set(error, NULL, "the host has no memory for the sound in %s", name);
    }
    if (bits != 24) {
        memcpy(wav->bytes, data.bytes, samples * (bits / 8));
        return true;
    }
    for (size_t i = 0; i < samples; i++) {
        const u8 *from = data.bytes + 3 * i;
        st_le32(wav->bytes + 4 * i, (u32)from[0] << 8 | (u32)from[1] << 16 | (u32)from[2] << 24);
    }
    return true;
}

static bool no_file(const char *path, struct metic_error *error)
{
    return error_set(error, "name a WAV file", "cannot read the sound in %s: %s", path,
                     strerror(errno));
}

bool wav_read(const char *path, struct wav_data *wav, struct metic_error *error)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return no_file(path, error);
    }
    u8 *bytes = NULL;
    size_t size_bytes = 0, room_bytes = 0;
    bool ok = true;
    do {
        if (size_bytes == room_bytes) {
            room_bytes = room_bytes == 0 ? (size_t)1 << 16 : 2 * room_bytes;
            u8 *more = room_bytes <= WAV_MAX_BYTES ? realloc(bytes, room_bytes) : NULL;
            if (more == NULL) {
                error_set(error, "cut it", "the sound in %s is too large", path);
                ok = false;
                break;
            }
            bytes = more;
        }
        size_bytes += fread(bytes + size_bytes, 1, room_bytes - size_bytes, file);
        ok = ferror(file) == 0 || no_file(path, error);
    } while (ok && feof(file) == 0);
    ok = ok && wav_parse(bytes, size_bytes, path, wav, error);
    fclose(file);
    free(bytes);
    return ok;
}

void wav_data_fini(struct wav_data *wav)
{
    free(wav->bytes);
    wav->bytes = NULL;
}
