/* Reading trace stores (trace_format.h). The file may be damaged or made by an enemy: nothing in it
 * is believed. */
#ifndef METIC_UI_TRACE_FILE_H
#define METIC_UI_TRACE_FILE_H

#include "ui/trace_format.h"

struct trace_file {
    const u8 *bytes; /* the whole file, mapped */
    size_t size;
    char path[256];
    unsigned harts;
    struct trace_section *sections;
    size_t section_count;
    struct metic_trace_unit *units;
    u32 unit_count;
    char *meta, *symbols; /* texts, or NULL */
    const char *damage;   /* why the rest of the file is left out, or NULL */
    u64 damage_offset;
    void *zstd;
};

/* False with a reason when nothing can be read. What comes before damage can be. */
bool trace_file_open(struct trace_file *file, const char *path, struct metic_error *error);
void trace_file_close(struct trace_file *file);

/* The words of a STREAM section, as the hart wrote them, in `words` (malloc'ed, for the caller to
 * free). False when it is damaged. */
bool trace_file_words(struct trace_file *file, const struct trace_section *section, u64 **words,
                      size_t *count);

/* Whether code in [first, end), or a write to it, may be in the section. */
bool trace_file_may_run(const struct trace_file *file, const struct trace_section *section,
                        u64 first, u64 end);
bool trace_file_may_write(const struct trace_file *file, const struct trace_section *section,
                          u64 first, u64 end);
/* Adds to counts[unit] how often each unit began; false when the index is damaged. */
bool trace_file_counts(const struct trace_file *file, const struct trace_section *section,
                       u64 *counts);
u64 trace_file_satp(const struct trace_file *file, const struct trace_section *section);

#endif
