#include "tests/hw/share/fuse_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum { ROOT = 1 };

static struct folder f;
static struct client *c;

static void setup(void)
{
    folder_open(&f, (struct share_options){0});
    c = calloc(1, sizeof(*c));
    client_open(c, &f);
}

static void teardown(void)
{
    fuse_server_fini(&c->server);
    free(c);
    folder_close(&f);
}

TestSuite(fuse, .init = setup, .fini = teardown);

Test(fuse, init_settles_the_features)
{
    const struct fuse_init_out *out = client_reply(c);
    cr_assert_eq(client_init(c), 0);
    cr_assert_eq(out->major, 7);
    cr_assert(out->flags & FUSE_DO_READDIRPLUS);
    cr_assert(out->flags & FUSE_MAX_PAGES);
    cr_assert_not(out->flags & FUSE_WRITEBACK_CACHE);
    cr_assert_not(out->flags & FUSE_POSIX_ACL);
    cr_assert_eq(out->max_write, 1 << 20);
}

Test(fuse, init_refuses_the_old_and_answers_the_new)
{
    struct fuse_init_in in = {.major = 7, .minor = 12};
    client_begin(c, FUSE_INIT, 0);
    client_put(c, &in, 16);
    cr_assert_eq(client_end(c), -EPROTO);
    in.major = 8;
    client_begin(c, FUSE_INIT, 0);
    client_put(c, &in, 16);
    cr_assert_eq(client_end(c), 0);
    cr_assert_eq(((const struct fuse_init_out *)client_reply(c))->major, 7);
}

Test(fuse, a_file_is_made_written_read_and_removed)
{
    struct fuse_attr attr;
    s64 node = client_make(c, ROOT, "file", S_IFREG | 0640);
    cr_assert_gt(node, 1);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR);
    cr_assert_geq(handle, 0);
    cr_assert_eq(client_write(c, (u64)node, (u64)handle, 3, "hello"), 5);
    cr_assert_eq(client_read(c, FUSE_READ, (u64)node, (u64)handle, 1, 100), 7);
    cr_assert_arr_eq(client_reply(c), "\0\0hello", 7);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0);
    cr_assert_eq(attr.size, 8);
    cr_assert_eq(attr.mode, S_IFREG | 0640);
    cr_assert_eq(client_remove(c, FUSE_UNLINK, ROOT, "file"), 0);
    cr_assert_not(folder_has(f.path, "file"));
    cr_assert_eq(client_write(c, (u64)node, (u64)handle, 0, "x"), 1, "it is open still");
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0);
    cr_assert_eq(attr.nlink, 0);
    cr_assert_eq(client_release(c, (u64)node, (u64)handle), 0);
    cr_assert_eq(client_release(c, (u64)node, (u64)handle), -EBADF);
    cr_assert_eq(client_lookup(c, ROOT, "file"), 0);
}

/* Pages of a mapped file are written back through any handle, one for appending too. */
Test(fuse, a_page_that_is_written_back_is_not_appended)
{
    s64 node = client_make(c, ROOT, "log", S_IFREG | 0600);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR | O_APPEND);
    cr_assert_eq(client_write(c, (u64)node, (u64)handle, 0, "one"), 3);
    cr_assert_eq(client_write(c, (u64)node, (u64)handle, 0, "two"), 3, "goes to the end");
    struct fuse_write_in in = {.fh = (u64)handle, .size = 3, .write_flags = FUSE_WRITE_CACHE};
    client_begin(c, FUSE_WRITE, (u64)node);
    client_put(c, &in, sizeof(in));
    client_put(c, "ONE", 3);
    cr_assert_eq(client_end(c), 0);
    cr_assert_str_eq(folder_read(f.path, "log"), "ONEtwo");
}

/* ---- Nothing leads outside ---- */

