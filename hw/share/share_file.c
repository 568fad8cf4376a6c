/* Finding, making, renaming and removing files. See share.h. */
#include "hw/share/share_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- Finding ---- */

/* The file at `name` in the folder `fd`, which is the parent's. Lowers no lock. */
static int share_find_at(struct share *share, struct share_node *parent, int fd, const char *name,
                         struct share_key *key, struct share_attr *attr, bool *on_submount)
{
    int reason = share_stat(share, fd, name, key, attr);
    *on_submount = reason == 0 && key->dev != parent->key.dev;
    attr->is_submount = *on_submount && key->type == S_IFDIR;
    return reason;
}

int share_lookup(struct share *share, struct share_node *parent, const char *name,
                 struct share_node **found, struct share_attr *attr)
{
    struct share_key key;
    bool on_submount = false;
    if (strlen(name) > SHARE_NAME_MAX_BYTES) {
        return -ENAMETOOLONG;
    }
    if (!share_name_is_ok(name)) {
        return -EINVAL;
    }
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, parent);
    int reason = fd;
    if (fd >= 0) {
        reason = share_find_at(share, parent, fd, name, &key, attr, &on_submount);
        share_fd_done(share, parent);
    }
    pthread_rwlock_unlock(&share->names);
    return reason < 0 ? reason
                      : share_node_add(share, parent, name, &key, on_submount, -1, found);
}

int share_lookup_parent(struct share *share, struct share_node *node, struct share_node **found)
{
    pthread_rwlock_rdlock(&share->names);
    pthread_mutex_lock(&share->lock);
    struct share_node *parent = node == share->root ? node : node->parent;
    if (parent != NULL) {
        parent->busy++;
        parent->lookups++;
    }
    pthread_mutex_unlock(&share->lock);
    pthread_rwlock_unlock(&share->names);
    *found = parent;
    return parent != NULL ? 0 : -ESTALE;
}

/* What `with` does with a descriptor of the node's, while no name changes. */
static int share_with(struct share *share, struct share_node *node,
                      int (*with)(struct share *share, struct share_node *node, int fd,
                                  void *opaque),
                      void *opaque)
{
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, node);
    int result = fd < 0 ? fd : with(share, node, fd, opaque);
    if (fd >= 0) {
        share_fd_done(share, node);
    }
    pthread_rwlock_unlock(&share->names);
    return result;
}

/* A node without a descriptor needs none for this: its parent's and the name will do. */
int share_get_attr(struct share *share, struct share_node *node, struct share_handle *handle,
                   struct share_attr *attr)
{
    struct share_key key;
    int reason;
    if (handle != NULL) {
        int fd = share_handle_fd(handle);
        reason = fd < 0 ? fd : share_stat(share, fd, "", &key, attr);
    } else {
        pthread_rwlock_rdlock(&share->names);
        pthread_mutex_lock(&share->lock);
        bool by_name = node->fd < 0 && node->parent != NULL && !node->lost;
        pthread_mutex_unlock(&share->lock);
        struct share_node *with = by_name ? node->parent : node;
        int fd = share_fd(share, with);
        reason = fd < 0 ? fd : share_stat(share, fd, by_name ? node->name : "", &key, attr);
        reason = reason == -ENOENT ? -ESTALE : reason;
        if (fd >= 0) {
            share_fd_done(share, with);
        }
        pthread_rwlock_unlock(&share->names);
    }
    if (reason == 0 && !share_key_equal(&key, &node->key)) {
        reason = -ESTALE;
    }
    if (reason == 0) {
        attr->is_submount = node->on_submount && key.type == S_IFDIR;
    }
    return reason;
}

struct share_bytes {
    const char *name;
    void *bytes;
    size_t size_bytes;
    int flags;
};

static int share_with_link(struct share *share, struct share_node *node, int fd, void *opaque)
{
    struct share_bytes *target = opaque;
    (void)share;
    if (node->key.type != S_IFLNK) {
        return -EINVAL;
    }
    ssize_t got = readlinkat(fd, "", target->bytes, target->size_bytes);
    return got >= 0 ? (int)got : -errno;
}

