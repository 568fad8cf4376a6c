/* 9P operations on open files, folders and extended attributes. See p9.h. */
#include "hw/share/p9_call.h"

#include <unistd.h>

enum {
    P9_OPEN_FLAGS = O_ACCMODE | O_EXCL | O_TRUNC | O_SYNC, /* numbers as on the host */
    P9_XATTR_BYTES = 64 << 10,
    P9_LOCK_SUCCESS = 0,
    P9_LOCK_TYPE_NONE = 2,
};

/* ---- Opening ---- */

/* The fid becomes the open file. */
static int p9_opened(struct p9_call *call, const struct p9_fid *fid, struct share_node *node,
                     const struct share_attr *attr, u64 handle_id)
{
    struct p9_fid opened = p9_fid_of(call, node, fid->uid);
    opened.kind = P9_OPEN;
    opened.handle_id = handle_id;
    p9_put_qid(call, attr);
    p9_put(call, 0, 4); /* as much at once as a message holds */
    return p9_change(call, fid, &opened);
}

int p9_lopen(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node;
    struct share_attr attr;
    u64 handle_id = 0;
    u32 number = p9_get_u32(call), flags = p9_get_u32(call) & P9_OPEN_FLAGS;
    if (call->short_of) {
        return -EINVAL;
    }
    int reason = p9_find_node(call, number, &fid, &node);
    if (reason == 0 && fid.kind != P9_NAME) {
        reason = -EINVAL;
    }
    reason = reason != 0 ? reason : share_open(call->share, node, flags, &handle_id);
    if (reason == 0) {
        reason = share_get_attr(call->share, node, NULL, &attr);
        if (reason != 0) {
            share_close(call->share, handle_id);
        }
    }
    reason = reason != 0 ? reason : p9_opened(call, &fid, node, &attr, handle_id);
    share_put(call->share, node);
    return reason;
}

int p9_lcreate(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *parent, *made = NULL;
    struct share_attr attr;
    char name[P9_NAME_BYTES];
    u64 handle_id = 0;
    u32 number = p9_get_u32(call);
    int reason = p9_get_name(call, name);
    u32 flags = p9_get_u32(call) & P9_OPEN_FLAGS, mode = p9_get_u32(call), gid = p9_get_u32(call);
    if (reason != 0 || call->short_of) {
        return reason != 0 ? reason : -EINVAL;
    }
    reason = p9_find_node(call, number, &fid, &parent);
    if (reason == 0 && fid.kind != P9_NAME) {
        reason = -EINVAL;
    }
    if (reason == 0) {
        struct share_caller caller = {fid.uid, gid};
        reason = share_create(call->share, parent, &caller, name, mode, flags, &made, &attr,
                              &handle_id);
    }
    share_put(call->share, parent);
    reason = reason != 0 ? reason : p9_opened(call, &fid, made, &attr, handle_id);
    if (made != NULL) { /* also when it is there and cannot be opened */
        share_forget(call->share, share_node_id(made), 1);
        share_put(call->share, made);
    }
    return reason;
}

/* ---- Data ---- */

static u32 p9_limit(const struct p9_call *call, u32 count)
{
    u32 most = call->server->message_bytes - P9_WRITE_HEAD_BYTES;
    return count < most ? count : most;
}

/* What `with` does with the open file of fid `number`. */
static int p9_with(struct p9_call *call, u32 number, void *opaque,
                   int (*with)(struct p9_call *call, struct share_handle *handle, void *opaque))
{
    struct p9_fid fid;
    struct share_node *node = NULL;
    int reason = p9_find_node(call, number, &fid, &node);
    reason = reason != 0 ? reason : fid.kind == P9_OPEN ? 0 : -EBADF;
    struct share_handle *handle =
        reason == 0 ? share_get_handle(call->share, fid.handle_id, node) : NULL;
    if (handle != NULL) {
        reason = with(call, handle, opaque);
    }
    share_put_handle(call->share, handle);
    share_put(call->share, node);
    return reason == 0 && handle == NULL ? -EBADF : reason;
}

struct p9_part {
    u64 offset;
    u32 count;
};

