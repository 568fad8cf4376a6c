/* The input device (virtio 1.2, 5.8): a keyboard, a tablet or a mouse.
 *
 * Queue 0 takes events to the driver, one of 8 bytes in each buffer: le16 type, le16 code, le32
 * value. Queue 1 takes events from it: which lamps are lit, for whoever types (input.h).
 *
 *   configuration: 0 select, 1 subselect, 2 size, 8.. what the two ask for: the name, the ids, or
 *   which events of a type there are; the driver writes the first two and reads the rest
 *
 * Events wait for buffers in a ring of INPUT_RING. When the driver does not take them, whole
 * packets are lost, the newest first, but a key that goes up is not: a key may not seem to stay
 * down, so the last places are kept for those. */
#include "hw/virtio/virtio_input.h"

#include "hw/virtio/virtio_queue.h"

#include <stdio.h>
#include <string.h>

enum {
    INPUT_QUEUE_ENTRIES = 64,
    INPUT_EVENTS = 0,
    INPUT_STATUS = 1,
    INPUT_QUEUES = 2,
    INPUT_EVENT_BYTES = 8,
    INPUT_RING = 1024, /* events; a power of two */
    INPUT_KEPT = 256,  /* of them for keys that go up */

    INPUT_CONFIG_BYTES = 136,
    INPUT_CONFIG_DATA = 8,
    INPUT_SELECT_NAME = 1,
    INPUT_SELECT_SERIAL = 2,
    INPUT_SELECT_IDS = 3,
    INPUT_SELECT_EVENTS = 0x11,
    INPUT_SELECT_ABS = 0x12,
    INPUT_BUS_VIRTUAL = 6,
    LED_LAST = 2,
    LAMPS_TOLD = 0x80,
};

struct input_saved {
    u64 ring[INPUT_RING]; /* type | code << 16 | value << 32 */
    u32 first, count;
    u8 select, subselect;
    u8 lamps;     /* a bit each (LED_*), and LAMPS_TOLD once there was one */
    u8 unused[5]; /* padding, spelled out */
};

#define INPUT_SAVED(FIELD, T)                                                       \
    FIELD(T, ring) FIELD(T, first) FIELD(T, count) FIELD(T, select) FIELD(T, subselect) \
    FIELD(T, lamps) FIELD(T, unused)
STATE_LIST(input_saved, struct input_saved, INPUT_SAVED);

struct input_state {
    struct input_saved saved;
    struct virtio_chain chain;
};

static enum input_device kind_of(const struct virtio *virtio)
{
    const struct virtio_input_config *config = virtio->config;
    return config->device;
}

/* --- what the device is --- */

static void set_bit(u8 *bits, unsigned number)
{
    bits[number / 8] |= (u8)(1u << number % 8);
}

static void set_bits(u8 *bits, unsigned first, unsigned last)
{
    for (unsigned n = first; n <= last; n++) {
        set_bit(bits, n);
    }
}

/* The events of a type, a bit each. */
static void event_bits(enum input_device device, u8 type, u8 *bits)
{
    enum { KEY_FIRST = 1, KEY_LAST = 248 };
    if (device == INPUT_KEYBOARD) {
        switch (type) {
        case INPUT_EV_KEY: set_bits(bits, KEY_FIRST, KEY_LAST); break;
        case INPUT_EV_REP: set_bits(bits, 0, 1); break;
        case INPUT_EV_LED: set_bits(bits, 0, LED_LAST); break;
        default: break;
        }
        return;
    }
    switch (type) {
    case INPUT_EV_KEY: set_bits(bits, INPUT_BTN_LEFT, INPUT_BTN_EXTRA); break;
    case INPUT_EV_REL:
        set_bit(bits, INPUT_REL_WHEEL);
        set_bit(bits, INPUT_REL_HWHEEL);
        if (device == INPUT_MOUSE) {
            set_bits(bits, INPUT_REL_X, INPUT_REL_Y);
        }
        break;
    case INPUT_EV_ABS:
        if (device == INPUT_TABLET) {
            set_bits(bits, INPUT_ABS_X, INPUT_ABS_Y);
        }
        break;
    default: break;
    }
}

