/* See keymap.h: a table of all letters of a layout, by libxkbcommon.
 *
 * Each key is asked what it writes under every set of modifiers and locks, so nothing of XKB's
 * types and levels is known here. The library stays for keysyms that are no Unicode. */
#include "config.h"
#include "ui/screen/keymap.h"

#if HAVE_XKB
#include "cpu/base/library.h"
#include "ui/command/args.h"
#include "ui/screen/keys.h"
#include "ui/screen/keysyms.h"

#include <stdlib.h>
#include <string.h>
#include <xkbcommon/xkbcommon.h>

enum {
    XKB_FIRST_CODE = 8,   /* XKB's number of a key is Linux's and this */
    LETTER_CODE_MAX = 127, /* keys of a keyboard as people have them; above are makers' own */
    CODE_MAX = 247,
    CODE_LEVEL3 = 84, /* no keys: XKB's own, for modifiers */
    CODE_MODE_SWITCH = 195,
    CODE_HYPER = 199,
    MAX_LAYOUTS = 4, /* XKB's */
};

struct xkb_api {
    void *library;
#define XKB_CALL(result, name, parameters) result(*name) parameters;
#include "ui/screen/xkb_api.def"
#undef XKB_CALL
};

static bool load_api(struct xkb_api *xkb, struct metic_error *error)
{
    const char *missing = NULL;
    xkb->library = library_open("libxkbcommon.so.0");
    if (xkb->library == NULL) {
        return error_set(error, "install it (Debian: libxkbcommon0), or leave out --keymap",
                         "libxkbcommon is not on this host");
    }
#define XKB_CALL(result, name, parameters)                                                  \
    if (!library_find(xkb->library, "xkb_" #name, (void *)&xkb->name, sizeof(xkb->name))) { \
        missing = "xkb_" #name;                                                             \
    }
#include "ui/screen/xkb_api.def"
#undef XKB_CALL
    if (missing != NULL) {
        library_close(xkb->library);
        return error_set(error, "bring it up to date", "the libxkbcommon of this host has no %s",
                         missing);
    }
    return true;
}

/* The context of the caller. Environment variables name folders, no layout. */
static struct xkb_context *new_context(const struct xkb_api *xkb)
{
    struct xkb_context *context = xkb->context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES);
    if (context != NULL) {
        xkb->context_set_log_level(context, (enum xkb_log_level)0); /* not even what is critical */
    }
    return context;
}

/* ---- The names there are ---- */

/* XKB's list of layouts and variants for people; NULL: there is none. */
static FILE *open_list(const struct xkb_api *xkb, struct xkb_context *context)
{
    FILE *list = NULL;
    for (unsigned i = 0; list == NULL && i < xkb->context_num_include_paths(context); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/rules/evdev.lst",
                 xkb->context_include_path_get(context, i));
        list = fopen(path, "re");
    }
    return list;
}

/* The next entry: its name as --keymap takes it, and what it is. False: no more. `in` is the
 * section and begins as 0. */
static bool next_entry(FILE *list, char *in, char name[64], char what[160])
{
    char line[256], first[64], second[64];
    while (fgets(line, sizeof(line), list) != NULL) {
        int at = 0;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '!') {
            *in = strcmp(line, "! layout") == 0 ? 'l' : strcmp(line, "! variant") == 0 ? 'v' : 0;
        } else if (*in == 'l' && sscanf(line, " %63s %n", first, &at) == 1 && at > 0) {
            snprintf(name, 64, "%s", first);
            snprintf(what, 160, "%.159s", line + at);
            return true;
        } else if (*in == 'v' && sscanf(line, " %31s %31[^:]: %n", first, second, &at) == 2 &&
                   at > 0) {
            snprintf(name, 64, "%.31s:%.31s", second, first);
            snprintf(what, 160, "%.159s", line + at);
            return true;
        }
    }
    return false;
}

