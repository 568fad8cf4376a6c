/* QEMU's firmware configuration device (QEMU docs/specs/fw_cfg.rst), memory-mapped form.
 *
 *   0x00  data      1 to 8 bytes; each read takes the next bytes of the selected item, the lowest
 *                   address first (so that wide reads keep the byte order of the item)
 *   0x08  selector  16 bits, big-endian: chooses an item and goes to its start
 *   0x10  DMA       64 bits, big-endian: the guest address of a control block; writing the low
 *                   half (at 0x14) starts the transfer. Reading gives "QEMU CFG".
 *
 * Items: fixed keys (the machine's size, kernel and initrd for firmware that loads them), and files
 * by name, listed in the directory item 0x19: a big-endian count, then 64 bytes each {u32 size,
 * u16 key, u16 zero, name[56]}, all big-endian, sorted by name. Item 0 is "QEMU", item 1 the
 * feature bits (1 traditional, 2 DMA). Past an item's end one reads zeros.
 *
 * A control block is 16 bytes, big-endian: u32 control, u32 length, u64 address. Control bits:
 * 1 error, 2 read, 4 skip, 8 select (key in bits 31:16), 16 write. When done, control is written
 * back as 0, or as 1 when the block or the buffer was not RAM, or when a write was asked for where
 * it cannot be. A few files can be written, by DMA alone (fw_cfg_add_writable); traditional writes
 * to data are ignored as in QEMU since 2.4.
 *
 * The guest's addresses and lengths are not trusted: a transfer moves no more than the item holds
 * plus zeros to what memory accepts, and it stops at the first part that is no RAM, so that a
 * length of 4 GiB costs no more than the guest's RAM does. */
#include "hw/misc/fw_cfg.h"

#include "hw/fdt_build.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FW_CFG_MAX_FILES = 40,
    FW_CFG_ITEMS = FW_CFG_FILE_FIRST + FW_CFG_MAX_FILES,
    FW_CFG_NAME_BYTES = 56,
    FW_CFG_ENTRY_BYTES = 64,
    FW_CFG_KEY_MASK = 0x3fff, /* bits 14 (write) and 15 (architecture) are not part of the index */

    FW_CFG_SELECTOR = 0x08,
    FW_CFG_DMA = 0x10,
    FW_CFG_REGION_BYTES = 0x18,

    DMA_ERROR = 1,
    DMA_READ = 2,
    DMA_SKIP = 4,
    DMA_SELECT = 8,
    DMA_WRITE = 16,
    DMA_BLOCK_BYTES = 16,

    FW_CFG_VERSION_BITS = 3, /* traditional interface and DMA */
};

#define FW_CFG_DMA_SIGNATURE 0x51454d5520434647u /* "QEMU CFG" */

struct fw_cfg_item {
    u8 *bytes; /* heap */
    u32 size_bytes;
    fw_cfg_written_fn *written; /* NULL: it cannot be written */
    void *opaque;
};

struct fw_cfg_saved {
    u64 dma_gpa;
    u32 position;
    u16 key;
    u16 unused; /* padding, spelled out */
};

#define FW_CFG_SAVED(FIELD, T) \
    FIELD(T, dma_gpa) FIELD(T, position) FIELD(T, key) FIELD(T, unused)
STATE_LIST(fw_cfg_saved, struct fw_cfg_saved, FW_CFG_SAVED);

struct fw_cfg {
    struct fw_cfg_saved saved;
    struct fw_cfg_item items[FW_CFG_ITEMS]; /* what the board puts in: the same after a restore */
    char names[FW_CFG_MAX_FILES][FW_CFG_NAME_BYTES];
    unsigned file_count;
};

/* The selected item; an empty one for keys that do not exist. */
static struct fw_cfg_item fw_cfg_selected(const struct fw_cfg *fw_cfg)
{
    unsigned index = fw_cfg->saved.key & FW_CFG_KEY_MASK;
    bool architecture = (fw_cfg->saved.key & 0x8000) != 0;
    if (architecture || index >= FW_CFG_ITEMS) {
        return (struct fw_cfg_item){0};
    }
    return fw_cfg->items[index];
}

