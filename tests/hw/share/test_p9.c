#include "hw/share/p9.h"
#include "tests/hw/share/folder.h"

#include "cpu/base/bits.h"

enum { ROOT = 1, NO_FID = -1, ERROR = 7 };

/* A 9P client: a message is a format with b (1 byte), h (2), w (4), d (8), s (string), B (bytes,
 * their length) and the values; results are read in turn. */
static struct folder f;
static struct p9_server server;
static u8 out[64 << 10], reply[128 << 10];
static size_t out_bytes, reply_bytes, reply_at;

static void put(u64 value, unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++) {
        out[out_bytes++] = (u8)(value >> (8 * i));
    }
}

static void put_string(const char *text)
{
    put(strlen(text), 2);
    memcpy(out + out_bytes, text, strlen(text));
    out_bytes += strlen(text);
}

static u64 get(unsigned size_bytes)
{
    cr_assert_leq(reply_at + size_bytes, reply_bytes);
    reply_at += size_bytes;
    return ld_le(reply + reply_at - size_bytes, size_bytes);
}

static int send_in(u8 type, size_t room_bytes)
{
    st_le32(out, (u32)out_bytes);
    out[4] = type;
    st_le16(out + 5, 77);
    reply_bytes = share_request_serve(&p9_protocol, &server, out, out_bytes, reply, room_bytes);
    out_bytes = reply_at = 7;
    if (reply_bytes == 0) {
        return -ENODATA;
    }
    cr_assert_leq(reply_bytes, room_bytes);
    cr_assert_eq(ld_le32(reply), reply_bytes);
    cr_assert_eq(ld_le16(reply + 5), 77);
    if (reply[4] == ERROR) {
        cr_assert_eq(reply_bytes, 11);
        return -(int)get(4);
    }
    cr_assert_eq(reply[4], type + 1);
    return 0;
}

static int message(u8 type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    out_bytes = 7;
    for (; *format != '\0'; format++) {
        switch (*format) {
        case 'b': put((u64)va_arg(args, int), 1); break;
        case 'h': put((u64)va_arg(args, int), 2); break;
        case 'w': put((u64)va_arg(args, int), 4); break;
        case 'd': put(va_arg(args, u64), 8); break;
        case 's': put_string(va_arg(args, const char *)); break;
        case 'B': {
            const void *bytes = va_arg(args, const void *);
            size_t size_bytes = (size_t)va_arg(args, int);
            memcpy(out + out_bytes, bytes, size_bytes);
            out_bytes += size_bytes;
        }
        }
    }
    va_end(args);
    return send_in(type, sizeof(reply));
}

static int version(const char *text)
{
    return message(100, "ws", 65536, text);
}

static int attach(int fid)
{
    return message(104, "wwssw", fid, NO_FID, "root", "", 0);
}

static int walk(int fid, int new_fid, const char *name)
{
    return *name != '\0' ? message(110, "wwhs", fid, new_fid, 1, name)
                         : message(110, "wwh", fid, new_fid, 0);
}

static int clunk(int fid)
{
    return message(120, "w", fid);
}

/* Makes and opens a file: fid `fid` is it. */
static int create(int fid, const char *name, int flags)
{
    int reason = walk(ROOT, fid, "");
    return reason != 0 ? reason : message(14, "wswww", fid, name, flags, 0640, 0);
}

static int write_at(int fid, u64 offset, const char *text)
{
    int reason = message(118, "wdwB", fid, offset, (int)strlen(text), text, (int)strlen(text));
    return reason != 0 ? reason : (int)get(4);
}

/* What is read; it must be `text`. */
static void reads(int fid, u64 offset, const char *text)
{
    cr_assert_eq(message(116, "wdw", fid, offset, 100), 0);
    cr_assert_eq(get(4), strlen(text));
    cr_assert_arr_eq(reply + 11, text, strlen(text));
}

static void setup(void)
{
    folder_open(&f, (struct share_options){0});
    p9_server_init(&server, f.share);
    cr_assert_eq(version("9P2000.L"), 0);
    cr_assert_eq(get(4), 65536);
    cr_assert_eq(attach(ROOT), 0);
}

static void teardown(void)
{
    p9_server_fini(&server);
    folder_close(&f);
}

TestSuite(p9, .init = setup, .fini = teardown);

