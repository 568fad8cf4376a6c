/* NOR flash with the Intel/Sharp extended command set (Intel 28F128J3 data sheet; JEDEC JEP137 and
 * JESD68 for the common flash interface), as two 16-bit chips side by side on a 32-bit bus.
 *
 * Both chips see each command at once, in the low byte of their half (0x00980098); this model takes
 * the low byte of what is written for both, and answers for both.
 *
 *   0xff or 0xf0       read array: the bank reads as memory
 *   0x90               read identifier: word 0 maker 0x89, word 1 device 0x18, word 2 of a block
 *                      its lock bit (never locked)
 *   0x98               query: the interface table, one byte a word
 *   0x70, 0x50         read, clear status: 0x80 ready, 0x20 erase failed, 0x10 program failed
 *   0x20 then 0xd0     erase the block written to: every bit 1
 *   0x40 (0x10), data  program: bits go from 1 to 0 only
 *   0xe8, n-1, data.., 0xd0  program up to 4 KiB of the bank from a buffer
 *   0x60 then 0x01, 0xd0, 0x2f  set, clear, lock-down of lock bits: accepted without effect
 *
 * After a command other than read array the bank reads as status (or identifier, or query), for
 * harts that run from it too. Array reads cost nothing: the bank is then mapped like ROM, and only
 * entering or leaving that mode (memory_set_direct) reaches the engine.
 *
 * Programming and erasing take no time here, so status is always ready. Contents start from a file,
 * which is read once and never written unless asked for; changed blocks are remembered one by one.
 * When asked for, each change goes into the file at once (into the host's page cache, which takes
 * microseconds), so that what firmware keeps there outlives a machine that is killed; and all that
 * is not erased counts as changed, so that saved state does not depend on the file.
 *
 * Left out: suspend and resume, protection registers, lock bits with effect, commands to one chip
 * of the pair, timing. */
#include "hw/block/cfi_flash.h"

#include "cpu/base/bits.h"
#include "hw/block/flash_file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FLASH_CHIPS = 2,
    FLASH_BUFFER_BYTES = 2048 * FLASH_CHIPS,

    CMD_READ_ARRAY_OLD = 0x00,
    CMD_PROGRAM_ALT = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8,
    CMD_READ_ARRAY_AMD = 0xf0,
    CMD_READ_ARRAY = 0xff,

    STATUS_READY = 0x80,
    STATUS_ERASE_FAILED = 0x20,
    STATUS_PROGRAM_FAILED = 0x10,

    FLASH_MAKER = 0x89,
    FLASH_DEVICE = 0x18,
};

/* What the next write means. */
enum flash_step { STEP_COMMAND, STEP_ARGUMENT, STEP_BUFFER, STEP_CONFIRM };

struct flash_saved {
    u32 buffer_offset; /* where in the bank the buffer starts */
    u32 words_left;    /* bus writes that STEP_BUFFER still takes */
    u8 command;        /* the last one: what reads show, and what an argument is for */
    u8 step;           /* enum flash_step */
    u8 status;
    bool buffer_placed; /* buffer_offset is set */
    bool changed[CFI_FLASH_MAX_SECTORS];
    u8 buffer[FLASH_BUFFER_BYTES];
};

#define FLASH_SAVED(FIELD, T) \
    FIELD(T, buffer_offset) FIELD(T, words_left) FIELD(T, command) FIELD(T, step) \
    FIELD(T, status) FIELD(T, buffer_placed) FIELD(T, changed) FIELD(T, buffer)
STATE_LIST(flash_saved, struct flash_saved, FLASH_SAVED);

struct flash {
    struct flash_saved saved;
    /* From the file as it was read, or when it is written, from an erased bank; a superset of
     * saved.changed. */
    bool differs[CFI_FLASH_MAX_SECTORS];
    bool unwritten[CFI_FLASH_MAX_SECTORS]; /* the file could not be written */
    int fd;                                /* of the file that is written, or -1 */
    struct memory_region *region; /* the bank; NULL until mapped */
    u64 size_bytes;
};

/* ---- Contents ---- */

static const struct cfi_flash_config *flash_config(const struct device *device)
{
    return device->config;
}

static u8 *flash_bytes(const struct flash *flash)
{
    return memory_region_bytes(flash->region);
}

/* The change goes into the file. A file that is shorter than the bank gets whole sectors up to it,
 * since what lies beyond its end is erased and a hole would be zeros. */
