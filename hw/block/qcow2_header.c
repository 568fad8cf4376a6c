/* The header of a qcow2 image: see qcow2.h. What the image needs and we do not have is refused
 * here, by its name. */
#include "hw/block/qcow2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char damaged_next[] = "Restore it from a copy, or see what metic disk check says.";

static bool header_damaged(const struct qcow2 *q, const char *why, struct metic_error *error)
{
    return error_set(error, damaged_next, "the qcow2 image %s is damaged: %s", q->image.path, why);
}

/* ---- Features ---- */

struct header_feature {
    u64 bit;
    const char *name;
    const char *next;
};

static const struct header_feature refused_features[] = {
    {QCOW2_DATA_FILE, "its data in another file (data_file)",
     "Copy it into one: qemu-img convert -O qcow2 IMAGE NEW."},
    {QCOW2_EXTENDED_L2, "subclusters (extended_l2)",
     "Copy it without: qemu-img convert -O qcow2 -o extended_l2=off IMAGE NEW."},
};

/* The image's own table of feature names: { u8 kind, u8 bit, 46 bytes of name }. */
static void header_name_feature(const u8 *table, u64 table_bytes, unsigned bit, char *name,
                                size_t name_bytes)
{
    snprintf(name, name_bytes, "feature bit %u", bit);
    for (u64 at = 0; at + 48 <= table_bytes; at += 48) {
        if (table[at] == 0 && table[at + 1] == bit) {
            snprintf(name, name_bytes, "'%.46s'", (const char *)table + at + 2);
        }
    }
    for (char *c = name; *c != '\0'; c++) {
        *c = *c >= ' ' && *c < 127 ? *c : '?';
    }
}

static bool header_check_features(const struct qcow2 *q, const u8 *names, u64 names_bytes,
                                  bool repairing, struct metic_error *error)
{
    u64 known = QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION;
    for (size_t i = 0; i < ARRAY_LEN(refused_features); i++) {
        known |= refused_features[i].bit;
        if ((q->incompatible & refused_features[i].bit) != 0) {
            return error_set(error, refused_features[i].next,
                             "the qcow2 image %s has %s, which metic cannot use", q->image.path,
                             refused_features[i].name);
        }
    }
    if ((q->incompatible & ~known) != 0) {
        char name[64];
        unsigned bit = (unsigned)__builtin_ctzll(q->incompatible & ~known);
        header_name_feature(names, names_bytes, bit, name, sizeof(name));
        return error_set(error, "Convert it with the program that made it.",
                         "the qcow2 image %s needs %s, which metic does not know", q->image.path,
                         name);
    }
    if ((q->incompatible & QCOW2_CORRUPT) != 0 && q->image.writable && !repairing) {
        return error_set(error, "Mend it: metic disk check --repair IMAGE; or only read it (:ro).",
                         "the qcow2 image %s is marked corrupt, so it cannot be written",
                         q->image.path);
    }
    return true;
}

/* ---- Extensions ---- */

static bool header_backing_format(struct qcow2 *q, const u8 *bytes, u64 size_bytes,
                                  struct metic_error *error)
{
    static const char *const names[] = {"raw", "qcow2", "vmdk", "vhdx", "vpc", "vdi", "qed",
                                        "qcow", "parallels", "luks", "bochs", "dmg"};
    q->image.backing_format = "unknown";
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i]) == size_bytes && memcmp(names[i], bytes, size_bytes) == 0) {
            q->image.backing_format = names[i];
        }
    }
    return size_bytes <= 64 || header_damaged(q, "the backing format's name is too long", error);
}

static bool header_bitmaps(struct qcow2 *q, const u8 *bytes, u64 size_bytes,
                           struct metic_error *error)
{
    if ((q->autoclear & QCOW2_BITMAPS) == 0) {
        return true; /* out of date: as if there were none */
    }
    if (size_bytes != 24) {
        return header_damaged(q, "its bitmaps extension has another size", error);
    }
    q->bitmap_count = ld_be32(bytes);
    q->bitmaps_bytes = ld_be64(bytes + 8);
    q->bitmaps_offset = ld_be64(bytes + 16);
    if (q->bitmaps_bytes > (1u << 20) * 64 || qcow2_in_cluster(q, q->bitmaps_offset) != 0) {
        return header_damaged(q, "its bitmap directory is misplaced", error);
    }
    return true;
}

