/* See trace_sift.h. A job is the sections of one INDEX, which has to be unpacked for them. */
#include "ui/trace/trace_sift.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { RANGE_SECTIONS = 512, BATCH_SECTIONS = 32 * RANGE_SECTIONS };

struct parallel {
    void (*work)(void *opaque, unsigned thread, u32 number);
    void *opaque;
    u32 count;
    _Atomic u32 next, threads;
};

static void *parallel_main(void *opaque)
{
    struct parallel *parallel = opaque;
    unsigned thread = atomic_fetch_add(&parallel->threads, 1);
    for (u32 n; (n = atomic_fetch_add(&parallel->next, 1)) < parallel->count;) {
        parallel->work(parallel->opaque, thread, n);
    }
    return NULL;
}

void trace_parallel(u32 count, void (*work)(void *opaque, unsigned thread, u32 number),
                    void *opaque)
{
    struct parallel parallel = {.work = work, .opaque = opaque, .count = count};
    pthread_t ids[TRACE_THREADS_MAX - 1];
    unsigned begun = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    while (begun < ARRAY_LEN(ids) && begun + 1 < count && (long)begun + 1 < cores &&
           pthread_create(&ids[begun], NULL, parallel_main, &parallel) == 0) {
        begun++;
    }
    parallel_main(&parallel);
    for (unsigned i = 0; i < begun; i++) {
        pthread_join(ids[i], NULL);
    }
}

static void ask_each(struct trace_sift *sift, struct trace_file *file, const u32 *list, u32 count,
                     unsigned thread)
{
    for (u32 i = 0; i < count; i++) {
        sift->answers[list[i]] = file->sections[list[i]].kind == TRACE_STREAM
                                     ? sift->ask(sift->opaque, file, list[i], thread) : 0;
    }
}

struct ranges {
    struct trace_sift *sift;
    struct trace_file *file;
    const u32 *list; /* of sections */
    u32 *starts;     /* of each job's part of the list; behind the last one the end */
};

static void ask_range(void *opaque, unsigned thread, u32 number)
{
    struct ranges *ranges = opaque;
    u32 first = ranges->starts[number];
    struct trace_file view;
    trace_file_view(ranges->file, &view);
    ask_each(ranges->sift, &view, ranges->list + first, ranges->starts[number + 1] - first, thread);
    trace_file_view_end(&view);
}

bool trace_sift_begin(struct trace_sift *sift, const struct trace_file *file)
{
    sift->answers = calloc(file->section_count + 1, 1);
    sift->done = 0;
    return sift->answers != NULL;
}

void trace_sift_end(struct trace_sift *sift)
{
    free(sift->answers);
    sift->answers = NULL;
}

void trace_sift_list(struct trace_sift *sift, struct trace_file *file, const u32 *list, u32 count)
{
    struct ranges ranges = {sift, file, list, malloc(((size_t)count + 1) * sizeof(u32))};
    u32 jobs = 0;
    if (ranges.starts == NULL) {
        ask_each(sift, file, list, count, 0);
        return;
    }
    for (u32 i = 0; i < count; i++) {
        if (i == 0 || i - ranges.starts[jobs - 1] == RANGE_SECTIONS ||
            file->sections[list[i]].group != file->sections[list[i - 1]].group) {
            ranges.starts[jobs++] = i;
        }
    }
    ranges.starts[jobs] = count;
    trace_parallel(jobs, ask_range, &ranges);
    free(ranges.starts);
}

/* The next sections, and so those that are asked for soon. */
static void ask_batch(struct trace_sift *sift, struct trace_file *file)
{
    u32 list[BATCH_SECTIONS], count = 0;
    while (count < BATCH_SECTIONS && sift->done < file->section_count) {
        list[count++] = sift->done++;
    }
    trace_sift_list(sift, file, list, count);
}

u8 trace_sift_answer(struct trace_sift *sift, struct trace_file *file, u32 section)
{
    while (section >= sift->done) {
        ask_batch(sift, file);
    }
    return sift->answers[section];
}
