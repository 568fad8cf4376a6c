/* The commands and what they share. */
#ifndef METIC_UI_UI_H
#define METIC_UI_UI_H

#include "cpu/base/error.h"
#include "hw/metic.h"
#include <stdio.h>

enum {
    UI_EXIT_OK = 0,
    UI_EXIT_USAGE = 2,
    UI_EXIT_LIMIT = 124,
    UI_EXIT_FAILED = 125,
    UI_EXIT_SIGNAL = 128,
};

/* Each gets the arguments behind its own name and returns the exit status. */
struct ui_verb {
    const char *name;
    bool has_help; /* of its own, when it is run with --help alone */
    const char *arguments;
    const char *doc;
    int (*run)(int argc, char *const *argv);
};
extern const struct ui_verb ui_verbs[];
extern const unsigned ui_verb_count;

#define VERB(name, help, arguments, doc) int cmd_##name(int argc, char *const *argv);
#include "ui/command/verbs.def"
#undef VERB

/* "metic: WHAT" and what to do next, on standard error. */
void ui_print_error(const struct metic_error *error);
/* The same, returning UI_EXIT_USAGE. */
int ui_usage_error(const struct metic_error *error);

/* Text as a JSON string, quotes included; what is not UTF-8 becomes U+FFFD. */
void ui_print_json_string(FILE *to, const char *text);

/* help.c: one entry, `left` being what is explained. */
void help_entry(FILE *to, const char *left, const char *doc);
/* help.c, help_man.c, help_completion.c: all from the tables. */
void help_overview(FILE *to);
int help_verb(const struct ui_verb *verb);
void help_run(FILE *to);
void help_debug(FILE *to);
void help_profile(FILE *to);
void help_restore(FILE *to);
void help_disk(FILE *to);
void help_man(FILE *to);
void help_completion(FILE *to);

#endif
