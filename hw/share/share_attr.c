/* What is known about a file, and whose it is. See share.h.
 *
 * user.virtfs.uid, .gid and .mode are le32, .rdev is le64: QEMU's mapped-xattr model. */
#include "hw/share/share_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { SHARE_NOBODY = 65534, SHARE_SETTLE_S = 2 };

bool share_key_equal(const struct share_key *a, const struct share_key *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->birth_s == b->birth_s &&
           a->birth_ns == b->birth_ns && a->type == b->type;
}

u32 share_attr_uid(const struct share *share, uid_t uid)
{
    if (share->host_uid == 0) {
        return uid;
    }
    return uid == share->host_uid ? 0 : SHARE_NOBODY;
}

u32 share_attr_gid(const struct share *share, gid_t gid)
{
    if (share->host_uid == 0) {
        return gid;
    }
    return gid == share->host_gid ? 0 : SHARE_NOBODY;
}

/* Where the attributes of `name` in the folder `fd`, or of `fd` itself, are found. */
static void share_xattr_path(int fd, const char *name, char *path, size_t capacity_bytes)
{
    snprintf(path, capacity_bytes, "/proc/self/fd/%d%s%s", fd, *name != '\0' ? "/" : "", name);
}

static bool share_kept(const char *path, bool by_name, const char *name, u64 *value,
                       unsigned size_bytes)
{
    u8 bytes[8];
    ssize_t got = by_name ? lgetxattr(path, name, bytes, sizeof(bytes))
                          : getxattr(path, name, bytes, sizeof(bytes));
    if (got != (ssize_t)size_bytes) {
        return false;
    }
    *value = 0;
    for (unsigned i = size_bytes; i-- > 0;) {
        *value = *value << 8 | bytes[i];
    }
    return true;
}

/* The guest's own view, where it was kept. */
static void share_read_kept(int fd, const char *name, u32 host_type, struct share_attr *attr)
{
    char path[SHARE_NAME_MAX_BYTES + 40];
    bool by_name = *name != '\0';
    u64 value;
    if (host_type != S_IFREG && host_type != S_IFDIR) {
        return; /* others have no such attributes */
    }
    share_xattr_path(fd, name, path, sizeof(path));
    if (share_kept(path, by_name, "user.virtfs.uid", &value, 4)) {
        attr->uid = (u32)value;
    }
    if (share_kept(path, by_name, "user.virtfs.gid", &value, 4)) {
        attr->gid = (u32)value;
    }
    if (share_kept(path, by_name, "user.virtfs.mode", &value, 4)) {
        u32 type = (u32)value & S_IFMT;
        /* A folder stays one, and nothing else becomes one. */
        bool fits = (type == S_IFDIR) == (host_type == S_IFDIR);
        attr->mode = (fits && type != 0 ? type : host_type) | ((u32)value & 07777);
    }
    if (share_kept(path, by_name, "user.virtfs.rdev", &value, 8)) {
        attr->rdev = (u32)value;
    }
}

/* Of the file `name` in the folder `fd`, or of `fd` itself when the name is empty. `attr` may be
 * NULL. */
int share_stat(struct share *share, int fd, const char *name, struct share_key *key,
               struct share_attr *attr)
{
    struct statx stat;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
    unsigned mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
    if (statx(fd, name, flags, mask, &stat) != 0) {
        return -errno;
    }
    *key = (struct share_key){
        .dev = makedev(stat.stx_dev_major, stat.stx_dev_minor),
        .ino = stat.stx_ino,
        .type = stat.stx_mode & S_IFMT,
    };
    if ((stat.stx_mask & STATX_BTIME) != 0) {
        key->birth_s = stat.stx_btime.tv_sec;
        key->birth_ns = stat.stx_btime.tv_nsec;
    }
    if (attr == NULL) {
        return 0;
    }
    *attr = (struct share_attr){
        .ino = stat.stx_ino, .dev = key->dev, .size_bytes = stat.stx_size,
        .blocks_512 = stat.stx_blocks, .mount_id = stat.stx_mnt_id,
        .atime_s = stat.stx_atime.tv_sec, .atime_ns = stat.stx_atime.tv_nsec,
        .mtime_s = stat.stx_mtime.tv_sec, .mtime_ns = stat.stx_mtime.tv_nsec,
        .ctime_s = stat.stx_ctime.tv_sec, .ctime_ns = stat.stx_ctime.tv_nsec,
        .mode = stat.stx_mode, .links = stat.stx_nlink,
        .uid = share_attr_uid(share, stat.stx_uid), .gid = share_attr_gid(share, stat.stx_gid),
        .rdev = (u32)makedev(stat.stx_rdev_major, stat.stx_rdev_minor),
        .block_bytes = stat.stx_blksize,
        .birth_s = key->birth_s, .birth_ns = key->birth_ns,
    };
    if (share->options.keep_owners) {
        share_read_kept(fd, name, key->type, attr);
    }
    return 0;
}

