/* The command line of `metic run`, and sizes as people write them. The input is the arguments, each
 * ended by a zero byte. Scripts are files and stay closed: an argument with a '/' is left out. */
#include "tests/fuzz/fuzz.h"
#include "ui/command/args.h"

#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 32 };

static void check_text(const char *text, size_t capacity_bytes)
{
    if (memchr(text, '\0', capacity_bytes) == NULL) {
        abort();
    }
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    char *text = malloc(size_bytes + 1);
    memcpy(text, bytes, size_bytes);
    text[size_bytes] = '\0';
    char *argv[ARGS_MAX + 1];
    int argc = 0;
    for (char *at = text; at < text + size_bytes && argc < ARGS_MAX; at += strlen(at) + 1) {
        if (strchr(at, '/') == NULL) {
            argv[argc++] = at;
        }
    }
    argv[argc] = NULL;
    struct run_args args;
    struct metic_error error = {.what = ""};
    if (!args_parse(&args, argc, argv, &error)) {
        check_text(error.what, sizeof(error.what));
        check_text(error.next, sizeof(error.next));
        if (error.what[0] == '\0') {
            abort();
        }
    }
    args_free(&args);
    uint64_t size;
    if (metic_parse_size(text, &size) && strspn(text, "0123456789") == 0) {
        abort(); /* what does not begin with a digit is no size */
    }
    free(text);
}

static void add_words(void (*add)(const u8 *bytes, size_t size_bytes), const char *words)
{
    u8 bytes[512];
    size_t length = strlen(words);
    for (size_t i = 0; i <= length; i++) {
        bytes[i] = words[i] == ' ' ? 0 : (u8)words[i];
    }
    add(bytes, length + 1);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const char *const sizes[] = {"4GB", "512M", "0x1000", "1.5GiB", "18446744073709551615",
                                        "16777216T", "0.000001k", "3 MB"};
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        add_words(add, sizes[i]);
    }
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        char words[256];
        snprintf(words, sizeof(words), "--%s=%s --%s 17 thing", row->name,
                 row->value != NULL ? row->value : "", row->name);
        add_words(add, words);
    }
    add_words(add, "--expect login:\\x20 --send root\\n --disk disk.img,ro");
    add_words(add, "--serial socket:a thing");
    add_words(add, "--show ir,opt@0x80000000 --limit-time 10s --cpus 4 --ram 2G --clock virtual");
}
