#include "hw/sound/wav.h"
#include "hw/virtio/virtio_snd.h"
#include "tests/hw/virtio/rig.h"
#include <stdlib.h>
#include <unistd.h>

enum {
    CONTROL, EVENT, TX, RX, QUEUES,
    PLAY = 0, RECORD = 1,
    JACK_INFO = 1, PCM_INFO = 0x100, SET_PARAMS, PREPARE, RELEASE, START, STOP, CHMAP_INFO = 0x200,
    XRUN = 0x1101,
    OK = 0x8000, BAD_MSG, NOT_SUPP,
    U8 = 4, S16 = 5, S32 = 17, FLOAT = 19,
    F_XRUNS = 16,
    RATE_8000 = 1, RATE_48000 = 7,
    REQUEST = 0, RESPONSE = 0x200, /* offsets from RIG_DATA_GPA */
    STREAM_ID = 0x800,
    BUFFERS = 0x10000, /* one every BUFFER_STEP */
    BUFFER_STEP = 0x2000,
    EVENTS = 0x80000,
    PERIOD_BYTES = 1920, /* 10 ms of 48 kHz, two channels of 16 bits */
};

#define MS ((u64)1000000)

static struct fixture f;
static struct rig rig;
static struct sound *sound;
static struct virtio_snd_config snd;
static struct virtio_mmio_config config;
static char out_path[64], in_path[64];
static u64 base_ns;