static int p9_with_read(struct p9_call *call, struct share_handle *handle, void *opaque)
{
    const struct p9_part *part = opaque;
    struct share_request *request = call->request;
    int fd = share_handle_fd(handle);
    if (fd < 0 || part->offset > INT64_MAX) {
        return fd < 0 ? fd : -EINVAL;
    }
    unsigned count = share_request_cut(request->data_out, request->data_out_count, part->count);
    ssize_t got = preadv(fd, request->data_out, (int)count, (off_t)part->offset);
    if (got < 0) {
        return -errno;
    }
    request->data_bytes = (size_t)got;
    p9_put(call, (u64)got, 4);
    return 0;
}

int p9_read(struct p9_call *call)
{
    struct p9_fid fid;
    u32 number = p9_get_u32(call);
    struct p9_part part = {.offset = p9_get_u64(call)};
    part.count = p9_limit(call, p9_get_u32(call));
    if (call->short_of) {
        return -EINVAL;
    }
    if (p9_find_kind(call, number, P9_XATTR, &fid) == 0) {
        return p9_xattr_read(call, number, part.offset, part.count);
    }
    return p9_with(call, number, &part, p9_with_read);
}

static int p9_with_write(struct p9_call *call, struct share_handle *handle, void *opaque)
{
    const struct p9_part *part = opaque;
    struct share_request *request = call->request;
    unsigned count = share_request_cut(request->data_in, request->data_in_count, part->count);
    ssize_t written = share_write(call->share, handle, request->data_in, count, part->offset,
                                  SHARE_WRITE_IN_PLACE);
    if (written < 0) {
        return (int)written;
    }
    p9_put(call, (u64)written, 4);
    return 0;
}

int p9_write(struct p9_call *call)
{
    struct p9_fid fid;
    u32 number = p9_get_u32(call);
    struct p9_part part = {.offset = p9_get_u64(call)};
    part.count = p9_get_u32(call);
    if (call->short_of || part.count > SHARE_DATA_BYTES ||
        part.count > call->request->in_total_bytes - P9_WRITE_HEAD_BYTES) {
        return -EINVAL;
    }
    if (p9_find_kind(call, number, P9_XATTR_MAKE, &fid) == 0) {
        return p9_xattr_write(call, number, part.offset, part.count);
    }
    return p9_with(call, number, &part, p9_with_write);
}

