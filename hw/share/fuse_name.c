/* FUSE operations on names and attributes. See fuse.h. */
#include "hw/share/fuse_call.h"

enum { FUSE_AUTO_S = 1, FUSE_ALWAYS_S = 86400 };

static u64 fuse_valid_s(const struct fuse_call *call)
{
    switch (call->server->cache) {
    case FUSE_CACHE_ALWAYS: return FUSE_ALWAYS_S;
    case FUSE_CACHE_NONE: return 0;
    default: return FUSE_AUTO_S;
    }
}

void fuse_fill_attr(const struct share_attr *attr, bool can_submount, struct fuse_attr *out)
{
    *out = (struct fuse_attr){
        .ino = attr->ino, .size = attr->size_bytes, .blocks = attr->blocks_512,
        .atime = (u64)attr->atime_s, .mtime = (u64)attr->mtime_s, .ctime = (u64)attr->ctime_s,
        .atimensec = attr->atime_ns, .mtimensec = attr->mtime_ns, .ctimensec = attr->ctime_ns,
        .mode = attr->mode, .nlink = attr->links, .uid = attr->uid, .gid = attr->gid,
        .rdev = share_kernel_device(attr->rdev), .blksize = attr->block_bytes,
        .flags = attr->is_submount && can_submount ? FUSE_ATTR_SUBMOUNT : 0,
    };
}

void fuse_fill_entry(const struct fuse_call *call, const struct share_node *node,
                     const struct share_attr *attr, struct fuse_entry_out *out)
{
    *out = (struct fuse_entry_out){
        .nodeid = share_node_id(node),
        .entry_valid = fuse_valid_s(call),
        .attr_valid = fuse_valid_s(call),
    };
    fuse_fill_attr(attr, call->server->can_submount, &out->attr);
}

/* The reply that gives a node to the driver. Without room for it the node is taken back. */
static int fuse_reply_entry(struct fuse_call *call, int reason, struct share_node *node,
                            const struct share_attr *attr)
{
    struct fuse_entry_out out;
    if (reason != 0) {
        return reason;
    }
    fuse_fill_entry(call, node, attr, &out);
    share_put(call->share, node);
    int result = fuse_reply(call, &out, sizeof(out));
    if (result < 0) {
        share_forget(call->share, out.nodeid, 1);
    }
    return result;
}

int fuse_lookup(struct fuse_call *call)
{
    size_t at = 0;
    const char *name = fuse_string(call, &at);
    struct share_node *node = NULL;
    struct share_attr attr;
    if (name == NULL) {
        return -EINVAL;
    }
    int reason = share_lookup(call->share, call->node, name, &node, &attr);
    if (reason == -ENOENT && fuse_valid_s(call) > 0) {
        struct fuse_entry_out none = {.entry_valid = fuse_valid_s(call)};
        return fuse_reply(call, &none, sizeof(none)); /* that there is none is worth knowing */
    }
    return fuse_reply_entry(call, reason, node, &attr);
}

static int fuse_reply_attr(struct fuse_call *call, struct share_handle *handle)
{
    struct share_attr attr;
    struct fuse_attr_out out = {.attr_valid = fuse_valid_s(call)};
    int reason = share_get_attr(call->share, call->node, handle, &attr);
    if (reason != 0) {
        return reason;
    }
    fuse_fill_attr(&attr, call->server->can_submount, &out.attr);
    return fuse_reply(call, &out, sizeof(out));
}

int fuse_getattr(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_getattr_in, in);
    struct share_handle *handle =
        (in.getattr_flags & FUSE_GETATTR_FH) != 0
            ? share_get_handle(call->share, in.fh, call->node) : NULL;
    int result = fuse_reply_attr(call, handle);
    share_put_handle(call->share, handle);
    return result;
}

