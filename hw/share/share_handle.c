/* Open files and folders. See share.h. */
#include "hw/share/share_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    HANDLE_SLOT_BITS = 16,
    HANDLE_FIRST_SLOTS = 64,
    HANDLE_DIR_BYTES = 32768,
};

_Static_assert(SHARE_MAX_HANDLES == 1 << HANDLE_SLOT_BITS, "a slot fits into a number");

/* What the host's open is asked for: never O_CREAT, O_DIRECT, O_ASYNC and so on. Nor O_APPEND: the
 * guest's kernel writes back pages of a mapped file through whichever handle it has, and these go
 * to their own place; share_write appends. */
int share_host_flags(const struct share *share, u32 flags)
{
    u32 kept = O_ACCMODE | O_TRUNC | O_SYNC;
    (void)share;
    return (int)(flags & kept);
}

int share_handle_fd(const struct share_handle *handle)
{
    return handle->fd >= 0 ? handle->fd : -ESTALE;
}

static bool share_grow_slots(struct share *share, u32 slots)
{
    if (slots > SHARE_MAX_HANDLES) {
        return false;
    }
    struct share_handle **grown = realloc(share->handles, slots * sizeof(struct share_handle *));
    if (grown == NULL) {
        return false;
    }
    memset(grown + share->handle_slots, 0,
           (slots - share->handle_slots) * sizeof(struct share_handle *));
    share->handles = grown;
    share->handle_slots = slots;
    return true;
}

/* The lock is held. An empty slot, or SHARE_MAX_HANDLES. */
static u32 share_free_slot(struct share *share)
{
    for (u32 i = 0; i < share->handle_slots; i++) {
        u32 slot = (share->next_slot + i) % share->handle_slots;
        if (share->handles[slot] == NULL) {
            share->next_slot = slot + 1;
            return slot;
        }
    }
    u32 slots = share->handle_slots != 0 ? 2 * share->handle_slots : HANDLE_FIRST_SLOTS;
    u32 slot = share->handle_slots;
    if (share->handle_count >= share->fd_budget || !share_grow_slots(share, slots)) {
        return SHARE_MAX_HANDLES;
    }
    share->next_slot = slot + 1;
    return slot;
}

static struct share_handle *share_handle_new(struct share_node *node, int fd, u32 flags)
{
    struct share_handle *handle = calloc(1, sizeof(*handle));
    if (handle != NULL) {
        handle->node = node;
        handle->fd = fd;
        handle->flags = flags & ~(u32)(O_TRUNC | O_CREAT | O_EXCL);
        handle->is_dir = node->key.type == S_IFDIR;
        pthread_mutex_init(&handle->lock, NULL);
    }
    return handle;
}

static void share_handle_free(struct share_handle *handle)
{
    if (handle->fd >= 0) {
        close(handle->fd);
    }
    free(handle->entries);
    pthread_mutex_destroy(&handle->lock);
    free(handle);
}

int share_handle_add(struct share *share, struct share_node *node, int fd, u32 flags, u64 *id)
{
    struct share_handle *handle = share_handle_new(node, fd, flags);
    pthread_mutex_lock(&share->lock);
    u32 slot = handle != NULL ? share_free_slot(share) : SHARE_MAX_HANDLES;
    if (slot < SHARE_MAX_HANDLES) {
        handle->id = (u64)share->next_generation++ << HANDLE_SLOT_BITS | slot;
        share->handles[slot] = handle;
        share->handle_count++;
        node->handles++;
        *id = handle->id;
    }
    pthread_mutex_unlock(&share->lock);
    if (slot < SHARE_MAX_HANDLES) {
        return 0;
    }
    if (handle != NULL) {
        share_handle_free(handle);
    } else {
        close(fd);
    }
    return handle != NULL ? -ENFILE : -ENOMEM;
}

int share_open(struct share *share, struct share_node *node, u32 flags, u64 *handle_id)
{
    bool is_dir = node->key.type == S_IFDIR;
    bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
    if (!is_dir && node->key.type != S_IFREG) {
        return -ENXIO; /* the guest's own kernel knows devices, pipes and sockets */
    }
    if (is_dir && writes) {
        return -EISDIR;
    }
    if (writes && share->options.read_only) {
        return -EROFS;
    }
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, node);
    int opened = fd;
    if (fd >= 0) {
        opened = share_proc_open(share, fd, is_dir ? O_RDONLY | O_DIRECTORY
                                                   : share_host_flags(share, flags));
        share_fd_done(share, node);
    }
    pthread_rwlock_unlock(&share->names);
    return opened < 0 ? opened : share_handle_add(share, node, opened, flags, handle_id);
}

struct share_handle *share_get_handle(struct share *share, u64 handle_id,
                                      const struct share_node *node)
{
    u32 slot = (u32)(handle_id & (SHARE_MAX_HANDLES - 1));
    pthread_mutex_lock(&share->lock);
    struct share_handle *handle = slot < share->handle_slots ? share->handles[slot] : NULL;
    if (handle != NULL && handle->id == handle_id && handle->node == node && !handle->closing) {
        handle->busy++;
    } else {
        handle = NULL;
    }
    pthread_mutex_unlock(&share->lock);
    return handle;
}

