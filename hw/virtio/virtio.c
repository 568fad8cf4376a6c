/* See virtio.h. */
#include "hw/virtio/virtio.h"

#include "hw/virtio/virtio_queue.h"
#include <stdlib.h>
#include <string.h>

enum {
    VIRTIO_MAX_CONFIG_BYTES = 256,
    VIRTIO_STATUS_BITS = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK |
                         VIRTIO_FEATURES_OK | VIRTIO_FAILED,
};

bool virtio_has_feature(const struct virtio *virtio, u64 feature)
{
    return (virtio->saved.driver_features & feature) != 0;
}

bool virtio_is_running(const struct virtio *virtio)
{
    u32 status = virtio->saved.status;
    return (status & VIRTIO_DRIVER_OK) != 0 && (status & VIRTIO_NEEDS_RESET) == 0 &&
           !virtio->no_dma;
}

/* ---- Interrupts ---- */

void virtio_interrupt_queue(struct virtio *virtio, unsigned queue)
{
    virtio->transport->interrupt(virtio, VIRTIO_ISR_QUEUE, queue);
}

static void virtio_interrupt_config(struct virtio *virtio)
{
    virtio->transport->interrupt(virtio, VIRTIO_ISR_CONFIG, 0);
}

void virtio_ack_irq(struct virtio *virtio, u32 causes)
{
    virtio->saved.isr &= ~causes;
    virtio->transport->update_irq(virtio);
}

void virtio_config_changed(struct virtio *virtio)
{
    virtio->saved.config_generation++;
    if ((virtio->saved.status & VIRTIO_DRIVER_OK) != 0) {
        virtio_interrupt_config(virtio);
    }
}

void virtio_set_needs_reset(struct virtio *virtio)
{
    bool told = (virtio->saved.status & VIRTIO_NEEDS_RESET) != 0;
    virtio->saved.status |= VIRTIO_NEEDS_RESET;
    if (!told && (virtio->saved.status & VIRTIO_DRIVER_OK) != 0) {
        virtio_interrupt_config(virtio); /* 2.1.2 */
    }
}

/* ---- Serving queues ---- */

void virtio_serve_at(struct virtio *virtio, u64 queues, u64 when_ns)
{
    virtio->saved.pending |= queues;
    if (when_ns < virtio->saved.serve_ns) {
        virtio->saved.serve_ns = when_ns;
        timer_arm_at_ns(&virtio->timer, when_ns);
    }
}

static void virtio_serve(struct virtio *virtio, unsigned queue)
{
    if (virtio_is_running(virtio) && virtio->saved.ready[queue] &&
        virtio->type->serve(virtio, queue)) {
        u64 now_ns = clock_now_ns(virtio->device->env->clock);
        virtio_serve_at(virtio, BIT(queue), now_ns + VIRTIO_LATENCY_NS);
    }
}

static void virtio_fire(void *opaque)
{
    struct virtio *virtio = opaque;
    device_lock(virtio->device);
    u64 queues = virtio->saved.pending;
    virtio->saved.pending = 0;
    virtio->saved.serve_ns = CLOCK_NEVER_NS;
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        if ((queues >> i & 1) != 0) {
            virtio_serve(virtio, i);
        }
    }
    device_unlock(virtio->device);
}

void virtio_notify(struct virtio *virtio, u32 queue)
{
    const struct device_env *env = virtio->device->env;
    if (queue >= virtio->queue_count) {
        device_guest_error(virtio->device, "notification of a queue that does not exist");
    } else if (!virtio_is_running(virtio)) {
        return; /* before DRIVER_OK the device must not look; then it does by itself */
    } else if (journal_is_deterministic(env->journal)) {
        virtio_serve_at(virtio, BIT(queue), clock_now_ns(env->clock) + VIRTIO_LATENCY_NS);
    } else {
        virtio_serve(virtio, queue);
    }
}

static void virtio_notify_all(struct virtio *virtio)
{
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        if (virtio->saved.ready[i]) {
            virtio_notify(virtio, i);
        }
    }
}

void virtio_quiesce(struct virtio *virtio)
{
    if (virtio->type->quiesce != NULL) {
        virtio->type->quiesce(virtio);
    }
}

void virtio_allow_dma(struct virtio *virtio, bool allowed)
{
    virtio->no_dma = !allowed;
    if (allowed) {
        virtio_notify_all(virtio);
    } else {
        virtio_quiesce(virtio);
    }
}

/* ---- Features and status ---- */

