/* Between trace_file.c, which opens files, trace_groups.c, which finds sections by INDEXes, and
 * trace_units.c, which makes units and paths of the sections that have them. */
#ifndef METIC_UI_TRACE_FILE_PRIVATE_H
#define METIC_UI_TRACE_FILE_PRIVATE_H

#include "ui/trace/trace_file.h"

/* A section from the header at `at`, which is at `offset` of the file; false: it is none. */
bool trace_file_parse(const struct trace_file *file, const u8 *at, u64 offset,
                      struct trace_section *section);
/* The same of the file's own bytes. */
bool trace_file_section(const struct trace_file *file, u64 offset, struct trace_section *section);
/* Behind its last byte. */
static inline u64 trace_section_end(const struct trace_section *section)
{
    return section->offset + section->index_bytes + section->packed_bytes;
}
/* The payload, or NULL when it is damaged; for the caller to free. */
u8 *trace_file_unpack(struct trace_file *file, const struct trace_section *section);
/* What the section has for all others (units, paths, texts); false: damaged. */
bool trace_file_take(struct trace_file *file, const struct trace_section *section);
/* Puts it into the list; false: no memory. */
bool trace_file_add(struct trace_file *file, const struct trace_section *section);

/* The units, the paths of a section. */
bool trace_file_get_units(struct trace_file *file, const struct trace_section *section);
bool trace_file_get_paths(struct trace_file *file, const struct trace_section *section);

/* All sections before `last`, an INDEX or a DIRECTORY, by what these tell of them; with_units: the
 * units and paths, too, which a file that was finished has once more. False: they lead nowhere. */
bool trace_file_take_groups(struct trace_file *file, u64 last, bool with_units);

#endif
