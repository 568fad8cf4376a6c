/* virtio 1.2 devices, apart from how the guest reaches them.
 *
 *   transport (virtio_mmio.c)  ->  struct virtio (this file)  ->  device type (virtio_blk.c, ...)
 *
 * A transport decodes registers and owns the interrupt; struct virtio is what every virtio device
 * has: feature negotiation, the status machine, queues, pending work; a type is one constant
 * `struct virtio_type` that gives queues and configuration space a meaning. A type never sees a
 * register, a transport never sees a request.
 *
 * Modern devices only, split queues, indirect descriptors, event indices. Left out: packed queues,
 * platform access (an IOMMU), queue reset, in-order use, notification data, shared memory.
 *
 * Whatever the driver writes is not trusted. What the specification forbids and the device cannot
 * carry on with (a ring outside RAM, a looping chain, ...) ends in virtio_break: one log line,
 * DEVICE_NEEDS_RESET, a configuration interrupt, and no queue is looked at until the reset.
 *
 * When requests run. With the real clock a notification is served on the notifying hart's thread;
 * types whose work may take long hand it to a thread of their own (virtio_worker.h). With the
 * virtual clock it is served VIRTIO_LATENCY_NS of guest time later, between two slices, whole: so
 * completions are a function of guest time, and memory never changes under a block of guest code.
 *
 * Threads: everything here is called with the device's lock held, but virtio_init and virtio_fini.
 * Section numbers are those of "Virtual I/O Device (VIRTIO) Version 1.2". */
#ifndef METIC_HW_VIRTIO_VIRTIO_H
#define METIC_HW_VIRTIO_VIRTIO_H

#include "hw/device.h"

enum {
    VIRTIO_MAX_QUEUES = 64,
    VIRTIO_QUEUE_ENTRIES = 256, /* the largest queue any type may offer */
    VIRTIO_LATENCY_NS = 20000,
};

enum virtio_status { /* 2.1 */
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

/* 6; bits 0 to 23 are the type's own. */
#define VIRTIO_F_INDIRECT_DESC BIT(28)
#define VIRTIO_F_EVENT_IDX BIT(29)
#define VIRTIO_F_VERSION_1 BIT(32)

/* Causes of an interrupt, as the transport's status register shows them. */
enum { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

struct virtio;

struct virtio_type {
    const char *name;    /* "virtio-blk" */
    u16 device_id;       /* 5 */
    u16 queue_entries;   /* largest queue, a power of two <= VIRTIO_QUEUE_ENTRIES */
    size_t state_bytes;  /* of virtio->state; zeroed before init */
    bool on_hart_only;   /* with the real clock, too, guest memory is worked on by no other thread
                          * than the notifying hart's: not by a worker, the loop, a backend */

    /* Called once, unlocked; reads virtio->config, sets virtio->features, queue_count and
     * config_bytes. fini is also called after a failed init. */
    bool (*init)(struct virtio *virtio, struct metic_error *error);
    void (*fini)(struct virtio *virtio);

    /* Fills config_bytes bytes of configuration space. NULL when there are none. */
    void (*read_config)(struct virtio *virtio, u8 *bytes);
    /* A write to it, inside its bounds; NULL: nothing there can be written. */
    void (*write_config)(struct virtio *virtio, u32 offset, u64 value, unsigned size_bytes);

    /* The queue may have buffers. Works on at most a queue's worth of them and returns true when
     * it left some, to be called again soon; a type with a thread wakes that and returns false. */
    bool (*serve)(struct virtio *virtio, unsigned queue);
    /* Returns when no request is under way any more, and none will be begun before the lock is
     * released. May release the lock meanwhile. NULL: requests never outlast `serve`. */
    void (*quiesce)(struct virtio *virtio);
    void (*reset)(struct virtio *virtio); /* after quiesce; NULL: nothing to do */

