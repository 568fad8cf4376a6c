/* Which operation a request is, its frame, and the session. See p9.h. */
#include "hw/share/p9_call.h"

enum { P9_SESSION = 1, P9_FIRST = 2 };

enum {
    P9_RLERROR = 7,
    P9_RLERROR_BYTES = P9_HEAD_BYTES + 4,
    P9_LEAST_MESSAGE_BYTES = 4096,
    QID_DIR = 0x80,
    QID_SYMLINK = 0x02,
};

struct p9_row {
    int (*function)(struct p9_call *call);
    u32 flags;
};

static const struct p9_row p9_rows[] = {
#define P9_OP(type, number, function, flags) [number] = {p9_##function, flags},
#include "hw/share/p9.def"
#undef P9_OP
};

/* ---- Arguments ---- */

u64 p9_get(struct p9_call *call, unsigned size_bytes)
{
    if (call->in_bytes - call->at < size_bytes) {
        call->short_of = true;
        return 0;
    }
    call->at += size_bytes;
    return ld_le(call->in + call->at - size_bytes, size_bytes);
}

int p9_get_string(struct p9_call *call, char *text, size_t capacity_bytes)
{
    size_t size_bytes = (size_t)p9_get(call, 2);
    text[0] = '\0';
    if (call->short_of || size_bytes > call->in_bytes - call->at) {
        call->short_of = true;
        return -EINVAL;
    }
    const u8 *from = call->in + call->at;
    call->at += size_bytes;
    if (memchr(from, '\0', size_bytes) != NULL) {
        return -EINVAL;
    }
    if (size_bytes >= capacity_bytes) {
        return -ENAMETOOLONG;
    }
    memcpy(text, from, size_bytes);
    text[size_bytes] = '\0';
    return 0;
}

int p9_get_name(struct p9_call *call, char name[P9_NAME_BYTES])
{
    return p9_get_string(call, name, P9_NAME_BYTES);
}

/* ---- Results ---- */

void p9_put_bytes(struct p9_call *call, const void *bytes, size_t size_bytes)
{
    if (size_bytes > call->out_room_bytes - call->out_bytes) {
        call->no_room = true;
        return;
    }
    memcpy(call->out + call->out_bytes, bytes, size_bytes);
    call->out_bytes += size_bytes;
}

void p9_put(struct p9_call *call, u64 value, unsigned size_bytes)
{
    u8 bytes[8];
    st_le64(bytes, value);
    p9_put_bytes(call, bytes, size_bytes);
}

void p9_put_string(struct p9_call *call, const char *text)
{
    size_t size_bytes = strlen(text);
    p9_put(call, size_bytes, 2);
    p9_put_bytes(call, text, size_bytes);
}

/* A version tells a driver that caches whether a file has changed; 0 would tell it not to. */
void p9_put_qid(struct p9_call *call, const struct share_attr *attr)
{
    u32 type = attr->mode & S_IFMT;
    u64 state = (u64)attr->mtime_s * 1000000000 + attr->mtime_ns + (attr->size_bytes << 20);
    p9_put(call, type == S_IFDIR ? QID_DIR : type == S_IFLNK ? QID_SYMLINK : 0, 1);
    p9_put(call, (u32)(state ^ state >> 32) | 1, 4);
    p9_put(call, share_unique_ino(call->share, attr), 8);
}

/* ---- The session ---- */

int p9_version(struct p9_call *call)
{
    char version[32];
    u32 message_bytes = p9_get_u32(call);
    p9_get_string(call, version, sizeof(version));
    bool ours = strcmp(version, "9P2000.L") == 0;
    if (call->short_of) {
        return -EINVAL;
    }
    if (message_bytes < P9_LEAST_MESSAGE_BYTES) {
        return -EMSGSIZE;
    }
    message_bytes = message_bytes < P9_MAX_MESSAGE_BYTES ? message_bytes : P9_MAX_MESSAGE_BYTES;
    p9_server_clear(call->server);
    share_clear(call->share);
    call->server->message_bytes = ours ? message_bytes : 0;
    p9_put(call, message_bytes, 4);
    p9_put_string(call, ours ? version : "unknown");
    return 0;
}

