/* The driver's numbers for files, and how it comes by them and lets them go. See p9.h. */
#include "hw/share/p9_call.h"

enum {
    FID_FIRST_BUCKETS = 256,
    FID_MAX = 1 << 19,
    FID_XATTR_BYTES = 16 << 20, /* that all fids together may hold */
    FID_MAX_XATTR_BYTES = 64 << 10,
};

/* ---- The table; the lock is held in these ---- */

static struct p9_fid **fid_bucket(struct p9_server *server, u32 number)
{
    u32 hash = number * 0x9e3779b1u;
    return &server->fids[(hash ^ hash >> 16) & (server->bucket_count - 1)];
}

/* What leads to the fid, or to the end of its bucket; NULL: there is no table yet. */
static struct p9_fid **fid_link(struct p9_server *server, u32 number)
{
    if (server->fids == NULL) {
        return NULL;
    }
    struct p9_fid **link = fid_bucket(server, number);
    while (*link != NULL && (*link)->number != number) {
        link = &(*link)->next;
    }
    return link;
}

static struct p9_fid *fid_find(struct p9_server *server, u32 number)
{
    struct p9_fid **link = fid_link(server, number);
    return link != NULL ? *link : NULL;
}

static bool fid_resize(struct p9_server *server, u32 bucket_count)
{
    struct p9_fid **old = server->fids;
    u32 old_count = server->bucket_count;
    struct p9_fid **fids = calloc(bucket_count, sizeof(*fids));
    if (fids == NULL) {
        return old != NULL; /* it goes on with longer chains */
    }
    server->fids = fids;
    server->bucket_count = bucket_count;
    for (u32 i = 0; i < old_count; i++) {
        for (struct p9_fid *fid = old[i], *next; fid != NULL; fid = next) {
            struct p9_fid **bucket = fid_bucket(server, fid->number);
            next = fid->next;
            fid->next = *bucket;
            *bucket = fid;
        }
    }
    free(old);
    return true;
}

/* Puts a copy into the table. */
static int fid_insert(struct p9_server *server, const struct p9_fid *fid)
{
    if ((server->fids == NULL && !fid_resize(server, FID_FIRST_BUCKETS)) ||
        (server->fid_count > 2 * server->bucket_count &&
         !fid_resize(server, 4 * server->bucket_count))) {
        return -ENOMEM;
    }
    if (fid->number == P9_NO_FID || fid_find(server, fid->number) != NULL) {
        return -EBADF;
    }
    struct p9_fid *made = server->fid_count < FID_MAX ? malloc(sizeof(*made)) : NULL;
    if (made == NULL) {
        return -ENOMEM;
    }
    struct p9_fid **bucket = fid_bucket(server, fid->number);
    *made = *fid;
    made->version = server->next_version++;
    made->next = *bucket;
    *bucket = made;
    server->fid_count++;
    return 0;
}

/* ---- What the operations use ---- */

int p9_find(struct p9_call *call, u32 number, struct p9_fid *fid)
{
    struct p9_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    const struct p9_fid *found = fid_find(server, number);
    if (found != NULL) {
        *fid = *found;
    }
    pthread_mutex_unlock(&server->lock);
    return found != NULL ? 0 : -EBADF;
}

int p9_find_kind(struct p9_call *call, u32 number, enum p9_kind kind, struct p9_fid *fid)
{
    int reason = p9_find(call, number, fid);
    return reason != 0 ? reason : fid->kind == (u32)kind ? 0 : -EINVAL;
}

int p9_find_node(struct p9_call *call, u32 number, struct p9_fid *fid, struct share_node **node)
{
    int reason = p9_find(call, number, fid);
    *node = reason == 0 ? share_get(call->share, fid->node_id) : NULL;
    return reason != 0 ? reason : *node != NULL ? 0 : -ESTALE;
}

void p9_drop(struct p9_server *server, struct p9_fid *fid)
{
    if (fid->kind == P9_OPEN) {
        share_close(server->share, fid->handle_id);
    }
    if (fid->bytes != NULL) {
        pthread_mutex_lock(&server->lock);
        server->xattr_bytes -= fid->size_bytes;
        pthread_mutex_unlock(&server->lock);
    }
    free(fid->bytes);
    free(fid->name);
    share_forget(server->share, fid->node_id, 1);
}

