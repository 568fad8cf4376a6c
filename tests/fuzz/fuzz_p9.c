/* 9P requests, as a hostile driver would send them. */
#include "hw/share/p9.h"
#include "tests/fuzz/fuzz_share.h"

#include "cpu/base/bits.h"

#include <stdarg.h>

/* Agrees upon the version and attaches fid 1, so that what follows has something to work on. */
static const u8 fuzz_begin[][64] = {
    {21, 0, 0, 0, 100, 0, 0, 0, 0, 1, 0, 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L'},
    {23, 0, 0, 0, 104, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0},
};

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static u8 reply[SHARE_OUT_BYTES];
    struct fuzz_folder *folder = fuzz_share_begin();
    struct p9_server server;
    const u8 *end = bytes + size_bytes, *request;
    size_t request_bytes;
    p9_server_init(&server, folder->share);
    for (size_t i = 0; i < ARRAY_LEN(fuzz_begin); i++) {
        share_request_serve(&p9_protocol, &server, fuzz_begin[i], fuzz_begin[i][0], reply,
                            sizeof(reply));
    }
    for (unsigned i = 0; i < FUZZ_SHARE_MAX_REQUESTS &&
                         fuzz_share_next(&bytes, end, &request, &request_bytes); i++) {
        size_t room_bytes = i % 8 == 7 ? i : sizeof(reply);
        if (share_request_serve(&p9_protocol, &server, request, request_bytes, reply,
                                room_bytes) > room_bytes) {
            abort();
        }
    }
    p9_server_fini(&server);
    fuzz_share_end(folder);
}

/* A message: b, h, w, d are numbers of 1 to 8 bytes, s is a string. */
static void request(struct fuzz_requests *to, u8 type, const char *format, ...)
{
    u8 head[7] = {0, 0, 0, 0, type, 1, 0}, number[8];
    va_list args;
    fuzz_put_request(to);
    fuzz_put(to, head, sizeof(head));
    va_start(args, format);
    for (; *format != '\0'; format++) {
        if (*format == 's') {
            const char *text = va_arg(args, const char *);
            st_le16(number, (u16)strlen(text));
            fuzz_put(to, number, 2);
            fuzz_put(to, text, strlen(text));
        } else {
            st_le64(number, (u64)va_arg(args, int));
            fuzz_put(to, number, *format == 'b' ? 1 : *format == 'h' ? 2 : *format == 'w' ? 4 : 8);
        }
    }
    va_end(args);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static struct fuzz_requests all;
    request(&all, 110, "wwhs", 1, 2, 1, "file");
    request(&all, 24, "wd", 2, 0x7ff);
    request(&all, 12, "ww", 2, O_RDWR);
    request(&all, 116, "wdw", 2, 0, 100);
    request(&all, 118, "wdws", 2, 0, 7, "hello");
    request(&all, 26, "wwwwwddddd", 2, 9, 0600, 0, 0, 3, 0, 0, 0, 0);
    request(&all, 50, "ww", 2, 1);
    request(&all, 52, "wbwddws", 2, 1, 0, 0, 0, 1, "guest");
    request(&all, 54, "wbddws", 2, 1, 0, 0, 1, "guest");
    request(&all, 120, "w", 2);
    add(all.bytes, all.size_bytes);
    request(&all, 110, "wwhss", 1, 3, 2, "dir", "..");
    request(&all, 12, "ww", 3, O_RDONLY);
    request(&all, 40, "wdw", 3, 0, 4096);
    request(&all, 110, "wwh", 1, 4, 0);
    request(&all, 14, "wswww", 4, "made", O_RDWR | O_CREAT, 0644, 0);
    request(&all, 72, "wsww", 1, "new", 0755, 0);
    request(&all, 18, "wswwww", 1, "node", S_IFREG | 0644, 0, 0, 0);
    request(&all, 16, "wssw", 1, "l", "../..", 0);
    request(&all, 74, "wsws", 1, "made", 1, "moved");
    request(&all, 20, "wws", 4, 1, "again");
    request(&all, 70, "wws", 1, 4, "linked");
    request(&all, 76, "wsw", 1, "linked", 0);
    request(&all, 8, "w", 1);
    add(all.bytes, all.size_bytes);
    request(&all, 110, "wwhss", 1, 5, 2, "dir", "link");
    request(&all, 22, "w", 5);
    request(&all, 110, "wwhs", 1, 6, 1, "file");
    request(&all, 32, "wsdw", 6, "user.k", 5, 0);
    request(&all, 118, "wdws", 6, 0, 5, "abc");
    request(&all, 120, "w", 6);
    request(&all, 30, "wws", 1, 7, "user.k");
    request(&all, 30, "wws", 1, 8, "");
    request(&all, 116, "wdw", 8, 0, 100);
    request(&all, 108, "h", 1);
    request(&all, 122, "w", 6);
    request(&all, 100, "ws", 8192, "9P2000.L");
    add(all.bytes, all.size_bytes);
}