/* Finds the next extension at *at; false at their end. */
static bool header_next_extension(const u8 *bytes, u64 end, u64 *at, u32 *type, const u8 **data,
                                  u64 *size_bytes)
{
    if (*at + 8 > end) {
        return false;
    }
    *type = ld_be32(bytes + *at);
    *size_bytes = ld_be32(bytes + *at + 4);
    *data = bytes + *at + 8;
    if (*type == QCOW2_EXT_END || *size_bytes > end - *at - 8) {
        return false;
    }
    *at += 8 + bits_align_up(*size_bytes, 8);
    return true;
}

/* Extensions end where the backing file's name begins, or with the first cluster. */
static u64 header_extensions_end(const struct qcow2 *q, const u8 *bytes)
{
    u64 name = ld_be64(bytes + QCOW2_AT_BACKING_OFFSET);
    return name != 0 && name < q->cluster_bytes ? name : q->cluster_bytes;
}

static bool header_read_extensions(struct qcow2 *q, const u8 *bytes, bool repairing,
                                   struct metic_error *error)
{
    u64 at = q->header_bytes, size_bytes = 0, names_bytes = 0;
    const u8 *data = NULL, *names = bytes;
    u32 type = 0;
    bool ok = true;
    u64 end = header_extensions_end(q, bytes);
    while (ok && header_next_extension(bytes, end, &at, &type, &data, &size_bytes)) {
        if (type == QCOW2_EXT_BACKING_FORMAT) {
            ok = header_backing_format(q, data, size_bytes, error);
        } else if (type == QCOW2_EXT_BITMAPS) {
            ok = header_bitmaps(q, data, size_bytes, error);
        } else if (type == QCOW2_EXT_FEATURES) {
            names = data;
            names_bytes = size_bytes;
        }
    }
    return ok && header_check_features(q, names, names_bytes, repairing, error);
}

/* ---- Reading ---- */

static bool header_read_v3(struct qcow2 *q, const u8 *bytes, struct metic_error *error)
{
    q->refcount_order = 4;
    q->header_bytes = QCOW2_V2_BYTES;
    if (q->version == 2) {
        return true;
    }
    q->incompatible = ld_be64(bytes + QCOW2_AT_INCOMPATIBLE);
    q->compatible = ld_be64(bytes + QCOW2_AT_COMPATIBLE);
    q->autoclear = ld_be64(bytes + QCOW2_AT_AUTOCLEAR);
    q->refcount_order = ld_be32(bytes + QCOW2_AT_REFCOUNT_ORDER);
    q->header_bytes = ld_be32(bytes + QCOW2_AT_HEADER_BYTES);
    if (q->header_bytes < QCOW2_V3_BYTES || q->header_bytes > q->cluster_bytes) {
        return header_damaged(q, "the header's length is impossible", error);
    }
    if (q->refcount_order > 6) {
        return header_damaged(q, "refcounts have more than 64 bits", error);
    }
    q->compression = q->header_bytes > QCOW2_AT_COMPRESSION ? bytes[QCOW2_AT_COMPRESSION] : 0;
    if (q->compression > QCOW2_ZSTD) {
        return error_set(error, "Convert it with the program that made it.",
                         "the qcow2 image %s is compressed in a way metic does not know (type %u)",
                         q->image.path, q->compression);
    }
    if ((q->compression != 0) != ((q->incompatible & QCOW2_COMPRESSION) != 0)) {
        return header_damaged(q, "compression type and its feature bit differ", error);
    }
    return true;
}

static bool header_read_backing_name(struct qcow2 *q, const u8 *bytes, struct metic_error *error)
{
    u64 offset = ld_be64(bytes + QCOW2_AT_BACKING_OFFSET);
    u64 size_bytes = ld_be32(bytes + QCOW2_AT_BACKING_BYTES);
    if (offset == 0) {
        return true;
    }
    if (size_bytes == 0 || size_bytes > QCOW2_MAX_NAME_BYTES || offset > q->cluster_bytes ||
        size_bytes > q->cluster_bytes - offset) {
        return header_damaged(q, "the backing file's name is misplaced", error);
    }
    q->image.backing_name = strndup((const char *)bytes + offset, size_bytes);
    return q->image.backing_name != NULL ||
           error_set(error, NULL, "out of memory for the disk %s", q->image.path);
}

