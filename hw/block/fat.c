/* See fat.h. */
#include "hw/block/fat.h"

#include "cpu/base/bits.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    FAT_ENTRY_BYTES = 32,
    FAT_ATTRIBUTE_LABEL = 0x08,
    FAT_ATTRIBUTE_DIRECTORY = 0x10,
    FAT_ATTRIBUTE_LONG = 0x0f,
    FAT_LONG_UNITS = 13, /* of UTF-16 in one entry */
    FAT_MAX_NAME = 255,
    FAT_MAX_ENTRIES = 65536, /* in a directory, by the specification */
};

/* A name being put together from its entries, the last part first. */
struct fat_name {
    char text[FAT_MAX_NAME + 1]; /* what is no ASCII is '?' */
    u8 next;                     /* the ordinal that must follow; 0: no long name under way */
    u8 checksum;
    bool whole;
};

static void fat_copy_label(char *to, size_t to_bytes, const u8 *from, size_t from_bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < from_bytes && used + 1 < to_bytes; i++) {
        to[used++] = from[i] >= ' ' && from[i] < 0x7f ? (char)from[i] : '?';
    }
    while (used > 0 && to[used - 1] == ' ') {
        used--;
    }
    to[used] = '\0';
}

/* Sector sizes and counts that make sense together. */
static bool fat_read_geometry(struct fat *fat, const u8 *boot)
{
    u32 reserved = ld_le16(boot + 14), fats = boot[16], root_entries = ld_le16(boot + 17);
    u32 sectors = ld_le16(boot + 19) != 0 ? ld_le16(boot + 19) : ld_le32(boot + 32);
    u32 fat_sectors = ld_le16(boot + 22) != 0 ? ld_le16(boot + 22) : ld_le32(boot + 36);
    u32 per_cluster = boot[13];
    fat->sector_bytes = ld_le16(boot + 11);
    if (fat->sector_bytes < 512 || fat->sector_bytes > 4096 ||
        (fat->sector_bytes & (fat->sector_bytes - 1)) != 0 || per_cluster == 0 ||
        (per_cluster & (per_cluster - 1)) != 0 || reserved == 0 || fats == 0 || fats > 2 ||
        fat_sectors == 0) {
        return false;
    }
    u64 root_sectors = ((u64)root_entries * FAT_ENTRY_BYTES + fat->sector_bytes - 1) /
                       fat->sector_bytes;
    u64 data_sector = reserved + (u64)fats * fat_sectors + root_sectors;
    if (data_sector >= sectors) {
        return false;
    }
    fat->cluster_bytes = fat->sector_bytes * per_cluster;
    fat->cluster_count = (u32)((sectors - data_sector) / per_cluster);
    fat->bits = fat->cluster_count < 4085 ? 12 : fat->cluster_count < 65525 ? 16 : 32;
    fat->fat_offset = (u64)reserved * fat->sector_bytes;
    fat->root_offset = (reserved + (u64)fats * fat_sectors) * fat->sector_bytes;
    fat->root_bytes = (u64)root_entries * FAT_ENTRY_BYTES;
    fat->data_offset = data_sector * fat->sector_bytes;
    /* FAT32 says so by having no root directory of fixed size. */
    return (fat->bits == 32) == (root_entries == 0);
}

bool fat_open(struct fat *fat, const struct disk_source *source, u64 offset, u64 size_bytes)
{
    u8 boot[512];
    *fat = (struct fat){.source = source, .offset = offset, .size_bytes = size_bytes};
    if (!disk_source_read(source, offset, boot, sizeof(boot)) || boot[510] != 0x55 ||
        boot[511] != 0xaa || !fat_read_geometry(fat, boot)) {
        return false;
    }
    fat->root_cluster = fat->bits == 32 ? ld_le32(boot + 44) : 0;
    unsigned label = fat->bits == 32 ? 71 : 43;
    if (boot[label - 5] == 0x29) { /* extended boot signature */
        fat_copy_label(fat->label, sizeof(fat->label), boot + label, 11);
    }
    return true;
}

/* What follows a cluster in its chain; 0 at the end, or where the chain is damaged. */
static u32 fat_next(const struct fat *fat, u32 cluster)
{
    u8 bytes[4] = {0};
    u64 at = fat->bits == 12 ? cluster + cluster / 2 : (u64)cluster * (fat->bits / 8);
    if (fat->fat_offset + at + 4 > fat->size_bytes ||
        !disk_source_read(fat->source, fat->offset + fat->fat_offset + at, bytes, 4)) {
        return 0;
    }
    u32 next = ld_le32(bytes);
    if (fat->bits == 12) {
        next = ((cluster & 1) != 0 ? next >> 4 : next) & 0xfff;
    } else {
        next = fat->bits == 16 ? next & 0xffff : next & 0x0fffffff;
    }
    return next >= 2 && next - 2 < fat->cluster_count ? next : 0;
}

