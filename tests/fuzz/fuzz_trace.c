/* Trace stores and coverage files: read whole, every section decoded. Checksums would keep a
 * fuzzer outside, so the input's pieces are packed into sound sections here: byte 0 says how long
 * the descriptions of units and paths are, byte 1 how many there are and how long the index, byte 2
 * how many bytes of the first are of paths; the rest is a stream and its index. */
#include "tests/fuzz/fuzz.h"
#include "ui/trace/cover.h"
#include "ui/trace/trace_decode.h"
#include "ui/trace/trace_reader.h"
#include "ui/trace/trace_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static u8 *put_section(u8 *at, u32 kind, const u8 *raw, size_t raw_bytes, const u8 *index,
                       size_t index_bytes, u64 count)
{
    u8 *header = at;
    u8 *payload = at + TRACE_SECTION_BYTES + index_bytes;
    size_t packed = ZSTD_compress(payload, ZSTD_compressBound(raw_bytes), raw, raw_bytes, 1);
    memset(header, 0, TRACE_SECTION_BYTES);
    st_le32(header, TRACE_SECTION_MAGIC);
    st_le32(header + 4, kind);
    st_le64(header + 16, raw_bytes);
    st_le64(header + 24, packed);
    st_le64(header + 32, index_bytes);
    st_le64(header + 48, count);
    st_le32(header + 68, (u32)crc32(0, header, 68));
    if (index_bytes != 0) {
        memcpy(at + TRACE_SECTION_BYTES, index, index_bytes);
    }
    return payload + packed;
}

/* A stream of these bytes: the columns' sizes, u8 each, and the columns. */
static u8 *put_stream(u8 *at, const u8 *bytes, size_t size_bytes, const u8 *index,
                      size_t index_bytes)
{
    u8 *header = at, *table = at + TRACE_SECTION_BYTES + index_bytes;
    u8 *to = table + TRACE_TABLE_BYTES;
    size_t sizes[TRACE_COLUMNS], starts[TRACE_COLUMNS], used = TRACE_COLUMNS;
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        size_t wanted = i < size_bytes ? bytes[i] : 0;
        size_t left = used < size_bytes ? size_bytes - used : 0;
        sizes[i] = wanted < left ? wanted : left;
        starts[i] = used;
        used += sizes[i];
        st_le32(table + 4 * i, (u32)sizes[i]);
    }
    for (unsigned frame = 0; frame < TRACE_FRAMES; frame++) {
        u8 raw[256 * TRACE_COLUMNS];
        size_t raw_bytes = 0;
        for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
            if (trace_frame_of((enum trace_column)i) == frame && sizes[i] != 0) {
                memcpy(raw + raw_bytes, bytes + starts[i], sizes[i]);
                raw_bytes += sizes[i];
            }
        }
        size_t packed = ZSTD_compress(to, ZSTD_compressBound(raw_bytes), raw, raw_bytes, 1);
        st_le32(table + 4 * (TRACE_COLUMNS + frame), (u32)packed);
        to += packed;
    }
    memset(header, 0, TRACE_SECTION_BYTES);
    st_le32(header, TRACE_SECTION_MAGIC);
    st_le32(header + 4, TRACE_STREAM);
    st_le64(header + 16, used);
    st_le64(header + 24, (u64)(to - table));
    st_le64(header + 32, index_bytes);
    st_le64(header + 48, 200);
    st_le32(header + 68, (u32)crc32(0, header, 68));
    memcpy(header + TRACE_SECTION_BYTES, index, index_bytes);
    return to;
}

static void count_step(void *opaque, const struct trace_step *step)
{
    struct trace_access access;
    for (unsigned at = 0; trace_next_access(step, &at, &access);) {
        *(u64 *)opaque += access.value;
    }
}

static void count_context(void *opaque, const struct trace_context *context)
{
    *(u64 *)opaque += context->insns ^ context->satp ^ context->task ^ context->privilege ^
                      (u64)context->name[15];
}

static void count_fill(void *opaque, u64 gva_page, u64 gpa_page)
{
    *(u64 *)opaque += gva_page ^ gpa_page;
}