Test(fuse, names_that_are_no_names)
{
    static const char *const names[] = {"..", ".", "", "/", "../secret", "a/b", "/etc/passwd",
                                        "sub/../../secret"};
    cr_assert_gt(client_mkdir(c, ROOT, "sub"), 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        cr_assert_lt(client_lookup(c, ROOT, names[i]), 0, "%s", names[i]);
        cr_assert_lt(client_make(c, ROOT, names[i], S_IFREG | 0600), 0, "%s", names[i]);
        cr_assert_lt(client_mkdir(c, ROOT, names[i]), 0, "%s", names[i]);
        cr_assert_lt(client_symlink(c, ROOT, names[i], "x"), 0, "%s", names[i]);
        cr_assert_neq(client_remove(c, FUSE_UNLINK, ROOT, names[i]), 0, "%s", names[i]);
        cr_assert_neq(client_remove(c, FUSE_RMDIR, ROOT, names[i]), 0, "%s", names[i]);
        cr_assert_neq(client_rename(c, ROOT, "sub", ROOT, names[i], 0), 0, "%s", names[i]);
        cr_assert_neq(client_rename(c, ROOT, names[i], ROOT, "new", 0), 0, "%s", names[i]);
    }
    char longest[300];
    memset(longest, 'n', sizeof(longest));
    longest[299] = '\0';
    cr_assert_eq(client_lookup(c, ROOT, longest), -ENAMETOOLONG);
    cr_assert_str_eq(folder_read(f.outside, "secret"), "secret");
}

Test(fuse, symbolic_links_are_not_followed)
{
    s64 link = client_symlink(c, ROOT, "out", "../secret");
    s64 dir = client_symlink(c, ROOT, "etc", "/etc");
    cr_assert_gt(link, 1);
    cr_assert_gt(dir, 1);
    cr_assert_lt(client_open_node(c, FUSE_OPEN, (u64)link, O_RDONLY), 0);
    cr_assert_lt(client_open_node(c, FUSE_OPENDIR, (u64)dir, O_RDONLY), 0);
    cr_assert_eq(client_lookup(c, (u64)dir, "passwd"), -ENOTDIR);
    struct fuse_setattr_in in = {.valid = FATTR_SIZE};
    cr_assert_lt(client_setattr(c, (u64)link, &in), 0);
    in = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 0777};
    cr_assert_lt(client_setattr(c, (u64)link, &in), 0);
    in = (struct fuse_setattr_in){.valid = FATTR_MTIME, .mtime = 1};
    cr_assert_eq(client_setattr(c, (u64)link, &in), 0, "the link's own time");
    client_begin(c, FUSE_READLINK, (u64)link);
    cr_assert_eq(client_end(c), 0);
    cr_assert_arr_eq(client_reply(c), "../secret", 9);
    cr_assert_str_eq(folder_read(f.outside, "secret"), "secret");
    struct stat stat;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/secret", f.outside);
    lstat(path, &stat);
    cr_assert_gt(stat.st_mtime, 1000);
}

/* A file that the host replaced by a link to something else is not opened in its place. */
Test(fuse, a_file_replaced_by_a_link_is_stale)
{
    char path[PATH_MAX];
    folder_write(f.path, "victim", "mine");
    s64 node = client_lookup(c, ROOT, "victim");
    cr_assert_gt(node, 1);
    snprintf(path, sizeof(path), "%s/victim", f.path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink("../secret", path), 0);
    cr_assert_eq(client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR), -ESTALE);
    struct fuse_attr attr;
    cr_assert_eq(client_getattr(c, (u64)node, &attr), -ESTALE);
}

struct swapper {
    atomic_bool stop;
    char file[PATH_MAX], spare[PATH_MAX];
};

/* Swaps a folder and a link to the outside as fast as it can. */
static void *swap(void *opaque)
{
    struct swapper *swapper = opaque;
    while (!atomic_load(&swapper->stop)) {
        renameat2(AT_FDCWD, swapper->file, AT_FDCWD, swapper->spare, RENAME_EXCHANGE);
    }
    return NULL;
}

