/* Snapshot files. A true one is changed where it is unpacked, and put together again with the right
 * sums, so that what it says is what is looked at: its first page, the list of memory, the sections
 * of harts and devices. What loads is run for a while.
 *
 *   input: { u8 what, u24 place, u8 count, bytes }...; what: bit 0: the first page, not the state;
 *   bit 1: the file is cut there */
#include "tests/fuzz/fuzz.h"

#include "hw/metic.h"
#include "hw/snapshot/snapshot_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

enum { RUN_INSNS = 2000, HEAD_FIELDS_AT = 16, HEAD_FIELDS_BYTES = 144 };

struct target {
    metic_machine *machine;
    int fd;      /* the file that is being changed */
    char path[64];
    u8 *file;    /* as it was saved */
    size_t file_bytes;
    u8 *state;   /* unpacked */
    size_t state_bytes, state_offset;
};

static void quiet(void *opaque, const char *line)
{
    (void)opaque;
    (void)line;
}

static metic_machine *make_machine(void)
{
    struct metic_options options;
    struct metic_error error;
    metic_options_init(&options);
    options.harts = 2;
    options.ram_bytes = (uint64_t)16 << 20;
    options.clock = METIC_CLOCK_VIRTUAL;
    options.console = METIC_CONSOLE_NONE;
    options.virtio_console = METIC_CONSOLE_NONE;
    options.balloon = true;
    options.screens = 1;
    options.log = quiet;
    metic_machine *machine = metic_new(&options, &error);
    if (machine == NULL || !metic_load_demo(machine, &error)) {
        abort();
    }
    return machine;
}

static void read_file(struct target *target)
{
    FILE *from = fopen(target->path, "re");
    if (from == NULL || fseek(from, 0, SEEK_END) != 0) {
        abort();
    }
    target->file_bytes = (size_t)ftell(from);
    target->file = malloc(target->file_bytes);
    rewind(from);
    if (fread(target->file, 1, target->file_bytes, from) != target->file_bytes) {
        abort();
    }
    fclose(from);
}

static struct target *make_target(void)
{
    struct target *target = calloc(1, sizeof(*target));
    struct metic_result result;
    struct metic_error error;
    const struct metic_save how = {.description = "--demo\n", .compress = true};
    target->machine = make_machine();
    metic_run_for(target->machine, 300000, &result);
    snprintf(target->path, sizeof(target->path), "/tmp/metic-fuzz-snapshot-%d", (int)getpid());
    if (!metic_snapshot_save(target->machine, target->path, &how, &error)) {
        abort();
    }
    read_file(target);
    unlink(target->path);
    target->state_offset = (size_t)ld_le64(target->file + 32);
    target->state_bytes = (size_t)ld_le64(target->file + 48);
    target->state = malloc(target->state_bytes);
    if (ZSTD_decompress(target->state, target->state_bytes, target->file + target->state_offset,
                        target->file_bytes - target->state_offset) != target->state_bytes) {
        abort();
    }
    target->fd = memfd_create("snapshot", MFD_CLOEXEC);
    snprintf(target->path, sizeof(target->path), "/proc/self/fd/%d", target->fd);
    return target;
}

static void write_file(struct target *target, const u8 *state, const u8 *head, size_t cut)
{
    static u8 packed[1 << 20];
    u8 page[PAGE_BYTES];
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t packed_bytes =
        ZSTD_compress2(context, packed, sizeof(packed), state, target->state_bytes);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(packed_bytes)) {
        abort();
    }
    memcpy(page, target->file, PAGE_BYTES);
    st_le64(page + 24, target->state_offset + packed_bytes);
    st_le64(page + 40, packed_bytes);
    for (unsigned i = 0; i < HEAD_FIELDS_BYTES; i++) {
        page[HEAD_FIELDS_AT + i] = (u8)(page[HEAD_FIELDS_AT + i] ^ head[i]);
    }
    st_le64(page + PAGE_BYTES - 8, state_digest_bytes(page, PAGE_BYTES - 8, 0));
    size_t whole = target->state_offset + packed_bytes;
    if (ftruncate(target->fd, 0) != 0 ||
        pwrite(target->fd, target->file, target->state_offset, 0) < 0 ||
        pwrite(target->fd, packed, packed_bytes, (off_t)target->state_offset) < 0 ||
        pwrite(target->fd, page, PAGE_BYTES, 0) < 0 ||
        ftruncate(target->fd, (off_t)(cut < whole ? cut : whole)) != 0) {
        abort();
    }
}

static void look(struct target *target)
{
    struct metic_error error = {{0}, {0}};
    struct metic_snapshot_info info;
    struct metic_result result;
    metic_snapshot *snapshot = metic_snapshot_open(target->path, &error);
    if (snapshot == NULL) {
        if (error.what[0] == '\0') {
            abort();
        }
        return;
    }
    metic_snapshot_info(snapshot, &info);
    metic_snapshot_check(snapshot, &error);
    if (metic_snapshot_load(target->machine, snapshot, NULL, &error)) {
        metic_run_for(target->machine, RUN_INSNS, &result);
    } else { /* it may be of no more use */
        metic_free(target->machine);
        target->machine = make_machine();
    }
    metic_snapshot_free(snapshot);
}

void fuzz_one(const u8 *bytes, size_t size_bytes)
{
    static struct target *target;
    u8 head[HEAD_FIELDS_BYTES] = {0};
    size_t cut = SIZE_MAX;
    if (target == NULL) {
        target = make_target();
    }
    u8 *state = malloc(target->state_bytes);
    memcpy(state, target->state, target->state_bytes);
    for (size_t at = 0; at + 5 <= size_bytes;) {
        u8 what = bytes[at];
        size_t place = bytes[at + 1] | (size_t)bytes[at + 2] << 8 | (size_t)bytes[at + 3] << 16;
        size_t count = bytes[at + 4];
        at += 5;
        count = count < size_bytes - at ? count : size_bytes - at;
        size_t room = (what & 1) != 0 ? HEAD_FIELDS_BYTES : target->state_bytes;
        for (size_t i = 0; i < count; i++) {
            u8 *byte = (what & 1) != 0 ? &head[(place + i) % room] : &state[(place + i) % room];
            *byte ^= bytes[at + i];
        }
        cut = (what & 2) != 0 ? place : cut;
        at += count;
    }
    write_file(target, state, head, cut);
    free(state);
    look(target);
}

void fuzz_seeds(void (*add)(const u8 *bytes, size_t size_bytes))
{
    add((const u8 *)"", 0);
    for (unsigned i = 0; i < 96; i++) { /* here and there in the state */
        u8 edit[6] = {0, (u8)(i * 149), (u8)(i * 5), 0, 1, (u8)(1u << i % 8)};
        add(edit, sizeof(edit));
    }
    for (unsigned i = 0; i < HEAD_FIELDS_BYTES; i += 4) {
        u8 edit[6] = {1, (u8)i, 0, 0, 1, 1};
        add(edit, sizeof(edit));
    }
    add((const u8 *)"\2\0\20\0", 5);
    add((const u8 *)"\2\300\0\0", 5);
}
