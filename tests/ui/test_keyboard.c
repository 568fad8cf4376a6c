/* ui/screen/keyboard.c: what a client's letters become in the guest; checked by a guest's eyes:
 * which key goes down while which modifiers are, and that nothing stays down. */
#include "ui/screen/keyboard.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { XK_SHIFT = 0xffe1, XK_SHIFT_R = 0xffe2, XK_CTRL = 0xffe3, XK_CAPS = 0xffe5, XK_NUM = 0xff7f,
       XK_ALTGR = 0xfe03, XK_TAB = 0xff09, XK_ISO_TAB = 0xfe20, XK_DEAD_ACUTE = 0xfe51,
       XK_KP_1 = 0xffb1, XK_KP_END = 0xff9c, XK_RETURN = 0xff0d };

struct guest {
    struct keyboard keyboard;
    struct keyboard_locks locks;
    bool down[KEYBOARD_CODES];
    char log[1024]; /* " 30" down, " -30" up */
};

static void on_press(void *opaque, unsigned code, bool down)
{
    struct guest *guest = opaque;
    size_t at = strlen(guest->log);
    cr_assert_neq(guest->down[code], down, "code %u told twice", code);
    guest->down[code] = down;
    snprintf(guest->log + at, sizeof(guest->log) - at, " %s%u", down ? "" : "-", code);
}

static struct guest *guest_new(const char *layout)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    struct metic_error error;
    bool missing = false;
    cr_assert_not_null(guest);
    guest->keyboard = (struct keyboard){
        .locks = &guest->locks, .press = on_press, .opaque = guest};
    if (layout != NULL) {
        guest->keyboard.map = keymap_new(layout, &missing, &error);
        if (missing) {
            cr_skip_test("no libxkbcommon");
        }
        cr_assert_not_null(guest->keyboard.map);
    }
    return guest;
}

/* All is up after this. */
static void guest_free(struct guest *guest)
{
    keyboard_release(&guest->keyboard);
    for (unsigned code = 0; code < KEYBOARD_CODES; code++) {
        cr_assert(!guest->down[code], "code %u stays down", code);
    }
    keymap_free((struct keymap *)(uintptr_t)guest->keyboard.map);
    free(guest);
}

static void down(struct guest *guest, u32 keysym)
{
    cr_assert(keyboard_key(&guest->keyboard, keysym, true), "keysym %x", keysym);
}

static void up(struct guest *guest, u32 keysym)
{
    keyboard_key(&guest->keyboard, keysym, false);
}

/* What the guest got since the last time. */
static void saw(struct guest *guest, const char *wanted)
{
    cr_expect_str_eq(guest->log, wanted, "'%s', not '%s'", guest->log, wanted);
    guest->log[0] = '\0';
}

Test(keyboard, letters_bring_their_modifiers)
{
    struct guest *guest = guest_new(NULL);
    down(guest, 'A'); /* Caps Lock at the client, say */
    saw(guest, " 42 30");
    up(guest, 'A');
    saw(guest, " -30 -42");
    down(guest, XK_SHIFT);
    down(guest, 'A');
    up(guest, 'A');
    saw(guest, " 42 30 -30");
    down(guest, '1'); /* a French client's Shift */
    saw(guest, " -42 2");
    up(guest, '1');
    saw(guest, " -2 42");
    up(guest, XK_SHIFT);
    saw(guest, " -42");
    guest_free(guest);
}

/* The guest repeats the key that went down last, with the modifiers that are down then. */
Test(keyboard, nothing_changes_while_a_letter_is_down)
{
    struct guest *guest = guest_new(NULL);
    down(guest, '!');
    saw(guest, " 42 2");
    down(guest, '!'); /* the client's repetition */
    down(guest, '!');
    saw(guest, "");
    up(guest, '!');
    saw(guest, " -2 -42");
    guest_free(guest);
}

Test(keyboard, goes_up_by_another_name)
{
    struct guest *guest = guest_new(NULL);
    down(guest, XK_SHIFT);
    down(guest, 'A');
    up(guest, XK_SHIFT);
    up(guest, 'a');
    saw(guest, " 42 30 -42 -30");
    down(guest, 'a');
    down(guest, 'A'); /* the same key: up, and down again */
    saw(guest, " 30 -30 42 30");
    up(guest, 'a');
    saw(guest, " -30 -42");
    up(guest, 'a');
    up(guest, 'q');
    saw(guest, "");
    guest_free(guest);
}

Test(keyboard, rolling_over)
{
    struct guest *guest = guest_new(NULL);
    down(guest, '!');
    down(guest, 'b'); /* before the first is up */
    saw(guest, " 42 2 -42 48");
    up(guest, '!');
    up(guest, 'b');
    saw(guest, " -2 -48");
    down(guest, XK_SHIFT);
    down(guest, '1');
    up(guest, XK_SHIFT); /* which the guest has lost already */
    up(guest, '1');
    saw(guest, " 42 -42 2 -2");
    guest_free(guest);
}

Test(keyboard, shortcuts_and_function_keys)
{
    struct guest *guest = guest_new(NULL);
    down(guest, XK_CTRL);
    down(guest, 'c');
    up(guest, 'c');
    up(guest, XK_CTRL);
    saw(guest, " 29 46 -46 -29");
    down(guest, XK_SHIFT_R);
    down(guest, XK_ISO_TAB);
    up(guest, XK_ISO_TAB);
    up(guest, XK_SHIFT_R);
    saw(guest, " 54 15 -15 -54");
    down(guest, XK_SHIFT);
    down(guest, '1');
    down(guest, XK_RETURN); /* takes the client's modifiers, as all that are no letters */
    saw(guest, " 42 -42 2 42 28");
    guest_free(guest);
}

