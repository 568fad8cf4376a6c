/* The manual page, metic(1), in man's own macros. */
#include "ui/command/disk.h"
#include "ui/monitor/monitor.h"

/* Text with what roff would take for itself escaped. */
static void man_text(FILE *to, const char *text)
{
    bool line_start = true;
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            fputs("\\e", to);
        } else if (*text == '-') {
            fputs("\\-", to);
        } else if (line_start && (*text == '.' || *text == '\'')) {
            fprintf(to, "\\&%c", *text);
        } else {
            fputc(*text, to);
        }
        line_start = *text == '\n';
    }
}

static void man_entry(FILE *to, const char *bold, const char *rest, const char *doc)
{
    fputs(".TP\n\\fB", to);
    man_text(to, bold);
    fputs("\\fR", to);
    if (rest != NULL && rest[0] != '\0') {
        fputs(" \\fI", to);
        man_text(to, rest);
        fputs("\\fR", to);
    }
    fputc('\n', to);
    man_text(to, doc);
    fputc('\n', to);
}

static void man_options(FILE *to)
{
    fputs(".SH OPTIONS OF RUN\n", to);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->parse == NULL) {
            fprintf(to, ".SS %s\n", row->name);
            continue;
        }
        char name[64];
        snprintf(name, sizeof(name), "--%s", row->name);
        man_entry(to, name, row->value, row->doc);
    }
}

static void man_disk(FILE *to)
{
    fputs(".SH COMMANDS AND OPTIONS OF DISK\n", to);
    for (unsigned i = 0; i < disk_command_count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "metic disk %s", disk_commands[i].name);
        man_entry(to, name, disk_commands[i].arguments, disk_commands[i].doc);
    }
    for (unsigned i = 0; i < disk_option_count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "--%s", disk_options[i].name);
        man_entry(to, name, disk_options[i].value, disk_options[i].doc);
    }
}

static void man_examples(FILE *to)
{
    static const struct {
        const char *command, *doc;
    } examples[] = {
        {"metic run --demo", "boot the demo that is built in"},
        {"metic run vmlinuz --initrd initramfs.cpio.gz --append console=ttyS0 --cpus 2 --ram 1G",
         "boot a Linux kernel with two harts"},
        {"metic run fw_payload.elf --serial file:log --limit-time 60s",
         "run firmware for a minute of guest time, its console in a file"},
        {"metic run test.elf --clock virtual --trace test.log --trace-format spike",
         "run a bare-metal program the same way every time, with a line per instruction"},
        {"metic run vmlinuz --initrd i.cpio --expect '# ' --send 'uname -a\\n' --expect '# ' "
         "--send 'poweroff\\n'", "type at the guest's prompt"},
    };
    fputs(".SH EXAMPLES\n", to);
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        man_entry(to, examples[i].command, NULL, examples[i].doc);
    }
}

void help_man(FILE *to)
{
    fprintf(to, ".TH METIC 1 \"\" \"metic %s\" \"User commands\"\n", METIC_VERSION);
    fputs(".SH NAME\nmetic \\- run software built for another processor\n.SH SYNOPSIS\n", to);
    for (unsigned i = 0; i < ui_verb_count; i++) {
        fprintf(to, "%s\\fBmetic %s\\fR ", i != 0 ? ".br\n" : "", ui_verbs[i].name);
        man_text(to, ui_verbs[i].arguments);
        fputc('\n', to);
    }
    fputs(".SH DESCRIPTION\n", to);
    man_text(to, "metic emulates whole 64-bit RISC-V machines on another processor, translating "
                 "guest code as it runs. It needs no privileges and no kernel support. What it is "
                 "given it recognises: a Linux kernel (Image, EFI stub, compressed, vmlinux) "
                 "starts in S-mode behind SBI firmware; firmware and bare-metal programs start in "
                 "M-mode. It says in a line each what it recognised and chose, and what it cannot "
                 "start it refuses with a reason. The user's files are not written unless that is "
                 "asked for.\n");
    fputs(".SH COMMANDS\n", to);
    for (unsigned i = 0; i < ui_verb_count; i++) {
        man_entry(to, ui_verbs[i].name, ui_verbs[i].arguments, ui_verbs[i].doc);
    }
    man_entry(to, "--version", NULL, "print the version");
    man_options(to);
    man_disk(to);
    fputs(".SH KEYS\nOn a terminal every key goes to the guest but these:\n", to);
    man_entry(to, "Ctrl-A X", NULL, "end the machine");
    man_entry(to, "Ctrl-A H", NULL, "say what other keys there are");
    man_entry(to, "Ctrl-A Ctrl-A", NULL, "send one Ctrl-A to the guest");
    fputs(".SH EXIT STATUS\n", to);
#define STATUS(number, doc) man_entry(to, number, NULL, doc);
#include "ui/command/statuses.def"
#undef STATUS
    fputs(".SH MONITOR\nWhat the monitor knows, in GDB (monitor ...) and through "
          "human\\-monitor\\-command:\n", to);
    const char *words, *arguments, *doc;
    for (unsigned i = 0; monitor_describe(i, &words, &arguments, &doc); i++) {
        man_entry(to, words, arguments, doc);
    }
    man_examples(to);
}
