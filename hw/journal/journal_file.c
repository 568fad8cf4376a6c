/* See journal_file.h. */
#include "hw/journal/journal_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    JOURNAL_VERSION = 1,
    JOURNAL_HEAD_BYTES = 32,   /* magic 8, version 4, machine 4, seed 8, wall 8 */
    JOURNAL_MACHINE_OFFSET = 12,
    JOURNAL_RECORD_BYTES = 16, /* kind 1, source 1, zero 2, size 4, stamp 8 */
};

static const char journal_magic[8] = {'M', 'E', 'T', 'I', 'C', 'J', 'N', '1'};

struct journal_file {
    FILE *stream; /* writing */
    u8 *bytes;    /* reading, or in memory: the whole file */
    size_t size_bytes;
    size_t capacity_bytes; /* in memory: of bytes */
    size_t position;
    size_t push_position; /* no JOURNAL_PUSH lies between position and here */
};

struct journal_file *journal_file_create(const char *path, const struct journal_head *head,
                                         struct metic_error *error)
{
    struct journal_file *file = calloc(1, sizeof(*file));
    u8 bytes[JOURNAL_HEAD_BYTES] = {0};
    memcpy(bytes, journal_magic, sizeof(journal_magic));
    st_le32(bytes + 8, JOURNAL_VERSION);
    st_le64(bytes + 16, head->seed);
    st_le64(bytes + 24, head->wall_start_ns);
    if (file != NULL) {
        file->stream = fopen(path, "wbe");
    }
    if (file == NULL || file->stream == NULL ||
        fwrite(bytes, 1, sizeof(bytes), file->stream) != sizeof(bytes)) {
        error_set(error, "give a path that can be written", "cannot record to %s: %s", path,
                  strerror(errno));
        journal_file_close(file);
        return NULL;
    }
    return file;
}

struct journal_file *journal_file_parse(const void *bytes, size_t size_bytes,
                                        struct journal_head *head, struct metic_error *error)
{
    const u8 *at = bytes;
    if (size_bytes < JOURNAL_HEAD_BYTES || memcmp(at, journal_magic, sizeof(journal_magic)) != 0 ||
        ld_le32(at + 8) != JOURNAL_VERSION) {
        error_set(error, "give a file that --record wrote", "this is no recording of version %d",
                  JOURNAL_VERSION);
        return NULL;
    }
    struct journal_file *file = calloc(1, sizeof(*file));
    u8 *copy = malloc(size_bytes);
    if (file == NULL || copy == NULL) {
        error_set(error, NULL, "out of memory for a recording of %zu bytes", size_bytes);
        free(file);
        free(copy);
        return NULL;
    }
    memcpy(copy, bytes, size_bytes);
    file->bytes = copy;
    file->size_bytes = size_bytes;
    file->position = JOURNAL_HEAD_BYTES;
    head->machine = ld_le32(at + JOURNAL_MACHINE_OFFSET);
    head->seed = ld_le64(at + 16);
    head->wall_start_ns = ld_le64(at + 24);
    return file;
}

/* The whole file on the heap; NULL with errno set when it cannot be read. */
static u8 *journal_file_slurp(const char *path, size_t *size_bytes)
{
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        return NULL;
    }
    u8 *bytes = NULL;
    size_t used = 0;
    size_t capacity = 0;
    for (;;) {
        if (used == capacity) {
            capacity = capacity * 2 + 65536;
            u8 *grown = realloc(bytes, capacity);
            if (grown == NULL) {
                break;
            }
            bytes = grown;
        }
        size_t got = fread(bytes + used, 1, capacity - used, stream);
        used += got;
        if (got == 0) {
            if (ferror(stream)) {
                break;
            }
            fclose(stream);
            *size_bytes = used;
            return bytes;
        }
    }
    free(bytes);
    fclose(stream);
    return NULL;
}

struct journal_file *journal_file_open(const char *path, struct journal_head *head,
                                       struct metic_error *error)
{
    size_t size_bytes;
    u8 *bytes = journal_file_slurp(path, &size_bytes);
    if (bytes == NULL) {
        error_set(error, "give a file that --record wrote", "cannot read the recording %s: %s",
                  path, strerror(errno));
        return NULL;
    }
    struct metic_error reason;
    struct journal_file *file = journal_file_parse(bytes, size_bytes, head, &reason);
    if (file == NULL) {
        error_set(error, reason.next, "%s is no recording that can be replayed: %.120s", path,
                  reason.what);
    }
    free(bytes);
    return file;
}

struct journal_file *journal_file_new(void)
{
    struct journal_file *file = calloc(1, sizeof(*file));
    u8 *bytes = calloc(1, 4096);
    if (file == NULL || bytes == NULL) {
        free(file);
        free(bytes);
        return NULL;
    }
    *file = (struct journal_file){.bytes = bytes, .size_bytes = JOURNAL_HEAD_BYTES,
                                  .capacity_bytes = 4096, .position = JOURNAL_HEAD_BYTES};
    return file;
}

u64 journal_file_size(const struct journal_file *file)
{
    return file->size_bytes;
}

