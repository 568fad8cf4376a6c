/*
 * Reads a Debian Packages index for debootstrap where there is no perl: in Debian's installer, as
 * /usr/lib/debootstrap/pkgdetails. debootstrap's functions say what is asked of it.
 *
 *   GETDEPS FILE PACKAGE...              the names that the packages depend on, first alternatives
 *   PKGS MIRROR FILE PACKAGE...          a line for each package: name version architecture mirror
 *                                        file checksum size; "name -" for those that are not there
 *   FIELD FIELD: MIRROR FILE VALUE...    such a line for each package whose field has such a value
 *   STANZAS FILE PACKAGE...              the packages' entries as they are
 *   WGET% ...                            reads the progress of a download; nothing is said of it
 *
 * $DEBOOTSTRAP_CHECKSUM_FIELD names the checksum's field.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One entry of the index: its lines as they are. */
struct entry {
    char *text;
    size_t size_bytes;
    size_t capacity_bytes;
};

/* What stands behind `field` ("Size:"), allocated, or NULL. */
static char *field_of(const struct entry *entry, const char *field)
{
    size_t length = strlen(field);
    char *line = entry->text;
    while (line && *line) {
        if (strncasecmp(line, field, length) == 0) {
            line += length;
            line += strspn(line, " \t");
            return strndup(line, strcspn(line, "\n"));
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return NULL;
}

static bool entry_next(struct entry *entry, FILE *file)
{
    static char line[1 << 20];
    entry->size_bytes = 0;
    while (fgets(line, sizeof line, file) && line[0] != '\n') {
        size_t length = strlen(line);
        if (entry->size_bytes + length + 1 > entry->capacity_bytes) {
            entry->capacity_bytes = 2 * (entry->size_bytes + length + 1);
            entry->text = realloc(entry->text, entry->capacity_bytes);
            if (!entry->text) {
                exit(2);
            }
        }
        memcpy(entry->text + entry->size_bytes, line, length + 1);
        entry->size_bytes += length;
    }
    return entry->size_bytes > 0;
}

/* The index of `value` among `values`, or -1. */
static int place_of(const char *value, char **values)
{
    for (int i = 0; value && values[i]; i++) {
        if (strcmp(values[i], value) == 0) {
            return i;
        }
    }
    return -1;
}

static void print_dependencies(const struct entry *entry, const char *field)
{
    char *all = field_of(entry, field);
    char *rest = all;
    char *one = all ? strtok_r(all, ",", &rest) : NULL;
    for (; one; one = strtok_r(NULL, ",", &rest)) {
        one += strspn(one, " ");
        printf("%.*s\n", (int)strcspn(one, " |(:"), one);
    }
    free(all);
}

static void describe(const struct entry *entry, const char *mirror, char **line)
{
    const char *checksum = getenv("DEBOOTSTRAP_CHECKSUM_FIELD");
    char checksum_field[32];
    snprintf(checksum_field, sizeof checksum_field, "%s:", checksum ? checksum : "SHA256");
    const char *const fields[] = {"Version:", "Architecture:", NULL, "Filename:", checksum_field,
                                  "Size:"};
    char text[4096];
    char *name = field_of(entry, "Package:");
    int length = snprintf(text, sizeof text, "%s", name ? name : "");
    free(name);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *value = fields[i] ? field_of(entry, fields[i]) : NULL;
        const char *shown = fields[i] ? value : mirror;
        length += snprintf(text + length, sizeof text - (size_t)length, " %s", shown ? shown : "");
        free(value);
        if (length >= (int)sizeof text) {
            exit(2);
        }
    }
    free(*line);
    *line = strdup(text);
}

/* PKGS and FIELD: entries whose `field` is one of `values`; with `once` the last for each value. */
static void print_lines(FILE *file, const char *mirror, const char *field, char **values, bool once)
{
    struct entry entry = {0};
    size_t count = 0;
    while (values[count]) {
        count++;
    }
    char **lines = calloc(count + 1, sizeof *lines);
    while (lines && entry_next(&entry, file)) {
        char *value = field_of(&entry, field);
        int place = place_of(value, values);
        if (place >= 0) {
            describe(&entry, mirror, &lines[place]);
            if (!once) {
                puts(lines[place]);
            }
        }
        free(value);
    }
    for (size_t i = 0; once && i < count; i++) {
        if (lines[i]) {
            puts(lines[i]);
        } else {
            printf("%s -\n", values[i]);
        }
    }
}

/* GETDEPS and STANZAS. */
static void print_entries(FILE *file, char **packages, bool dependencies)
{
    struct entry entry = {0};
    while (entry_next(&entry, file)) {
        char *name = field_of(&entry, "Package:");
        if (place_of(name, packages) < 0) {
            /* not asked for */
        } else if (dependencies) {
            print_dependencies(&entry, "Pre-Depends:");
            print_dependencies(&entry, "Depends:");
        } else {
            printf("%s\n", entry.text);
        }
        free(name);
    }
}

static FILE *open_index(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "WGET%") == 0) {
        while (getchar() != EOF) {
        }
    } else if (strcmp(what, "GETDEPS") == 0 && argc > 2) {
        print_entries(open_index(argv[2]), argv + 3, true);
    } else if (strcmp(what, "STANZAS") == 0 && argc > 2) {
        print_entries(open_index(argv[2]), argv + 3, false);
    } else if (strcmp(what, "PKGS") == 0 && argc > 3) {
        print_lines(open_index(argv[3]), argv[2], "Package:", argv + 4, true);
    } else if (strcmp(what, "FIELD") == 0 && argc > 4) {
        print_lines(open_index(argv[4]), argv[3], argv[2], argv + 5, false);
    } else {
        fprintf(stderr, "pkgdetails: WGET%%, GETDEPS, STANZAS, PKGS or FIELD, not '%s'\n", what);
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