static void fw_cfg_select(struct fw_cfg *fw_cfg, u16 key)
{
    fw_cfg->saved.key = key;
    fw_cfg->saved.position = 0;
}

static u32 fw_cfg_left_bytes(const struct fw_cfg *fw_cfg, const struct fw_cfg_item *item)
{
    return fw_cfg->saved.position < item->size_bytes ? item->size_bytes - fw_cfg->saved.position
                                                     : 0;
}

static u64 fw_cfg_read_data(struct fw_cfg *fw_cfg, unsigned size_bytes)
{
    struct fw_cfg_item item = fw_cfg_selected(fw_cfg);
    u8 bytes[8] = {0};
    for (unsigned i = 0; i < size_bytes && fw_cfg_left_bytes(fw_cfg, &item) > 0; i++) {
        bytes[i] = item.bytes[fw_cfg->saved.position++];
    }
    return ld_le(bytes, size_bytes);
}

/* Moves `length_bytes` of the item, then zeros, to guest memory. */
static bool fw_cfg_dma_read(struct device *device, gpa_t gpa, u32 length_bytes)
{
    static const u8 zeros[4096];
    struct fw_cfg *fw_cfg = device->state;
    struct fw_cfg_item item = fw_cfg_selected(fw_cfg);
    u32 part = fw_cfg_left_bytes(fw_cfg, &item);
    part = part < length_bytes ? part : length_bytes;
    if (part > 0 && !memory_dma_write(device->env->memory, gpa,
                                      item.bytes + fw_cfg->saved.position, part)) {
        return false;
    }
    fw_cfg->saved.position += part;
    u64 at = gpa + part;
    for (u32 left = length_bytes - part; left > 0;) {
        u32 chunk = left < sizeof(zeros) ? left : (u32)sizeof(zeros);
        if (!memory_dma_write(device->env->memory, at, zeros, chunk)) {
            return false;
        }
        at += chunk;
        left -= chunk;
    }
    return true;
}

/* False when it is no item that can be written, or the bytes do not fit into it. */
static bool fw_cfg_dma_store(struct device *device, gpa_t gpa, u32 length_bytes)
{
    struct fw_cfg *fw_cfg = device->state;
    struct fw_cfg_item item = fw_cfg_selected(fw_cfg);
    if (item.written == NULL || length_bytes > fw_cfg_left_bytes(fw_cfg, &item) ||
        !memory_dma_read(device->env->memory, gpa, item.bytes + fw_cfg->saved.position,
                         length_bytes)) {
        return false;
    }
    fw_cfg->saved.position += length_bytes;
    item.written(item.opaque, item.bytes, item.size_bytes);
    return true;
}

static void fw_cfg_dma_skip(struct fw_cfg *fw_cfg, u32 length_bytes)
{
    struct fw_cfg_item item = fw_cfg_selected(fw_cfg);
    u32 left = fw_cfg_left_bytes(fw_cfg, &item);
    fw_cfg->saved.position += left < length_bytes ? left : length_bytes;
}

static void fw_cfg_dma(struct device *device)
{
    struct fw_cfg *fw_cfg = device->state;
    struct memory *memory = device->env->memory;
    gpa_t block_gpa = fw_cfg->saved.dma_gpa;
    u8 block[DMA_BLOCK_BYTES];
    u8 status[4];
    fw_cfg->saved.dma_gpa = 0;
    if (!memory_dma_read(memory, block_gpa, block, sizeof(block))) {
        device_guest_error(device, "DMA control block outside RAM");
        st_be32(status, DMA_ERROR);
        memory_dma_write(memory, block_gpa, status, sizeof(status));
        return;
    }
    u32 control = ld_be32(block);
    u32 length_bytes = ld_be32(block + 4);
    u64 gpa = ld_be64(block + 8);
    bool ok = true;
    if ((control & DMA_SELECT) != 0) {
        fw_cfg_select(fw_cfg, (u16)(control >> 16));
    }
    if ((control & DMA_READ) != 0) {
        ok = fw_cfg_dma_read(device, gpa, length_bytes);
    } else if ((control & DMA_WRITE) != 0) {
        ok = fw_cfg_dma_store(device, gpa, length_bytes);
    } else if ((control & DMA_SKIP) != 0) {
        fw_cfg_dma_skip(fw_cfg, length_bytes);
    }
    if (!ok) {
        device_guest_error(device, "DMA to what is not RAM, or a write to an item");
    }
    st_be32(status, ok ? 0 : DMA_ERROR);
    memory_dma_write(memory, block_gpa, status, sizeof(status));
}