static void flash_keep(struct device *device, u64 offset, u64 size_bytes)
{
    struct flash *flash = device->state;
    u64 sector = offset / CFI_FLASH_SECTOR_BYTES;
    bool ok = true;
    struct stat info;
    if (flash->fd < 0) {
        return;
    }
    u64 at = fstat(flash->fd, &info) == 0 ? (u64)info.st_size / CFI_FLASH_SECTOR_BYTES : sector;
    for (; ok && at <= sector && (u64)info.st_size < offset + size_bytes; at++) {
        ok = flash_file_write_sector(flash->fd, flash_bytes(flash), at * CFI_FLASH_SECTOR_BYTES);
    }
    ok = ok && pwrite(flash->fd, flash_bytes(flash) + offset, size_bytes, (off_t)offset) ==
                   (ssize_t)size_bytes;
    if (!ok && !flash->unwritten[sector]) {
        log_print(device->env->log, LOG_ERROR, "changes of flash %s are not kept: %s: %s",
                  device->name, flash_config(device)->path, strerror(errno));
    }
    flash->unwritten[sector] |= !ok;
}

static void flash_note_write(struct device *device, u64 offset, u64 size_bytes)
{
    struct flash *flash = device->state;
    const struct memory_region *region = device_memory_region(device, 0);
    flash->saved.changed[offset / CFI_FLASH_SECTOR_BYTES] = true;
    flash->differs[offset / CFI_FLASH_SECTOR_BYTES] = true;
    memory_note_write(device->env->memory, region->gpa + offset, size_bytes);
    flash_keep(device, offset, size_bytes);
}

/* Clears the bits that are 0 in `bytes`; ones leave a bit as it is, as the chip does (drivers that
 * program around existing data rely on it). False outside the bank. */
static bool flash_program(struct device *device, u64 offset, const u8 *bytes, u64 size_bytes)
{
    struct flash *flash = device->state;
    if (offset >= flash->size_bytes || size_bytes > flash->size_bytes - offset) {
        return false;
    }
    u8 *to = flash_bytes(flash) + offset;
    for (u64 i = 0; i < size_bytes; i++) {
        to[i] &= bytes[i];
    }
    flash_note_write(device, offset, size_bytes);
    return true;
}

static void flash_erase(struct device *device, u64 offset)
{
    struct flash *flash = device->state;
    u64 start = bits_align_down(offset, CFI_FLASH_SECTOR_BYTES);
    memset(flash_bytes(flash) + start, 0xff, CFI_FLASH_SECTOR_BYTES);
    flash_note_write(device, start, CFI_FLASH_SECTOR_BYTES);
}

/* ---- Reads ---- */

/* The common flash interface table (JESD68), for one chip of the pair. */
static u8 flash_query_byte(const struct flash *flash, u64 word)
{
    static const u8 table[0x40] = {
        [0x10] = 'Q', 'R', 'Y', 0x01, 0x00, /* Intel extended command set */
        0x31, 0x00,                         /* its table, below */
        [0x1b] = 0x45, 0x55,                /* Vcc 4.5 to 5.5 V */
        [0x1f] = 0x07, 0x07, 0x0a, 0x00,    /* typical times: word, buffer, block erase */
        0x04, 0x04, 0x04, 0x00,             /* maximum times, as multiples */
        [0x28] = 0x02, 0x00,                /* x8/x16 interface */
        0x0b, 0x00,                         /* 2^11 bytes of write buffer */
        0x01,                               /* one region of equal blocks */
        [0x31] = 'P', 'R', 'I', '1', '0',   /* extended table, version 1.0 */
        [0x3f] = 0x01,                      /* one protection register field */
    };
    u64 chip_bytes = flash->size_bytes / FLASH_CHIPS;
    u64 block_bytes = CFI_FLASH_SECTOR_BYTES / FLASH_CHIPS;
    u64 blocks = chip_bytes / block_bytes;
    switch (word) {
    case 0x27: return (u8)__builtin_ctzll(chip_bytes);
    case 0x2d: return (u8)(blocks - 1);
    case 0x2e: return (u8)((blocks - 1) >> 8);
    case 0x2f: return (u8)(block_bytes >> 8);
    case 0x30: return (u8)(block_bytes >> 16);
    default: return word < sizeof(table) ? table[word] : 0;
    }
}