static void count_unit(void *opaque, u32 unit)
{
    *(u64 *)opaque += unit;
}

static void count_event(void *opaque, enum metic_trace_event kind, const u64 *words, unsigned count)
{
    *(u64 *)opaque += (u64)kind ^ (count != 0 ? words[count - 1] : 0);
}

/* Every third unit. */
static bool wants_some(void *opaque, const u32 *units, unsigned count, u64 page_delta)
{
    (void)opaque;
    return (units[0] + count + page_delta) % 3 == 0;
}

/* Parts of a section: by places, by units with registers. */
static void pick(struct trace_reader *reader, struct trace_file *file,
                 const struct trace_section *section, const struct trace_places *places,
                 const struct trace_callbacks *callbacks)
{
    const struct trace_want wants[] = {
        {.places = places, .how = TRACE_READS},
        {.item = wants_some, .version = 1, .before_events = true},
        {.item = wants_some, .version = 2, .registers = 0xff06, .end_registers = 0x206},
        {.registers = ~0u, .end_registers = ~0u},
        {.item = NULL},
    };
    for (unsigned i = 0; i < ARRAY_LEN(wants); i++) {
        struct trace_decoder decoder;
        struct metic_trace_chunk chunk = {.stream = section->stream};
        const u64 *words;
        bool to_end;
        if (trace_reader_pick(reader, section, &wants[i], &words, &chunk.count, &to_end)) {
            chunk.words = words;
            trace_decoder_init(&decoder, callbacks, trace_file_unit, file);
            (void)trace_decode(&decoder, &chunk);
            trace_decode_end(&decoder);
            trace_decoder_fini(&decoder);
        }
    }
}

static void read_file(const char *path)
{
    struct trace_file file;
    struct metic_error error;
    static struct trace_decoder decoder;
    u64 sum = 0;
    const struct trace_callbacks callbacks = {.step = count_step, .opaque = &sum};
    if (!trace_file_open(&file, path, &error)) {
        return;
    }
    u64 *counts = calloc((size_t)file.unit_count + 1, sizeof(*counts));
    struct trace_reader *reader = trace_reader_new(&file);
    struct trace_units code;
    static const struct trace_place list[] = {{0x1000, 0x2000}, {0x2ff8, 0x3008},
                                             {~0xfffull, ~0ull}};
    static const struct trace_places places = {list, ARRAY_LEN(list)};
    const struct trace_who who = {.task = "cat", .privileges = 3};
    const struct trace_heads heads = {.unit = count_unit, .event = count_event, .opaque = &sum};
    char task[16];
    if (counts == NULL || reader == NULL || !trace_file_find_code(&file, 0x1000, 0x2000, &code)) {
        abort();
    }
    trace_decoder_init(&decoder, &callbacks, trace_file_unit, &file);
    decoder.who = &who;
    for (size_t i = 0; i < file.section_count; i++) {
        const u64 *words;
        u64 cut[TRACE_CUT_WORDS];
        u32 checks[TRACE_FRAMES], last;
        size_t count;
        struct metic_trace_chunk chunk = {.stream = file.sections[i].stream};
        if (file.sections[i].kind != TRACE_STREAM) {
            continue;
        }
        (void)trace_file_may_run(&file, &file.sections[i], &code);
        (void)trace_file_may_access(&file, &file.sections[i], &places, TRACE_WRITES);
        (void)trace_file_may_access(&file, &file.sections[i], &places, TRACE_READS);
        (void)trace_file_fills(&file, &file.sections[i], count_fill, &sum);
        (void)trace_file_contexts(&file, &file.sections[i], count_context, &sum);
        (void)trace_file_kinds(&file, &file.sections[i]);
        (void)trace_who_may_run(&who, &file, &file.sections[i]);
        trace_who_begins(&file, &file.sections[i], task);
        trace_decode_task(&decoder, file.sections[i].stream, task);
        (void)trace_file_checks(&file, &file.sections[i], checks, &last);
        pick(reader, &file, &file.sections[i], &places, &callbacks);
        (void)trace_reader_events(reader, &file.sections[i], &words, &count);
        (void)trace_reader_heads(reader, &file.sections[i], &heads);
        (void)trace_reader_cut(reader, &file.sections[i], cut, &count);
        (void)trace_file_counts(&file, &file.sections[i], counts);
        if (trace_reader_words(reader, &file.sections[i], &words, &chunk.count)) {
            chunk.words = words;
            (void)trace_decode(&decoder, &chunk);
        }
    }
    trace_decode_end(&decoder);
    trace_decoder_fini(&decoder);
    trace_reader_free(reader); /* it asks the file how many items it has */
    trace_file_close(&file);
    free(code.wanted);
    free(counts);
}

