/* See ui.h. */
#include "ui/ui.h"

const struct ui_verb ui_verbs[] = {
#define VERB(name, arguments, doc) {#name, arguments, doc, cmd_##name},
#include "ui/verbs.def"
#undef VERB
};
const unsigned ui_verb_count = ARRAY_LEN(ui_verbs);

void ui_print_error(const struct metic_error *error)
{
    fprintf(stderr, "metic: %s\n", error->what);
    if (error->next[0] != '\0') {
        fprintf(stderr, "       %s\n", error->next);
    }
}

int ui_usage_error(const struct metic_error *error)
{
    ui_print_error(error);
    return UI_EXIT_USAGE;
}

/* Length in bytes of the UTF-8 sequence at `text`; 0 when it is none. */
static unsigned json_utf8_bytes(const unsigned char *text)
{
    unsigned char c = text[0];
    unsigned length = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3
                      : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    for (unsigned i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (c == 0xe0 && text[1] < 0xa0) || (c == 0xf0 && text[1] < 0x90);
    bool outside = (c == 0xed && text[1] >= 0xa0) || (c == 0xf4 && text[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

void ui_print_json_string(FILE *to, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', to);
    while (*at != '\0') {
        unsigned length = json_utf8_bytes(at);
        if (length == 0) {
            fputs("\\ufffd", to);
            at++;
            continue;
        }
        if (*at == '"' || *at == '\\') {
            fprintf(to, "\\%c", *at);
        } else if (*at < 0x20 || *at == 0x7f) {
            fprintf(to, "\\u%04x", *at);
        } else {
            fwrite(at, 1, length, to);
        }
        at += length;
    }
    fputc('"', to);
}
