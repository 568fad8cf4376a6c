/* The GPU device without 3D (virtio 1.2, 5.7): queue 0 takes commands, queue 1 cursor commands.
 *
 *   configuration: 0 le32 events, 4 le32 events to clear, 8 le32 scanouts, 12 le32 capability sets
 *
 * The driver makes resources (gpu_resource.h), gives them pages, shows a rectangle of one on a
 * scanout, and after drawing transfers and flushes what it drew; a flush is when the display gets
 * pixels. Cursors are resources of 64 by 64. A monitor's wish to be resized is a configuration
 * event: the driver asks for the display information and the EDID again.
 *
 * Guest blobs are offered, so that the driver need not transfer: a scanout reads their pages at
 * each flush. Left out: 3D and its contexts, blobs in host memory, resource UUIDs.
 *
 * Requests run on a thread of the device's own, so that a large copy holds up no hart. */
#include "hw/virtio/gpu_edid.h"
#include "hw/virtio/gpu_private.h"

#include <stdlib.h>
#include <string.h>

#define GPU_F_EDID BIT(1)
#define GPU_F_RESOURCE_BLOB BIT(3)

#define GPU_SAVED(FIELD, T)                                                                  \
    FIELD(T, blob_offset) FIELD(T, blob_format) FIELD(T, blob_stride) FIELD(T, blob_width)   \
    FIELD(T, blob_height) FIELD(T, resource) FIELD(T, x) FIELD(T, y) FIELD(T, width)         \
    FIELD(T, height) FIELD(T, wanted_width) FIELD(T, wanted_height) FIELD(T, cursor_x)       \
    FIELD(T, cursor_y) FIELD(T, cursor_hot_x) FIELD(T, cursor_hot_y) FIELD(T, cursor_pixels) \
    FIELD(T, cursor_visible) FIELD(T, events) FIELD(T, asked) FIELD(T, again)
STATE_LIST(gpu_saved, struct gpu_saved, GPU_SAVED);

/* --- resources --- */

static enum gpu_response do_create(struct gpu *gpu)
{
    u32 id = field(gpu, 0);
    if (id == 0 || gpu_resource_find(&gpu->resources, id) != NULL) {
        return GPU_ERR_RESOURCE;
    }
    if (!gpu_format_is_known(field(gpu, 4))) {
        return GPU_ERR_PARAMETER;
    }
    struct gpu_resource *made =
        gpu_resource_new(&gpu->resources, id, field(gpu, 4), field(gpu, 8), field(gpu, 12));
    return made != NULL ? GPU_OK : GPU_ERR_MEMORY;
}

static enum gpu_response do_unref(struct gpu *gpu)
{
    struct gpu_resource *resource = gpu_resource_find(&gpu->resources, field(gpu, 0));
    if (resource == NULL) {
        return GPU_ERR_RESOURCE;
    }
    for (unsigned head = 0; head < gpu_config(gpu)->head_count; head++) {
        if (gpu->saved.resource[head] == resource->id) {
            gpu_hide(gpu, head);
        }
    }
    gpu_resource_free(&gpu->resources, resource);
    return GPU_OK;
}

/* The list of pages that follows the command in the chain, 16 bytes each: le64 address, le32
 * length, padding. */
static enum gpu_response attach(struct gpu *gpu, struct gpu_resource *resource, u32 count,
                                u64 offset_bytes)
{
    enum { ENTRY_BYTES = 16 };
    if (count > GPU_MAX_PAGES_ENTRIES) {
        return GPU_ERR_PARAMETER;
    }
    struct gpu_pages *pages = malloc(((size_t)count + 1) * sizeof(*pages));
    if (pages == NULL) {
        return GPU_ERR_MEMORY;
    }
    for (u32 i = 0; i < count; i++) {
        u8 entry[ENTRY_BYTES];
        if (virtio_chain_read(&gpu->chain, offset_bytes + (u64)i * ENTRY_BYTES, entry,
                              ENTRY_BYTES) != ENTRY_BYTES) {
            free(pages);
            return GPU_ERR_PARAMETER;
        }
        pages[i] = (struct gpu_pages){.gpa = ld_le64(entry), .size_bytes = ld_le32(entry + 8)};
    }
    return gpu_resource_attach(&gpu->resources, resource, pages, count) ? GPU_OK : GPU_ERR_MEMORY;
}

static enum gpu_response do_attach(struct gpu *gpu)
{
    struct gpu_resource *resource = gpu_resource_find(&gpu->resources, field(gpu, 0));
    return resource != NULL ? attach(gpu, resource, field(gpu, 4), GPU_HEADER_BYTES + 8)
                            : GPU_ERR_RESOURCE;
}

