/* Split virtqueues (virtio 1.2, 2.7), the device's side.
 *
 * A device looks at the next chain, does what it asks, and then finishes it: finishing moves the
 * queue on and puts the chain into the used ring in one step. A chain that was looked at and not
 * finished stays the next one, so saved state never has a request under way; what a restore finds
 * unfinished is done again. A device whose requests must not be done twice, or end in another order
 * than they began, takes chains and gives them back; its state is saved when it has given back all
 * (device_hold).
 *
 * Descriptors are copied before they are judged, so a driver that rewrites them meanwhile changes
 * nothing. Every segment handed out lies in RAM (or ROM, when readable only) as a whole. The data
 * itself is read and written where it lies. */
#ifndef METIC_HW_VIRTIO_VIRTIO_QUEUE_H
#define METIC_HW_VIRTIO_VIRTIO_QUEUE_H

#include "hw/virtio/virtio.h"
#include <sys/uio.h>

struct virtio_segment {
    gpa_t gpa;
    u8 *hva;
    u32 size_bytes;
};

struct virtio_chain {
    u16 head; /* the descriptor it began with */
    unsigned readable_count; /* the first segments: the device reads them */
    unsigned count;          /* the rest: the device writes them */
    u64 readable_bytes, writable_bytes;
    struct virtio_segment segments[VIRTIO_QUEUE_ENTRIES];
};

/* Finds the host addresses of a queue's parts; false when they are not where they may be. */
bool virtio_queue_map(struct virtio *virtio, unsigned queue);

/* The next chain; false when there is none, the queue is not ready or the device is broken. */
bool virtio_queue_peek(struct virtio *virtio, unsigned queue, struct virtio_chain *chain);

/* The chain of the last peek is done, `written_bytes` of its writable part are filled. Interrupts
 * the driver unless it asked not to be. */
void virtio_queue_finish(struct virtio *virtio, unsigned queue, const struct virtio_chain *chain,
                         u64 written_bytes);

/* The same in two steps, between which other chains may be taken and given back. */
bool virtio_queue_take(struct virtio *virtio, unsigned queue, struct virtio_chain *chain);
void virtio_queue_give(struct virtio *virtio, unsigned queue, const struct virtio_chain *chain,
                       u64 written_bytes);
/* Whether there is a next chain. */
bool virtio_queue_has_more(const struct virtio *virtio, unsigned queue);

/* The same in parts, for what takes several chains, which the driver must see at once (5.1.6.4):
 * looks at the chain `ahead` of the next (below the queue's size); notes that it is done, unseen by
 * the driver so far; and finishes the first `count` chains, all of which were filled. */
bool virtio_queue_peek_ahead(struct virtio *virtio, unsigned queue, unsigned ahead,
                             struct virtio_chain *chain);
void virtio_queue_fill(struct virtio *virtio, unsigned queue, unsigned ahead,
                       const struct virtio_chain *chain, u64 written_bytes);
void virtio_queue_publish(struct virtio *virtio, unsigned queue, unsigned count);

/* The device goes to sleep: asks the driver to notify. True: look again, something arrived. */
bool virtio_queue_sleep(struct virtio *virtio, unsigned queue);
/* The device is at work and looks by itself: notifications are wasted. */
void virtio_queue_wake(struct virtio *virtio, unsigned queue);

/* Copy out of the readable, or into the writable part, from `offset` on; return how many bytes
 * there were. */
size_t virtio_chain_read(const struct virtio_chain *chain, u64 offset, void *buffer,
                         size_t size_bytes);
size_t virtio_chain_write(struct virtio *virtio, const struct virtio_chain *chain, u64 offset,
                          const void *buffer, size_t size_bytes);

/* The readable part from `offset` on, or the writable part, as a vector of VIRTIO_QUEUE_ENTRIES
 * elements at most; how many there are. */
unsigned virtio_chain_readable(const struct virtio_chain *chain, u64 offset,
                               struct iovec *vector);
unsigned virtio_chain_writable(const struct virtio_chain *chain, u64 offset,
                               struct iovec *vector);

/* Copies the first `size_bytes` of the writable part; how many there were. */
size_t virtio_chain_read_back(const struct virtio_chain *chain, void *buffer, size_t size_bytes);

/* The first `size_bytes` of the writable part were stored to directly. */
void virtio_chain_note_written(struct virtio *virtio, const struct virtio_chain *chain,
                               u64 size_bytes);

#endif