static void write_and_read(int fd, const char *path, const u8 *bytes, size_t size_bytes)
{
    if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size_bytes, 0) != (ssize_t)size_bytes) {
        abort();
    }
    read_file(path);
}

/* The section at `from` once more, of another kind. */
static u8 *put_again(u8 *at, const u8 *from, u32 kind)
{
    size_t size_bytes = (size_t)ld_le64(from + 24) + TRACE_SECTION_BYTES;
    memcpy(at, from, size_bytes);
    st_le32(at + 4, kind);
    st_le32(at + 68, (u32)crc32(0, at, 68));
    return at + size_bytes;
}

/* A directory of the INDEX at `index_at`, in which byte `wrong` is another; 0: none. */
static u8 *put_directory(u8 *file, u8 *at, u64 index_at, unsigned wrong)
{
    u8 listed[TRACE_LISTED_BYTES];
    st_le64(listed, index_at);
    memcpy(listed + 8, file + index_at, TRACE_SECTION_BYTES);
    listed[wrong % TRACE_LISTED_BYTES] ^= (u8)(wrong != 0);
    return put_section(at, TRACE_DIRECTORY, listed, sizeof(listed), NULL, 0, 1);
}

/* The same as a file that was finished: by the directory of its INDEX. Units are the first section,
 * then `paths`; `stream`, up to `at`, is the last. */
