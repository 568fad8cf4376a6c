/* Trace stores and coverage files: read whole, every section decoded. Checksums would keep a
 * fuzzer outside, so the input's pieces are packed into sound sections here: byte 0 says how long
 * the description of units is, the rest is a stream and its index. */
#include "tests/fuzz/fuzz.h"
#include "ui/cover.h"
#include "ui/trace_decode.h"
#include "ui/trace_file.h"
#include "ui/trace_text.h"

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

static void count_step(void *opaque, const struct trace_step *step)
{
    struct trace_access access;
    for (unsigned at = 0; trace_next_access(step, &at, &access);) {
        *(u64 *)opaque += access.value;
    }
}

static bool get_unit(void *opaque, u32 number, struct metic_trace_unit *unit)
{
    const struct trace_file *file = opaque;
    if (number >= file->unit_count) {
        return false;
    }
    *unit = file->units[number];
    return true;
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
    trace_decoder_init(&decoder, &callbacks, get_unit, &file);
    for (size_t i = 0; i < file.section_count; i++) {
        u64 *words;
        struct metic_trace_chunk chunk = {.stream = file.sections[i].stream};
        if (file.sections[i].kind != TRACE_STREAM) {
            continue;
        }
        (void)trace_file_may_run(&file, &file.sections[i], 0x1000, 0x2000);
        (void)trace_file_may_write(&file, &file.sections[i], 0x1000, 0x2000);
        (void)trace_file_counts(&file, &file.sections[i], counts);
        if (trace_file_words(&file, &file.sections[i], &words, &chunk.count)) {
            chunk.words = words;
            (void)trace_decode(&decoder, &chunk);
            free(words);
        }
    }
    trace_decode_end(&decoder);
    trace_decoder_fini(&decoder);
    trace_file_close(&file);
    free(counts);
}

static void write_and_read(int fd, const char *path, const u8 *bytes, size_t size_bytes)
{
    if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size_bytes, 0) != (ssize_t)size_bytes) {
        abort();
    }
    read_file(path);
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static u8 file[4 * FUZZ_MAX_BYTES + 4096];
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
        (void)cover_read(cover, path, &error);
        cover_free(cover);
    }
    if (size_bytes < 3) {
        return;
    }
    size_t units = bytes[0] * (size_bytes - 2) / 256;
    size_t index = bytes[1] % 32 < size_bytes - 2 - units ? bytes[1] % 32 : 0;
    const u8 *stream = bytes + 2 + units;
    memset(file, 0, TRACE_HEADER_BYTES);
    memcpy(file, TRACE_MAGIC, sizeof(TRACE_MAGIC) - 1);
    st_le32(file + 12, TRACE_VERSION);
    st_le32(file + 16, 1);
    u8 *at = put_section(file + TRACE_HEADER_BYTES, TRACE_UNITS, bytes + 2, units, NULL, 0,
                         bytes[1] / 32);
    at = put_section(at, TRACE_STREAM, stream + index, size_bytes - 2 - units - index, stream,
                     index, 200);
    write_and_read(fd, path, file, (size_t)(at - file));
}

/* One unit of a load and its register, and a stream that runs it and has an event. */
void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    u8 seed[256] = {0};
    u8 *at = seed + 2;
    const u8 unit[] = {0, 0, 3, 1, 4, 3, 0x83, 0x30, 0, 0, METIC_SLOT_LOAD_ADDRESS, 8, 0, 0, 0, 0,
                       METIC_SLOT_LOAD_VALUE, 8, 0, 0, 0, 0, METIC_SLOT_REGISTER, 8, 0, 0, 1, 0};
    memcpy(at, unit, sizeof(unit));
    at += sizeof(unit);
    const u8 columns[][24] = {{0, 0, 0, 0, 2, 0, 0xff, 0x0f}, {0}, {10}, {20}, {30}, {1, 2, 3}};
    const u8 sizes[] = {8, 0, 1, 1, 1, 16};
    for (unsigned i = 0; i < 6; i++) {
        st_le64(at, sizes[i]);
        memcpy(at + 8, columns[i], sizes[i]);
        at += 8 + sizes[i];
    }
    size_t all = (size_t)(at - seed);
    seed[0] = (u8)(sizeof(unit) * 256 / (all - 2) + 1);
    seed[1] = 1 * 32;
    add(seed, all);
    add((const u8 *)"metic-cover 1\nb 80000000 4 1 7\ne 1 2 3\n", 39);
}
