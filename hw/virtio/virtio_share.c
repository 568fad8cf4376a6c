/* See virtio_share.h. A chain is a request, readable, and the room for its reply, writable. */
#include "hw/virtio/virtio_share.h"

#include "hw/share/share.h"

enum { SHARE_THREADS = 4 };

/* A thread's own. */
struct share_scratch {
    u64 in[SHARE_IN_BYTES / 8];
    u64 out[SHARE_OUT_BYTES / 8];
    struct iovec data_in[VIRTIO_QUEUE_ENTRIES], data_out[VIRTIO_QUEUE_ENTRIES];
};

static void share_run(struct virtio *virtio, struct virtio_job *job)
{
    struct virtio_share *device = virtio->state;
    const struct share_protocol *protocol = device->protocol;
    struct share_scratch *scratch = job->scratch;
    struct virtio_chain *chain = &job->chain;
    struct share_request request = {
        .in = (const u8 *)scratch->in,
        .in_bytes = virtio_chain_read(chain, 0, scratch->in, sizeof(scratch->in)),
        .in_total_bytes = chain->readable_bytes,
        .data_in = scratch->data_in,
        .data_out = scratch->data_out,
        .out_room_bytes = chain->writable_bytes,
        .out = (u8 *)scratch->out,
    };
    request.data_in_count =
        virtio_chain_readable(chain, protocol->write_head_bytes, scratch->data_in);
    request.data_out_count =
        virtio_chain_writable(chain, protocol->reply_head_bytes, scratch->data_out);
    protocol->serve(device->server, &request);
    virtio_chain_write(virtio, chain, 0, scratch->out, request.out_bytes);
    job->written_bytes = request.out_bytes + request.data_bytes;
    job->after_earlier = request.after_earlier;
    if (request.data_bytes > 0) {
        virtio_chain_note_written(virtio, chain, job->written_bytes);
    }
}

bool virtio_share_init(struct virtio *virtio, const struct share_protocol *protocol, void *server,
                       struct metic_error *error)
{
    struct virtio_share *device = virtio->state;
    const struct virtio_pool_options pool = {
        .thread_count = SHARE_THREADS,
        .scratch_bytes = sizeof(struct share_scratch),
        .begin = share_thread_begin,
        .run = share_run,
    };
    device->protocol = protocol;
    device->server = server;
    return virtio_pool_init(&device->pool, virtio, &pool, error);
}

void virtio_share_fini(struct virtio *virtio)
{
    struct virtio_share *device = virtio->state;
    virtio_pool_fini(&device->pool);
}

bool virtio_share_serve(struct virtio *virtio, unsigned queue)
{
    struct virtio_share *device = virtio->state;
    return virtio_pool_serve(&device->pool, queue);
}

void virtio_share_quiesce(struct virtio *virtio)
{
    struct virtio_share *device = virtio->state;
    virtio_pool_quiesce(&device->pool);
}

void virtio_share_reset(struct virtio *virtio)
{
    struct virtio_share *device = virtio->state;
    virtio_pool_reset(&device->pool);
}
