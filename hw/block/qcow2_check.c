/* Checking a qcow2 image: how often is each cluster of the file used, and does its refcount say so?
 * See qcow2.h; qcow2_repair.c mends what is found. */
#include "hw/block/qcow2_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void check_say(struct check *check, const char *format, ...)
{
    char line[256];
    va_list arguments;
    if (check->out->say == NULL || check->quiet) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    check->out->say(check->out->say_opaque, line);
}

static void check_corrupt(struct check *check, const char *what, u64 offset)
{
    check->out->corruptions++;
    check_say(check, "ERROR: %s, at byte %" PRIu64, what, offset);
}

/* Counts a use of the bytes; false when they cannot be there. */
static bool check_use(struct check *check, u64 offset, u64 size_bytes)
{
    struct qcow2 *q = check->q;
    u64 first = offset >> q->cluster_bits;
    u64 end = qcow2_clusters(q, offset + size_bytes);
    if (offset >= 1ull << 56 || end > check->clusters) {
        return false;
    }
    for (u64 at = first; at < end; at++) {
        check->uses[at] += check->uses[at] != UINT32_MAX ? 1 : 0;
        check->end_cluster = at >= check->end_cluster ? at + 1 : check->end_cluster;
    }
    return true;
}

/* ---- L1 and L2 ---- */

/* One L2 entry; `previous` is where the one before it ended, for telling fragments. */
static void check_entry(struct check *check, u64 entry, bool active, u64 *previous)
{
    struct qcow2 *q = check->q;
    enum qcow2_kind kind = qcow2_entry_kind(entry);
    u64 offset = entry & QCOW2_OFFSET_MASK, size_bytes = q->cluster_bytes;
    if (kind == QCOW2_PACKED) {
        qcow2_packed_place(q, entry, &offset, &size_bytes);
        if ((entry & QCOW2_COPIED) != 0) {
            check_corrupt(check, "a compressed cluster marked as used once", offset);
        }
    } else if (kind == QCOW2_ABSENT || offset == 0) {
        return;
    } else if (qcow2_in_cluster(q, offset) != 0) {
        check_corrupt(check, "data between clusters", offset);
        return;
    }
    if (kind == QCOW2_ZEROS && q->version < 3) {
        check_corrupt(check, "a zero cluster in a version 2 image", offset);
    }
    if (!check_use(check, offset, size_bytes)) {
        check_corrupt(check, "data behind the file's end", offset);
    }
    if (active) {
        check->out->allocated++;
        check->out->compressed += kind == QCOW2_PACKED ? 1 : 0;
        check->out->fragmented += kind != QCOW2_PACKED && *previous != 0 && offset != *previous;
        *previous = offset + size_bytes;
    }
}

static int check_l2(struct check *check, u64 l2_offset, bool active, u64 *previous)
{
    struct qcow2 *q = check->q;
    int failed = blk_file_read_bytes(&q->image.file, l2_offset, check->table, q->cluster_bytes);
    for (u64 i = 0; failed == 0 && i < 1ull << q->l2_bits; i++) {
        check_entry(check, ld_be64(check->table + i * 8), active, previous);
    }
    return failed;
}

static int check_l1(struct check *check, const u64 *entries, u64 offset, u64 count, bool active)
{
    struct qcow2 *q = check->q;
    u64 previous = 0;
    int failed = 0;
    if (count != 0 && !check_use(check, offset, count * 8)) {
        check_corrupt(check, "an L1 table behind the file's end", offset);
    }
    for (u64 i = 0; failed == 0 && i < count; i++) {
        u64 l2_offset = entries[i] & QCOW2_OFFSET_MASK;
        if (l2_offset == 0) {
            continue;
        }
        if (qcow2_in_cluster(q, l2_offset) != 0) {
            check_corrupt(check, "an L2 table between clusters", l2_offset);
        } else if (!check_use(check, l2_offset, q->cluster_bytes)) {
            check_corrupt(check, "an L2 table behind the file's end", l2_offset);
        } else {
            failed = check_l2(check, l2_offset, active, &previous);
        }
    }
    return failed;
}

/* ---- Snapshots and bitmaps ---- */