static void name_file(char path[64])
{
    strcpy(path, "/tmp/metic-snd-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
}

/* The i-th sample of what the driver plays, and of what the file to record from holds. */
static u16 sample(u64 i)
{
    return (u16)(i * 2654435761u >> 13);
}

static void write_input(u32 frames)
{
    struct log log;
    struct sound_format format = {48000, 2, SOUND_S16};
    u8 bytes[4];
    log_init(&log, LOG_DEBUG);
    struct wav_writer *writer = wav_writer_new(in_path, true, &log, NULL);
    for (u32 i = 0; i < frames; i++) {
        st_le16(bytes, sample(2 * i));
        st_le16(bytes + 2, sample(2 * i + 1));
        wav_writer_put(writer, &format, bytes, 1);
    }
    wav_writer_free(writer);
    log_fini(&log);
}

static struct sound *new_sound(const char *out)
{
    struct sound_options options = {.out_path = out, .in_path = in_path};
    struct metic_error error = {0};
    struct sound *made = sound_new(&options, f.journal, &f.log, &error);
    cr_assert_not_null(made, "%s", error.what);
    return made;
}

static void start_device(void)
{
    sound = new_sound(out_path);
    snd = (struct virtio_snd_config){sound};
    config = (struct virtio_mmio_config){&virtio_snd_type, &snd};
    rig = (struct rig){.f = &f, .device = fixture_device(&f, &virtio_mmio_class, &config, 1)};
    rig_start(&rig, 0, QUEUES);
}

static void setup(void)
{
    name_file(out_path);
    name_file(in_path);
    fixture_init(&f);
    write_input(48000);
    start_device();
}

static void teardown(void)
{
    device_free(rig.device);
    sound_free(sound);
    fixture_fini(&f);
    unlink(out_path);
    unlink(in_path);
}

TestSuite(virtio_snd, .init = setup, .fini = teardown);

/* --- what a driver does --- */

/* A request of some words, with room for an answer of `room` bytes; returns the status. */
static u32 ask(const u32 *words, unsigned count, u32 room, u32 *answer_bytes)
{
    u8 bytes[64] = {0};
    for (unsigned i = 0; i < count; i++) {
        st_le32(bytes + 4 * i, words[i]);
    }
    rig_store(&rig, RIG_DATA_GPA + REQUEST, bytes, sizeof(bytes));
    const struct rig_buffer chain[] = {
        {RIG_DATA_GPA + REQUEST, 4 * count, 0},
        {RIG_DATA_GPA + RESPONSE, 4 + room, RIG_WRITE},
    };
    u32 written = rig_run(&rig, CONTROL, chain, 2);
    if (answer_bytes != NULL) {
        *answer_bytes = written - 4;
    }
    return rig_load32(&rig, RIG_DATA_GPA + RESPONSE);
}

static u32 request(u32 code, u32 stream)
{
    return ask((const u32[]){code, stream}, 2, 0, NULL);
}

static u32 set_params(u32 stream, u32 features, u8 channels, u8 format, u8 rate)
{
    return ask((const u32[]){SET_PARAMS, stream, 4 * PERIOD_BYTES, PERIOD_BYTES, features,
                             channels | (u32)format << 8 | (u32)rate << 16},
               6, 0, NULL);
}

static void prepare(u32 stream, u32 features)
{
    cr_assert_eq(set_params(stream, features, 2, S16, RATE_48000), OK);
    cr_assert_eq(request(PREPARE, stream), OK);
}

static gpa_t buffer_gpa(unsigned slot)
{
    return RIG_DATA_GPA + BUFFERS + BUFFER_STEP * slot;
}

/* The bytes in slot's buffer from the sample `first` on. */
static void fill_buffer(unsigned slot, u64 first, u32 size_bytes)
{
    u8 bytes[BUFFER_STEP];
    for (u32 i = 0; i < size_bytes / 2; i++) {
        st_le16(bytes + 2 * i, sample(first + i));
    }
    rig_store(&rig, buffer_gpa(slot), bytes, size_bytes);
}

/* Offers buffer number `slot` (below 2); its status lies behind it. Notifies, taking no time. */
static void offer(unsigned queue, unsigned slot, u32 stream, u32 size_bytes)
{
    u8 id[4];
    st_le32(id, stream);
    rig_store(&rig, RIG_DATA_GPA + STREAM_ID + 4 * slot, id, sizeof(id));
    const struct rig_buffer chain[] = {
        {RIG_DATA_GPA + STREAM_ID + 4 * slot, 4, 0},
        {buffer_gpa(slot), size_bytes, queue == RX ? RIG_WRITE : 0},
        {buffer_gpa(slot) + size_bytes, 8, RIG_WRITE},
    };
    rig_set_chain(&rig, RIG_RING_GPA(queue), 3 * slot, chain, 3);
    rig_offer(&rig, queue, (u16)(3 * slot));
    rig_write(&rig, 0x50, queue);
}

static u32 buffer_status(unsigned slot, u32 size_bytes)
{
    return rig_load32(&rig, buffer_gpa(slot) + size_bytes);
}

static void start(u32 stream)
{
    cr_assert_eq(request(START, stream), OK);
    base_ns = clock_now_ns(&f.clock) - MS + VIRTIO_LATENCY_NS; /* rig_kick lets 1 ms pass */
}

/* Goes to some time after the stream's start, in microseconds. */
static void to_us(u64 us)
{
    fixture_run_to_ns(&f, base_ns + us * 1000 + VIRTIO_LATENCY_NS);
}

/* What was played so far; the file is whole when its writer has gone. */
static void close_sound(struct wav_data *wav)
{
    struct metic_error error = {0};
    device_free(rig.device);
    rig.device = NULL;
    sound_free(sound);
    sound = NULL;
    cr_assert(wav_read(out_path, wav, &error), "%s", error.what);
}

/* --- */

Test(virtio_snd, configuration)
{
    cr_assert_eq(rig_read(&rig, 0x08), 25);
    cr_assert_eq(rig_read(&rig, 0x100), 2, "jacks");
    cr_assert_eq(rig_read(&rig, 0x104), 2, "streams");
    cr_assert_eq(rig_read(&rig, 0x108), 4, "channel maps");
}

Test(virtio_snd, queries)
{
    u32 bytes;
    gpa_t at = RIG_DATA_GPA + RESPONSE + 4;
    cr_assert_eq(ask((const u32[]){PCM_INFO, 0, 2, 32}, 4, 64, &bytes), OK);
    cr_assert_eq(bytes, 64);
    cr_assert_eq(rig_load32(&rig, at + 8), BIT(U8) | BIT(S16) | BIT(S32) | BIT(FLOAT));
    cr_assert_eq(rig_load32(&rig, at + 16), 0x1fff, "rates");
    cr_assert_eq(rig_load32(&rig, at + 24), 0x020100, "played, 1 to 2 channels");
    cr_assert_eq(rig_load32(&rig, at + 32 + 24), 0x020101, "recorded");
    cr_assert_eq(ask((const u32[]){JACK_INFO, 1, 1, 24}, 4, 24, &bytes), OK);
    cr_assert_eq(rig_load32(&rig, at + 16), 1, "there is something to record");
    cr_assert_eq(ask((const u32[]){CHMAP_INFO, 1, 3, 40}, 4, 120, &bytes), OK);
    cr_assert_eq(bytes, 120, "answers may be given more room");
    cr_assert_eq(rig_load32(&rig, at + 4), 0x04030200, "left and right");
    cr_assert_eq(rig_load32(&rig, at + 40 + 4), 0x00020101, "recorded, mono");
}

Test(virtio_snd, refuses_bad_requests)
{
    cr_assert_eq(ask((const u32[]){PCM_INFO, 0, 3, 32}, 4, 96, NULL), BAD_MSG, "too many");
    cr_assert_eq(ask((const u32[]){PCM_INFO, 1, UINT32_MAX, 32}, 4, 64, NULL), BAD_MSG);
    cr_assert_eq(ask((const u32[]){PCM_INFO, 0, 2, 32}, 4, 63, NULL), BAD_MSG, "no room");
    cr_assert_eq(ask((const u32[]){PCM_INFO, 0, 1, 31}, 4, 64, NULL), BAD_MSG, "too small");
    cr_assert_eq(ask((const u32[]){PCM_INFO, 0}, 2, 64, NULL), BAD_MSG, "short");
    cr_assert_eq(ask((const u32[]){0x300}, 1, 64, NULL), NOT_SUPP);
    cr_assert_eq(request(2, 0), NOT_SUPP, "jacks stay where they are");
    cr_assert_eq(request(PREPARE, 2), BAD_MSG, "no such stream");
    cr_assert_eq(set_params(PLAY, 0, 3, S16, RATE_48000), NOT_SUPP);
    cr_assert_eq(set_params(PLAY, 0, 2, 6, RATE_48000), NOT_SUPP);
    cr_assert_eq(set_params(PLAY, 0, 2, S16, 13), NOT_SUPP);
    cr_assert_eq(set_params(PLAY, 1, 2, S16, RATE_48000), NOT_SUPP, "shared memory");
    cr_assert_eq(ask((const u32[]){SET_PARAMS, 0, 0, 0, 0, 0}, 6, 0, NULL), BAD_MSG);
}

Test(virtio_snd, states)
{
    cr_assert_eq(request(PREPARE, PLAY), BAD_MSG);
    cr_assert_eq(request(RELEASE, PLAY), OK);
    cr_assert_eq(request(PREPARE, PLAY), BAD_MSG, "still without parameters");
    prepare(PLAY, 0);
    cr_assert_eq(request(PREPARE, PLAY), OK);
    cr_assert_eq(request(STOP, PLAY), BAD_MSG);
    cr_assert_eq(request(START, PLAY), OK);
    cr_assert_eq(request(START, PLAY), BAD_MSG);
    cr_assert_eq(set_params(PLAY, 0, 2, S16, RATE_48000), BAD_MSG);
    cr_assert_eq(request(STOP, PLAY), OK);
    cr_assert_eq(request(PREPARE, PLAY), BAD_MSG, "not before RELEASE");
    cr_assert_eq(request(START, PLAY), OK);
    cr_assert_eq(request(STOP, PLAY), OK);
    cr_assert_eq(request(RELEASE, PLAY), OK);
    cr_assert_eq(request(PREPARE, PLAY), OK);
}

Test(virtio_snd, plays_at_the_pace_of_guest_time)
{
    struct wav_data wav;
    prepare(PLAY, 0);
    fill_buffer(0, 0, PERIOD_BYTES);
    fill_buffer(1, 960, PERIOD_BYTES);
    offer(TX, 0, PLAY, PERIOD_BYTES);
    offer(TX, 1, PLAY, PERIOD_BYTES);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 500 * MS);
    cr_assert_eq(rig_used_idx(&rig, TX), 0, "it was not told to start");
    start(PLAY);
    to_us(9900);
    cr_assert_eq(rig_used_idx(&rig, TX), 0);
    to_us(10000);
    cr_assert_eq(rig_used_idx(&rig, TX), 1);
    cr_assert_eq(rig_used_bytes(&rig, TX, 0), 8);
    cr_assert_eq(buffer_status(0, PERIOD_BYTES), OK);
    fill_buffer(0, 1920, PERIOD_BYTES);
    offer(TX, 0, PLAY, PERIOD_BYTES);
    to_us(29900);
    cr_assert_eq(rig_used_idx(&rig, TX), 2);
    to_us(30000);
    cr_assert_eq(rig_used_idx(&rig, TX), 3);
    close_sound(&wav);
    cr_assert_eq(wav.frames, 3 * 480);
    cr_assert_eq(wav.format.rate_hz, 48000);
    for (u32 i = 0; i < 2 * wav.frames; i++) {
        cr_assert_eq(ld_le16(wav.bytes + 2 * i), sample(i), "sample %u", i);
    }
    wav_data_fini(&wav);
}