bool keymap_list(FILE *to, struct metic_error *error)
{
    struct xkb_api xkb;
    if (!load_api(&xkb, error)) {
        return false;
    }
    struct xkb_context *context = new_context(&xkb);
    FILE *list = context != NULL ? open_list(&xkb, context) : NULL;
    char in = 0, name[64], what[160];
    while (list != NULL && next_entry(list, &in, name, what)) {
        fprintf(to, "%-24s %s\n", name, what);
    }
    bool good = list != NULL || error_set(error, "install them (Debian: xkb-data)",
                                          "this host has no list of keyboard layouts");
    if (list != NULL) {
        fclose(list);
    }
    if (context != NULL) {
        xkb.context_unref(context);
    }
    library_close(xkb.library);
    return good;
}

/* Whether XKB knows the name, or else what is near, into `near`. QEMU's names have the language
 * first: en-gb is gb. */
static bool find_name(FILE *list, const char *name, char near[64])
{
    const char *country = strchr(name, '-') != NULL ? strchr(name, '-') + 1 : name;
    unsigned best = UINT32_MAX;
    char in = 0, known[64], what[160];
    near[0] = '\0';
    rewind(list);
    while (next_entry(list, &in, known, what)) {
        if (strcmp(known, name) == 0) {
            return true;
        }
        unsigned distance = strcmp(known, country) == 0 ? 0 : args_distance(name, known);
        if (distance > strlen(name) / 3 + 1) {
            continue;
        }
        distance = 2 * distance + (known[0] != name[0] && distance != 0);
        if (distance < best) {
            best = distance;
            snprintf(near, 64, "%s", known);
        }
    }
    return false;
}

static bool refuse(const struct xkb_api *xkb, struct xkb_context *context, const char *name,
                   struct metic_error *error)
{
    char one[64], near[64] = "", next[160];
    FILE *list = open_list(xkb, context);
    const char *bad = name;
    for (const char *at = name; list != NULL && *at != '\0'; at += *at == ',') {
        snprintf(one, sizeof(one), "%.*s", (int)strcspn(at, ","), at);
        if (!find_name(list, one, near)) {
            bad = one;
            break;
        }
        at += strcspn(at, ",");
    }
    snprintf(next, sizeof(next), "%s%s%smetic list keymaps has all of them.",
             near[0] != '\0' ? "Did you mean " : "", near, near[0] != '\0' ? "? " : "");
    error_set(error, list != NULL ? next : "install the layouts (Debian: xkb-data)",
              "--keymap: this host has no keyboard layout '%s'", bad);
    if (list != NULL) {
        fclose(list);
    }
    return false;
}

/* ---- The table ---- */

/* What is asked about a layout. */
struct maker {
    const struct xkb_api *xkb;
    struct xkb_keymap *keymap;
    struct xkb_state *state;
    xkb_mod_mask_t modifiers[KEYMAP_MODIFIERS]; /* of enum keymap_modifier; 0: none on this one */
    xkb_mod_mask_t locks[KEYMAP_LOCKS];
    struct keymap *map;
};

static unsigned modifier_of(xkb_keysym_t keysym)
{
    switch (keysym) {
    case XKB_KEY_Shift_L:
    case XKB_KEY_Shift_R: return KEYMAP_SHIFT;
    case XKB_KEY_ISO_Level3_Shift:
    case XKB_KEY_Mode_switch: return KEYMAP_LEVEL3;
    case XKB_KEY_ISO_Level5_Shift: return KEYMAP_LEVEL5;
    default: return 0;
    }
}

/* Which keys are modifiers while they are down, and of XKB's which. */
static void find_modifiers(struct maker *maker)
{
    const struct xkb_api *xkb = maker->xkb;
    struct keymap *map = maker->map;
    for (unsigned code = 1; code <= LETTER_CODE_MAX; code++) {
        struct xkb_state *state = xkb->state_new(maker->keymap);
        xkb_keycode_t key = code + XKB_FIRST_CODE;
        unsigned modifier = state != NULL ? modifier_of(xkb->state_key_get_one_sym(state, key)) : 0;
        if (modifier != 0 && keys_is_code(code)) {
            xkb->state_update_key(state, key, XKB_KEY_DOWN);
            xkb_mod_mask_t mask = xkb->state_serialize_mods(state, XKB_STATE_MODS_DEPRESSED);
            xkb_mod_mask_t *own = &maker->modifiers[__builtin_ctz(modifier)];
            if (mask != 0 && map->modifier_count < KEYMAP_MODIFIER_KEYS &&
                (*own == 0 || *own == mask)) {
                *own = mask;
                map->modifiers[map->modifier_count++] =
                    (struct keymap_stroke){(u16)code, (u8)modifier};
            }
        }
        if (state != NULL) {
            xkb->state_unref(state);
        }
    }
}

