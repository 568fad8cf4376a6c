/* See qmp_screen.h. */
#include "config.h"

#if HAVE_JANSSON
#include "cpu/base/utf8.h"
#include "ui/monitor/monitor_commands.h"
#include "ui/monitor/qmp_screen.h"
#include "ui/screen/key_steps.h"
#include "ui/screen/keys.h"

#include <stdlib.h>
#include <string.h>

enum { HOLD_MS = 100 };

/* --- pictures --- */

/* NULL without memory. */
static char *base64(const u8 *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((count + 2) / 3 * 4 + 1), *to = text;
    for (size_t i = 0; text != NULL && i < count; i += 3) {
        u32 group = (u32)bytes[i] << 16 | (i + 1 < count ? (u32)bytes[i + 1] << 8 : 0) |
                    (i + 2 < count ? bytes[i + 2] : 0);
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = i + 1 < count ? digits[group >> 6 & 63] : '=';
        *to++ = i + 2 < count ? digits[group & 63] : '=';
    }
    if (text != NULL) {
        *to = '\0';
    }
    return text;
}

static unsigned head_of(json_t *arguments)
{
    json_int_t head = json_integer_value(json_object_get(arguments, "head"));
    return head >= 0 && head < METIC_MAX_SCREENS ? (unsigned)head : METIC_MAX_SCREENS;
}

static bool metic_picture_command(metic_machine *machine, const struct keymap *keymap,
                                  json_t *arguments, json_t **result, struct metic_error *error)
{
    (void)keymap;
    char *bytes = NULL;
    size_t count = 0;
    FILE *to = open_memstream(&bytes, &count);
    bool ok = to != NULL && metic_draw_screen(machine, head_of(arguments), METIC_PNG, to, error);
    if (to == NULL || fclose(to) != 0) {
        ok = error_set(error, NULL, "the host has no memory for a picture");
    }
    char *text = ok ? base64((const u8 *)bytes, count) : NULL;
    *result = text != NULL ? json_pack("{s:s}", "png", text) : NULL;
    free(text);
    free(bytes);
    return ok && (*result != NULL ||
                  error_set(error, NULL, "the host has no memory for a picture"));
}

static bool screendump(metic_machine *machine, const struct keymap *keymap, json_t *arguments,
                       json_t **result, struct metic_error *error)
{
    (void)keymap;
    const char *file = json_string_value(json_object_get(arguments, "filename"));
    const char *format = json_string_value(json_object_get(arguments, "format"));
    (void)result;
    if (file == NULL) {
        return error_set(error, NULL, "Parameter 'filename' is missing");
    }
    if (format == NULL) {
        size_t bytes = strlen(file);
        format = bytes >= 4 && strcmp(file + bytes - 4, ".png") == 0 ? "png" : "ppm";
    }
    if (strcmp(format, "png") != 0 && strcmp(format, "ppm") != 0) {
        return error_set(error, NULL, "Parameter 'format' does not accept value '%.32s'", format);
    }
    return metic_screenshot(machine, head_of(arguments),
                            strcmp(format, "png") == 0 ? METIC_PNG : METIC_PPM, file, error);
}

/* --- keys and pointer --- */

/* A KeyValue; 0: it is none of ours. */
static unsigned key_code(json_t *value)
{
    json_t *data = json_object_get(value, "data");
    const char *name = json_string_value(data);
    json_int_t number = json_integer_value(data);
    return name != NULL ? keys_by_name(name, strlen(name))
           : number > 0 && number < 256 ? keys_by_xt((unsigned)number)
                                        : 0;
}

/* Another of 'keys'. */
static bool add_key(struct key_chord *chord, metic_machine *machine, const struct keymap *keymap,
                    json_t *value)
{
    const char *type = json_string_value(json_object_get(value, "type"));
    const char *data = json_string_value(json_object_get(value, "data"));
    if (type == NULL || strcmp(type, "char") != 0) {
        return key_chord_add(chord, key_code(value));
    }
    u32 letter = data != NULL ? utf8_next(&data) : 0;
    return letter != 0 && *data == '\0' &&
           key_chord_add_letter(chord, keymap, key_locks(machine), letter);
}

static bool send_key(metic_machine *machine, const struct keymap *keymap, json_t *arguments,
                     json_t **result, struct metic_error *error)
{
    struct metic_key_step steps[KEY_CHORD_STEPS];
    struct key_chord chord = {.count = 0};
    json_t *keys = json_object_get(arguments, "keys");
    json_t *hold = json_object_get(arguments, "hold-time");
    json_int_t hold_ms = json_is_integer(hold) ? json_integer_value(hold) : HOLD_MS;
    size_t count = json_array_size(keys);
    (void)result;
    if (count == 0 || count > KEY_CHORD_KEYS || hold_ms < 0 || hold_ms > 10000) {
        return error_set(error, NULL, "Parameter 'keys' takes 1 to %d keys, 'hold-time' up to "
                         "10000", KEY_CHORD_KEYS);
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_key(&chord, machine, keymap, json_array_get(keys, i))) {
            return error_set(error, NULL, "key %zu of 'keys' is not known, or one too many", i);
        }
    }
    unsigned step_count = key_chord_steps(&chord, (unsigned)hold_ms, steps);
    return metic_press_keys(machine, steps, step_count) ||
           error_set(error, NULL, "there is no keyboard, or too many keys wait already");
}

