/* The journal's file: parsed, read to its end, the next push looked for at every record. */
#include "hw/journal/journal_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    struct journal_head head;
    struct metic_error error;
    struct journal_file *file = journal_file_parse(bytes, size_bytes, &head, &error);
    if (file == NULL) {
        if (error.what[0] == '\0') {
            abort();
        }
        return;
    }
    struct journal_record record, push;
    size_t records = 0;
    for (; journal_file_peek(file, &record); journal_file_skip(file)) {
        volatile u8 sum = 0;
        const u8 *payload = record.bytes;
        for (u32 i = 0; i < record.size_bytes; i++) { /* all of it is there */
            sum = (u8)(sum + payload[i]);
        }
        if (++records > size_bytes || record.size_bytes > JOURNAL_MAX_RECORD_BYTES ||
            (journal_file_peek_push(file, &push) && push.kind != JOURNAL_PUSH)) {
            abort();
        }
    }
    journal_file_close(file);
}

static size_t record_put(u8 *to, unsigned kind, unsigned source, u64 stamp_insns, u32 size_bytes)
{
    memset(to, 0, 16 + size_bytes);
    to[0] = (u8)kind;
    to[1] = (u8)source;
    st_le32(to + 4, size_bytes);
    st_le64(to + 8, stamp_insns);
    return 16 + size_bytes;
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    u8 bytes[256] = "METICJN1";
    st_le32(bytes + 8, 1);
    size_t used = 32;
    add(bytes, used);
    for (unsigned kind = JOURNAL_PUSH; kind <= JOURNAL_WALL; kind++) {
        used += record_put(bytes + used, kind, kind - 1, 100 * kind, 8);
        add(bytes, used);
    }
    used += record_put(bytes + used, JOURNAL_PUSH, 63, 1000, 0);
    add(bytes, used);
    add(bytes, used - 3);
}