int p9_add(struct p9_call *call, u32 number, struct p9_fid *fid)
{
    struct p9_server *server = call->server;
    fid->number = number;
    pthread_mutex_lock(&server->lock);
    int reason = fid_insert(server, fid);
    pthread_mutex_unlock(&server->lock);
    if (reason != 0) {
        p9_drop(server, fid);
    }
    return reason;
}

int p9_change(struct p9_call *call, const struct p9_fid *old, struct p9_fid *fid)
{
    struct p9_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    struct p9_fid *found = fid_find(server, old->number), before;
    bool same = found != NULL && found->version == old->version;
    if (same) {
        before = *found;
        fid->number = before.number;
        fid->next = before.next;
        fid->version = server->next_version++;
        *found = *fid;
    }
    pthread_mutex_unlock(&server->lock);
    p9_drop(server, same ? &before : fid);
    return same ? 0 : -EBADF;
}

int p9_take(struct p9_call *call, u32 number, struct p9_fid *fid)
{
    struct p9_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    struct p9_fid **link = fid_link(server, number);
    struct p9_fid *found = link != NULL ? *link : NULL;
    if (found != NULL) {
        *fid = *found;
        *link = found->next;
        server->fid_count--;
        free(found);
    }
    pthread_mutex_unlock(&server->lock);
    return found != NULL ? 0 : -EBADF;
}

u8 *p9_xattr_new(struct p9_call *call, u32 size_bytes)
{
    struct p9_server *server = call->server;
    u8 *bytes = NULL;
    pthread_mutex_lock(&server->lock);
    if (size_bytes <= FID_MAX_XATTR_BYTES && server->xattr_bytes + size_bytes <= FID_XATTR_BYTES) {
        bytes = calloc(1, (size_t)size_bytes + 1);
        server->xattr_bytes += bytes != NULL ? size_bytes : 0;
    }
    pthread_mutex_unlock(&server->lock);
    return bytes;
}

int p9_xattr_read(struct p9_call *call, u32 number, u64 offset, u32 count)
{
    struct p9_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    const struct p9_fid *fid = fid_find(server, number);
    bool fits = fid != NULL && fid->kind == P9_XATTR;
    if (fits) {
        u32 at = offset < fid->size_bytes ? (u32)offset : fid->size_bytes;
        u32 left = fid->size_bytes - at;
        count = count < left ? count : left;
        p9_put(call, count, 4);
        p9_put_bytes(call, fid->bytes + at, count);
    }
    pthread_mutex_unlock(&server->lock);
    return fits ? 0 : -EBADF;
}

/* The data is in the copied part of the request: an attribute is no larger than that. */
int p9_xattr_write(struct p9_call *call, u32 number, u64 offset, u32 count)
{
    struct p9_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    struct p9_fid *fid = fid_find(server, number);
    int reason = fid != NULL && fid->kind == P9_XATTR_MAKE ? 0 : -EBADF;
    if (reason == 0 && (count > call->in_bytes - call->at || offset > fid->size_bytes ||
                        count > fid->size_bytes - offset)) {
        reason = -ENOSPC;
    }
    if (reason == 0) {
        memcpy(fid->bytes + offset, call->in + call->at, count);
        u32 end = (u32)offset + count;
        fid->filled_bytes = fid->filled_bytes > end ? fid->filled_bytes : end;
        p9_put(call, count, 4);
    }
    pthread_mutex_unlock(&server->lock);
    return reason;
}

struct p9_fid p9_fid_of(struct p9_call *call, struct share_node *node, u32 uid)
{
    share_remember(call->share, node);
    return (struct p9_fid){.kind = P9_NAME, .node_id = share_node_id(node), .uid = uid};
}

/* ---- Walking, and letting go ---- */