int share_read_link(struct share *share, struct share_node *node, char *target,
                    size_t capacity_bytes)
{
    struct share_bytes bytes = {.bytes = target, .size_bytes = capacity_bytes};
    return share_with(share, node, share_with_link, &bytes);
}

static int share_with_stat_fs(struct share *share, struct share_node *node, int fd, void *opaque)
{
    (void)share;
    (void)node;
    return fstatvfs(fd, opaque) == 0 ? 0 : -errno;
}

int share_stat_fs(struct share *share, struct share_node *node, struct statvfs *stat)
{
    return share_with(share, node, share_with_stat_fs, stat);
}

/* ---- Making ---- */

/* The host's file modes: with kept owners the user must always get at what is made. */
static u32 share_host_mode(const struct share *share, u32 mode)
{
    if (!share->options.keep_owners) {
        return mode;
    }
    return (mode & 0777) | ((mode & S_IFMT) == S_IFDIR ? 0700u : 0600u);
}

static int share_make_at(struct share *share, int fd, const struct share_new_file *file)
{
    u32 type = file->mode & S_IFMT;
    u32 mode = share_host_mode(share, file->mode);
    int made = -1;
    switch (type) {
    case S_IFDIR: made = mkdirat(fd, file->name, mode & 07777); break;
    case S_IFLNK: made = symlinkat(file->target, fd, file->name); break;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK: made = mknodat(fd, file->name, type | (mode & 07777), 0); break;
    case S_IFCHR:
    case S_IFBLK:
        if (!share->options.keep_owners) {
            return -EPERM; /* a device of the host's is not the guest's to make */
        }
        made = mknodat(fd, file->name, S_IFREG | (mode & 07777), 0);
        break;
    default: return -EINVAL;
    }
    return made == 0 ? 0 : -errno;
}

/* Gives the new file at `name` to the caller, if that is anything to do; takes it away again if
 * that cannot be done. */
static int share_own_at(struct share *share, int fd, const struct share_caller *caller,
                        const struct share_new_file *file)
{
    if (!share->options.keep_owners &&
        (share->host_uid != 0 || (caller->uid == 0 && caller->gid == 0))) {
        return 0;
    }
    int made = openat(fd, file->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (made < 0) {
        return -errno;
    }
    int reason = share_own(share, made, caller, file->mode, file->rdev);
    close(made);
    if (reason != 0) {
        unlinkat(fd, file->name, (file->mode & S_IFMT) == S_IFDIR ? AT_REMOVEDIR : 0);
    }
    return reason;
}

static int share_check_new(const struct share *share, const char *name)
{
    if (share->options.read_only) {
        return -EROFS;
    }
    if (strlen(name) > SHARE_NAME_MAX_BYTES) {
        return -ENAMETOOLONG;
    }
    return share_name_is_ok(name) ? 0 : -EINVAL;
}

int share_make(struct share *share, struct share_node *parent, const struct share_caller *caller,
               const struct share_new_file *file, struct share_node **found,
               struct share_attr *attr)
{
    int reason = share_check_new(share, file->name);
    struct share_key key;
    bool on_submount = false;
    if (reason != 0) {
        return reason;
    }
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, parent);
    reason = fd < 0 ? fd : share_make_at(share, fd, file);
    reason = reason < 0 ? reason : share_own_at(share, fd, caller, file);
    reason = reason < 0 ? reason
                        : share_find_at(share, parent, fd, file->name, &key, attr, &on_submount);
    if (fd >= 0) {
        share_fd_done(share, parent);
    }
    pthread_rwlock_unlock(&share->names);
    return reason < 0 ? reason
                      : share_node_add(share, parent, file->name, &key, on_submount, -1, found);
}

