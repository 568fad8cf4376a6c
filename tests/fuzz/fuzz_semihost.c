/* Semihosting calls: blocks, names and lengths of any kind, with a folder whose neighbour must stay
 * as it is. An input is calls of four bytes (operation, nothing, an address by 16 bits) up to one
 * of operation 0, and then what lies in memory. A call moves no more than it may. */
#include "hw/semihost/semihost.h"
#include "tests/fuzz/fuzz_share.h"
#include "tests/hw/semihost/program.h"

enum { MAX_CALLS = 64, CALL_BYTES = 4 };

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static struct program program;
    struct log quiet;
    struct fuzz_folder *folder = fuzz_share_begin();
    program = (struct program){.typed = "typed", .more = size_bytes % 2 != 0};
    struct semihost_env env = program_env(&program);
    log_init(&quiet, LOG_ERROR);
    env.log = &quiet;
    const struct semihost_options options = {
        .folder = folder->path, .read_only = size_bytes % 8 == 7, .command_line = "a program"};
    struct semihost *semihost = semihost_new(&options, &env, NULL);
    size_t calls = 0;
    while (calls < MAX_CALLS && (calls + 1) * CALL_BYTES <= size_bytes &&
           bytes[calls * CALL_BYTES] != 0) {
        calls++;
    }
    size_t at = (calls + 1) * CALL_BYTES;
    if (at < size_bytes) {
        memcpy(program.memory, bytes + at, size_bytes - at);
    }
    for (size_t i = 0; i < calls; i++) {
        const u8 *call = bytes + i * CALL_BYTES;
        u64 answer;
        program.moved_bytes = 0;
        semihost_call(semihost, NULL, call[0], (u64)PROGRAM_AT + ld_le16(call + 2), &answer);
        if (program.moved_bytes > SEMIHOST_MOST_BYTES + 2 * 4096 + 64) {
            abort();
        }
    }
    struct state_writer writer;
    struct state_reader reader;
    state_writer_init(&writer);
    semihost_save(semihost, &writer);
    state_reader_init(&reader, writer.bytes, writer.size_bytes);
    if (!semihost_load(semihost, &reader, NULL)) {
        abort();
    }
    state_writer_fini(&writer);
    semihost_free(semihost);
    log_fini(&quiet);
    fuzz_share_end(folder);
}

/* One call after the other on blocks that stand behind them, 32 bytes each; names at 0x300. */
void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    static const char names[] = "new-file\0:tt\0:semihosting-features\0file\0../secret\0dir/link";
    static const struct {
        u8 operation;
        u64 block[4];
    } seeds[] = {
        {0x01, {0x10300, 6, 8}}, {0x05, {1, 0x10300, 40}}, {0x0a, {1, 4}},
        {0x06, {1, 0x10400, 100}},
        {0x0c, {1}}, {0x02, {1}}, {0x01, {0x10309, 4, 3}}, {0x05, {1, 0x10300, 1ull << 63}},
        {0x06, {1, 0x10400, 3}}, {0x01, {0x1030d, 0, 21}}, {0x06, {2, 0x10400, 100}},
        {0x0f, {0x10300, 8, 0x10323, 4}}, {0x0e, {0x10323, 4}}, {0x01, {0x10328, 4, 9}},
        {0x01, {0x10332, 0, 8}}, {0x0e, {0x10328, 9}}, {0x15, {0x10400, 80}}, {0x16, {0x10400}},
        {0x18, {0x20026, 3}}, {0x09, {1}}, {0x0d, {0x10400, 9, 80}}, {0x07, {0}}, {0x99, {0}},
    };
    u8 bytes[FUZZ_MAX_BYTES] = {0};
    const size_t memory = (ARRAY_LEN(seeds) + 1) * CALL_BYTES;
    for (unsigned i = 0; i < ARRAY_LEN(seeds); i++) {
        bytes[i * CALL_BYTES] = seeds[i].operation;
        st_le16(bytes + i * CALL_BYTES + 2, (u16)(32 * i));
        for (unsigned n = 0; n < 4; n++) {
            st_le64(bytes + memory + 32 * i + 8 * n, seeds[i].block[n]);
        }
    }
    memcpy(bytes + memory + 0x300, names, sizeof(names));
    add(bytes, memory + 0x400);
    add(bytes, memory + 0x401);
}