static u8 flash_id_byte(u64 word)
{
    switch (word & 0xff) {
    case 0: return FLASH_MAKER;
    case 1: return FLASH_DEVICE;
    default: return 0; /* word 2 of each block: not locked */
    }
}

static bool flash_in_array_mode(const struct flash *flash)
{
    return flash->saved.command == CMD_READ_ARRAY;
}

static u64 flash_read(struct device *device, u64 offset, unsigned size_bytes)
{
    const struct flash *flash = device->state;
    if (flash->region == NULL) {
        return 0;
    }
    u8 both;
    switch (flash->saved.command) {
    case CMD_READ_ARRAY: {
        u64 left = flash->size_bytes - offset;
        return ld_le(flash_bytes(flash) + offset, left < size_bytes ? 1 : size_bytes);
    }
    case CMD_READ_ID: both = flash_id_byte(offset / 4); break;
    case CMD_QUERY: both = flash_query_byte(flash, offset / 4); break;
    default: both = flash->saved.status; break;
    }
    u32 word = (u32)both << 16 | both; /* both chips answer in the low byte of their half */
    return word >> (offset % 4 * 8);
}

/* ---- Commands ---- */

static void flash_set_command(struct device *device, u8 command, enum flash_step step)
{
    struct flash *flash = device->state;
    bool was_array = flash_in_array_mode(flash);
    flash->saved.command = command;
    flash->saved.step = (u8)step;
    bool is_array = flash_in_array_mode(flash);
    struct memory_region *region = device_memory_region(device, 0);
    if (was_array != is_array && region != NULL) {
        memory_set_direct(device->env->memory, region, is_array);
    }
}

static void flash_start_buffer(struct device *device, u64 value)
{
    struct flash *flash = device->state;
    u32 words = (u32)(value & 0xffff) + 1;
    if (words * 4 > FLASH_BUFFER_BYTES) {
        device_guest_error(device, "more words than the write buffer holds");
        flash->saved.status |= STATUS_PROGRAM_FAILED;
        flash_set_command(device, CMD_READ_STATUS, STEP_COMMAND);
        return;
    }
    flash->saved.words_left = words;
    flash->saved.buffer_placed = false;
    memset(flash->saved.buffer, 0xff, sizeof(flash->saved.buffer)); /* programs nothing */
    flash->saved.step = STEP_BUFFER;
}

static void flash_fill_buffer(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct flash *flash = device->state;
    if (!flash->saved.buffer_placed) {
        flash->saved.buffer_placed = true;
        flash->saved.buffer_offset = (u32)bits_align_down(offset, FLASH_BUFFER_BYTES);
    }
    u64 at = offset - flash->saved.buffer_offset; /* wraps when below: too large then */
    if (at <= FLASH_BUFFER_BYTES - size_bytes) {
        st_le(flash->saved.buffer + at, value, size_bytes);
    } else {
        device_guest_error(device, "write outside the write buffer's window");
        flash->saved.status |= STATUS_PROGRAM_FAILED;
    }
    if (--flash->saved.words_left == 0) {
        flash->saved.step = STEP_CONFIRM;
    }
}

static void flash_confirm_buffer(struct device *device, u8 value)
{
    struct flash *flash = device->state;
    bool ok = value == CMD_CONFIRM && flash->saved.buffer_placed &&
              flash_program(device, flash->saved.buffer_offset, flash->saved.buffer,
                            FLASH_BUFFER_BYTES);
    if (!ok) {
        flash->saved.status |= STATUS_PROGRAM_FAILED;
    }
    flash_set_command(device, CMD_READ_STATUS, STEP_COMMAND);
}

static void flash_command(struct device *device, u8 command)
{
    struct flash *flash = device->state;
    switch (command) {
    case CMD_READ_ARRAY_OLD:
    case CMD_READ_ARRAY_AMD:
    case CMD_READ_ARRAY: flash_set_command(device, CMD_READ_ARRAY, STEP_COMMAND); break;
    case CMD_CLEAR_STATUS:
        flash->saved.status = STATUS_READY;
        flash_set_command(device, CMD_READ_ARRAY, STEP_COMMAND);
        break;
    case CMD_READ_STATUS:
    case CMD_READ_ID:
    case CMD_QUERY: flash_set_command(device, command, STEP_COMMAND); break;
    case CMD_PROGRAM_ALT:
    case CMD_PROGRAM: flash_set_command(device, CMD_PROGRAM, STEP_ARGUMENT); break;
    case CMD_ERASE:
    case CMD_LOCK:
    case CMD_BUFFER: flash_set_command(device, command, STEP_ARGUMENT); break;
    default:
        device_guest_error(device, "unknown flash command 0x%02x", command);
        flash_set_command(device, CMD_READ_ARRAY, STEP_COMMAND);
        break;
    }
}