static u8 used_bytes(const u8 *data, unsigned size_bytes)
{
    while (size_bytes > 0 && data[size_bytes - 1] == 0) {
        size_bytes--;
    }
    return (u8)size_bytes;
}

static u8 describe(const struct virtio *virtio, u8 select, u8 subselect, u8 *data)
{
    static const char *const names[INPUT_DEVICES] = {"metic keyboard", "metic tablet",
                                                     "metic mouse"};
    enum input_device device = kind_of(virtio);
    switch (select) {
    case INPUT_SELECT_NAME:
        memcpy(data, names[device], strlen(names[device]));
        return (u8)strlen(names[device]);
    case INPUT_SELECT_IDS:
        st_le16(data, INPUT_BUS_VIRTUAL);
        st_le16(data + 2, 0x6d74); /* vendor: nobody's */
        st_le16(data + 4, (u16)(1 + device));
        st_le16(data + 6, 1);
        return 8;
    case INPUT_SELECT_EVENTS:
        event_bits(device, subselect, data);
        return used_bytes(data, INPUT_CONFIG_BYTES - INPUT_CONFIG_DATA);
    case INPUT_SELECT_ABS:
        if (device != INPUT_TABLET || subselect > INPUT_ABS_Y) {
            return 0;
        }
        st_le32(data + 4, INPUT_ABS_MAX);
        return 20;
    default: return 0;
    }
}

static void input_read_config(struct virtio *virtio, u8 *bytes)
{
    const struct input_state *input = virtio->state;
    bytes[0] = input->saved.select;
    bytes[1] = input->saved.subselect;
    bytes[2] = describe(virtio, bytes[0], bytes[1], bytes + INPUT_CONFIG_DATA);
}

static void input_write_config(struct virtio *virtio, u32 offset, u64 value, unsigned size_bytes)
{
    struct input_state *input = virtio->state;
    for (unsigned i = 0; i < size_bytes; i++, offset++, value >>= 8) {
        if (offset == 0) {
            input->saved.select = (u8)value;
        } else if (offset == 1) {
            input->saved.subselect = (u8)value;
        }
    }
}

/* --- events --- */

static bool input_serve_events(struct virtio *virtio)
{
    struct input_state *input = virtio->state;
    struct input_saved *s = &input->saved;
    while (s->count > 0) {
        u8 bytes[INPUT_EVENT_BYTES];
        if (!virtio_queue_peek(virtio, INPUT_EVENTS, &input->chain)) {
            return virtio_queue_sleep(virtio, INPUT_EVENTS);
        }
        st_le64(bytes, s->ring[s->first]);
        size_t written = virtio_chain_write(virtio, &input->chain, 0, bytes, sizeof(bytes));
        s->first = (s->first + 1) % INPUT_RING;
        s->count--;
        virtio_queue_finish(virtio, INPUT_EVENTS, &input->chain, written);
    }
    return false;
}

static void tell_lamps(const struct virtio *virtio)
{
    const struct virtio_input_config *config = virtio->config;
    const struct input_state *input = virtio->state;
    u8 lamps = input->saved.lamps;
    if (config->device == INPUT_KEYBOARD && (lamps & LAMPS_TOLD) != 0) {
        input_set_lamps(config->input, lamps & (u8)~LAMPS_TOLD);
    } else if (config->device == INPUT_KEYBOARD) {
        input_forget_lamps(config->input);
    }
}

static void take_status(struct virtio *virtio)
{
    struct input_state *input = virtio->state;
    u8 bytes[INPUT_EVENT_BYTES] = {0};
    virtio_chain_read(&input->chain, 0, bytes, sizeof(bytes));
    unsigned code = ld_le16(bytes + 2);
    if (ld_le16(bytes) == INPUT_EV_LED && code <= LED_LAST) {
        u8 bit = (u8)(1u << code);
        input->saved.lamps |= LAMPS_TOLD;
        input->saved.lamps = ld_le32(bytes + 4) != 0 ? input->saved.lamps | bit
                                                     : input->saved.lamps & (u8)~bit;
        tell_lamps(virtio);
    }
}

