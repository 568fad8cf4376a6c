/* See input.h. A packet in the journal: u32 device, then 8 bytes an event, little-endian. */
#include "hw/display/input.h"

#include "cpu/base/bits.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_BYTES = 8, PACKET_BYTES = 4 + (INPUT_PACKET_EVENTS + 1) * EVENT_BYTES };

struct input {
    pthread_mutex_t lock;
    struct journal *journal;
    struct journal_source source;
    struct input_sink sinks[INPUT_DEVICES][INPUT_BUSES];
    u32 x, y;      /* where it last moved to */
    bool relative; /* the pointer last moved by, not to */
    u8 down[INPUT_KEYS]; /* which device was told, + 1; 0: up */
    _Atomic u64 lamps;   /* with 8 bits below the number of changes */
    _Atomic bool told_lamps; /* by a driver */
};

/* --- from the journal --- */

/* To the first that is live; to all when keys go up. */
static void give(const struct input_sink sinks[INPUT_BUSES], const struct input_event *events,
                 unsigned count)
{
    bool goes_up = count > 0 && events[0].type == INPUT_EV_KEY && events[0].value == 0;
    for (unsigned bus = 0; bus < INPUT_BUSES; bus++) {
        const struct input_sink *sink = &sinks[bus];
        if (sink->take != NULL && sink->is_live(sink->opaque)) {
            sink->take(sink->opaque, events, count);
            if (!goes_up) {
                return;
            }
        }
    }
}

static void input_deliver(void *opaque, const u8 *bytes, size_t size_bytes)
{
    struct input *input = opaque;
    struct input_event events[INPUT_PACKET_EVENTS + 1];
    if (size_bytes < 4 || size_bytes > PACKET_BYTES || (size_bytes - 4) % EVENT_BYTES != 0 ||
        ld_le32(bytes) >= INPUT_DEVICES) {
        return; /* a recording that is none of ours */
    }
    unsigned count = (unsigned)((size_bytes - 4) / EVENT_BYTES);
    for (unsigned i = 0; i < count; i++) {
        const u8 *at = bytes + 4 + (size_t)i * EVENT_BYTES;
        events[i] = (struct input_event){ld_le16(at), ld_le16(at + 2), (s32)ld_le32(at + 4)};
    }
    give(input->sinks[ld_le32(bytes)], events, count);
}

struct input *input_new(struct journal *journal)
{
    struct input *input = calloc(1, sizeof(*input));
    if (input != NULL) {
        pthread_mutex_init(&input->lock, NULL);
        input->journal = journal;
        input->source = (struct journal_source){
            .name = "input", .deliver = input_deliver, .opaque = input};
        journal_add_source(journal, &input->source);
    }
    return input;
}

void input_free(struct input *input)
{
    if (input != NULL) {
        journal_remove_source(input->journal, &input->source);
        pthread_mutex_destroy(&input->lock);
        free(input);
    }
}

void input_set_sink(struct input *input, enum input_device device, enum input_bus bus,
                    struct input_sink sink)
{
    input->sinks[device][bus] = sink;
}

bool input_has_sink(const struct input *input, enum input_device device)
{
    for (unsigned bus = 0; bus < INPUT_BUSES; bus++) {
        if (input->sinks[device][bus].take != NULL) {
            return true;
        }
    }
    return false;
}

/* --- lamps --- */

static void change_lamps(struct input *input, u8 lamps)
{
    u64 before = atomic_load(&input->lamps);
    while ((u8)before != lamps &&
           !atomic_compare_exchange_weak(&input->lamps, &before,
                                         ((before >> 8) + 1) << 8 | lamps)) {
    }
}

void input_set_lamps(struct input *input, u8 lamps)
{
    atomic_store(&input->told_lamps, true);
    change_lamps(input, lamps);
}

void input_forget_lamps(struct input *input)
{
    atomic_store(&input->told_lamps, false);
    change_lamps(input, 0);
}

/* What a lock's key will do. */
static void expect_lamp(struct input *input, unsigned code)
{
    enum { KEY_CAPS_LOCK = 58, KEY_NUM_LOCK = 69, LAMP_NUM = 1, LAMP_CAPS = 2 };
    unsigned lamp = code == KEY_CAPS_LOCK ? LAMP_CAPS : code == KEY_NUM_LOCK ? LAMP_NUM : 0;
    if (lamp != 0 && !atomic_load(&input->told_lamps)) {
        change_lamps(input, (u8)(atomic_load(&input->lamps) ^ lamp));
    }
}

u8 input_get_lamps(const struct input *input, u32 *changes)
{
    u64 now = atomic_load(&input->lamps);
    *changes = (u32)(now >> 8);
    return (u8)now;
}

/* --- to the journal --- */

static void put_event(u8 *at, struct input_event event)
{
    st_le16(at, event.type);
    st_le16(at + 2, event.code);
    st_le32(at + 4, (u32)event.value);
}