static void flash_argument(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct flash *flash = device->state;
    u8 bytes[8];
    switch (flash->saved.command) {
    case CMD_PROGRAM:
        st_le(bytes, value, size_bytes);
        if (!flash_program(device, offset, bytes, size_bytes)) {
            flash->saved.status |= STATUS_PROGRAM_FAILED;
        }
        break;
    case CMD_ERASE:
        if ((u8)value == CMD_CONFIRM) {
            flash_erase(device, offset);
        } else {
            flash->saved.status |= STATUS_ERASE_FAILED | STATUS_PROGRAM_FAILED;
        }
        break;
    case CMD_BUFFER: flash_start_buffer(device, value); return;
    default: break; /* CMD_LOCK: nothing is ever locked */
    }
    flash_set_command(device, (u8)value == CMD_READ_ARRAY && flash->saved.command != CMD_PROGRAM
                                  ? CMD_READ_ARRAY
                                  : CMD_READ_STATUS,
                      STEP_COMMAND);
}

static void flash_write(struct device *device, u64 offset, u64 value, unsigned size_bytes)
{
    struct flash *flash = device->state;
    if (flash->region == NULL || offset + size_bytes > flash->size_bytes) {
        return;
    }
    switch (flash->saved.step) {
    case STEP_ARGUMENT: flash_argument(device, offset, value, size_bytes); break;
    case STEP_BUFFER: flash_fill_buffer(device, offset, value, size_bytes); break;
    case STEP_CONFIRM: flash_confirm_buffer(device, (u8)value); break;
    default: flash_command(device, (u8)value); break;
    }
}

/* ---- Life ---- */

static bool flash_init(struct device *device, struct metic_error *error)
{
    struct flash *flash = device->state;
    (void)error;
    flash->fd = -1;
    return true;
}

/* Opens the file that is written; all that is not erased differs from an erased bank. */
static bool flash_open_kept(struct device *device, struct metic_error *error)
{
    struct flash *flash = device->state;
    const struct cfi_flash_config *config = flash_config(device);
    if (!config->write_back) {
        return true;
    }
    flash->fd = open(config->path, O_WRONLY | O_CLOEXEC);
    if (flash->fd < 0) {
        return error_set(error, "Change its permissions, or leave :write away.",
                         "cannot write the flash image %s: %s", config->path, strerror(errno));
    }
    for (u64 s = 0; s < flash->size_bytes / CFI_FLASH_SECTOR_BYTES; s++) {
        const u8 *sector = flash_bytes(flash) + s * CFI_FLASH_SECTOR_BYTES;
        bool erased = bytes_are_all(sector, CFI_FLASH_SECTOR_BYTES, 0xff);
        flash->differs[s] = flash->saved.changed[s] = !erased;
    }
    return true;
}

static bool flash_mapped(struct device *device, unsigned index, struct metic_error *error)
{
    struct flash *flash = device->state;
    struct memory_region *region = device_memory_region(device, index);
    const char *path = flash_config(device)->path;
    flash->region = region;
    flash->size_bytes = region->size_bytes;
    CHECK(bits_is_pow2(flash->size_bytes) && flash->size_bytes >= CFI_FLASH_SECTOR_BYTES &&
          flash->size_bytes <= (u64)CFI_FLASH_SECTOR_BYTES * CFI_FLASH_MAX_SECTORS);
    bool ok = true;
    if (path == NULL) {
        memory_fill_later(region, flash_file_erase);
    } else {
        ok = flash_file_load(region->host, flash->size_bytes, path, error) &&
             flash_open_kept(device, error);
    }
    memory_set_direct(device->env->memory, region, flash_in_array_mode(flash));
    return ok;
}

