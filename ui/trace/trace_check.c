/* `metic trace check`: every checksum of a trace store. */
#include "ui/trace/trace_query.h"

#include "ui/trace/trace_scan.h"

#include <inttypes.h>

struct check {
    struct trace_file *file;
    struct trace_walk walk;
    u64 damaged;
};

static void say_section(void *opaque, u64 offset, const char *what)
{
    struct check *check = opaque;
    check->damaged++;
    printf("byte %" PRIu64 ": damaged: %s\n", offset, what);
}

/* What stands before a stream is looked at first, so that a large file is read once. */
static bool walk_to(void *opaque, u32 number)
{
    struct check *check = opaque;
    trace_file_check(check->file, &check->walk, check->file->sections[number].offset, say_section,
                     check);
    return true;
}

/* One item: damaged. */
static void check_stream(struct trace_worker *worker, u32 number)
{
    if (!trace_reader_check(worker->reader, &worker->file->sections[number])) {
        (void)trace_found_add(worker->found, 1);
    }
}

static bool take(void *opaque, u32 number, struct trace_found *found)
{
    struct check *check = opaque;
    const struct trace_section *section = &check->file->sections[number];
    if (found->count != 0) {
        check->damaged++;
        printf("byte %" PRIu64 ": damaged: hart %u, instructions %" PRIu64,
               section->offset - TRACE_SECTION_BYTES, section->stream, section->first);
        if (section->behind != TRACE_NONE) {
            printf(" to %" PRIu64, check->file->sections[section->behind].first);
        }
        putchar('\n');
    }
    return true;
}

bool trace_query_check(struct trace_query *query, struct metic_error *error)
{
    if (!trace_query_open(query, error)) {
        return false;
    }
    struct check check = {.file = &query->file};
    const struct trace_scan scan = {
        .file = &query->file, .wanted = walk_to, .work = check_stream, .take = take,
        .opaque = &check,
    };
    bool good = trace_scan_run(&scan, 0, query->file.order_count, error);
    trace_file_check(&query->file, &check.walk, query->file.size, say_section, &check);
    if (good && check.damaged == 0) {
        printf("%s: %zu sections, all as they were written\n", query->file.path,
               query->file.section_count);
    }
    if (good && check.damaged != 0) {
        good = error_set(error, "what else is in it can be asked for, with --from and --to around "
                         "the damage; or record it again", "%s: %" PRIu64 " damaged section%s",
                         query->file.path, check.damaged, check.damaged == 1 ? "" : "s");
    }
    trace_query_close(query);
    return good;
}