Test(virtio_snd, stops_and_goes_on_in_the_middle_of_a_buffer)
{
    prepare(PLAY, 0);
    fill_buffer(0, 0, 4 * PERIOD_BYTES);
    offer(TX, 0, PLAY, 4 * PERIOD_BYTES);
    start(PLAY);
    to_us(15000); /* the second part was handed over */
    cr_assert_eq(request(STOP, PLAY), OK);
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 500 * MS);
    cr_assert_eq(rig_used_idx(&rig, TX), 0);
    start(PLAY);
    to_us(19900);
    cr_assert_eq(rig_used_idx(&rig, TX), 0);
    to_us(20000);
    cr_assert_eq(rig_used_idx(&rig, TX), 1);
}

Test(virtio_snd, release_gives_all_back)
{
    prepare(PLAY, 0);
    offer(TX, 0, PLAY, PERIOD_BYTES);
    offer(TX, 1, PLAY, PERIOD_BYTES);
    start(PLAY);
    to_us(2000);
    cr_assert_eq(request(STOP, PLAY), OK);
    cr_assert_eq(rig_used_idx(&rig, TX), 0);
    cr_assert_eq(request(RELEASE, PLAY), OK);
    cr_assert_eq(rig_used_idx(&rig, TX), 2);
}

Test(virtio_snd, a_late_driver_is_told_if_it_asked)
{
    const struct rig_buffer event = {RIG_DATA_GPA + EVENTS, 8, RIG_WRITE};
    rig_set_chain(&rig, RIG_RING_GPA(EVENT), 0, &event, 1);
    rig_offer(&rig, EVENT, 0);
    rig_kick(&rig, EVENT);
    prepare(PLAY, F_XRUNS);
    offer(TX, 0, PLAY, PERIOD_BYTES);
    start(PLAY);
    to_us(19000);
    cr_assert_eq(rig_used_idx(&rig, TX), 1);
    cr_assert_eq(rig_used_idx(&rig, EVENT), 0, "there is a period's time");
    to_us(20100);
    cr_assert_eq(rig_used_idx(&rig, EVENT), 1);
    cr_assert_eq(rig_load32(&rig, RIG_DATA_GPA + EVENTS), XRUN);
    cr_assert_eq(rig_load32(&rig, RIG_DATA_GPA + EVENTS + 4), PLAY);
    /* What comes late is played from then on. */
    to_us(33000);
    offer(TX, 0, PLAY, PERIOD_BYTES);
    to_us(42900);
    cr_assert_eq(rig_used_idx(&rig, TX), 1);
    to_us(43100);
    cr_assert_eq(rig_used_idx(&rig, TX), 2);
    cr_assert_eq(rig_used_idx(&rig, EVENT), 1, "told once");
}

