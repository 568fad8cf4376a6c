/* A journal's saved state, and going back in its history; see journal.h. */
#include "hw/journal/journal_private.h"

#include <stdlib.h>

/* ---- Saved state ---- */

void journal_save(struct journal *journal, struct state_writer *writer)
{
    pthread_mutex_lock(&journal->lock);
    u32 count = 0;
    for (const struct journal_item *item = journal->first_item; item != NULL; item = item->next) {
        count++;
    }
    state_write_u64(writer, journal->random_state);
    state_write_u64(writer, journal->wall_start_ns);
    state_write_u64(writer, journal->now_insns);
    state_write_u64(writer, journal->record != NULL ? journal_file_tell(journal->record) : 0);
    state_write_u64(writer, journal->replay != NULL ? journal_file_tell(journal->replay) : 0);
    state_write_u32(writer, count);
    for (const struct journal_item *item = journal->first_item; item != NULL; item = item->next) {
        state_write_u32(writer, item->source->id);
        state_write_u32(writer, (u32)item->size_bytes);
        state_write_bytes(writer, item->bytes, item->size_bytes);
    }
    pthread_mutex_unlock(&journal->lock);
}

/* Lock held. */
static bool journal_load_item(struct journal *journal, struct state_reader *reader)
{
    u32 id, size_bytes;
    if (!state_read_u32(reader, &id) || !state_read_u32(reader, &size_bytes) ||
        id >= journal->source_count || journal->sources[id] == NULL ||
        size_bytes > JOURNAL_MAX_RECORD_BYTES ||
        reader->size_bytes - reader->position < size_bytes) {
        return false;
    }
    journal_queue(journal, journal->sources[id], reader->bytes + reader->position, size_bytes);
    reader->position += size_bytes;
    return true;
}

/* Lock held. */
static bool journal_seek_files(struct journal *journal, u64 record_at, u64 replay_at,
                               struct metic_error *error)
{
    if (journal->record != NULL &&
        (record_at == 0 || !journal_file_cut(journal->record, record_at))) {
        return error_set(error, "record from power-on, without restoring",
                         "the snapshot is not of the run that is being recorded");
    }
    if (journal->replay != NULL &&
        (replay_at == 0 || !journal_file_seek(journal->replay, replay_at))) {
        return error_set(error, "replay from power-on, or take the snapshot in the replay",
                         "the snapshot is not of the run that is being replayed");
    }
    return true;
}

bool journal_load(struct journal *journal, struct state_reader *reader, struct metic_error *error)
{
    u64 values[5];
    u32 count = 0;
    bool ok = true;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        ok = ok && state_read_u64(reader, &values[i]);
    }
    ok = ok && state_read_u32(reader, &count);
    pthread_mutex_lock(&journal->lock);
    journal_drop_items(journal, NULL, 0);
    for (u32 i = 0; ok && i < count; i++) {
        ok = journal_load_item(journal, reader);
    }
    if (!ok) {
        error_set(error, NULL, "the saved state of the journal is damaged");
    } else {
        ok = journal_seek_files(journal, values[3], values[4], error);
    }
    if (ok) {
        journal->random_state = values[0];
        journal->wall_start_ns = values[1];
        journal->now_insns = values[2];
        journal->diverged = false;
    }
    pthread_mutex_unlock(&journal->lock);
    return ok;
}

/* ---- A history (journal.h) ---- */

bool journal_begin_history(struct journal *journal)
{
    struct journal_file *history = NULL;
    if (journal->replay == NULL && (history = journal_file_new()) == NULL) {
        return false;
    }
    pthread_mutex_lock(&journal->lock);
    journal_file_close(journal->history);
    journal->history = history;
    journal->in_past = false;
    pthread_mutex_unlock(&journal->lock);
    return true;
}

void journal_end_history(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    journal_file_close(journal->history);
    journal->history = NULL;
    journal->in_past = false;
    pthread_mutex_unlock(&journal->lock);
}

bool journal_is_past(const struct journal *journal)
{
    return journal->in_past;
}

u64 journal_history_bytes(struct journal *journal)
{
    return journal->history != NULL ? journal_file_size(journal->history) : 0;
}

/* Where a recording ends, a file of records is read on from. */
void journal_mark(struct journal *journal, struct journal_mark *mark)
{
    pthread_mutex_lock(&journal->lock);
    struct journal_file *file = journal_source_file(journal);
    *mark = (struct journal_mark){
        .random_state = journal->random_state,
        .now_insns = journal->now_insns,
        .at = file != NULL ? journal_file_tell(file)
              : journal->history != NULL ? journal_file_size(journal->history) : 0,
    };
    pthread_mutex_unlock(&journal->lock);
}

bool journal_go_back(struct journal *journal, const struct journal_mark *mark, u64 live_insns)
{
    pthread_mutex_lock(&journal->lock);
    bool was_past = journal->in_past;
    struct journal_file *file = journal->replay != NULL ? journal->replay : journal->history;
    bool ok = file != NULL && journal_file_seek(file, mark->at);
    if (ok) {
        journal->in_past = true;
        journal->live_insns = was_past ? journal->live_insns : live_insns;
        journal->random_state = mark->random_state;
        journal->now_insns = mark->now_insns;
        journal->diverged = false;
    }
    pthread_mutex_unlock(&journal->lock);
    return ok;
}

bool journal_forget_future(struct journal *journal, u64 now_insns)
{
    pthread_mutex_lock(&journal->lock);
    bool ok = true;
    if (journal->in_past && journal->history != NULL) {
        u64 at = journal_file_tell(journal->history);
        u64 gone = journal_file_size(journal->history) - at;
        ok = journal->record == NULL ||
             journal_file_cut(journal->record, journal_file_tell(journal->record) - gone);
        journal_file_shorten(journal->history, at);
        journal_drop_items(journal, NULL, now_insns); /* what was answered to is undone */
    }
    journal->in_past = false;
    pthread_mutex_unlock(&journal->lock);
    return ok;
}