u32 virtio_read_features(const struct virtio *virtio)
{
    u32 select = virtio->saved.device_features_select;
    return select < 2 ? (u32)(virtio->features >> (32 * select)) : 0;
}

u32 virtio_read_driver_features(const struct virtio *virtio)
{
    u32 select = virtio->saved.driver_features_select;
    return select < 2 ? (u32)(virtio->saved.driver_features >> (32 * select)) : 0;
}

void virtio_write_features(struct virtio *virtio, u32 bits)
{
    u32 select = virtio->saved.driver_features_select;
    if ((virtio->saved.status & VIRTIO_FEATURES_OK) != 0) {
        device_guest_error(virtio->device, "features written after they were settled");
    } else if (select < 2) {
        u64 keep = select == 0 ? ~(u64)UINT32_MAX : UINT32_MAX;
        virtio->saved.driver_features =
            (virtio->saved.driver_features & keep) | (u64)bits << (32 * select);
    }
}

/* The device may refuse a driver that does not accept VERSION_1 (6.1). It goes on: small systems
 * (xv6) forget the bit and mean the modern layout all the same. */
static bool virtio_features_fit(const struct virtio *virtio)
{
    u64 wanted = virtio->saved.driver_features;
    if ((wanted & VIRTIO_F_VERSION_1) == 0) {
        device_guest_error(virtio->device, "the driver does not accept VIRTIO_F_VERSION_1");
    }
    return (wanted & ~virtio->features) == 0;
}

void virtio_write_status(struct virtio *virtio, u32 status)
{
    u32 old = virtio->saved.status;
    if (status == 0) {
        virtio_reset(virtio);
        return;
    }
    status &= VIRTIO_STATUS_BITS;
    if ((old & VIRTIO_STATUS_BITS & ~status) != 0) {
        device_guest_error(virtio->device, "a status bit was cleared without a reset");
        status |= old & VIRTIO_STATUS_BITS;
    }
    if ((status & ~old & VIRTIO_FEATURES_OK) != 0 && !virtio_features_fit(virtio)) {
        device_guest_error(virtio->device, "the driver wants features that were not offered");
        status &= ~(u32)VIRTIO_FEATURES_OK; /* 3.1.1: the driver reads it back */
    }
    if ((status & VIRTIO_DRIVER_OK) != 0 && (status & VIRTIO_FEATURES_OK) == 0) {
        device_guest_error(virtio->device, "DRIVER_OK before FEATURES_OK");
        status &= ~(u32)VIRTIO_DRIVER_OK;
    }
    virtio->saved.status = status | (old & VIRTIO_NEEDS_RESET);
    if ((status & ~old & VIRTIO_DRIVER_OK) != 0) {
        virtio_notify_all(virtio); /* buffers may be waiting already */
    }
}

void virtio_reset(struct virtio *virtio)
{
    virtio->epoch++;
    virtio_quiesce(virtio);
    u32 generation = virtio->saved.config_generation;
    timer_cancel(&virtio->timer);
    memset(virtio->rings, 0, sizeof(virtio->rings));
    virtio->saved = (struct virtio_saved){
        .serve_ns = CLOCK_NEVER_NS, .config_generation = generation};
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        virtio->saved.entries[i] = virtio->type->queue_entries;
    }
    if (virtio->type->reset != NULL) {
        virtio->type->reset(virtio);
    }
    virtio->transport->update_irq(virtio);
}

/* ---- Queues, as the transport sees them ---- */

unsigned virtio_selected_queue(const struct virtio *virtio)
{
    u32 queue = virtio->saved.queue_select;
    return queue < virtio->queue_count ? queue : VIRTIO_MAX_QUEUES;
}

void virtio_write_ready(struct virtio *virtio, bool ready)
{
    unsigned queue = virtio_selected_queue(virtio);
    if (queue == VIRTIO_MAX_QUEUES || virtio->saved.ready[queue] == ready) {
        return;
    }
    if (!ready) {
        virtio_quiesce(virtio);
        virtio->saved.ready[queue] = false;
        return;
    }
    virtio->saved.next_avail[queue] = 0;
    virtio->saved.next_used[queue] = 0;
    virtio->saved.signalled_valid[queue] = false;
    virtio->saved.ready[queue] = virtio_queue_map(virtio, queue);
    if (!virtio->saved.ready[queue]) {
        virtio_break(virtio, "a queue is misplaced: its size is no power of two in range, or its "
                             "parts are misaligned or outside RAM");
    }
}

/* ---- Configuration space ---- */