enum { CHECK_SNAPSHOT_BYTES = 40 };

static int check_snapshot_l1(struct check *check, u64 offset, u64 count)
{
    struct qcow2_root root = {0};
    int failed = qcow2_root_read(check->q, &root, offset, count)
                     ? check_l1(check, root.entries, offset, count, false) : EIO;
    free(root.entries);
    return failed;
}

static int check_snapshots(struct check *check)
{
    struct qcow2 *q = check->q;
    u64 at = q->snapshots_offset;
    int failed = 0;
    for (u32 i = 0; failed == 0 && i < q->snapshot_count; i++) {
        u8 head[CHECK_SNAPSHOT_BYTES];
        failed = blk_file_read_bytes(&q->image.file, at, head, sizeof(head));
        u64 l1_offset = ld_be64(head), l1_count = ld_be32(head + 8);
        u64 names_bytes = (ld_be32(head + 12) >> 16) + (ld_be32(head + 12) & 0xffff);
        at = bits_align_up(at + sizeof(head) + ld_be32(head + 36) + names_bytes, 8);
        if (failed != 0) {
            break;
        }
        if (l1_count * 8 > QCOW2_MAX_L1_BYTES || qcow2_in_cluster(q, l1_offset) != 0 ||
            at - q->snapshots_offset > 64u << 20) {
            check_corrupt(check, "a snapshot's L1 table is misplaced", l1_offset);
            return 0;
        }
        failed = check_snapshot_l1(check, l1_offset, l1_count);
    }
    if (failed == 0 && q->snapshot_count != 0 &&
        !check_use(check, q->snapshots_offset, at - q->snapshots_offset)) {
        check_corrupt(check, "the snapshot table is behind the file's end", q->snapshots_offset);
    }
    return failed;
}

/* One bitmap's table, of { offset } entries as L2 has them. */
static int check_bitmap(struct check *check, u64 offset, u64 count)
{
    struct qcow2_root root = {0};
    if (count * 8 > QCOW2_MAX_L1_BYTES || qcow2_in_cluster(check->q, offset) != 0 ||
        !check_use(check, offset, count * 8)) {
        check_corrupt(check, "a bitmap's table is misplaced", offset);
        return 0;
    }
    int failed = qcow2_root_read(check->q, &root, offset, count) ? 0 : EIO;
    for (u64 i = 0; failed == 0 && i < count; i++) {
        u64 data = root.entries[i] & QCOW2_OFFSET_MASK;
        if (data != 0 && !check_use(check, data, check->q->cluster_bytes)) {
            check_corrupt(check, "a bitmap is behind the file's end", data);
        }
    }
    free(root.entries);
    return failed;
}

/* The directory: { u64 table, u32 entries, u32 flags, u8 type, u8 granularity, u16 name bytes,
 * u32 extra bytes }, extra data, name, padding to 8. */
static int check_bitmaps(struct check *check)
{
    struct qcow2 *q = check->q;
    u64 at = 0;
    int failed = 0;
    if (q->bitmap_count != 0 && !check_use(check, q->bitmaps_offset, q->bitmaps_bytes)) {
        check_corrupt(check, "the bitmap directory is behind the file's end", q->bitmaps_offset);
        return 0;
    }
    for (u32 i = 0; failed == 0 && i < q->bitmap_count && at + 24 <= q->bitmaps_bytes; i++) {
        u8 head[24];
        failed = blk_file_read_bytes(&q->image.file, q->bitmaps_offset + at, head, sizeof(head));
        u64 name_bytes = (u64)head[18] << 8 | head[19];
        at = bits_align_up(at + sizeof(head) + name_bytes + ld_be32(head + 20), 8);
        failed = failed != 0 ? failed : check_bitmap(check, ld_be64(head), ld_be32(head + 8));
    }
    return failed;
}

/* ---- The refcounts themselves ---- */

