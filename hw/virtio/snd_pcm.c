/* The sound device's streams: buffers of frames, at the pace of guest time.
 *
 *   tx: readable le32 stream, frames; writable le32 status, le32 latency in bytes
 *   rx: readable le32 stream;         writable frames, le32 status, le32 latency in bytes
 *
 * A buffer comes back when its last frame was played, or recorded; to the driver that is the end of
 * a period. Frames are handed over SND_PARTS_A_SECOND times a second: what is played when its time
 * begins, what is recorded when its time is over. When there is no buffer at the end of one, the
 * stream is starved: what should be played then is silence, what should be recorded is lost, and
 * time counts anew from the next buffer. A driver that is a whole period late is told (XRUN).
 *
 * The next buffer is looked at anew each time, and stays the queue's next one until it is done: so
 * saved state needs no buffer, only how much of the next one is done. There is one stream in each
 * direction; therefore each queue has the buffers of one stream, in order.
 *
 * Where guest time makes a leap (a host that was busy), sound catches up for SND_CATCH_UP_NS at
 * most; the rest of the leap is forgotten. */
#include "hw/virtio/snd_private.h"

enum {
    SND_XFER_BYTES = 4,
    SND_STATUS_BYTES = 8,
    SND_PARTS_A_SECOND = 100,
};

#define NS_A_SECOND ((u64)1000000000)
#define SND_CATCH_UP_NS (NS_A_SECOND / 2)

/* The buffer at the head of a queue. */
struct snd_buffer {
    u64 data_bytes; /* whole frames */
    unsigned frame_bytes;
    bool bad; /* none that can be played or recorded */
};

static unsigned queue_of(unsigned stream)
{
    return stream == SND_PLAY ? SND_TX : SND_RX;
}

static struct sound_format format_of(const struct snd_saved *s, unsigned stream)
{
    return (struct sound_format){s->rate_hz[stream], s->channels[stream], s->sample[stream]};
}

/* Guest time of the frame `frames` after the base; no overflow below centuries. */
static u64 time_of(const struct snd_saved *s, unsigned stream, u64 frames)
{
    u64 hz = s->rate_hz[stream];
    return s->base_ns[stream] + frames / hz * NS_A_SECOND + frames % hz * NS_A_SECOND / hz;
}

static u64 now_ns(const struct virtio *virtio)
{
    return clock_now_ns(virtio->device->env->clock);
}

static void count_from(struct virtio *virtio, unsigned stream)
{
    struct snd_device *snd = virtio->state;
    snd->saved.base_ns[stream] = now_ns(virtio);
    snd->saved.frames[stream] = 0;
    snd->saved.starved[stream] = false;
}

static struct snd_buffer judge(const struct snd_device *snd, unsigned stream)
{
    const struct virtio_chain *chain = &snd->pcm_chain;
    const struct snd_saved *s = &snd->saved;
    u8 id[SND_XFER_BYTES] = {0};
    struct snd_buffer buffer = {.bad = true};
    virtio_chain_read(chain, 0, id, sizeof(id));
    if (chain->readable_bytes < SND_XFER_BYTES || chain->writable_bytes < SND_STATUS_BYTES ||
        ld_le32(id) != stream || s->state[stream] == SND_UNSET) {
        return buffer;
    }
    struct sound_format format = format_of(s, stream);
    buffer.frame_bytes = sound_frame_bytes(&format);
    buffer.data_bytes = stream == SND_PLAY ? chain->readable_bytes - SND_XFER_BYTES
                                           : chain->writable_bytes - SND_STATUS_BYTES;
    buffer.data_bytes -= buffer.data_bytes % buffer.frame_bytes;
    buffer.bad = buffer.data_bytes > UINT32_MAX;
    return buffer;
}

static void give_back(struct virtio *virtio, unsigned stream, enum snd_code code)
{
    struct snd_device *snd = virtio->state;
    const struct virtio_chain *chain = &snd->pcm_chain;
    u8 status[SND_STATUS_BYTES];
    struct sound_format format = format_of(&snd->saved, stream);
    u64 latency_frames = stream == SND_PLAY && code == SND_S_OK
                             ? sound_latency_ns(snd->sound) * format.rate_hz / NS_A_SECOND
                             : 0;
    u64 data_bytes = 0;
    if (stream == SND_RECORD && chain->writable_bytes >= SND_STATUS_BYTES) {
        data_bytes = chain->writable_bytes - SND_STATUS_BYTES;
    }
    st_le32(status, code);
    st_le32(status + 4, (u32)(latency_frames * sound_frame_bytes(&format)));
    size_t put = virtio_chain_write(virtio, chain, data_bytes, status, sizeof(status));
    /* The driver takes what lies before the status as recorded. */
    u64 done = snd->saved.done_bytes[stream];
    u64 written = stream == SND_RECORD && done < data_bytes && code == SND_S_OK ? done : data_bytes;
    snd->saved.done_bytes[stream] = 0;
    virtio_queue_finish(virtio, queue_of(stream), chain, written + put);
}

/* --- one part --- */

/* As many frames of the buffer as are handed over at a time. */
static u32 next_part(const struct snd_device *snd, unsigned stream, const struct snd_buffer *buffer)
{
    u64 left = (buffer->data_bytes - snd->saved.done_bytes[stream]) / buffer->frame_bytes;
    u32 most = snd->saved.rate_hz[stream] / SND_PARTS_A_SECOND;
    u32 room = SND_PART_BYTES / buffer->frame_bytes;
    most = most < room ? most : room;
    return left < most ? (u32)left : most;
}