/* What could not be written when it changed is tried once more. */
static void flash_fini(struct device *device)
{
    const struct flash *flash = device->state;
    bool ok = true;
    if (flash->region == NULL || flash->fd < 0) {
        return;
    }
    for (u64 s = 0; ok && s < flash->size_bytes / CFI_FLASH_SECTOR_BYTES; s++) {
        ok = !flash->unwritten[s] ||
             flash_file_write_sector(flash->fd, flash_bytes(flash), s * CFI_FLASH_SECTOR_BYTES);
    }
    if (!ok) {
        log_print(device->env->log, LOG_ERROR, "changes of flash %s are lost: cannot write %s: %s",
                  device->name, flash_config(device)->path, strerror(errno));
    }
    close(flash->fd);
}

/* Contents survive, the command machine starts over. */
static void flash_reset(struct device *device)
{
    struct flash *flash = device->state;
    flash->saved.status = STATUS_READY;
    flash->saved.words_left = 0;
    flash->saved.buffer_placed = false;
    flash_set_command(device, CMD_READ_ARRAY, STEP_COMMAND);
}

static void flash_save_more(struct device *device, struct state_writer *writer)
{
    const struct flash *flash = device->state;
    for (u64 s = 0; s < flash->size_bytes / CFI_FLASH_SECTOR_BYTES; s++) {
        if (flash->saved.changed[s]) {
            state_write_bytes(writer, flash_bytes(flash) + s * CFI_FLASH_SECTOR_BYTES,
                              CFI_FLASH_SECTOR_BYTES);
        }
    }
}

/* Undoes what was changed since the start in a sector that the snapshot left as in the file. */
static bool flash_revert_sector(struct device *device, u64 sector)
{
    struct flash *flash = device->state;
    const char *path = flash->fd < 0 ? flash_config(device)->path : NULL;
    u64 at = sector * CFI_FLASH_SECTOR_BYTES;
    memset(flash_bytes(flash) + at, 0xff, CFI_FLASH_SECTOR_BYTES);
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool ok = path == NULL || (fd >= 0 && flash_file_read_sector(fd, at, flash_bytes(flash) + at));
    if (fd >= 0) {
        close(fd);
    }
    flash_note_write(device, at, CFI_FLASH_SECTOR_BYTES);
    flash->saved.changed[sector] = false;
    flash->differs[sector] = false;
    return ok;
}

static bool flash_load_more(struct device *device, struct state_reader *reader,
                            struct metic_error *error)
{
    struct flash *flash = device->state;
    for (u64 s = 0; s < flash->size_bytes / CFI_FLASH_SECTOR_BYTES; s++) {
        u64 at = s * CFI_FLASH_SECTOR_BYTES;
        if (flash->saved.changed[s]) {
            if (!state_read_bytes(reader, flash_bytes(flash) + at, CFI_FLASH_SECTOR_BYTES)) {
                return error_set(error, NULL, "the saved contents of %s are cut short",
                                 device->name);
            }
            flash_note_write(device, at, CFI_FLASH_SECTOR_BYTES);
        } else if (flash->differs[s] && !flash_revert_sector(device, s)) {
            return error_set(error, "check that the flash image is still there",
                             "cannot read %s again", flash_config(device)->path);
        }
    }
    return true;
}

static bool flash_restored(struct device *device, struct metic_error *error)
{
    struct flash *flash = device->state;
    bool sane = flash->saved.step <= STEP_CONFIRM &&
                flash->saved.words_left <= FLASH_BUFFER_BYTES / 4 &&
                (flash->saved.step != STEP_BUFFER || flash->saved.words_left > 0);
    if (!sane) {
        return error_set(error, NULL, "the saved state of %s is impossible", device->name);
    }
    memory_set_direct(device->env->memory, device_memory_region(device, 0),
                      flash_in_array_mode(flash));
    return true;
}

static const struct device_region flash_regions[] = {{
    .kind = MEMORY_ROMD,
    .min_bytes = 1,
    .max_bytes = 4,
    .read = flash_read,
    .write = flash_write,
}};

const struct device_class cfi_flash_class = {
    .name = "cfi-flash",
    .summary = "NOR flash bank, Intel command set, two x16 chips",
    .state_bytes = sizeof(struct flash),
    .regions = flash_regions,
    .region_count = ARRAY_LEN(flash_regions),
    .init = flash_init,
    .fini = flash_fini,
    .mapped = flash_mapped,
    .reset = flash_reset,
    .saved = &flash_saved,
    .saved_offset = offsetof(struct flash, saved),
    .save_more = flash_save_more,
    .load_more = flash_load_more,
    .restored = flash_restored,
};