/* One more entry of a long name; its parts come in falling order. */
static void fat_name_add(struct fat_name *name, const u8 *entry)
{
    static const u8 at[FAT_LONG_UNITS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    u8 ordinal = entry[0] & 0x3f;
    if ((entry[0] & 0x40) != 0) {
        memset(name->text, 0, sizeof(name->text));
        name->checksum = entry[13];
        name->next = ordinal;
    }
    if (ordinal == 0 || ordinal != name->next || entry[13] != name->checksum) {
        *name = (struct fat_name){.next = 0};
        return;
    }
    for (unsigned i = 0; i < FAT_LONG_UNITS; i++) {
        unsigned place = (ordinal - 1u) * FAT_LONG_UNITS + i;
        u16 unit = ld_le16(entry + at[i]);
        if (unit == 0 || place >= FAT_MAX_NAME) {
            break;
        }
        name->text[place] = unit < 0x7f ? (char)unit : '?';
    }
    name->whole = ordinal == 1;
    name->next--;
}

/* The name of the entry: the long one that preceded it, if it belongs to it, or its own. */
static void fat_name_finish(struct fat_name *name, const u8 *entry)
{
    u8 sum = 0;
    for (unsigned i = 0; i < 11; i++) {
        sum = (u8)((u8)((sum & 1) << 7 | sum >> 1) + entry[i]);
    }
    if (name->whole && sum == name->checksum) {
        return;
    }
    char base[9], extension[4];
    fat_copy_label(base, sizeof(base), entry, 8);
    fat_copy_label(extension, sizeof(extension), entry + 8, 3);
    snprintf(name->text, sizeof(name->text), "%s%s%s", base, extension[0] != '\0' ? "." : "",
             extension);
}

/* Looks through a piece of a directory. 1: found; 0: go on; -1: the directory ends here. */
static int fat_search(const struct fat *fat, const u8 *bytes, size_t size_bytes,
                      struct fat_name *name, const char *wanted, struct fat_file *file)
{
    for (const u8 *entry = bytes; entry < bytes + size_bytes; entry += FAT_ENTRY_BYTES) {
        if (entry[0] == 0) {
            return -1;
        }
        if (entry[0] != 0xe5 && (entry[11] & 0x3f) == FAT_ATTRIBUTE_LONG) {
            fat_name_add(name, entry);
            continue;
        }
        if (entry[0] != 0xe5 && (entry[11] & FAT_ATTRIBUTE_LABEL) == 0) {
            fat_name_finish(name, entry);
            if (strcasecmp(name->text, wanted) == 0) {
                u32 high = fat->bits == 32 ? ld_le16(entry + 20) : 0;
                *file = (struct fat_file){high << 16 | ld_le16(entry + 26), ld_le32(entry + 28),
                                          (entry[11] & FAT_ATTRIBUTE_DIRECTORY) != 0};
                return 1;
            }
        }
        *name = (struct fat_name){.next = 0};
    }
    return 0;
}

/* Reads the directory in pieces of at most a sector, which hold whole entries. */
static int fat_search_range(const struct fat *fat, u64 at, u64 size_bytes, struct fat_name *name,
                            const char *wanted, struct fat_file *file)
{
    u8 piece[512];
    for (u64 done = 0; done < size_bytes; done += sizeof(piece)) {
        size_t bytes = size_bytes - done < sizeof(piece) ? (size_t)(size_bytes - done)
                                                         : sizeof(piece);
        if (at + done + bytes > fat->size_bytes ||
            !disk_source_read(fat->source, fat->offset + at + done, piece, bytes)) {
            return -1;
        }
        int found = fat_search(fat, piece, bytes, name, wanted, file);
        if (found != 0) {
            return found;
        }
    }
    return 0;
}

static bool fat_find_in(const struct fat *fat, u32 cluster, const char *wanted,
                        struct fat_file *file)
{
    struct fat_name name = {.next = 0};
    if (cluster == 0 && fat->bits != 32) {
        return fat_search_range(fat, fat->root_offset, fat->root_bytes, &name, wanted, file) == 1;
    }
    cluster = cluster == 0 ? fat->root_cluster : cluster;
    u64 limit = (u64)FAT_MAX_ENTRIES * FAT_ENTRY_BYTES;
    for (u64 done = 0; cluster >= 2 && cluster - 2 < fat->cluster_count && done < limit;
         done += fat->cluster_bytes) {
        u64 at = fat->data_offset + (u64)(cluster - 2) * fat->cluster_bytes;
        int found = fat_search_range(fat, at, fat->cluster_bytes, &name, wanted, file);
        if (found != 0) {
            return found == 1;
        }
        cluster = fat_next(fat, cluster);
    }
    return false;
}

bool fat_find(const struct fat *fat, const char *path, struct fat_file *file)
{
    *file = (struct fat_file){.is_directory = true};
    while (*path != '\0') {
        char name[FAT_MAX_NAME + 1];
        size_t name_bytes = strcspn(path, "/");
        if (name_bytes >= sizeof(name) || !file->is_directory) {
            return false;
        }
        memcpy(name, path, name_bytes);
        name[name_bytes] = '\0';
        if (!fat_find_in(fat, file->cluster, name, file)) {
            return false;
        }
        path += name_bytes;
        path += *path == '/';
    }
    return true;
}