Test(virtio_snd, who_did_not_ask_is_not_told)
{
    const struct rig_buffer event = {RIG_DATA_GPA + EVENTS, 8, RIG_WRITE};
    rig_set_chain(&rig, RIG_RING_GPA(EVENT), 0, &event, 1);
    rig_offer(&rig, EVENT, 0);
    rig_kick(&rig, EVENT);
    prepare(PLAY, 0);
    start(PLAY);
    to_us(500000);
    cr_assert_eq(rig_used_idx(&rig, EVENT), 0);
}

Test(virtio_snd, records_a_file_bit_for_bit)
{
    u64 next = 0;
    prepare(RECORD, 0);
    offer(RX, 0, RECORD, PERIOD_BYTES);
    offer(RX, 1, RECORD, 2 * PERIOD_BYTES);
    start(RECORD);
    to_us(9900);
    cr_assert_eq(rig_used_idx(&rig, RX), 0);
    to_us(10000);
    cr_assert_eq(rig_used_idx(&rig, RX), 1);
    to_us(30000);
    cr_assert_eq(rig_used_idx(&rig, RX), 2);
    for (unsigned slot = 0; slot < 2; slot++) {
        u32 size_bytes = (slot + 1) * PERIOD_BYTES;
        cr_assert_eq(buffer_status(slot, size_bytes), OK);
        cr_assert_eq(rig_used_bytes(&rig, RX, slot), size_bytes + 8);
        for (u32 i = 0; i < size_bytes / 2; i++) {
            cr_assert_eq(rig_load16(&rig, buffer_gpa(slot) + 2 * i), sample(next++));
        }
    }
}