/* Refcount blocks that cannot be used make the whole structure one to be built anew. */
static void check_refcount_places(struct check *check)
{
    struct qcow2 *q = check->q;
    if (!check_use(check, q->reftable.offset, q->reftable.count * 8)) {
        check_corrupt(check, "the refcount table is behind the file's end", q->reftable.offset);
        check->rebuild = true;
    }
    for (u64 i = 0; i < q->reftable.count; i++) {
        u64 offset = q->reftable.entries[i] & ~511ull;
        if (offset == 0) {
            continue;
        }
        if (qcow2_in_cluster(q, offset) != 0 || !check_use(check, offset, q->cluster_bytes)) {
            check_corrupt(check, "a refcount block is misplaced", offset);
            check->rebuild = true;
        } else if (check->uses[offset >> q->cluster_bits] != 1) {
            check_corrupt(check, "a refcount block lies on something else", offset);
            check->rebuild = true;
        }
    }
}

static void check_compare_one(struct check *check, u64 cluster, u64 count)
{
    u64 uses = cluster < check->clusters ? check->uses[cluster] : 0;
    if (count == uses) {
        return;
    }
    bool leak = count > uses;
    check->out->leaks += leak ? 1 : 0;
    check->out->corruptions += leak ? 0 : 1;
    check_say(check, "%s: cluster %" PRIu64 " is used %" PRIu64 " times and counted %" PRIu64,
              leak ? "leak" : "ERROR", cluster, uses, count);
    check_repair_count(check, cluster, uses, leak);
}

/* Clusters without a block count as 0. */
static int check_compare(struct check *check)
{
    struct qcow2 *q = check->q;
    u64 per_block = 1ull << q->block_bits;
    u64 blocks = (check->clusters + per_block - 1) >> q->block_bits;
    blocks = blocks > q->reftable.count ? blocks : q->reftable.count;
    for (u64 i = 0; i < blocks; i++) {
        struct qcow2_table *table = NULL;
        u64 offset = i < q->reftable.count ? q->reftable.entries[i] & ~511ull : 0;
        int failed = offset != 0 ? qcow2_cache_get(q, &q->blocks, offset, &table) : 0;
        if (failed != 0) {
            return failed;
        }
        u64 limit = table != NULL ? per_block
                    : i << q->block_bits < check->clusters
                        ? check->clusters - (i << q->block_bits) : 0;
        for (u64 at = 0; at < limit && at < per_block; at++) {
            u64 count = table == NULL
                            ? 0 : qcow2_refcount_read(table->bytes, at, q->refcount_order);
            check_compare_one(check, (i << q->block_bits) + at, count);
        }
    }
    return 0;
}

/* ---- "Used once" marks ---- */

static bool check_mark_is_right(const struct check *check, u64 entry)
{
    u64 cluster = (entry & QCOW2_OFFSET_MASK) >> check->q->cluster_bits;
    bool once = cluster < check->clusters && check->uses[cluster] == 1;
    return once == ((entry & QCOW2_COPIED) != 0);
}

static bool check_has_mark(u64 entry)
{
    return (entry & QCOW2_COMPRESSED) == 0 && (entry & QCOW2_OFFSET_MASK) != 0;
}

static int check_marks_in(struct check *check, u64 l2_offset)
{
    struct qcow2 *q = check->q;
    struct qcow2_table *table;
    int failed = qcow2_cache_get(q, &q->l2s, l2_offset, &table);
    for (u64 i = 0; failed == 0 && i < 1ull << q->l2_bits; i++) {
        u64 entry = ld_be64(table->bytes + i * 8);
        bool placed = qcow2_in_cluster(q, entry & QCOW2_OFFSET_MASK) == 0;
        if (check_has_mark(entry) && placed && !check_mark_is_right(check, entry)) {
            check_corrupt(check, "data is wrongly marked as used once, or not",
                          entry & QCOW2_OFFSET_MASK);
        }
        check_repair_entry(check, table, i);
    }
    return failed;
}

