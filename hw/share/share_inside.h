/* The inside of a share, for hw/share/share*.c only. */
#ifndef METIC_HW_SHARE_SHARE_INSIDE_H
#define METIC_HW_SHARE_SHARE_INSIDE_H

#include "hw/share/share.h"

#include <pthread.h>

enum {
    SHARE_HASH_FIRST = 1024,  /* buckets, to begin with */
    SHARE_MAX_NODES = 1 << 22,
    SHARE_MAX_HANDLES = 1 << 16,
    SHARE_MAX_DEPTH = 4096,   /* folders in one another; deeper ones cannot be found again */
};

/* Which file it is. */
struct share_key {
    u64 dev, ino;
    s64 birth_s; /* 0 where the file system does not say */
    u32 birth_ns;
    u32 type;    /* of st_mode */
};

/* What tells one state of a file from another. */
struct share_seen {
    u64 size_bytes;
    s64 mtime_s, ctime_s;
    u32 mtime_ns, ctime_ns;
};

struct share_node {
    u64 id;
    struct share_key key;
    struct share_node *parent; /* NULL: the root, or a file that has no name */
    char *name;                /* heap; NULL with the parent */
    u64 lookups;               /* that the guest was told of */
    u32 children, handles, busy;
    int fd;                    /* O_PATH, or -1 */
    u32 fd_users;
    bool pinned;               /* fd stays: nothing else leads to the file */
    bool lost;                 /* it was pinned in another process: nothing leads to it */
    bool on_submount;
    bool seen_settled;         /* and old enough that a later change would show */
    struct share_seen seen;    /* when the guest last opened it */
    struct share_node *id_next, *key_next;    /* in the tables */
    struct share_node *lru_next, *lru_previous; /* of open descriptors that may be closed */
};

struct share_handle {
    u64 id;
    struct share_node *node; /* counted in its handles */
    int fd;                  /* or -1: it could not be opened again after a restore */
    u32 flags;
    u32 busy;
    bool closing;
    bool is_dir;
    pthread_mutex_t lock;    /* of a folder, around: */
    u8 *entries;             /* what the host told at once, heap; from entries_at on to tell */
    u32 entries_at, entries_bytes;
    u64 position;            /* the offset of the next of them, or of what comes after them */
};

struct share_table {
    struct share_node **by_id, **by_key;
    u32 bucket_count; /* a power of two */
    u32 count;
};

struct share {
    struct share_options options;
    int root_fd, proc_fd;
    u64 root_dev;
    uid_t host_uid;
    gid_t host_gid;
    /* A rename or removal holds it for writing; whoever goes by names, for reading. */
    pthread_rwlock_t names;
    pthread_mutex_t lock; /* around all below; never held while the host works */
    struct share_table nodes;
    struct share_node *root;
    u64 next_node_id;
    struct share_node lru; /* head of a ring; lru.lru_next was used last */
    u32 open_fds, fd_budget, pinned_count;
    struct share_handle **handles; /* by slot */
    u32 handle_slots, next_slot;
    u32 handle_count;
    u32 next_generation;
};

/* share_node.c */
bool share_nodes_init(struct share *share);
void share_nodes_fini(struct share *share);
/* The file of `key` at `name`: the node it is already, or a new one. Held. The lock and `names`
 * are not held. Takes over `fd` (or -1). */
int share_node_add(struct share *share, struct share_node *parent, const char *name,
                   const struct share_key *key, bool on_submount, int fd,
                   struct share_node **found);
/* A descriptor of the node's, good until share_fd_done; `names` is held. */
int share_fd(struct share *share, struct share_node *node);
void share_fd_done(struct share *share, struct share_node *node);
/* Has the descriptor stay open, `names` being held. False: there are too many of those, or nothing
 * leads to the file, or it stays open already. */
bool share_pin(struct share *share, struct share_node *node);
void share_unpin(struct share *share, struct share_node *node);
/* The known node of this key, held, or NULL. */
struct share_node *share_find_key(struct share *share, const struct share_key *key);
void share_set_name(struct share *share, struct share_node *node, struct share_node *parent,
                    const char *name);
struct share_node *share_node_restore(struct share *share, u64 id, const struct share_key *key,
                                      u64 lookups);
void share_node_drop(struct share *share, struct share_node *node); /* lock held */

/* share_attr.c */
int share_stat(struct share *share, int fd, const char *name, struct share_key *key,
               struct share_attr *attr);
u32 share_attr_uid(const struct share *share, uid_t uid);
u32 share_attr_gid(const struct share *share, gid_t gid);
int share_own(struct share *share, int fd, const struct share_caller *caller, u32 mode, u32 rdev);
bool share_key_equal(const struct share_key *a, const struct share_key *b);

/* share.c */
bool share_name_is_ok(const char *name);
int share_proc_open(struct share *share, int fd, int flags);
void share_proc_path(const struct share *share, int fd, char path[32]);

/* share_handle.c */
int share_handle_add(struct share *share, struct share_node *node, int fd, u32 flags, u64 *id);
void share_handles_clear(struct share *share);
/* A handle with a given number; `stale` counts those whose file is not found again. */
bool share_handle_restore(struct share *share, struct share_node *node, u64 id, u32 flags,
                          u32 *stale);
int share_host_flags(const struct share *share, u32 flags);

#endif
