/* --help, from the tables of commands, options and exit statuses. */
#include "ui/command/disk.h"

#include <string.h>

enum { HELP_INDENT = 28, HELP_WIDTH = 96 };

/* Prints `text` wrapped, its first line at column `column`, the others at HELP_INDENT. */
static void help_wrap(FILE *to, int column, const char *text)
{
    int at = column;
    while (*text != '\0') {
        int word = (int)strcspn(text, " ");
        if (at == column) {
            fprintf(to, "%.*s", word, text);
        } else if (at + 1 + word <= HELP_WIDTH) {
            fprintf(to, " %.*s", word, text);
            at++;
        } else {
            fprintf(to, "\n%*s%.*s", HELP_INDENT, "", word, text);
            at = HELP_INDENT;
        }
        at += word;
        text += word + (text[word] == ' ');
    }
    fputc('\n', to);
}

void help_entry(FILE *to, const char *left, const char *doc)
{
    int used = fprintf(to, "  %-*s", HELP_INDENT - 2, left);
    if (used > HELP_INDENT - 1 && strlen(left) > (size_t)HELP_INDENT - 3) {
        fprintf(to, "\n%*s", HELP_INDENT, "");
    }
    help_wrap(to, HELP_INDENT, doc);
}

void help_overview(FILE *to)
{
    fputs("metic runs software built for another processor: whole machines, by translation.\n\n"
          "Usage: metic COMMAND [ARGUMENT]...\n\n", to);
    for (unsigned i = 0; i < ui_verb_count; i++) {
        char left[96];
        snprintf(left, sizeof(left), "%s %s", ui_verbs[i].name, ui_verbs[i].arguments);
        help_entry(to, left, ui_verbs[i].doc);
    }
    help_entry(to, "--version", "print the version");
    fputs("\nmetic help run lists the options of run. metic run --demo shows it at work.\n", to);
}

/* All options, or only those that concern one run. */
static void help_options(FILE *to, bool of_run)
{
    const char *group = NULL;
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        char left[96];
        if (row->parse == NULL) {
            group = row->name;
            continue;
        }
        if (of_run && args_is_kept(row)) {
            continue;
        }
        if (group != NULL) {
            fprintf(to, "\n%s:\n", group);
            group = NULL;
        }
        snprintf(left, sizeof(left), "--%s%s%s", row->name, row->value != NULL ? " " : "",
                 row->value != NULL ? row->value : "");
        help_entry(to, left, row->doc);
    }
}

void help_restore(FILE *to)
{
    fputs("Usage: metic restore FILE [OPTION]...\n\n"
          "Goes on with the machine that --save or a monitor saved in FILE, where it was. The\n"
          "machine is made from the options it was saved with; its disks and other files must be\n"
          "where they were and unchanged. These options concern one run and are not kept in a\n"
          "snapshot; others of run may be given as well where they do not change the machine, as\n"
          "--serial, --net and --engine.\n", to);
    help_options(to, true);
}

static void help_statuses(FILE *to)
{
    fputs("\nExit status:\n", to);
#define STATUS(number, doc) help_entry(to, number, doc);
#include "ui/command/statuses.def"
#undef STATUS
}

static void help_keys(FILE *to)
{
    fputs("\nOn a terminal:\n", to);
    help_entry(to, "Ctrl-A X", "end the machine");
    help_entry(to, "Ctrl-A C", "the monitor's prompt, and back to the guest");
    help_entry(to, "Ctrl-A H", "say what other keys there are");
    help_entry(to, "Ctrl-A Ctrl-A", "send one Ctrl-A; every other key, Ctrl-C too, is the guest's");
}

void help_run(FILE *to)
{
    fputs("Usage: metic run THING [OPTION]...\n\n"
          "THING is recognised: a disk image with a system on it boots through EDK2 or U-Boot; a\n"
          "Linux kernel (Image, EFI stub, gzip, zstd, vmlinux) starts in S-mode behind SBI\n"
          "firmware; firmware and bare-metal programs (ELF or binary) start in M-mode. metic\n"
          "inspect THING says which it is.\n", to);
    help_options(to, false);
    help_keys(to);
    help_statuses(to);
}

void help_debug(FILE *to)
{
    fputs("Usage: metic debug THING [OPTION]...\n\n"
          "Starts the machine as metic run does, and GDB in this terminal, attached, before the\n"
          "first instruction. --symbols FILE brings symbols of a kernel (vmlinux), of its modules\n"
          "or of programs in the guest; a Linux kernel's own are read from its memory. The\n"
          "guest's console is a pty, which metic names, or what --serial says. When GDB ends, so\n"
          "does the machine. With --clock virtual, and with --replay, GDB goes backwards as well\n"
          "(reverse-continue, reverse-stepi and the rest). A core, which --core or a dump left,\n"
          "GDB looks at by itself. The options are those of run:\n", to);
    help_options(to, false);
    help_statuses(to);
}

void help_profile(FILE *to)
{
    fputs("Usage: metic profile THING [OPTION]...\n\n"
          "Runs the machine as metic run does, and writes at the end where the guest spent its\n"
          "time: to profile.html, or to what --profile says. The options are those of run:\n", to);
    help_options(to, false);
    help_keys(to);
    help_statuses(to);
}

void help_disk(FILE *to)
{
    fputs("Usage: metic disk COMMAND [OPTION]... [ARGUMENT]...\n\nCommands:\n", to);
    for (unsigned i = 0; i < disk_command_count; i++) {
        char left[96];
        snprintf(left, sizeof(left), "%s %s", disk_commands[i].name, disk_commands[i].arguments);
        help_entry(to, left, disk_commands[i].doc);
    }
    for (unsigned i = 0; i < disk_command_count; i++) {
        bool any = false;
        for (unsigned j = 0; j < disk_option_count; j++) {
            const struct disk_option *option = &disk_options[j];
            char left[96];
            if (!disk_option_fits(option, &disk_commands[i])) {
                continue;
            }
            if (!any) {
                fprintf(to, "\nOptions of %s:\n", disk_commands[i].name);
            }
            any = true;
            snprintf(left, sizeof(left), "--%s%s%s", option->name,
                     option->value == NULL ? "" : option->kind == DISK_REPAIR ? "[=" : " ",
                     option->value != NULL ? option->value : "");
            strcat(left, option->kind == DISK_REPAIR ? "]" : "");
            help_entry(to, left, option->doc);
        }
    }
}

int help_verb(const struct ui_verb *verb)
{
    static char asked[] = "--help";
    char *const arguments[] = {asked, NULL};
    if (verb->has_help) {
        return verb->run(1, arguments);
    }
    printf("Usage: metic %s %s\n\n%s\n", verb->name, verb->arguments, verb->doc);
    return UI_EXIT_OK;
}

int cmd_help(int argc, char *const *argv)
{
    if (argc == 0) {
        help_overview(stdout);
        return UI_EXIT_OK;
    }
    if (strcmp(argv[0], "--man") == 0) {
        help_man(stdout);
        return UI_EXIT_OK;
    }
    if (strcmp(argv[0], "--completion") == 0) {
        help_completion(stdout);
        return UI_EXIT_OK;
    }
    for (unsigned i = 0; i < ui_verb_count; i++) {
        if (strcmp(ui_verbs[i].name, argv[0]) == 0) {
            return help_verb(&ui_verbs[i]);
        }
    }
    struct metic_error error;
    error_set(&error, "metic help lists the commands.", "there is no command '%s'", argv[0]);
    return ui_usage_error(&error);
}
