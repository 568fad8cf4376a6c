/* The sound device (virtio 1.2, 5.14): a card with one stream to play and one to record, a jack and
 * channel maps for each.
 *
 * Queues: 0 takes requests, 1 gives events, 2 takes buffers to play, 3 gives what was recorded
 * (snd_pcm.c).
 *
 *   configuration: 0 le32 jacks, 4 le32 streams, 8 le32 channel maps
 *   request:  readable le32 code, then what it needs; writable le32 status, then what was asked for
 *   queries (JACK_INFO, PCM_INFO, CHMAP_INFO): le32 first, le32 count, le32 bytes of one answer
 *   requests of a stream: le32 stream; SET_PARAMS also le32 buffer bytes, le32 period bytes, le32
 *   features, u8 channels, u8 format, u8 rate
 *
 *   states: SET_PARAMS -> PREPARE -> START <-> STOP -> RELEASE -> PREPARE or SET_PARAMS
 *   (5.14.6.6.1); RELEASE is good in every state, as drivers that clean up send it.
 *
 * Where nobody speaks (no file, no microphone), the record jack says that nothing is plugged in,
 * and what is recorded is silence.
 *
 * Left out: controls (volume is the guest's own), remapping of jacks, buffers in shared memory, and
 * so notices of elapsed periods: with buffers in queues, a period ends when its buffer comes
 * back. */
#include "hw/virtio/virtio_snd.h"

#include "hw/virtio/snd_private.h"
#include <string.h>

enum {
    SND_CONFIG_BYTES = 12,
    SND_JACKS = 2,
    SND_CHMAPS = 4,
    SND_HEAD_BYTES = 4,
    SND_QUERY_BYTES = 16,
    SND_STREAM_BYTES = 8,
    SND_PARAMS_BYTES = 24,
    SND_JACK_INFO_BYTES = 24,
    SND_PCM_INFO_BYTES = 32,
    SND_CHMAP_INFO_BYTES = 24,
    SND_INFO_MAX_BYTES = 256, /* what a newer driver may give room for */

    SND_POSITION_MONO = 2,
    SND_POSITION_LEFT = 3,
    SND_POSITION_RIGHT = 4,
};

/* Default configuration and pin capabilities, as High Definition Audio (7.3.3) writes them: a green
 * line out and a pink microphone, 3.5 mm, which notice what is plugged in. */
#define SND_JACK_OUT_DEFCONF 0x01014010u
#define SND_JACK_OUT_CAPS 0x14u
#define SND_JACK_IN_DEFCONF 0x01a19020u
#define SND_JACK_IN_CAPS 0x24u

STATE_LIST(snd_saved, struct snd_saved, SND_SAVED);

static const u8 snd_formats[SOUND_SAMPLES] = { /* 5.14.6.6.2 */
    [SOUND_U8] = 4, [SOUND_S16] = 5, [SOUND_S32] = 17, [SOUND_FLOAT] = 19};

static const u32 snd_rates_hz[] = { /* by number */
    5512,  8000,  11025, 16000, 22050,  32000,  44100,
    48000, 64000, 88200, 96000, 176400, 192000,
};

/* --- what there is --- */

static void describe_jack(const struct snd_device *snd, u32 jack, u8 *info)
{
    bool out = jack == SND_PLAY;
    st_le32(info + 8, out ? SND_JACK_OUT_DEFCONF : SND_JACK_IN_DEFCONF);
    st_le32(info + 12, out ? SND_JACK_OUT_CAPS : SND_JACK_IN_CAPS);
    info[16] = out || sound_has_input(snd->sound);
}

static void describe_stream(const struct snd_device *snd, u32 stream, u8 *info)
{
    u64 formats = 0;
    (void)snd;
    for (unsigned i = 0; i < SOUND_SAMPLES; i++) {
        formats |= BIT(snd_formats[i]);
    }
    st_le32(info + 4, SND_PCM_F_EVT_XRUNS);
    st_le64(info + 8, formats);
    st_le64(info + 16, BIT(ARRAY_LEN(snd_rates_hz)) - 1);
    info[24] = (u8)stream; /* the direction */
    info[25] = 1;
    info[26] = SOUND_MAX_CHANNELS;
}