Test(fuse, a_race_with_renames_reaches_nothing_outside)
{
    struct swapper swapper = {false, "", ""};
    pthread_t thread;
    unsigned reached = 0;
    snprintf(swapper.file, sizeof(swapper.file), "%s/dir", f.path);
    snprintf(swapper.spare, sizeof(swapper.spare), "%s/spare", f.path);
    mkdir(swapper.file, 0755);
    folder_write(swapper.file, "secret", "inside");
    cr_assert_eq(symlink("..", swapper.spare), 0);
    cr_assert_eq(pthread_create(&thread, NULL, swap, &swapper), 0);
    for (unsigned i = 0; i < 5000; i++) {
        s64 dir = client_lookup(c, ROOT, "dir");
        s64 node = dir > 0 ? client_lookup(c, (u64)dir, "secret") : -1;
        s64 handle = node > 0 ? client_open_node(c, FUSE_OPEN, (u64)node, O_RDONLY) : -1;
        if (handle >= 0) {
            cr_assert_eq(client_read(c, FUSE_READ, (u64)node, (u64)handle, 0, 10), 6);
            cr_assert_arr_eq(client_reply(c), "inside", 6);
            client_release(c, (u64)node, (u64)handle);
            reached++;
        }
        if (dir > 0) {
            cr_assert_leq(client_make(c, (u64)dir, "made", S_IFREG | 0600), INT64_MAX);
        }
    }
    atomic_store(&swapper.stop, true);
    pthread_join(thread, NULL);
    cr_assert_gt(reached, 0);
    cr_assert_not(folder_has(f.outside, "made"));
}

Test(fuse, devices_are_not_made_nor_opened)
{
    cr_assert_eq(client_make(c, ROOT, "null", S_IFCHR | 0666), -EPERM);
    s64 pipe = client_make(c, ROOT, "pipe", S_IFIFO | 0600);
    cr_assert_gt(pipe, 1);
    cr_assert_eq(client_open_node(c, FUSE_OPEN, (u64)pipe, O_RDONLY), -ENXIO, "nor waited for");
}

/* ---- Nodes ---- */

Test(fuse, hard_links_are_one_node)
{
    s64 node = client_make(c, ROOT, "a", S_IFREG | 0600);
    struct fuse_link_in in = {.oldnodeid = (u64)node};
    client_begin(c, FUSE_LINK, ROOT);
    client_put(c, &in, sizeof(in));
    client_put_name(c, "b");
    cr_assert_eq(client_end(c), 0);
    cr_assert_eq(client_lookup(c, ROOT, "b"), node);
    cr_assert_eq(client_remove(c, FUSE_UNLINK, ROOT, "a"), 0);
    struct fuse_attr attr;
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0);
    cr_assert_eq(attr.nlink, 1);
}

Test(fuse, a_forgotten_node_is_gone_and_its_id_is_not_used_again)
{
    struct fuse_attr attr;
    s64 node = client_make(c, ROOT, "a", S_IFREG | 0600);
    cr_assert_eq(client_lookup(c, ROOT, "a"), node);
    client_forget(c, (u64)node, 1);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0, "it was looked up twice");
    client_forget(c, (u64)node, UINT64_MAX);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), -ESTALE);
    client_forget(c, (u64)node, 5);
    client_forget(c, 123456, 5);
    client_forget(c, ROOT, UINT64_MAX);
    cr_assert_eq(client_getattr(c, ROOT, &attr), 0);
    cr_assert_gt(client_lookup(c, ROOT, "a"), node);
}

Test(fuse, renames_are_followed)
{
    struct fuse_attr attr;
    s64 one = client_mkdir(c, ROOT, "one");
    s64 two = client_mkdir(c, ROOT, "two");
    s64 node = client_make(c, (u64)one, "file", S_IFREG | 0600);
    s64 other = client_make(c, (u64)two, "other", S_IFREG | 0600);
    cr_assert_eq(client_rename(c, (u64)one, "file", (u64)two, "other", RENAME_NOREPLACE),
                 -EEXIST);
    cr_assert_eq(client_rename(c, (u64)one, "file", (u64)two, "other", RENAME_EXCHANGE), 0);
    cr_assert_eq(client_lookup(c, (u64)two, "other"), node);
    cr_assert_eq(client_lookup(c, (u64)one, "file"), other);
    cr_assert_eq(client_rename(c, ROOT, "two", (u64)one, "inner", 0), 0);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0, "found by its new way");
    cr_assert_eq(client_rename(c, (u64)one, "file", (u64)two, "other", 0), 0);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0, "replaced, and known still");
    cr_assert_eq(attr.nlink, 0);
    cr_assert_eq(client_rename(c, ROOT, "one", (u64)two, "loop", 0), -EINVAL);
    cr_assert_eq(client_rename(c, ROOT, "none", ROOT, "nothing", 0), -ENOENT);
    cr_assert_eq(client_rename(c, ROOT, "one", ROOT, "x", RENAME_WHITEOUT), -EINVAL);
}

