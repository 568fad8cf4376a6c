/* See share_request.h. */
#include "hw/share/share_request.h"

#include <string.h>

unsigned share_request_cut(struct iovec *vector, unsigned count, u64 size_bytes)
{
    unsigned i = 0;
    for (; i < count && size_bytes > 0; i++) {
        if (vector[i].iov_len > size_bytes) {
            vector[i].iov_len = (size_t)size_bytes;
        }
        size_bytes -= vector[i].iov_len;
    }
    return i;
}

/* What lies behind the head; nothing when that is all. */
static struct iovec share_request_rest(void *bytes, size_t size_bytes, size_t head_bytes)
{
    return size_bytes > head_bytes
               ? (struct iovec){(u8 *)bytes + head_bytes, size_bytes - head_bytes}
               : (struct iovec){0};
}

size_t share_request_serve(const struct share_protocol *protocol, void *server, const void *in,
                           size_t in_bytes, void *out, size_t out_bytes)
{
    u64 in_copy[SHARE_IN_BYTES / 8], reply[SHARE_OUT_BYTES / 8];
    size_t kept_bytes = in_bytes < sizeof(in_copy) ? in_bytes : sizeof(in_copy);
    struct iovec data_in = share_request_rest((u8 *)(uintptr_t)in, in_bytes,
                                              protocol->write_head_bytes);
    struct iovec data_out = share_request_rest(out, out_bytes, protocol->reply_head_bytes);
    struct share_request request = {
        .in = (const u8 *)in_copy, .in_bytes = kept_bytes, .in_total_bytes = in_bytes,
        .data_in = &data_in, .data_in_count = 1, .data_out = &data_out, .data_out_count = 1,
        .out_room_bytes = out_bytes, .out = (u8 *)reply,
    };
    memcpy(in_copy, in, kept_bytes);
    protocol->serve(server, &request);
    memcpy(out, reply, request.out_bytes);
    return request.out_bytes + request.data_bytes;
}