/* One and two channels in each direction. */
static void describe_chmap(const struct snd_device *snd, u32 map, u8 *info)
{
    (void)snd;
    info[4] = (u8)(map / 2);
    info[5] = (u8)(1 + map % 2);
    info[6] = info[5] == 1 ? SND_POSITION_MONO : SND_POSITION_LEFT;
    info[7] = info[5] == 1 ? 0 : SND_POSITION_RIGHT;
}

static const struct snd_query {
    u32 code, total, info_bytes;
    void (*describe)(const struct snd_device *snd, u32 index, u8 *info); /* into zeros */
} snd_queries[] = {
    {SND_R_JACK_INFO, SND_JACKS, SND_JACK_INFO_BYTES, describe_jack},
    {SND_R_PCM_INFO, SND_STREAMS, SND_PCM_INFO_BYTES, describe_stream},
    {SND_R_CHMAP_INFO, SND_CHMAPS, SND_CHMAP_INFO_BYTES, describe_chmap},
};

/* Writes the answers behind the status, and says how many bytes they are. */
static enum snd_code answer_query(struct virtio *virtio, const struct snd_query *query,
                                  const u8 *request, u64 *answer_bytes)
{
    struct snd_device *snd = virtio->state;
    const struct virtio_chain *chain = &snd->chain;
    u32 first = ld_le32(request + 4), count = ld_le32(request + 8), size = ld_le32(request + 12);
    if (chain->readable_bytes < SND_QUERY_BYTES || first > query->total ||
        count > query->total - first || size < query->info_bytes || size > SND_INFO_MAX_BYTES ||
        chain->writable_bytes < SND_HEAD_BYTES + (u64)count * size) {
        return SND_S_BAD_MSG;
    }
    for (u32 i = 0; i < count; i++) {
        u8 info[SND_INFO_MAX_BYTES] = {0};
        query->describe(snd, first + i, info);
        virtio_chain_write(virtio, chain, SND_HEAD_BYTES + i * size, info, size);
    }
    *answer_bytes = (u64)count * size;
    return SND_S_OK;
}

/* --- streams --- */

static enum snd_code set_params(struct snd_device *snd, unsigned stream, const u8 *request)
{
    struct snd_saved *s = &snd->saved;
    u32 buffer_bytes = ld_le32(request + 8), period_bytes = ld_le32(request + 12);
    u32 features = ld_le32(request + 16);
    u8 channels = request[20], rate = request[22];
    unsigned sample = 0;
    while (sample < SOUND_SAMPLES && snd_formats[sample] != request[21]) {
        sample++;
    }
    if (snd->chain.readable_bytes < SND_PARAMS_BYTES || period_bytes == 0 ||
        buffer_bytes < period_bytes || s->state[stream] == SND_RUNNING ||
        s->state[stream] == SND_STOPPED) {
        return SND_S_BAD_MSG;
    }
    if (sample == SOUND_SAMPLES || rate >= ARRAY_LEN(snd_rates_hz) || channels < 1 ||
        channels > SOUND_MAX_CHANNELS || (features & ~(u32)SND_PCM_F_EVT_XRUNS) != 0) {
        return SND_S_NOT_SUPP;
    }
    s->period_bytes[stream] = period_bytes;
    s->features[stream] = features;
    s->channels[stream] = channels;
    s->sample[stream] = (u8)sample;
    s->rate_hz[stream] = snd_rates_hz[rate];
    s->state[stream] = SND_SET;
    return SND_S_OK;
}

