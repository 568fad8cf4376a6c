/* What metic cover knows of a program's coverage: between cmd_cover.c and cover_page.c. */
#ifndef METIC_UI_COVER_REPORT_H
#define METIC_UI_COVER_REPORT_H

#include "ui/symbols/symbols.h"
#include "ui/trace/cover.h"

#include <stdio.h>

enum { COVER_MAX_ELFS = 8 };

struct cover_report {
    struct cover *cover;
    const char *elfs[COVER_MAX_ELFS];
    unsigned elf_count;
    struct symbols symbols;
    const char *lcov, *drcov, *html;
};

struct cover_function {
    const char *name;
    u64 address, end;
    u64 runs, bytes_run;
};

/* How often a line of source ran. */
struct cover_line {
    const char *file;
    unsigned line;
    u64 count;
};

/* By file and line. */
struct cover_lines {
    struct cover_report *report;
    struct cover_line *list; /* malloc'ed */
    size_t count, capacity;
};

/* Functions that ran at all, by address; malloc'ed, NULL without memory. */
struct cover_function *cover_functions(struct cover_report *report, size_t *count);
static inline double cover_percent(u64 part, u64 whole)
{
    return 100.0 * (double)part / (double)(whole != 0 ? whole : 1);
}

/* cover_page.c: the page for a browser. */
void cover_put_page(FILE *to, struct cover_report *report, const struct cover_lines *lines);

#endif