u64 virtio_read_config(struct virtio *virtio, u64 offset, unsigned size_bytes)
{
    u8 bytes[VIRTIO_MAX_CONFIG_BYTES + 8] = {0};
    if (offset >= virtio->config_bytes) {
        return 0;
    }
    virtio->type->read_config(virtio, bytes);
    return ld_le(bytes + offset, size_bytes);
}

void virtio_write_config(struct virtio *virtio, u64 offset, u64 value, unsigned size_bytes)
{
    if (virtio->type->write_config == NULL || offset + size_bytes > virtio->config_bytes) {
        device_guest_error(virtio->device, "write to configuration that cannot be written");
        return;
    }
    virtio->type->write_config(virtio, (u32)offset, value, size_bytes);
}

/* ---- Life ---- */

bool virtio_init(struct virtio *virtio, struct device *device, const struct virtio_type *type,
                 const void *config, const struct virtio_transport *transport,
                 struct metic_error *error)
{
    virtio->device = device;
    virtio->transport = transport;
    virtio->config = config;
    virtio->type = type;
    virtio->features = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
    virtio->saved.serve_ns = CLOCK_NEVER_NS;
    timer_init(&virtio->timer, device->env->clock, virtio_fire, virtio);
    virtio->state = calloc(1, type->state_bytes + 1);
    if (virtio->state == NULL) {
        return error_set(error, NULL, "out of memory for device %s", device->name);
    }
    if (!type->init(virtio, error)) {
        return false;
    }
    CHECK(virtio->queue_count <= VIRTIO_MAX_QUEUES);
    CHECK(virtio->config_bytes <= VIRTIO_MAX_CONFIG_BYTES);
    CHECK(bits_is_pow2(type->queue_entries) && type->queue_entries <= VIRTIO_QUEUE_ENTRIES);
    return true;
}

void virtio_fini(struct virtio *virtio)
{
    if (virtio->type == NULL) {
        return;
    }
    timer_fini(&virtio->timer);
    if (virtio->state != NULL) {
        virtio->type->fini(virtio);
    }
    free(virtio->state);
}

/* A request under way on a thread is not finished, so that it is begun again both here and there:
 * the queue's indices, already saved, say that it was never begun. */
void virtio_save_more(struct virtio *virtio, struct state_writer *writer)
{
    virtio->epoch++;
    virtio_quiesce(virtio);
    state_write_u32(writer, virtio->type->device_id);
    if (virtio->type->save != NULL) {
        virtio->type->save(virtio, writer);
    }
}

bool virtio_load_more(struct virtio *virtio, struct state_reader *reader,
                      struct metic_error *error)
{
    u32 device_id = 0;
    virtio->epoch++;
    virtio_quiesce(virtio);
    if (!state_read_u32(reader, &device_id) || device_id != virtio->type->device_id) {
        return error_set(error, "give the machine the devices it was saved with",
                         "the saved state of %s is of another device", virtio->device->name);
    }
    return virtio->type->load == NULL || virtio->type->load(virtio, reader, error);
}

static u64 virtio_queue_mask(const struct virtio *virtio)
{
    return virtio->queue_count == 0 ? 0 : UINT64_MAX >> (64 - virtio->queue_count);
}

static bool virtio_is_sane(struct virtio *virtio)
{
    const struct virtio_saved *saved = &virtio->saved;
    bool sane = (saved->status & ~(u32)(VIRTIO_STATUS_BITS | VIRTIO_NEEDS_RESET)) == 0 &&
                (saved->isr & ~(u32)(VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG)) == 0 &&
                (saved->pending & ~virtio_queue_mask(virtio)) == 0 &&
                ((saved->status & VIRTIO_FEATURES_OK) == 0 ||
                 (saved->driver_features & ~virtio->features) == 0);
    for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
        bool known = i < virtio->queue_count;
        sane = sane && (!saved->ready[i] || (known && virtio_queue_map(virtio, i)));
    }
    return sane;
}

bool virtio_restored(struct virtio *virtio, struct metic_error *error)
{
    if (!virtio_is_sane(virtio)) {
        return error_set(error, NULL, "the saved state of %s is impossible",
                         virtio->device->name);
    }
    timer_arm_at_ns(&virtio->timer, virtio->saved.serve_ns);
    virtio->transport->update_irq(virtio);
    if (virtio_is_running(virtio) && !journal_is_deterministic(virtio->device->env->journal)) {
        virtio_notify_all(virtio); /* what was under way on a thread begins again */
    }
    return true;
}
