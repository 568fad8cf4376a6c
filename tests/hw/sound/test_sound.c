#include "hw/sound/resample.h"
#include "hw/sound/sound.h"
#include "hw/sound/wav.h"
#include "tests/hw/fixture.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_fini(&f);
}

TestSuite(sound, .init = setup, .fini = teardown);

static const double pi = 3.14159265358979323846;

static void name_file(char path[64])
{
    strcpy(path, "/tmp/metic-wav-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

Test(sound, nothing_is_lost_on_the_way_to_float_and_back)
{
    for (unsigned channels = 1; channels <= 2; channels++) {
        for (u32 value = 0; value < 65536; value += channels) {
            struct sound_format words = {48000, (u8)channels, SOUND_S16};
            struct sound_format narrow = {48000, (u8)channels, SOUND_U8};
            u8 from[4], to[4];
            float stereo[2];
            st_le16(from, (u16)value);
            st_le16(from + 2, (u16)(value + 1));
            sound_to_stereo(&words, from, 1, stereo);
            sound_from_stereo(&words, stereo, 1, to);
            cr_assert_arr_eq(from, to, 2 * channels);
            sound_to_stereo(&narrow, from, 1, stereo);
            sound_from_stereo(&narrow, stereo, 1, to);
            cr_assert_arr_eq(from, to, channels);
        }
    }
}

Test(sound, what_is_too_loud_is_clipped)
{
    float stereo[2] = {7, -7};
    u8 bytes[8];
    struct sound_format wide = {48000, 2, SOUND_S32}, narrow = {48000, 2, SOUND_U8};
    struct sound_format floats = {48000, 2, SOUND_FLOAT};
    sound_from_stereo(&wide, stereo, 1, bytes);
    cr_assert_eq(ld_le32(bytes), INT32_MAX);
    cr_assert_eq(ld_le32(bytes + 4), (u32)INT32_MIN);
    sound_from_stereo(&narrow, stereo, 1, bytes);
    cr_assert_eq(bytes[0], 255);
    cr_assert_eq(bytes[1], 0);
    st_le32(bytes, 0x7fc00000); /* not a number */
    st_le32(bytes + 4, 0xff800000);
    sound_to_stereo(&floats, bytes, 1, stereo);
    cr_assert_eq(stereo[0], 0);
    cr_assert_eq(stereo[1], 0);
}

/* How far what comes out is below a sine, in dB, at its worst rate of error. */
static double error_db(u32 from_hz, u32 to_hz, double hz)
{
    static struct resample resample;
    static float in[2 * 8192];
    double signal = 0, noise = 0;
    for (unsigned i = 0; i < 8192; i++) {
        in[2 * i] = (float)sin(2 * pi * hz * i / from_hz);
        in[2 * i + 1] = -in[2 * i];
    }
    resample_init(&resample, from_hz, to_hz);
    u64 place = (u64)100 << 32;
    for (unsigned n = 0; (place >> 32) < 8000; n++, place += resample_step(from_hz, to_hz)) {
        float out[2];
        resample_frame(&resample, in + 2 * ((place >> 32) - RESAMPLE_BEFORE), (u32)place, out);
        double want = sin(2 * pi * hz * ((double)place / 4294967296.0) / from_hz);
        signal += want * want;
        noise += (out[0] - want) * (out[0] - want);
        cr_assert_float_eq(out[0], -out[1], 1e-6);
    }
    return 10 * log10(signal / noise);
}

Test(sound, another_rate_is_the_same_sound)
{
    cr_assert_gt(error_db(44100, 48000, 1000), 80);
    cr_assert_gt(error_db(48000, 44100, 1000), 80);
    cr_assert_gt(error_db(8000, 48000, 1000), 70);
    cr_assert_gt(error_db(96000, 48000, 5000), 70);
    cr_assert_gt(error_db(48000, 48000, 15000), 120, "the same rate changes nothing");
}

/* A guest of one rate, a loudspeaker whose clock is wrong by `ppm`; the sine that arrives has no
 * gap once it has begun, and nothing piles up. */
static void play_to(u32 guest_hz, u32 rate_hz, int ppm)
{
    struct sound_options none = {0};
    struct sound *sound = sound_new(&none, f.journal, &f.log, NULL);
    struct sound_player *player = sound_player_new(sound, rate_hz, 512);
    struct sound_format format = {guest_hz, 2, SOUND_FLOAT};
    double guest_s = 0, listener_s = 0;
    u64 given = 0;
    unsigned silent = 0, heard = 0;
    float last = 0;
    while (guest_s < 20) {
        if (guest_s <= listener_s) {
            u8 bytes[8 * 480];
            for (unsigned i = 0; i < guest_hz / 100; i++, given++) {
                float value = (float)(0.5 + 0.25 * sin(2 * pi * 300 * (double)given / guest_hz));
                u32 bits;
                memcpy(&bits, &value, sizeof(bits));
                st_le32(bytes + 8 * i, bits);
                st_le32(bytes + 8 * i + 4, bits);
            }
            sound_play(sound, &format, bytes, guest_hz / 100);
            guest_s += 0.01;
            continue;
        }
        float stereo[2 * 512];
        sound_player_take(player, stereo, 512);
        listener_s += 512.0 / rate_hz * (1 + ppm * 1e-6);
        for (unsigned i = 0; i < 512; i++) {
            float value = stereo[2 * i];
            silent += value < 0.1f;
            heard += value > 0.1f;
            if (listener_s > 0.2) {
                cr_assert_float_eq(value, last, 0.03, "a click at %f s (%u to %u, %d ppm)",
                                   listener_s, guest_hz, rate_hz, ppm);
            }
            last = value;
        }
    }
    cr_assert_gt(heard, 19 * rate_hz);
    cr_assert_lt(silent, rate_hz / 10, "at the beginning alone: %u of %u", silent, rate_hz);
    sound_player_free(player);
    sound_free(sound);
}

Test(sound, a_player_keeps_up_with_a_clock_that_is_not_its_own)
{
    play_to(48000, 48000, 0);
    play_to(48000, 48000, 1000);
    play_to(48000, 48000, -1000);
    play_to(44100, 48000, 300);
    play_to(22050, 44100, -300);
}

Test(sound, a_player_without_sound_is_silent)
{
    struct sound_options none = {0};
    struct sound *sound = sound_new(&none, f.journal, &f.log, NULL);
    struct sound_player *player = sound_player_new(sound, 48000, 512);
    float stereo[2 * 512];
    memset(stereo, 0xff, sizeof(stereo));
    sound_player_take(player, stereo, 512);
    for (unsigned i = 0; i < 2 * 512; i++) {
        cr_assert_eq(stereo[i], 0);
    }
    sound_player_free(player);
    sound_free(sound);
}

Test(sound, a_microphone_is_heard)
{
    struct sound_options options = {.microphone = true};
    struct sound *sound = sound_new(&options, f.journal, &f.log, NULL);
    struct sound_format format = {48000, 1, SOUND_S16};
    float stereo[2 * 1000];
    u8 bytes[2 * 500];
    for (unsigned i = 0; i < 1000; i++) {
        stereo[2 * i] = stereo[2 * i + 1] = 0.5f;
    }
    cr_assert(sound_has_input(sound));
    sound_record(sound, &format, bytes, 500);
    cr_assert_eq(ld_le16(bytes), 0, "nobody spoke yet");
    sound_feed(sound, 48000, stereo, 1000);
    sound_record(sound, &format, bytes, 500);
    cr_assert_eq(ld_le16(bytes + 2 * 400), 16384);
    sound_free(sound);
}

/* --- files --- */

Test(sound, a_file_is_whole_while_it_is_written)
{
    char path[64];
    u8 bytes[960] = {1, 2, 3};
    struct sound_format format = {48000, 2, SOUND_S16};
    struct wav_data wav = {.bytes = NULL};
    name_file(path);
    struct wav_writer *writer = wav_writer_new(path, true, &f.log, NULL);
    for (unsigned i = 0; i < 100; i++) {
        wav_writer_put(writer, &format, bytes, 240);
    }
    /* As after a kill: what is there can be read. */
    for (unsigned tries = 0; wav.frames < 24000 && tries < 10000; tries++) {
        wav_data_fini(&wav);
        if (!wav_read(path, &wav, NULL)) {
            wav = (struct wav_data){.bytes = NULL};
        }
        usleep(1000);
    }
    cr_assert_eq(wav.frames, 24000);
    cr_assert_arr_eq(wav.bytes, bytes, sizeof(bytes));
    wav_data_fini(&wav);
    wav_writer_free(writer);
    unlink(path);
}

Test(sound, what_comes_later_in_another_format_is_converted)
{
    char path[64];
    struct sound_format first = {48000, 2, SOUND_S16}, later = {24000, 1, SOUND_U8};
    u8 bytes[4 * 4800] = {0}, more[2400];
    struct wav_data wav;
    memset(more, 0xc0, sizeof(more)); /* half of full scale */
    name_file(path);
    struct wav_writer *writer = wav_writer_new(path, true, &f.log, NULL);
    wav_writer_put(writer, &first, bytes, 4800);
    wav_writer_put(writer, &later, more, 2400);
    wav_writer_free(writer);
    cr_assert(wav_read(path, &wav, NULL));
    cr_assert(sound_format_equal(&wav.format, &first));
    cr_assert_geq(wav.frames, 4800 + 4760);
    cr_assert_leq(wav.frames, 4800 + 4800);
    cr_assert_eq(ld_le16(wav.bytes + 4 * 4000), 0);
    cr_assert_eq(ld_le16(wav.bytes + 4 * 9000), 16384);
    cr_assert_eq(ld_le16(wav.bytes + 4 * 9000 + 2), 16384);
    wav_data_fini(&wav);
    unlink(path);
}

Test(sound, files_that_are_none)
{
    struct wav_data wav;
    struct metic_error error = {0};
    cr_assert(!wav_read("/nowhere/tone.wav", &wav, &error));
    cr_assert_not_null(strstr(error.what, "/nowhere/tone.wav"));
    cr_assert(!wav_parse((const u8 *)"hello", 5, "x", &wav, &error));
    cr_assert_not_null(strstr(error.what, "not a WAV"));
    u8 head[44] = "RIFF....WAVEfmt ";
    st_le32(head + 16, 16);
    st_le16(head + 20, 2); /* ADPCM */
    cr_assert(!wav_parse(head, sizeof(head), "x", &wav, &error));
    cr_assert_not_null(strstr(error.next, "8, 16, 24 or 32 bits"));
}

Test(sound, files_of_24_bits_become_32)
{
    u8 file[44 + 6] = "RIFF....WAVEfmt ";
    struct wav_data wav;
    st_le32(file + 16, 16);
    st_le16(file + 20, 1);
    st_le16(file + 22, 2);
    st_le32(file + 24, 96000);
    st_le16(file + 34, 24);
    memcpy(file + 36, "data\xff\xff\xff\xff", 8); /* cut off */
    memcpy(file + 44, "\x01\x02\x03\xfd\xfe\xff", 6);
    cr_assert(wav_parse(file, sizeof(file), "x", &wav, NULL));
    cr_assert_eq(wav.frames, 1);
    cr_assert_eq(ld_le32(wav.bytes), 0x03020100);
    cr_assert_eq(ld_le32(wav.bytes + 4), 0xfffefd00);
    wav_data_fini(&wav);
}
