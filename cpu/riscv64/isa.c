/* See isa.h. */
#include "cpu/riscv64/isa.h"

#include "cpu/riscv64/state.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_VLEN = 128 };

static const char what_there_is[] =
    "rv64[,v=on|off][,vlen=128|256][,sv57=off][,sv48=off] is what there is";

/* --- parsing --- */

struct wish {
    bool v, sv57, sv48;
    unsigned vlen;
};

/* A piece of the text that ends at a comma or with it. */
struct piece {
    const char *text;
    int length;
};

static struct piece next_piece(const char **text)
{
    struct piece piece = {*text, (int)strcspn(*text, ",")};
    *text += piece.length;
    *text += **text == ',' ? 1 : 0;
    return piece;
}

static bool is(struct piece piece, const char *word)
{
    return (size_t)piece.length == strlen(word) && strncmp(piece.text, word, strlen(word)) == 0;
}

/* NAME=on, =true, =off or =false. */
static bool set_switch(struct piece piece, const char *name, bool *value)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"on", true}, {"true", true}, {"off", false}, {"false", false}};
    int length = (int)strlen(name);
    if (piece.length <= length || strncmp(piece.text, name, (size_t)length) != 0 ||
        piece.text[length] != '=') {
        return false;
    }
    struct piece rest = {piece.text + length + 1, piece.length - length - 1};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (is(rest, words[i].text)) {
            *value = words[i].value;
            return true;
        }
    }
    return false;
}

static bool set(struct wish *wish, struct piece piece)
{
    if (is(piece, "vlen=128") || is(piece, "vlen=256")) {
        wish->vlen = is(piece, "vlen=128") ? 128 : 256;
        return true;
    }
    return set_switch(piece, "v", &wish->v) || set_switch(piece, "sv57", &wish->sv57) ||
           set_switch(piece, "sv48", &wish->sv48);
}

bool riscv64_parse_cpu(const char *text, u64 *features, struct metic_error *error)
{
    struct wish wish = {.sv57 = true, .sv48 = true, .vlen = DEFAULT_VLEN};
    struct piece model = next_piece(&text);
    if (!is(model, "rv64")) {
        return error_set(error, what_there_is, "there is no processor named '%.*s'", model.length,
                         model.text);
    }
    while (*text != '\0') {
        struct piece piece = next_piece(&text);
        if (!set(&wish, piece)) {
            return error_set(error, what_there_is, "a processor has no property '%.*s'",
                             piece.length, piece.text);
        }
    }
    *features = (wish.v ? wish.vlen / 8 : 0u) | (wish.sv57 ? 0u : RISCV_FEATURE_NO_SV57) |
                (wish.sv48 ? 0u : RISCV_FEATURE_NO_SV57 | RISCV_FEATURE_NO_SV48);
    return true;
}

/* --- telling --- */

static const struct extension {
    const char *name;
    u64 needs;
    bool letter;
} extensions[] = {
#define ISA_LETTER(name, needs) {name, needs, true},
#define ISA_NAME(name, needs) {name, needs, false},
#include "cpu/riscv64/isa.def"
#undef ISA_LETTER
#undef ISA_NAME
};

_Static_assert(ARRAY_LEN(extensions) <= GUEST_MAX_EXTENSIONS, "struct guest_isa has room for all");

void riscv64_isa(u64 features, bool messages, struct guest_isa *isa)
{
    features |= messages ? RISCV_FEATURE_AIA : 0u;
    size_t used = (size_t)snprintf(isa->text, sizeof(isa->text), "rv64");
    isa->extension_count = 0;
    isa->mmu_type = (features & RISCV_FEATURE_NO_SV48)   ? "riscv,sv39"
                    : (features & RISCV_FEATURE_NO_SV57) ? "riscv,sv48"
                                                         : "riscv,sv57";
    for (unsigned i = 0; i < ARRAY_LEN(extensions); i++) {
        const struct extension *extension = &extensions[i];
        if (extension->needs != 0 && (features & extension->needs) == 0) {
            continue;
        }
        used += (size_t)snprintf(isa->text + used, sizeof(isa->text) - used, "%s%s",
                                 extension->letter ? "" : "_", extension->name);
        isa->extensions[isa->extension_count++] = extension->name;
    }
}