static bool header_is_placed(const struct qcow2 *q, u64 offset, u64 size_bytes)
{
    return qcow2_in_cluster(q, offset) == 0 && offset < (1ull << 56) &&
           size_bytes < (1ull << 56);
}

static bool header_read_tables(struct qcow2 *q, const u8 *bytes, struct metic_error *error)
{
    u64 l1_count = ld_be32(bytes + QCOW2_AT_L1_COUNT);
    u64 l1_offset = ld_be64(bytes + QCOW2_AT_L1_OFFSET);
    u64 reftable_offset = ld_be64(bytes + QCOW2_AT_REFTABLE_OFFSET);
    u64 reftable_bytes = (u64)ld_be32(bytes + QCOW2_AT_REFTABLE_CLUSTERS) << q->cluster_bits;
    u64 l1_shift = q->l2_bits + q->cluster_bits;
    u64 wanted = (q->image.size_bytes >> l1_shift) +
                 ((q->image.size_bytes & ((1ull << l1_shift) - 1)) != 0);
    q->snapshot_count = ld_be32(bytes + QCOW2_AT_SNAPSHOT_COUNT);
    q->snapshots_offset = ld_be64(bytes + QCOW2_AT_SNAPSHOTS_OFFSET);
    if (l1_count * 8 > QCOW2_MAX_L1_BYTES || wanted > l1_count ||
        !header_is_placed(q, l1_offset, l1_count * 8) || (l1_count > 0 && l1_offset == 0)) {
        return header_damaged(q, "the L1 table is misplaced, too large or too small", error);
    }
    if (reftable_bytes == 0 || reftable_bytes > QCOW2_MAX_REFTABLE_BYTES ||
        !header_is_placed(q, reftable_offset, reftable_bytes) || reftable_offset == 0) {
        return header_damaged(q, "the refcount table is misplaced or too large", error);
    }
    u64 file_bytes = atomic_load(&q->image.file.size_bytes);
    if (l1_offset + l1_count * 8 > file_bytes || reftable_offset >= file_bytes) {
        return header_damaged(q, "the file is cut short: its tables lie beyond its end", error);
    }
    if (q->snapshot_count > QCOW2_MAX_SNAPSHOTS ||
        !header_is_placed(q, q->snapshots_offset, 0)) {
        return header_damaged(q, "the snapshot table is misplaced or too large", error);
    }
    if (!qcow2_root_read(q, &q->l1, l1_offset, l1_count) ||
        !qcow2_root_read(q, &q->reftable, reftable_offset, reftable_bytes / 8)) {
        return error_set(error, "Check the host's disk and memory.",
                         "cannot read the tables of the qcow2 image %s", q->image.path);
    }
    return true;
}

static bool header_check_start(struct qcow2 *q, const u8 *bytes, struct metic_error *error)
{
    if (ld_be32(bytes) != QCOW2_MAGIC) {
        return error_set(error, "Leave the format away, or say raw.",
                         "the disk %s is no qcow2 image", q->image.path);
    }
    q->version = ld_be32(bytes + QCOW2_AT_VERSION);
    q->cluster_bits = ld_be32(bytes + QCOW2_AT_CLUSTER_BITS);
    if (q->version != 2 && q->version != 3) {
        return error_set(error, "Convert it: qemu-img convert -O qcow2 IMAGE NEW.",
                         "the disk %s is qcow2 of version %u; metic knows 2 and 3",
                         q->image.path, q->version);
    }
    if (q->cluster_bits < QCOW2_MIN_CLUSTER_BITS || q->cluster_bits > QCOW2_MAX_CLUSTER_BITS) {
        return header_damaged(q, "its clusters are not of 512 bytes to 2 MiB", error);
    }
    if (ld_be32(bytes + QCOW2_AT_CRYPT) != 0) {
        return error_set(error, "Decrypt it: qemu-img convert with --image-opts and its secret.",
                         "the qcow2 image %s is encrypted", q->image.path);
    }
    return true;
}