static void hand_over(struct virtio *virtio, unsigned stream, u32 frames, unsigned frame_bytes)
{
    struct snd_device *snd = virtio->state;
    struct snd_saved *s = &snd->saved;
    struct sound_format format = format_of(s, stream);
    u32 size_bytes = frames * frame_bytes;
    u64 done = s->done_bytes[stream];
    if (stream == SND_PLAY) {
        virtio_chain_read(&snd->pcm_chain, SND_XFER_BYTES + done, snd->part, size_bytes);
        sound_play(snd->sound, &format, snd->part, frames);
    } else {
        sound_record(snd->sound, &format, snd->part, frames);
        virtio_chain_write(virtio, &snd->pcm_chain, done, snd->part, size_bytes);
    }
    s->done_bytes[stream] += size_bytes;
    s->frames[stream] += frames;
}

/* Guest time leapt: what cannot be caught up is forgotten. */
static void forget_leap(struct snd_saved *s, unsigned stream, u64 due_ns, u64 now)
{
    if (now > due_ns + SND_CATCH_UP_NS) {
        s->base_ns[stream] += now - due_ns;
    }
}

/* Parts of the buffer whose time has come. Returns when the next thing is due: its next part, or
 * its end; not later than now when it has ended. */
static u64 advance(struct virtio *virtio, unsigned stream, const struct snd_buffer *buffer)
{
    struct snd_device *snd = virtio->state;
    struct snd_saved *s = &snd->saved;
    u64 now = now_ns(virtio);
    for (;;) {
        bool ended = s->done_bytes[stream] + (u64)buffer->frame_bytes > buffer->data_bytes;
        u32 frames = ended ? 0 : next_part(snd, stream, buffer);
        u64 before = s->frames[stream] + (stream == SND_PLAY ? 0 : frames);
        u64 due_ns = time_of(s, stream, before);
        forget_leap(s, stream, due_ns, now);
        if (ended || due_ns > now) {
            return due_ns;
        }
        hand_over(virtio, stream, frames, buffer->frame_bytes);
    }
}

/* --- a stream --- */

/* There is no buffer. */
static void starve(struct virtio *virtio, unsigned stream)
{
    struct snd_device *snd = virtio->state;
    struct snd_saved *s = &snd->saved;
    struct sound_format format = format_of(s, stream);
    u64 now = now_ns(virtio);
    if (s->state[stream] != SND_RUNNING) {
        return;
    }
    if (!s->starved[stream]) {
        u64 frames = s->period_bytes[stream] / sound_frame_bytes(&format);
        s->starved[stream] = true;
        s->xrun_ns[stream] = now + frames * NS_A_SECOND / format.rate_hz;
    }
    if (s->xrun_ns[stream] > now) {
        if (s->xrun_ns[stream] != CLOCK_NEVER_NS) {
            virtio_serve_at(virtio, BIT(queue_of(stream)), s->xrun_ns[stream]);
        }
        return;
    }
    s->xrun_ns[stream] = CLOCK_NEVER_NS;
    if ((s->features[stream] & SND_PCM_F_EVT_XRUNS) != 0) {
        snd_event(virtio, SND_EVT_PCM_XRUN, stream);
    }
}

bool snd_pcm_serve(struct virtio *virtio, unsigned stream)
{
    struct snd_device *snd = virtio->state;
    struct snd_saved *s = &snd->saved;
    unsigned queue = queue_of(stream);
    for (unsigned i = 0; i < SND_QUEUE_ENTRIES; i++) {
        if (!virtio_queue_peek(virtio, queue, &snd->pcm_chain)) {
            starve(virtio, stream);
            return virtio_queue_sleep(virtio, queue);
        }
        struct snd_buffer buffer = judge(snd, stream);
        if (buffer.bad) {
            device_guest_error(virtio->device, "a buffer of sound that is none, or of no stream");
            give_back(virtio, stream, SND_S_BAD_MSG);
            continue;
        }
        if (s->state[stream] != SND_RUNNING) {
            return false; /* it waits for START */
        }
        if (s->starved[stream]) {
            count_from(virtio, stream);
        }
        u64 due_ns = advance(virtio, stream, &buffer);
        if (due_ns > now_ns(virtio)) {
            virtio_serve_at(virtio, BIT(queue), due_ns);
            return false;
        }
        give_back(virtio, stream, SND_S_OK);
    }
    return true;
}

void snd_pcm_start(struct virtio *virtio, unsigned stream)
{
    struct snd_device *snd = virtio->state;
    count_from(virtio, stream);
    snd->saved.state[stream] = SND_RUNNING;
    virtio_serve_at(virtio, BIT(queue_of(stream)), now_ns(virtio));
}

void snd_pcm_stop(struct virtio *virtio, unsigned stream)
{
    struct snd_device *snd = virtio->state;
    snd->saved.state[stream] = SND_STOPPED;
}

void snd_pcm_flush(struct virtio *virtio, unsigned stream)
{
    struct snd_device *snd = virtio->state;
    for (unsigned i = 0; i < SND_QUEUE_ENTRIES; i++) {
        if (!virtio_queue_peek(virtio, queue_of(stream), &snd->pcm_chain)) {
            break;
        }
        give_back(virtio, stream, SND_S_OK);
    }
    snd->saved.done_bytes[stream] = 0;
}