Test(virtio_snd, every_format_reaches_the_file)
{
    static const struct {
        u8 format, bits, channels;
    } formats[] = {{U8, 8, 1}, {S16, 16, 1}, {S16, 16, 2}, {S32, 32, 2}, {FLOAT, 32, 2}};
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++) {
        struct wav_data wav;
        if (i > 0) {
            start_device();
        }
        cr_assert_eq(set_params(PLAY, 0, formats[i].channels, formats[i].format, RATE_8000), OK);
        cr_assert_eq(request(PREPARE, PLAY), OK);
        fill_buffer(0, 7, 1600);
        offer(TX, 0, PLAY, 1600);
        start(PLAY);
        to_us(300000);
        cr_assert_eq(rig_used_idx(&rig, TX), 1);
        u8 sent[1600];
        rig_load(&rig, buffer_gpa(0), sent, sizeof(sent));
        close_sound(&wav);
        cr_assert_eq(wav.format.rate_hz, 8000);
        cr_assert_eq(wav.format.channels, formats[i].channels);
        cr_assert_eq(wav.frames, 1600 / (formats[i].channels * formats[i].bits / 8u));
        cr_assert_arr_eq(wav.bytes, sent, sizeof(sent));
        wav_data_fini(&wav);
    }
}

Test(virtio_snd, bad_buffers_come_back_as_such)
{
    prepare(PLAY, 0);
    offer(TX, 0, RECORD, PERIOD_BYTES); /* another stream's */
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + MS);
    cr_assert_eq(rig_used_idx(&rig, TX), 1);
    cr_assert_eq(buffer_status(0, PERIOD_BYTES), BAD_MSG);
    offer(RX, 0, RECORD, PERIOD_BYTES); /* a stream without parameters */
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + MS);
    cr_assert_eq(buffer_status(0, PERIOD_BYTES), BAD_MSG);
    cr_assert_eq(request(START, PLAY), OK);
    offer(TX, 0, PLAY, 3); /* less than a frame */
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + MS);
    cr_assert_eq(rig_used_idx(&rig, TX), 2);
    cr_assert(!rig_is_broken(&rig));
}

