/* See journal.h. The file reading is in journal_file.c. */
#include "hw/journal/journal_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static bool journal_open(struct journal *journal, const struct journal_options *options,
                         struct metic_error *error)
{
    struct journal_head head = {.seed = options->seed, .wall_start_ns = options->wall_start_ns};
    if (options->record_path != NULL && options->replay_path != NULL) {
        return error_set(error, "give one of the two", "a run cannot record and replay at once");
    }
    if (options->replay_path != NULL) {
        if (journal->clock->mode != CLOCK_VIRTUAL) {
            return error_set(error, "add --clock virtual", "a replay needs the virtual clock");
        }
        journal->replay = journal_file_open(options->replay_path, &head, error);
        if (journal->replay == NULL) {
            return false;
        }
    }
    if (options->record_path != NULL) {
        journal->record = journal_file_create(options->record_path, &head, error);
        if (journal->record == NULL) {
            return false;
        }
    }
    journal->random_state = head.seed;
    journal->wall_start_ns = head.wall_start_ns;
    journal->machine = head.machine;
    return true;
}

struct journal *journal_new(struct clock *clock, struct log *log,
                            const struct journal_options *options, struct metic_error *error)
{
    static const struct journal_options none;
    struct journal *journal = calloc(1, sizeof(*journal));
    if (journal == NULL) {
        error_set(error, NULL, "out of memory");
        return NULL;
    }
    journal->clock = clock;
    journal->log = log;
    journal->last_item = &journal->first_item;
    pthread_mutex_init(&journal->lock, NULL);
    if (!journal_open(journal, options != NULL ? options : &none, error)) {
        journal_free(journal);
        return NULL;
    }
    return journal;
}

void journal_drop_items(struct journal *journal, const struct journal_source *source,
                        u64 since_insns)
{
    struct journal_item **link = &journal->first_item;
    while (*link != NULL) {
        struct journal_item *item = *link;
        if ((source == NULL || item->source == source) && item->queued_insns >= since_insns) {
            *link = item->next;
            free(item);
        } else {
            link = &item->next;
        }
    }
    journal->last_item = link;
}

void journal_free(struct journal *journal)
{
    if (journal == NULL) {
        return;
    }
    journal_drop_items(journal, NULL, 0);
    if (!journal_file_close(journal->record)) {
        log_print(journal->log, LOG_ERROR, "the recording cannot be written to its end");
    }
    journal_file_close(journal->replay);
    journal_file_close(journal->history);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}

void journal_add_source(struct journal *journal, struct journal_source *source)
{
    pthread_mutex_lock(&journal->lock);
    CHECK(journal->source_count < JOURNAL_MAX_SOURCES);
    source->id = journal->source_count++;
    journal->sources[source->id] = source;
    pthread_mutex_unlock(&journal->lock);
}

void journal_remove_source(struct journal *journal, struct journal_source *source)
{
    pthread_mutex_lock(&journal->lock);
    journal->sources[source->id] = NULL;
    journal_drop_items(journal, source, 0);
    pthread_mutex_unlock(&journal->lock);
}

struct journal_file *journal_source_file(const struct journal *journal)
{
    return journal->replay != NULL ? journal->replay : journal->in_past ? journal->history : NULL;
}

/* Lock held. What happens now has happened before: there is a record of each such thing. */
static bool journal_has_past(const struct journal *journal)
{
    struct journal_record record;
    return journal->in_past && journal->history != NULL &&
           journal_file_peek(journal->history, &record);
}

/* Lock held. */
static void journal_write_record(struct journal *journal, enum journal_kind kind, unsigned source,
                                 const void *bytes, size_t size_bytes)
{
    struct journal_record record = {kind, source, (u32)size_bytes, journal->now_insns, bytes};
    if (journal_has_past(journal)) {
        return;
    }
    if (journal->record != NULL && !journal_file_append(journal->record, &record)) {
        log_print(journal->log, LOG_ERROR, "the recording cannot be written; it stops here");
        journal_file_close(journal->record);
        journal->record = NULL;
    }
    if (journal->history != NULL && !journal_file_append(journal->history, &record)) {
        error_no_memory(size_bytes);
    }
}