static int check_marks(struct check *check)
{
    struct qcow2 *q = check->q;
    int failed = 0;
    for (u64 i = 0; failed == 0 && i < q->l1.count; i++) {
        u64 l2_offset = q->l1.entries[i] & QCOW2_OFFSET_MASK;
        if (l2_offset != 0 && qcow2_in_cluster(q, l2_offset) == 0 &&
            !check_mark_is_right(check, q->l1.entries[i])) {
            check_corrupt(check, "an L2 table is wrongly marked as used once, or not", l2_offset);
        }
        check_repair_l1(check, i);
        l2_offset = q->l1.entries[i] & QCOW2_OFFSET_MASK;
        if (l2_offset != 0 && qcow2_in_cluster(q, l2_offset) == 0 &&
            l2_offset >> q->cluster_bits < check->clusters) {
            failed = check_marks_in(check, l2_offset);
        }
    }
    return failed;
}

/* ---- All of it ---- */

static int check_run(struct check *check)
{
    struct qcow2 *q = check->q;
    memset(check->uses, 0, check->clusters * sizeof(u32));
    check->rebuild = false;
    check->out->corruptions = check->out->leaks = 0;
    check->out->allocated = check->out->compressed = check->out->fragmented = 0;
    check_use(check, 0, 1);
    int failed = check_l1(check, q->l1.entries, q->l1.offset, q->l1.count, true);
    failed = failed != 0 ? failed : check_snapshots(check);
    failed = failed != 0 ? failed : check_bitmaps(check);
    if (failed == 0) {
        check_refcount_places(check);
        failed = check->rebuild ? 0 : check_compare(check);
        failed = failed != 0 ? failed : check_marks(check);
    }
    return failed;
}

static bool check_fail(const struct check *check, int failed, struct metic_error *error)
{
    return error_set(error, "Check the host's disk and memory.", "cannot check %s: %s",
                     check->q->image.path, strerror(failed));
}

/* Repairs while looking, then looks again: what the second time finds is left. */
static bool check_and_repair(struct check *check, struct metic_error *error)
{
    struct qcow2_check *out = check->out;
    int failed = check_run(check);
    if (failed != 0) {
        return check_fail(check, failed, error);
    }
    u64 corruptions = out->corruptions, leaks = out->leaks;
    if (check->repair != QCOW2_REPAIR_NONE && corruptions + leaks != 0) {
        failed = check_repair_finish(check);
        check->repair = QCOW2_REPAIR_NONE;
        check->quiet = true;
        failed = failed != 0 ? failed : check_run(check);
        if (failed != 0) {
            return check_fail(check, failed, error);
        }
        out->corruptions_fixed =
            corruptions > out->corruptions ? corruptions - out->corruptions : 0;
        out->leaks_fixed = leaks > out->leaks ? leaks - out->leaks : 0;
    }
    return true;
}

static bool check_alloc(struct check *check, u64 file_bytes, struct metic_error *error)
{
    struct qcow2 *q = check->q;
    check->clusters = qcow2_clusters(q, file_bytes);
    check->uses_bytes = check->clusters * sizeof(u32) + 1;
    check->uses = mmap(NULL, check->uses_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check->table = malloc(q->cluster_bytes);
    return (check->uses != MAP_FAILED && check->table != NULL) ||
           error_set(error, NULL, "out of memory for checking %s", q->image.path);
}

static void check_free(struct check *check)
{
    free(check->table);
    if (check->uses != MAP_FAILED) {
        munmap(check->uses, check->uses_bytes);
    }
}

bool qcow2_check(struct qcow2 *q, struct qcow2_check *out, enum qcow2_repair repair,
                 struct metic_error *error)
{
    struct check check = {.q = q, .out = out, .repair = repair};
    bool ok = check_alloc(&check, q->image.file.size_bytes, error) &&
              check_and_repair(&check, error);
    out->clusters = qcow2_clusters(q, q->image.size_bytes);
    out->end_offset = check.end_cluster << q->cluster_bits;
    if (ok && repair == QCOW2_REPAIR_ALL && out->corruptions == 0 && q->image.writable &&
        (q->incompatible & (QCOW2_DIRTY | QCOW2_CORRUPT)) != 0) {
        q->incompatible &= ~(QCOW2_DIRTY | QCOW2_CORRUPT);
        atomic_store(&q->broken, false);
        int failed = qcow2_header_write_features(q);
        failed = failed != 0 ? failed : blk_file_sync(&q->image.file);
        ok = failed == 0 || check_fail(&check, failed, error);
    }
    check_free(&check);
    return ok;
}