/* More files than there may be descriptors. */
Test(fuse, descriptors_are_few_and_not_leaked)
{
    struct rlimit limit = {256, 256};
    unsigned before = folder_open_fds();
    setrlimit(RLIMIT_NOFILE, &limit);
    struct folder many;
    folder_open(&many, (struct share_options){0});
    client_open(c, &many);
    s64 nodes[600];
    char name[32];
    for (unsigned i = 0; i < ARRAY_LEN(nodes); i++) {
        snprintf(name, sizeof(name), "dir%u", i);
        nodes[i] = client_mkdir(c, ROOT, name);
        cr_assert_gt(nodes[i], 1);
        cr_assert_gt(client_make(c, (u64)nodes[i], "file", S_IFREG | 0600), 1);
    }
    for (unsigned i = 0; i < ARRAY_LEN(nodes); i++) {
        cr_assert_gt(client_lookup(c, (u64)nodes[i], "file"), 1, "%u", i);
    }
    cr_assert_lt(folder_open_fds(), 128);
    unsigned opened = 0;
    for (unsigned i = 0; i < 400; i++) {
        s64 node = client_lookup(c, (u64)nodes[i], "file");
        opened += client_open_node(c, FUSE_OPEN, (u64)node, O_RDONLY) >= 0;
    }
    cr_assert(opened > 10 && opened < 400, "%u: too many are refused", opened);
    cr_assert_eq(client_init(c), 0, "a driver that begins anew has nothing open");
    cr_assert_lt(folder_open_fds(), 64);
    folder_close(&many);
    cr_assert_eq(folder_open_fds(), before);
}

/* ---- Folders ---- */

/* Counts entries through as many requests as it takes. */
static unsigned count_entries(u64 node, u32 opcode, u32 room_bytes, unsigned *known)
{
    s64 handle = client_open_node(c, FUSE_OPENDIR, node, O_RDONLY);
    cr_assert_geq(handle, 0);
    unsigned count = 0;
    u64 offset = 0;
    int got;
    while ((got = client_read(c, opcode, node, (u64)handle, offset, room_bytes)) > 0) {
        const u8 *at = client_reply(c);
        cr_assert_leq((u32)got, room_bytes);
        for (const u8 *end = at + got; at < end;) {
            struct fuse_entry_out entry = {0};
            if (opcode == FUSE_READDIRPLUS) {
                memcpy(&entry, at, sizeof(entry));
                at += sizeof(entry);
            }
            struct fuse_dirent dirent;
            memcpy(&dirent, at, offsetof(struct fuse_dirent, name));
            at += (offsetof(struct fuse_dirent, name) + dirent.namelen + 7) & ~(size_t)7;
            offset = dirent.off;
            *known += entry.nodeid != 0;
            count++;
        }
    }
    cr_assert_eq(got, 0);
    client_release(c, node, (u64)handle);
    return count;
}

Test(fuse, folders_are_listed_in_parts)
{
    char name[32];
    unsigned known = 0;
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "file-%u", i);
        folder_write(f.path, name, "");
    }
    cr_assert_eq(count_entries(ROOT, FUSE_READDIR, 4096, &known), 502);
    cr_assert_eq(count_entries(ROOT, FUSE_READDIR, 60, &known), 502);
    cr_assert_eq(known, 0);
    cr_assert_eq(count_entries(ROOT, FUSE_READDIRPLUS, 4096, &known), 502);
    cr_assert_eq(known, 500, "all but . and ..");
    cr_assert_eq(count_entries(ROOT, FUSE_READDIR, 8, &known), 0, "no room for one");
    s64 node = client_lookup(c, ROOT, "file-1");
    cr_assert_eq(client_open_node(c, FUSE_OPENDIR, (u64)node, 0), -ENOTDIR);
    cr_assert_eq(client_open_node(c, FUSE_OPEN, ROOT, 0), -EISDIR);
}

