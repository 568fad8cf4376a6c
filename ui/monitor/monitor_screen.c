/* The monitor's commands about screen, keyboard and pointer. */
#include "ui/command/args.h"
#include "ui/monitor/monitor_commands.h"
#include "ui/screen/key_steps.h"

#include <stdlib.h>
#include <string.h>

enum { HOLD_MS = 100, CLICK_MS = 60, WORD_BYTES = 1024 };

/* Splits the first word off; it may be empty. */
static const char *take_word(const char *text, char word[WORD_BYTES])
{
    size_t bytes = strcspn(text, " \t");
    bytes = bytes < WORD_BYTES ? bytes : WORD_BYTES - 1;
    memcpy(word, text, bytes);
    word[bytes] = '\0';
    return text + bytes + strspn(text + bytes, " \t");
}

/* False when the text is something else. */
static bool take_number(const char *text, unsigned most, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 0);
    *number = (unsigned)value;
    return *text >= '0' && *text <= '9' && *end == '\0' && value <= most;
}

static void refuse(struct monitor *monitor, const char *what)
{
    monitor->failed = true;
    fprintf(monitor->to, "%s\n", what);
}

static void press(struct monitor *monitor, const struct metic_key_step *steps, unsigned count)
{
    if (!metic_press_keys(monitor->machine, steps, count)) {
        refuse(monitor, metic_has_input(monitor->machine)
                            ? "too many keys wait already"
                            : "there is no keyboard: the machine was started without --screen");
    }
}

/* A name that ends so. */
static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name), end_bytes = strlen(end);
    return bytes >= end_bytes && strcmp(name + bytes - end_bytes, end) == 0;
}

void monitor_screendump(struct monitor *monitor, const char *arguments)
{
    char file[WORD_BYTES], screen[WORD_BYTES];
    unsigned number = 0;
    struct metic_error error;
    arguments = take_word(take_word(arguments, file), screen);
    if (file[0] == '\0' || *arguments != '\0' ||
        (screen[0] != '\0' && !take_number(screen, METIC_MAX_SCREENS - 1, &number))) {
        refuse(monitor, "give a file, and maybe a screen's number: screendump out.png 0");
        return;
    }
    enum metic_picture format = ends_with(file, ".ppm") ? METIC_PPM : METIC_PNG;
    if (!metic_screenshot(monitor->machine, number, format, file, &error)) {
        monitor_refuse(monitor, &error);
    }
}

void monitor_sendkey(struct monitor *monitor, const char *arguments)
{
    char chord[WORD_BYTES];
    struct metic_key_step steps[KEY_CHORD_STEPS];
    unsigned hold_ms = HOLD_MS;
    const char *bad;
    size_t bad_bytes;
    arguments = take_word(arguments, chord);
    if (*arguments != '\0' && !take_number(arguments, 10000, &hold_ms)) {
        refuse(monitor, "give keys, and maybe how many milliseconds they are held: sendkey "
                        "ctrl-alt-delete 200");
        return;
    }
    unsigned count = key_steps_chord(monitor->keymap, key_locks(monitor->machine), chord, hold_ms,
                                     steps, &bad, &bad_bytes);
    if (count == 0) {
        monitor->failed = true;
        fprintf(monitor->to, "there is no key '%.*s', or too many at once; keys are named as "
                "QEMU's: a, ret, spc, ctrl, alt, f1, kp_0; =@ is the one that writes @ in the "
                "guest's layout (%s, see --keymap)\n", (int)bad_bytes, bad,
                keymap_name(monitor->keymap));
        return;
    }
    press(monitor, steps, count);
}