void journal_queue(struct journal *journal, struct journal_source *source, const void *bytes,
                   size_t size_bytes)
{
    struct journal_item *item = malloc(sizeof(*item) + size_bytes);
    if (item == NULL) {
        error_no_memory(sizeof(*item) + size_bytes);
    }
    item->next = NULL;
    item->source = source;
    item->queued_insns = journal->now_insns;
    item->size_bytes = size_bytes;
    memcpy(item->bytes, bytes, size_bytes);
    *journal->last_item = item;
    journal->last_item = &item->next;
}

void journal_input(struct journal *journal, struct journal_source *source, const void *bytes,
                   size_t size_bytes)
{
    CHECK(size_bytes <= JOURNAL_MAX_RECORD_BYTES);
    bool at_once = journal->clock->mode == CLOCK_REAL;
    pthread_mutex_lock(&journal->lock);
    if (at_once) {
        journal_write_record(journal, JOURNAL_PUSH, source->id, bytes, size_bytes);
    } else if (journal->replay == NULL) {
        journal_queue(journal, source, bytes, size_bytes);
    }
    void (*wake)(void *opaque) = journal->wake;
    void *wake_opaque = journal->wake_opaque;
    pthread_mutex_unlock(&journal->lock);
    if (at_once) {
        source->deliver(source->opaque, bytes, size_bytes);
    } else if (wake != NULL) {
        wake(wake_opaque);
    }
}

bool journal_is_deterministic(const struct journal *journal)
{
    return journal->clock->mode == CLOCK_VIRTUAL;
}

bool journal_is_cut(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    bool cut = journal->replay != NULL && journal_file_is_cut(journal->replay);
    pthread_mutex_unlock(&journal->lock);
    return cut;
}

bool journal_is_replay(const struct journal *journal)
{
    return journal->replay != NULL;
}

static void journal_deliver_live(struct journal *journal)
{
    for (;;) {
        pthread_mutex_lock(&journal->lock);
        struct journal_item *item = journal->first_item;
        if (item == NULL) {
            pthread_mutex_unlock(&journal->lock);
            return;
        }
        journal->first_item = item->next;
        if (journal->first_item == NULL) {
            journal->last_item = &journal->first_item;
        }
        journal_write_record(journal, JOURNAL_PUSH, item->source->id, item->bytes,
                             item->size_bytes);
        pthread_mutex_unlock(&journal->lock);
        item->source->deliver(item->source->opaque, item->bytes, item->size_bytes);
        free(item);
    }
}

/* Lock held; remembers that the replay no longer matches. */
static void journal_diverge(struct journal *journal, const char *why)
{
    if (!journal->diverged) {
        log_print(journal->log, LOG_ERROR, "the replay diverged at instruction %llu: %s",
                  (unsigned long long)journal->now_insns, why);
        journal->diverged = true;
    }
}

void journal_begin(struct journal *journal, u32 machine)
{
    pthread_mutex_lock(&journal->lock);
    if (journal->record != NULL && !journal_file_put_machine(journal->record, machine)) {
        log_print(journal->log, LOG_ERROR, "the recording cannot be written; it stops here");
        journal_file_close(journal->record);
        journal->record = NULL;
    }
    if (journal->replay != NULL && journal->machine != 0 && journal->machine != machine) {
        journal_diverge(journal, "it was recorded from another machine: another image, firmware, "
                                 "command line, memory size, number of harts or device");
    }
    pthread_mutex_unlock(&journal->lock);
}

/* Hands over what the recording says is due; a record that is overdue was missed. */
static void journal_deliver_replay(struct journal *journal, struct journal_file *file)
{
    for (;;) {
        struct journal_record record;
        struct journal_source *source = NULL;
        pthread_mutex_lock(&journal->lock);
        bool more = !journal->diverged && journal_file_peek(file, &record);
        if (!more && file == journal->replay && !journal->told_cut && journal_file_is_cut(file)) {
            journal->told_cut = true;
            log_print(journal->log, LOG_WARN, "the recording was cut off: nothing is replayed "
                      "after instruction %llu", (unsigned long long)journal->now_insns);
        }
        bool due = more && record.kind == JOURNAL_PUSH && record.stamp_insns <= journal->now_insns;
        if (more && record.kind == JOURNAL_WAITED && record.stamp_insns < journal->now_insns) {
            journal_diverge(journal, "the machine has work where it waited");
        }
        if (due) {
            source = record.source < journal->source_count ? journal->sources[record.source] : NULL;
            journal_file_skip(file);
            if (record.stamp_insns != journal->now_insns) {
                journal_diverge(journal, "an input came due inside a slice");
            } else if (source == NULL) {
                journal_diverge(journal, "an input is for a device this machine lacks");
            }
        }
        bool go_on = due && !journal->diverged;
        pthread_mutex_unlock(&journal->lock);
        if (!go_on) {
            return;
        }
        source->deliver(source->opaque, record.bytes, record.size_bytes);
    }
}

