/* A folder of the host's that guests may use: what a request of either protocol (fuse.c)
 * comes to in the end.
 *
 * Confinement. A file is reached only by steps of one name each from the folder's own descriptor,
 * with O_PATH and O_NOFOLLOW: no step can follow a symbolic link, and "..", "." and names with a
 * slash are refused before the host sees them. So neither what the guest sends nor what it makes,
 * renames or swaps meanwhile leads outside. Data is opened through /proc/self/fd, which leads to
 * the very inode that was found, and only when that is a regular file or a directory. Everything is
 * done as the user who runs metic; nothing needs privilege.
 *
 * Nodes. A `struct share_node` is a file that the guest knows, told apart by device, inode number
 * and time of birth. It has an id that is never used again. Its parent and name say how to find
 * it; a descriptor is opened when one is needed and closed again when there are too many, except
 * for files that were deleted or are open. What a name leads to is checked against the node;
 * another file gives ESTALE.
 *
 * Ownership. Run by root, owners are what the host says. Run by anybody else, files of that user
 * and group are root's in the guest, all others nobody's (65534), and owners cannot be changed.
 * With `keep_owners` owner, mode and device numbers of the guest's are kept in the attributes
 * user.virtfs.*, in the form that QEMU's 9p has; the host's files stay the user's.
 *
 * Threads: any number may call at once, one of them inside share_thread_begin's file-mode mask.
 * Functions return 0 or a negative errno, which is what both protocols send. */
#ifndef METIC_HW_SHARE_SHARE_H
#define METIC_HW_SHARE_SHARE_H

#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "cpu/base/types.h"
#include "cpu/state.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

enum {
    SHARE_NAME_MAX_BYTES = 255,
    SHARE_LINK_MAX_BYTES = 4095,
    SHARE_NO_ID = UINT32_MAX, /* an owner that is not to be changed */
    SHARE_ROOT_ID = 1,        /* the folder's own node */
};

struct share;
struct share_node;
struct share_handle;

struct share_options {
    const char *path;
    bool read_only;
    bool keep_owners; /* in user.virtfs.* */
    struct log *log;
};

/* NULL with a reason: not a folder, not readable, no /proc. */
struct share *share_new(const struct share_options *options, struct metic_error *error);
void share_free(struct share *share);
/* Forgets every node and closes every handle, as when the guest's driver begins anew. */
void share_clear(struct share *share);
bool share_is_read_only(const struct share *share);
u64 share_root_device(const struct share *share); /* the file system that the folder is on */

/* Once on each thread that makes files: modes are then the guest's as they are. */
void share_thread_begin(void);

/* What is known about a file. The owner is as the guest sees it. */
struct share_attr {
    u64 ino, dev, size_bytes, blocks_512, mount_id;
    s64 atime_s, mtime_s, ctime_s;
    u32 atime_ns, mtime_ns, ctime_ns;
    s64 birth_s; /* 0 where the file system does not say */
    u32 birth_ns;
    u32 mode, links, uid, gid, rdev, block_bytes;
    bool is_submount; /* on another file system than the folder it is in */
};

/* Who asks, for what is made. */
struct share_caller {
    u32 uid, gid;
};

/* ---- Nodes ---- */

/* The node with this id, held until share_put; NULL: there is none. */
struct share_node *share_get(struct share *share, u64 id);
void share_put(struct share *share, struct share_node *node);
u64 share_node_id(const struct share_node *node);
/* Type bits as in st_mode; they never change. */
u32 share_node_type(const struct share_node *node);

/* Each of these that gives a node raises its count of lookups by one; share_forget lowers it. The
 * node in `found` is held. */
int share_lookup(struct share *share, struct share_node *parent, const char *name,
                 struct share_node **found, struct share_attr *attr);
/* The parent, as ".." means it; the folder's own node is its own. */
int share_lookup_parent(struct share *share, struct share_node *node, struct share_node **found);
/* The folder that it is in, held, and its name there; ESTALE: it has none. */
int share_get_place(struct share *share, struct share_node *node, struct share_node **parent,
                    char name[SHARE_NAME_MAX_BYTES + 1]);
void share_remember(struct share *share, struct share_node *node);
void share_forget(struct share *share, u64 id, u64 count);

/* ---- What is done to them ---- */

struct share_new_file {
    const char *name;
    u32 mode; /* with type bits */
    u32 rdev;
    const char *target; /* of a symbolic link */
};

int share_make(struct share *share, struct share_node *parent, const struct share_caller *caller,
               const struct share_new_file *file, struct share_node **found,
               struct share_attr *attr);