/* ---- Attributes and the rest ---- */

Test(fuse, attributes_are_set)
{
    struct fuse_attr attr;
    s64 node = client_make(c, ROOT, "a", S_IFREG | 0600);
    struct fuse_setattr_in in = {.valid = FATTR_MODE | FATTR_SIZE | FATTR_MTIME, .mode = 04755,
                                 .size = 12345, .mtime = 1000, .mtimensec = 5};
    cr_assert_eq(client_setattr(c, (u64)node, &in), 0);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0);
    cr_assert_eq(attr.size, 12345);
    cr_assert_eq(attr.mtime, 1000);
    cr_assert_eq(attr.mtimensec, 5);
    in = (struct fuse_setattr_in){.valid = FATTR_SIZE, .size = UINT64_MAX};
    cr_assert_eq(client_setattr(c, (u64)node, &in), -EINVAL);
    in = (struct fuse_setattr_in){.valid = FATTR_SIZE | FATTR_KILL_SUIDGID, .size = 1};
    cr_assert_eq(client_setattr(c, (u64)node, &in), 0);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0);
    cr_assert_eq(attr.mode & 07777, 0755, "a write takes set-user-id away");
}

static int set_xattr(u64 node, const char *name, const char *value)
{
    struct fuse_setxattr_in in = {.size = (u32)strlen(value)};
    client_begin(c, FUSE_SETXATTR, node);
    client_put(c, &in, FUSE_COMPAT_SETXATTR_IN_SIZE);
    client_put_name(c, name);
    client_put(c, value, strlen(value));
    return client_end(c);
}

static int get_xattr(u64 node, u32 opcode, const char *name, u32 size_bytes)
{
    struct fuse_getxattr_in in = {.size = size_bytes};
    client_begin(c, opcode, node);
    client_put(c, &in, sizeof(in));
    if (name != NULL) {
        client_put_name(c, name);
    }
    return client_end(c);
}

Test(fuse, only_the_users_own_attributes_are_the_guests)
{
    s64 node = client_make(c, ROOT, "a", S_IFREG | 0600);
    if (set_xattr((u64)node, "user.x", "value") == -EOPNOTSUPP) {
        cr_skip_test("the file system of /tmp has no attributes");
    }
    cr_assert_eq(get_xattr((u64)node, FUSE_GETXATTR, "user.x", 0), 0);
    cr_assert_eq(((const struct fuse_getxattr_out *)client_reply(c))->size, 5);
    cr_assert_eq(get_xattr((u64)node, FUSE_GETXATTR, "user.x", 64), 0);
    cr_assert_arr_eq(client_reply(c), "value", 5);
    cr_assert_eq(get_xattr((u64)node, FUSE_GETXATTR, "user.x", 2), -ERANGE);
    cr_assert_eq(get_xattr((u64)node, FUSE_GETXATTR, "user.none", 64), -ENODATA);
    cr_assert_eq(get_xattr((u64)node, FUSE_LISTXATTR, NULL, 64), 0);
    cr_assert_arr_eq(client_reply(c), "user.x", 7);
    cr_assert_eq(set_xattr((u64)node, "security.capability", "x"), -EOPNOTSUPP);
    cr_assert_eq(set_xattr((u64)node, "trusted.overlay.opaque", "y"), -EOPNOTSUPP);
    cr_assert_eq(set_xattr((u64)node, "system.posix_acl_access", "y"), -EOPNOTSUPP);
    client_begin(c, FUSE_REMOVEXATTR, (u64)node);
    client_put_name(c, "user.x");
    cr_assert_eq(client_end(c), 0);
}