/* The lock is held. Who holds a handle that is being closed frees it. */
static bool share_handle_leave(struct share *share, struct share_handle *handle)
{
    if (!handle->closing || handle->busy > 0) {
        return false;
    }
    share->handles[handle->id & (SHARE_MAX_HANDLES - 1)] = NULL;
    share->handle_count--;
    handle->node->handles--;
    share_node_drop(share, handle->node);
    return true;
}

void share_put_handle(struct share *share, struct share_handle *handle)
{
    if (handle == NULL) {
        return;
    }
    pthread_mutex_lock(&share->lock);
    handle->busy--;
    bool last = share_handle_leave(share, handle);
    pthread_mutex_unlock(&share->lock);
    if (last) {
        share_handle_free(handle);
    }
}

int share_close(struct share *share, u64 handle_id)
{
    u32 slot = (u32)(handle_id & (SHARE_MAX_HANDLES - 1));
    pthread_mutex_lock(&share->lock);
    struct share_handle *handle = slot < share->handle_slots ? share->handles[slot] : NULL;
    if (handle == NULL || handle->id != handle_id || handle->closing) {
        pthread_mutex_unlock(&share->lock);
        return -EBADF;
    }
    handle->closing = true;
    bool last = share_handle_leave(share, handle);
    pthread_mutex_unlock(&share->lock);
    if (last) {
        share_handle_free(handle);
    }
    return 0;
}

bool share_handle_restore(struct share *share, struct share_node *node, u64 id, u32 flags,
                          u32 *stale)
{
    u32 slot = (u32)(id & (SHARE_MAX_HANDLES - 1));
    while (slot >= share->handle_slots) {
        u32 slots = share->handle_slots != 0 ? 2 * share->handle_slots : HANDLE_FIRST_SLOTS;
        if (!share_grow_slots(share, slots)) {
            return false;
        }
    }
    if (share->handles[slot] != NULL) {
        return false;
    }
    pthread_rwlock_rdlock(&share->names);
    int fd = share_fd(share, node);
    int opened = -1;
    if (fd >= 0) {
        bool is_dir = node->key.type == S_IFDIR;
        opened = share_proc_open(share, fd, is_dir ? O_RDONLY | O_DIRECTORY
                                                   : share_host_flags(share, flags));
        share_fd_done(share, node);
    }
    pthread_rwlock_unlock(&share->names);
    struct share_handle *handle = share_handle_new(node, opened < 0 ? -1 : opened, flags);
    if (handle == NULL) {
        return false;
    }
    *stale += handle->fd < 0 ? 1 : 0;
    handle->id = id;
    share->handles[slot] = handle;
    share->handle_count++;
    node->handles++;
    return true;
}

/* Nobody is at work. */
void share_handles_clear(struct share *share)
{
    for (u32 i = 0; i < share->handle_slots; i++) {
        if (share->handles[i] != NULL) {
            share->handles[i]->node->handles--;
            share_handle_free(share->handles[i]);
            share->handles[i] = NULL;
        }
    }
    share->handle_count = 0;
}

/* ---- Folders ---- */

/* As getdents64 gives it. */
struct share_dirent {
    u64 ino;
    u64 next_offset;
    u16 size_bytes;
    u8 type;
    char name[];
};

/* Makes the entry at handle->position the one at entries_at. False: there is none, or an error. */
static int share_refill(struct share_handle *handle, u64 offset)
{
    int fd = share_handle_fd(handle);
    if (fd < 0) {
        return fd;
    }
    if (handle->entries == NULL) {
        handle->entries = malloc(HANDLE_DIR_BYTES);
        handle->position = 0;
        if (handle->entries == NULL) {
            return -ENOMEM;
        }
    }
    bool at_once = offset == handle->position && offset != 0;
    if (at_once && handle->entries_at < handle->entries_bytes) {
        return 1;
    }
    if (!at_once && lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        return -errno;
    }
    long got = syscall(SYS_getdents64, fd, handle->entries, HANDLE_DIR_BYTES);
    handle->entries_at = 0;
    handle->entries_bytes = got > 0 ? (u32)got : 0;
    handle->position = offset;
    return got > 0 ? 1 : got == 0 ? 0 : -errno;
}

int share_read_dir(struct share *share, struct share_handle *handle, u64 offset,
                   bool (*take)(void *opaque, const struct share_entry *entry), void *opaque)
{
    int more;
    (void)share;
    if (!handle->is_dir || offset > INT64_MAX) {
        return handle->is_dir ? -EINVAL : -ENOTDIR;
    }
    pthread_mutex_lock(&handle->lock);
    while ((more = share_refill(handle, offset)) > 0) {
        const struct share_dirent *host = (const void *)(handle->entries + handle->entries_at);
        struct share_entry entry = {host->ino, host->next_offset, host->type, host->name};
        if (!take(opaque, &entry)) {
            more = 0;
            break;
        }
        handle->entries_at += host->size_bytes;
        handle->position = offset = host->next_offset;
    }
    pthread_mutex_unlock(&handle->lock);
    return more;
}
