/* The files that the guest knows, and the descriptors that lead to them. See share.h. */
#include "hw/share/share_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Tables; the lock is held in all of these ---- */

static u64 share_mix(u64 value)
{
    value *= 0x9e3779b97f4a7c15u;
    return value ^ value >> 32;
}

static struct share_node **share_id_bucket(struct share *share, u64 id)
{
    return &share->nodes.by_id[share_mix(id) & (share->nodes.bucket_count - 1)];
}

static struct share_node **share_key_bucket(struct share *share, const struct share_key *key)
{
    u64 hash = share_mix(key->ino ^ share_mix(key->dev));
    return &share->nodes.by_key[hash & (share->nodes.bucket_count - 1)];
}

static struct share_node *share_find_id(struct share *share, u64 id)
{
    struct share_node *node = *share_id_bucket(share, id);
    while (node != NULL && node->id != id) {
        node = node->id_next;
    }
    return node;
}

static struct share_node *share_find(struct share *share, const struct share_key *key)
{
    struct share_node *node = *share_key_bucket(share, key);
    while (node != NULL && !share_key_equal(&node->key, key)) {
        node = node->key_next;
    }
    return node;
}

static void share_insert(struct share *share, struct share_node *node)
{
    struct share_node **by_id = share_id_bucket(share, node->id);
    struct share_node **by_key = share_key_bucket(share, &node->key);
    node->id_next = *by_id;
    *by_id = node;
    node->key_next = *by_key;
    *by_key = node;
    share->nodes.count++;
}

static void share_extract(struct share *share, struct share_node *node)
{
    struct share_node **link = share_id_bucket(share, node->id);
    while (*link != node) {
        link = &(*link)->id_next;
    }
    *link = node->id_next;
    link = share_key_bucket(share, &node->key);
    while (*link != node) {
        link = &(*link)->key_next;
    }
    *link = node->key_next;
    share->nodes.count--;
}

/* Calls `visit` for every node, which may free it. */
static void share_each(struct share *share, void (*visit)(struct share *, struct share_node *))
{
    for (u32 i = 0; i < share->nodes.bucket_count; i++) {
        struct share_node *node = share->nodes.by_id[i];
        while (node != NULL) {
            struct share_node *next = node->id_next;
            visit(share, node);
            node = next;
        }
    }
}

static bool share_resize(struct share *share, u32 bucket_count)
{
    struct share_table old = share->nodes;
    struct share_node **by_id = calloc(bucket_count, sizeof(*by_id));
    struct share_node **by_key = calloc(bucket_count, sizeof(*by_key));
    if (by_id == NULL || by_key == NULL) {
        free(by_id);
        free(by_key);
        return old.bucket_count != 0; /* it goes on with longer chains */
    }
    share->nodes = (struct share_table){by_id, by_key, bucket_count, 0};
    for (u32 i = 0; i < old.bucket_count; i++) {
        for (struct share_node *node = old.by_id[i], *next; node != NULL; node = next) {
            next = node->id_next;
            share_insert(share, node);
        }
    }
    free(old.by_id);
    free(old.by_key);
    return true;
}

/* ---- Descriptors ---- */

static void share_lru_remove(struct share_node *node)
{
    if (node->lru_next != NULL) {
        node->lru_next->lru_previous = node->lru_previous;
        node->lru_previous->lru_next = node->lru_next;
        node->lru_next = node->lru_previous = NULL;
    }
}

static void share_lru_touch(struct share *share, struct share_node *node)
{
    share_lru_remove(node);
    if (!node->pinned) {
        node->lru_next = share->lru.lru_next;
        node->lru_previous = &share->lru;
        share->lru.lru_next->lru_previous = node;
        share->lru.lru_next = node;
    }
}

static void share_close_fd(struct share *share, struct share_node *node)
{
    share_lru_remove(node);
    if (node->fd >= 0) {
        close(node->fd);
        node->fd = -1;
        share->open_fds--;
    }
}

/* The lock is held. What is in use or pinned stays. */
static void share_evict(struct share *share)
{
    struct share_node *node = share->lru.lru_previous;
    while (share->open_fds > share->fd_budget && node != &share->lru) {
        struct share_node *before = node->lru_previous;
        if (node->fd_users == 0) {
            share_close_fd(share, node);
        }
        node = before;
    }
}

/* The lock is held; takes the descriptor over. */
static void share_give_fd(struct share *share, struct share_node *node, int fd)
{
    if (node->fd >= 0) {
        close(fd);
        return;
    }
    node->fd = fd;
    share->open_fds++;
    share_lru_touch(share, node);
    share_evict(share);
}

/* The node nearest to the root on the way to `node` that has no descriptor; its parent has one.
 * NULL: nothing leads there. The lock is held. */
static struct share_node *share_first_closed(struct share_node *node)
{
    for (unsigned depth = 0; depth < SHARE_MAX_DEPTH; depth++) {
        if (node->parent == NULL || node->lost) {
            return NULL;
        }
        if (node->parent->fd >= 0) {
            return node;
        }
        node = node->parent;
    }
    return NULL;
}