int p9_attach(struct p9_call *call)
{
    char uname[P9_NAME_BYTES], aname[SHARE_LINK_MAX_BYTES + 1];
    struct share_attr attr;
    u32 number = p9_get_u32(call);
    u32 auth = p9_get_u32(call);
    int reason = p9_get_string(call, uname, sizeof(uname));
    reason = reason != 0 ? reason : p9_get_string(call, aname, sizeof(aname));
    u32 uid = p9_get_u32(call);
    if (reason != 0 || call->short_of || auth != P9_NO_FID) {
        return reason != 0 ? reason : -EINVAL;
    }
    struct share_node *root = share_get(call->share, SHARE_ROOT_ID);
    if (root == NULL) {
        return -ESTALE;
    }
    reason = share_get_attr(call->share, root, NULL, &attr);
    if (reason == 0) {
        struct p9_fid fid = p9_fid_of(call, root, uid != UINT32_MAX ? uid : 0);
        reason = p9_add(call, number, &fid);
    }
    share_put(call->share, root);
    p9_put_qid(call, &attr);
    return reason;
}

/* The pool of threads sees to it that what was to be given up is answered first. */
int p9_flush(struct p9_call *call)
{
    call->request->after_earlier = true;
    return 0;
}

/* ---- The frame ---- */

/* What begins the session forgets all nodes, so it is alone. */
static int p9_run(struct p9_call *call, const struct p9_row *row)
{
    pthread_rwlock_t *session = &call->server->session;
    if ((row->flags & P9_SESSION) != 0) {
        pthread_rwlock_wrlock(session);
    } else {
        pthread_rwlock_rdlock(session);
    }
    bool begun = call->server->message_bytes != 0 || (row->flags & P9_FIRST) != 0;
    int reason = begun ? row->function(call) : -EPROTO;
    pthread_rwlock_unlock(session);
    if (reason == 0 && (call->short_of || call->no_room)) {
        return call->short_of ? -EINVAL : -EMSGSIZE;
    }
    return reason;
}

static void p9_serve(void *opaque, struct share_request *request)
{
    struct p9_server *server = opaque;
    u64 room_bytes = request->out_room_bytes < SHARE_OUT_BYTES ? request->out_room_bytes
                                                               : SHARE_OUT_BYTES;
    request->out_bytes = request->data_bytes = 0;
    if (request->in_bytes < P9_HEAD_BYTES || room_bytes < P9_RLERROR_BYTES) {
        return; /* it has no tag, or no answer fits */
    }
    struct p9_call call = {
        .server = server, .share = server->share, .request = request,
        .in = request->in, .at = P9_HEAD_BYTES, .in_bytes = request->in_bytes,
        .out = request->out, .out_bytes = P9_HEAD_BYTES, .out_room_bytes = (size_t)room_bytes,
    };
    u8 type = request->in[4];
    u16 tag = ld_le16(request->in + 5);
    const struct p9_row *row = type < ARRAY_LEN(p9_rows) ? &p9_rows[type] : NULL;
    int reason = row != NULL && row->function != NULL ? p9_run(&call, row) : -EOPNOTSUPP;
    if (reason != 0) {
        call.out_bytes = P9_HEAD_BYTES;
        p9_put(&call, (u32)-reason, 4);
        type = P9_RLERROR - 1;
        request->data_bytes = 0;
    }
    request->out_bytes = call.out_bytes;
    st_le32(request->out, (u32)(request->out_bytes + request->data_bytes));
    request->out[4] = (u8)(type + 1);
    st_le16(request->out + 5, tag);
}

const struct share_protocol p9_protocol = {
    .write_head_bytes = P9_WRITE_HEAD_BYTES,
    .reply_head_bytes = P9_READ_HEAD_BYTES,
    .serve = p9_serve,
};
