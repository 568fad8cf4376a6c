/* What people and viewers type: letters and places of two clients that share the guest's locks,
 * lamps that the guest lights meanwhile, and the same bytes as a text and as a chord (`type`,
 * `sendkey`).
 *
 *   byte 0        the layout; 1 the guest's locks at first
 *   then, 4 each  what, and three bytes of a keysym or place; what is down goes up at the end
 *
 * No key is told twice, none stays down when its client has let all go by the names they went down
 * with, or is gone; a text's steps let everything go that they press. */
#include "tests/fuzz/fuzz.h"

#include "cpu/base/bits.h"
#include "ui/screen/key_steps.h"
#include "ui/screen/keyboard.h"

#include <stdlib.h>
#include <string.h>

enum { CLIENTS = 2, OP_BYTES = 4, UP = 1, PLACE = 2, SECOND = 4, LAMPS = 8, GONE = 16 };

struct client {
    struct keyboard keyboard;
    bool down[KEYBOARD_CODES];
    struct {
        u32 what;
        bool place;
    } held[KEYBOARD_LETTERS];
    unsigned held_count;
};

static const char *const layouts[] = {NULL, "de", "fr", "us,ru", "us:intl"};

/* NULL, the US keyboard, also where libxkbcommon is not. */
static const struct keymap *layout(unsigned number)
{
    static struct keymap *maps[ARRAY_LEN(layouts)];
    static bool tried[ARRAY_LEN(layouts)];
    struct metic_error error;
    bool missing;
    number %= ARRAY_LEN(layouts);
    if (!tried[number] && layouts[number] != NULL) {
        tried[number] = true;
        maps[number] = keymap_new(layouts[number], &missing, &error);
    }
    return maps[number];
}

static void on_press(void *opaque, unsigned code, bool down)
{
    struct client *client = opaque;
    if (code == 0 || code >= KEYBOARD_CODES || client->down[code] == down) {
        abort(); /* told twice, or no key */
    }
    client->down[code] = down;
}

static void all_must_be_up(const struct client *client)
{
    for (unsigned code = 0; code < KEYBOARD_CODES; code++) {
        if (client->down[code]) {
            abort(); /* stuck */
        }
    }
}

static void use(struct client *client, u32 what, bool place, bool down)
{
    if (place) {
        keyboard_place(&client->keyboard, what, down);
    } else {
        keyboard_key(&client->keyboard, what, down);
    }
}

/* Not more than fingers of a few hands, as keyboard.h remembers. */
static void press(struct client *client, u32 what, bool place)
{
    if (client->held_count < KEYBOARD_LETTERS) {
        client->held[client->held_count].what = what;
        client->held[client->held_count++].place = place;
        use(client, what, place, true);
    }
}

static void let_go(struct client *client, unsigned which)
{
    use(client, client->held[which].what, client->held[which].place, false);
    client->held[which] = client->held[--client->held_count];
}

/* A keysym as keyboards have them, or any. */
static u32 keysym_of(const u8 *bytes)
{
    switch (bytes[2] & 3) {
    case 0: return bytes[1];
    case 1: return 0xff00u | bytes[1];
    case 2: return 0xfe00u | bytes[1];
    default: return bytes[0] & 0x80 ? 0x1000000u | ld_le16(bytes + 1) : ld_le16(bytes + 1);
    }
}

static void run_clients(const struct keymap *map, unsigned locks_on, const u8 *bytes,
                        size_t size_bytes)
{
    static struct client clients[CLIENTS];
    struct keyboard_locks locks = {.on = locks_on & (KEYMAP_NUM_LOCK | KEYMAP_CAPS_LOCK)};
    memset(clients, 0, sizeof(clients));
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].keyboard = (struct keyboard){
            .map = map, .locks = &locks, .press = on_press, .opaque = &clients[i]};
    }
    for (; size_bytes >= OP_BYTES; bytes += OP_BYTES, size_bytes -= OP_BYTES) {
        struct client *client = &clients[(bytes[0] & SECOND) != 0];
        bool place = (bytes[0] & PLACE) != 0;
        if (bytes[0] & LAMPS) {
            keyboard_take_lamps(&locks, bytes[1], bytes[2]);
        } else if ((bytes[0] & UP) && client->held_count != 0) {
            let_go(client, bytes[1] % client->held_count);
        } else if (bytes[0] & UP) {
            use(client, keysym_of(bytes), place, false); /* what never went down */
        } else if (bytes[0] & GONE && bytes[3] == 0) {
            keyboard_release(&client->keyboard);
            all_must_be_up(client);
            client->held_count = 0;
        } else {
            press(client, place ? bytes[1] : keysym_of(bytes), place);
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        while (clients[i].held_count != 0) {
            let_go(&clients[i], 0);
        }
        all_must_be_up(&clients[i]);
        keyboard_release(&clients[i].keyboard);
        all_must_be_up(&clients[i]);
    }
}