static enum gpu_response do_detach(struct gpu *gpu)
{
    struct gpu_resource *resource = gpu_resource_find(&gpu->resources, field(gpu, 0));
    if (resource == NULL) {
        return GPU_ERR_RESOURCE;
    }
    gpu_resource_attach(&gpu->resources, resource, NULL, 0);
    return GPU_OK;
}

/* resource, where the memory is, flags, entries, le64 id of a host blob, le64 size */
static enum gpu_response do_create_blob(struct gpu *gpu)
{
    u32 id = field(gpu, 0);
    u64 size_bytes = ld_le64(gpu->request + GPU_HEADER_BYTES + 24);
    if (id == 0 || gpu_resource_find(&gpu->resources, id) != NULL) {
        return GPU_ERR_RESOURCE;
    }
    if (field(gpu, 4) != GPU_BLOB_GUEST) {
        return GPU_ERR_PARAMETER;
    }
    struct gpu_resource *resource = gpu_resource_new_blob(&gpu->resources, id, size_bytes);
    if (resource == NULL) {
        return GPU_ERR_MEMORY;
    }
    enum gpu_response answer = attach(gpu, resource, field(gpu, 12), GPU_HEADER_BYTES + 32);
    if (answer != GPU_OK) {
        gpu_resource_free(&gpu->resources, resource);
    }
    return answer;
}

static enum gpu_response do_transfer(struct gpu *gpu)
{
    u64 offset_bytes = ld_le64(gpu->request + GPU_HEADER_BYTES + 16);
    struct gpu_resource *resource = gpu_resource_find(&gpu->resources, field(gpu, 24));
    if (resource == NULL) {
        return GPU_ERR_RESOURCE;
    }
    if (resource->blob) {
        return GPU_OK; /* Linux transfers these, too; there is nothing to do */
    }
    return gpu_resource_transfer(gpu->virtio->device->env->memory, resource, rect_field(gpu),
                                 offset_bytes)
               ? GPU_OK
               : GPU_ERR_PARAMETER;
}

/* --- what the monitor is; the device's lock is held --- */

static enum gpu_response do_display_info(struct gpu *gpu)
{
    enum { ENTRY_BYTES = 24 };
    u8 *at = gpu->response + GPU_HEADER_BYTES;
    u32 x = 0; /* in a row from left to right, as display_to_desktop takes them */
    memset(at, 0, GPU_INFO_SCANOUTS * ENTRY_BYTES);
    for (unsigned head = 0; head < gpu_config(gpu)->head_count; head++, at += ENTRY_BYTES) {
        u32 width = gpu->saved.wanted_width[head];
        st_le32(at, x);
        x += width;
        st_le32(at + 8, width);
        st_le32(at + 12, gpu->saved.wanted_height[head]);
        st_le32(at + 16, width != 0);
    }
    gpu->response_bytes = GPU_HEADER_BYTES + GPU_INFO_SCANOUTS * ENTRY_BYTES;
    return GPU_OK_DISPLAY_INFO;
}

static enum gpu_response do_edid(struct gpu *gpu)
{
    unsigned head = field(gpu, 0);
    u8 *at = gpu->response + GPU_HEADER_BYTES;
    if (head >= gpu_config(gpu)->head_count) {
        return GPU_ERR_PARAMETER;
    }
    memset(at, 0, 8 + GPU_EDID_ROOM);
    st_le32(at, GPU_EDID_BYTES);
    gpu_edid_make(gpu->saved.wanted_width[head], gpu->saved.wanted_height[head], at + 8);
    gpu->response_bytes = GPU_HEADER_BYTES + 8 + GPU_EDID_ROOM;
    return GPU_OK_EDID;
}

/* --- requests --- */

static enum gpu_response answer_locked(struct gpu *gpu, u32 command)
{
    gpu->saved.asked |= gpu->saved.events;
    return command == GPU_GET_DISPLAY_INFO ? do_display_info(gpu) : do_edid(gpu);
}

static enum gpu_response answer(struct gpu *gpu, u32 command)
{
    switch (command) {
    case GPU_RESOURCE_CREATE_2D: return do_create(gpu);
    case GPU_RESOURCE_UNREF: return do_unref(gpu);
    case GPU_SET_SCANOUT: return gpu_set_scanout(gpu);
    case GPU_RESOURCE_FLUSH: return gpu_flush(gpu);
    case GPU_TRANSFER_TO_HOST_2D: return do_transfer(gpu);
    case GPU_RESOURCE_ATTACH_BACKING: return do_attach(gpu);
    case GPU_RESOURCE_DETACH_BACKING: return do_detach(gpu);
    case GPU_RESOURCE_CREATE_BLOB: return do_create_blob(gpu);
    case GPU_SET_SCANOUT_BLOB: return gpu_set_scanout_blob(gpu);
    case GPU_UPDATE_CURSOR: return gpu_cursor(gpu, true);
    case GPU_MOVE_CURSOR: return gpu_cursor(gpu, false);
    default: return GPU_ERR;
    }
}

