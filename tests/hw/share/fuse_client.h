/* A FUSE driver for tests: makes requests, looks at replies. */
#ifndef METIC_TESTS_HW_SHARE_FUSE_CLIENT_H
#define METIC_TESTS_HW_SHARE_FUSE_CLIENT_H

#include "hw/share/fuse.h"
#include "tests/hw/share/folder.h"

#include <linux/fuse.h>

struct client {
    struct fuse_server server;
    u8 request[256 << 10];
    size_t request_bytes;
    u8 reply[256 << 10];
    size_t reply_bytes;
};

static inline void client_begin(struct client *client, u32 opcode, u64 node)
{
    struct fuse_in_header head = {.opcode = opcode, .unique = 77, .nodeid = node};
    memcpy(client->request, &head, sizeof(head));
    client->request_bytes = sizeof(head);
}

static inline void client_put(struct client *client, const void *bytes, size_t size_bytes)
{
    memcpy(client->request + client->request_bytes, bytes, size_bytes);
    client->request_bytes += size_bytes;
}

static inline void client_put_name(struct client *client, const char *name)
{
    client_put(client, name, strlen(name) + 1);
}

/* 0 or the negative errno of the reply, which is a well-formed one. */
static inline int client_end_in(struct client *client, size_t room_bytes)
{
    struct fuse_out_header head;
    u32 size_bytes = (u32)client->request_bytes;
    memcpy(client->request, &size_bytes, 4);
    client->reply_bytes =
        share_request_serve(&fuse_protocol, &client->server, client->request,
                            client->request_bytes, client->reply, room_bytes);
    if (client->reply_bytes == 0) {
        return 0;
    }
    cr_assert_geq(client->reply_bytes, sizeof(head));
    memcpy(&head, client->reply, sizeof(head));
    cr_assert_eq(head.len, client->reply_bytes);
    cr_assert_eq(head.unique, 77);
    cr_assert(head.error <= 0 && head.error > -4096);
    return head.error;
}

static inline int client_end(struct client *client)
{
    return client_end_in(client, sizeof(client->reply));
}

static inline const void *client_reply(const struct client *client)
{
    return client->reply + sizeof(struct fuse_out_header);
}

static inline int client_init(struct client *client)
{
    struct fuse_init_in in = {.major = 7, .minor = 38, .flags = UINT32_MAX, .flags2 = UINT32_MAX};
    client_begin(client, FUSE_INIT, 0);
    client_put(client, &in, sizeof(in));
    return client_end(client);
}

static inline void client_open(struct client *client, struct folder *folder)
{
    fuse_server_init(&client->server, folder->share, FUSE_CACHE_AUTO);
    cr_assert_eq(client_init(client), 0);
}

/* The node at `name`; 0: there is none; or a negative errno. */
static inline s64 client_lookup(struct client *client, u64 parent, const char *name)
{
    client_begin(client, FUSE_LOOKUP, parent);
    client_put_name(client, name);
    int reason = client_end(client);
    return reason != 0 ? reason
                       : (s64)((const struct fuse_entry_out *)client_reply(client))->nodeid;
}

static inline s64 client_make(struct client *client, u64 parent, const char *name, u32 mode)
{
    struct fuse_mknod_in in = {.mode = mode};
    client_begin(client, FUSE_MKNOD, parent);
    client_put(client, &in, sizeof(in));
    client_put_name(client, name);
    int reason = client_end(client);
    return reason != 0 ? reason
                       : (s64)((const struct fuse_entry_out *)client_reply(client))->nodeid;
}

static inline s64 client_mkdir(struct client *client, u64 parent, const char *name)
{
    struct fuse_mkdir_in in = {.mode = 0755};
    client_begin(client, FUSE_MKDIR, parent);
    client_put(client, &in, sizeof(in));
    client_put_name(client, name);
    int reason = client_end(client);
    return reason != 0 ? reason
                       : (s64)((const struct fuse_entry_out *)client_reply(client))->nodeid;
}

static inline s64 client_symlink(struct client *client, u64 parent, const char *name,
                                 const char *target)
{
    client_begin(client, FUSE_SYMLINK, parent);
    client_put_name(client, name);
    client_put_name(client, target);
    int reason = client_end(client);
    return reason != 0 ? reason
                       : (s64)((const struct fuse_entry_out *)client_reply(client))->nodeid;
}

static inline int client_remove(struct client *client, u32 opcode, u64 parent, const char *name)
{
    client_begin(client, opcode, parent);
    client_put_name(client, name);
    return client_end(client);
}

static inline int client_rename(struct client *client, u64 from, const char *from_name, u64 to,
                                const char *to_name, u32 flags)
{
    struct fuse_rename2_in in = {.newdir = to, .flags = flags};
    client_begin(client, FUSE_RENAME2, from);
    client_put(client, &in, sizeof(in));
    client_put_name(client, from_name);
    client_put_name(client, to_name);
    return client_end(client);
}

/* The handle, or a negative errno. */
static inline s64 client_open_node(struct client *client, u32 opcode, u64 node, u32 flags)
{
    struct fuse_open_in in = {.flags = flags};
    client_begin(client, opcode, node);
    client_put(client, &in, sizeof(in));
    int reason = client_end(client);
    return reason != 0 ? reason : (s64)((const struct fuse_open_out *)client_reply(client))->fh;
}

static inline int client_release(struct client *client, u64 node, u64 handle)
{
    struct fuse_release_in in = {.fh = handle};
    client_begin(client, FUSE_RELEASE, node);
    client_put(client, &in, sizeof(in));
    return client_end(client);
}

/* How many bytes, which are in client_reply; or a negative errno. */
static inline int client_read(struct client *client, u32 opcode, u64 node, u64 handle, u64 offset,
                              u32 size_bytes)
{
    struct fuse_read_in in = {.fh = handle, .offset = offset, .size = size_bytes};
    client_begin(client, opcode, node);
    client_put(client, &in, sizeof(in));
    int reason = client_end(client);
    return reason != 0 ? reason : (int)(client->reply_bytes - sizeof(struct fuse_out_header));
}

static inline int client_write(struct client *client, u64 node, u64 handle, u64 offset,
                               const char *text)
{
    struct fuse_write_in in = {.fh = handle, .offset = offset, .size = (u32)strlen(text)};
    client_begin(client, FUSE_WRITE, node);
    client_put(client, &in, sizeof(in));
    client_put(client, text, strlen(text));
    int reason = client_end(client);
    return reason != 0 ? reason
                       : (int)((const struct fuse_write_out *)client_reply(client))->size;
}

static inline int client_getattr(struct client *client, u64 node, struct fuse_attr *attr)
{
    struct fuse_getattr_in in = {0};
    client_begin(client, FUSE_GETATTR, node);
    client_put(client, &in, sizeof(in));
    int reason = client_end(client);
    if (reason == 0) {
        *attr = ((const struct fuse_attr_out *)client_reply(client))->attr;
    }
    return reason;
}

static inline int client_setattr(struct client *client, u64 node, const struct fuse_setattr_in *in)
{
    client_begin(client, FUSE_SETATTR, node);
    client_put(client, in, sizeof(*in));
    return client_end(client);
}

static inline void client_forget(struct client *client, u64 node, u64 count)
{
    struct fuse_forget_in in = {.nlookup = count};
    client_begin(client, FUSE_FORGET, node);
    client_put(client, &in, sizeof(in));
    client_end(client);
    cr_assert_eq(client->reply_bytes, 0);
}

#endif
