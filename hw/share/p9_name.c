/* 9P operations on names and attributes. See p9.h. */
#include "hw/share/p9_call.h"

enum {
    GETATTR_BASIC = 0x7ff,
    GETATTR_BTIME = 0x800,
    GETATTR_GEN = 0x1000,
    STATFS_TYPE = 0x01021997,
};

/* ---- Attributes ---- */

/* Of an open file by its handle, which leads to it even when it has no name any more. */
static int p9_attr_of(struct p9_call *call, const struct p9_fid *fid, struct share_node *node,
                      struct share_attr *attr)
{
    struct share_handle *handle =
        fid->kind == P9_OPEN ? share_get_handle(call->share, fid->handle_id, node) : NULL;
    int reason = share_get_attr(call->share, node, handle, attr);
    share_put_handle(call->share, handle);
    return reason;
}

static void p9_put_time(struct p9_call *call, s64 time_s, u32 time_ns)
{
    p9_put(call, (u64)time_s, 8);
    p9_put(call, time_ns, 8);
}

/* A number that another file with the same inode number, later, does not have. */
static u32 p9_generation(const struct share_attr *attr)
{
    u64 birth = (u64)attr->birth_s * 1000000000 + attr->birth_ns;
    return (u32)(birth ^ birth >> 32);
}

int p9_getattr(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node;
    struct share_attr attr;
    int reason = p9_find_node(call, p9_get_u32(call), &fid, &node);
    reason = reason != 0 ? reason : p9_attr_of(call, &fid, node, &attr);
    share_put(call->share, node);
    if (reason != 0) {
        return reason;
    }
    p9_put(call, GETATTR_BASIC | GETATTR_GEN | (attr.birth_s != 0 ? GETATTR_BTIME : 0u), 8);
    p9_put_qid(call, &attr);
    p9_put(call, attr.mode, 4);
    p9_put(call, attr.uid, 4);
    p9_put(call, attr.gid, 4);
    p9_put(call, attr.links, 8);
    p9_put(call, share_kernel_device(attr.rdev), 8);
    p9_put(call, attr.size_bytes, 8);
    p9_put(call, attr.block_bytes, 8);
    p9_put(call, attr.blocks_512, 8);
    p9_put_time(call, attr.atime_s, attr.atime_ns);
    p9_put_time(call, attr.mtime_s, attr.mtime_ns);
    p9_put_time(call, attr.ctime_s, attr.ctime_ns);
    p9_put_time(call, attr.birth_s, attr.birth_ns);
    p9_put(call, p9_generation(&attr), 8);
    p9_put(call, 0, 8); /* a version of the data, which the host does not tell */
    return 0;
}

static u32 p9_change_what(u32 valid)
{
    static const struct {
        u32 theirs, without, ours;
    } bits[] = {
        {0x1, 0, SHARE_SET_MODE}, {0x2, 0, SHARE_SET_UID}, {0x4, 0, SHARE_SET_GID},
        {0x8, 0, SHARE_SET_SIZE}, {0x10, 0, SHARE_SET_ATIME}, {0x20, 0, SHARE_SET_MTIME},
        {0x10, 0x80, SHARE_SET_ATIME_NOW}, {0x20, 0x100, SHARE_SET_MTIME_NOW},
    };
    u32 what = 0;
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        what |= (valid & bits[i].theirs) != 0 && (valid & bits[i].without) == 0 ? bits[i].ours : 0;
    }
    return what;
}

int p9_setattr(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node;
    u32 number = p9_get_u32(call);
    struct share_change change = {.what = p9_change_what(p9_get_u32(call))};
    change.mode = p9_get_u32(call);
    change.uid = p9_get_u32(call);
    change.gid = p9_get_u32(call);
    change.size_bytes = p9_get_u64(call);
    change.atime_s = (s64)p9_get_u64(call);
    change.atime_ns = (u32)p9_get_u64(call);
    change.mtime_s = (s64)p9_get_u64(call);
    change.mtime_ns = (u32)p9_get_u64(call);
    if (call->short_of) {
        return -EINVAL;
    }
    int reason = p9_find_node(call, number, &fid, &node);
    if (reason == 0) {
        struct share_handle *handle =
            fid.kind == P9_OPEN ? share_get_handle(call->share, fid.handle_id, node) : NULL;
        reason = share_set_attr(call->share, node, handle, &change);
        share_put_handle(call->share, handle);
    }
    share_put(call->share, node);
    return reason;
}

