/* Which firmware starts what. A disk is started by a boot program on it, and that by a firmware:
 *
 *   the disk has                          firmware                      it goes on with
 *   EFI system partition, BOOTRISCV64     EDK2 in flash, else U-Boot    EFI/BOOT/BOOTRISCV64.EFI
 *   no such partition                     U-Boot                        extlinux.conf, boot.scr,
 * EFI
 *   a boot program for others only        none: refused
 *
 * Both run in S-mode above an SBI firmware, the built-in one unless OpenSBI is asked for. EDK2
 * keeps its variables (boot order) in the second flash bank. Each image has a file of its own for
 * them, made from the package's template the first time, locked while a machine uses it; a second
 * machine that runs the same image, and one on the virtual clock, whose runs must be equal, get the
 * template and forget what changes. */
#include "hw/loader/boot_plan.h"

#include "hw/block/blk_backend.h"
#include "hw/loader/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLAN_PATH_BYTES = 4096 };

enum plan_sbi { SBI_AUTO, SBI_NONE, SBI_BUILTIN, SBI_OPENSBI, SBI_FILE };
enum plan_loader { LOADER_AUTO, LOADER_UBOOT, LOADER_EDK2 };

struct metic_boot_plan {
    struct metic_options *options;
    const char *root;      /* metic_plan_boot's */
    const char *state_dir;
    enum plan_sbi sbi;
    enum plan_loader loader;
    const char *thing;     /* what metic_load takes; NULL: what is in flash */
    char sbi_path[PLAN_PATH_BYTES];
    char thing_path[PLAN_PATH_BYTES];
    char code_path[PLAN_PATH_BYTES];
    char vars_path[PLAN_PATH_BYTES];
    int vars_lock;         /* descriptor, or -1 */
};

const struct firmware_info firmware_infos[FIRMWARE_COUNT] = {
#define FIRMWARE(id, what, path, package, since) {what, path, package, since},
#include "hw/loader/firmware.def"
#undef FIRMWARE
};