/* A descriptor of what the parent's folder has under the node's name, if that is the same file. */
static int share_open_by_name(struct share *share, int parent_fd, const struct share_node *node)
{
    struct share_key key;
    int fd = openat(parent_fd, node->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? -ESTALE : -errno;
    }
    int reason = share_stat(share, fd, "", &key, NULL);
    if (reason == 0 && !share_key_equal(&key, &node->key)) {
        reason = -ESTALE;
    }
    if (reason != 0) {
        close(fd);
    }
    return reason != 0 ? reason : fd;
}

int share_fd(struct share *share, struct share_node *node)
{
    pthread_mutex_lock(&share->lock);
    while (node->fd < 0) {
        struct share_node *closed = share_first_closed(node);
        if (closed == NULL) {
            pthread_mutex_unlock(&share->lock);
            return -ESTALE;
        }
        struct share_node *parent = closed->parent;
        parent->fd_users++;
        pthread_mutex_unlock(&share->lock);
        int fd = share_open_by_name(share, parent->fd, closed);
        pthread_mutex_lock(&share->lock);
        parent->fd_users--;
        if (fd < 0) {
            pthread_mutex_unlock(&share->lock);
            return fd;
        }
        closed->fd_users++; /* not to be closed at once, when there are very many */
        share_give_fd(share, closed, fd);
        closed->fd_users--;
    }
    node->fd_users++;
    share_lru_touch(share, node);
    int fd = node->fd;
    pthread_mutex_unlock(&share->lock);
    return fd;
}

void share_fd_done(struct share *share, struct share_node *node)
{
    pthread_mutex_lock(&share->lock);
    node->fd_users--;
    share_evict(share);
    pthread_mutex_unlock(&share->lock);
}

void share_unpin(struct share *share, struct share_node *node)
{
    pthread_mutex_lock(&share->lock);
    if (node->pinned && node != share->root) {
        node->pinned = false;
        share->pinned_count--;
        share_lru_touch(share, node);
    }
    pthread_mutex_unlock(&share->lock);
}

bool share_pin(struct share *share, struct share_node *node)
{
    if (share_fd(share, node) < 0) {
        return false;
    }
    pthread_mutex_lock(&share->lock);
    node->fd_users--;
    bool may = !node->pinned && share->pinned_count < share->fd_budget / 2;
    if (may) {
        node->pinned = true;
        share->pinned_count++;
        share_lru_remove(node);
    }
    pthread_mutex_unlock(&share->lock);
    return may;
}

/* ---- Nodes ---- */

static void share_node_free(struct share *share, struct share_node *node)
{
    share->pinned_count -= node->pinned ? 1 : 0;
    share_close_fd(share, node);
    free(node->name);
    free(node);
}

/* Frees the node, and its parents, as far as nobody needs them. */
void share_node_drop(struct share *share, struct share_node *node)
{
    while (node != NULL && node != share->root && node->lookups == 0 && node->busy == 0 &&
           node->children == 0 && node->handles == 0) {
        struct share_node *parent = node->parent;
        share_extract(share, node);
        share_node_free(share, node);
        if (parent != NULL) {
            parent->children--;
        }
        node = parent;
    }
}

struct share_node *share_get(struct share *share, u64 id)
{
    pthread_mutex_lock(&share->lock);
    struct share_node *node = share_find_id(share, id);
    if (node != NULL) {
        node->busy++;
    }
    pthread_mutex_unlock(&share->lock);
    return node;
}

void share_put(struct share *share, struct share_node *node)
{
    if (node == NULL) {
        return;
    }
    pthread_mutex_lock(&share->lock);
    node->busy--;
    share_node_drop(share, node);
    pthread_mutex_unlock(&share->lock);
}

struct share_node *share_find_key(struct share *share, const struct share_key *key)
{
    pthread_mutex_lock(&share->lock);
    struct share_node *node = share_find(share, key);
    if (node != NULL) {
        node->busy++;
    }
    pthread_mutex_unlock(&share->lock);
    return node;
}

u64 share_node_id(const struct share_node *node)
{
    return node->id;
}

u32 share_node_type(const struct share_node *node)
{
    return node->key.type;
}

int share_get_place(struct share *share, struct share_node *node, struct share_node **parent,
                    char name[SHARE_NAME_MAX_BYTES + 1])
{
    pthread_rwlock_rdlock(&share->names);
    pthread_mutex_lock(&share->lock);
    *parent = node->lost ? NULL : node->parent;
    if (*parent != NULL) {
        (*parent)->busy++;
        strcpy(name, node->name); /* a name that was looked up is no longer */
    }
    pthread_mutex_unlock(&share->lock);
    pthread_rwlock_unlock(&share->names);
    return *parent != NULL ? 0 : -ESTALE;
}

void share_remember(struct share *share, struct share_node *node)
{
    pthread_mutex_lock(&share->lock);
    node->lookups++;
    pthread_mutex_unlock(&share->lock);
}

void share_forget(struct share *share, u64 id, u64 count)
{
    pthread_mutex_lock(&share->lock);
    struct share_node *node = share_find_id(share, id);
    if (node != NULL) {
        node->lookups -= count < node->lookups ? count : node->lookups;
        share_node_drop(share, node);
    }
    pthread_mutex_unlock(&share->lock);
}

