/* Serving 9P2000.L (the protocol of Linux's net/9p and fs/9p) on a shared folder, for guests that
 * have no virtio-fs; apart from how requests arrive.
 *
 * A message is le32 size, u8 type, le16 tag and arguments; the reply's type is the request's plus
 * one, or Rlerror with an errno. A file is named by a number that the driver chose, a fid: first of
 * a file's name, after an open of the open file, or of an extended attribute that is read or is
 * being made. Nothing in a request is trusted.
 *
 * Requests are served by several threads in any order. The one order that 9P asks for is that of
 * Tflush, which is answered after the request that it is about.
 *
 * A write goes where the driver says, though the file was opened for appending: the driver knows
 * where the end is, and writes pages back through any fid.
 *
 * Left out: authentication; locks against programs of the host (each is granted: the guest's
 * kernel has asked itself before); 9P2000 and 9P2000.u. */
#ifndef METIC_HW_SHARE_P9_H
#define METIC_HW_SHARE_P9_H

#include "hw/share/share.h"
#include "hw/share/share_request.h"

#include <pthread.h>

enum {
    P9_HEAD_BYTES = 7,
    P9_WRITE_HEAD_BYTES = 23, /* of a Twrite: its data begins there */
    P9_READ_HEAD_BYTES = 11,  /* of Rread and Rreaddir */
    P9_MAX_MESSAGE_BYTES = SHARE_DATA_BYTES + 4096,
};

enum p9_kind {
    P9_NAME,        /* a file that is not open */
    P9_OPEN,        /* an open file or folder */
    P9_XATTR,       /* the value of an extended attribute, or the list of names, to be read */
    P9_XATTR_MAKE,  /* the value of one that is set when the fid is let go */
};

struct p9_fid {
    u32 number;
    u32 kind;       /* enum p9_kind */
    u64 version;    /* a number of its own for each thing that it is in turn */
    u64 node_id;    /* one of the node's lookups is the fid's */
    u64 handle_id;  /* P9_OPEN */
    u32 uid;        /* who attached */
    u32 flags;      /* P9_XATTR_MAKE: of setxattr */
    char *name;     /* P9_XATTR_MAKE: of the attribute, heap */
    u8 *bytes;      /* heap, of an attribute */
    u32 size_bytes, filled_bytes;
    struct p9_fid *next; /* in its bucket */
};

struct p9_server {
    struct share *share;
    pthread_rwlock_t session; /* its beginning holds it for writing */
    u32 message_bytes; /* the largest either side may send; 0: no version was agreed upon */
    pthread_mutex_t lock; /* around all below; never held while the host works */
    struct p9_fid **fids; /* buckets, a power of two of them, or NULL */
    u32 bucket_count, fid_count;
    u64 next_version;
    u64 xattr_bytes; /* that fids hold */
};

void p9_server_init(struct p9_server *server, struct share *share);
void p9_server_fini(struct p9_server *server);
/* Forgets all fids, as when the driver begins anew; share_clear is the caller's. */
void p9_server_clear(struct p9_server *server);

/* The fids, beside share_save; while nothing is served. */
void p9_server_save(struct p9_server *server, struct state_writer *writer);
bool p9_server_load(struct p9_server *server, struct state_reader *reader,
                    struct metic_error *error);

/* Of a struct p9_server. */
extern const struct share_protocol p9_protocol;

#endif
