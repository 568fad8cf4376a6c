/* What hw/journal/journal.c and hw/journal/journal_state.c share. All functions: the lock held. */
#ifndef METIC_HW_JOURNAL_PRIVATE_H
#define METIC_HW_JOURNAL_PRIVATE_H

#include "hw/journal/journal_file.h"

#include <pthread.h>

struct journal_item {
    struct journal_item *next;
    struct journal_source *source;
    u64 queued_insns; /* of the slice in which it came */
    size_t size_bytes;
    u8 bytes[];
};

struct journal {
    struct clock *clock;
    struct log *log;
    pthread_mutex_t lock;
    struct journal_source *sources[JOURNAL_MAX_SOURCES]; /* by id; NULL when removed */
    unsigned source_count;
    struct journal_item *first_item; /* queued live input; virtual clock */
    struct journal_item **last_item;
    u64 random_state; /* virtual clock: the entropy generator */
    u64 wall_start_ns;
    u32 machine; /* replay: that which was recorded, or 0 */
    u64 now_insns; /* of the last slice boundary, the stamp of answers */
    struct journal_file *record;
    struct journal_file *replay;
    /* A history that can be gone back in: what came in since it began, as a recording has it; and,
     * while the machine is behind the place where it was last, that place. */
    struct journal_file *history;
    bool in_past;
    u64 live_insns;
    bool told_cut; /* that it has no end */
    bool diverged;
    void (*wake)(void *opaque);
    void *wake_opaque;
};

/* Forgets what came from `source` (NULL: from any) and was queued at `since_insns` or later. Lock
 * held, or nobody is left. */
void journal_drop_items(struct journal *journal, const struct journal_source *source,
                        u64 since_insns);
void journal_queue(struct journal *journal, struct journal_source *source, const void *bytes,
                   size_t size_bytes);
/* What is replayed, from a file or from the history; NULL: nothing is. */
struct journal_file *journal_source_file(const struct journal *journal);

#endif