    /* Saved state besides the queues; NULL: none. */
    void (*save)(struct virtio *virtio, struct state_writer *writer);
    bool (*load)(struct virtio *virtio, struct state_reader *reader, struct metic_error *error);
};

struct virtio_transport {
    /* A cause came up: VIRTIO_ISR_QUEUE for `queue`, or VIRTIO_ISR_CONFIG. Tells the guest, and
     * notes it in virtio->saved.isr where the guest looks for it there. */
    void (*interrupt)(struct virtio *virtio, u32 cause, unsigned queue);
    /* virtio->saved.isr changed otherwise: sets the interrupt line. */
    void (*update_irq)(struct virtio *virtio);
};

struct virtio_saved {
    u64 driver_features;
    u64 desc_gpa[VIRTIO_MAX_QUEUES];  /* descriptor table */
    u64 avail_gpa[VIRTIO_MAX_QUEUES]; /* driver area */
    u64 used_gpa[VIRTIO_MAX_QUEUES];  /* device area */
    u64 serve_ns;          /* guest time at which `pending` is served, or CLOCK_NEVER_NS */
    u64 pending;           /* queues to serve then, one bit each */
    u32 status;            /* enum virtio_status */
    u32 isr;
    u32 config_generation;
    u32 device_features_select, driver_features_select, queue_select;
    u16 entries[VIRTIO_MAX_QUEUES];
    u16 next_avail[VIRTIO_MAX_QUEUES]; /* the first buffer not yet finished, or not yet taken */
    u16 next_used[VIRTIO_MAX_QUEUES];
    u16 signalled_used[VIRTIO_MAX_QUEUES]; /* next_used when the last interrupt was considered */
    bool ready[VIRTIO_MAX_QUEUES];
    bool signalled_valid[VIRTIO_MAX_QUEUES];
};

/* Each transport that saves it makes the state_list. */
#define VIRTIO_SAVED(FIELD, T) \
    FIELD(T, driver_features) FIELD(T, desc_gpa) FIELD(T, avail_gpa) FIELD(T, used_gpa) \
    FIELD(T, serve_ns) FIELD(T, pending) FIELD(T, status) FIELD(T, isr) \
    FIELD(T, config_generation) FIELD(T, device_features_select) \
    FIELD(T, driver_features_select) FIELD(T, queue_select) FIELD(T, entries) \
    FIELD(T, next_avail) FIELD(T, next_used) FIELD(T, signalled_used) FIELD(T, ready) \
    FIELD(T, signalled_valid)

/* Host addresses of a ready queue's parts; they are RAM for the machine's whole life. */
struct virtio_rings {
    const u8 *desc;
    u8 *avail;
    u8 *used;
};

struct virtio {
    struct virtio_saved saved;
    struct device *device;
    const struct virtio_type *type;
    const struct virtio_transport *transport;
    const void *config;    /* the type's */
    void *state;           /* the type's */
    u64 features;          /* offered */
    unsigned queue_count;
    u32 config_bytes;
    struct virtio_rings rings[VIRTIO_MAX_QUEUES];
    struct timer timer;
    bool no_dma; /* the transport was forbidden to reach memory: the device stands still */
    u32 epoch; /* grows at reset, save and load: a request begun before is not finished after */
};

/* ---- For transports ---- */

bool virtio_init(struct virtio *virtio, struct device *device, const struct virtio_type *type,
                 const void *config, const struct virtio_transport *transport,
                 struct metic_error *error);
void virtio_fini(struct virtio *virtio); /* also after a failed init, or none */

void virtio_reset(struct virtio *virtio);

/* 32 feature bits as chosen by the select registers. */
u32 virtio_read_features(const struct virtio *virtio);
u32 virtio_read_driver_features(const struct virtio *virtio);
void virtio_write_features(struct virtio *virtio, u32 bits);

/* A write to the status register; 0 resets. */
void virtio_write_status(struct virtio *virtio, u32 status);

/* The selected queue, or VIRTIO_MAX_QUEUES when there is none such. */
unsigned virtio_selected_queue(const struct virtio *virtio);
void virtio_write_ready(struct virtio *virtio, bool ready);
void virtio_notify(struct virtio *virtio, u32 queue);

/* Little-endian; bytes that do not exist read as 0, and writes to them are dropped. */
u64 virtio_read_config(struct virtio *virtio, u64 offset, unsigned size_bytes);
void virtio_write_config(struct virtio *virtio, u64 offset, u64 value, unsigned size_bytes);

void virtio_ack_irq(struct virtio *virtio, u32 causes);

/* Whether the device may reach guest memory, as a bus may forbid. May release the lock meanwhile;
 * what waits in the queues is served when it may again. */
void virtio_allow_dma(struct virtio *virtio, bool allowed);

/* What struct virtio_saved does not carry; `restored` refuses what no device could hold. */
/* Returns when no request is under way; lock held. */
void virtio_quiesce(struct virtio *virtio);
void virtio_save_more(struct virtio *virtio, struct state_writer *writer);
bool virtio_load_more(struct virtio *virtio, struct state_reader *reader,
                      struct metic_error *error);
bool virtio_restored(struct virtio *virtio, struct metic_error *error);

/* ---- For types (queues are in virtio_queue.h) ---- */

bool virtio_has_feature(const struct virtio *virtio, u64 feature); /* negotiated */
bool virtio_is_running(const struct virtio *virtio); /* the driver is there, nothing is broken */
void virtio_interrupt_queue(struct virtio *virtio, unsigned queue); /* it has used buffers */
/* Some queues (one bit each) are to be served at this guest time, or earlier if that was settled
 * before. */
void virtio_serve_at(struct virtio *virtio, u64 queues, u64 when_ns);
void virtio_config_changed(struct virtio *virtio);

/* The driver broke the rules; `format` is a literal, printed once. */
#define virtio_break(virtio, ...)                          \
    do {                                                   \
        device_guest_error((virtio)->device, __VA_ARGS__); \
        virtio_set_needs_reset(virtio);                    \
    } while (0)
void virtio_set_needs_reset(struct virtio *virtio);

#endif