void journal_file_shorten(struct journal_file *file, u64 position)
{
    CHECK(position >= JOURNAL_HEAD_BYTES && position <= file->size_bytes);
    file->size_bytes = (size_t)position;
    journal_file_seek(file, position);
}

static bool journal_file_add(struct journal_file *file, const void *bytes, size_t size_bytes)
{
    if (size_bytes > file->capacity_bytes - file->size_bytes) {
        size_t capacity_bytes = 2 * file->capacity_bytes + size_bytes;
        u8 *grown = realloc(file->bytes, capacity_bytes);
        if (grown == NULL) {
            return false;
        }
        file->bytes = grown;
        file->capacity_bytes = capacity_bytes;
    }
    memcpy(file->bytes + file->size_bytes, bytes, size_bytes);
    file->size_bytes += size_bytes;
    return true;
}

bool journal_file_close(struct journal_file *file)
{
    bool good = true;
    if (file != NULL) {
        if (file->stream != NULL) {
            const struct journal_record end = {.kind = JOURNAL_END, .bytes = ""};
            good = journal_file_append(file, &end); /* without it the file counts as cut off */
            good = fclose(file->stream) == 0 && good;
        }
        free(file->bytes);
        free(file);
    }
    return good;
}

bool journal_file_put_machine(struct journal_file *file, u32 machine)
{
    u8 bytes[4];
    st_le32(bytes, machine);
    return fseeko(file->stream, JOURNAL_MACHINE_OFFSET, SEEK_SET) == 0 &&
           fwrite(bytes, 1, sizeof(bytes), file->stream) == sizeof(bytes) &&
           fseeko(file->stream, 0, SEEK_END) == 0;
}

bool journal_file_append(struct journal_file *file, const struct journal_record *record)
{
    u8 head[JOURNAL_RECORD_BYTES] = {(u8)record->kind, (u8)record->source};
    st_le32(head + 4, record->size_bytes);
    st_le64(head + 8, record->stamp_insns);
    if (file->stream == NULL) {
        return journal_file_add(file, head, sizeof(head)) &&
               journal_file_add(file, record->bytes, record->size_bytes);
    }
    return fwrite(head, 1, sizeof(head), file->stream) == sizeof(head) &&
           fwrite(record->bytes, 1, record->size_bytes, file->stream) == record->size_bytes;
}

/* The record at `position`, when it is whole and sane. */
static bool journal_file_record_at(const struct journal_file *file, size_t position,
                                   struct journal_record *record)
{
    if (file->size_bytes - position < JOURNAL_RECORD_BYTES) {
        return false;
    }
    const u8 *at = file->bytes + position;
    size_t left_bytes = file->size_bytes - position - JOURNAL_RECORD_BYTES;
    *record = (struct journal_record){(enum journal_kind)at[0], at[1], ld_le32(at + 4),
                                      ld_le64(at + 8), at + JOURNAL_RECORD_BYTES};
    return at[0] >= JOURNAL_PUSH && at[0] <= JOURNAL_WAITED && ld_le16(at + 2) == 0 &&
           record->size_bytes <= JOURNAL_MAX_RECORD_BYTES && record->size_bytes <= left_bytes;
}

bool journal_file_peek(const struct journal_file *file, struct journal_record *record)
{
    return journal_file_record_at(file, file->position, record);
}

bool journal_file_is_cut(const struct journal_file *file)
{
    struct journal_record record;
    bool more = journal_file_peek(file, &record);
    bool end = file->size_bytes - file->position == JOURNAL_RECORD_BYTES &&
               file->bytes[file->position] == JOURNAL_END;
    return !more && !end;
}

void journal_file_skip(struct journal_file *file)
{
    struct journal_record record;
    if (journal_file_peek(file, &record)) {
        file->position += JOURNAL_RECORD_BYTES + record.size_bytes;
    }
}

bool journal_file_peek_push(struct journal_file *file, struct journal_record *record)
{
    if (file->push_position < file->position) {
        file->push_position = file->position;
    }
    while (journal_file_record_at(file, file->push_position, record)) {
        if (record->kind == JOURNAL_PUSH) {
            return true;
        }
        file->push_position += JOURNAL_RECORD_BYTES + record->size_bytes;
    }
    return false;
}

u64 journal_file_tell(struct journal_file *file)
{
    return file->stream != NULL ? (u64)ftello(file->stream) : file->position;
}

bool journal_file_cut(struct journal_file *file, u64 position)
{
    return fflush(file->stream) == 0 && position >= JOURNAL_HEAD_BYTES &&
           position <= (u64)ftello(file->stream) &&
           ftruncate(fileno(file->stream), (off_t)position) == 0 &&
           fseeko(file->stream, (off_t)position, SEEK_SET) == 0;
}

bool journal_file_seek(struct journal_file *file, u64 position)
{
    if (position < JOURNAL_HEAD_BYTES || position > file->size_bytes) {
        return false;
    }
    file->position = (size_t)position;
    file->push_position = file->position;
    return true;
}
