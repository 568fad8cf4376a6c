/* Expect and send: their texts, and scripts of them. */
#include "ui/command/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of up to `max_digits` digits of `base`; *text moves behind them. */
static unsigned unescape_number(const char **text, unsigned base, unsigned max_digits)
{
    unsigned value = 0;
    for (unsigned i = 0; i < max_digits; i++, (*text)++) {
        int c = tolower((unsigned char)**text);
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    return value;
}

/* The byte of the escape at *text, behind its backslash; -1 when there is no such escape. */
static int unescape_one(const char **text)
{
    static const char letters[] = "nrtabefv\\\"'?";
    static const char bytes[] = "\n\r\t\a\b\033\f\v\\\"'?";
    char letter = **text;
    const char *found = letter != '\0' ? strchr(letters, letter) : NULL;
    if (found != NULL) {
        (*text)++;
        return (unsigned char)bytes[found - letters];
    }
    if (letter == 'x' && isxdigit((unsigned char)(*text)[1])) {
        (*text)++;
        return (int)unescape_number(text, 16, 2);
    }
    if (letter >= '0' && letter <= '7') {
        return (int)(unescape_number(text, 8, 3) & 0xff);
    }
    return -1;
}

char *args_unescape(const char *text, struct metic_error *error)
{
    char *out = malloc(strlen(text) + 1);
    if (out == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    const char *whole = text;
    size_t used = 0;
    while (*text != '\0') {
        int byte = (unsigned char)*text++;
        if (byte == '\\') {
            byte = unescape_one(&text);
            if (byte <= 0) {
                error_set(error, "Known are \\n \\r \\t \\a \\b \\e \\f \\v \\\\ \\\" \\' \\ooo "
                                 "\\xhh, and no zero byte.",
                          "'%s' has an escape that means nothing here", whole);
                free(out);
                return NULL;
            }
        }
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    return out;
}

static bool steps_new(struct run_steps *steps, struct metic_error *error)
{
    if (steps->count == METIC_MAX_STEPS) {
        return error_set(error, NULL, "more than %d expect and send pairs", METIC_MAX_STEPS);
    }
    steps->steps[steps->count++] = (struct metic_step){NULL, NULL};
    return true;
}

bool args_add_expect(struct run_steps *steps, const char *text, struct metic_error *error)
{
    char *plain = args_unescape(text, error);
    if (plain == NULL || !steps_new(steps, error)) {
        free(plain);
        return false;
    }
    steps->steps[steps->count - 1].expect = plain;
    steps->open = true;
    return true;
}

bool args_add_send(struct run_steps *steps, const char *text, struct metic_error *error)
{
    char *plain = args_unescape(text, error);
    if (plain == NULL || (!steps->open && !steps_new(steps, error))) {
        free(plain);
        return false;
    }
    steps->steps[steps->count - 1].send = plain;
    steps->open = false;
    return true;
}

static bool script_line(struct run_steps *steps, const char *path, unsigned number, char *line,
                        struct metic_error *error)
{
    line[strcspn(line, "\n")] = '\0';
    char *word = line + strspn(line, " \t");
    if (*word == '\0' || *word == '#') {
        return true;
    }
    if (strncmp(word, "expect ", 7) == 0) {
        return args_add_expect(steps, word + 7, error);
    }
    if (strncmp(word, "send ", 5) == 0) {
        return args_add_send(steps, word + 5, error);
    }
    return error_set(error, "Lines are 'expect TEXT', 'send TEXT' or '# comment'.",
                     "'%s' line %u is neither expect nor send", path, number);
}

bool args_read_script(struct run_steps *steps, const char *path, struct metic_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return error_set(error, "Name a file with lines 'expect TEXT' and 'send TEXT'.",
                         "the script '%s' cannot be opened: %s", path, strerror(errno));
    }
    char line[4096];
    bool ok = true;
    for (unsigned number = 1; ok && fgets(line, sizeof(line), file) != NULL; number++) {
        ok = script_line(steps, path, number, line, error);
    }
    if (ok && ferror(file)) {
        ok = error_set(error, NULL, "the script '%s' cannot be read: %s", path, strerror(errno));
    }
    fclose(file);
    return ok;
}