/* One step; both nodes are held, and the one found has one lookup more. */
static int p9_step(struct p9_call *call, struct share_node *from, struct share_node **found,
                   struct share_attr *attr)
{
    char name[P9_NAME_BYTES];
    int reason = p9_get_name(call, name);
    if (reason != 0) {
        return reason;
    }
    if (strcmp(name, "..") != 0) {
        return share_lookup(call->share, from, name, found, attr);
    }
    reason = share_lookup_parent(call->share, from, found);
    if (reason == 0) {
        reason = share_get_attr(call->share, *found, NULL, attr);
    }
    if (reason != 0 && *found != NULL) {
        share_forget(call->share, share_node_id(*found), 1);
        share_put(call->share, *found);
    }
    return reason;
}

/* As many steps as can be done; *node is let go for the one they lead to. */
static int p9_steps(struct p9_call *call, u16 count, struct share_node **node, u16 *done)
{
    int reason = 0;
    p9_put(call, 0, 2);
    for (*done = 0; *done < count; (*done)++) {
        struct share_node *found = NULL;
        struct share_attr attr;
        reason = p9_step(call, *node, &found, &attr);
        if (reason != 0) {
            break;
        }
        share_forget(call->share, share_node_id(*node), 1);
        share_put(call->share, *node);
        *node = found;
        p9_put_qid(call, &attr);
    }
    st_le16(call->out + P9_HEAD_BYTES, *done);
    return reason;
}

/* A walk that ends early is no error when it has begun; the new fid is not made then. */
int p9_walk(struct p9_call *call)
{
    struct p9_fid fid, made;
    struct share_node *node;
    u32 number = p9_get_u32(call), new_number = p9_get_u32(call);
    u16 count = (u16)p9_get(call, 2), done;
    if (call->short_of || count > P9_MAX_WALK) {
        return -EINVAL;
    }
    int reason = p9_find_node(call, number, &fid, &node);
    if (reason != 0) {
        return reason;
    }
    if (new_number == number && fid.kind != P9_NAME) {
        share_put(call->share, node);
        return -EINVAL;
    }
    share_remember(call->share, node);
    reason = p9_steps(call, count, &node, &done);
    if (done < count) {
        share_forget(call->share, share_node_id(node), 1);
        share_put(call->share, node);
        return done == 0 ? reason : 0;
    }
    made = (struct p9_fid){.kind = P9_NAME, .node_id = share_node_id(node), .uid = fid.uid};
    reason = new_number == number ? p9_change(call, &fid, &made) : p9_add(call, new_number, &made);
    share_put(call->share, node);
    return reason;
}

/* The attribute that was being made is made now. No bytes and XATTR_REPLACE is how Linux takes one
 * away. */
static int p9_finish_xattr(struct p9_call *call, const struct p9_fid *fid)
{
    struct share_node *node = share_get(call->share, fid->node_id);
    int reason = node == NULL ? -ESTALE : fid->filled_bytes != fid->size_bytes ? -EINVAL : 0;
    if (reason == 0 && fid->size_bytes == 0 && fid->flags == 2) {
        reason = share_remove_xattr(call->share, node, fid->name);
    } else if (reason == 0) {
        reason = share_set_xattr(call->share, node, fid->name, fid->bytes, fid->size_bytes,
                                 (int)fid->flags);
    }
    share_put(call->share, node);
    return reason;
}

int p9_clunk(struct p9_call *call)
{
    struct p9_fid fid;
    int reason = p9_take(call, p9_get_u32(call), &fid);
    if (reason != 0) {
        return reason;
    }
    if (fid.kind == P9_XATTR_MAKE) {
        reason = p9_finish_xattr(call, &fid);
    }
    p9_drop(call->server, &fid);
    return reason;
}

/* ---- Life ---- */

void p9_server_init(struct p9_server *server, struct share *share)
{
    *server = (struct p9_server){.share = share};
    pthread_rwlock_init(&server->session, NULL);
    pthread_mutex_init(&server->lock, NULL);
}

void p9_server_clear(struct p9_server *server)
{
    for (u32 i = 0; i < server->bucket_count; i++) {
        for (struct p9_fid *fid = server->fids[i], *next; fid != NULL; fid = next) {
            next = fid->next;
            free(fid->name);
            free(fid->bytes);
            free(fid);
        }
    }
    free(server->fids);
    server->fids = NULL;
    server->bucket_count = server->fid_count = 0;
    server->xattr_bytes = 0;
    server->message_bytes = 0;
}

