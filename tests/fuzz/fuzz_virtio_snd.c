/* virtio-snd: requests, streams in any state, buffers of any size. */
#include "hw/virtio/virtio_snd.h"
#include "tests/fuzz/fuzz_virtio.h"

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct sound_options options = {.microphone = true};
    struct clock clock;
    struct log log;
    struct journal_options none = {.seed = 1};
    clock_init(&clock, CLOCK_VIRTUAL);
    log_init(&log, LOG_ERROR);
    struct journal *journal = journal_new(&clock, &log, &none, NULL);
    struct sound *sound = sound_new(&options, journal, &log, NULL);
    struct sound_player *player = sound_player_new(sound, 48000, 512);
    struct virtio_snd_config config = {sound};
    float stereo[2 * 512] = {0};
    sound_feed(sound, 44100, stereo, 512);
    fuzz_virtio_run(&virtio_snd_type, &config, bytes, size_bytes);
    sound_player_take(player, stereo, 512);
    sound_player_free(player);
    sound_free(sound);
    journal_free(journal);
    log_fini(&log);
    clock_fini(&clock);
}

/* A queue with rings of its own. */
static void add_queue(struct fuzz_script *script, unsigned queue)
{
    script_write(script, FUZZ_VIRTIO_QUEUE_SELECT, queue, 2);
    script_write(script, FUZZ_VIRTIO_QUEUE_ENTRIES, 8, 2);
    script_address(script, FUZZ_VIRTIO_DESC, (u16)(FUZZ_DESC_AT + 0x100u * queue), 2);
    script_address(script, FUZZ_VIRTIO_AVAIL, (u16)(FUZZ_AVAIL_AT + 0x100u * queue), 2);
    script_address(script, FUZZ_VIRTIO_USED, (u16)(FUZZ_USED_AT + 0x100u * queue), 2);
    script_write(script, FUZZ_VIRTIO_READY, 1, 2);
}

static void start(struct fuzz_script *script)
{
    script_write(script, FUZZ_VIRTIO_STATUS, 3, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_SELECT, 1, 2);
    script_write(script, FUZZ_VIRTIO_DRIVER_FEATURES, 1, 2);
    script_write(script, FUZZ_VIRTIO_STATUS, 11, 2);
    for (unsigned queue = 0; queue < 4; queue++) {
        add_queue(script, queue);
    }
    script_write(script, FUZZ_VIRTIO_STATUS, 15, 2);
}

/* Makes descriptor 0 of a queue available as number `index`, notifies, lets time pass. */
static void kick(struct fuzz_script *script, unsigned queue, u16 index)
{
    u8 bytes[4] = {0};
    unsigned avail = FUZZ_AVAIL_AT + 0x100u * queue;
    script_ram(script, avail + 4u + 2u * (index % 8), bytes, 2);
    st_le16(bytes + 2, (u16)(index + 1));
    script_ram(script, avail, bytes, 4);
    script_write(script, FUZZ_VIRTIO_NOTIFY, queue, 2);
    script_put(script, 5, 1);
}

static void request(struct fuzz_script *script, u16 index, const u32 *words, unsigned count)
{
    u8 bytes[32] = {0};
    for (unsigned i = 0; i < count; i++) {
        st_le32(bytes + 4 * i, words[i]);
    }
    script_ram(script, FUZZ_DATA_AT, bytes, 4 * count);
    script_descriptor(script, FUZZ_DESC_AT, FUZZ_DATA_AT, 4 * count, 1, 1);
    script_descriptor(script, FUZZ_DESC_AT + 16, FUZZ_DATA_AT + 0x100, 128, 2, 0);
    kick(script, 0, index);
}

/* A stream: parameters, a buffer, start, time, stop, release. */
static void add_stream(void (*add)(const u8 *bytes, size_t size_bytes), u32 stream)
{
    struct fuzz_script script = {.size_bytes = 0};
    unsigned queue = 2 + stream, desc = FUZZ_DESC_AT + 0x100u * queue;
    u8 id[4];
    start(&script);
    request(&script, 0, (const u32[]){0x101, stream, 8192, 4096, 16, 2u | 5u << 8 | 7u << 16}, 6);
    request(&script, 1, (const u32[]){0x102, stream}, 2);
    st_le32(id, stream);
    script_ram(&script, FUZZ_DATA_AT + 0x200, id, sizeof(id));
    script_descriptor(&script, desc, FUZZ_DATA_AT + 0x200, 4, 1, 1);
    script_descriptor(&script, desc + 16, FUZZ_DATA_AT + 0x400, 4096, stream == 0 ? 1 : 3, 2);
    script_descriptor(&script, desc + 32, FUZZ_DATA_AT + 0x300, 8, 2, 0);
    kick(&script, queue, 0);
    request(&script, 2, (const u32[]){0x104, stream}, 2);
    for (unsigned i = 0; i < 4; i++) {
        script_put(&script, 5, 1);
    }
    request(&script, 3, (const u32[]){0x105, stream}, 2);
    request(&script, 4, (const u32[]){0x103, stream}, 2);
    add(script.bytes, script.size_bytes);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    struct fuzz_script script = {.size_bytes = 0};
    start(&script);
    request(&script, 0, (const u32[]){1, 0, 2, 24}, 4);
    request(&script, 1, (const u32[]){0x100, 0, 2, 32}, 4);
    request(&script, 2, (const u32[]){0x200, 0, 4, 24}, 4);
    add(script.bytes, script.size_bytes);
    add_stream(add, 0);
    add_stream(add, 1);
}
