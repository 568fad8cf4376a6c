/* Compressed clusters of a qcow2 image: zlib (raw deflate) or zstd. See qcow2.h.
 *
 * An entry has the byte where the data begins, anywhere in the file, and how many sectors of 512
 * bytes it reaches into behind its first; so data may begin in the middle of a cluster, behind
 * other compressed data, and the cluster has as many users. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

void qcow2_packed_place(const struct qcow2 *q, u64 entry, u64 *offset, u64 *size_bytes)
{
    unsigned shift = 62 - (q->cluster_bits - 8);
    u64 sectors = (entry >> shift & ((1ull << (q->cluster_bits - 8)) - 1)) + 1;
    *offset = entry & ((1ull << shift) - 1);
    *size_bytes = sectors * BLK_SECTOR_BYTES - *offset % BLK_SECTOR_BYTES;
}

static bool unpack_zlib(struct qcow2 *q, u64 size_bytes)
{
    z_stream stream = {.next_in = q->packed, .avail_in = (uInt)size_bytes,
                       .next_out = q->unpacked, .avail_out = (uInt)q->cluster_bytes};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        return false;
    }
    int result = inflate(&stream, Z_FINISH);
    bool ok = stream.avail_out == 0 && (result == Z_STREAM_END || result == Z_BUF_ERROR);
    inflateEnd(&stream);
    return ok;
}

static bool unpack_zstd(struct qcow2 *q, u64 size_bytes)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {q->packed, size_bytes, 0};
    ZSTD_outBuffer out = {q->unpacked, q->cluster_bytes, 0};
    size_t left = 1;
    while (stream != NULL && out.pos < out.size && left != 0) {
        size_t in_before = in.pos, out_before = out.pos;
        left = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(left) || (in.pos == in_before && out.pos == out_before)) {
            break;
        }
    }
    ZSTD_freeDStream(stream);
    return out.pos == out.size;
}

int qcow2_unpack(struct qcow2 *q, u64 entry)
{
    u64 offset, size_bytes;
    if (q->unpacked_entry == entry) {
        return 0;
    }
    q->unpacked_entry = 0;
    qcow2_packed_place(q, entry, &offset, &size_bytes);
    int failed = offset < q->image.file.size_bytes
                     ? blk_file_read_bytes(&q->image.file, offset, q->packed, size_bytes) : EIO;
    if (failed == 0 && !(q->compression == QCOW2_ZSTD ? unpack_zstd(q, size_bytes)
                                                      : unpack_zlib(q, size_bytes))) {
        snprintf(q->image.trouble, sizeof(q->image.trouble),
                 "a compressed cluster is damaged, at byte %llu of the file",
                 (unsigned long long)offset);
        failed = EIO;
    }
    q->unpacked_entry = failed == 0 ? entry : 0;
    return failed;
}

/* ---- Writing ---- */

/* 0 when the result is not shorter than a cluster. */
static u64 pack_zlib(struct qcow2 *q, const u8 *bytes)
{
    z_stream stream = {.next_in = (u8 *)(uintptr_t)bytes, .avail_in = (uInt)q->cluster_bytes,
                       .next_out = q->packed, .avail_out = (uInt)q->cluster_bytes - 1};
    /* Readers may have no more than a window of 4 KiB. */
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return 0;
    }
    int result = deflate(&stream, Z_FINISH);
    deflateEnd(&stream);
    return result == Z_STREAM_END ? stream.total_out : 0;
}

static u64 pack(struct qcow2 *q, const u8 *bytes)
{
    if (q->compression == QCOW2_ZLIB) {
        return pack_zlib(q, bytes);
    }
    size_t size_bytes = ZSTD_compress(q->packed, q->cluster_bytes - 1, bytes, q->cluster_bytes,
                                      ZSTD_CLEVEL_DEFAULT);
    return ZSTD_isError(size_bytes) ? 0 : size_bytes;
}

/* Finds a place for compressed data: behind the last such in its cluster, which then has one user
 * more, or in a new cluster. */
static int pack_place(struct qcow2 *q, u64 size_bytes, u64 *offset)
{
    u64 count = 0;
    if (q->packed_end - q->packed_at >= size_bytes) {
        u64 cluster = q->packed_at >> q->cluster_bits;
        int failed = qcow2_refcount_get(q, cluster, &count);
        if (failed == 0 && count > 0 && count < qcow2_refcount_max(q)) {
            *offset = q->packed_at;
            q->packed_at += size_bytes;
            return qcow2_refcount_add(q, cluster);
        }
    }
    u64 first = 0;
    int failed = qcow2_alloc(q, 1, 1, &first, &count);
    if (failed == 0) {
        *offset = first << q->cluster_bits;
        q->packed_at = *offset + size_bytes;
        q->packed_end = *offset + q->cluster_bytes;
    }
    return failed;
}

static int write_packed(struct qcow2 *q, u64 offset, u64 size_bytes)
{
    struct qcow2_table *table;
    u64 host = 0;
    int failed = pack_place(q, size_bytes, &host);
    failed = failed != 0 ? failed
                         : blk_file_write_bytes(&q->image.file, host, q->packed, size_bytes);
    failed = failed != 0 ? failed : qcow2_l2_for_write(q, offset, &table);
    if (failed != 0) {
        return failed;
    }
    unsigned shift = 62 - (q->cluster_bits - 8);
    u64 sectors = (host + size_bytes - 1) / BLK_SECTOR_BYTES - host / BLK_SECTOR_BYTES;
    u64 entry = QCOW2_COMPRESSED | sectors << shift | host;
    return qcow2_l2_set(q, table, qcow2_l2_index(q, offset), entry);
}

int qcow2_write_compressed(struct blk_image *image, u64 offset, const u8 *bytes)
{
    struct qcow2 *q = qcow2_of(image);
    u64 size_bytes = pack(q, bytes);
    q->unpacked_entry = 0;
    if (size_bytes == 0 || offset + q->cluster_bytes > image->size_bytes) {
        u64 left = image->size_bytes - offset;
        return blk_image_write(image, offset, bytes,
                               left < q->cluster_bytes ? left : q->cluster_bytes);
    }
    return write_packed(q, offset, size_bytes);
}