Test(p9, versions)
{
    cr_assert_eq(version("9P2000.u"), 0);
    get(4);
    cr_assert_eq(get(2), 7, "unknown");
    cr_assert_eq(attach(ROOT), -EPROTO, "nothing is done before");
    cr_assert_eq(message(100, "ws", 100, "9P2000.L"), -EMSGSIZE);
    cr_assert_eq(version("9P2000.L"), 0);
    cr_assert_eq(walk(ROOT, 2, ""), -EBADF, "a new session knows no fid");
    cr_assert_eq(message(102, "wssw", 1, "", "", 0), -EOPNOTSUPP);
}

Test(p9, a_file_is_made_written_read_and_removed)
{
    cr_assert_eq(create(2, "file", O_RDWR | O_CREAT), 0);
    cr_assert_eq(write_at(2, 3, "hello"), 5);
    reads(2, 3, "hello");
    reads(2, 100, "");
    cr_assert_eq(message(24, "wd", 2, (u64)0x7ff), 0);
    get(8);
    get(8);
    get(5);
    cr_assert_eq(get(4), S_IFREG | 0640);
    get(8);
    cr_assert_eq(get(8), 1, "links");
    get(8);
    cr_assert_eq(get(8), 8, "bytes");
    cr_assert_eq(message(76, "wsw", ROOT, "file", 0), 0);
    cr_assert_not(folder_has(f.path, "file"));
    cr_assert_eq(write_at(2, 0, "x"), 1, "it is open still");
    cr_assert_eq(clunk(2), 0);
    cr_assert_eq(clunk(2), -EBADF);
    cr_assert_eq(walk(ROOT, 2, "file"), -ENOENT);
    cr_assert_eq(create(2, "file", O_RDWR | O_CREAT), 0);
    cr_assert_eq(message(122, "w", 2), 0, "Tremove");
    cr_assert_not(folder_has(f.path, "file"));
    cr_assert_eq(clunk(2), -EBADF);
}

/* A driver that caches writes pages back through any fid, one for appending too. */
Test(p9, a_write_goes_where_it_says)
{
    cr_assert_eq(create(2, "log", O_RDWR | O_CREAT | O_APPEND), 0);
    cr_assert_eq(write_at(2, 0, "one"), 3);
    cr_assert_eq(write_at(2, 0, "ONE"), 3);
    cr_assert_str_eq(folder_read(f.path, "log"), "ONE");
}

Test(p9, what_is_walked_to)
{
    cr_assert_eq(message(72, "wsww", ROOT, "dir", 0755, 0), 0);
    cr_assert_eq(message(72, "wsww", ROOT, "other", 0755, 0), 0);
    cr_assert_eq(message(110, "wwhsss", ROOT, 2, 3, "dir", "..", "other"), 0);
    cr_assert_eq(get(2), 3);
    cr_assert_eq(message(110, "wwhss", ROOT, 3, 2, "dir", "none"), 0);
    cr_assert_eq(get(2), 1, "as far as it goes");
    cr_assert_eq(clunk(3), -EBADF, "and then there is no fid");
    cr_assert_eq(walk(ROOT, 2, "dir"), -EBADF, "the number is taken");
    cr_assert_eq(walk(2, 2, ".."), 0);
    cr_assert_eq(walk(2, 2, "dir"), 0);
    cr_assert_eq(message(110, "wwh", ROOT, 5, 17), -EINVAL);
    cr_assert_eq(message(110, "wwhs", 2, 5, 1, ".."), 0);
    cr_assert_eq(message(110, "wwhsss", 5, 6, 3, "..", "..", ".."), 0, "the root's is itself");
    cr_assert_eq(message(110, "wwhs", 6, 7, 1, "dir"), 0);
}

Test(p9, nothing_leads_outside)
{
    static const char *const names[] = {"", "/", ".", "../secret", "a/b", "/etc/passwd"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        cr_assert_lt(message(110, "wwhs", ROOT, 9, 1, names[i]), 0, "%s", names[i]);
        cr_assert_lt(create(9, names[i], O_RDWR), 0, "%s", names[i]);
        clunk(9);
        cr_assert_lt(message(72, "wsww", ROOT, names[i], 0755, 0), 0, "%s", names[i]);
        cr_assert_lt(message(76, "wsw", ROOT, names[i], 0), 0, "%s", names[i]);
    }
    cr_assert_lt(message(76, "wsw", ROOT, "..", AT_REMOVEDIR), 0);
    cr_assert_eq(message(16, "wssw", ROOT, "out", "../secret", 0), 0);
    cr_assert_eq(walk(ROOT, 2, "out"), 0);
    cr_assert_eq(message(22, "w", 2), 0);
    cr_assert_eq(get(2), 9);
    cr_assert_eq(message(12, "ww", 2, O_RDWR), -ENXIO, "a link is the guest's to follow");
    cr_assert_lt(message(110, "wwhs", 2, 3, 1, "x"), 0);
    cr_assert_lt(message(26, "wwwwwddddd", 2, 1, 0777, 0, 0, (u64)0, (u64)0, (u64)0, (u64)0,
                         (u64)0), 0);
    cr_assert_eq(message(18, "wswwww", ROOT, "device", S_IFCHR | 0600, 1, 3, 0), -EPERM);
    cr_assert_str_eq(folder_read(f.outside, "secret"), "secret");
}

