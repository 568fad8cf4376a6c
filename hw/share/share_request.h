/* A request to a shared folder, apart from its protocol (fuse.h, p9.h) and from how it arrived.
 *
 * A request is a head with arguments, and for a write its data; a reply a head and results. Only
 * the data of reads and writes is large: it is moved between the file and the driver's memory where
 * that lies. Everything else is copied, so that a driver that rewrites it meanwhile changes
 * nothing. Nothing in a request is trusted. */
#ifndef METIC_HW_SHARE_SHARE_REQUEST_H
#define METIC_HW_SHARE_SHARE_REQUEST_H

#include "cpu/base/types.h"

#include <sys/uio.h>

enum {
    SHARE_IN_BYTES = 72 << 10,   /* the largest head with arguments: an attribute of 64 KiB */
    SHARE_OUT_BYTES = 128 << 10, /* the largest reply but for data */
    SHARE_DATA_BYTES = 1 << 20,  /* the most that is read or written at once */
};

struct share_request {
    /* The first SHARE_IN_BYTES of the request at most, 8-byte aligned; in_total_bytes is all. */
    const u8 *in;
    size_t in_bytes;
    u64 in_total_bytes;
    /* What lies behind a write's head, and behind the head of a read's reply. The vectors may be
     * changed. */
    struct iovec *data_in, *data_out;
    unsigned data_in_count, data_out_count;
    u64 out_room_bytes; /* for the whole reply */
    u8 *out;            /* SHARE_OUT_BYTES, 8-byte aligned */
    /* The reply: its first bytes are in out, the rest is in data_out already. None: no reply. */
    size_t out_bytes, data_bytes;
    bool after_earlier; /* it may be answered only when all that came before it are */
};

struct share_protocol {
    size_t write_head_bytes; /* of a write: its data begins there */
    size_t reply_head_bytes; /* of a read's reply, likewise */
    /* Any number of threads at once. */
    void (*serve)(void *server, struct share_request *request);
};

/* Shortens the vector to `size_bytes`; how many parts of it are left. */
unsigned share_request_cut(struct iovec *vector, unsigned count, u64 size_bytes);

/* For tests and fuzzers: a request and its reply in plain buffers; the length of the reply. */
size_t share_request_serve(const struct share_protocol *protocol, void *server, const void *in,
                           size_t in_bytes, void *out, size_t out_bytes);

#endif
