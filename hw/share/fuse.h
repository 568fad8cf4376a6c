/* Serving FUSE requests (the protocol of Linux's fuse.h, 7.31 to 7.38) on a shared folder, apart
 * from how they arrive.
 *
 * A request is a `struct fuse_in_header` and arguments, a reply a `struct fuse_out_header` and
 * results. */
#ifndef METIC_HW_SHARE_FUSE_H
#define METIC_HW_SHARE_FUSE_H

#include "hw/share/share.h"
#include "hw/share/share_request.h"

#include <pthread.h>

enum {
    FUSE_IN_HEADER_BYTES = 40,
    FUSE_WRITE_HEAD_BYTES = 80, /* header and arguments of a write: its data begins there */
    FUSE_OUT_HEADER_BYTES = 16,
};

enum fuse_cache {
    FUSE_CACHE_AUTO,   /* what the guest knows is at most a second old, data new at each open */
    FUSE_CACHE_ALWAYS, /* nobody else changes the folder: everything is kept, writes are delayed */
    FUSE_CACHE_NONE,   /* names and attributes are asked for each time */
};

struct fuse_server {
    struct share *share;
    enum fuse_cache cache;
    pthread_rwlock_t session; /* its beginning and end hold it for writing */
    bool can_submount; /* negotiated: the driver mounts file systems inside the folder as such */
};

void fuse_server_init(struct fuse_server *server, struct share *share, enum fuse_cache cache);
void fuse_server_fini(struct fuse_server *server);

/* Of a struct fuse_server. */
extern const struct share_protocol fuse_protocol;

#endif