/* Lock held. The past is over where the machine has been last, with all that had come by then. */
static void journal_come_back(struct journal *journal)
{
    if (journal->now_insns >= journal->live_insns && !journal_has_past(journal)) {
        journal->in_past = false;
    }
}

bool journal_deliver(struct journal *journal, u64 now_insns)
{
    pthread_mutex_lock(&journal->lock);
    journal->now_insns = now_insns;
    journal_come_back(journal);
    struct journal_file *file = journal_source_file(journal);
    pthread_mutex_unlock(&journal->lock);
    if (file != NULL) {
        journal_deliver_replay(journal, file);
        pthread_mutex_lock(&journal->lock);
        journal_come_back(journal);
        file = journal_source_file(journal);
        pthread_mutex_unlock(&journal->lock);
    }
    if (file == NULL) {
        journal_deliver_live(journal);
    }
    return !journal_diverged(journal);
}

u64 journal_next_insns(struct journal *journal)
{
    u64 next_insns = UINT64_MAX;
    struct journal_record record;
    pthread_mutex_lock(&journal->lock);
    struct journal_file *file = journal_source_file(journal);
    if (file != NULL && journal_file_peek_push(file, &record)) {
        next_insns = record.stamp_insns;
    } else if (journal->replay == NULL && journal->first_item != NULL) {
        next_insns = journal->now_insns;
    }
    pthread_mutex_unlock(&journal->lock);
    return next_insns;
}

void journal_set_wake(struct journal *journal, void (*wake)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&journal->lock);
    journal->wake = wake;
    journal->wake_opaque = opaque;
    pthread_mutex_unlock(&journal->lock);
}

/* Lock held. Replay: takes the recorded answer, false when the recording has something else. */
static bool journal_replay_answer(struct journal *journal, enum journal_kind kind, void *buffer,
                                  size_t size_bytes)
{
    struct journal_record record;
    if (journal->diverged || !journal_file_peek(journal->replay, &record)) {
        journal_diverge(journal, "the recording ends before the guest does");
        return false;
    }
    if (record.kind != kind || record.size_bytes != size_bytes) {
        journal_diverge(journal, "the guest asked for something else than when it was recorded");
        return false;
    }
    memcpy(buffer, record.bytes, size_bytes);
    journal_file_skip(journal->replay);
    return true;
}

/* splitmix64: good enough for a guest that must see the same "random" bytes twice. */
static u64 journal_next_random(struct journal *journal)
{
    u64 z = journal->random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void journal_seeded_bytes(struct journal *journal, u8 *bytes, size_t size_bytes)
{
    for (size_t done = 0; done < size_bytes; done += 8) {
        u8 word[8];
        st_le64(word, journal_next_random(journal));
        memcpy(bytes + done, word, size_bytes - done < 8 ? size_bytes - done : 8);
    }
}

static void journal_host_entropy(u8 *bytes, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        ssize_t got = getrandom(bytes + done, size_bytes - done, 0);
        if (got > 0) {
            done += (size_t)got;
        }
    }
}

void journal_entropy(struct journal *journal, void *buffer, size_t size_bytes)
{
    u8 *bytes = buffer;
    while (size_bytes > JOURNAL_MAX_RECORD_BYTES) {
        journal_entropy(journal, bytes, JOURNAL_MAX_RECORD_BYTES);
        bytes += JOURNAL_MAX_RECORD_BYTES;
        size_bytes -= JOURNAL_MAX_RECORD_BYTES;
    }
    pthread_mutex_lock(&journal->lock);
    bool again = journal_has_past(journal);
    if (journal->replay == NULL ||
        !journal_replay_answer(journal, JOURNAL_ENTROPY, bytes, size_bytes)) {
        if (journal_is_deterministic(journal)) {
            journal_seeded_bytes(journal, bytes, size_bytes);
        } else {
            journal_host_entropy(bytes, size_bytes);
        }
    }
    if (again) {
        journal_file_skip(journal->history); /* the generator went back, too */
    } else {
        journal_write_record(journal, JOURNAL_ENTROPY, 0, bytes, size_bytes);
    }
    pthread_mutex_unlock(&journal->lock);
}