int share_create(struct share *share, struct share_node *parent, const struct share_caller *caller,
                 const char *name, u32 mode, u32 flags, struct share_node **found,
                 struct share_attr *attr, u64 *handle_id)
{
    int reason = share_check_new(share, name);
    struct share_key key;
    if (reason != 0) {
        return reason;
    }
    mode = S_IFREG | (mode & 07777);
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, parent);
    int made = fd < 0 ? fd
                      : openat(fd, name,
                               share_host_flags(share, flags) | O_CREAT | O_EXCL | O_NOFOLLOW |
                                   O_CLOEXEC,
                               share_host_mode(share, mode) & 07777);
    reason = fd < 0 ? fd : made < 0 ? -errno : 0;
    bool by_others = reason == -EEXIST;
    if (reason == 0) {
        reason = share_own(share, made, caller, mode, 0);
        reason = reason != 0 ? reason : share_stat(share, made, "", &key, attr);
        if (reason != 0) {
            unlinkat(fd, name, 0);
        }
    }
    if (fd >= 0) {
        share_fd_done(share, parent);
    }
    pthread_rwlock_unlock(&share->names);
    if (by_others && (flags & O_EXCL) == 0) {
        reason = share_lookup(share, parent, name, found, attr);
        reason = reason != 0 ? reason : share_open(share, *found, flags, handle_id);
    } else if (reason == 0) {
        reason = share_node_add(share, parent, name, &key, key.dev != parent->key.dev, -1, found);
        if (reason == 0) {
            return share_handle_add(share, *found, made, flags, handle_id); /* takes `made` */
        }
        close(made);
    } else if (made >= 0) {
        close(made);
    }
    return reason;
}

int share_create_unnamed(struct share *share, struct share_node *parent,
                         const struct share_caller *caller, u32 mode, u32 flags,
                         struct share_node **found, struct share_attr *attr, u64 *handle_id)
{
    struct share_key key;
    char path[32];
    if (share->options.read_only) {
        return -EROFS;
    }
    mode = S_IFREG | (mode & 07777);
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, parent);
    int made = -1, reason = fd;
    if (fd >= 0) {
        share_proc_path(share, fd, path);
        made = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, share_host_mode(share, mode) & 07777);
        reason = made < 0 ? -errno : share_own(share, made, caller, mode, 0);
        share_fd_done(share, parent);
    }
    int node_fd = reason == 0 ? share_proc_open(share, made, O_PATH) : -1;
    reason = reason == 0 && node_fd < 0 ? node_fd : reason;
    reason = reason != 0 ? reason : share_stat(share, made, "", &key, attr);
    pthread_rwlock_unlock(&share->names);
    if (reason == 0) {
        reason = share_node_add(share, parent, NULL, &key, false, node_fd, found);
        if (reason == 0) {
            share_pin(share, *found);
            return share_handle_add(share, *found, made, flags, handle_id);
        }
    } else if (node_fd >= 0) {
        close(node_fd);
    }
    if (made >= 0) {
        close(made);
    }
    return reason;
}

static int share_link_at(struct share *share, struct share_node *node, int parent_fd,
                         const char *name)
{
    char path[32];
    int fd = share_fd(share, node);
    if (fd < 0) {
        return fd;
    }
    share_proc_path(share, fd, path);
    int reason = linkat(AT_FDCWD, path, parent_fd, name, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
    share_fd_done(share, node);
    return reason;
}

int share_link(struct share *share, struct share_node *node, struct share_node *parent,
               const char *name, struct share_attr *attr)
{
    int reason = share_check_new(share, name);
    struct share_key key;
    bool on_submount = false;
    struct share_node *found;
    if (reason != 0) {
        return reason;
    }
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, parent);
    reason = fd < 0 ? fd : share_link_at(share, node, fd, name);
    reason = reason < 0 ? reason
                        : share_find_at(share, parent, fd, name, &key, attr, &on_submount);
    if (fd >= 0) {
        share_fd_done(share, parent);
    }
    pthread_rwlock_unlock(&share->names);
    reason = reason < 0 ? reason
                        : share_node_add(share, parent, name, &key, on_submount, -1, &found);
    if (reason == 0) {
        share_put(share, found);
    }
    return reason;
}

/* ---- Renaming and removing; the names' lock is held for writing ---- */

