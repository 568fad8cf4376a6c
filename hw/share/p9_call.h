/* A 9P request being served; for hw/share/p9*.c only. */
#ifndef METIC_HW_SHARE_P9_CALL_H
#define METIC_HW_SHARE_P9_CALL_H

#include "cpu/base/bits.h"
#include "hw/share/p9.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    P9_NO_FID = UINT32_MAX,
    P9_NAME_BYTES = SHARE_NAME_MAX_BYTES + 1,
    P9_MAX_WALK = 16, /* names in one request */
};

struct p9_call {
    struct p9_server *server;
    struct share *share;
    struct share_request *request;
    /* The arguments, from `at` on; once something is not there, `short_of` stays set. */
    const u8 *in;
    size_t at, in_bytes;
    bool short_of;
    /* The reply's results. A result that found no room sets `no_room`. */
    u8 *out;
    size_t out_bytes, out_room_bytes;
    bool no_room;
};

/* Each returns 0 or a negative errno. */
#define P9_OP(type, number, function, flags) int p9_##function(struct p9_call *call);
#include "hw/share/p9.def"
#undef P9_OP

/* ---- Arguments and results ---- */

u64 p9_get(struct p9_call *call, unsigned size_bytes); /* 0 when it is not there */
static inline u32 p9_get_u32(struct p9_call *call)
{
    return (u32)p9_get(call, 4);
}
static inline u64 p9_get_u64(struct p9_call *call)
{
    return p9_get(call, 8);
}
/* A string, as one that ends in NUL; ENAMETOOLONG, EINVAL when it has a NUL or is not there. */
int p9_get_string(struct p9_call *call, char *text, size_t capacity_bytes);
int p9_get_name(struct p9_call *call, char name[P9_NAME_BYTES]);

void p9_put(struct p9_call *call, u64 value, unsigned size_bytes);
void p9_put_bytes(struct p9_call *call, const void *bytes, size_t size_bytes);
void p9_put_string(struct p9_call *call, const char *text);
void p9_put_qid(struct p9_call *call, const struct share_attr *attr);

/* ---- Fids (p9_fid.c); copies, as another request may change one at any time ---- */

/* EBADF: there is none, EINVAL: it is of another kind. */
int p9_find(struct p9_call *call, u32 number, struct p9_fid *fid);
int p9_find_kind(struct p9_call *call, u32 number, enum p9_kind kind, struct p9_fid *fid);
/* The node, held; the fid, of any kind, in *fid. */
int p9_find_node(struct p9_call *call, u32 number, struct p9_fid *fid, struct share_node **node);
/* Makes `number`, which is none yet, what `fid` says. Takes over the fid's lookup, handle and
 * memory, also when it fails. */
int p9_add(struct p9_call *call, u32 number, struct p9_fid *fid);
/* Makes it another thing; fails when it is not what `old` says any more. Takes over as p9_add;
 * what the fid held before is let go. */
int p9_change(struct p9_call *call, const struct p9_fid *old, struct p9_fid *fid);
/* Takes the fid out of the table, which was there; what it holds is the caller's. */
int p9_take(struct p9_call *call, u32 number, struct p9_fid *fid);
void p9_drop(struct p9_server *server, struct p9_fid *fid); /* lets go of all that it holds */
/* Room for an attribute of so many bytes. NULL: too much is held already. */
u8 *p9_xattr_new(struct p9_call *call, u32 size_bytes);

/* Reads from, or writes to, an attribute's value that the fid has; the reply is made. EBADF: it is
 * none any more. */
int p9_xattr_read(struct p9_call *call, u32 number, u64 offset, u32 count);
int p9_xattr_write(struct p9_call *call, u32 number, u64 offset, u32 count);

/* A fid for the node, with one lookup more. */
struct p9_fid p9_fid_of(struct p9_call *call, struct share_node *node, u32 uid);

#endif