Test(fuse, space_holes_and_copies)
{
    s64 node = client_make(c, ROOT, "a", S_IFREG | 0600);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR);
    struct fuse_fallocate_in fallocate = {.fh = (u64)handle, .length = 65536};
    client_begin(c, FUSE_FALLOCATE, (u64)node);
    client_put(c, &fallocate, sizeof(fallocate));
    cr_assert_eq(client_end(c), 0);
    fallocate.mode = 0x40;
    client_begin(c, FUSE_FALLOCATE, (u64)node);
    client_put(c, &fallocate, sizeof(fallocate));
    cr_assert_eq(client_end(c), -EOPNOTSUPP);
    struct fuse_lseek_in lseek = {.fh = (u64)handle, .whence = SEEK_HOLE};
    client_begin(c, FUSE_LSEEK, (u64)node);
    client_put(c, &lseek, sizeof(lseek));
    cr_assert_eq(client_end(c), 0);
    cr_assert_eq(client_write(c, (u64)node, (u64)handle, 0, "from here"), 9);
    s64 to = client_make(c, ROOT, "b", S_IFREG | 0600);
    s64 to_handle = client_open_node(c, FUSE_OPEN, (u64)to, O_RDWR);
    struct fuse_copy_file_range_in copy = {.fh_in = (u64)handle, .nodeid_out = (u64)to,
                                           .fh_out = (u64)to_handle, .len = 9};
    client_begin(c, FUSE_COPY_FILE_RANGE, (u64)node);
    client_put(c, &copy, sizeof(copy));
    cr_assert_eq(client_end(c), 0);
    cr_assert_str_eq(folder_read(f.path, "b"), "from here");
    copy.nodeid_out = 999;
    client_begin(c, FUSE_COPY_FILE_RANGE, (u64)node);
    client_put(c, &copy, sizeof(copy));
    cr_assert_eq(client_end(c), -EBADF);
}

Test(fuse, a_handle_is_of_one_node_only)
{
    s64 a = client_make(c, ROOT, "a", S_IFREG | 0600);
    s64 b = client_make(c, ROOT, "b", S_IFREG | 0600);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)a, O_RDWR);
    cr_assert_eq(client_read(c, FUSE_READ, (u64)b, (u64)handle, 0, 10), -EBADF);
    cr_assert_eq(client_read(c, FUSE_READ, (u64)a, (u64)handle + 65536, 0, 10), -EBADF);
    cr_assert_eq(client_read(c, FUSE_READ, (u64)a, UINT64_MAX, 0, 10), -EBADF);
    cr_assert_eq(client_read(c, FUSE_READ, (u64)a, (u64)handle, UINT64_MAX, 10), -EINVAL);
    cr_assert_eq(client_read(c, FUSE_READDIR, (u64)a, (u64)handle, 0, 100), -ENOTDIR);
    cr_assert_eq(client_read(c, FUSE_READ, 4711, (u64)handle, 0, 10), -ESTALE);
}

Test(fuse, requests_that_lie_about_their_size)
{
    s64 node = client_make(c, ROOT, "a", S_IFREG | 0600);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR);
    struct fuse_write_in in = {.fh = (u64)handle, .size = UINT32_MAX};
    client_begin(c, FUSE_WRITE, (u64)node);
    client_put(c, &in, sizeof(in));
    cr_assert_eq(client_end(c), -EINVAL);
    struct fuse_batch_forget_in forget = {.count = UINT32_MAX};
    client_begin(c, FUSE_BATCH_FORGET, 0);
    client_put(c, &forget, sizeof(forget));
    client_end(c);
    for (u32 opcode = 0; opcode < 64; opcode++) {
        client_begin(c, opcode, ROOT);
        client_end(c);
        client_begin(c, opcode, ROOT);
        client_put(c, "no end", 6);
        client_end_in(c, 16);
        client_end_in(c, 15);
        client_end_in(c, 0);
    }
    client_begin(c, 4096, ROOT);
    cr_assert_eq(client_end(c), -ENOSYS);
    client_begin(c, FUSE_IOCTL, ROOT);
    cr_assert_eq(client_end(c), -ENOTTY);
}