/* A request of a stream other than SET_PARAMS. */
static enum snd_code change_state(struct virtio *virtio, unsigned stream, u32 code)
{
    struct snd_device *snd = virtio->state;
    struct snd_saved *s = &snd->saved;
    u8 state = s->state[stream];
    switch (code) {
    case SND_R_PCM_PREPARE:
        if (state != SND_SET && state != SND_PREPARED) {
            return SND_S_BAD_MSG;
        }
        s->state[stream] = SND_PREPARED;
        return SND_S_OK;
    case SND_R_PCM_START:
        if (state != SND_PREPARED && state != SND_STOPPED) {
            return SND_S_BAD_MSG;
        }
        snd_pcm_start(virtio, stream);
        return SND_S_OK;
    case SND_R_PCM_STOP:
        if (state != SND_RUNNING) {
            return SND_S_BAD_MSG;
        }
        snd_pcm_stop(virtio, stream);
        return SND_S_OK;
    default: /* RELEASE */
        snd_pcm_flush(virtio, stream);
        s->state[stream] = state == SND_UNSET ? SND_UNSET : SND_SET;
        return SND_S_OK;
    }
}

static enum snd_code answer_stream(struct virtio *virtio, u32 code, const u8 *request)
{
    struct snd_device *snd = virtio->state;
    u32 stream = ld_le32(request + 4);
    if (snd->chain.readable_bytes < SND_STREAM_BYTES || stream >= SND_STREAMS) {
        return SND_S_BAD_MSG;
    }
    return code == SND_R_PCM_SET_PARAMS ? set_params(snd, stream, request)
                                        : change_state(virtio, stream, code);
}

/* --- requests and events --- */

static enum snd_code answer(struct virtio *virtio, const u8 *request, u64 *answer_bytes)
{
    u32 code = ld_le32(request);
    for (unsigned i = 0; i < ARRAY_LEN(snd_queries); i++) {
        if (snd_queries[i].code == code) {
            return answer_query(virtio, &snd_queries[i], request, answer_bytes);
        }
    }
    if (code >= SND_R_PCM_SET_PARAMS && code <= SND_R_PCM_STOP) {
        return answer_stream(virtio, code, request);
    }
    return SND_S_NOT_SUPP;
}

static bool snd_serve_control(struct virtio *virtio)
{
    struct snd_device *snd = virtio->state;
    for (unsigned i = 0; i < SND_QUEUE_ENTRIES; i++) {
        if (!virtio_queue_peek(virtio, SND_CONTROL, &snd->chain)) {
            break;
        }
        u8 request[SND_PARAMS_BYTES] = {0}, status[SND_HEAD_BYTES];
        u64 answer_bytes = 0;
        virtio_chain_read(&snd->chain, 0, request, sizeof(request));
        enum snd_code code = snd->chain.readable_bytes >= SND_HEAD_BYTES
                                 ? answer(virtio, request, &answer_bytes)
                                 : SND_S_BAD_MSG;
        if (code != SND_S_OK) {
            device_guest_error(virtio->device, "a request of the sound driver was refused");
        }
        st_le32(status, code);
        answer_bytes += virtio_chain_write(virtio, &snd->chain, 0, status, sizeof(status));
        virtio_queue_finish(virtio, SND_CONTROL, &snd->chain, answer_bytes);
    }
    return virtio_queue_sleep(virtio, SND_CONTROL);
}

static bool snd_serve_events(struct virtio *virtio)
{
    struct snd_device *snd = virtio->state;
    struct snd_saved *s = &snd->saved;
    while (s->event_count > 0) {
        u8 event[8];
        if (!virtio_queue_peek(virtio, SND_EVENT, &snd->chain)) {
            return virtio_queue_sleep(virtio, SND_EVENT);
        }
        st_le64(event, s->events[s->event_first]);
        s->event_first = (s->event_first + 1) % SND_EVENT_RING;
        s->event_count--;
        size_t written = virtio_chain_write(virtio, &snd->chain, 0, event, sizeof(event));
        virtio_queue_finish(virtio, SND_EVENT, &snd->chain, written);
    }
    return false;
}