u64 journal_wall_ns(struct journal *journal)
{
    if (journal_is_deterministic(journal)) {
        return journal->wall_start_ns + clock_now_ns(journal->clock);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    u64 wall_ns = (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
    u8 bytes[8];
    st_le64(bytes, wall_ns);
    pthread_mutex_lock(&journal->lock);
    journal_write_record(journal, JOURNAL_WALL, 0, bytes, sizeof(bytes));
    pthread_mutex_unlock(&journal->lock);
    return wall_ns;
}

/* ---- Answers of any size: one of eight bytes says how long, and as many as it takes follow ----
 * */

bool journal_is_recording(const struct journal *journal)
{
    return journal->record != NULL;
}

void journal_put_answer(struct journal *journal, const void *bytes, size_t size_bytes)
{
    u8 head[8];
    st_le64(head, size_bytes);
    pthread_mutex_lock(&journal->lock);
    journal_write_record(journal, JOURNAL_ANSWER, 0, head, sizeof(head));
    for (size_t at = 0; at < size_bytes; at += JOURNAL_MAX_RECORD_BYTES) {
        size_t left = size_bytes - at;
        journal_write_record(journal, JOURNAL_ANSWER, 0, (const u8 *)bytes + at,
                             left < JOURNAL_MAX_RECORD_BYTES ? left : JOURNAL_MAX_RECORD_BYTES);
    }
    pthread_mutex_unlock(&journal->lock);
}

u8 *journal_take_answer(struct journal *journal, size_t limit_bytes, size_t *size_bytes)
{
    u8 head[8] = {0};
    pthread_mutex_lock(&journal->lock);
    bool ok = journal_replay_answer(journal, JOURNAL_ANSWER, head, sizeof(head));
    u64 wanted = ok ? ld_le64(head) : 0;
    if (wanted > limit_bytes) {
        journal_diverge(journal, "an answer is longer than the guest has room for");
        wanted = 0;
    }
    u8 *bytes = malloc((size_t)wanted + 1);
    if (bytes == NULL) {
        error_no_memory((size_t)wanted + 1);
    }
    for (u64 at = 0; ok && at < wanted; at += JOURNAL_MAX_RECORD_BYTES) {
        u64 left = wanted - at;
        ok = journal_replay_answer(journal, JOURNAL_ANSWER, bytes + at,
                                   left < JOURNAL_MAX_RECORD_BYTES ? (size_t)left
                                                                   : JOURNAL_MAX_RECORD_BYTES);
    }
    pthread_mutex_unlock(&journal->lock);
    *size_bytes = ok ? (size_t)wanted : 0;
    return bytes;
}

void journal_put_waited(struct journal *journal, u64 now_ns)
{
    u8 bytes[8];
    st_le64(bytes, now_ns);
    pthread_mutex_lock(&journal->lock);
    journal_write_record(journal, JOURNAL_WAITED, 0, bytes, sizeof(bytes));
    pthread_mutex_unlock(&journal->lock);
}

bool journal_take_waited(struct journal *journal, u64 now_ns)
{
    struct journal_record record;
    pthread_mutex_lock(&journal->lock);
    struct journal_file *file = journal_source_file(journal);
    bool waited = file != NULL && !journal->diverged &&
                  journal_file_peek(file, &record) && record.kind == JOURNAL_WAITED &&
                  record.stamp_insns == journal->now_insns && record.size_bytes == 8 &&
                  ld_le64(record.bytes) == now_ns;
    if (waited) {
        journal_file_skip(file);
    }
    pthread_mutex_unlock(&journal->lock);
    return waited;
}

bool journal_diverged(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    bool diverged = journal->diverged;
    pthread_mutex_unlock(&journal->lock);
    return diverged;
}
