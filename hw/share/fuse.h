/* Serving FUSE requests (the protocol of Linux's fuse.h, 7.31 to 7.38) on a shared folder, apart
 * from how they arrive.
 *
 * A request is a `struct fuse_in_header`, arguments, and for a write its data; a reply a `struct
 * fuse_out_header` and results. Only data of reads and writes is large; it is moved between the
 * file and the driver's memory where that lies. Nothing in a request is trusted. */
#ifndef METIC_HW_SHARE_FUSE_H
#define METIC_HW_SHARE_FUSE_H

#include "hw/share/share.h"

#include <pthread.h>

enum {
    FUSE_IN_BYTES = 72 << 10,  /* the largest header with arguments: an attribute of 64 KiB */
    FUSE_OUT_BYTES = 128 << 10, /* the largest reply but for data */
    FUSE_DATA_BYTES = 1 << 20,
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

struct fuse_request {
    /* The first FUSE_IN_BYTES of the request at most, 8-byte aligned; in_total_bytes is all. */
    const u8 *in;
    size_t in_bytes;
    u64 in_total_bytes;
    /* What lies behind FUSE_WRITE_HEAD_BYTES of the request, and behind FUSE_OUT_HEADER_BYTES of
     * the room for the reply. The vectors may be changed. */
    struct iovec *data_in, *data_out;
    unsigned data_in_count, data_out_count;
    u64 out_room_bytes; /* for the whole reply */
    u8 *out;            /* FUSE_OUT_BYTES, 8-byte aligned */
    /* The reply: its first bytes are in out, the rest is in data_out already. None: no reply. */
    size_t out_bytes, data_bytes;
};

void fuse_server_init(struct fuse_server *server, struct share *share, enum fuse_cache cache);
void fuse_server_fini(struct fuse_server *server);

/* Any number of threads at once. */
void fuse_serve(struct fuse_server *server, struct fuse_request *request);

/* For tests and fuzzers: the same with everything in plain buffers; the length of the reply. */
size_t fuse_serve_bytes(struct fuse_server *server, const void *in, size_t in_bytes, void *out,
                        size_t out_bytes);

#endif
