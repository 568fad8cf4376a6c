/* Which operation a request is, its frame, and the session. See fuse.h. */
#include "hw/share/fuse_call.h"

enum { FUSE_NO_NODE = 1, FUSE_NO_REPLY = 2, FUSE_SESSION = 4 };

enum {
    FUSE_MAJOR = 7,
    FUSE_LEAST_MINOR = 31,
    FUSE_MAX_BACKGROUND = 64, /* requests of read-ahead and write-back under way at once */
    FUSE_SECOND_NS = 1,       /* file times are kept to the nanosecond */
};

_Static_assert(sizeof(struct fuse_in_header) == FUSE_IN_HEADER_BYTES, "as fuse.h says");
_Static_assert(sizeof(struct fuse_out_header) == FUSE_OUT_HEADER_BYTES, "as fuse.h says");
_Static_assert(sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in) ==
                   FUSE_WRITE_HEAD_BYTES, "as fuse.h says");

struct fuse_row {
    int (*function)(struct fuse_call *call);
    u32 args_bytes;
    u32 flags;
};

static const struct fuse_row fuse_rows[] = {
#define FUSE_OP(opcode, function, args_bytes, flags) \
    [opcode] = {fuse_##function, args_bytes, flags},
#include "hw/share/fuse.def"
#undef FUSE_OP
};

const char *fuse_string(const struct fuse_call *call, size_t *at)
{
    const char *text = (const char *)call->args + *at;
    if (*at >= call->args_bytes) {
        return NULL;
    }
    size_t size_bytes = strnlen(text, call->args_bytes - *at);
    if (size_bytes == call->args_bytes - *at) {
        return NULL;
    }
    *at += size_bytes + 1;
    return text;
}

int fuse_reply(struct fuse_call *call, const void *bytes, size_t size_bytes)
{
    if (size_bytes > call->reply_room_bytes) {
        return -EINVAL; /* the driver left no room for the answer */
    }
    memcpy(call->reply, bytes, size_bytes);
    return (int)size_bytes;
}

/* ---- The session ---- */

int fuse_init(struct fuse_call *call)
{
    struct fuse_init_in in = {0};
    size_t in_bytes = call->args_bytes < sizeof(in) ? call->args_bytes : sizeof(in);
    memcpy(&in, call->args, in_bytes);
    struct fuse_init_out out = {.major = FUSE_MAJOR, .minor = FUSE_KERNEL_MINOR_VERSION};
    if (in.major > FUSE_MAJOR) {
        return fuse_reply(call, &out, sizeof(out)); /* it asks again, in our version */
    }
    if (in.major < FUSE_MAJOR || in.minor < FUSE_LEAST_MINOR) {
        return -EPROTO;
    }
    u64 theirs = in.flags | ((in.flags & FUSE_INIT_EXT) != 0 ? (u64)in.flags2 << 32 : 0);
    u64 ours = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |
               FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO |
               FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 |
               FUSE_ABORT_ERROR | FUSE_INIT_EXT;
    if (call->server->cache == FUSE_CACHE_ALWAYS) {
        ours |= FUSE_WRITEBACK_CACHE | FUSE_CACHE_SYMLINKS;
    }
    u64 both = ours & theirs;
    share_clear(call->share);
    call->server->can_submount = (both & FUSE_SUBMOUNTS) != 0;
    out.max_readahead = in.max_readahead;
    out.flags = (u32)both;
    out.flags2 = (u32)(both >> 32);
    out.max_background = FUSE_MAX_BACKGROUND;
    out.congestion_threshold = FUSE_MAX_BACKGROUND * 3 / 4;
    out.max_write = SHARE_DATA_BYTES;
    out.max_pages = SHARE_DATA_BYTES / 4096;
    out.time_gran = FUSE_SECOND_NS;
    return fuse_reply(call, &out, sizeof(out));
}

/* The driver is going; what it had open is closed. */
int fuse_destroy(struct fuse_call *call)
{
    share_clear(call->share);
    return 0;
}

/* No request takes so long that giving it up would be worth while. */
int fuse_interrupt(struct fuse_call *call)
{
    (void)call;
    return 0;
}

/* What a number means to the host's file system the guest's program cannot know. */
int fuse_ioctl(struct fuse_call *call)
{
    (void)call;
    return -ENOTTY;
}

int fuse_forget(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_forget_in, in);
    share_forget(call->share, call->head.nodeid, in.nlookup);
    return 0;
}