bool qcow2_header_read(struct qcow2 *q, bool repairing, struct metic_error *error)
{
    u8 start[QCOW2_OUR_BYTES];
    if (blk_file_read_bytes(&q->image.file, 0, start, sizeof(start)) != 0) {
        return error_set(error, "Check the host's disk.", "cannot read the disk %s",
                         q->image.path);
    }
    if (!header_check_start(q, start, error)) {
        return false;
    }
    q->cluster_bytes = 1ull << q->cluster_bits;
    q->l2_bits = q->cluster_bits - 3;
    u64 size_bytes = ld_be64(start + QCOW2_AT_SIZE);
    if (size_bytes == 0 || size_bytes > (u64)INT64_MAX - q->cluster_bytes) {
        return header_damaged(q, "the disk's size is impossible", error);
    }
    q->image.size_bytes = bits_align_up(size_bytes, BLK_SECTOR_BYTES);
    u8 *bytes = malloc(q->cluster_bytes);
    if (bytes == NULL || blk_file_read_bytes(&q->image.file, 0, bytes, q->cluster_bytes) != 0) {
        free(bytes);
        return error_set(error, "Check the host's disk.", "cannot read the disk %s",
                         q->image.path);
    }
    bool ok = header_read_v3(q, bytes, error) &&
              header_read_extensions(q, bytes, repairing, error) &&
              header_read_backing_name(q, bytes, error);
    q->block_bits = q->cluster_bits + 3 - q->refcount_order;
    ok = ok && header_read_tables(q, bytes, error);
    free(bytes);
    return ok;
}

/* ---- Writing ---- */

int qcow2_header_write_u64(struct qcow2 *q, unsigned at, u64 value)
{
    u8 bytes[8];
    st_be64(bytes, value);
    return blk_file_write_bytes(&q->image.file, at, bytes, sizeof(bytes));
}

int qcow2_header_write_features(struct qcow2 *q)
{
    u8 bytes[24];
    st_be64(bytes, q->incompatible);
    st_be64(bytes + 8, q->compatible);
    st_be64(bytes + 16, q->autoclear);
    return q->version < 3 ? 0
                          : blk_file_write_bytes(&q->image.file, QCOW2_AT_INCOMPATIBLE, bytes,
                                                 sizeof(bytes));
}

static void header_build_fields(const struct qcow2 *q, u8 *bytes)
{
    st_be32(bytes, QCOW2_MAGIC);
    st_be32(bytes + QCOW2_AT_VERSION, q->version);
    st_be32(bytes + QCOW2_AT_CLUSTER_BITS, q->cluster_bits);
    st_be64(bytes + QCOW2_AT_SIZE, q->image.size_bytes);
    st_be32(bytes + QCOW2_AT_L1_COUNT, (u32)q->l1.count);
    st_be64(bytes + QCOW2_AT_L1_OFFSET, q->l1.offset);
    st_be64(bytes + QCOW2_AT_REFTABLE_OFFSET, q->reftable.offset);
    st_be32(bytes + QCOW2_AT_REFTABLE_CLUSTERS, (u32)qcow2_clusters(q, q->reftable.count * 8));
    st_be32(bytes + QCOW2_AT_SNAPSHOT_COUNT, q->snapshot_count);
    st_be64(bytes + QCOW2_AT_SNAPSHOTS_OFFSET, q->snapshots_offset);
    if (q->version >= 3) {
        st_be64(bytes + QCOW2_AT_INCOMPATIBLE, q->incompatible);
        st_be64(bytes + QCOW2_AT_COMPATIBLE, q->compatible);
        st_be64(bytes + QCOW2_AT_AUTOCLEAR, q->autoclear);
        st_be32(bytes + QCOW2_AT_REFCOUNT_ORDER, q->refcount_order);
        st_be32(bytes + QCOW2_AT_HEADER_BYTES, q->header_bytes);
        if (q->header_bytes > QCOW2_AT_COMPRESSION) {
            bytes[QCOW2_AT_COMPRESSION] = q->compression;
        }
    }
}