void monitor_type(struct monitor *monitor, const char *arguments)
{
    struct metic_key_step steps[METIC_MAX_KEY_STEPS];
    struct metic_error error;
    struct key_text said;
    char *text = args_unescape(arguments, &error);
    if (text == NULL) {
        refuse(monitor, error.what);
        return;
    }
    unsigned count = key_steps_text(monitor->keymap, key_locks(monitor->machine), text, steps,
                                    ARRAY_LEN(steps), &said);
    if (said.left_out != 0) {
        monitor->failed = true;
        fprintf(monitor->to, "no key of the guest's keyboard (%s, see --keymap) types '%.*s', %u "
                "character%s in all; nothing was typed\n", keymap_name(monitor->keymap),
                (int)said.bad_bytes, said.bad, said.left_out, said.left_out == 1 ? "" : "s");
    } else if (count == 0) {
        refuse(monitor, "give a text of some characters, at most a thousand");
    } else {
        press(monitor, steps, count);
    }
    free(text);
}

void monitor_pointer(struct monitor *monitor, const char *arguments)
{
    char column[WORD_BYTES], row[WORD_BYTES], screen[WORD_BYTES];
    unsigned x, y, number = 0;
    uint32_t width = 0, height = 0;
    arguments = take_word(take_word(take_word(arguments, column), row), screen);
    if ((screen[0] != '\0' && !take_number(screen, METIC_MAX_SCREENS - 1, &number)) ||
        !metic_has_input(monitor->machine) ||
        !metic_get_screen_size(monitor->machine, number, &width, &height)) {
        monitor->failed = true;
        fprintf(monitor->to, "screen %s shows nothing\n", screen[0] != '\0' ? screen : "0");
    } else if (*arguments != '\0' || !take_number(column, width - 1, &x) ||
               !take_number(row, height - 1, &y)) {
        monitor->failed = true;
        fprintf(monitor->to, "give a place on the screen, which is %u by %u: pointer 10 20\n",
                width, height);
    } else {
        metic_pointer_on(monitor->machine, number,
                         width > 1 ? x * METIC_POINTER_MAX / (width - 1) : 0,
                         height > 1 ? y * METIC_POINTER_MAX / (height - 1) : 0);
    }
}

void monitor_resize(struct monitor *monitor, const char *arguments)
{
    char size[WORD_BYTES], screen[WORD_BYTES];
    unsigned number = 0, width = 0, height = 0;
    int end = 0;
    arguments = take_word(take_word(arguments, size), screen);
    bool is_size = sscanf(size, "%5ux%5u%n", &width, &height, &end) == 2 && size[end] == '\0' &&
                   metic_is_screen_size(width, height);
    if (*arguments != '\0' || (!is_size && strcmp(size, "off") != 0) ||
        (screen[0] != '\0' && !take_number(screen, METIC_MAX_SCREENS - 1, &number))) {
        refuse(monitor, "give a size of 64 to 8192 pixels a side, or off, and maybe a screen's "
                        "number: resize 1280x800 1");
    } else if (!metic_has_input(monitor->machine)) {
        refuse(monitor, "there is no screen: the machine was started without --screen");
    } else {
        metic_request_size(monitor->machine, number, is_size ? width : 0, is_size ? height : 0);
    }
}

void monitor_button(struct monitor *monitor, const char *arguments)
{
    char name[WORD_BYTES];
    const char *what = take_word(arguments, name);
    unsigned code = monitor_button_code(name);
    bool down = strcmp(what, "down") == 0, up = strcmp(what, "up") == 0;
    struct metic_key_step click[] = {{code, true, CLICK_MS}, {code, false, CLICK_MS}};
    if (code == 0 || (*what != '\0' && !down && !up)) {
        refuse(monitor, "give left, middle, right, side or extra, and maybe down or up");
    } else if (down || up) {
        click[0] = (struct metic_key_step){code, down, 0};
        press(monitor, click, 1);
    } else {
        press(monitor, click, 2);
    }
}

unsigned monitor_button_code(const char *name)
{
    static const struct {
        const char *name;
        unsigned code;
    } buttons[] = {{"left", 0x110}, {"right", 0x111}, {"middle", 0x112}, {"side", 0x113},
                   {"extra", 0x114}};
    for (unsigned i = 0; i < ARRAY_LEN(buttons); i++) {
        if (strcmp(buttons[i].name, name) == 0) {
            return buttons[i].code;
        }
    }
    return 0;
}