Test(p9, names_change)
{
    cr_assert_eq(create(2, "a", O_RDWR | O_CREAT), 0);
    cr_assert_eq(message(72, "wsww", ROOT, "dir", 0755, 0), 0);
    cr_assert_eq(walk(ROOT, 3, "dir"), 0);
    cr_assert_eq(message(74, "wsws", ROOT, "a", 3, "b"), 0, "Trenameat");
    cr_assert(folder_has(f.path, "dir/b"));
    cr_assert_eq(message(20, "wws", 2, ROOT, "c"), 0, "Trename");
    cr_assert(folder_has(f.path, "c"));
    cr_assert_eq(message(70, "wws", 3, 2, "linked"), 0);
    cr_assert(folder_has(f.path, "dir/linked"));
    cr_assert_eq(write_at(2, 0, "same"), 4);
    cr_assert_str_eq(folder_read(f.path, "dir/linked"), "same");
}

Test(p9, a_folder_is_listed_in_parts)
{
    char name[32];
    unsigned seen = 0;
    u64 offset = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "file-%d", i);
        folder_write(f.path, name, "");
    }
    cr_assert_eq(walk(ROOT, 2, ""), 0);
    cr_assert_eq(message(12, "ww", 2, O_RDONLY), 0);
    for (;;) {
        cr_assert_eq(message(40, "wdw", 2, offset, 500), 0);
        u32 used = (u32)get(4);
        cr_assert_leq(used, 500);
        if (used == 0) {
            break;
        }
        for (size_t end = reply_at + used; reply_at < end; seen++) {
            get(1), get(4), get(8);
            offset = get(8);
            get(1);
            reply_at += get(2);
        }
    }
    cr_assert_eq(seen, 102);
    cr_assert_eq(message(40, "wdw", 2, (u64)0, 10), -EINVAL, "no room for any");
    cr_assert_eq(message(40, "wdw", ROOT, (u64)0, 500), -EBADF, "it is not open");
}

/* Not on every file system. */
Test(p9, extended_attributes)
{
    folder_write(f.path, "file", "");
    cr_assert_eq(walk(ROOT, 2, "file"), 0);
    cr_assert_eq(walk(2, 3, ""), 0);
    cr_assert_eq(message(32, "wsdw", 3, "user.k", (u64)5, 0), 0);
    cr_assert_eq(write_at(3, 0, "hel"), 3);
    cr_assert_eq(write_at(3, 3, "lo!"), -ENOSPC);
    cr_assert_eq(write_at(3, 3, "lo"), 2);
    int reason = clunk(3);
    if (reason == -EOPNOTSUPP) {
        cr_skip_test("no attributes here");
    }
    cr_assert_eq(reason, 0);
    cr_assert_eq(message(30, "wws", 2, 3, "user.k"), 0);
    cr_assert_eq(get(8), 5);
    reads(3, 1, "ello");
    reads(3, 9, "");
    cr_assert_eq(clunk(3), 0);
    cr_assert_eq(message(30, "wws", 2, 3, ""), 0, "the list");
    cr_assert_eq(get(8), sizeof("user.k"));
    cr_assert_eq(message(116, "wdw", 3, (u64)0, 100), 0);
    cr_assert_eq(get(4), sizeof("user.k"));
    cr_assert_arr_eq(reply + 11, "user.k", sizeof("user.k"));
    cr_assert_eq(clunk(3), 0);
    cr_assert_eq(message(30, "wws", 2, 3, "security.selinux"), -EOPNOTSUPP);
    cr_assert_eq(walk(2, 3, ""), 0);
    cr_assert_eq(message(32, "wsdw", 3, "user.k", (u64)0, 2), 0);
    cr_assert_eq(clunk(3), 0, "that takes it away");
    cr_assert_eq(message(30, "wws", 2, 3, "user.k"), -ENODATA);
    cr_assert_eq(walk(2, 3, ""), 0);
    cr_assert_eq(message(32, "wsdw", 3, "user.k", (u64)5, 0), 0);
    cr_assert_eq(clunk(3), -EINVAL, "not all was written");
    cr_assert_eq(message(32, "wsdw", 2, "user.k", (u64)1 << 40, 0), -E2BIG);
}