Test(fuse, a_file_without_a_name_gets_one)
{
    struct fuse_create_in in = {.flags = O_RDWR, .mode = 0600};
    client_begin(c, FUSE_TMPFILE, ROOT);
    client_put(c, &in, sizeof(in));
    int reason = client_end(c);
    if (reason == -EOPNOTSUPP) {
        cr_skip_test("the file system of /tmp has no such files");
    }
    cr_assert_eq(reason, 0);
    const struct fuse_entry_out *made = client_reply(c);
    struct fuse_link_in link = {.oldnodeid = made->nodeid};
    client_begin(c, FUSE_LINK, ROOT);
    client_put(c, &link, sizeof(link));
    client_put_name(c, "named");
    cr_assert_eq(client_end(c), 0);
    cr_assert(folder_has(f.path, "named"));
}

Test(fuse, a_read_only_share_is_not_changed)
{
    struct folder ro;
    folder_open(&ro, (struct share_options){.read_only = true});
    folder_write(ro.path, "a", "text");
    client_open(c, &ro);
    s64 node = client_lookup(c, ROOT, "a");
    cr_assert_eq(client_make(c, ROOT, "b", S_IFREG | 0600), -EROFS);
    cr_assert_eq(client_mkdir(c, ROOT, "b"), -EROFS);
    cr_assert_eq(client_symlink(c, ROOT, "b", "x"), -EROFS);
    cr_assert_eq(client_remove(c, FUSE_UNLINK, ROOT, "a"), -EROFS);
    cr_assert_eq(client_rename(c, ROOT, "a", ROOT, "b", 0), -EROFS);
    cr_assert_eq(client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR), -EROFS);
    cr_assert_eq(client_open_node(c, FUSE_OPEN, (u64)node, O_RDONLY | O_TRUNC), -EROFS);
    struct fuse_setattr_in in = {.valid = FATTR_SIZE};
    cr_assert_eq(client_setattr(c, (u64)node, &in), -EROFS);
    cr_assert_eq(set_xattr((u64)node, "user.x", "v"), -EROFS);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)node, O_RDONLY);
    cr_assert_eq(client_read(c, FUSE_READ, (u64)node, (u64)handle, 0, 10), 4);
    folder_close(&ro);
}

/* Owners, modes and devices of the guest's that the host's files do not have. */
Test(fuse, owners_are_kept)
{
    struct folder kept;
    struct fuse_attr attr;
    folder_open(&kept, (struct share_options){.keep_owners = true});
    client_open(c, &kept);
    if (set_xattr(ROOT, "user.x", "v") == -EOPNOTSUPP) {
        folder_close(&kept);
        cr_skip_test("the file system of /tmp has no attributes");
    }
    s64 node = client_make(c, ROOT, "null", S_IFCHR | 0640);
    cr_assert_gt(node, 1);
    struct fuse_setattr_in in = {.valid = FATTR_UID | FATTR_GID, .uid = 1000, .gid = 50};
    cr_assert_eq(client_setattr(c, (u64)node, &in), 0);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0);
    cr_assert_eq(attr.uid, 1000);
    cr_assert_eq(attr.gid, 50);
    cr_assert_eq(attr.mode, S_IFCHR | 0640);
    in = (struct fuse_setattr_in){.valid = FATTR_MODE, .mode = 04000};
    cr_assert_eq(client_setattr(c, (u64)node, &in), 0);
    cr_assert_eq(client_getattr(c, (u64)node, &attr), 0);
    cr_assert_eq(attr.mode, S_IFCHR | 04000);
    struct stat stat;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/null", kept.path);
    cr_assert_eq(lstat(path, &stat), 0);
    cr_assert(S_ISREG(stat.st_mode));
    cr_assert_eq(stat.st_mode & 04000, 0);
    cr_assert_eq(get_xattr((u64)node, FUSE_GETXATTR, "user.virtfs.uid", 64), -ENODATA);
    cr_assert_eq(set_xattr((u64)node, "user.virtfs.uid", "aaaa"), -EPERM);
    folder_close(&kept);
}

/* ---- Saved state ---- */

