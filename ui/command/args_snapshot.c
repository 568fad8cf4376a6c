/* The command line that a snapshot keeps, so that metic restore makes the same machine.
 *
 * Kept are the options that make the machine. What concerns one run (what is typed, recorded,
 * traced, looked at, where it ends) is not. A line for each argument; a newline in one is written
 * \n and a backslash \\. */
#include "ui/command/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Options of one run. */
static const char *const not_kept[] = {
    "name", "detach", "core", "save", "save-at", "save-compressed", "revert-disks", "expect",
    "send",
    "script", "quiet", "json", "limit-insns", "limit-time", "limit-output", "limit-cpu",
    "limit-memory", "digest-every",
    "record", "replay", "trace", "trace-format", "show", "gdb", "gdb-wait", "symbols", "stats",
    "perf-map", "jitdump", "screenshot", "record-video", "monitor", "paused", "confine", "allow",
    "pcap", "profile", "cover",
};

bool args_is_kept(const struct option_row *row)
{
    for (unsigned i = 0; i < ARRAY_LEN(not_kept); i++) {
        if (strcmp(row->name, not_kept[i]) == 0) {
            return false;
        }
    }
    return strncmp(row->name, "trace-", 6) != 0;
}

/* Where a path begins in the value: behind "file:" and the like; NULL: it holds none, or one that
 * begins at the root. */
static const char *path_in(const struct option_row *row, const char *value)
{
    static const char *const heads[] = {"file:", "socket:", "wav:"};
    const char *path = NULL;
    if (row->words != NULL && strstr(row->words, "FILE") != NULL &&
        ((strcmp(row->name, "firmware") != 0 && strcmp(row->name, "sound-in") != 0) ||
         access(value, F_OK) == 0)) {
        path = value; /* a firmware may be a name instead, and a microphone */
    }
    for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
        if (strncmp(value, heads[i], strlen(heads[i])) == 0) {
            path = value + strlen(heads[i]);
        }
    }
    return path != NULL && path[0] != '/' && path[0] != '\0' ? path : NULL;
}

static void put_escaped(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n' || *text == '\\') {
            fprintf(to, "\\%c", *text == '\n' ? 'n' : '\\');
        } else {
            fputc(*text, to);
        }
    }
}

/* A line more: what is printed between the two. Without memory for it nothing is kept, and a
 * snapshot says at its loading what it lacks. */
struct keep {
    FILE *to; /* NULL: no memory */
    char *text;
    size_t text_bytes;
};

static void keep_begin(const struct run_args *args, struct keep *keep)
{
    *keep = (struct keep){0};
    keep->to = open_memstream(&keep->text, &keep->text_bytes);
    if (keep->to != NULL && args->kept != NULL) {
        fputs(args->kept, keep->to);
    }
}

static void keep_end(struct run_args *args, struct keep *keep)
{
    fputc('\n', keep->to);
    if (fclose(keep->to) == 0) {
        free(args->kept);
        args->kept = keep->text;
    } else {
        free(keep->text);
    }
}

static void put_value(FILE *to, const struct option_row *row, const char *value)
{
    const char *path = path_in(row, value);
    char *here = path != NULL ? getcwd(NULL, 0) : NULL;
    fputc('=', to);
    if (here != NULL) {
        char head[16];
        snprintf(head, sizeof(head), "%.*s", (int)(path - value), value);
        put_escaped(to, head);
        put_escaped(to, here);
        fputc('/', to);
        put_escaped(to, path);
    } else {
        put_escaped(to, value);
    }
    free(here);
}

void args_keep(struct run_args *args, const struct option_row *row, const char *value)
{
    struct keep keep;
    if (!args_is_kept(row)) {
        return;
    }
    keep_begin(args, &keep);
    if (keep.to != NULL) {
        fprintf(keep.to, "--%s", row->name);
        if (value != NULL) {
            put_value(keep.to, row, value);
        }
        keep_end(args, &keep);
    }
}

void args_keep_thing(struct run_args *args)
{
    struct keep keep = {0};
    char *path = realpath(args->thing, NULL);
    if (path != NULL) {
        keep_begin(args, &keep);
    }
    if (keep.to != NULL) {
        put_escaped(keep.to, path);
        keep_end(args, &keep);
    }
    free(path);
}

/* Takes the escapes out of a line in place and ends it; returns what follows. */
static char *end_line(char *line)
{
    char *to = line;
    for (; *line != '\0' && *line != '\n'; line++) {
        if (line[0] == '\\' && line[1] != '\0') {
            line++;
            *to++ = *line == 'n' ? '\n' : *line;
        } else {
            *to++ = *line;
        }
    }
    char *rest = *line == '\n' ? line + 1 : line;
    *to = '\0';
    return rest;
}

char **args_with_kept(const char *kept, int argc, char *const *argv, int *count)
{
    int lines = 0;
    for (const char *c = kept; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    char *text = strdup(kept);
    char **all = calloc((size_t)(lines + argc) + 1, sizeof(*all));
    if (text == NULL || all == NULL) {
        free(text);
        free(all);
        return NULL;
    }
    *count = 0;
    while (*text != '\0' && *count < lines) {
        all[(*count)++] = text;
        text = end_line(text);
    }
    for (int i = 0; i < argc; i++) {
        all[(*count)++] = argv[i];
    }
    return all;
}