/* `value` as it lies in memory, seen as a big-endian number. */
static u64 fw_cfg_swap(u64 value, unsigned size_bytes)
{
    return __builtin_bswap64(value) >> (64 - 8 * size_bytes);
}

static u64 fw_cfg_read(struct device *device, u64 offset, unsigned size_bytes)
{
    struct fw_cfg *fw_cfg = device->state;
    if (offset < FW_CFG_SELECTOR) {
        return fw_cfg_read_data(fw_cfg, size_bytes);
    }
    if (offset >= FW_CFG_DMA && offset + size_bytes <= FW_CFG_REGION_BYTES) {
        u8 bytes[8];
        st_be64(bytes, FW_CFG_DMA_SIGNATURE);
        return ld_le(bytes + (offset - FW_CFG_DMA), size_bytes);
    }
    return 0;
}

static void fw_cfg_write_dma(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct fw_cfg *fw_cfg = device->state;
    u64 number = fw_cfg_swap(value, size_bytes);
    if (offset == FW_CFG_DMA && size_bytes == 8) {
        fw_cfg->saved.dma_gpa = number;
        fw_cfg_dma(device);
    } else if (offset == FW_CFG_DMA && size_bytes == 4) {
        fw_cfg->saved.dma_gpa = number << 32;
    } else if (offset == FW_CFG_DMA + 4 && size_bytes == 4) {
        fw_cfg->saved.dma_gpa |= number;
        fw_cfg_dma(device);
    } else {
        device_guest_error(device, "DMA address written in pieces");
    }
}

static void fw_cfg_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct fw_cfg *fw_cfg = device->state;
    if (offset == FW_CFG_SELECTOR && size_bytes == 2) {
        fw_cfg_select(fw_cfg, (u16)fw_cfg_swap(value, 2));
    } else if (offset >= FW_CFG_DMA) {
        fw_cfg_write_dma(device, offset, value, size_bytes);
    } else {
        device_guest_error(device, "write to a register that cannot be written");
    }
}

bool fw_cfg_set_bytes(struct device *device, unsigned key, const void *bytes, u32 size_bytes,
                      struct metic_error *error)
{
    struct fw_cfg *fw_cfg = device->state;
    CHECK(key < FW_CFG_ITEMS);
    u8 *copy = malloc((size_t)size_bytes + 1);
    if (copy == NULL) {
        return error_set(error, NULL, "out of memory for %u bytes of firmware configuration",
                         size_bytes);
    }
    if (size_bytes > 0) {
        memcpy(copy, bytes, size_bytes);
    }
    device_lock(device);
    free(fw_cfg->items[key].bytes);
    fw_cfg->items[key].bytes = copy;
    fw_cfg->items[key].size_bytes = size_bytes;
    device_unlock(device);
    return true;
}

bool fw_cfg_set_u16(struct device *device, unsigned key, u16 value, struct metic_error *error)
{
    u8 bytes[2];
    st_le16(bytes, value);
    return fw_cfg_set_bytes(device, key, bytes, sizeof(bytes), error);
}

bool fw_cfg_set_u32(struct device *device, unsigned key, u32 value, struct metic_error *error)
{
    u8 bytes[4];
    st_le32(bytes, value);
    return fw_cfg_set_bytes(device, key, bytes, sizeof(bytes), error);
}

