/* See ui.h. */
#include "ui/ui.h"

#include "cpu/base/utf8.h"

const struct ui_verb ui_verbs[] = {
#define HELP_OWN true
#define HELP_DOC false
#define VERB(name, help, arguments, doc) {#name, HELP_##help, arguments, doc, cmd_##name},
#include "ui/command/verbs.def"
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

void ui_print_json_string(FILE *to, const char *text)
{
    const u8 *at = (const u8 *)text;
    fputc('"', to);
    while (*at != '\0') {
        size_t length = utf8_bytes(at, SIZE_MAX);
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