static bool input_serve_status(struct virtio *virtio)
{
    struct input_state *input = virtio->state;
    for (unsigned i = 0; i < INPUT_QUEUE_ENTRIES; i++) {
        if (!virtio_queue_peek(virtio, INPUT_STATUS, &input->chain)) {
            break;
        }
        take_status(virtio);
        virtio_queue_finish(virtio, INPUT_STATUS, &input->chain, 0);
    }
    return virtio_queue_sleep(virtio, INPUT_STATUS);
}

static bool input_serve(struct virtio *virtio, unsigned queue)
{
    return queue == INPUT_EVENTS ? input_serve_events(virtio) : input_serve_status(virtio);
}

/* A packet from the journal: all of it or nothing. */
static void input_take(void *opaque, const struct input_event *events, unsigned count)
{
    struct virtio *virtio = opaque;
    struct input_state *input = virtio->state;
    struct input_saved *s = &input->saved;
    bool goes_up = count > 0 && events[0].type == INPUT_EV_KEY && events[0].value == 0;
    device_lock(virtio->device);
    unsigned limit = goes_up ? (unsigned)INPUT_RING : (unsigned)(INPUT_RING - INPUT_KEPT);
    if (virtio_is_running(virtio) && s->count + count <= limit) {
        for (unsigned i = 0; i < count; i++) {
            s->ring[(s->first + s->count++) % INPUT_RING] =
                events[i].type | (u64)events[i].code << 16 | (u64)(u32)events[i].value << 32;
        }
        virtio_notify(virtio, INPUT_EVENTS);
    }
    device_unlock(virtio->device);
}

static bool input_is_live(void *opaque)
{
    struct virtio *virtio = opaque;
    device_lock(virtio->device);
    bool live = virtio_is_running(virtio);
    device_unlock(virtio->device);
    return live;
}

/* --- the device --- */

static void input_reset(struct virtio *virtio)
{
    struct input_state *input = virtio->state;
    memset(&input->saved, 0, sizeof(input->saved));
    tell_lamps(virtio);
}

static bool input_init(struct virtio *virtio, struct metic_error *error)
{
    const struct virtio_input_config *config = virtio->config;
    (void)error;
    virtio->queue_count = INPUT_QUEUES;
    virtio->config_bytes = INPUT_CONFIG_BYTES;
    input_set_sink(config->input, config->device, INPUT_VIRTIO,
                   (struct input_sink){input_take, input_is_live, virtio});
    return true;
}

static void input_fini(struct virtio *virtio)
{
    const struct virtio_input_config *config = virtio->config;
    input_set_sink(config->input, config->device, INPUT_VIRTIO, (struct input_sink){0});
}

static void input_save(struct virtio *virtio, struct state_writer *writer)
{
    const struct input_state *input = virtio->state;
    state_write_list(writer, &input_saved, &input->saved);
}

static bool input_load(struct virtio *virtio, struct state_reader *reader,
                       struct metic_error *error)
{
    struct input_state *input = virtio->state;
    if (!state_read_list(reader, &input_saved, &input->saved, error)) {
        return false;
    }
    if (input->saved.first >= INPUT_RING || input->saved.count > INPUT_RING) {
        input_reset(virtio);
        return error_set(error, NULL, "the saved input device holds more events than it can");
    }
    tell_lamps(virtio);
    return true;
}

const struct virtio_type virtio_input_type = {
    .name = "virtio-input",
    .device_id = 18,
    .queue_entries = INPUT_QUEUE_ENTRIES,
    .state_bytes = sizeof(struct input_state),
    .init = input_init,
    .fini = input_fini,
    .read_config = input_read_config,
    .write_config = input_write_config,
    .serve = input_serve,
    .reset = input_reset,
    .save = input_save,
    .load = input_load,
};
