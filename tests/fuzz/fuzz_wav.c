/* WAV files. */
#include "hw/sound/wav.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct wav_data wav;
    float stereo[2];
    if (!wav_parse(bytes, size_bytes, "input", &wav, NULL)) {
        return;
    }
    if (wav.frames == 0 || wav.frames > size_bytes || wav.format.channels > SOUND_MAX_CHANNELS ||
        wav.format.sample >= SOUND_SAMPLES) {
        abort();
    }
    unsigned frame_bytes = sound_frame_bytes(&wav.format);
    for (size_t i = 0; i < wav.frames; i++) {
        sound_to_stereo(&wav.format, wav.bytes + i * frame_bytes, 1, stereo);
    }
    wav_data_fini(&wav);
}

static void add_file(void (*add)(const u8 *bytes, size_t size_bytes), u8 tag, u8 channels, u8 bits)
{
    u8 file[64] = "RIFF....WAVEfmt \x10...";
    memset(file + 17, 0, 3);
    file[20] = tag;
    file[22] = channels;
    file[25] = 0x40; /* 16384 Hz */
    file[34] = bits;
    memcpy(file + 36, "data\x10\0\0\0", 8);
    add(file, sizeof(file));
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    add_file(add, 1, 1, 8);
    add_file(add, 1, 2, 16);
    add_file(add, 1, 2, 24);
    add_file(add, 3, 1, 32);
}
