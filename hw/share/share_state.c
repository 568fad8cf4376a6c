/* Saving a share: which files the guest knows and has open, by their names. Nothing of their
 * contents is saved, as nothing of a network's other end is: the folder is the host's. What cannot
 * be found again when the state is loaded, because the file was deleted, replaced or belongs to
 * another folder, is a stale file to the guest (ESTALE). */
#include "hw/share/share_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { SAVED_ON_SUBMOUNT = 1 };

static void share_save_node(struct state_writer *writer, const struct share_node *node)
{
    u32 name_bytes = node->name != NULL ? (u32)strlen(node->name) : 0;
    state_write_u64(writer, node->id);
    state_write_u64(writer, node->parent != NULL ? node->parent->id : 0);
    state_write_u64(writer, node->key.dev);
    state_write_u64(writer, node->key.ino);
    state_write_u64(writer, (u64)node->key.birth_s);
    state_write_u32(writer, node->key.birth_ns);
    state_write_u32(writer, node->key.type);
    state_write_u64(writer, node->lookups);
    state_write_u32(writer, node->on_submount ? SAVED_ON_SUBMOUNT : 0);
    state_write_u32(writer, name_bytes);
    state_write_bytes(writer, node->name, name_bytes);
}

void share_save(struct share *share, struct state_writer *writer)
{
    u32 nameless = 0;
    pthread_mutex_lock(&share->lock);
    state_write_u64(writer, share->next_node_id);
    state_write_u64(writer, share->root->lookups);
    state_write_u32(writer, share->next_generation);
    state_write_u32(writer, share->nodes.count - 1);
    for (u32 i = 0; i < share->nodes.bucket_count; i++) {
        for (struct share_node *node = share->nodes.by_id[i]; node != NULL; node = node->id_next) {
            if (node != share->root) {
                share_save_node(writer, node);
                nameless += node->parent == NULL && node->handles > 0 ? 1 : 0;
            }
        }
    }
    state_write_u32(writer, share->handle_count);
    for (u32 i = 0; i < share->handle_slots; i++) {
        const struct share_handle *handle = share->handles[i];
        if (handle != NULL) {
            state_write_u64(writer, handle->id);
            state_write_u64(writer, handle->node->id);
            state_write_u32(writer, handle->flags);
        }
    }
    pthread_mutex_unlock(&share->lock);
    if (nameless > 0) {
        log_print(share->options.log, LOG_WARN,
                  "share %s: %u files that are open and deleted are not in the saved state; where "
                  "it is loaded the guest finds them stale", share->options.path, nameless);
    }
}

/* A node as saved; its name is linked when all are there. */
struct share_saved_node {
    struct share_node *node;
    u64 parent_id;
    char name[SHARE_NAME_MAX_BYTES + 1];
};

static bool share_load_node(struct share *share, struct state_reader *reader,
                            struct share_saved_node *saved)
{
    u64 id, birth_s, lookups;
    u32 flags, name_bytes;
    struct share_key key = {0};
    bool ok = state_read_u64(reader, &id) && state_read_u64(reader, &saved->parent_id) &&
              state_read_u64(reader, &key.dev) && state_read_u64(reader, &key.ino) &&
              state_read_u64(reader, &birth_s) && state_read_u32(reader, &key.birth_ns) &&
              state_read_u32(reader, &key.type) && state_read_u64(reader, &lookups) &&
              state_read_u32(reader, &flags) && state_read_u32(reader, &name_bytes) &&
              name_bytes <= SHARE_NAME_MAX_BYTES &&
              state_read_bytes(reader, saved->name, name_bytes);
    if (!ok) {
        return false;
    }
    saved->name[name_bytes] = '\0';
    key.birth_s = (s64)birth_s;
    if (saved->parent_id != 0 &&
        (!share_name_is_ok(saved->name) || strlen(saved->name) != name_bytes)) {
        return false;
    }
    saved->node = share_node_restore(share, id, &key, lookups);
    if (saved->node != NULL) {
        saved->node->on_submount = (flags & SAVED_ON_SUBMOUNT) != 0;
        saved->node->lost = saved->parent_id == 0;
        saved->node->busy = 1; /* until its name is linked */
    }
    return saved->node != NULL;
}

/* Puts the names in, and lets go of what nothing holds. */
static bool share_link_nodes(struct share *share, struct share_saved_node *saved, u32 count)
{
    bool ok = true;
    for (u32 i = 0; i < count; i++) {
        if (saved[i].parent_id != 0) {
            struct share_node *parent = share_get(share, saved[i].parent_id);
            ok = ok && parent != NULL;
            if (parent != NULL) {
                share_set_name(share, saved[i].node, parent, saved[i].name);
                share_put(share, parent);
            }
        }
    }
    for (u32 i = 0; i < count; i++) {
        share_put(share, saved[i].node);
    }
    return ok;
}

static bool share_load_nodes(struct share *share, struct state_reader *reader)
{
    u32 count;
    if (!state_read_u64(reader, &share->next_node_id) || share->next_node_id <= SHARE_ROOT_ID ||
        !state_read_u64(reader, &share->root->lookups) ||
        !state_read_u32(reader, &share->next_generation) || !state_read_u32(reader, &count) ||
        count > SHARE_MAX_NODES || count > reader->size_bytes / 60) {
        return false;
    }
    struct share_saved_node *saved = calloc((size_t)count + 1, sizeof(*saved));
    if (saved == NULL) {
        return false;
    }
    u32 loaded = 0;
    while (loaded < count && share_load_node(share, reader, &saved[loaded])) {
        loaded++;
    }
    bool ok = share_link_nodes(share, saved, loaded) && loaded == count;
    free(saved);
    return ok;
}

/* Opens it again; a file that is not found again leaves a handle that answers ESTALE. */
static bool share_load_handle(struct share *share, struct state_reader *reader, u32 *stale)
{
    u64 id, node_id;
    u32 flags;
    if (!state_read_u64(reader, &id) || !state_read_u64(reader, &node_id) ||
        !state_read_u32(reader, &flags)) {
        return false;
    }
    struct share_node *node = share_get(share, node_id);
    bool fits = node != NULL && (node->key.type == S_IFREG || node->key.type == S_IFDIR) &&
                share_handle_restore(share, node, id, flags & ~(u32)O_TRUNC, stale);
    share_put(share, node);
    return fits;
}

static bool share_load_handles(struct share *share, struct state_reader *reader, u32 *stale)
{
    u32 count;
    bool ok = state_read_u32(reader, &count) && count <= SHARE_MAX_HANDLES;
    for (u32 i = 0; ok && i < count; i++) {
        ok = share_load_handle(share, reader, stale);
    }
    return ok;
}

bool share_load(struct share *share, struct state_reader *reader, struct metic_error *error)
{
    u32 stale = 0;
    share_clear(share);
    if (!share_load_nodes(share, reader) || !share_load_handles(share, reader, &stale)) {
        share_clear(share);
        return error_set(error, NULL, "the saved state of the shared folder %s is damaged",
                         share->options.path);
    }
    if (stale > 0) {
        log_print(share->options.log, LOG_WARN,
                  "share %s: %u files that the guest had open are not there any more",
                  share->options.path, stale);
    }
    return true;
}
