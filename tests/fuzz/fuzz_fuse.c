/* FUSE requests, as a hostile driver would send them. */
#include "hw/share/fuse.h"
#include "tests/fuzz/fuzz_share.h"

#include <linux/fuse.h>

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static u8 reply[SHARE_OUT_BYTES];
    struct fuzz_folder *folder = fuzz_share_begin();
    struct fuse_server server;
    const u8 *end = bytes + size_bytes, *request;
    size_t request_bytes;
    fuse_server_init(&server, folder->share, FUSE_CACHE_AUTO);
    for (unsigned i = 0; i < FUZZ_SHARE_MAX_REQUESTS &&
                         fuzz_share_next(&bytes, end, &request, &request_bytes); i++) {
        size_t room_bytes = i % 8 == 7 ? i : sizeof(reply);
        if (share_request_serve(&fuse_protocol, &server, request, request_bytes, reply,
                                room_bytes) > room_bytes) {
            abort();
        }
    }
    fuse_server_fini(&server);
    fuzz_share_end(folder);
}

static void request(struct fuzz_requests *to, u32 opcode, u64 node, const void *args,
                    size_t args_bytes, const char *names, size_t names_bytes)
{
    struct fuse_in_header head = {.opcode = opcode, .nodeid = node, .unique = 2};
    fuzz_put_request(to);
    fuzz_put(to, &head, sizeof(head));
    fuzz_put(to, args, args_bytes);
    fuzz_put(to, names, names_bytes);
}

/* Nodes get the numbers 2, 3, ... and handles 0, 0x10001, ... in their order. */
void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static struct fuzz_requests all;
    struct fuse_init_in init = {.major = 7, .minor = 38, .flags = UINT32_MAX};
    struct fuse_open_in open = {.flags = O_RDWR};
    struct fuse_read_in read = {.size = 4096};
    struct fuse_write_in write = {.size = 5};
    struct fuse_mkdir_in mkdir = {.mode = 0755};
    struct fuse_mknod_in mknod = {.mode = S_IFREG | 0644};
    struct fuse_create_in create = {.flags = O_RDWR, .mode = 0644};
    struct fuse_rename2_in rename = {.newdir = 3};
    struct fuse_setattr_in setattr = {.valid = FATTR_SIZE | FATTR_MODE, .size = 3, .mode = 0600};
    struct fuse_getxattr_in xattr = {.size = 64};
    struct fuse_release_in release = {0};
    struct fuse_forget_in forget = {.nlookup = 1};
    request(&all, FUSE_INIT, 0, &init, sizeof(init), "", 0);
    request(&all, FUSE_LOOKUP, 1, "", 0, "file", 5);
    request(&all, FUSE_LOOKUP, 1, "", 0, "dir", 4);
    request(&all, FUSE_LOOKUP, 3, "", 0, "link", 5);
    request(&all, FUSE_READLINK, 4, "", 0, "", 0);
    request(&all, FUSE_OPEN, 2, &open, sizeof(open), "", 0);
    request(&all, FUSE_READ, 2, &read, sizeof(read), "", 0);
    request(&all, FUSE_WRITE, 2, &write, sizeof(write), "hello", 5);
    request(&all, FUSE_SETATTR, 2, &setattr, sizeof(setattr), "", 0);
    add(all.bytes, all.size_bytes);
    request(&all, FUSE_OPENDIR, 1, &open, sizeof(open), "", 0);
    read.fh = 0x10001;
    request(&all, FUSE_READDIRPLUS, 1, &read, sizeof(read), "", 0);
    request(&all, FUSE_MKDIR, 3, &mkdir, sizeof(mkdir), "new", 4);
    request(&all, FUSE_MKNOD, 3, &mknod, sizeof(mknod), "node", 5);
    request(&all, FUSE_SYMLINK, 3, "", 0, "l\0../..", 8);
    request(&all, FUSE_CREATE, 1, &create, sizeof(create), "made", 5);
    request(&all, FUSE_RENAME2, 1, &rename, sizeof(rename), "made\0moved", 11);
    request(&all, FUSE_LISTXATTR, 2, &xattr, sizeof(xattr), "", 0);
    request(&all, FUSE_UNLINK, 1, "", 0, "file", 5);
    request(&all, FUSE_RELEASE, 2, &release, sizeof(release), "", 0);
    request(&all, FUSE_FORGET, 2, &forget, sizeof(forget), "", 0);
    request(&all, FUSE_STATFS, 1, "", 0, "", 0);
    request(&all, FUSE_DESTROY, 0, "", 0, "", 0);
    add(all.bytes, all.size_bytes);
}
