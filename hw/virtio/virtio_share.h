/* What the two devices for shared folders have in common: a pool of threads that takes requests out
 * of the queues and serves them by a protocol. See virtio_fs.c and virtio_9p.c. */
#ifndef METIC_HW_VIRTIO_VIRTIO_SHARE_H
#define METIC_HW_VIRTIO_VIRTIO_SHARE_H

#include "hw/share/share_request.h"
#include "hw/virtio/virtio_pool.h"

/* The first member of the type's state. */
struct virtio_share {
    struct virtio_pool pool;
    const struct share_protocol *protocol;
    void *server;
};

bool virtio_share_init(struct virtio *virtio, const struct share_protocol *protocol, void *server,
                       struct metic_error *error);
/* The type's hooks, or the first thing in them. */
void virtio_share_fini(struct virtio *virtio); /* before what the requests use is freed */
bool virtio_share_serve(struct virtio *virtio, unsigned queue);
void virtio_share_quiesce(struct virtio *virtio);
void virtio_share_reset(struct virtio *virtio);

#endif