static void plan_say(const struct metic_boot_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void plan_say(const struct metic_boot_plan *plan, const char *format, ...)
{
    char line[PLAN_PATH_BYTES + 256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (plan->options->say != NULL) {
        plan->options->say(plan->options->say_opaque, line);
    }
}

/* --- what the disk holds --- */

static bool plan_read_backend(void *opaque, u64 offset, void *buffer, size_t size_bytes)
{
    struct iovec vector = {buffer, size_bytes};
    return blk_backend_read(opaque, offset, &vector, 1) == 0;
}

bool boot_read_layout(const char *path, struct disk_layout *layout, u64 *size_bytes,
                      struct metic_error *error)
{
    struct blk_disk disk = {.path = path, .mode = BLK_READ_ONLY};
    struct blk_backend *backend = blk_backend_open(&disk, error);
    if (backend == NULL) {
        return false;
    }
    struct disk_source source = {blk_backend_size_bytes(backend), plan_read_backend, backend};
    if (size_bytes != NULL) {
        *size_bytes = source.size_bytes;
    }
    bool ok = disk_layout_read(layout, &source) ||
              error_set(error, "Check the host's disk.", "cannot read '%s'", path);
    blk_backend_close(backend);
    return ok;
}

const char *boot_layout_firmware(const struct disk_layout *layout, char *why, size_t why_bytes)
{
    unsigned archs = disk_layout_efi_archs(layout);
    char names[128];
    if ((archs & DISK_EFI_RISCV64) != 0) {
        return "EDK2, else U-Boot";
    }
    if (archs != 0) {
        disk_efi_arch_names(archs, names, sizeof(names));
        snprintf(why, why_bytes, "boots on %s: it has no boot program for 64-bit RISC-V", names);
        return NULL;
    }
    if (layout->count == 0) {
        snprintf(why, why_bytes, "%s",
                 layout->empty ? "is an empty disk: nothing is installed on it"
                               : "has no partition and no file system to boot from");
        return NULL;
    }
    return "U-Boot";
}

/* --- finding firmware --- */

/* In the system or under the root that was given. */
static bool plan_find(const struct metic_boot_plan *plan, enum firmware_id id,
                      char path[PLAN_PATH_BYTES])
{
    const char *below = firmware_infos[id].path;
    if (plan->root != NULL && plan->root[0] != '\0') {
        int length = snprintf(path, PLAN_PATH_BYTES, "%s/%s", plan->root, below);
        if (length < PLAN_PATH_BYTES && access(path, R_OK) == 0) {
            return true;
        }
    }
    snprintf(path, PLAN_PATH_BYTES, "/%s", below);
    return access(path, R_OK) == 0;
}

static bool plan_need(const struct metic_boot_plan *plan, enum firmware_id id,
                      char path[PLAN_PATH_BYTES], struct metic_error *error)
{
    const struct firmware_info *info = &firmware_infos[id];
    char next[sizeof(error->next)];
    snprintf(next, sizeof(next),
             "metic build firmware (brings Debian's firmware packages into your home), or as root: "
             "apt-get install %s (Debian %u and later).", info->package, info->since);
    return plan_find(plan, id, path) ||
           error_set(error, next, "there is no %s on this host", info->what);
}

/* --- what the user asked for --- */

static bool plan_word(const char *text, size_t bytes, const char *word)
{
    return strlen(word) == bytes && memcmp(text, word, bytes) == 0;
}

/* One part of "SBI+LOADER". False when it is no name: a path then. */
static bool plan_name(struct metic_boot_plan *plan, const char *text, size_t bytes)
{
    if (plan_word(text, bytes, "none")) {
        plan->sbi = SBI_NONE;
    } else if (plan_word(text, bytes, "builtin")) {
        plan->sbi = SBI_BUILTIN;
    } else if (plan_word(text, bytes, "opensbi")) {
        plan->sbi = SBI_OPENSBI;
    } else if (plan_word(text, bytes, "u-boot")) {
        plan->loader = LOADER_UBOOT;
    } else if (plan_word(text, bytes, "edk2")) {
        plan->loader = LOADER_EDK2;
    } else {
        return false;
    }
    return true;
}

static bool plan_parse_firmware(struct metic_boot_plan *plan, struct metic_error *error)
{
    const char *text = plan->options->firmware;
    if (text == NULL || plan_name(plan, text, strlen(text))) {
        return true;
    }
    const char *plus = strrchr(text, '+');
    if (plus == NULL || !plan_name(plan, plus + 1, strlen(plus + 1))) {
        plan->sbi = SBI_FILE;
        snprintf(plan->sbi_path, sizeof(plan->sbi_path), "%s", text);
        return true;
    }
    if (plan->loader == LOADER_AUTO) {
        return error_set(error, "As in opensbi+u-boot or opensbi+edk2.",
                         "'%s': u-boot or edk2 comes last", text);
    }
    if (!plan_name(plan, text, (size_t)(plus - text))) {
        plan->sbi = SBI_FILE;
        snprintf(plan->sbi_path, sizeof(plan->sbi_path), "%.*s", (int)(plus - text), text);
    } else if (plan->sbi == SBI_AUTO) {
        return error_set(error, "As in opensbi+u-boot or none+u-boot.",
                         "'%s': before the + comes none, builtin, opensbi or a file", text);
    }
    return true;
}

/* options->firmware as metic_load understands it: a path, "none", "builtin", or NULL. */
static bool plan_set_sbi(struct metic_boot_plan *plan, struct metic_error *error)
{
    switch (plan->sbi) {
    case SBI_NONE: plan->options->firmware = "none"; return true;
    case SBI_BUILTIN: plan->options->firmware = "builtin"; return true;
    case SBI_OPENSBI:
        plan->options->firmware = plan->sbi_path;
        return plan_need(plan, FIRMWARE_OPENSBI, plan->sbi_path, error);
    case SBI_FILE: plan->options->firmware = plan->sbi_path; return true;
    default: plan->options->firmware = NULL; return true;
    }
}

/* --- EDK2's variables --- */

/* FNV-1a: images in different places have different files, whatever their name. */
static u64 plan_hash(const char *text)
{
    u64 hash = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (u8)*text) * 0x100000001b3u;
    }
    return hash;
}