u32 share_kernel_device(u32 rdev)
{
    return (minor(rdev) & 0xff) | major(rdev) << 8 | (minor(rdev) & ~0xffu) << 12;
}

u32 share_host_device(u32 kernel_device)
{
    return (u32)makedev((kernel_device & 0xfff00) >> 8,
                        (kernel_device & 0xff) | ((kernel_device >> 12) & 0xfff00));
}

u64 share_unique_ino(const struct share *share, const struct share_attr *attr)
{
    u64 other = attr->dev ^ share->root_dev;
    return attr->ino ^ other * 0x9e3779b97f4a7c15u;
}

static int share_keep(const char *path, const char *name, u64 value, unsigned size_bytes)
{
    u8 bytes[8];
    for (unsigned i = 0; i < size_bytes; i++) {
        bytes[i] = (u8)(value >> (8 * i));
    }
    return setxattr(path, name, bytes, size_bytes, 0) == 0 ? 0 : -errno;
}

static int share_keep_change(int fd, const struct share_change *change, u32 type)
{
    char path[40];
    int reason = 0;
    share_xattr_path(fd, "", path, sizeof(path));
    if ((change->what & SHARE_SET_UID) != 0) {
        reason = share_keep(path, "user.virtfs.uid", change->uid, 4);
    }
    if (reason == 0 && (change->what & SHARE_SET_GID) != 0) {
        reason = share_keep(path, "user.virtfs.gid", change->gid, 4);
    }
    if (reason == 0 && (change->what & SHARE_SET_MODE) != 0) {
        reason = share_keep(path, "user.virtfs.mode", type | (change->mode & 07777), 4);
    }
    return reason;
}

