/* The journal's file: a head and records, read from untrusted bytes, written as they happen.
 * Format in journal.h. Private to the journal and its tests. */
#ifndef METIC_HW_JOURNAL_FILE_H
#define METIC_HW_JOURNAL_FILE_H

#include "cpu/base/bits.h"
#include "hw/journal/journal.h"

enum journal_kind {
    JOURNAL_PUSH = 1, JOURNAL_ENTROPY = 2, JOURNAL_WALL = 3, JOURNAL_ANSWER = 4, JOURNAL_WAITED = 5,
    JOURNAL_END = 6, /* the last of a file that was finished: no record to be read */
};

struct journal_head {
    u64 seed;
    u64 wall_start_ns;
    u32 machine; /* journal_begin's; 0: the recording does not say */
};

struct journal_record {
    enum journal_kind kind;
    unsigned source;
    u32 size_bytes;
    u64 stamp_insns;
    const void *bytes; /* of a file being read: valid until it is closed */
};

struct journal_file;

/* Create truncates and writes the head. Open reads the whole file and fills `head`. */
struct journal_file *journal_file_create(const char *path, const struct journal_head *head,
                                         struct metic_error *error);
struct journal_file *journal_file_open(const char *path, struct journal_head *head,
                                       struct metic_error *error);
/* The same from bytes in memory, which are copied; for tests and the fuzzer. */
struct journal_file *journal_file_parse(const void *bytes, size_t size_bytes,
                                        struct journal_head *head, struct metic_error *error);
/* One in memory, to append to and to read; NULL: no memory. */
struct journal_file *journal_file_new(void);
/* Its end, as a place for journal_file_seek; and cutting off what is behind a place. */
u64 journal_file_size(const struct journal_file *file);
void journal_file_shorten(struct journal_file *file, u64 position);
/* NULL allowed. False: what was recorded could not all be written. */
bool journal_file_close(struct journal_file *file);
bool journal_file_put_machine(struct journal_file *file, u32 machine);

bool journal_file_append(struct journal_file *file, const struct journal_record *record);

/* The next record without taking it; false at the end or where the file is damaged. */
bool journal_file_peek(const struct journal_file *file, struct journal_record *record);
void journal_file_skip(struct journal_file *file);
/* There is no next record, nor the end that a recorder writes when it is closed. */
bool journal_file_is_cut(const struct journal_file *file);
/* The next JOURNAL_PUSH record at or after the position, which does not move. */
bool journal_file_peek_push(struct journal_file *file, struct journal_record *record);

/* Where the next record will be written or read; cutting off what a recording has behind such a
 * place, and going to one in a replay. False when there is no such place. */
u64 journal_file_tell(struct journal_file *file);
bool journal_file_cut(struct journal_file *file, u64 position);
bool journal_file_seek(struct journal_file *file, u64 position);

#endif