static void find_locks(struct maker *maker)
{
    static const char *const names[KEYMAP_LOCKS] = {"Mod2", "Lock"};
    for (unsigned i = 0; i < KEYMAP_LOCKS; i++) {
        xkb_mod_index_t index = maker->xkb->keymap_mod_get_index(maker->keymap, names[i]);
        maker->locks[i] = index < 32 ? (xkb_mod_mask_t)1 << index : 0;
    }
}

/* False: a set of modifiers that this layout has not. */
static bool masks_of(const xkb_mod_mask_t *masks, unsigned count, unsigned set,
                     xkb_mod_mask_t *mask)
{
    *mask = 0;
    for (unsigned i = 0; i < count; i++) {
        if (set >> i & 1) {
            *mask |= masks[i];
        }
        if ((set >> i & 1) != 0 && masks[i] == 0) {
            return false;
        }
    }
    return true;
}

static bool is_known(const struct keymap *map, u32 sign, unsigned rows)
{
    for (unsigned i = 0; i < rows; i++) {
        if (map->rows[i].sign == sign) {
            return true;
        }
    }
    return false;
}

static bool add_row(struct keymap *map, struct keymap_row row)
{
    if (map->row_count == map->row_room) {
        unsigned room = map->row_room * 2 + 1024;
        struct keymap_row *rows = reallocarray(map->rows, room, sizeof(*rows));
        if (rows == NULL) {
            return false;
        }
        map->rows = rows;
        map->row_room = room;
    }
    map->rows[map->row_count++] = row;
    return true;
}

/* What one key writes in a state. What an earlier layout has (its rows are the first `others`) is
 * left to that. False: no memory. */
static bool add_key(struct maker *maker, unsigned code, unsigned modifiers, unsigned locks,
                    unsigned others)
{
    struct keymap *map = maker->map;
    xkb_keysym_t keysym =
        maker->xkb->state_key_get_one_sym(maker->state, code + XKB_FIRST_CODE);
    u32 sign = keysym != XKB_KEY_NoSymbol ? keymap_sign(map, keysym) : 0;
    bool writes = (sign & KEYMAP_NO_LETTER) == 0 || keymap_is_dead(keysym);
    bool is_wanted = writes ? code <= LETTER_CODE_MAX && keys_is_code(code)
                            : modifiers == 0 && locks == 0;
    return sign == 0 || !is_wanted || is_known(map, sign, others) ||
           add_row(map, (struct keymap_row){sign, (u16)code, (u8)modifiers, (u8)locks});
}

static bool is_key(unsigned code)
{
    return code != CODE_LEVEL3 && (code < CODE_MODE_SWITCH || code > CODE_HYPER);
}