/* Gives what was just made (`fd` O_PATH) to whom made it. `mode` has type bits. */
int share_own(struct share *share, int fd, const struct share_caller *caller, u32 mode, u32 rdev)
{
    u32 type = mode & S_IFMT;
    if (share->options.keep_owners) {
        char path[40];
        if (type == S_IFLNK) {
            return 0;
        }
        struct share_change all = {.what = SHARE_SET_UID | SHARE_SET_GID | SHARE_SET_MODE,
                                   .uid = caller->uid, .gid = caller->gid, .mode = mode};
        int reason = share_keep_change(fd, &all, type);
        share_xattr_path(fd, "", path, sizeof(path));
        bool device = type == S_IFCHR || type == S_IFBLK;
        return reason == 0 && device ? share_keep(path, "user.virtfs.rdev", rdev, 8) : reason;
    }
    if (share->host_uid != 0) {
        return 0; /* it is the user's, which the guest sees as root's */
    }
    if (caller->uid == 0 && caller->gid == 0) {
        return 0;
    }
    struct stat stat;
    if (fstatat(fd, "", &stat, AT_EMPTY_PATH) != 0) {
        return -errno;
    }
    /* In a folder that hands down its group the host has done so. */
    gid_t gid = stat.st_gid != share->host_gid ? (gid_t)-1 : caller->gid;
    if (fchownat(fd, "", caller->uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
        return -errno;
    }
    return 0;
}

/* ---- Changing it ---- */

static int share_change_owner(struct share *share, int fd, const struct share_change *change)
{
    uid_t uid = (change->what & SHARE_SET_UID) != 0 ? change->uid : (uid_t)-1;
    gid_t gid = (change->what & SHARE_SET_GID) != 0 ? change->gid : (gid_t)-1;
    if (share->host_uid != 0) {
        struct stat stat;
        if (fstatat(fd, "", &stat, AT_EMPTY_PATH) != 0) {
            return -errno;
        }
        bool same = (uid == (uid_t)-1 || uid == share_attr_uid(share, stat.st_uid)) &&
                    (gid == (gid_t)-1 || gid == share_attr_gid(share, stat.st_gid));
        return same ? 0 : -EPERM;
    }
    return fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

static int share_change_mode(struct share *share, int fd, u32 type, u32 mode)
{
    char path[32];
    if (type == S_IFLNK) {
        return -EOPNOTSUPP;
    }
    share_proc_path(share, fd, path);
    return chmod(path, mode & 07777) == 0 ? 0 : -errno;
}

/* As the kernel does it for a writer without privilege; it does nothing for root. */
static void share_kill_suid(struct share *share, int fd)
{
    char path[32];
    struct stat stat;
    if (fstatat(fd, "", &stat, AT_EMPTY_PATH) != 0) {
        return;
    }
    u32 drop = (stat.st_mode & S_ISUID) | ((stat.st_mode & S_IXGRP) != 0 ? S_ISGID : 0u);
    if ((stat.st_mode & drop) != 0) {
        share_proc_path(share, fd, path);
        int ignored = chmod(path, stat.st_mode & 07777 & ~drop);
        (void)ignored; /* not the owner: then the host did it */
    }
}

static int share_change_size(struct share *share, int fd, struct share_handle *handle,
                             const struct share_change *change)
{
    if (change->size_bytes > INT64_MAX) {
        return -EINVAL;
    }
    int with = handle != NULL ? share_handle_fd(handle) : share_proc_open(share, fd, O_WRONLY);
    if (with < 0) {
        return with;
    }
    int reason = ftruncate(with, (off_t)change->size_bytes) == 0 ? 0 : -errno;
    if (handle == NULL) {
        close(with);
    }
    if (reason == 0 && (change->what & SHARE_KILL_SUID) != 0) {
        share_kill_suid(share, fd);
    }
    return reason;
}

static struct timespec share_time(const struct share_change *change, u32 set, u32 now, s64 time_s,
                                  u32 time_ns)
{
    struct timespec time = {.tv_sec = time_s, .tv_nsec = time_ns};
    if ((change->what & set) == 0) {
        time.tv_nsec = UTIME_OMIT;
    } else if ((change->what & now) != 0) {
        time.tv_nsec = UTIME_NOW;
    } else if (time_ns >= 1000000000) {
        time.tv_nsec = 999999999;
    }
    return time;
}

static int share_change_times(struct share *share, int fd, u32 type,
                              const struct share_change *change)
{
    const struct timespec times[2] = {
        share_time(change, SHARE_SET_ATIME, SHARE_SET_ATIME_NOW, change->atime_s,
                   change->atime_ns),
        share_time(change, SHARE_SET_MTIME, SHARE_SET_MTIME_NOW, change->mtime_s,
                   change->mtime_ns),
    };
    char path[32];
    if (utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0) {
        return 0;
    }
    if (errno != EINVAL || type == S_IFLNK) {
        return -errno;
    }
    share_proc_path(share, fd, path); /* Linux before 5.8 */
    return utimensat(AT_FDCWD, path, times, 0) == 0 ? 0 : -errno;
}

static int share_change(struct share *share, int fd, struct share_handle *handle, u32 type,
                        const struct share_change *change)
{
    u32 owner = change->what & (SHARE_SET_UID | SHARE_SET_GID);
    int reason = 0;
    if (share->options.keep_owners && (type == S_IFREG || type == S_IFDIR)) {
        struct share_key key;
        struct share_attr attr;
        reason = share_stat(share, fd, "", &key, &attr);
        reason = reason != 0 ? reason : share_keep_change(fd, change, attr.mode & S_IFMT);
    } else {
        reason = owner != 0 ? share_change_owner(share, fd, change) : 0;
        if (reason == 0 && (change->what & SHARE_SET_MODE) != 0) {
            reason = share_change_mode(share, fd, type, change->mode);
        }
    }
    if (reason == 0 && (change->what & SHARE_SET_SIZE) != 0) {
        reason = type == S_IFREG ? share_change_size(share, fd, handle, change) : -EINVAL;
    }
    if (reason == 0 && (change->what & (SHARE_SET_ATIME | SHARE_SET_MTIME)) != 0) {
        reason = share_change_times(share, fd, type, change);
    }
    return reason;
}

int share_set_attr(struct share *share, struct share_node *node, struct share_handle *handle,
                   const struct share_change *change)
{
    if (share->options.read_only) {
        return -EROFS;
    }
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, node);
    int reason = fd < 0 ? fd : share_change(share, fd, handle, node->key.type, change);
    if (fd >= 0) {
        share_fd_done(share, node);
    }
    pthread_rwlock_unlock(&share->names);
    return reason;
}

ssize_t share_write(struct share *share, struct share_handle *handle, const struct iovec *vector,
                    unsigned count, u64 offset, u32 how)
{
    int fd = share_handle_fd(handle);
    bool append = (handle->flags & O_APPEND) != 0 && (how & SHARE_WRITE_IN_PLACE) == 0;
    if (fd < 0) {
        return fd;
    }
    if (offset > INT64_MAX) {
        return -EINVAL;
    }
    ssize_t written = pwritev2(fd, vector, (int)count, (off_t)offset, append ? RWF_APPEND : 0);
    if (written < 0) {
        return -errno;
    }
    if ((how & SHARE_WRITE_KILL_SUID) != 0 && share->host_uid == 0) {
        share_kill_suid(share, fd);
    }
    return written;
}

/* ---- Has it changed? ---- */

/* A change soon after another one may leave the time as it is. File times are the host's, so they
 * are compared to the host's clock; the answer is part of a reply, as file times are. */
bool share_is_unchanged(struct share *share, struct share_node *node)
{
    struct share_attr attr;
    struct timespec now;
    if (share_get_attr(share, node, NULL, &attr) != 0) {
        return false;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    bool settled = attr.mtime_s + SHARE_SETTLE_S < now.tv_sec &&
                   attr.ctime_s + SHARE_SETTLE_S < now.tv_sec;
    struct share_seen seen = {attr.size_bytes, attr.mtime_s, attr.ctime_s, attr.mtime_ns,
                              attr.ctime_ns};
    pthread_mutex_lock(&share->lock);
    bool same = node->seen_settled && memcmp(&node->seen, &seen, sizeof(seen)) == 0;
    node->seen = seen;
    node->seen_settled = settled;
    pthread_mutex_unlock(&share->lock);
    return same;
}