/* As mkdir -p; what cannot be made is found out by whoever wants a file in it. */
static void plan_make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* STATE/flash/NAME-HASH.vars, its directories made. */
static bool plan_vars_name(struct metic_boot_plan *plan, const char *image)
{
    char *real = realpath(image, NULL);
    const char *slash = real != NULL ? strrchr(real, '/') : NULL;
    int length = PLAN_PATH_BYTES;
    if (slash != NULL) {
        length = snprintf(plan->vars_path, PLAN_PATH_BYTES, "%s/flash/%.100s-%016" PRIx64 ".vars",
                          plan->state_dir, slash + 1, plan_hash(real));
    }
    free(real);
    if (length >= PLAN_PATH_BYTES) {
        return false;
    }
    plan_make_directories(plan->vars_path);
    return true;
}

static bool plan_copy(int from, int to)
{
    static const size_t piece_bytes = 1 << 16;
    u8 *piece = malloc(piece_bytes);
    ssize_t got = -1;
    while (piece != NULL && (got = read(from, piece, piece_bytes)) > 0) {
        if (write(to, piece, (size_t)got) != got) {
            got = -1;
            break;
        }
    }
    free(piece);
    return got == 0;
}

/* Opens and locks the image's file, filling it when it is new. False: there is none to be had, and
 * errno says why. */