static bool button_event(metic_machine *machine, json_t *data)
{
    const char *name = json_string_value(json_object_get(data, "button"));
    bool down = json_is_true(json_object_get(data, "down"));
    if (name != NULL && strncmp(name, "wheel-", 6) == 0) {
        int up = strcmp(name, "wheel-up") == 0, right = strcmp(name, "wheel-right") == 0;
        int is_down = strcmp(name, "wheel-down") == 0, left = strcmp(name, "wheel-left") == 0;
        if (down) {
            metic_wheel(machine, up - is_down, right - left);
        }
        return up + is_down + left + right == 1;
    }
    unsigned code = name != NULL ? monitor_button_code(name) : 0;
    metic_key(machine, code, down);
    return code != 0;
}

/* Where an absolute move of one axis leaves the other. */
struct place {
    bool moved;
    u32 x, y;
};

static bool move_event(metic_machine *machine, const char *type, json_t *data,
                       struct place *place)
{
    const char *axis = json_string_value(json_object_get(data, "axis"));
    json_int_t value = json_integer_value(json_object_get(data, "value"));
    bool is_x = axis != NULL && strcmp(axis, "x") == 0;
    if ((!is_x && (axis == NULL || strcmp(axis, "y") != 0)) || value < -32768 || value > 32767) {
        return false;
    }
    if (strcmp(type, "rel") == 0) {
        metic_pointer_by(machine, is_x ? (int32_t)value : 0, is_x ? 0 : (int32_t)value);
        return true;
    }
    u32 at = value > 0 ? (u32)value : 0;
    place->x = is_x ? at : place->x;
    place->y = is_x ? place->y : at;
    place->moved = true;
    return true;
}

static bool one_event(metic_machine *machine, json_t *event, struct place *place)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    json_t *data = json_object_get(event, "data");
    if (type == NULL) {
        return false;
    }
    if (strcmp(type, "abs") == 0 || strcmp(type, "rel") == 0) {
        return move_event(machine, type, data, place);
    }
    if (place->moved) {
        metic_pointer_to(machine, place->x, place->y);
        *place = (struct place){false, METIC_POINTER_KEEP, METIC_POINTER_KEEP};
    }
    if (strcmp(type, "btn") == 0) {
        return button_event(machine, data);
    }
    unsigned code = strcmp(type, "key") == 0 ? key_code(json_object_get(data, "key")) : 0;
    metic_key(machine, code, json_is_true(json_object_get(data, "down")));
    return code != 0;
}

static bool input_send_event(metic_machine *machine, const struct keymap *keymap,
                             json_t *arguments, json_t **result, struct metic_error *error)
{
    (void)keymap;
    json_t *events = json_object_get(arguments, "events");
    struct place place = {false, METIC_POINTER_KEEP, METIC_POINTER_KEEP};
    bool good = true;
    (void)result;
    if (!json_is_array(events)) {
        return error_set(error, NULL, "Parameter 'events' is missing");
    }
    if (!metic_has_input(machine)) {
        return error_set(error, NULL, "there is no keyboard and no pointer");
    }
    for (size_t i = 0; good && i < json_array_size(events); i++) {
        good = one_event(machine, json_array_get(events, i), &place);
        if (!good) {
            error_set(error, NULL, "event %zu of 'events' is not known", i);
        }
    }
    if (place.moved) {
        metic_pointer_to(machine, place.x, place.y);
    }
    return good;
}

static const struct {
    const char *name;
    bool (*execute)(metic_machine *machine, const struct keymap *keymap, json_t *arguments,
                    json_t **result, struct metic_error *error);
} commands[] = {
    {"screendump", screendump},
    {"send-key", send_key},
    {"input-send-event", input_send_event},
    {"metic-screenshot", metic_picture_command},
};

const char *qmp_screen_at(unsigned index)
{
    return index < ARRAY_LEN(commands) ? commands[index].name : NULL;
}

bool qmp_screen_execute(metic_machine *machine, const struct keymap *keymap, const char *name,
                        json_t *arguments, json_t **result, struct metic_error *error)
{
    *result = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].execute(machine, keymap, arguments, result, error);
        }
    }
    return error_set(error, NULL, "The command %.100s has not been found", name);
}
#endif