Test(p9, attributes_that_are_held_are_bounded)
{
    int fid = 10, reason = 0;
    folder_write(f.path, "file", "");
    for (; reason == 0 && fid < 1000; fid++) {
        cr_assert_eq(walk(ROOT, fid, "file"), 0);
        reason = message(32, "wsdw", fid, "user.k", (u64)65536, 0);
    }
    cr_assert_eq(reason, -ENOMEM);
    cr_assert_lt(fid, 300);
    cr_assert_eq(clunk(11), -EINVAL);
    cr_assert_eq(message(32, "wsdw", fid - 1, "user.k", (u64)65536, 0), 0, "there is room again");
}

Test(p9, messages_that_are_cut_or_have_no_room)
{
    folder_write(f.path, "file", "");
    for (unsigned type = 0; type < 256; type++) {
        for (size_t bytes = 0; bytes < 40; bytes++) {
            memset(out, 0, sizeof(out));
            out_bytes = 7 + bytes;
            cr_assert(type == 108 || type == 100 || send_in((u8)type, sizeof(reply)) != 0 ||
                      bytes > 0);
        }
    }
    cr_assert_eq(version("9P2000.L"), 0);
    cr_assert_eq(attach(ROOT), 0);
    out_bytes = 7;
    put(ROOT, 4), put(0, 8);
    cr_assert_eq(send_in(24, 100), -EMSGSIZE, "the attributes do not fit");
    out_bytes = 7;
    put(ROOT, 4), put(0, 8);
    cr_assert_eq(send_in(24, 10), -ENODATA, "nor does an error");
    cr_assert_eq(message(118, "wdw", ROOT, (u64)0, 1000), -EINVAL, "data that is not there");
}

Test(p9, locks_are_granted_to_the_guest)
{
    cr_assert_eq(create(2, "file", O_RDWR | O_CREAT), 0);
    cr_assert_eq(message(52, "wbwddws", 2, 1, 0, (u64)0, (u64)0, 1, "guest"), 0);
    cr_assert_eq(get(1), 0);
    cr_assert_eq(message(54, "wbddws", 2, 1, (u64)3, (u64)4, 1, "guest"), 0);
    cr_assert_eq(get(1), 2, "nobody has one");
    cr_assert_eq(get(8), 3);
}

Test(p9, saved_state)
{
    struct share_options options = {.path = f.path};
    struct state_writer writer = {0};
    cr_assert_eq(create(2, "log", O_RDWR | O_CREAT), 0);
    cr_assert_eq(write_at(2, 0, "first "), 6);
    cr_assert_eq(walk(ROOT, 3, "log"), 0);
    cr_assert_eq(message(32, "wsdw", 3, "user.k", (u64)5, 0), 0);
    cr_assert_eq(write_at(3, 0, "he"), 2);
    share_save(f.share, &writer);
    p9_server_save(&server, &writer);
    for (size_t cut = 0; cut <= writer.size_bytes; cut++) {
        struct share *share = share_new(&options, NULL);
        struct p9_server other;
        struct state_reader reader = {.bytes = writer.bytes, .size_bytes = cut};
        p9_server_init(&other, share);
        bool ok = share_load(share, &reader, NULL) && p9_server_load(&other, &reader, NULL);
        cr_assert_eq(ok, cut == writer.size_bytes);
        if (ok) {
            struct p9_server kept = server;
            server = other;
            cr_assert_eq(write_at(2, 6, "second"), 6);
            cr_assert_eq(write_at(3, 2, "llo"), 3);
            cr_assert_neq(clunk(3), -EINVAL);
            cr_assert_eq(walk(ROOT, 4, "log"), 0);
            other = server;
            server = kept;
        }
        p9_server_fini(&other);
        share_free(share);
    }
    cr_assert_str_eq(folder_read(f.path, "log"), "first second");
    state_writer_fini(&writer);
}

Test(p9, no_descriptor_is_left)
{
    unsigned before = folder_open_fds();
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(create(2, "file", O_RDWR | O_CREAT), 0);
        cr_assert_eq(walk(ROOT, 3, "file"), 0);
        cr_assert_eq(message(12, "ww", 3, O_RDONLY), 0);
        cr_assert_eq(message(12, "ww", 3, O_RDONLY), -EINVAL, "it is open");
        cr_assert_eq(clunk(2), 0);
        cr_assert_eq(message(122, "w", 3), 0);
    }
    cr_assert_eq(folder_open_fds(), before);
    cr_assert_eq(server.fid_count, 1);
}
