/* See isa.h. */
#include "cpu/riscv64/isa.h"

#include "cpu/riscv64/state.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_VLEN = 128 };

static const char what_there_is[] = "rv64[,v=on|off][,vlen=128|256] is what there is";

/* --- parsing --- */

struct wish {
    bool vector;
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

static bool set(struct wish *wish, struct piece piece)
{
    static const struct {
        const char *text;
        bool vector;
        unsigned vlen; /* 0: as it was */
    } known[] = {{"v=on", true, 0},      {"v=true", true, 0},  {"v=off", false, 0},
                 {"v=false", false, 0},  {"vlen=128", true, 128}, {"vlen=256", true, 256}};
    for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
        if (is(piece, known[i].text)) {
            wish->vector = known[i].vlen != 0 ? wish->vector : known[i].vector;
            wish->vlen = known[i].vlen != 0 ? known[i].vlen : wish->vlen;
            return true;
        }
    }
    return false;
}

bool riscv64_parse_cpu(const char *text, u64 *features, struct metic_error *error)
{
    struct wish wish = {.vlen = DEFAULT_VLEN};
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
    *features = wish.vector ? wish.vlen / 8 : 0;
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