/* The known file at a name that is about to lead to it no more, held, its descriptor open; NULL:
 * not known. */
static struct share_node *share_going(struct share *share, int fd, const char *name, bool *pinned)
{
    struct share_key key;
    *pinned = false;
    if (share_stat(share, fd, name, &key, NULL) != 0) {
        return NULL;
    }
    struct share_node *node = share_find_key(share, &key);
    if (node != NULL) {
        *pinned = share_pin(share, node);
    }
    return node;
}

static bool share_is_named(const struct share_node *node, const struct share_node *parent,
                           const char *name)
{
    return node->parent == parent && node->name != NULL && strcmp(node->name, name) == 0;
}

static void share_gone(struct share *share, struct share_node *node, bool gone, bool pinned,
                       struct share_node *parent, const char *name)
{
    if (node == NULL) {
        return;
    }
    if (gone && share_is_named(node, parent, name)) {
        share_set_name(share, node, NULL, NULL);
    } else if (pinned) {
        share_unpin(share, node);
    }
    share_put(share, node);
}

int share_remove(struct share *share, struct share_node *parent, const char *name, bool is_dir)
{
    int reason = share_check_new(share, name);
    bool pinned = false;
    if (reason != 0) {
        return reason;
    }
    pthread_rwlock_wrlock(&share->names);
    int fd = share_fd(share, parent);
    if (fd >= 0) {
        struct share_node *node = share_going(share, fd, name, &pinned);
        reason = unlinkat(fd, name, is_dir ? AT_REMOVEDIR : 0) == 0 ? 0 : -errno;
        share_gone(share, node, reason == 0, pinned, parent, name);
        share_fd_done(share, parent);
    }
    pthread_rwlock_unlock(&share->names);
    return fd < 0 ? fd : reason;
}

static int share_rename_at(struct share *share, struct share_node *from, int from_fd,
                           const char *from_name, struct share_node *to, int to_fd,
                           const char *to_name, u32 flags)
{
    bool exchange = (flags & RENAME_EXCHANGE) != 0, pinned = false;
    struct share_key key;
    int reason = share_stat(share, from_fd, from_name, &key, NULL);
    if (reason != 0) {
        return reason;
    }
    struct share_node *moved = share_find_key(share, &key);
    struct share_node *other = share_going(share, to_fd, to_name, &pinned);
    reason = renameat2(from_fd, from_name, to_fd, to_name, flags) == 0 ? 0 : -errno;
    if (reason == 0 && moved != NULL) {
        share_set_name(share, moved, to, to_name);
    }
    if (reason == 0 && exchange && other != NULL) {
        share_set_name(share, other, from, from_name);
    }
    share_gone(share, other, reason == 0 && !exchange && other != moved, pinned, to, to_name);
    share_put(share, moved);
    return reason;
}