int p9_statfs(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node;
    struct statvfs stat;
    int reason = p9_find_node(call, p9_get_u32(call), &fid, &node);
    reason = reason != 0 ? reason : share_stat_fs(call->share, node, &stat);
    share_put(call->share, node);
    if (reason != 0) {
        return reason;
    }
    p9_put(call, STATFS_TYPE, 4);
    p9_put(call, stat.f_frsize, 4); /* the unit of what follows */
    p9_put(call, stat.f_blocks, 8);
    p9_put(call, stat.f_bfree, 8);
    p9_put(call, stat.f_bavail, 8);
    p9_put(call, stat.f_files, 8);
    p9_put(call, stat.f_ffree, 8);
    p9_put(call, stat.f_fsid, 8);
    p9_put(call, SHARE_NAME_MAX_BYTES, 4);
    return 0;
}

int p9_readlink(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node;
    char target[SHARE_LINK_MAX_BYTES + 1];
    int got = p9_find_node(call, p9_get_u32(call), &fid, &node);
    got = got != 0 ? got : share_read_link(call->share, node, target, sizeof(target) - 1);
    share_put(call->share, node);
    if (got >= 0) {
        target[got] = '\0';
        p9_put_string(call, target);
    }
    return got < 0 ? got : 0;
}

/* ---- Making ---- */

/* `file` in the folder of fid `number`, for group `gid`; the reply is its qid. */
static int p9_make(struct p9_call *call, u32 number, const struct share_new_file *file, u32 gid)
{
    struct p9_fid fid;
    struct share_node *parent, *made;
    struct share_attr attr;
    if (call->short_of) {
        return -EINVAL;
    }
    int reason = p9_find_node(call, number, &fid, &parent);
    if (reason == 0) {
        struct share_caller caller = {fid.uid, gid};
        reason = share_make(call->share, parent, &caller, file, &made, &attr);
    }
    share_put(call->share, parent);
    if (reason == 0) {
        share_forget(call->share, share_node_id(made), 1);
        share_put(call->share, made);
        p9_put_qid(call, &attr);
    }
    return reason;
}

int p9_mkdir(struct p9_call *call)
{
    char name[P9_NAME_BYTES];
    u32 number = p9_get_u32(call);
    int reason = p9_get_name(call, name);
    u32 mode = p9_get_u32(call), gid = p9_get_u32(call);
    struct share_new_file file = {.name = name, .mode = S_IFDIR | (mode & 07777)};
    return reason != 0 ? reason : p9_make(call, number, &file, gid);
}

int p9_symlink(struct p9_call *call)
{
    char name[P9_NAME_BYTES], target[SHARE_LINK_MAX_BYTES + 1];
    u32 number = p9_get_u32(call);
    int reason = p9_get_name(call, name);
    reason = reason != 0 ? reason : p9_get_string(call, target, sizeof(target));
    u32 gid = p9_get_u32(call);
    struct share_new_file file = {.name = name, .mode = S_IFLNK | 0777, .target = target};
    return reason != 0 ? reason : p9_make(call, number, &file, gid);
}