/* Whether `node` is on the way from the root to `below`. */
static bool share_leads_to(const struct share_node *node, const struct share_node *below)
{
    for (unsigned depth = 0; below != NULL && depth < SHARE_MAX_DEPTH; depth++) {
        if (below == node) {
            return true;
        }
        below = below->parent;
    }
    return below != NULL; /* too deep to tell */
}

/* `names` is held for writing, or nobody else knows the node. A parent of NULL: it has no name any
 * more. When a name cannot be had the old one stays, and may prove stale. */
void share_set_name(struct share *share, struct share_node *node, struct share_node *parent,
                    const char *name)
{
    char *copy = parent != NULL ? strdup(name) : NULL;
    pthread_mutex_lock(&share->lock);
    if (node == share->root || (parent != NULL && (copy == NULL || share_leads_to(node, parent)))) {
        free(copy);
        pthread_mutex_unlock(&share->lock);
        return;
    }
    struct share_node *old = node->parent;
    free(node->name);
    node->name = copy;
    node->parent = parent;
    if (parent != NULL) {
        parent->children++;
        node->lost = false;
    }
    if (old != NULL) {
        old->children--;
        share_node_drop(share, old);
    }
    pthread_mutex_unlock(&share->lock);
}

static struct share_node *share_node_new(struct share *share, u64 id, const struct share_key *key)
{
    struct share_node *node = calloc(1, sizeof(*node));
    if (node != NULL) {
        node->id = id;
        node->key = *key;
        node->fd = -1;
        share_insert(share, node);
    }
    return node;
}

int share_node_add(struct share *share, struct share_node *parent, const char *name,
                   const struct share_key *key, bool on_submount, int fd,
                   struct share_node **found)
{
    pthread_mutex_lock(&share->lock);
    struct share_node *node = share_find(share, key);
    bool known = node != NULL;
    if (!known && share->nodes.count < SHARE_MAX_NODES) {
        if (share->nodes.count > 2 * share->nodes.bucket_count) {
            share_resize(share, 4 * share->nodes.bucket_count);
        }
        node = share_node_new(share, share->next_node_id++, key);
    }
    if (node == NULL) {
        pthread_mutex_unlock(&share->lock);
        if (fd >= 0) {
            close(fd);
        }
        return -ENOMEM;
    }
    node->busy++;
    node->lookups++;
    node->on_submount = on_submount;
    if (fd >= 0) {
        share_give_fd(share, node, fd);
    }
    bool named = known && node->parent == parent && node->name != NULL && name != NULL &&
                 strcmp(node->name, name) == 0;
    pthread_mutex_unlock(&share->lock);
    if (!named && name != NULL) {
        pthread_rwlock_wrlock(&share->names);
        share_set_name(share, node, parent, name);
        pthread_rwlock_unlock(&share->names);
    }
    *found = node;
    return 0;
}

struct share_node *share_node_restore(struct share *share, u64 id, const struct share_key *key,
                                      u64 lookups)
{
    if (id >= share->next_node_id || share_find_id(share, id) != NULL ||
        share->nodes.count >= SHARE_MAX_NODES) {
        return NULL;
    }
    struct share_node *node = share_node_new(share, id, key);
    if (node != NULL) {
        node->lookups = lookups;
    }
    return node;
}

/* ---- Life ---- */

static bool share_make_root(struct share *share)
{
    struct share_key key;
    if (share_stat(share, share->root_fd, "", &key, NULL) != 0) {
        return false;
    }
    share->root_dev = key.dev;
    share->root = share_node_new(share, SHARE_ROOT_ID, &key);
    if (share->root == NULL) {
        return false;
    }
    share->root->fd = share->root_fd;
    share->root->pinned = true;
    return true;
}

bool share_nodes_init(struct share *share)
{
    share->next_node_id = SHARE_ROOT_ID + 1;
    return share_resize(share, SHARE_HASH_FIRST) && share_make_root(share);
}

static void share_free_any(struct share *share, struct share_node *node)
{
    if (node != share->root) {
        share_node_free(share, node);
    }
}

static void share_free_all(struct share *share)
{
    share_each(share, share_free_any);
    memset(share->nodes.by_id, 0, share->nodes.bucket_count * sizeof(*share->nodes.by_id));
    memset(share->nodes.by_key, 0, share->nodes.bucket_count * sizeof(*share->nodes.by_key));
    share->nodes.count = 0;
}

void share_nodes_fini(struct share *share)
{
    if (share->nodes.by_id != NULL) {
        share_free_all(share);
    }
    free(share->root);
    free(share->nodes.by_id);
    free(share->nodes.by_key);
}

void share_clear(struct share *share)
{
    share_handles_clear(share);
    pthread_mutex_lock(&share->lock);
    share_free_all(share);
    share->root->lookups = 0;
    share->root->children = 0;
    share->root->busy = 0;
    share->root->handles = 0;
    share_insert(share, share->root);
    pthread_mutex_unlock(&share->lock);
}