/* The device's lock is held, and may be released meanwhile. False: the request is void. */
static bool run_request(struct gpu *gpu)
{
    memset(gpu->request, 0, sizeof(gpu->request));
    memset(gpu->response, 0, GPU_HEADER_BYTES);
    size_t got = virtio_chain_read(&gpu->chain, 0, gpu->request, sizeof(gpu->request));
    u32 command = ld_le32(gpu->request);
    enum gpu_response response = GPU_ERR;
    bool valid = true;
    gpu->response_bytes = GPU_HEADER_BYTES;
    if (got < GPU_HEADER_BYTES) {
        device_guest_error(gpu->virtio->device, "a command shorter than its header");
    } else if (command == GPU_GET_DISPLAY_INFO || command == GPU_GET_EDID) {
        response = answer_locked(gpu, command);
    } else {
        virtio_worker_unlock(&gpu->worker);
        if (command != GPU_RESOURCE_FLUSH && command != GPU_SET_SCANOUT &&
            command != GPU_SET_SCANOUT_BLOB) {
            gpu_settle(gpu);
        }
        response = answer(gpu, command);
        valid = virtio_worker_lock(&gpu->worker);
    }
    if (response >= GPU_ERR) {
        gpu->response_bytes = GPU_HEADER_BYTES;
    }
    st_le32(gpu->response, response);
    if (ld_le32(gpu->request + 4) & GPU_FLAG_FENCE) { /* in order, so done when answered */
        memcpy(gpu->response + 4, gpu->request + 4, GPU_HEADER_BYTES - 4);
    }
    return valid;
}

static bool gpu_serve_queue(struct virtio *virtio, unsigned queue)
{
    struct gpu *gpu = virtio->state;
    for (unsigned i = 0; i < GPU_QUEUE_ENTRIES; i++) {
        if (virtio_worker_must_pause(&gpu->worker)) {
            return true;
        }
        if (!virtio_queue_peek(virtio, queue, &gpu->chain)) {
            break;
        }
        if (run_request(gpu)) {
            size_t written = virtio_chain_write(virtio, &gpu->chain, 0, gpu->response,
                                                gpu->response_bytes);
            virtio_queue_finish(virtio, queue, &gpu->chain, written);
        }
    }
    if (gpu->unput != 0) { /* no flush came with it */
        virtio_worker_unlock(&gpu->worker);
        gpu_settle(gpu);
        virtio_worker_lock(&gpu->worker);
    }
    return virtio_queue_sleep(virtio, queue);
}

static bool gpu_serve(struct virtio *virtio, unsigned queue)
{
    struct gpu *gpu = virtio->state;
    return virtio_worker_serve(&gpu->worker, queue);
}

static void gpu_quiesce(struct virtio *virtio)
{
    struct gpu *gpu = virtio->state;
    virtio_worker_quiesce(&gpu->worker);
}

/* --- sizes that a user asks for --- */

/* A client of the display's; goes through the journal, as all input does. */
static void gpu_resize(void *opaque, unsigned head, u32 width, u32 height)
{
    struct gpu *gpu = opaque;
    u8 bytes[12];
    st_le32(bytes, head);
    st_le32(bytes + 4, width);
    st_le32(bytes + 8, height);
    journal_input(gpu->virtio->device->env->journal, &gpu->source, bytes, sizeof(bytes));
}

static void gpu_deliver(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct gpu *gpu = opaque;
    if (size_bytes != 12) {
        return;
    }
    u32 head = ld_le32(bytes);
    u32 width = ld_le32(bytes + 4);
    u32 height = ld_le32(bytes + 8);
    bool unplugged = width == 0 && height == 0;
    if (head >= gpu_config(gpu)->head_count ||
        (!unplugged && (width < GPU_MIN_SIDE || height < GPU_MIN_SIDE ||
                        width > DISPLAY_MAX_SIDE || height > DISPLAY_MAX_SIDE))) {
        return;
    }
    device_lock(gpu->virtio->device);
    if (gpu->saved.wanted_width[head] != width || gpu->saved.wanted_height[head] != height) {
        gpu->saved.wanted_width[head] = width;
        gpu->saved.wanted_height[head] = height;
        gpu->saved.again |= gpu->saved.asked & GPU_EVENT_DISPLAY;
        gpu->saved.events |= GPU_EVENT_DISPLAY;
        virtio_config_changed(gpu->virtio);
    }
    device_unlock(gpu->virtio->device);
}

/* --- the device --- */

static void gpu_read_config(struct virtio *virtio, u8 *bytes)
{
    const struct gpu *gpu = virtio->state;
    st_le32(bytes, gpu->saved.events);
    st_le32(bytes + 8, gpu_config(gpu)->head_count);
}