void p9_server_fini(struct p9_server *server)
{
    p9_server_clear(server);
    pthread_rwlock_destroy(&server->session);
    pthread_mutex_destroy(&server->lock);
}

/* ---- Saved state ---- */

static void fid_save(struct state_writer *writer, const struct p9_fid *fid)
{
    u32 name_bytes = fid->name != NULL ? (u32)strlen(fid->name) : 0;
    state_write_u32(writer, fid->number);
    state_write_u32(writer, fid->kind);
    state_write_u64(writer, fid->node_id);
    state_write_u64(writer, fid->handle_id);
    state_write_u32(writer, fid->uid);
    state_write_u32(writer, fid->flags);
    state_write_u32(writer, name_bytes);
    state_write_bytes(writer, fid->name, name_bytes);
    state_write_u32(writer, fid->size_bytes);
    state_write_u32(writer, fid->filled_bytes);
    state_write_bytes(writer, fid->bytes, fid->bytes != NULL ? fid->size_bytes : 0);
}

void p9_server_save(struct p9_server *server, struct state_writer *writer)
{
    state_write_u32(writer, server->message_bytes);
    state_write_u32(writer, server->fid_count);
    for (u32 i = 0; i < server->bucket_count; i++) {
        for (const struct p9_fid *fid = server->fids[i]; fid != NULL; fid = fid->next) {
            fid_save(writer, fid);
        }
    }
}

static bool fid_load_xattr(struct p9_server *server, struct state_reader *reader,
                           struct p9_fid *fid)
{
    u32 name_bytes;
    if (!state_read_u32(reader, &name_bytes) || name_bytes > SHARE_NAME_MAX_BYTES ||
        (fid->name = calloc(1, (size_t)name_bytes + 1)) == NULL ||
        !state_read_bytes(reader, fid->name, name_bytes) ||
        !state_read_u32(reader, &fid->size_bytes) || !state_read_u32(reader, &fid->filled_bytes) ||
        fid->size_bytes > FID_MAX_XATTR_BYTES || fid->filled_bytes > fid->size_bytes) {
        return false;
    }
    if (fid->kind != P9_XATTR && fid->kind != P9_XATTR_MAKE) {
        free(fid->name);
        fid->name = NULL;
        return name_bytes == 0 && fid->size_bytes == 0;
    }
    fid->bytes = calloc(1, (size_t)fid->size_bytes + 1);
    server->xattr_bytes += fid->size_bytes;
    return fid->bytes != NULL && server->xattr_bytes <= FID_XATTR_BYTES &&
           state_read_bytes(reader, fid->bytes, fid->size_bytes);
}

static bool fid_load(struct p9_server *server, struct state_reader *reader)
{
    struct p9_fid fid = {0};
    bool ok = state_read_u32(reader, &fid.number) && state_read_u32(reader, &fid.kind) &&
              state_read_u64(reader, &fid.node_id) && state_read_u64(reader, &fid.handle_id) &&
              state_read_u32(reader, &fid.uid) && state_read_u32(reader, &fid.flags) &&
              fid.kind <= P9_XATTR_MAKE && fid_load_xattr(server, reader, &fid);
    struct share_node *node = ok ? share_get(server->share, fid.node_id) : NULL;
    ok = node != NULL && fid_insert(server, &fid) == 0;
    share_put(server->share, node);
    if (!ok) {
        free(fid.name);
        free(fid.bytes);
    }
    return ok;
}

bool p9_server_load(struct p9_server *server, struct state_reader *reader,
                    struct metic_error *error)
{
    u32 message_bytes, count;
    p9_server_clear(server);
    bool ok = state_read_u32(reader, &message_bytes) && state_read_u32(reader, &count) &&
              message_bytes <= P9_MAX_MESSAGE_BYTES && count <= FID_MAX;
    for (u32 i = 0; ok && i < count; i++) {
        ok = fid_load(server, reader);
    }
    if (!ok) {
        p9_server_clear(server);
        return error_set(error, NULL, "the saved state of a shared folder's 9P is damaged");
    }
    server->message_bytes = message_bytes;
    return true;
}
