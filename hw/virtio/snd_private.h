/* What the files of the sound device share: virtio_snd.c (requests), snd_pcm.c (sound). */
#ifndef METIC_HW_VIRTIO_SND_PRIVATE_H
#define METIC_HW_VIRTIO_SND_PRIVATE_H

#include "hw/virtio/virtio_queue.h"
#include "hw/virtio/virtio_snd.h"

enum { /* queues, 5.14.2 */
    SND_CONTROL = 0,
    SND_EVENT = 1,
    SND_TX = 2,
    SND_RX = 3,
    SND_QUEUES = 4,
    SND_QUEUE_ENTRIES = 128,
};

enum { SND_PLAY = 0, SND_RECORD = 1, SND_STREAMS = 2 }; /* streams, and directions */

enum snd_code { /* 5.14.6 */
    SND_R_JACK_INFO = 1,
    SND_R_JACK_REMAP = 2,
    SND_R_PCM_INFO = 0x100,
    SND_R_PCM_SET_PARAMS,
    SND_R_PCM_PREPARE,
    SND_R_PCM_RELEASE,
    SND_R_PCM_START,
    SND_R_PCM_STOP,
    SND_R_CHMAP_INFO = 0x200,
    SND_EVT_PCM_XRUN = 0x1101,
    SND_S_OK = 0x8000,
    SND_S_BAD_MSG,
    SND_S_NOT_SUPP,
    SND_S_IO_ERR,
};

#define SND_PCM_F_EVT_XRUNS BIT(4)

enum snd_stream_state {
    SND_UNSET,    /* no parameters */
    SND_SET,
    SND_PREPARED, /* takes buffers */
    SND_RUNNING,
    SND_STOPPED,
    SND_STATES,
};

enum { SND_EVENT_RING = 16 }; /* a power of two */

struct snd_saved {
    u64 events[SND_EVENT_RING]; /* code | data << 32, waiting for buffers */
    u64 base_ns[SND_STREAMS];   /* when the frame `frames` counts from began */
    u64 frames[SND_STREAMS];    /* handed over since then */
    u64 xrun_ns[SND_STREAMS];   /* without a buffer until then, the driver is told */
    u32 event_first, event_count;
    u32 period_bytes[SND_STREAMS];
    u32 features[SND_STREAMS];
    u32 done_bytes[SND_STREAMS]; /* of the next buffer */
    u32 rate_hz[SND_STREAMS];
    u8 state[SND_STREAMS];       /* enum snd_stream_state */
    u8 channels[SND_STREAMS];
    u8 sample[SND_STREAMS];      /* enum sound_sample */
    bool starved[SND_STREAMS];   /* running, and there was no buffer */
};

#define SND_SAVED(FIELD, T)                                                                   \
    FIELD(T, events) FIELD(T, base_ns) FIELD(T, frames) FIELD(T, xrun_ns)                     \
    FIELD(T, event_first) FIELD(T, event_count) FIELD(T, period_bytes) FIELD(T, features)     \
    FIELD(T, done_bytes) FIELD(T, rate_hz) FIELD(T, state) FIELD(T, channels) FIELD(T, sample) \
    FIELD(T, starved)

enum { SND_PART_BYTES = 16384 };

struct snd_device {
    struct snd_saved saved;
    struct sound *sound;
    struct virtio_chain chain;     /* control and events */
    struct virtio_chain pcm_chain; /* sound */
    u8 part[SND_PART_BYTES];
};

/* ---- snd_pcm.c; the device's lock is held ---- */

/* Works on the stream's buffers as far as guest time has come. True: more is left. */
bool snd_pcm_serve(struct virtio *virtio, unsigned stream);
/* Guest time begins to count, or counts no more, for a stream. */
void snd_pcm_start(struct virtio *virtio, unsigned stream);
void snd_pcm_stop(struct virtio *virtio, unsigned stream);
/* Gives back all buffers (5.14.6.6.5.1). */
void snd_pcm_flush(struct virtio *virtio, unsigned stream);

/* ---- virtio_snd.c ---- */

void snd_event(struct virtio *virtio, enum snd_code code, u32 data);

#endif