Test(fuse, what_was_open_is_open_again_after_a_load)
{
    struct state_writer writer;
    struct state_reader reader;
    struct fuse_attr attr;
    s64 dir = client_mkdir(c, ROOT, "dir");
    s64 node = client_make(c, (u64)dir, "file", S_IFREG | 0600);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR);
    s64 gone = client_make(c, ROOT, "gone", S_IFREG | 0600);
    s64 gone_handle = client_open_node(c, FUSE_OPEN, (u64)gone, O_RDWR);
    client_remove(c, FUSE_UNLINK, ROOT, "gone");
    client_write(c, (u64)node, (u64)handle, 0, "before");
    state_writer_init(&writer);
    share_save(f.share, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(share_load(f.share, &reader, NULL));
    cr_assert_eq(client_read(c, FUSE_READ, (u64)node, (u64)handle, 0, 10), 6);
    cr_assert_eq(client_write(c, (u64)node, (u64)handle, 6, " after"), 6);
    cr_assert_eq(client_lookup(c, (u64)dir, "file"), node, "the same node");
    cr_assert_eq(client_read(c, FUSE_READ, (u64)gone, (u64)gone_handle, 0, 10), -ESTALE);
    cr_assert_eq(client_getattr(c, (u64)gone, &attr), -ESTALE);
    cr_assert_gt(client_make(c, ROOT, "new", S_IFREG | 0600), gone, "ids are not used again");
    for (size_t cut = 0; cut < writer.size_bytes; cut++) {
        state_reader_init(&reader, writer.bytes, cut);
        cr_assert_not(share_load(f.share, &reader, NULL), "cut at %zu", cut);
    }
    state_writer_fini(&writer);
}

Test(fuse, a_file_replaced_between_save_and_load_is_stale)
{
    struct state_writer writer;
    struct state_reader reader;
    s64 node = client_make(c, ROOT, "file", S_IFREG | 0600);
    s64 handle = client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR);
    state_writer_init(&writer);
    share_save(f.share, &writer);
    folder_write(f.path, "other", "another file");
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof(from), "%s/other", f.path);
    snprintf(to, sizeof(to), "%s/file", f.path);
    cr_assert_eq(rename(from, to), 0);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    cr_assert(share_load(f.share, &reader, NULL));
    cr_assert_eq(client_read(c, FUSE_READ, (u64)node, (u64)handle, 0, 10), -ESTALE);
    cr_assert_eq(client_open_node(c, FUSE_OPEN, (u64)node, O_RDWR), -ESTALE);
    state_writer_fini(&writer);
}

/* ---- Many at once ---- */

static void *hammer(void *opaque)
{
    struct client *mine = calloc(1, sizeof(*mine));
    unsigned number = *(unsigned *)opaque;
    fuse_server_init(&mine->server, f.share, FUSE_CACHE_AUTO);
    for (unsigned i = 0; i < 1500; i++) {
        char name[16], other[16];
        snprintf(name, sizeof(name), "f%u", (i + number) % 7);
        snprintf(other, sizeof(other), "f%u", (i * number) % 7);
        s64 node = client_lookup(mine, ROOT, name);
        if (node <= 0) {
            node = client_make(mine, ROOT, name, S_IFREG | 0600);
        }
        s64 handle = node > 0 ? client_open_node(mine, FUSE_OPEN, (u64)node, O_RDWR) : -1;
        if (handle >= 0) {
            client_write(mine, (u64)node, (u64)handle, 0, "some text");
            client_release(mine, (u64)node, (u64)handle);
        }
        client_rename(mine, ROOT, name, ROOT, other, i % 3 == 0 ? RENAME_EXCHANGE : 0);
        if (i % 5 == 0) {
            client_remove(mine, FUSE_UNLINK, ROOT, other);
        }
        if (node > 0) {
            client_forget(mine, (u64)node, 1);
        }
    }
    fuse_server_fini(&mine->server);
    free(mine);
    return NULL;
}

Test(fuse, threads_that_rename_and_remove_the_same_files)
{
    unsigned before = folder_open_fds();
    pthread_t threads[4];
    unsigned numbers[4] = {1, 2, 3, 4};
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, hammer, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_assert_eq(client_init(c), 0);
    cr_assert_eq(folder_open_fds(), before);
}