bool fw_cfg_set_u64(struct device *device, unsigned key, u64 value, struct metic_error *error)
{
    u8 bytes[8];
    st_le64(bytes, value);
    return fw_cfg_set_bytes(device, key, bytes, sizeof(bytes), error);
}

/* Rewrites the directory from the names and sizes. */
static bool fw_cfg_write_directory(struct device *device, struct metic_error *error)
{
    struct fw_cfg *fw_cfg = device->state;
    u8 directory[4 + FW_CFG_MAX_FILES * FW_CFG_ENTRY_BYTES] = {0};
    st_be32(directory, fw_cfg->file_count);
    for (unsigned i = 0; i < fw_cfg->file_count; i++) {
        u8 *entry = directory + 4 + i * FW_CFG_ENTRY_BYTES;
        st_be32(entry, fw_cfg->items[FW_CFG_FILE_FIRST + i].size_bytes);
        st_be32(entry + 4, (FW_CFG_FILE_FIRST + i) << 16);
        memcpy(entry + 8, fw_cfg->names[i], FW_CFG_NAME_BYTES);
    }
    return fw_cfg_set_bytes(device, FW_CFG_FILE_DIR, directory,
                            4 + fw_cfg->file_count * FW_CFG_ENTRY_BYTES, error);
}

/* Makes room for `name` where it belongs in the order; its index, or FW_CFG_MAX_FILES when full. */
static unsigned fw_cfg_place_file(struct fw_cfg *fw_cfg, const char *name)
{
    unsigned at = 0;
    while (at < fw_cfg->file_count && strcmp(fw_cfg->names[at], name) < 0) {
        at++;
    }
    if (at < fw_cfg->file_count && strcmp(fw_cfg->names[at], name) == 0) {
        return at;
    }
    if (fw_cfg->file_count == FW_CFG_MAX_FILES) {
        return FW_CFG_MAX_FILES;
    }
    unsigned after = fw_cfg->file_count - at;
    struct fw_cfg_item *items = fw_cfg->items + FW_CFG_FILE_FIRST;
    memmove(items + at + 1, items + at, after * sizeof(*items));
    memmove(fw_cfg->names[at + 1], fw_cfg->names[at], after * sizeof(fw_cfg->names[0]));
    items[at] = (struct fw_cfg_item){0};
    memset(fw_cfg->names[at], 0, FW_CFG_NAME_BYTES);
    snprintf(fw_cfg->names[at], FW_CFG_NAME_BYTES, "%s", name);
    fw_cfg->file_count++;
    return at;
}

bool fw_cfg_set_file(struct device *device, const char *name, const void *bytes, u32 size_bytes,
                     struct metic_error *error)
{
    struct fw_cfg *fw_cfg = device->state;
    if (strlen(name) >= FW_CFG_NAME_BYTES) {
        return error_set(error, "shorten it to 55 characters",
                         "the firmware configuration name %s is too long", name);
    }
    device_lock(device);
    unsigned at = fw_cfg_place_file(fw_cfg, name);
    device_unlock(device);
    if (at == FW_CFG_MAX_FILES) {
        return error_set(error, NULL, "no room for the firmware configuration file %s: %d is all",
                         name, FW_CFG_MAX_FILES);
    }
    return fw_cfg_set_bytes(device, FW_CFG_FILE_FIRST + at, bytes, size_bytes, error) &&
           fw_cfg_write_directory(device, error);
}

bool fw_cfg_add_writable(struct device *device, const char *name, u32 size_bytes,
                         fw_cfg_written_fn *written, void *opaque, struct metic_error *error)
{
    struct fw_cfg *fw_cfg = device->state;
    u8 *zeros = calloc(1, size_bytes);
    bool ok = zeros != NULL ? fw_cfg_set_file(device, name, zeros, size_bytes, error)
                            : error_set(error, NULL, "the host has no memory for %s", name);
    free(zeros);
    if (ok) {
        struct fw_cfg_item *item =
            &fw_cfg->items[FW_CFG_FILE_FIRST + fw_cfg_place_file(fw_cfg, name)];
        item->written = written;
        item->opaque = opaque;
    }
    return ok;
}

