/* See trace_file_private.h: sections found by the INDEXes that tell of them, and these by
 * DIRECTORIES, so that a large file is opened by few reads, most of them at once. */
#include "ui/trace/trace_file_private.h"

#include "ui/trace/trace_bytes.h"
#include "ui/trace/trace_sift.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* Unpacks a group's index, and forgets the one before. */
static bool load_group(struct trace_file *file, u32 group)
{
    if (file->group_bytes != NULL && file->group_now == group) {
        return true;
    }
    free(file->group_bytes);
    file->group_bytes = trace_file_unpack(file, &file->groups[group]);
    file->group_now = group;
    return file->group_bytes != NULL;
}

const u8 *trace_file_index(struct trace_file *file, const struct trace_section *section)
{
    if (section->group == TRACE_NONE) {
        return file->bytes + section->offset;
    }
    return load_group(file, section->group) ? file->group_bytes + section->group_at : NULL;
}

void trace_file_view(const struct trace_file *file, struct trace_file *view)
{
    *view = *file;
    view->group_bytes = NULL;
    view->zstd = ZSTD_createDCtx();
}

void trace_file_view_end(struct trace_file *view)
{
    free(view->group_bytes);
    ZSTD_freeDCtx(view->zstd);
}

/* --- which INDEXes there are --- */

/* The list has the last one first. */
static bool add_index(struct trace_file *file, const struct trace_section *section)
{
    if ((file->group_count & (file->group_count - 1)) == 0) { /* a power of two is full */
        size_t capacity = file->group_count != 0 ? 2 * (size_t)file->group_count : 1;
        void *bigger = capacity < TRACE_NONE
                           ? realloc(file->groups, capacity * sizeof(*file->groups)) : NULL;
        if (bigger == NULL) { /* the old list stays */
            return false;
        }
        file->groups = bigger;
    }
    file->groups[file->group_count++] = *section;
    return true;
}

/* Those of a DIRECTORY, which are in the order of the file. */
static bool add_listed(struct trace_file *file, const struct trace_section *directory)
{
    u8 *raw = directory->count == directory->raw_bytes / TRACE_LISTED_BYTES
                  ? trace_file_unpack(file, directory) : NULL;
    bool good = raw != NULL;
    u64 end = directory->offset - TRACE_SECTION_BYTES;
    for (u64 i = directory->count; good && i-- > 0;) {
        const u8 *at = raw + i * TRACE_LISTED_BYTES;
        struct trace_section section;
        u64 offset = ld_le64(at);
        good = offset < end && trace_file_parse(file, at + 8, offset, &section) &&
               section.kind == TRACE_INDEX && add_index(file, &section);
        end = offset;
    }
    free(raw);
    return good;
}

/* The INDEX sections, in the order of the file; false: something else is where one should be. */
static bool find_groups(struct trace_file *file, u64 last)
{
    for (u64 at = last; at != 0;) {
        struct trace_section section;
        bool good = trace_file_section(file, at, &section) && section.first < at;
        if (good && section.kind == TRACE_DIRECTORY) {
            good = add_listed(file, &section);
        } else {
            good = good && section.kind == TRACE_INDEX && add_index(file, &section);
        }
        if (!good) {
            return false;
        }
        at = section.first;
    }
    for (u32 i = 0; i < file->group_count / 2; i++) {
        struct trace_section first = file->groups[i];
        file->groups[i] = file->groups[file->group_count - 1 - i];
        file->groups[file->group_count - 1 - i] = first;
    }
    return true;
}

/* --- what they say --- */

/* What a thread makes of each INDEX. */
struct taking {
    struct trace_file *file;
    struct taken {
        struct trace_section *sections;
        bool good;
    } *groups;
};

static bool get_headers(struct trace_file *view, u32 group, struct trace_section *sections)
{
    if (view->zstd == NULL || !load_group(view, group)) {
        return false;
    }
    struct reader r = {view->group_bytes, view->group_bytes + view->groups[group].raw_bytes, false};
    for (u64 i = 0; i < view->groups[group].count; i++) {
        struct trace_section *section = &sections[i];
        u64 offset = get_u64(&r);
        const u8 *header = get_bytes(&r, TRACE_SECTION_BYTES);
        if (r.bad || offset > view->size - TRACE_SECTION_BYTES ||
            !trace_file_parse(view, header, offset, section)) {
            return false;
        }
        section->group = group;
        section->group_at = (u32)(r.at - view->group_bytes);
        const u8 *index = get_bytes(&r, section->index_bytes);
        section->satp = !r.bad && section->index_bytes >= 8 ? ld_le64(index + TRACE_SATP_AT) : 0;
        if (r.bad || section->kind >= TRACE_INDEX) {
            return false;
        }
    }
    return true;
}

static void take_group(void *opaque, unsigned thread, u32 group)
{
    struct taking *taking = opaque;
    struct taken *taken = &taking->groups[group];
    struct trace_file view;
    u64 count = taking->file->groups[group].count;
    (void)thread;
    if (count > taking->file->groups[group].raw_bytes / TRACE_SECTION_BYTES) {
        return; /* there cannot be so many */
    }
    taken->sections = malloc((count + 1) * sizeof(*taken->sections));
    trace_file_view(taking->file, &view);
    taken->good = taken->sections != NULL && get_headers(&view, group, taken->sections);
    trace_file_view_end(&view);
}

/* Of a finished file, units and paths come once more, all of them together. */
static bool is_taken(u32 kind, bool with_units)
{
    return kind != TRACE_STREAM && (with_units || (kind != TRACE_UNITS && kind != TRACE_PATHS));
}

static bool add_group(struct trace_file *file, const struct trace_section *sections, u64 count,
                      bool with_units)
{
    for (u64 i = 0; i < count; i++) {
        if ((is_taken(sections[i].kind, with_units) && !trace_file_take(file, &sections[i])) ||
            !trace_file_add(file, &sections[i])) {
            return false;
        }
    }
    return true;
}

/* Those sections come at once, wherever they are. */
static void will_take(const struct taking *taking, bool with_units)
{
    for (u32 i = 0; i < taking->file->group_count; i++) {
        const struct taken *taken = &taking->groups[i];
        for (u64 n = 0; taken->good && n < taking->file->groups[i].count; n++) {
            if (is_taken(taken->sections[n].kind, with_units)) {
                trace_file_will_read(taking->file, &taken->sections[n]);
            }
        }
    }
}

bool trace_file_take_groups(struct trace_file *file, u64 last, bool with_units)
{
    if (!find_groups(file, last)) {
        return false;
    }
    for (u32 i = 0; i < file->group_count; i++) {
        trace_file_will_read(file, &file->groups[i]);
    }
    struct taking taking = {file, calloc((size_t)file->group_count + 1, sizeof(struct taken))};
    bool good = taking.groups != NULL;
    if (good) {
        trace_parallel(file->group_count, take_group, &taking);
        will_take(&taking, with_units);
    }
    for (u32 i = 0; taking.groups != NULL && i < file->group_count; i++) {
        good = good && taking.groups[i].good &&
               add_group(file, taking.groups[i].sections, file->groups[i].count, with_units);
        free(taking.groups[i].sections);
    }
    free(taking.groups);
    return good;
}
