/* FUSE operations on open files and folders. See fuse.h. */
#include "hw/share/fuse_call.h"

#include <sys/syscall.h>
#include <unistd.h>

enum {
    FUSE_COPY_MAX_BYTES = 64 << 20, /* at once; the driver asks again for the rest */
    FUSE_DIRENT_ALIGN = 8,
};

/* The flags' numbers are those of every architecture that Linux calls generic, the host's too. */
u32 fuse_open_flags(const struct fuse_call *call, u32 flags)
{
    if (call->server->cache == FUSE_CACHE_ALWAYS) {
        /* Delayed writes may need the rest of a page, and know themselves where the end is. */
        flags &= ~(u32)O_APPEND;
        if ((flags & O_ACCMODE) == O_WRONLY) {
            flags = (flags & ~(u32)O_ACCMODE) | O_RDWR;
        }
    }
    return flags;
}

/* What the driver may keep of a file's contents from before. */
static u32 fuse_keep(struct fuse_call *call, struct share_node *node)
{
    switch (call->server->cache) {
    case FUSE_CACHE_ALWAYS: return FOPEN_KEEP_CACHE;
    case FUSE_CACHE_NONE: return 0;
    default: return share_is_unchanged(call->share, node) ? FOPEN_KEEP_CACHE : 0;
    }
}

/* ---- Opening and closing ---- */

static int fuse_reply_open(struct fuse_call *call, u64 handle_id, u32 flags)
{
    struct fuse_open_out out = {.fh = handle_id, .open_flags = flags};
    int result = fuse_reply(call, &out, sizeof(out));
    if (result < 0) {
        share_close(call->share, handle_id);
    }
    return result;
}

int fuse_open(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_open_in, in);
    u64 handle_id = 0;
    u32 flags = fuse_open_flags(call, in.flags);
    if (share_node_type(call->node) == S_IFDIR) {
        return -EISDIR;
    }
    int reason = share_open(call->share, call->node, flags, &handle_id);
    if (reason == 0 && (in.open_flags & FUSE_OPEN_KILL_SUIDGID) != 0 && (flags & O_TRUNC) != 0) {
        struct share_change change = {.what = SHARE_SET_SIZE | SHARE_KILL_SUID};
        share_set_attr(call->share, call->node, NULL, &change);
    }
    return reason != 0 ? reason : fuse_reply_open(call, handle_id, fuse_keep(call, call->node));
}

int fuse_opendir(struct fuse_call *call)
{
    u64 handle_id = 0;
    u32 flags = call->server->cache == FUSE_CACHE_ALWAYS ? FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR : 0;
    if (share_node_type(call->node) != S_IFDIR) {
        return -ENOTDIR;
    }
    int reason = share_open(call->share, call->node, O_RDONLY, &handle_id);
    return reason != 0 ? reason : fuse_reply_open(call, handle_id, flags);
}

int fuse_release(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_release_in, in);
    return share_close(call->share, in.fh);
}

int fuse_releasedir(struct fuse_call *call)
{
    return fuse_release(call);
}

/* The reply to an operation that makes and opens a file. */
static int fuse_reply_created(struct fuse_call *call, int reason, struct share_node *node,
                              const struct share_attr *attr, u64 handle_id)
{
    struct {
        struct fuse_entry_out entry;
        struct fuse_open_out open;
    } out = {.open = {.fh = handle_id}};
    if (reason != 0) {
        if (node != NULL) { /* it is there, and cannot be opened */
            u64 id = share_node_id(node);
            share_put(call->share, node);
            share_forget(call->share, id, 1);
        }
        return reason;
    }
    fuse_fill_entry(call, node, attr, &out.entry);
    share_put(call->share, node);
    int result = fuse_reply(call, &out, sizeof(out));
    if (result < 0) {
        share_close(call->share, handle_id);
        share_forget(call->share, out.entry.nodeid, 1);
    }
    return result;
}

int fuse_create(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_create_in, in);
    size_t at = sizeof(in);
    const char *name = fuse_string(call, &at);
    struct share_caller caller = {call->head.uid, call->head.gid};
    struct share_node *node = NULL;
    struct share_attr attr;
    u64 handle_id = 0;
    if (name == NULL) {
        return -EINVAL;
    }
    int reason = share_create(call->share, call->node, &caller, name, in.mode,
                              fuse_open_flags(call, in.flags), &node, &attr, &handle_id);
    return fuse_reply_created(call, reason, node, &attr, handle_id);
}

int fuse_tmpfile(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_create_in, in);
    struct share_caller caller = {call->head.uid, call->head.gid};
    struct share_node *node = NULL;
    struct share_attr attr;
    u64 handle_id = 0;
    int reason = share_create_unnamed(call->share, call->node, &caller, in.mode,
                                      fuse_open_flags(call, in.flags), &node, &attr, &handle_id);
    return fuse_reply_created(call, reason, node, &attr, handle_id);
}