static void gpu_write_config(struct virtio *virtio, u32 offset, u64 value, unsigned size_bytes)
{
    struct gpu *gpu = virtio->state;
    if (offset != 4 || size_bytes != 4) {
        device_guest_error(virtio->device, "write to configuration that cannot be written");
        return;
    }
    /* A driver that asks first and clears then (Linux) would lose an event that came between. Only
     * that one rises again, once: a driver that clears first must not be interrupted for ever. */
    u32 lost = gpu->saved.again & (u32)value;
    gpu->saved.events = (gpu->saved.events & ~(u32)value) | lost;
    gpu->saved.asked &= ~(u32)value;
    gpu->saved.again &= ~(u32)value;
    if (lost != 0) {
        virtio_config_changed(virtio);
    }
}

static void gpu_reset(struct virtio *virtio)
{
    struct gpu *gpu = virtio->state;
    for (unsigned head = 0; head < gpu_config(gpu)->head_count; head++) {
        gpu_hide(gpu, head);
        gpu->saved.cursor_visible[head] = false;
    }
    gpu_resources_clear(&gpu->resources);
    gpu->saved.events = gpu->saved.asked = gpu->saved.again = 0;
    virtio_worker_reset(&gpu->worker);
}

static bool gpu_init(struct virtio *virtio, struct metic_error *error)
{
    struct gpu *gpu = virtio->state;
    const struct virtio_gpu_config *config = virtio->config;
    gpu->virtio = virtio;
    CHECK(config->head_count >= 1 && config->head_count <= DISPLAY_MAX_HEADS);
    virtio->queue_count = GPU_QUEUES;
    virtio->features |= GPU_F_EDID | GPU_F_RESOURCE_BLOB;
    virtio->config_bytes = GPU_CONFIG_BYTES;
    for (unsigned head = 0; head < config->head_count; head++) {
        gpu->saved.wanted_width[head] = config->width;
        gpu->saved.wanted_height[head] = config->height;
    }
    gpu->producer = (struct display_producer){
        .name = "virtio-gpu", .rank = GPU_RANK, .resize = gpu_resize, .opaque = gpu};
    display_add_producer(config->display, &gpu->producer);
    gpu->source = (struct journal_source){.name = "gpu0.size", .deliver = gpu_deliver,
                                          .opaque = gpu};
    journal_add_source(virtio->device->env->journal, &gpu->source);
    virtio_worker_init(&gpu->worker, virtio, gpu_serve_queue);
    return virtio_worker_start(&gpu->worker, error);
}

static void gpu_fini(struct virtio *virtio)
{
    struct gpu *gpu = virtio->state;
    virtio_worker_fini(&gpu->worker);
    journal_remove_source(virtio->device->env->journal, &gpu->source);
    display_remove_producer(gpu_config(gpu)->display, &gpu->producer);
    gpu_resources_clear(&gpu->resources);
}

static void gpu_save(struct virtio *virtio, struct state_writer *writer)
{
    const struct gpu *gpu = virtio->state;
    state_write_list(writer, &gpu_saved, &gpu->saved);
    gpu_resources_save(&gpu->resources, writer);
}

static bool gpu_load(struct virtio *virtio, struct state_reader *reader,
                     struct metic_error *error)
{
    struct gpu *gpu = virtio->state;
    if (!state_read_list(reader, &gpu_saved, &gpu->saved, error) ||
        !gpu_resources_load(&gpu->resources, reader, error)) {
        memset(gpu->saved.resource, 0, sizeof(gpu->saved.resource));
        gpu->unput = 0;
        return false;
    }
    for (unsigned head = 0; head < DISPLAY_MAX_HEADS; head++) {
        bool shows = head < gpu_config(gpu)->head_count && gpu_scanout_is_sane(gpu, head);
        gpu->saved.cursor_hot_x[head] %= DISPLAY_CURSOR_SIDE;
        gpu->saved.cursor_hot_y[head] %= DISPLAY_CURSOR_SIDE;
        if (shows) {
            gpu_show(gpu, head, gpu_resource_find(&gpu->resources, gpu->saved.resource[head]));
        } else {
            gpu_hide(gpu, head);
        }
    }
    return true;
}

const struct virtio_type virtio_gpu_type = {
    .name = "virtio-gpu",
    .device_id = 16,
    .queue_entries = GPU_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct gpu),
    .init = gpu_init,
    .fini = gpu_fini,
    .read_config = gpu_read_config,
    .write_config = gpu_write_config,
    .serve = gpu_serve,
    .quiesce = gpu_quiesce,
    .reset = gpu_reset,
    .save = gpu_save,
    .load = gpu_load,
};
