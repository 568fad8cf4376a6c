/* See trace_store_private.h: INDEXes, DIRECTORIES, the end of a file. */
#include "ui/trace/trace_store_private.h"

#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* An INDEX is unpacked as a whole; a DIRECTORY saves its reader so many steps from one INDEX to the
 * one before. */
enum { GROUP_SECTIONS = 512, GROUP_BYTES = 1 << 20, DIRECTORY_INDEXES = 64 };

void trace_store_put_file_header(const struct trace_store *store, u8 *header)
{
    memset(header, 0, TRACE_HEADER_BYTES);
    memcpy(header, TRACE_MAGIC, sizeof(TRACE_MAGIC) - 1);
    st_le32(header + 12, TRACE_VERSION);
    st_le32(header + 16, store->harts);
    st_le64(header + TRACE_LAST_AT, store->last_index);
    st_le32(header + TRACE_HEADER_BYTES - 4, (u32)crc32(0, header, TRACE_HEADER_BYTES - 4));
}

/* For who reads a file whose recording was killed. What is no file, or cannot be written, is walked
 * from where the header said before. */
static void write_file_header(struct trace_store *store)
{
    u8 header[TRACE_HEADER_BYTES];
    trace_store_put_file_header(store, header);
    if (store->failed == 0) {
        (void)!pwrite(store->fd, header, sizeof(header), 0);
    }
}

/* The INDEX that was just written at `offset` will be in the next DIRECTORY. */
static void list_index(struct trace_store *store, const struct trace_section *section, u64 offset)
{
    u8 *to = trace_column_room(store, &store->indexes, TRACE_LISTED_BYTES);
    if (to != NULL) {
        st_le64(to, offset);
        trace_store_put_header(section, to + 8);
        store->indexes.used += TRACE_LISTED_BYTES;
    }
}

/* Of the INDEXes from byte `from` of the list on; its offset. */
static u64 write_directory(struct trace_store *store, size_t from, u64 before)
{
    u64 offset = store->offset;
    size_t bytes = store->indexes.used - from;
    struct trace_section section = {
        .kind = TRACE_DIRECTORY, .first = before, .count = bytes / TRACE_LISTED_BYTES,
    };
    trace_store_write_bytes(store, &section, bytes != 0 ? store->indexes.bytes + from : NULL,
                            bytes);
    return offset;
}

/* What was told of the sections since the last one. */
static void write_index(struct trace_store *store)
{
    struct trace_section section = {
        .kind = TRACE_INDEX, .first = store->last_index, .count = store->group_count,
    };
    u64 offset = store->offset;
    if (store->group_count == 0) {
        return;
    }
    trace_store_write_bytes(store, &section, store->group.bytes, store->group.used);
    store->group.used = 0;
    store->group_count = 0;
    store->last_index = offset;
    list_index(store, &section, offset);
    size_t fresh = store->indexes.used - store->indexes_listed;
    if (fresh == (size_t)DIRECTORY_INDEXES * TRACE_LISTED_BYTES) {
        store->last_index = write_directory(store, store->indexes_listed, store->last_directory);
        store->last_directory = store->last_index;
        store->indexes_listed = store->indexes.used;
    }
    write_file_header(store);
}

void trace_store_index(struct trace_store *store)
{
    if (store->group_count >= GROUP_SECTIONS || store->group.used >= GROUP_BYTES) {
        write_index(store);
    }
}

void trace_store_finish(struct trace_store *store)
{
    write_index(store);
    struct trace_section units = {.kind = TRACE_UNITS_AGAIN, .count = store->units.count};
    struct trace_section paths = {.kind = TRACE_PATHS_AGAIN, .count = store->paths.count};
    struct trace_section end = {.kind = TRACE_END, .count = store->offset};
    trace_store_write_bytes(store, &units, store->units.defined.bytes, store->units.defined.used);
    trace_store_write_bytes(store, &paths, store->paths.defined.bytes, store->paths.defined.used);
    end.first = write_directory(store, 0, 0);
    u8 header[TRACE_SECTION_BYTES];
    trace_store_put_header(&end, header);
    trace_store_write(store, header, sizeof(header));
}