static void check_steps(const struct metic_key_step *steps, unsigned count)
{
    bool down[KEYBOARD_CODES] = {false};
    unsigned held = 0;
    for (unsigned i = 0; i < count; i++) {
        if (steps[i].code >= KEYBOARD_CODES ||
            (steps[i].code != 0 && down[steps[i].code] == steps[i].down)) {
            abort();
        }
        if (steps[i].code != 0) {
            down[steps[i].code] = steps[i].down;
            held += steps[i].down ? 1 : -1u;
        }
    }
    if (held != 0) {
        abort();
    }
}

static void run_text(const struct keymap *map, unsigned locks, const u8 *bytes, size_t size_bytes)
{
    static struct metic_key_step steps[METIC_MAX_KEY_STEPS];
    struct key_text said;
    const char *bad = NULL;
    size_t bad_bytes = 0;
    char *text = malloc(size_bytes + 1);
    if (text == NULL) {
        return;
    }
    memcpy(text, bytes, size_bytes);
    text[size_bytes] = '\0';
    unsigned most = bytes[0] & 1 ? ARRAY_LEN(steps) : 16;
    unsigned count = key_steps_text(map, locks, text, steps, most, &said);
    if (count > most || (said.left_out != 0) != (said.bad != NULL)) {
        abort();
    }
    check_steps(steps, count);
    count = key_steps_chord(map, locks, text, 100, steps, &bad, &bad_bytes);
    const char *end = text + strlen(text);
    if (count > KEY_CHORD_STEPS || (count == 0 && (bad < text || bad + bad_bytes > end))) {
        abort();
    }
    check_steps(steps, count);
    free(text);
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    if (size_bytes > 2) {
        const struct keymap *map = layout(bytes[0]);
        unsigned locks = bytes[1] & (KEYMAP_NUM_LOCK | KEYMAP_CAPS_LOCK);
        run_clients(map, locks, bytes + 2, size_bytes - 2);
        run_text(map, locks, bytes + 2, size_bytes - 2);
    }
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const char *const texts[] = {
        "Hello, World! {[]}@\\~\n", "ctrl-alt-delete", "shift-=z",
        "\xc3\x84pfel \xe2\x82\xac \xc3\x9f", "ctrl-", "-", "=\xc3\xa9",
        "\xd0\xbf\xd1\x80\xd0\xb8", "f1-f12-kp_enter", "\xff\xfe\xc3",
    };
    static const u8 keys[] = {
        0, 'a', 0, 0, 0, 0xe1, 1, 0, 0, 'A', 0, 0, UP, 0, 0, 0, 0, 0x51, 2, 0, 0, 'e', 0, 0,
        UP, 1, 0, 0, PLACE, 30, 0, 0, SECOND, '@', 0, 0, LAMPS, 2, 1, 0, 0, 0xb1, 1, 0,
        GONE, 0, 0, 0,
    };
    u8 bytes[2 + 64];
    for (unsigned i = 0; i < ARRAY_LEN(texts) + ARRAY_LEN(layouts); i++) {
        bool text = i < ARRAY_LEN(texts);
        size_t size = text ? strlen(texts[i]) : sizeof(keys);
        bytes[0] = (u8)i;
        bytes[1] = (u8)(i % 4);
        memcpy(bytes + 2, text ? (const void *)texts[i] : keys, size);
        add(bytes, 2 + size);
    }
}
