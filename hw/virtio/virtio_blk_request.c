/* See virtio_blk_request.h.
 *
 * A chain is { le32 type, le32 reserved, le64 sector }, data, u8 status (virtio 1.2, 5.2.6); how it
 * is cut into descriptors means nothing. Data of discard and write-zeroes is one range { le64
 * sector, le32 sectors, le32 flags }, flag bit 0 being "unmap". */
#include "hw/virtio/virtio_blk_request.h"

enum blk_request_type {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13,
};

enum blk_status { BLK_OK = 0, BLK_IO_ERROR = 1, BLK_UNSUPPORTED = 2 };

enum { BLK_ID_BYTES = 20, BLK_RANGE_BYTES = 16, BLK_RANGE_UNMAP = 1 };

bool blk_request_is_framed(const struct blk_request *request)
{
    return request->chain.readable_bytes >= BLK_HEADER_BYTES && request->chain.writable_bytes >= 1;
}

static bool blk_range_fits(const struct blk_request *request, u64 sector, u64 size_bytes)
{
    u64 sectors = blk_backend_size_bytes(request->backend) / BLK_SECTOR_BYTES;
    return size_bytes % BLK_SECTOR_BYTES == 0 && sector <= sectors &&
           size_bytes / BLK_SECTOR_BYTES <= sectors - sector;
}

/* The bytes [skip, skip + size) of some segments as a vector; returns its length. */
static unsigned blk_vector(struct blk_request *request, unsigned first, unsigned end, u64 skip,
                           u64 size_bytes)
{
    unsigned count = 0;
    for (unsigned i = first; i < end && size_bytes > 0; i++) {
        const struct virtio_segment *segment = &request->chain.segments[i];
        if (skip >= segment->size_bytes) {
            skip -= segment->size_bytes;
            continue;
        }
        u64 part = segment->size_bytes - skip;
        part = part < size_bytes ? part : size_bytes;
        request->vector[count++] = (struct iovec){segment->hva + skip, part};
        size_bytes -= part;
        skip = 0;
    }
    return count;
}

static enum blk_status blk_answer(struct blk_request *request, int host_error)
{
    request->host_error = host_error;
    return host_error == 0 ? BLK_OK : BLK_IO_ERROR;
}

static enum blk_status blk_run_in(struct virtio *virtio, struct blk_request *request, u64 sector)
{
    struct virtio_chain *chain = &request->chain;
    u64 size_bytes = chain->writable_bytes - 1;
    if (!blk_range_fits(request, sector, size_bytes)) {
        return BLK_IO_ERROR;
    }
    unsigned count = blk_vector(request, chain->readable_count, chain->count, 0, size_bytes);
    int failed = blk_backend_read(request->backend, sector * BLK_SECTOR_BYTES, request->vector,
                                  count);
    virtio_chain_note_written(virtio, chain, size_bytes);
    request->written_bytes = size_bytes;
    return blk_answer(request, failed);
}

static enum blk_status blk_run_out(struct blk_request *request, u64 sector)
{
    struct virtio_chain *chain = &request->chain;
    u64 size_bytes = chain->readable_bytes - BLK_HEADER_BYTES;
    if (!blk_backend_is_writable(request->backend) ||
        !blk_range_fits(request, sector, size_bytes)) {
        return BLK_IO_ERROR;
    }
    unsigned count =
        blk_vector(request, 0, chain->readable_count, BLK_HEADER_BYTES, size_bytes);
    int failed = blk_backend_write(request->backend, sector * BLK_SECTOR_BYTES, request->vector,
                                   count);
    if (failed == 0 && request->write_through) {
        failed = blk_backend_flush(request->backend);
    }
    return blk_answer(request, failed);
}

static enum blk_status blk_run_get_id(struct virtio *virtio, struct blk_request *request)
{
    u64 room = request->chain.writable_bytes - 1;
    size_t size_bytes = room < BLK_ID_BYTES ? (size_t)room : BLK_ID_BYTES;
    virtio_chain_write(virtio, &request->chain, 0, request->serial, size_bytes);
    request->written_bytes = size_bytes;
    return BLK_OK;
}

static enum blk_status blk_run_range(struct blk_request *request, u32 type)
{
    u8 range[BLK_RANGE_BYTES];
    u64 data_bytes = request->chain.readable_bytes - BLK_HEADER_BYTES;
    if (data_bytes != BLK_RANGE_BYTES) {
        return BLK_UNSUPPORTED; /* configuration says: one range */
    }
    virtio_chain_read(&request->chain, BLK_HEADER_BYTES, range, sizeof(range));
    u64 sector = ld_le64(range);
    u64 size_bytes = (u64)ld_le32(range + 8) * BLK_SECTOR_BYTES;
    u32 flags = ld_le32(range + 12);
    u32 allowed = type == BLK_T_WRITE_ZEROES ? BLK_RANGE_UNMAP : 0;
    if ((flags & ~allowed) != 0) {
        return BLK_UNSUPPORTED;
    }
    if (!blk_backend_is_writable(request->backend) ||
        size_bytes > (u64)BLK_MAX_RANGE_SECTORS * BLK_SECTOR_BYTES ||
        !blk_range_fits(request, sector, size_bytes)) {
        return BLK_IO_ERROR;
    }
    u64 offset = sector * BLK_SECTOR_BYTES;
    return blk_answer(request, type == BLK_T_DISCARD
                                   ? blk_backend_discard(request->backend, offset, size_bytes)
                                   : blk_backend_write_zeroes(request->backend, offset,
                                                              size_bytes, flags != 0));
}

static enum blk_status blk_run_type(struct virtio *virtio, struct blk_request *request, u32 type,
                                    u64 sector)
{
    switch (type) {
    case BLK_T_IN: return blk_run_in(virtio, request, sector);
    case BLK_T_OUT: return blk_run_out(request, sector);
    case BLK_T_FLUSH: return blk_answer(request, blk_backend_flush(request->backend));
    case BLK_T_GET_ID: return blk_run_get_id(virtio, request);
    case BLK_T_DISCARD:
    case BLK_T_WRITE_ZEROES: return blk_run_range(request, type);
    default: return BLK_UNSUPPORTED;
    }
}

void blk_request_run(struct virtio *virtio, struct blk_request *request)
{
    u8 header[BLK_HEADER_BYTES];
    virtio_chain_read(&request->chain, 0, header, sizeof(header));
    request->written_bytes = 0;
    request->host_error = 0;
    const struct device_env *env = virtio->device->env;
    if (env->io != NULL) {
        u64 bytes = request->chain.readable_bytes + request->chain.writable_bytes;
        env->io(env->io_opaque, DEVICE_IO_DISK, ld_le32(header), ld_le64(header + 8),
                bytes - BLK_HEADER_BYTES - 1);
    }
    request->kind = ld_le32(header) == BLK_T_IN      ? "read"
                    : ld_le32(header) == BLK_T_FLUSH ? "flush"
                                                     : "write";
    u8 status = (u8)blk_run_type(virtio, request, ld_le32(header), ld_le64(header + 8));
    virtio_chain_write(virtio, &request->chain, request->chain.writable_bytes - 1, &status, 1);
    request->written_bytes++;
}