static void fw_cfg_tell(const struct fw_cfg *fw_cfg)
{
    for (unsigned i = 0; i < FW_CFG_ITEMS; i++) {
        const struct fw_cfg_item *item = &fw_cfg->items[i];
        if (item->written != NULL) {
            item->written(item->opaque, item->bytes, item->size_bytes);
        }
    }
}

/* What was written: in the order of the keys, which is the same in every machine of a kind. */
static void fw_cfg_save_more(struct device *device, struct state_writer *writer)
{
    const struct fw_cfg *fw_cfg = device->state;
    for (unsigned i = 0; i < FW_CFG_ITEMS; i++) {
        if (fw_cfg->items[i].written != NULL) {
            state_write_bytes(writer, fw_cfg->items[i].bytes, fw_cfg->items[i].size_bytes);
        }
    }
}

static bool fw_cfg_load_more(struct device *device, struct state_reader *reader,
                             struct metic_error *error)
{
    struct fw_cfg *fw_cfg = device->state;
    for (unsigned i = 0; i < FW_CFG_ITEMS; i++) {
        struct fw_cfg_item *item = &fw_cfg->items[i];
        if (item->written != NULL && !state_read_bytes(reader, item->bytes, item->size_bytes)) {
            return error_set(error, NULL, "the saved firmware configuration is cut off");
        }
    }
    fw_cfg_tell(fw_cfg);
    return true;
}

static bool fw_cfg_init(struct device *device, struct metic_error *error)
{
    return fw_cfg_set_bytes(device, FW_CFG_SIGNATURE, "QEMU", 4, error) &&
           fw_cfg_set_u32(device, FW_CFG_ID, FW_CFG_VERSION_BITS, error) &&
           fw_cfg_write_directory(device, error);
}

static void fw_cfg_fini(struct device *device)
{
    struct fw_cfg *fw_cfg = device->state;
    for (unsigned i = 0; i < FW_CFG_ITEMS; i++) {
        free(fw_cfg->items[i].bytes);
    }
}

static void fw_cfg_reset(struct device *device)
{
    struct fw_cfg *fw_cfg = device->state;
    fw_cfg->saved = (struct fw_cfg_saved){0};
    for (unsigned i = 0; i < FW_CFG_ITEMS; i++) {
        if (fw_cfg->items[i].written != NULL) {
            memset(fw_cfg->items[i].bytes, 0, fw_cfg->items[i].size_bytes);
        }
    }
    fw_cfg_tell(fw_cfg);
}

static void fw_cfg_fdt(const struct device *device, const struct device_place *place,
                       struct fdt_build *fdt)
{
    (void)device;
    fdt_build_begin_at(fdt, "fw-cfg", place->gpa[0]);
    fdt_build_empty(fdt, "dma-coherent");
    fdt_build_reg(fdt, place->gpa[0], FW_CFG_REGION_BYTES);
    fdt_build_string(fdt, "compatible", "qemu,fw-cfg-mmio");
    fdt_build_end(fdt);
}

static const struct device_region fw_cfg_regions[] = {{
    .size_bytes = FW_CFG_REGION_BYTES,
    .kind = MEMORY_MMIO,
    .min_bytes = 1,
    .max_bytes = 8,
    .read = fw_cfg_read,
    .write = fw_cfg_write,
}};

const struct device_class fw_cfg_class = {
    .name = "fw-cfg",
    .summary = "QEMU's firmware configuration device, with DMA",
    .state_bytes = sizeof(struct fw_cfg),
    .regions = fw_cfg_regions,
    .region_count = ARRAY_LEN(fw_cfg_regions),
    .init = fw_cfg_init,
    .fini = fw_cfg_fini,
    .reset = fw_cfg_reset,
    .saved = &fw_cfg_saved,
    .saved_offset = offsetof(struct fw_cfg, saved),
    .save_more = fw_cfg_save_more,
    .load_more = fw_cfg_load_more,
    .fdt = fw_cfg_fdt,
};
