/* A FUSE request being served; for hw/share/fuse*.c only. */
#ifndef METIC_HW_SHARE_FUSE_CALL_H
#define METIC_HW_SHARE_FUSE_CALL_H

#include "hw/share/fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>

/* The kernel's structures are in the guest's byte order, which is the host's. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "FUSE structures are used as they are");

struct fuse_call {
    struct fuse_server *server;
    struct share *share;
    struct share_request *request;
    struct fuse_in_header head;
    struct share_node *node; /* of head.nodeid, held; NULL where an operation needs none */
    const u8 *args;
    size_t args_bytes; /* what is there */
    u8 *reply;         /* behind the reply's header */
    size_t reply_room_bytes;
};

/* Each returns the length of what it put into call->reply, or a negative errno. */
#define FUSE_OP(opcode, function, args_bytes, flags) int fuse_##function(struct fuse_call *call);
#include "hw/share/fuse.def"
#undef FUSE_OP

/* A fixed part of the arguments; as long as the operation's row says, it is there. */
#define FUSE_ARGS(type, variable) \
    type variable;                \
    memcpy(&variable, call->args, sizeof(variable))

/* A string in the arguments from *at on, which goes behind it; NULL: it does not end. */
const char *fuse_string(const struct fuse_call *call, size_t *at);

/* The results as the protocol has them. */
void fuse_fill_attr(const struct share_attr *attr, bool can_submount, struct fuse_attr *out);
void fuse_fill_entry(const struct fuse_call *call, const struct share_node *node,
                     const struct share_attr *attr, struct fuse_entry_out *out);
int fuse_reply(struct fuse_call *call, const void *bytes, size_t size_bytes);

/* What the driver's flags of an open are for the host. */
u32 fuse_open_flags(const struct fuse_call *call, u32 flags);

#endif