static u8 *finish_file(u8 *file, const u8 *paths, const u8 *stream, u8 *at, unsigned wrong)
{
    static u8 raw[FUZZ_MAX_BYTES + 4096];
    u64 index_at = (u64)(at - file);
    size_t told = TRACE_SECTION_BYTES + (size_t)ld_le64(stream + 32);
    st_le64(raw, (u64)(stream - file));
    memcpy(raw + 8, stream, told);
    at = put_section(at, TRACE_INDEX, raw, 8 + told, NULL, 0, 1);
    u64 units_at = (u64)(at - file);
    at = put_again(at, file + TRACE_HEADER_BYTES, TRACE_UNITS_AGAIN);
    at = put_again(at, paths, TRACE_PATHS_AGAIN);
    u64 directory_at = (u64)(at - file);
    at = put_directory(file, at, index_at, wrong);
    st_le64(file + TRACE_LAST_AT, wrong % 2 != 0 ? directory_at : index_at);
    memset(at, 0, TRACE_SECTION_BYTES);
    st_le32(at, TRACE_SECTION_MAGIC);
    st_le32(at + 4, TRACE_END);
    st_le64(at + 40, directory_at);
    st_le64(at + 48, units_at);
    st_le32(at + 68, (u32)crc32(0, at, 68));
    return at + TRACE_SECTION_BYTES;
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static u8 file[8 * FUZZ_MAX_BYTES + 16384];
    static int fd = -1;
    char path[64];
    struct metic_error error;
    if (fd < 0) {
        fd = memfd_create("trace", MFD_CLOEXEC);
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    write_and_read(fd, path, bytes, size_bytes);
    struct cover *cover = cover_new(&error);
    if (cover != NULL) {
        struct symbols symbols = {0};
        bool good = cover_read(cover, &symbols, path, &error);
        good = good && cover_read(cover, &symbols, path, &error); /* merged with itself */
        (void)symbols_find(&symbols, 0x80000000);
        symbols_fini(&symbols);
        size_t blocks, edges;
        const struct cover_block *block = cover_blocks(cover, &blocks);
        (void)cover_edges(cover, &edges);
        for (size_t i = 0; i < blocks && i < 64; i++) {
            if (good && cover_count(cover, block[i].address) == 0) {
                abort();
            }
        }
        cover_free(cover);
    }
    if (size_bytes < 4) {
        return;
    }
    size_t units = bytes[0] * (size_bytes - 3) / 256;
    size_t index = bytes[1] % 32 < size_bytes - 3 - units ? bytes[1] % 32 : 0;
    size_t path_bytes = bytes[2] < units ? bytes[2] : units;
    const u8 *stream = bytes + 3 + units;
    memset(file, 0, TRACE_HEADER_BYTES);
    memcpy(file, TRACE_MAGIC, sizeof(TRACE_MAGIC) - 1);
    st_le32(file + 12, TRACE_VERSION);
    st_le32(file + 16, 1);
    u8 *paths = put_section(file + TRACE_HEADER_BYTES, TRACE_UNITS, bytes + 3, units - path_bytes,
                            NULL, 0, bytes[1] / 32);
    u8 *at = put_section(paths, TRACE_PATHS, bytes + 3 + units - path_bytes, path_bytes, NULL, 0,
                         path_bytes != 0);
    u8 *behind = put_stream(at, stream + index, size_bytes - 3 - units - index, stream, index);
    write_and_read(fd, path, file, (size_t)(behind - file));
    size_t whole = (size_t)(finish_file(file, paths, at, behind, 0) - file);
    write_and_read(fd, path, file, whole);
    write_and_read(fd, path, file, whole - 1); /* no end: by what the header says */
    whole = (size_t)(finish_file(file, paths, at, behind, bytes[0]) - file);
    write_and_read(fd, path, file, whole);
    write_and_read(fd, path, file, whole - 1);
}

/* One unit of a load and its register, a path of it twice with one word for addresses and one for
 * values, and a stream that runs both, the path also in part, and has an event. */
void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    u8 seed[256] = {0};
    u8 *at = seed + 3;
    const u8 unit[] = {0, 0, 3, 1, 4, 3, 0x83, 0x30, 0, 0, METIC_SLOT_LOAD_ADDRESS, 8, 0, 0, 0, 0,
                       METIC_SLOT_LOAD_VALUE, 8, 0, 0, 0, 0, METIC_SLOT_REGISTER, 8, 0, 0, 1, 0};
    const u8 twice[] = {2, 0, 0, 2, 1, 0, 2, 0, 2, 0, 1, 16, 2, 0, 0, 6};
    const u8 heads[] = {0, 0, 0, 0, 2, 0, 0xff, 0x0f, 0, 0, 0, 8, 1, 0, 0xfe, 0x0f, 0, 0, 0, 8};
    const u8 events[16] = {1, 2, 3};
    const u8 addresses[] = {1, 10, 1, 20, 0};
    const u8 values[] = {0x12, 30, 0, 4, 1, 8, 0};
    const u8 sizes[TRACE_COLUMNS] = {sizeof(heads), 0, sizeof(events), sizeof(addresses),
                                     sizeof(values)};
    const u8 *const columns[TRACE_COLUMNS] = {heads, NULL, events, addresses, values};
    memcpy(at, unit, sizeof(unit));
    at += sizeof(unit);
    memcpy(at, twice, sizeof(twice));
    at += sizeof(twice);
    memcpy(at, sizes, sizeof(sizes));
    at += sizeof(sizes);
    for (unsigned i = 0; i < TRACE_COLUMNS; i++) {
        if (sizes[i] != 0) {
            memcpy(at, columns[i], sizes[i]);
            at += sizes[i];
        }
    }
    size_t all = (size_t)(at - seed), described = sizeof(unit) + sizeof(twice);
    seed[0] = (u8)((described * 256 + all - 4) / (all - 3));
    seed[1] = 1 * 32;
    seed[2] = sizeof(twice);
    add(seed, all);
    add((const u8 *)"metic-cover 2\nb 80000000 4 1 7\ne 1 2 3\ns 8 9 a\n", 47);
}