int share_rename(struct share *share, struct share_node *from, const char *from_name,
                 struct share_node *to, const char *to_name, u32 flags)
{
    int reason = share_check_new(share, from_name);
    reason = reason != 0 ? reason : share_check_new(share, to_name);
    if (reason != 0) {
        return reason;
    }
    if ((flags & ~(u32)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
        return -EINVAL; /* a whiteout is a device */
    }
    pthread_rwlock_wrlock(&share->names);
    int from_fd = share_fd(share, from);
    int to_fd = share_fd(share, to);
    reason = from_fd < 0 ? from_fd : to_fd;
    if (reason >= 0) {
        reason = share_rename_at(share, from, from_fd, from_name, to, to_fd, to_name, flags);
    }
    if (from_fd >= 0) {
        share_fd_done(share, from);
    }
    if (to_fd >= 0) {
        share_fd_done(share, to);
    }
    pthread_rwlock_unlock(&share->names);
    return reason;
}

/* ---- Attributes ---- */

/* The guest's own and the user's are told apart by name; others are the host system's. */
static int share_check_xattr(const struct share *share, const char *name, bool is_change)
{
    if (is_change && share->options.read_only) {
        return -EROFS;
    }
    if (strncmp(name, "user.", 5) != 0) {
        return -EOPNOTSUPP;
    }
    bool ours = share->options.keep_owners && strncmp(name, "user.virtfs.", 12) == 0;
    return ours ? (is_change ? -EPERM : -ENODATA) : 0;
}

static int share_xattr_type(const struct share_node *node)
{
    return node->key.type == S_IFREG || node->key.type == S_IFDIR ? 0 : -EOPNOTSUPP;
}

static int share_with_get_xattr(struct share *share, struct share_node *node, int fd, void *opaque)
{
    const struct share_bytes *attr = opaque;
    char path[32];
    share_proc_path(share, fd, path);
    (void)node;
    ssize_t got = getxattr(path, attr->name, attr->bytes, attr->size_bytes);
    return got >= 0 ? (int)got : -errno;
}

int share_get_xattr(struct share *share, struct share_node *node, const char *name, void *value,
                    size_t capacity_bytes)
{
    struct share_bytes attr = {.name = name, .bytes = value, .size_bytes = capacity_bytes};
    int reason = share_check_xattr(share, name, false);
    if (reason == 0 && share_xattr_type(node) != 0) {
        reason = -ENODATA;
    }
    return reason != 0 ? reason : share_with(share, node, share_with_get_xattr, &attr);
}

static int share_with_set_xattr(struct share *share, struct share_node *node, int fd, void *opaque)
{
    const struct share_bytes *attr = opaque;
    char path[32];
    share_proc_path(share, fd, path);
    (void)node;
    return setxattr(path, attr->name, attr->bytes, attr->size_bytes, attr->flags) == 0 ? 0
                                                                                       : -errno;
}

int share_set_xattr(struct share *share, struct share_node *node, const char *name,
                    const void *value, size_t size_bytes, int flags)
{
    struct share_bytes attr = {.name = name, .bytes = (void *)(uintptr_t)value,
                               .size_bytes = size_bytes, .flags = flags};
    int reason = share_check_xattr(share, name, true);
    reason = reason != 0 ? reason : share_xattr_type(node);
    return reason != 0 ? reason : share_with(share, node, share_with_set_xattr, &attr);
}

static int share_with_remove_xattr(struct share *share, struct share_node *node, int fd,
                                   void *opaque)
{
    char path[32];
    share_proc_path(share, fd, path);
    (void)node;
    return removexattr(path, opaque) == 0 ? 0 : -errno;
}

int share_remove_xattr(struct share *share, struct share_node *node, const char *name)
{
    int reason = share_check_xattr(share, name, true);
    reason = reason != 0 ? reason : share_xattr_type(node);
    return reason != 0 ? reason
                       : share_with(share, node, share_with_remove_xattr,
                                    (void *)(uintptr_t)name);
}

/* All names, of which those that the guest may read stay. */
static int share_with_list_xattr(struct share *share, struct share_node *node, int fd,
                                 void *opaque)
{
    const struct share_bytes *list = opaque;
    char path[32], names[65536];
    char *to = list->bytes;
    size_t kept = 0;
    share_proc_path(share, fd, path);
    (void)node;
    ssize_t got = listxattr(path, names, sizeof(names));
    if (got < 0) {
        return -errno;
    }
    for (const char *name = names; name < names + got; name += strlen(name) + 1) {
        size_t size_bytes = strlen(name) + 1;
        if (share_check_xattr(share, name, false) != 0) {
            continue;
        }
        if (list->size_bytes != 0 && kept + size_bytes > list->size_bytes) {
            return -ERANGE;
        }
        if (list->size_bytes != 0) {
            memcpy(to + kept, name, size_bytes);
        }
        kept += size_bytes;
    }
    return (int)kept;
}

int share_list_xattr(struct share *share, struct share_node *node, char *names,
                     size_t capacity_bytes)
{
    struct share_bytes list = {.bytes = names, .size_bytes = capacity_bytes};
    return share_xattr_type(node) != 0 ? 0 : share_with(share, node, share_with_list_xattr, &list);
}