/* ---- Data ---- */

/* What `with` does with the descriptor of handle `id`. */
static int fuse_with(struct fuse_call *call, u64 id, int (*with)(struct fuse_call *call, int fd))
{
    struct share_handle *handle = share_get_handle(call->share, id, call->node);
    int fd = handle != NULL ? share_handle_fd(handle) : -EBADF;
    int result = fd < 0 ? fd : with(call, fd);
    share_put_handle(call->share, handle);
    return result;
}

static int fuse_with_read(struct fuse_call *call, int fd)
{
    FUSE_ARGS(struct fuse_read_in, in);
    struct share_request *request = call->request;
    unsigned count = share_request_cut(request->data_out, request->data_out_count,
                              in.size < SHARE_DATA_BYTES ? in.size : SHARE_DATA_BYTES);
    if (in.offset > INT64_MAX) {
        return -EINVAL;
    }
    ssize_t got = preadv(fd, request->data_out, (int)count, (off_t)in.offset);
    request->data_bytes = got > 0 ? (size_t)got : 0;
    return got >= 0 ? 0 : -errno;
}

int fuse_read(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_read_in, in);
    return fuse_with(call, in.fh, fuse_with_read);
}

int fuse_write(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_write_in, in);
    struct share_request *request = call->request;
    struct fuse_write_out out = {0};
    if (in.size > SHARE_DATA_BYTES || in.size > request->in_total_bytes - FUSE_WRITE_HEAD_BYTES) {
        return -EINVAL;
    }
    struct share_handle *handle = share_get_handle(call->share, in.fh, call->node);
    if (handle == NULL) {
        return -EBADF;
    }
    unsigned count = share_request_cut(request->data_in, request->data_in_count, in.size);
    u32 how = ((in.write_flags & FUSE_WRITE_KILL_SUIDGID) != 0 ? SHARE_WRITE_KILL_SUID : 0u) |
              ((in.write_flags & FUSE_WRITE_CACHE) != 0 ? SHARE_WRITE_IN_PLACE : 0u);
    ssize_t written = share_write(call->share, handle, request->data_in, count, in.offset, how);
    share_put_handle(call->share, handle);
    out.size = written > 0 ? (u32)written : 0;
    return written < 0 ? (int)written : fuse_reply(call, &out, sizeof(out));
}

/* A close in the guest: what the host would complain of at a close is told now. */
static int fuse_with_flush(struct fuse_call *call, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    (void)call;
    if (copy < 0) {
        return 0;
    }
    return close(copy) == 0 || errno == EINTR ? 0 : -errno;
}

int fuse_flush(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_flush_in, in);
    return fuse_with(call, in.fh, fuse_with_flush);
}

static int fuse_with_fsync(struct fuse_call *call, int fd)
{
    FUSE_ARGS(struct fuse_fsync_in, in);
    bool data_only = (in.fsync_flags & FUSE_FSYNC_FDATASYNC) != 0;
    return (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : -errno;
}

int fuse_fsync(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_fsync_in, in);
    return fuse_with(call, in.fh, fuse_with_fsync);
}

int fuse_fsyncdir(struct fuse_call *call)
{
    return fuse_fsync(call);
}

/* Any descriptor on the file system will do. */
int fuse_syncfs(struct fuse_call *call)
{
    u64 handle_id = 0;
    int reason = share_open(call->share, call->node, O_RDONLY, &handle_id);
    if (reason != 0) {
        return reason;
    }
    struct share_handle *handle = share_get_handle(call->share, handle_id, call->node);
    int fd = handle != NULL ? share_handle_fd(handle) : -EBADF;
    reason = fd < 0 ? fd : syncfs(fd) == 0 ? 0 : -errno;
    share_put_handle(call->share, handle);
    share_close(call->share, handle_id);
    return reason;
}

static int fuse_with_fallocate(struct fuse_call *call, int fd)
{
    FUSE_ARGS(struct fuse_fallocate_in, in);
    const u32 known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    if ((in.mode & ~known) != 0) {
        return -EOPNOTSUPP;
    }
    if (in.offset > INT64_MAX || in.length > INT64_MAX) {
        return -EINVAL;
    }
    if (share_is_read_only(call->share)) {
        return -EROFS;
    }
    return fallocate(fd, (int)in.mode, (off_t)in.offset, (off_t)in.length) == 0 ? 0 : -errno;
}

int fuse_fallocate(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_fallocate_in, in);
    return fuse_with(call, in.fh, fuse_with_fallocate);
}

static int fuse_with_lseek(struct fuse_call *call, int fd)
{
    FUSE_ARGS(struct fuse_lseek_in, in);
    if ((in.whence != SEEK_DATA && in.whence != SEEK_HOLE) || in.offset > INT64_MAX) {
        return -EINVAL;
    }
    off_t found = lseek(fd, (off_t)in.offset, (int)in.whence);
    struct fuse_lseek_out out = {.offset = (u64)found};
    return found < 0 ? -errno : fuse_reply(call, &out, sizeof(out));
}