int fuse_setattr(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_setattr_in, in);
    static const struct {
        u32 theirs, ours;
    } bits[] = {
        {FATTR_MODE, SHARE_SET_MODE}, {FATTR_UID, SHARE_SET_UID}, {FATTR_GID, SHARE_SET_GID},
        {FATTR_SIZE, SHARE_SET_SIZE}, {FATTR_ATIME, SHARE_SET_ATIME},
        {FATTR_MTIME, SHARE_SET_MTIME}, {FATTR_ATIME_NOW, SHARE_SET_ATIME_NOW},
        {FATTR_MTIME_NOW, SHARE_SET_MTIME_NOW}, {FATTR_KILL_SUIDGID, SHARE_KILL_SUID},
    };
    struct share_change change = {
        .mode = in.mode, .uid = in.uid, .gid = in.gid, .size_bytes = in.size,
        .atime_s = (s64)in.atime, .mtime_s = (s64)in.mtime,
        .atime_ns = in.atimensec, .mtime_ns = in.mtimensec,
    };
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        change.what |= (in.valid & bits[i].theirs) != 0 ? bits[i].ours : 0;
    }
    struct share_handle *handle = (in.valid & FATTR_FH) != 0
                                      ? share_get_handle(call->share, in.fh, call->node) : NULL;
    int reason = share_set_attr(call->share, call->node, handle, &change);
    int result = reason != 0 ? reason : fuse_reply_attr(call, handle);
    share_put_handle(call->share, handle);
    return result;
}

int fuse_readlink(struct fuse_call *call)
{
    char target[SHARE_LINK_MAX_BYTES + 1];
    int got = share_read_link(call->share, call->node, target, sizeof(target));
    return got < 0 ? got : fuse_reply(call, target, (size_t)got);
}

static int fuse_make(struct fuse_call *call, const struct share_new_file *file)
{
    struct share_caller caller = {call->head.uid, call->head.gid};
    struct share_node *node = NULL;
    struct share_attr attr;
    int reason = share_make(call->share, call->node, &caller, file, &node, &attr);
    return fuse_reply_entry(call, reason, node, &attr);
}

int fuse_symlink(struct fuse_call *call)
{
    size_t at = 0;
    struct share_new_file file = {.mode = S_IFLNK | 0777};
    file.name = fuse_string(call, &at);
    file.target = file.name != NULL ? fuse_string(call, &at) : NULL;
    return file.target != NULL ? fuse_make(call, &file) : -EINVAL;
}

int fuse_mknod(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_mknod_in, in);
    size_t at = sizeof(in);
    struct share_new_file file = {.mode = in.mode, .rdev = share_host_device(in.rdev)};
    if ((file.mode & S_IFMT) == 0) {
        file.mode |= S_IFREG;
    }
    file.name = fuse_string(call, &at);
    bool fits = file.name != NULL && (file.mode & S_IFMT) != S_IFDIR &&
                (file.mode & S_IFMT) != S_IFLNK;
    return fits ? fuse_make(call, &file) : -EINVAL;
}

int fuse_mkdir(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_mkdir_in, in);
    size_t at = sizeof(in);
    struct share_new_file file = {.mode = S_IFDIR | (in.mode & 07777)};
    file.name = fuse_string(call, &at);
    return file.name != NULL ? fuse_make(call, &file) : -EINVAL;
}

static int fuse_remove(struct fuse_call *call, bool is_dir)
{
    size_t at = 0;
    const char *name = fuse_string(call, &at);
    return name != NULL ? share_remove(call->share, call->node, name, is_dir) : -EINVAL;
}

int fuse_unlink(struct fuse_call *call)
{
    return fuse_remove(call, false);
}

int fuse_rmdir(struct fuse_call *call)
{
    return fuse_remove(call, true);
}