int fuse_batch_forget(struct fuse_call *call)
{
    FUSE_ARGS(struct fuse_batch_forget_in, in);
    const u8 *at = call->args + sizeof(in);
    size_t left_bytes = call->args_bytes - sizeof(in);
    for (u32 i = 0; i < in.count && left_bytes >= sizeof(struct fuse_forget_one); i++) {
        struct fuse_forget_one one;
        memcpy(&one, at, sizeof(one));
        share_forget(call->share, one.nodeid, one.nlookup);
        at += sizeof(one);
        left_bytes -= sizeof(one);
    }
    return 0;
}

/* ---- The frame ---- */

static int fuse_run(struct fuse_call *call, const struct fuse_row *row)
{
    if (call->args_bytes < row->args_bytes) {
        return -EINVAL;
    }
    if ((row->flags & FUSE_NO_NODE) == 0) {
        call->node = share_get(call->share, call->head.nodeid);
        if (call->node == NULL) {
            return -ESTALE;
        }
    }
    int result = row->function(call);
    share_put(call->share, call->node);
    return result;
}

/* What begins or ends the session forgets all nodes, so it is alone. */
static int fuse_run_in_session(struct fuse_call *call, const struct fuse_row *row)
{
    pthread_rwlock_t *session = &call->server->session;
    if ((row->flags & FUSE_SESSION) != 0) {
        pthread_rwlock_wrlock(session);
    } else {
        pthread_rwlock_rdlock(session);
    }
    int result = fuse_run(call, row);
    pthread_rwlock_unlock(session);
    return result;
}

void fuse_server_init(struct fuse_server *server, struct share *share, enum fuse_cache cache)
{
    server->share = share;
    server->cache = cache;
    server->can_submount = false;
    pthread_rwlock_init(&server->session, NULL);
}

void fuse_server_fini(struct fuse_server *server)
{
    pthread_rwlock_destroy(&server->session);
}

static void fuse_serve(void *opaque, struct share_request *request)
{
    struct fuse_server *server = opaque;
    struct fuse_call call = {.server = server, .share = server->share, .request = request};
    struct fuse_out_header out = {0};
    size_t room_bytes = request->out_room_bytes < SHARE_OUT_BYTES ? (size_t)request->out_room_bytes
                                                                 : SHARE_OUT_BYTES;
    request->out_bytes = request->data_bytes = 0;
    if (request->in_bytes < sizeof(call.head)) {
        return; /* it has no number that an answer could have */
    }
    memcpy(&call.head, request->in, sizeof(call.head));
    call.args = request->in + sizeof(call.head);
    call.args_bytes = request->in_bytes - sizeof(call.head);
    call.reply = request->out + sizeof(out);
    call.reply_room_bytes = room_bytes > sizeof(out) ? room_bytes - sizeof(out) : 0;
    const struct fuse_row *row =
        call.head.opcode < ARRAY_LEN(fuse_rows) ? &fuse_rows[call.head.opcode] : NULL;
    bool known = row != NULL && row->function != NULL;
    int result = known ? fuse_run_in_session(&call, row) : -ENOSYS;
    if ((known && (row->flags & FUSE_NO_REPLY) != 0) || room_bytes < sizeof(out)) {
        request->data_bytes = 0;
        return;
    }
    request->data_bytes = result < 0 ? 0 : request->data_bytes;
    request->out_bytes = sizeof(out) + (result > 0 ? (size_t)result : 0);
    out.len = (u32)(request->out_bytes + request->data_bytes);
    out.error = result < 0 ? result : 0;
    out.unique = call.head.unique;
    memcpy(request->out, &out, sizeof(out));
}

const struct share_protocol fuse_protocol = {
    .write_head_bytes = FUSE_WRITE_HEAD_BYTES,
    .reply_head_bytes = FUSE_OUT_HEADER_BYTES,
    .serve = fuse_serve,
};