int share_link(struct share *share, struct share_node *node, struct share_node *parent,
               const char *name, struct share_attr *attr);
int share_remove(struct share *share, struct share_node *parent, const char *name, bool is_dir);
/* `flags` as renameat2 has them. */
int share_rename(struct share *share, struct share_node *from, const char *from_name,
                 struct share_node *to, const char *to_name, u32 flags);
int share_read_link(struct share *share, struct share_node *node, char *target,
                    size_t capacity_bytes); /* its length, or an error */

int share_get_attr(struct share *share, struct share_node *node, struct share_handle *handle,
                   struct share_attr *attr);

enum {
    SHARE_SET_MODE = 1,
    SHARE_SET_UID = 2,
    SHARE_SET_GID = 4,
    SHARE_SET_SIZE = 8,
    SHARE_SET_ATIME = 16,
    SHARE_SET_MTIME = 32,
    SHARE_SET_ATIME_NOW = 64, /* besides SHARE_SET_ATIME */
    SHARE_SET_MTIME_NOW = 128,
    SHARE_KILL_SUID = 256, /* a change of size takes set-user-id bits away */
};

struct share_change {
    u32 what; /* SHARE_SET_* */
    u32 mode, uid, gid;
    u64 size_bytes;
    s64 atime_s, mtime_s;
    u32 atime_ns, mtime_ns;
};

/* `handle`, or NULL, is used for the size. */
int share_set_attr(struct share *share, struct share_node *node, struct share_handle *handle,
                   const struct share_change *change);
/* A device number as the kernel tells it others, and back. */
u32 share_kernel_device(u32 rdev);
u32 share_host_device(u32 kernel_device);
/* The file's number, one of its own when it is on another file system than the folder. */
u64 share_unique_ino(const struct share *share, const struct share_attr *attr);
int share_stat_fs(struct share *share, struct share_node *node, struct statvfs *stat);

/* Attributes "user." only; the length or an error. A capacity of 0 asks for the length. */
int share_get_xattr(struct share *share, struct share_node *node, const char *name, void *value,
                    size_t capacity_bytes);
int share_list_xattr(struct share *share, struct share_node *node, char *names,
                     size_t capacity_bytes);
int share_set_xattr(struct share *share, struct share_node *node, const char *name,
                    const void *value, size_t size_bytes, int flags);
int share_remove_xattr(struct share *share, struct share_node *node, const char *name);

/* ---- Open files ---- */

/* A handle's number, held open until share_close; `flags` are the host's (O_RDONLY, O_APPEND, ...);
 * what may not be asked for is dropped. */
int share_open(struct share *share, struct share_node *node, u32 flags, u64 *handle_id);
/* Makes a regular file and opens it; one that is there is opened unless O_EXCL is set. */
int share_create(struct share *share, struct share_node *parent, const struct share_caller *caller,
                 const char *name, u32 mode, u32 flags, struct share_node **found,
                 struct share_attr *attr, u64 *handle_id);
/* A file without a name. */
int share_create_unnamed(struct share *share, struct share_node *parent,
                         const struct share_caller *caller, u32 mode, u32 flags,
                         struct share_node **found, struct share_attr *attr, u64 *handle_id);
int share_close(struct share *share, u64 handle_id);
/* The file is what it was when this was last asked about it; when in doubt it is not. */
bool share_is_unchanged(struct share *share, struct share_node *node);

/* The handle, held until share_put_handle; NULL: no such number, or another file's. */
struct share_handle *share_get_handle(struct share *share, u64 handle_id,
                                      const struct share_node *node);
void share_put_handle(struct share *share, struct share_handle *handle);
int share_handle_fd(const struct share_handle *handle); /* or a negative errno */

/* Entries from `offset` on, which is 0 or an entry's own; `take` returns false when it has no room
 * for one, which is then told again the next time. */
struct share_entry {
    u64 ino, next_offset;
    u32 type; /* DT_* */
    const char *name;
};
int share_read_dir(struct share *share, struct share_handle *handle, u64 offset,
                   bool (*take)(void *opaque, const struct share_entry *entry), void *opaque);

enum {
    SHARE_WRITE_KILL_SUID = 1, /* set-user-id bits go, as they do for an ordinary user */
    SHARE_WRITE_IN_PLACE = 2,  /* at the offset, though the file was opened for appending */
};
ssize_t share_write(struct share *share, struct share_handle *handle, const struct iovec *vector,
                    unsigned count, u64 offset, u32 how);

/* ---- Saved state: nodes and handles by their names; no descriptors ---- */

void share_save(struct share *share, struct state_writer *writer);
bool share_load(struct share *share, struct state_reader *reader, struct metic_error *error);

#endif