/* Lock held, so that packets keep their order. */
static void send(struct input *input, enum input_device device, const struct input_event *events,
                 unsigned count)
{
    u8 bytes[PACKET_BYTES];
    st_le32(bytes, device);
    for (unsigned i = 0; i < count; i++) {
        put_event(bytes + 4 + (size_t)i * EVENT_BYTES, events[i]);
    }
    put_event(bytes + 4 + (size_t)count * EVENT_BYTES, (struct input_event){0, 0, 0});
    journal_input(input->journal, &input->source, bytes, 4 + (size_t)(count + 1) * EVENT_BYTES);
}

/* Buttons belong to the device that moved last, or to the one there is. */
static enum input_device pointer(const struct input *input)
{
    bool mouse = input->relative || !input_has_sink(input, INPUT_TABLET);
    return mouse && input_has_sink(input, INPUT_MOUSE) ? INPUT_MOUSE : INPUT_TABLET;
}

static bool is_button(unsigned code)
{
    return code >= INPUT_BTN_LEFT && code <= INPUT_BTN_EXTRA;
}

static void set_key(struct input *input, unsigned code, bool down)
{
    if (down == (input->down[code] != 0)) {
        return;
    }
    enum input_device device = !down ? (enum input_device)(input->down[code] - 1)
                               : is_button(code) ? pointer(input)
                                                 : INPUT_KEYBOARD;
    struct input_event event = {INPUT_EV_KEY, (u16)code, down};
    input->down[code] = (u8)(down ? device + 1u : 0u);
    if (down) {
        expect_lamp(input, code);
    }
    send(input, device, &event, 1);
}

void input_key(struct input *input, unsigned code, bool down)
{
    if (code == 0 || code >= INPUT_KEYS) {
        return;
    }
    pthread_mutex_lock(&input->lock);
    set_key(input, code, down);
    pthread_mutex_unlock(&input->lock);
}

void input_move_to(struct input *input, u32 x, u32 y)
{
    pthread_mutex_lock(&input->lock);
    input->x = x == INPUT_KEEP ? input->x : x < INPUT_ABS_MAX ? x : INPUT_ABS_MAX;
    input->y = y == INPUT_KEEP ? input->y : y < INPUT_ABS_MAX ? y : INPUT_ABS_MAX;
    struct input_event events[2] = {
        {INPUT_EV_ABS, INPUT_ABS_X, (s32)input->x},
        {INPUT_EV_ABS, INPUT_ABS_Y, (s32)input->y},
    };
    input->relative = false;
    send(input, INPUT_TABLET, events, 2);
    pthread_mutex_unlock(&input->lock);
}

/* The events whose value is not 0. */
static void send_relative(struct input *input, enum input_device device, struct input_event first,
                          struct input_event second)
{
    struct input_event events[2];
    unsigned count = 0;
    if (first.value != 0) {
        events[count++] = first;
    }
    if (second.value != 0) {
        events[count++] = second;
    }
    if (count != 0) {
        send(input, device, events, count);
    }
}

void input_move_by(struct input *input, s32 dx, s32 dy)
{
    pthread_mutex_lock(&input->lock);
    input->relative = true;
    send_relative(input, INPUT_MOUSE, (struct input_event){INPUT_EV_REL, INPUT_REL_X, dx},
                  (struct input_event){INPUT_EV_REL, INPUT_REL_Y, dy});
    pthread_mutex_unlock(&input->lock);
}

void input_wheel(struct input *input, s32 vertical, s32 horizontal)
{
    pthread_mutex_lock(&input->lock);
    send_relative(input, pointer(input),
                  (struct input_event){INPUT_EV_REL, INPUT_REL_WHEEL, vertical},
                  (struct input_event){INPUT_EV_REL, INPUT_REL_HWHEEL, horizontal});
    pthread_mutex_unlock(&input->lock);
}

void input_release_all(struct input *input)
{
    pthread_mutex_lock(&input->lock);
    for (unsigned code = 1; code < INPUT_KEYS; code++) {
        set_key(input, code, false);
    }
    pthread_mutex_unlock(&input->lock);
}

/* --- snapshots: u8 for each code, which device was told, + 1 --- */

void input_save_keys(struct input *input, struct state_writer *writer)
{
    pthread_mutex_lock(&input->lock);
    state_write_bytes(writer, input->down, sizeof(input->down));
    pthread_mutex_unlock(&input->lock);
}

bool input_load_keys(struct input *input, struct state_reader *reader, struct metic_error *error)
{
    u8 down[INPUT_KEYS];
    bool ok = state_read_bytes(reader, down, sizeof(down));
    for (unsigned code = 0; ok && code < INPUT_KEYS; code++) {
        ok = down[code] <= INPUT_DEVICES;
    }
    if (!ok) {
        return error_set(error, NULL, "the saved keyboard is damaged");
    }
    pthread_mutex_lock(&input->lock);
    memcpy(input->down, down, sizeof(down));
    pthread_mutex_unlock(&input->lock);
    input_release_all(input);
    return true;
}