int fuse_lseek(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_lseek_in, in);
    if (share_node_type(call->node) != S_IFREG) {
        return -EINVAL; /* a folder's place is the reader's */
    }
    return fuse_with(call, in.fh, fuse_with_lseek);
}

static ssize_t fuse_copy(const struct fuse_copy_file_range_in *in, int from, int to)
{
    off_t from_at = (off_t)in->off_in, to_at = (off_t)in->off_out;
    size_t size_bytes = in->len < FUSE_COPY_MAX_BYTES ? (size_t)in->len : FUSE_COPY_MAX_BYTES;
    if (from < 0 || to < 0) {
        return from < 0 ? from : to;
    }
    if (in->off_in > INT64_MAX || in->off_out > INT64_MAX || in->flags != 0) {
        return -EINVAL;
    }
    ssize_t copied = copy_file_range(from, &from_at, to, &to_at, size_bytes, 0);
    return copied >= 0 ? copied : -errno;
}

int fuse_copy_file_range(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_copy_file_range_in, in);
    struct share_node *to_node = share_get(call->share, in.nodeid_out);
    struct share_handle *from = share_get_handle(call->share, in.fh_in, call->node);
    struct share_handle *to =
        to_node != NULL ? share_get_handle(call->share, in.fh_out, to_node) : NULL;
    struct fuse_write_out out = {0};
    ssize_t copied = -EBADF;
    if (from != NULL && to != NULL) {
        copied = fuse_copy(&in, share_handle_fd(from), share_handle_fd(to));
    }
    share_put_handle(call->share, from);
    share_put_handle(call->share, to);
    share_put(call->share, to_node);
    out.size = copied > 0 ? (u32)copied : 0;
    return copied < 0 ? (int)copied : fuse_reply(call, &out, sizeof(out));
}

/* ---- Folders ---- */

struct fuse_listing {
    struct fuse_call *call;
    size_t room_bytes, used_bytes;
    bool with_attr;
};

/* An entry's node and attributes; zeros where there is nothing to know. */
static void fuse_list_attr(struct fuse_call *call, const struct share_entry *entry,
                           struct fuse_entry_out *out)
{
    struct share_node *node = NULL;
    struct share_attr attr;
    *out = (struct fuse_entry_out){0};
    if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0 ||
        share_lookup(call->share, call->node, entry->name, &node, &attr) != 0) {
        return;
    }
    fuse_fill_entry(call, node, &attr, out);
    share_put(call->share, node);
}

static bool fuse_take_entry(void *opaque, const struct share_entry *entry)
{
    struct fuse_listing *listing = opaque;
    size_t name_bytes = strlen(entry->name);
    size_t head_bytes = listing->with_attr ? sizeof(struct fuse_entry_out) : 0;
    size_t dirent_bytes = (offsetof(struct fuse_dirent, name) + name_bytes +
                           FUSE_DIRENT_ALIGN - 1) & ~(size_t)(FUSE_DIRENT_ALIGN - 1);
    if (head_bytes + dirent_bytes > listing->room_bytes - listing->used_bytes) {
        return false;
    }
    u8 *at = listing->call->reply + listing->used_bytes;
    memset(at, 0, head_bytes + dirent_bytes);
    if (listing->with_attr) {
        struct fuse_entry_out out;
        fuse_list_attr(listing->call, entry, &out);
        memcpy(at, &out, sizeof(out));
    }
    struct fuse_dirent dirent = {.ino = entry->ino, .off = entry->next_offset,
                                 .namelen = (u32)name_bytes, .type = entry->type};
    memcpy(at + head_bytes, &dirent, offsetof(struct fuse_dirent, name));
    memcpy(at + head_bytes + offsetof(struct fuse_dirent, name), entry->name, name_bytes);
    listing->used_bytes += head_bytes + dirent_bytes;
    return true;
}

static int fuse_list(struct fuse_call *call, bool with_attr)
{
    FUSE_ARGS(struct fuse_read_in, in);
    struct fuse_listing listing = {.call = call, .with_attr = with_attr};
    listing.room_bytes = in.size < call->reply_room_bytes ? in.size : call->reply_room_bytes;
    struct share_handle *handle = share_get_handle(call->share, in.fh, call->node);
    if (handle == NULL) {
        return -EBADF;
    }
    int reason = share_read_dir(call->share, handle, in.offset, fuse_take_entry, &listing);
    share_put_handle(call->share, handle);
    return reason < 0 && listing.used_bytes == 0 ? reason : (int)listing.used_bytes;
}

int fuse_readdir(struct fuse_call *call)
{
    return fuse_list(call, false);
}

int fuse_readdirplus(struct fuse_call *call)
{
    return fuse_list(call, true);
}
