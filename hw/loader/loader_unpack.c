/* Compressed images: gzip (zlib), Zstandard (libzstd), and the EFI zboot wrapping of either. */
#include "hw/loader/loader_private.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Output under construction. */
struct unpacked {
    u8 *bytes;
    u64 size_bytes, capacity_bytes;
};

static bool unpack_too_large(const char *name, struct metic_error *error)
{
    return error_set(error, NULL, "'%s' unpacks to more than 1 GiB", name);
}

static bool unpack_truncated(const char *name, const char *format_name, u64 unpacked_bytes,
                             struct metic_error *error)
{
    return error_set(error, "Fetch or copy it again.",
                     "'%s' is truncated: its %s data breaks off after %llu unpacked bytes", name,
                     format_name, (unsigned long long)unpacked_bytes);
}

static bool unpack_damaged(const char *name, const char *format_name, const char *why,
                           struct metic_error *error)
{
    return error_set(error, "Fetch or copy it again.", "'%s' has damaged %s data (%s)", name,
                     format_name, why);
}

/* Makes room for more output, up to one byte over the limit. */
static bool unpack_room(struct unpacked *out, const char *name, struct metic_error *error)
{
    if (out->size_bytes < out->capacity_bytes) {
        return true;
    }
    if (out->size_bytes > IMAGE_LIMIT_BYTES) {
        return unpack_too_large(name, error);
    }
    u64 wanted = out->capacity_bytes * 2;
    if (wanted > IMAGE_LIMIT_BYTES) {
        wanted = IMAGE_LIMIT_BYTES + 1;
    }
    u8 *grown = realloc(out->bytes, wanted);
    if (grown == NULL) {
        return error_set(error, "Free some memory.", "no memory to unpack '%s'", name);
    }
    out->bytes = grown;
    out->capacity_bytes = wanted;
    return true;
}

/* A stream may be several members in a row; what follows the last one is padding. */
static bool unpack_gzip_members(z_stream *stream, struct unpacked *out, const char *name,
                                struct metic_error *error)
{
    for (;;) {
        if (!unpack_room(out, name, error)) {
            return false;
        }
        u64 room = out->capacity_bytes - out->size_bytes;
        stream->next_out = out->bytes + out->size_bytes;
        stream->avail_out = (uInt)room;
        int status = inflate(stream, Z_NO_FLUSH);
        out->size_bytes += room - stream->avail_out;
        if (status == Z_STREAM_END) {
            bool more = loader_packing(stream->next_in, stream->avail_in) == IMAGE_GZIP;
            if (!more || inflateReset(stream) != Z_OK) {
                return out->size_bytes <= IMAGE_LIMIT_BYTES || unpack_too_large(name, error);
            }
        } else if (status == Z_BUF_ERROR || (status == Z_OK && stream->avail_in == 0 &&
                                             stream->avail_out != 0)) {
            return unpack_truncated(name, "gzip", out->size_bytes, error);
        } else if (status != Z_OK) {
            return unpack_damaged(name, "gzip", stream->msg != NULL ? stream->msg : "no reason",
                                  error);
        }
    }
}

static bool unpack_gzip(const char *name, const u8 *bytes, u64 size_bytes, struct unpacked *out,
                        struct metic_error *error)
{
    /* The casts drop const where zlib's interface does; zlib only reads. */
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size_bytes};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) {
        return error_set(error, NULL, "zlib does not start");
    }
    bool ok = unpack_gzip_members(&stream, out, name, error);
    inflateEnd(&stream);
    return ok;
}

static bool unpack_zstd_frames(ZSTD_DCtx *context, ZSTD_inBuffer *in, struct unpacked *out,
                               const char *name, struct metic_error *error)
{
    for (;;) {
        if (!unpack_room(out, name, error)) {
            return false;
        }
        ZSTD_outBuffer to = {out->bytes, out->capacity_bytes, out->size_bytes};
        size_t left = ZSTD_decompressStream(context, &to, in);
        bool stuck = to.pos == out->size_bytes && in->pos == in->size;
        out->size_bytes = to.pos;
        if (ZSTD_isError(left)) {
            return unpack_damaged(name, "zstd", ZSTD_getErrorName(left), error);
        }
        if (left == 0) {
            const u8 *rest = (const u8 *)in->src + in->pos;
            if (loader_packing(rest, in->size - in->pos) != IMAGE_ZSTD) {
                return out->size_bytes <= IMAGE_LIMIT_BYTES || unpack_too_large(name, error);
            }
        } else if (stuck) {
            return unpack_truncated(name, "zstd", out->size_bytes, error);
        }
    }
}

static bool unpack_zstd(const char *name, const u8 *bytes, u64 size_bytes, struct unpacked *out,
                        struct metic_error *error)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        return error_set(error, NULL, "libzstd does not start");
    }
    ZSTD_inBuffer in = {bytes, size_bytes, 0};
    bool ok = unpack_zstd_frames(context, &in, out, name, error);
    ZSTD_freeDCtx(context);
    return ok;
}

enum image_packing loader_packing(const u8 *bytes, u64 size_bytes)
{
    if (loader_has(bytes, size_bytes, 0, "\x1f\x8b\x08", 3)) {
        return IMAGE_GZIP;
    }
    if (loader_has(bytes, size_bytes, 0, "\x28\xb5\x2f\xfd", 4)) {
        return IMAGE_ZSTD;
    }
    return IMAGE_PLAIN;
}

bool loader_unpack(enum image_packing packing, const char *name, const u8 *bytes, u64 size_bytes,
                   u8 **out, u64 *out_bytes, struct metic_error *error)
{
    /* Kernels shrink to a third or so; the buffer doubles from there. */
    u64 guess = size_bytes * 3 < IMAGE_LIMIT_BYTES ? size_bytes * 3 + 4096 : IMAGE_LIMIT_BYTES + 1;
    struct unpacked to = {malloc(guess), 0, guess};
    if (to.bytes == NULL) {
        return error_set(error, "Free some memory.", "no memory to unpack '%s'", name);
    }
    bool ok = packing == IMAGE_GZIP ? unpack_gzip(name, bytes, size_bytes, &to, error)
                                    : unpack_zstd(name, bytes, size_bytes, &to, error);
    if (!ok) {
        free(to.bytes);
        return false;
    }
    *out = to.bytes;
    *out_bytes = to.size_bytes;
    return true;
}

bool loader_zboot(const u8 *bytes, u64 size_bytes, u64 *payload_offset, u64 *payload_bytes)
{
    if (size_bytes < 0x40 || !loader_has(bytes, size_bytes, 0, "MZ", 2) ||
        !loader_has(bytes, size_bytes, 4, "zimg", 4)) {
        return false;
    }
    u64 offset = ld_le32(bytes + 8);
    u64 length = ld_le32(bytes + 12);
    bool inside = offset <= size_bytes && length <= size_bytes - offset;
    *payload_offset = offset;
    *payload_bytes = inside ? length : 0;
    return true;
}