static int fuse_rename_to(struct fuse_call *call, size_t at, u64 to_id, u32 flags)
{
    const char *from_name = fuse_string(call, &at);
    const char *to_name = from_name != NULL ? fuse_string(call, &at) : NULL;
    if (to_name == NULL) {
        return -EINVAL;
    }
    struct share_node *to = share_get(call->share, to_id);
    if (to == NULL) {
        return -ESTALE;
    }
    int reason = share_rename(call->share, call->node, from_name, to, to_name, flags);
    share_put(call->share, to);
    return reason;
}

int fuse_rename(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_rename_in, in);
    return fuse_rename_to(call, sizeof(in), in.newdir, 0);
}

int fuse_rename2(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_rename2_in, in);
    return fuse_rename_to(call, sizeof(in), in.newdir, in.flags);
}

int fuse_link(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_link_in, in);
    size_t at = sizeof(in);
    const char *name = fuse_string(call, &at);
    struct share_attr attr;
    struct share_node *node = name != NULL ? share_get(call->share, in.oldnodeid) : NULL;
    if (node == NULL) {
        return name != NULL ? -ESTALE : -EINVAL;
    }
    int reason = share_link(call->share, node, call->node, name, &attr);
    if (reason != 0) {
        share_put(call->share, node);
        return reason;
    }
    return fuse_reply_entry(call, 0, node, &attr);
}

int fuse_statfs(struct fuse_call *call)
{
    struct statvfs stat;
    int reason = share_stat_fs(call->share, call->node, &stat);
    if (reason != 0) {
        return reason;
    }
    struct fuse_statfs_out out = {.st = {
        .blocks = stat.f_blocks, .bfree = stat.f_bfree, .bavail = stat.f_bavail,
        .files = stat.f_files, .ffree = stat.f_ffree, .bsize = (u32)stat.f_bsize,
        .namelen = SHARE_NAME_MAX_BYTES, .frsize = (u32)stat.f_frsize,
    }};
    return fuse_reply(call, &out, sizeof(out));
}

/* ---- Extended attributes ---- */

int fuse_setxattr(struct fuse_call *call)
{
    struct fuse_setxattr_in in;
    size_t at = FUSE_COMPAT_SETXATTR_IN_SIZE; /* the longer form was not negotiated */
    memcpy(&in, call->args, FUSE_COMPAT_SETXATTR_IN_SIZE);
    const char *name = fuse_string(call, &at);
    if (name == NULL || in.size > call->args_bytes - at) {
        return -EINVAL;
    }
    return share_set_xattr(call->share, call->node, name, call->args + at, in.size,
                           (int)in.flags);
}

/* A reply of `got` bytes that are in place already, or the number itself when that was asked for.
 * */
static int fuse_reply_xattr(struct fuse_call *call, u32 asked_bytes, int got)
{
    struct fuse_getxattr_out out = {.size = (u32)got};
    if (got < 0 || asked_bytes != 0) {
        return got;
    }
    return fuse_reply(call, &out, sizeof(out));
}

int fuse_getxattr(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_getxattr_in, in);
    size_t at = sizeof(in);
    const char *name = fuse_string(call, &at);
    if (name == NULL) {
        return -EINVAL;
    }
    size_t room_bytes = in.size < call->reply_room_bytes ? in.size : call->reply_room_bytes;
    if (in.size != 0 && room_bytes == 0) {
        return -EINVAL;
    }
    return fuse_reply_xattr(call, in.size, share_get_xattr(call->share, call->node, name,
                                                           call->reply, room_bytes));
}

int fuse_listxattr(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_getxattr_in, in);
    size_t room_bytes = in.size < call->reply_room_bytes ? in.size : call->reply_room_bytes;
    if (in.size != 0 && room_bytes == 0) {
        return -EINVAL;
    }
    return fuse_reply_xattr(call, in.size, share_list_xattr(call->share, call->node,
                                                            (char *)call->reply, room_bytes));
}

int fuse_removexattr(struct fuse_call *call)
{
    size_t at = 0;
    const char *name = fuse_string(call, &at);
    return name != NULL ? share_remove_xattr(call->share, call->node, name) : -EINVAL;
}