static bool plan_open_vars(struct metic_boot_plan *plan, const char *template)
{
    struct stat info, wanted;
    plan->vars_lock = open(plan->vars_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (plan->vars_lock < 0 || flock(plan->vars_lock, LOCK_EX | LOCK_NB) != 0 ||
        fstat(plan->vars_lock, &info) != 0 || stat(template, &wanted) != 0) {
        return false;
    }
    if (info.st_size == wanted.st_size) {
        return true;
    }
    int from = open(template, O_RDONLY | O_CLOEXEC);
    bool ok = from >= 0 && ftruncate(plan->vars_lock, 0) == 0 && plan_copy(from, plan->vars_lock);
    if (from >= 0) {
        close(from);
    }
    return ok;
}

static bool plan_vars(struct metic_boot_plan *plan, const char *image, struct metic_error *error)
{
    char template[PLAN_PATH_BYTES];
    struct metic_options *options = plan->options;
    const char *why = NULL;
    if (!plan_need(plan, FIRMWARE_EDK2_VARS, template, error)) {
        return false;
    }
    if (options->clock == METIC_CLOCK_VIRTUAL) {
        why = "fresh for this run, as every run on the virtual clock is the same";
    } else if (image == NULL || plan->state_dir == NULL || !plan_vars_name(plan, image)) {
        why = "fresh for this run";
    } else if (!plan_open_vars(plan, template)) {
        why = errno == EWOULDBLOCK ? "fresh for this run, as another machine has the image's"
                                   : "fresh for this run, as the image's own cannot be written";
    }
    if (why != NULL) {
        snprintf(plan->vars_path, sizeof(plan->vars_path), "%s", template);
        plan_say(plan, "variables: %s", why);
    } else {
        options->flash_write[1] = true;
        plan_say(plan, "variables: %s", plan->vars_path);
    }
    options->flash[1] = plan->vars_path;
    return true;
}

/* --- the choice --- */

static bool plan_edk2(struct metic_boot_plan *plan, const char *image, struct metic_error *error)
{
    if (plan->sbi == SBI_NONE) {
        return error_set(error, "--firmware edk2, or --firmware opensbi+edk2.",
                         "EDK2 needs an SBI firmware beneath it");
    }
    if (!plan_need(plan, FIRMWARE_EDK2_CODE, plan->code_path, error) ||
        !plan_vars(plan, image, error)) {
        return false;
    }
    plan->options->flash[0] = plan->code_path;
    plan->thing = NULL;
    plan_say(plan, "boots by: EDK2 (%s)", plan->code_path);
    return true;
}

static bool plan_uboot(struct metic_boot_plan *plan, struct metic_error *error)
{
    enum firmware_id id = plan->sbi == SBI_NONE ? FIRMWARE_UBOOT_M : FIRMWARE_UBOOT_S;
    if (!plan_need(plan, id, plan->thing_path, error)) {
        return false;
    }
    plan->sbi = plan->sbi == SBI_AUTO ? SBI_BUILTIN : plan->sbi;
    plan->thing = plan->thing_path;
    plan->options->screen_early = plan->options->screens != 0;
    if (id == FIRMWARE_UBOOT_M) {
        plan_say(plan, "boots by: U-Boot in M-mode (%s), with no SBI beneath, which Linux needs",
                 plan->thing_path);
    } else {
        plan_say(plan, "boots by: U-Boot in S-mode (%s)", plan->thing_path);
    }
    return true;
}

/* Puts the image in front of the disks that were given. */
static bool plan_add_disk(struct metic_boot_plan *plan, const char *image,
                          struct metic_error *error)
{
    struct metic_options *options = plan->options;
    if (options->disk_count == METIC_MAX_DISKS) {
        return error_set(error, "Leave one --disk out.", "there is room for %d disks",
                         METIC_MAX_DISKS);
    }
    memmove(options->disks + 1, options->disks, options->disk_count * sizeof(options->disks[0]));
    options->disks[0] = (struct metic_disk){
        .path = image,
        .write_back = options->boot_write && options->boot_overlay == NULL,
        .overlay = options->boot_overlay,
    };
    options->disk_count++;
    options->ram_bytes = options->ram_bytes != 0 ? options->ram_bytes : METIC_DISK_RAM_BYTES;
    return true;
}

static bool plan_disk(struct metic_boot_plan *plan, const char *image, const char *description,
                      struct metic_error *error)
{
    struct disk_layout layout;
    char why[256];
    if (!boot_read_layout(image, &layout, NULL, error)) {
        return false;
    }
    const char *usual = boot_layout_firmware(&layout, why, sizeof(why));
    bool asked = plan->loader != LOADER_AUTO || plan->sbi == SBI_FILE ||
                 plan->options->bootfile != NULL;
    if (usual == NULL && !asked) {
        return error_set(error,
                         layout.empty ? "metic build debian FILE makes one with a system on it; or "
                                        "start an installer's kernel with --disk FILE:write."
                                      : "metic inspect FILE shows what is on it; --firmware u-boot "
                                        "or edk2 starts it nevertheless.",
                         "'%s' %s", image, why);
    }
    plan_say(plan, "image: %s: %s", image, description);
    bool efi = (disk_layout_efi_archs(&layout) & DISK_EFI_RISCV64) != 0;
    char path[PLAN_PATH_BYTES];
    enum plan_loader loader = plan->loader;
    if (!plan_add_disk(plan, image, error)) {
        return false;
    }
    if (loader == LOADER_AUTO && plan->sbi == SBI_FILE) {
        plan->thing = plan->options->firmware; /* alone, in M-mode */
        plan->sbi = SBI_NONE;
        return true;
    }
    if (loader == LOADER_AUTO) {
        bool wants = (efi || usual == NULL) && plan->sbi != SBI_NONE; /* or boots the network */
        bool edk2 = wants && plan_find(plan, FIRMWARE_EDK2_CODE, path);
        loader = edk2 ? LOADER_EDK2 : LOADER_UBOOT;
        if (wants && !edk2 && !plan_find(plan, FIRMWARE_UBOOT_S, path)) {
            loader = LOADER_EDK2; /* whose absence is the better thing to tell of */
        }
    }
    return loader == LOADER_EDK2 ? plan_edk2(plan, image, error) : plan_uboot(plan, error);
}

/* What is no disk: a loader is only asked for by name, and starts disks. */
static bool plan_other(struct metic_boot_plan *plan, struct metic_error *error)
{
    if (plan->loader == LOADER_AUTO) {
        return true;
    }
    return error_set(error, "Give a disk image to start, or leave the name out of --firmware.",
                     "%s starts disks, not '%s'",
                     plan->loader == LOADER_EDK2 ? "EDK2" : "U-Boot", plan->thing);
}

/* Nothing to run but a firmware, which looks for something to boot on the network and on the disks
 * that were given; its variables are those of the first of them. */
static bool plan_firmware(struct metic_boot_plan *plan, struct metic_error *error)
{
    struct metic_options *options = plan->options;
    const char *image = options->disk_count != 0 ? options->disks[0].path : NULL;
    if (plan->loader == LOADER_AUTO && options->bootfile == NULL) {
        return error_set(error, "Give a file to run, or --flash with a firmware in it.",
                         "there is nothing to run");
    }
    options->ram_bytes = options->ram_bytes != 0 ? options->ram_bytes : METIC_DISK_RAM_BYTES;
    return plan->loader == LOADER_UBOOT ? plan_uboot(plan, error)
                                        : plan_edk2(plan, image, error);
}

static bool plan_make(struct metic_boot_plan *plan, const char *path, struct metic_error *error)
{
    if (!plan_parse_firmware(plan, error)) {
        return false;
    }
    if (path == NULL) {
        bool good = plan->options->flash[0] != NULL || plan_firmware(plan, error);
        return good && plan_set_sbi(plan, error);
    }
    plan->thing = path;
    struct image *image = image_open_head(path, error);
    if (image == NULL) {
        return false;
    }
    bool disk = image->kind == IMAGE_QCOW2 || image->kind == IMAGE_DISK ||
                (image->kind == IMAGE_EMPTY && image->file_size_bytes > 0);
    bool ok;
    if (disk && image->packing != IMAGE_PLAIN) {
        const char *tool = image->packing == IMAGE_GZIP ? "gzip" : "zstd";
        char next[sizeof(error->next)];
        snprintf(next, sizeof(next), "Unpack it: %s -dk %.200s", tool, path);
        ok = error_set(error, next, "'%s' is a disk image that is compressed with %s", path, tool);
    } else {
        ok = disk ? plan_disk(plan, path, image_describe(image), error) : plan_other(plan, error);
    }
    image_free(image);
    return ok && plan_set_sbi(plan, error);
}

struct metic_boot_plan *metic_plan_boot(struct metic_options *options, const char *path,
                                        const char *firmware_root, const char *state_dir,
                                        struct metic_error *error)
{
    struct metic_boot_plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL) {
        error_set(error, NULL, "the host has no memory for a machine");
        return NULL;
    }
    plan->options = options;
    plan->root = firmware_root;
    plan->state_dir = state_dir;
    plan->vars_lock = -1;
    if (!plan_make(plan, path, error)) {
        metic_plan_free(plan);
        return NULL;
    }
    return plan;
}

const char *metic_plan_thing(const struct metic_boot_plan *plan)
{
    return plan->thing;
}

void metic_plan_free(struct metic_boot_plan *plan)
{
    if (plan != NULL && plan->vars_lock >= 0) {
        close(plan->vars_lock); /* and unlocks */
    }
    free(plan);
}

const char *metic_find_firmware(unsigned index, const char *firmware_root, char *path,
                                size_t path_bytes, struct metic_firmware *firmware)
{
    if (index >= FIRMWARE_COUNT) {
        return NULL;
    }
    const struct firmware_info *info = &firmware_infos[index];
    struct metic_boot_plan plan = {.root = firmware_root};
    char found[PLAN_PATH_BYTES];
    bool there = plan_find(&plan, (enum firmware_id)index, found);
    snprintf(path, path_bytes, "%s", there ? found : "");
    *firmware = (struct metic_firmware){info->package, info->since, there};
    return info->what;
}