static bool header_put_extension(u8 *bytes, u64 end, u64 *at, u32 type, const void *data,
                                 u64 size_bytes)
{
    if (*at + 8 > end || size_bytes > end - *at - 8) {
        return false;
    }
    st_be32(bytes + *at, type);
    st_be32(bytes + *at + 4, (u32)size_bytes);
    memcpy(bytes + *at + 8, data, size_bytes);
    *at += 8 + bits_align_up(size_bytes, 8);
    return *at <= end;
}

/* Puts the names behind what stands in the cluster up to `at`. */
static bool header_put_names(const struct qcow2 *q, u8 *bytes, u64 at, const char *name,
                             const char *format)
{
    u64 end = q->cluster_bytes;
    st_be64(bytes + QCOW2_AT_BACKING_OFFSET, 0);
    st_be32(bytes + QCOW2_AT_BACKING_BYTES, 0);
    if (format != NULL && !header_put_extension(bytes, end, &at, QCOW2_EXT_BACKING_FORMAT, format,
                                                strlen(format))) {
        return false;
    }
    if (!header_put_extension(bytes, end, &at, QCOW2_EXT_END, "", 0)) {
        return false;
    }
    if (name != NULL) {
        size_t name_bytes = strlen(name);
        if (name_bytes > QCOW2_MAX_NAME_BYTES || name_bytes > end - at) {
            return false;
        }
        memcpy(bytes + at, name, name_bytes);
        st_be64(bytes + QCOW2_AT_BACKING_OFFSET, at);
        st_be32(bytes + QCOW2_AT_BACKING_BYTES, (u32)name_bytes);
    }
    return true;
}

bool qcow2_header_build(const struct qcow2 *q, u8 *bytes, const char *backing_name,
                        const char *backing_format)
{
    memset(bytes, 0, q->cluster_bytes);
    header_build_fields(q, bytes);
    return header_put_names(q, bytes, q->header_bytes, backing_name, backing_format);
}

/* Copies the other extensions; the table of feature names, which is for people, goes when there
 * is little room. */
static u64 header_keep_extensions(const struct qcow2 *q, const u8 *old, u8 *bytes, bool names)
{
    u64 from = q->header_bytes, to = q->header_bytes, size_bytes = 0;
    const u8 *data = NULL;
    u32 type = 0;
    u64 end = header_extensions_end(q, old);
    while (header_next_extension(old, end, &from, &type, &data, &size_bytes)) {
        if (type != QCOW2_EXT_BACKING_FORMAT && (names || type != QCOW2_EXT_FEATURES)) {
            header_put_extension(bytes, q->cluster_bytes, &to, type, data, size_bytes);
        }
    }
    return to;
}

bool qcow2_header_set_backing(struct blk_image *image, const char *path, const char *format,
                              struct metic_error *error)
{
    struct qcow2 *q = qcow2_of(image);
    u8 *old = malloc(q->cluster_bytes);
    u8 *bytes = calloc(1, q->cluster_bytes);
    char *name = path != NULL ? strdup(path) : NULL;
    bool ok = old != NULL && bytes != NULL && (path == NULL || name != NULL);
    int failed = ok ? blk_file_read_bytes(&image->file, 0, old, q->cluster_bytes) : ENOMEM;
    if (failed == 0) {
        memcpy(bytes, old, q->header_bytes);
        u64 at = header_keep_extensions(q, old, bytes, true);
        if (!header_put_names(q, bytes, at, path, format)) {
            memset(bytes + q->header_bytes, 0, q->cluster_bytes - q->header_bytes);
            at = header_keep_extensions(q, old, bytes, false);
            failed = header_put_names(q, bytes, at, path, format) ? 0 : ENAMETOOLONG;
        }
    }
    failed = failed != 0 ? failed : blk_file_write_bytes(&image->file, 0, bytes, q->cluster_bytes);
    failed = failed != 0 ? failed : blk_file_sync(&image->file);
    free(old);
    free(bytes);
    if (failed != 0) {
        free(name);
        return error_set(error, "Use a shorter path, or look whether the host has room.",
                         "cannot write the header of %s: %s", image->path, strerror(failed));
    }
    free(image->backing_name);
    image->backing_name = name;
    return header_backing_format(q, (const u8 *)(format != NULL ? format : ""),
                                 format != NULL ? strlen(format) : 0, error) &&
           (format != NULL || (image->backing_format = NULL, true));
}