Test(keyboard, german_guest)
{
    struct guest *guest = guest_new("de");
    down(guest, '@'); /* from a US client: Shift and 2 */
    saw(guest, " 100 16");
    up(guest, '@');
    saw(guest, " -16 -100");
    down(guest, XK_SHIFT);
    down(guest, '@');
    saw(guest, " 42 -42 100 16");
    up(guest, '@');
    up(guest, XK_SHIFT);
    saw(guest, " -16 -100 42 -42");
    down(guest, XK_ALTGR); /* from a German one */
    down(guest, '@');
    up(guest, '@');
    up(guest, XK_ALTGR);
    saw(guest, " 100 16 -16 -100");
    down(guest, 0xe9); /* é */
    saw(guest, " 13 -13 18");
    up(guest, 0xe9);
    saw(guest, " -18");
    down(guest, 0xc9); /* É */
    saw(guest, " 13 -13 42 18");
    up(guest, 0xc9);
    saw(guest, " -18 -42");
    cr_assert(!keyboard_key(&guest->keyboard, 0x6c6, true), "Cyrillic_ef");
    up(guest, 0x6c6);
    saw(guest, "");
    guest_free(guest);
}

/* A client's AltGr is no key of a US guest; a dead key is not either, but with the next letter. */
Test(keyboard, what_the_guest_has_not)
{
    struct guest *guest = guest_new(NULL);
    down(guest, XK_ALTGR);
    down(guest, '@');
    up(guest, '@');
    up(guest, XK_ALTGR);
    saw(guest, " 42 3 -3 -42");
    cr_assert(!keyboard_key(&guest->keyboard, 0xe4, true));
    guest_free(guest);
    guest = guest_new("fr:azerty");
    down(guest, XK_DEAD_ACUTE);
    up(guest, XK_DEAD_ACUTE);
    down(guest, 'e');
    up(guest, 'e');
    saw(guest, " 3 -3"); /* é */
    down(guest, 'e');
    up(guest, 'e');
    saw(guest, " 18 -18");
    guest_free(guest);
}

Test(keyboard, caps_lock)
{
    struct guest *guest = guest_new(NULL);
    down(guest, XK_CAPS);
    up(guest, XK_CAPS);
    saw(guest, " 58 -58");
    down(guest, 'A'); /* the guest makes it */
    up(guest, 'A');
    saw(guest, " 30 -30");
    down(guest, 'a');
    up(guest, 'a');
    saw(guest, " 42 30 -30 -42");
    keyboard_take_lamps(&guest->locks, 0, 1); /* the guest: it is off */
    down(guest, 'a');
    up(guest, 'a');
    saw(guest, " 30 -30");
    keyboard_take_lamps(&guest->locks, KEYMAP_CAPS_LOCK, 2);
    down(guest, '1');
    up(guest, '1');
    down(guest, 'A');
    up(guest, 'A');
    saw(guest, " 2 -2 30 -30");
    guest_free(guest);
}

Test(keyboard, num_lock_follows_the_client)
{
    struct guest *guest = guest_new(NULL);
    down(guest, XK_KP_1);
    up(guest, XK_KP_1);
    saw(guest, " 69 -69 79 -79");
    down(guest, XK_KP_1);
    up(guest, XK_KP_1);
    saw(guest, " 79 -79");
    down(guest, XK_KP_END);
    up(guest, XK_KP_END);
    saw(guest, " 69 -69 79 -79");
    down(guest, XK_SHIFT);
    down(guest, XK_KP_1);
    up(guest, XK_KP_1);
    saw(guest, " 42 79 -79");
    guest_free(guest);
}

Test(keyboard, a_client_goes)
{
    struct guest *guest = guest_new("de");
    down(guest, XK_SHIFT);
    down(guest, '@');
    down(guest, 'x');
    keyboard_place(&guest->keyboard, 30, true);
    keyboard_release(&guest->keyboard);
    guest->log[0] = '\0';
    down(guest, 'a');
    up(guest, 'a');
    saw(guest, " 30 -30");
    guest_free(guest);
}

/* More letters than fingers, names that are none, ups without downs, places in between. */
Test(keyboard, nonsense)
{
    struct guest *guest = guest_new("de");
    unsigned seed = 1;
    for (unsigned i = 0; i < 200000; i++) {
        u32 keysym = (u32)rand_r(&seed);
        guest->log[0] = '\0';
        switch (rand_r(&seed) % 4) {
        case 0: keysym = ' ' + keysym % 0xe0; break;
        case 1: keysym = 0xfe00 + keysym % 0x200; break;
        case 2: keysym %= 0x2000; break;
        default: break;
        }
        if (rand_r(&seed) % 16 == 0) {
            keyboard_place(&guest->keyboard, keysym % 300, rand_r(&seed) & 1);
        }
        keyboard_key(&guest->keyboard, keysym, rand_r(&seed) & 1);
        if (rand_r(&seed) % 1000 == 0) {
            keyboard_release(&guest->keyboard);
            for (unsigned code = 0; code < KEYBOARD_CODES; code++) {
                cr_assert(!guest->down[code], "code %u stays down", code);
            }
        }
    }
    guest_free(guest);
}