static int p9_with_fsync(struct p9_call *call, struct share_handle *handle, void *opaque)
{
    bool data_only = *(const u32 *)opaque != 0;
    int fd = share_handle_fd(handle);
    (void)call;
    if (fd < 0) {
        return fd;
    }
    return (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : -errno;
}

int p9_fsync(struct p9_call *call)
{
    u32 number = p9_get_u32(call), data_only = p9_get_u32(call);
    return p9_with(call, number, &data_only, p9_with_fsync);
}

/* ---- Folders ---- */

struct p9_listing {
    struct p9_call *call;
    size_t end_bytes; /* of the reply */
    bool full;
};

static bool p9_take_entry(void *opaque, const struct share_entry *entry)
{
    struct p9_listing *listing = opaque;
    struct p9_call *call = listing->call;
    const struct share_attr attr = {
        .ino = entry->ino, .dev = share_root_device(call->share), .mode = DTTOIF(entry->type),
    };
    size_t size_bytes = 13 + 8 + 1 + 2 + strlen(entry->name);
    if (size_bytes > listing->end_bytes - call->out_bytes) {
        listing->full = true;
        return false;
    }
    p9_put_qid(call, &attr);
    p9_put(call, entry->next_offset, 8);
    p9_put(call, entry->type, 1);
    p9_put_string(call, entry->name);
    return true;
}

static int p9_with_readdir(struct p9_call *call, struct share_handle *handle, void *opaque)
{
    const struct p9_part *part = opaque;
    struct p9_listing listing = {.call = call, .end_bytes = call->out_room_bytes};
    size_t begin = call->out_bytes + 4;
    p9_put(call, 0, 4);
    if (call->no_room) {
        return -EMSGSIZE;
    }
    if (listing.end_bytes - begin > part->count) {
        listing.end_bytes = begin + part->count;
    }
    int reason = share_read_dir(call->share, handle, part->offset, p9_take_entry, &listing);
    size_t used = call->out_bytes - begin;
    if (used == 0 && (reason < 0 || listing.full)) {
        return reason < 0 ? reason : -EINVAL;
    }
    st_le32(call->out + begin - 4, (u32)used);
    return 0;
}

int p9_readdir(struct p9_call *call)
{
    u32 number = p9_get_u32(call);
    struct p9_part part = {.offset = p9_get_u64(call)};
    part.count = p9_limit(call, p9_get_u32(call));
    return call->short_of ? -EINVAL : p9_with(call, number, &part, p9_with_readdir);
}

/* ---- Extended attributes ---- */

/* The value is fetched at once, so that it is one value however it is read. */
int p9_xattrwalk(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node = NULL;
    char name[P9_NAME_BYTES];
    u8 value[P9_XATTR_BYTES];
    u32 number = p9_get_u32(call), new_number = p9_get_u32(call);
    int got = p9_get_name(call, name);
    got = got != 0 ? got : p9_find_node(call, number, &fid, &node);
    if (got == 0) {
        got = name[0] == '\0'
                  ? share_list_xattr(call->share, node, (char *)value, sizeof(value))
                  : share_get_xattr(call->share, node, name, value, sizeof(value));
    }
    if (got >= 0) {
        struct p9_fid made = p9_fid_of(call, node, fid.uid);
        made.kind = P9_XATTR;
        made.bytes = p9_xattr_new(call, (u32)got);
        made.size_bytes = made.filled_bytes = made.bytes != NULL ? (u32)got : 0;
        p9_put(call, (u64)got, 8);
        if (made.bytes != NULL) {
            memcpy(made.bytes, value, (size_t)got);
            got = p9_add(call, new_number, &made);
        } else {
            p9_drop(call->server, &made);
            got = -ENOMEM;
        }
    }
    share_put(call->share, node);
    return got;
}

int p9_xattrcreate(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node = NULL;
    char name[P9_NAME_BYTES];
    u32 number = p9_get_u32(call);
    int reason = p9_get_name(call, name);
    u64 size_bytes = p9_get_u64(call);
    u32 flags = p9_get_u32(call);
    if (reason != 0 || call->short_of || size_bytes > P9_XATTR_BYTES) {
        return reason != 0 ? reason : call->short_of ? -EINVAL : -E2BIG;
    }
    reason = p9_find_node(call, number, &fid, &node);
    if (reason == 0 && fid.kind != P9_NAME) {
        reason = -EINVAL;
    }
    if (reason == 0) {
        struct p9_fid made = p9_fid_of(call, node, fid.uid);
        made.kind = P9_XATTR_MAKE;
        made.flags = flags;
        made.name = strdup(name);
        made.bytes = made.name != NULL ? p9_xattr_new(call, (u32)size_bytes) : NULL;
        made.size_bytes = made.bytes != NULL ? (u32)size_bytes : 0;
        if (made.bytes != NULL) {
            reason = p9_change(call, &fid, &made);
        } else {
            p9_drop(call->server, &made);
            reason = -ENOMEM;
        }
    }
    share_put(call->share, node);
    return reason;
}

/* ---- Locks ---- */

int p9_lock(struct p9_call *call)
{
    struct p9_fid fid;
    int reason = p9_find(call, p9_get_u32(call), &fid);
    p9_put(call, P9_LOCK_SUCCESS, 1);
    return reason;
}

int p9_getlock(struct p9_call *call)
{
    struct p9_fid fid;
    char client[P9_NAME_BYTES];
    int reason = p9_find(call, p9_get_u32(call), &fid);
    p9_get(call, 1);
    u64 start = p9_get_u64(call), length = p9_get_u64(call);
    u32 process = p9_get_u32(call);
    reason = reason != 0 ? reason : p9_get_name(call, client);
    if (reason == 0) {
        p9_put(call, P9_LOCK_TYPE_NONE, 1);
        p9_put(call, start, 8);
        p9_put(call, length, 8);
        p9_put(call, process, 4);
        p9_put_string(call, client);
    }
    return reason;
}
