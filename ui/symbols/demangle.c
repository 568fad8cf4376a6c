/* See demangle.h. */
#include "ui/symbols/demangle.h"

#include "cpu/base/library.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE = 4096, MAX_NAME_BYTES = 400 };

struct demangler {
    char *(*cxa_demangle)(const char *name, char *buffer, size_t *length, int *status);
    unsigned used;
    struct {
        const char *name; /* NULL: free */
        char *text;
    } list[TABLE]; /* by hash of the pointer */
};

struct demangler *demangler_new(void)
{
    struct demangler *demangler = calloc(1, sizeof(*demangler));
    void *library = library_open("libstdc++.so.6");
    if (demangler == NULL || library == NULL ||
        !library_find(library, "__cxa_demangle", (void *)&demangler->cxa_demangle,
                      sizeof(demangler->cxa_demangle))) {
        free(demangler);
        return NULL;
    }
    return demangler;
}

void demangler_free(struct demangler *demangler)
{
    for (unsigned i = 0; demangler != NULL && i < TABLE; i++) {
        free(demangler->list[i].text);
    }
    free(demangler);
}

/* Templates have names of kilobytes. */
static void shorten(char *text)
{
    if (strlen(text) >= MAX_NAME_BYTES) {
        memcpy(text + MAX_NAME_BYTES - 4, "...", 4);
    }
}

const char *demangle(struct demangler *demangler, const char *name)
{
    if (demangler == NULL || name[0] != '_' || name[1] != 'Z') {
        return name;
    }
    unsigned at = (unsigned)((uintptr_t)name / 2 % TABLE);
    while (demangler->list[at].name != NULL && demangler->list[at].name != name) {
        at = (at + 1) % TABLE;
    }
    if (demangler->list[at].name == NULL) {
        int status = 0;
        if (demangler->used > TABLE / 4 * 3) {
            return name;
        }
        demangler->used++;
        demangler->list[at].name = name;
        demangler->list[at].text = demangler->cxa_demangle(name, NULL, NULL, &status);
        if (demangler->list[at].text != NULL) {
            shorten(demangler->list[at].text);
        }
    }
    return demangler->list[at].text != NULL ? demangler->list[at].text : name;
}