static bool add_layout(struct maker *maker, xkb_layout_index_t layout)
{
    unsigned others = maker->map->row_count;
    for (unsigned locks = 0; locks < 1u << KEYMAP_LOCKS; locks++) {
        for (unsigned modifiers = 0; modifiers < 1u << KEYMAP_MODIFIERS; modifiers++) {
            xkb_mod_mask_t down, locked;
            if (!masks_of(maker->modifiers, KEYMAP_MODIFIERS, modifiers, &down) ||
                !masks_of(maker->locks, KEYMAP_LOCKS, locks, &locked)) {
                continue;
            }
            maker->xkb->state_update_mask(maker->state, down, 0, locked, 0, 0, layout);
            for (unsigned code = 1; code <= CODE_MAX; code++) {
                if (is_key(code) && !add_key(maker, code, modifiers, locks, others)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool fill(struct keymap *map, const struct xkb_api *xkb, struct xkb_keymap *keymap,
                 struct metic_error *error)
{
    struct maker maker = {
        .xkb = xkb, .keymap = keymap, .state = xkb->state_new(keymap), .map = map};
    bool good = maker.state != NULL;
    if (good) {
        find_modifiers(&maker);
        find_locks(&maker);
        xkb_layout_index_t count = xkb->keymap_num_layouts(keymap);
        for (xkb_layout_index_t i = 0; good && i < count && i < MAX_LAYOUTS; i++) {
            good = add_layout(&maker, i);
        }
        xkb->state_unref(maker.state);
    }
    return good || error_set(error, NULL, "the host has no memory for a keyboard layout");
}

/* ---- Life ---- */

/* "de:nodeadkeys,us" as XKB's two lists, "de,us" and "nodeadkeys,". False: it is no name. */
static bool split_names(const char *name, char *layouts, char *variants)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    for (;;) {
        size_t bytes = strspn(name, good);
        memcpy(layouts, name, bytes);
        layouts += bytes;
        name += bytes;
        if (bytes != 0 && *name == ':') {
            bytes = strspn(++name, good);
            memcpy(variants, name, bytes);
            variants += bytes;
            name += bytes;
        }
        *layouts = *variants = '\0';
        if (bytes == 0 || *name != ',') {
            return bytes != 0 && *name == '\0';
        }
        *layouts++ = *variants++ = *name++;
    }
}

static bool read_layout(struct keymap *map, const struct xkb_api *xkb, struct metic_error *error)
{
    char layouts[sizeof(map->name)], variants[sizeof(map->name)];
    struct xkb_context *context = new_context(xkb);
    if (context == NULL) {
        return error_set(error, NULL, "the host has no memory for a keyboard layout");
    }
    const struct xkb_rule_names names = {
        .rules = "evdev", .model = "pc105", .layout = layouts, .variant = variants, .options = ""};
    struct xkb_keymap *keymap =
        split_names(map->name, layouts, variants)
            ? xkb->keymap_new_from_names(context, &names, XKB_KEYMAP_COMPILE_NO_FLAGS)
            : NULL;
    bool good = keymap != NULL ? fill(map, xkb, keymap, error)
                               : refuse(xkb, context, map->name, error);
    if (keymap != NULL) {
        xkb->keymap_unref(keymap);
    }
    xkb->context_unref(context);
    return good;
}

struct keymap *keymap_new(const char *name, bool *missing, struct metic_error *error)
{
    struct keymap *map = calloc(1, sizeof(*map));
    struct xkb_api xkb;
    *missing = false;
    if (map == NULL) {
        error_set(error, NULL, "the host has no memory for a keyboard layout");
        return NULL;
    }
    *missing = !load_api(&xkb, error);
    bool good = !*missing;
    if (good) {
        map->library = xkb.library;
        map->to_character = xkb.keysym_to_utf32;
        good = snprintf(map->name, sizeof(map->name), "%s", name) < (int)sizeof(map->name)
                   ? read_layout(map, &xkb, error)
                   : error_set(error, "metic list keymaps has all of them.",
                               "--keymap: '%.40s...' is no keyboard layout's name", name);
    }
    if (!good) {
        keymap_free(map);
        return NULL;
    }
    return map;
}

void keymap_free(struct keymap *map)
{
    if (map != NULL) {
        library_close(map->library);
        free(map->rows);
        free(map);
    }
}

#else

static bool refuse(struct metic_error *error)
{
    return error_set(error, "build it with libxkbcommon-dev installed, or leave out --keymap",
                     "this metic was built without keyboard layouts");
}

struct keymap *keymap_new(const char *name, bool *missing, struct metic_error *error)
{
    (void)name;
    *missing = true;
    refuse(error);
    return NULL;
}

bool keymap_list(FILE *to, struct metic_error *error)
{
    (void)to;
    return refuse(error);
}

void keymap_free(struct keymap *map)
{
    (void)map;
}

#endif