Test(virtio_snd, a_leap_of_time_is_not_caught_up_for_ever)
{
    struct wav_data wav;
    prepare(PLAY, 0);
    for (unsigned i = 0; i < 2; i++) {
        offer(TX, i, PLAY, 2 * PERIOD_BYTES);
    }
    start(PLAY);
    clock_set_virtual_ns(&f.clock, base_ns + 100000 * MS);
    clock_run_expired(&f.clock);
    cr_assert_eq(rig_used_idx(&rig, TX), 0, "the time that went by is forgotten");
    fixture_run_to_ns(&f, clock_now_ns(&f.clock) + 41 * MS);
    cr_assert_eq(rig_used_idx(&rig, TX), 2);
    close_sound(&wav);
    cr_assert_eq(wav.frames, 4 * 480);
    wav_data_fini(&wav);
}

/* Plays and records on in another device what one began. */
Test(virtio_snd, saved_in_the_middle)
{
    struct rig first = rig;
    char path[64];
    prepare(PLAY, 0);
    prepare(RECORD, 0);
    fill_buffer(0, 0, 2 * PERIOD_BYTES);
    offer(TX, 0, PLAY, 2 * PERIOD_BYTES);
    offer(RX, 1, RECORD, 2 * PERIOD_BYTES);
    cr_assert_eq(request(START, RECORD), OK);
    start(PLAY);
    to_us(15000);
    name_file(path);
    struct sound *other_sound = new_sound(path);
    struct virtio_snd_config other_snd = {other_sound};
    struct virtio_mmio_config other_config = {&virtio_snd_type, &other_snd};
    struct device *other = fixture_device(&f, &virtio_mmio_class, &other_config, 1);
    fixture_clone_state(first.device, other);
    device_reset(first.device);
    rig.device = other;
    to_us(25000);
    cr_assert_eq(rig_used_idx(&rig, TX), 1);
    cr_assert_eq(rig_used_idx(&rig, RX), 1);
    for (u32 i = 0; i < PERIOD_BYTES; i++) {
        cr_assert_eq(rig_load16(&rig, buffer_gpa(1) + 2 * i), sample(i));
    }
    device_free(other);
    sound_free(other_sound);
    rig = first;
    unlink(path);
}

/* The file's sound is not needed where a recording has it. */
Test(virtio_snd, what_is_recorded_is_in_the_journal)
{
    char path[64];
    u8 bytes[2][64];
    struct sound_format format = {48000, 2, SOUND_S16};
    name_file(path);
    for (unsigned replay = 0; replay < 2; replay++) {
        struct fixture run;
        struct journal_options options = {.seed = 1,
                                          .record_path = replay ? NULL : path,
                                          .replay_path = replay ? path : NULL};
        struct sound_options none = {.in_path = replay ? NULL : in_path};
        fixture_init_with(&run, &options);
        struct sound *made = sound_new(&none, run.journal, &run.log, NULL);
        sound_record(made, &format, bytes[replay], 16);
        sound_free(made);
        fixture_fini(&run);
    }
    cr_assert_arr_eq(bytes[0], bytes[1], 64);
    cr_assert_eq(ld_le16(bytes[0] + 2), sample(1));
    unlink(path);
}