int p9_mknod(struct p9_call *call)
{
    char name[P9_NAME_BYTES];
    u32 number = p9_get_u32(call);
    int reason = p9_get_name(call, name);
    u32 mode = p9_get_u32(call);
    u32 major = p9_get_u32(call), minor = p9_get_u32(call);
    u32 gid = p9_get_u32(call);
    struct share_new_file file = {.name = name, .mode = mode};
    file.rdev = share_host_device((minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12);
    file.mode |= (mode & S_IFMT) == 0 ? S_IFREG : 0u;
    if ((file.mode & S_IFMT) == S_IFDIR || (file.mode & S_IFMT) == S_IFLNK) {
        return -EINVAL;
    }
    return reason != 0 ? reason : p9_make(call, number, &file, gid);
}

int p9_link(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *parent, *node = NULL;
    struct share_attr attr;
    char name[P9_NAME_BYTES];
    u32 parent_number = p9_get_u32(call), number = p9_get_u32(call);
    int reason = p9_get_name(call, name);
    if (reason != 0) {
        return reason;
    }
    reason = p9_find_node(call, parent_number, &fid, &parent);
    reason = reason != 0 ? reason : p9_find_node(call, number, &fid, &node);
    reason = reason != 0 ? reason : share_link(call->share, node, parent, name, &attr);
    if (reason == 0) {
        share_forget(call->share, share_node_id(node), 1);
    }
    share_put(call->share, parent);
    share_put(call->share, node);
    return reason;
}

/* ---- Renaming and removing ---- */

int p9_renameat(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *from = NULL, *to = NULL;
    char from_name[P9_NAME_BYTES], to_name[P9_NAME_BYTES];
    u32 from_number = p9_get_u32(call);
    int reason = p9_get_name(call, from_name);
    u32 to_number = p9_get_u32(call);
    reason = reason != 0 ? reason : p9_get_name(call, to_name);
    reason = reason != 0 ? reason : p9_find_node(call, from_number, &fid, &from);
    reason = reason != 0 ? reason : p9_find_node(call, to_number, &fid, &to);
    reason = reason != 0 ? reason : share_rename(call->share, from, from_name, to, to_name, 0);
    share_put(call->share, from);
    share_put(call->share, to);
    return reason;
}

int p9_rename(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *node = NULL, *from = NULL, *to = NULL;
    char from_name[P9_NAME_BYTES], to_name[P9_NAME_BYTES];
    u32 number = p9_get_u32(call), to_number = p9_get_u32(call);
    int reason = p9_get_name(call, to_name);
    reason = reason != 0 ? reason : p9_find_node(call, number, &fid, &node);
    reason = reason != 0 ? reason : p9_find_node(call, to_number, &fid, &to);
    reason = reason != 0 ? reason : share_get_place(call->share, node, &from, from_name);
    reason = reason != 0 ? reason : share_rename(call->share, from, from_name, to, to_name, 0);
    share_put(call->share, node);
    share_put(call->share, from);
    share_put(call->share, to);
    return reason;
}

int p9_unlinkat(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *parent = NULL;
    char name[P9_NAME_BYTES];
    u32 number = p9_get_u32(call);
    int reason = p9_get_name(call, name);
    bool is_dir = (p9_get_u32(call) & AT_REMOVEDIR) != 0;
    if (call->short_of) {
        return -EINVAL;
    }
    reason = reason != 0 ? reason : p9_find_node(call, number, &fid, &parent);
    reason = reason != 0 ? reason : share_remove(call->share, parent, name, is_dir);
    share_put(call->share, parent);
    return reason;
}

/* The fid is let go in any case. */
int p9_remove(struct p9_call *call)
{
    struct p9_fid fid;
    struct share_node *parent = NULL;
    char name[P9_NAME_BYTES];
    int reason = p9_take(call, p9_get_u32(call), &fid);
    if (reason != 0) {
        return reason;
    }
    struct share_node *node = share_get(call->share, fid.node_id);
    reason = node != NULL ? share_get_place(call->share, node, &parent, name) : -ESTALE;
    if (reason == 0) {
        bool is_dir = share_node_type(node) == S_IFDIR;
        reason = share_remove(call->share, parent, name, is_dir);
    }
    share_put(call->share, parent);
    share_put(call->share, node);
    p9_drop(call->server, &fid);
    return reason;
}
