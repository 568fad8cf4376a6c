/* One request of the block device, apart from threads and queues. Private to virtio_blk*.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_BLK_REQUEST_H
#define METIC_HW_VIRTIO_VIRTIO_BLK_REQUEST_H

#include "hw/virtio/virtio_blk.h"
#include "hw/virtio/virtio_queue.h"

enum {
    BLK_MAX_RANGE_SECTORS = 0x3fffff, /* of one discard or write-zeroes, as configuration says */
    BLK_HEADER_BYTES = 16,
};

struct blk_request {
    struct virtio_chain chain;
    /* Set before blk_request_run, which touches nothing but these, the backend and guest RAM. */
    struct blk_backend *backend;
    const char *serial;   /* 20 bytes */
    bool write_through;   /* the driver never flushes */
    /* The results. */
    u64 written_bytes;    /* of the chain's writable part, status included */
    const char *kind;     /* "read", "write" or "flush"; discards are writes */
    int host_error;       /* an errno of the host's, or 0 */
    struct iovec vector[VIRTIO_QUEUE_ENTRIES];
};

/* Whether the chain has a whole header and a place for the status. */
bool blk_request_is_framed(const struct blk_request *request);

/* Does what the chain says and puts the status into it. May take long. */
void blk_request_run(struct virtio *virtio, struct blk_request *request);

#endif