void snd_event(struct virtio *virtio, enum snd_code code, u32 data)
{
    struct snd_device *snd = virtio->state;
    struct snd_saved *s = &snd->saved;
    if (s->event_count < SND_EVENT_RING) {
        s->events[(s->event_first + s->event_count++) % SND_EVENT_RING] = code | (u64)data << 32;
        virtio_notify(virtio, SND_EVENT);
    }
}

/* --- the device --- */

static bool snd_serve(struct virtio *virtio, unsigned queue)
{
    switch (queue) {
    case SND_CONTROL: return snd_serve_control(virtio);
    case SND_EVENT: return snd_serve_events(virtio);
    default: return snd_pcm_serve(virtio, queue == SND_TX ? SND_PLAY : SND_RECORD);
    }
}

static void snd_read_config(struct virtio *virtio, u8 *bytes)
{
    (void)virtio;
    st_le32(bytes, SND_JACKS);
    st_le32(bytes + 4, SND_STREAMS);
    st_le32(bytes + 8, SND_CHMAPS);
}

/* Parameters that are always good ones, so that nothing has to ask whether there are some. */
static void snd_reset(struct virtio *virtio)
{
    struct snd_device *snd = virtio->state;
    memset(&snd->saved, 0, sizeof(snd->saved));
    for (unsigned i = 0; i < SND_STREAMS; i++) {
        snd->saved.rate_hz[i] = 48000;
        snd->saved.channels[i] = 2;
        snd->saved.sample[i] = SOUND_S16;
        snd->saved.period_bytes[i] = 4;
    }
}

static bool snd_init(struct virtio *virtio, struct metic_error *error)
{
    const struct virtio_snd_config *config = virtio->config;
    struct snd_device *snd = virtio->state;
    (void)error;
    snd->sound = config->sound;
    virtio->queue_count = SND_QUEUES;
    virtio->config_bytes = SND_CONFIG_BYTES;
    snd_reset(virtio);
    return true;
}

static void snd_fini(struct virtio *virtio)
{
    (void)virtio;
}

static void snd_save(struct virtio *virtio, struct state_writer *writer)
{
    struct snd_device *snd = virtio->state;
    state_write_list(writer, &snd_saved, &snd->saved);
    sound_save(snd->sound, writer);
}

static bool stream_is_sane(const struct snd_saved *s, unsigned stream)
{
    bool rate = false;
    for (unsigned i = 0; i < ARRAY_LEN(snd_rates_hz); i++) {
        rate |= snd_rates_hz[i] == s->rate_hz[stream];
    }
    return rate && s->state[stream] < SND_STATES && s->sample[stream] < SOUND_SAMPLES &&
           s->channels[stream] >= 1 && s->channels[stream] <= SOUND_MAX_CHANNELS;
}

static bool snd_load(struct virtio *virtio, struct state_reader *reader, struct metic_error *error)
{
    struct snd_device *snd = virtio->state;
    const struct snd_saved *s = &snd->saved;
    if (!state_read_list(reader, &snd_saved, &snd->saved, error)) {
        return false;
    }
    if (!stream_is_sane(s, SND_PLAY) || !stream_is_sane(s, SND_RECORD) ||
        s->event_first >= SND_EVENT_RING || s->event_count > SND_EVENT_RING ||
        !sound_load(snd->sound, reader)) {
        snd_reset(virtio);
        return error_set(error, NULL, "the saved sound device is one that cannot be");
    }
    return true;
}

const struct virtio_type virtio_snd_type = {
    .name = "virtio-snd",
    .device_id = 25,
    .queue_entries = SND_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct snd_device),
    .init = snd_init,
    .fini = snd_fini,
    .read_config = snd_read_config,
    .serve = snd_serve,
    .reset = snd_reset,
    .save = snd_save,
    .load = snd_load,
};
