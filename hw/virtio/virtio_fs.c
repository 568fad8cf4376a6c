/* The file system device (virtio 1.2, 5.11): FUSE requests (hw/share/fuse.h) from the guest's
 * kernel. Queue 0 has what may not wait behind others, forgetting, queue 1 all else.
 *
 *   configuration: 0 u8[36] tag, 36 le32 request queues
 *   a chain is a request, readable, and the room for its reply, writable
 *
 * Left out: notifications to the driver (Linux has none for this device), a window for mapping
 * files (DAX), several request queues, which would only share the same threads. */
#include "hw/virtio/virtio_fs.h"

#include "hw/virtio/virtio_pool.h"
#include <string.h>

enum {
    FS_QUEUE_ENTRIES = 256,
    FS_QUEUES = 2,
    FS_CONFIG_BYTES = 40,
    FS_THREADS = 4,
};

struct fs {
    struct fuse_server server;
    struct virtio_pool pool;
};

/* A thread's own. */
struct fs_scratch {
    u64 in[FUSE_IN_BYTES / 8];
    u64 out[FUSE_OUT_BYTES / 8];
    struct iovec data_in[VIRTIO_QUEUE_ENTRIES], data_out[VIRTIO_QUEUE_ENTRIES];
};

static const struct virtio_fs_config *fs_config(const struct virtio *virtio)
{
    return virtio->config;
}

static void fs_run(struct virtio *virtio, struct virtio_job *job)
{
    struct fs *fs = virtio->state;
    struct fs_scratch *scratch = job->scratch;
    struct virtio_chain *chain = &job->chain;
    struct fuse_request request = {
        .in = (const u8 *)scratch->in,
        .in_bytes = virtio_chain_read(chain, 0, scratch->in, sizeof(scratch->in)),
        .in_total_bytes = chain->readable_bytes,
        .data_in = scratch->data_in,
        .data_out = scratch->data_out,
        .out_room_bytes = chain->writable_bytes,
        .out = (u8 *)scratch->out,
    };
    request.data_in_count =
        virtio_chain_readable(chain, FUSE_WRITE_HEAD_BYTES, scratch->data_in);
    request.data_out_count =
        virtio_chain_writable(chain, FUSE_OUT_HEADER_BYTES, scratch->data_out);
    fuse_serve(&fs->server, &request);
    virtio_chain_write(virtio, chain, 0, scratch->out, request.out_bytes);
    job->written_bytes = request.out_bytes + request.data_bytes;
    if (request.data_bytes > 0) {
        virtio_chain_note_written(virtio, chain, job->written_bytes);
    }
}

static bool fs_serve(struct virtio *virtio, unsigned queue)
{
    struct fs *fs = virtio->state;
    return virtio_pool_serve(&fs->pool, queue);
}

static void fs_quiesce(struct virtio *virtio)
{
    struct fs *fs = virtio->state;
    virtio_pool_quiesce(&fs->pool);
}

static void fs_reset(struct virtio *virtio)
{
    struct fs *fs = virtio->state;
    virtio_pool_reset(&fs->pool);
    if (fs->server.share != NULL) {
        share_clear(fs->server.share);
    }
    fs->server.can_submount = false;
}

static void fs_read_config(struct virtio *virtio, u8 *bytes)
{
    const char *tag = fs_config(virtio)->tag;
    memcpy(bytes, tag, strnlen(tag, VIRTIO_FS_TAG_BYTES));
    st_le32(bytes + VIRTIO_FS_TAG_BYTES, 1);
}

static bool fs_init(struct virtio *virtio, struct metic_error *error)
{
    struct fs *fs = virtio->state;
    const struct virtio_pool_options pool = {
        .thread_count = FS_THREADS,
        .scratch_bytes = sizeof(struct fs_scratch),
        .begin = share_thread_begin,
        .run = fs_run,
    };
    virtio->queue_count = FS_QUEUES;
    virtio->config_bytes = FS_CONFIG_BYTES;
    fuse_server_init(&fs->server, fs_config(virtio)->share, fs_config(virtio)->cache);
    return virtio_pool_init(&fs->pool, virtio, &pool, error);
}

static void fs_fini(struct virtio *virtio)
{
    struct fs *fs = virtio->state;
    virtio_pool_fini(&fs->pool);
    fuse_server_fini(&fs->server);
}

static void fs_save(struct virtio *virtio, struct state_writer *writer)
{
    struct fs *fs = virtio->state;
    state_write_u32(writer, fs->server.can_submount);
    if (fs->server.share != NULL) {
        share_save(fs->server.share, writer);
    }
}

static bool fs_load(struct virtio *virtio, struct state_reader *reader, struct metic_error *error)
{
    struct fs *fs = virtio->state;
    u32 can_submount = 0;
    if (!state_read_u32(reader, &can_submount)) {
        return error_set(error, NULL, "the saved state of %s is cut", virtio->device->name);
    }
    fs->server.can_submount = can_submount != 0;
    return fs->server.share == NULL || share_load(fs->server.share, reader, error);
}

const struct virtio_type virtio_fs_type = {
    .name = "virtio-fs",
    .device_id = 26,
    .queue_entries = FS_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct fs),
    .init = fs_init,
    .fini = fs_fini,
    .read_config = fs_read_config,
    .serve = fs_serve,
    .quiesce = fs_quiesce,
    .reset = fs_reset,
    .save = fs_save,
    .load = fs_load,
};
