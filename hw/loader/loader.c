/* See loader.h. The recognisers are in loader_elf.c, loader_kernel.c and loader_kind.c. */
#include "hw/loader/loader_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* zboot around gzip around an Image is the deepest nesting there is. */
enum { LOADER_MAX_LAYERS = 4 };

void loader_describe(struct image *image, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(image->description, sizeof(image->description), format, args);
    va_end(args);
    /* Some of it comes from the file, and all of it goes to a terminal. */
    for (char *c = image->description; *c != '\0'; c++) {
        *c = *c >= ' ' && *c < 0x7f ? *c : '?';
    }
}

bool loader_refuse(struct image *image, const char *name, enum image_kind kind,
                   const char *description, const char *next, const char *why, ...)
{
    char reason[300];
    va_list args;
    va_start(args, why);
    vsnprintf(reason, sizeof(reason), why, args);
    va_end(args);
    error_set(&image->refusal, next, "'%s' %s", name, reason);
    image->kind = kind;
    image->mode = IMAGE_MODE_NONE;
    loader_describe(image, "%s", description);
    return true;
}

const char *loader_size_text(u64 size_bytes, char *buffer, size_t buffer_bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    double value = (double)size_bytes;
    while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    bool whole = unit == 0 || value >= 100 || (double)(u64)value == value;
    snprintf(buffer, buffer_bytes, "%.*f %s", whole ? 0 : 1, value, units[unit]);
    return buffer;
}

void loader_linux_version(const u8 *bytes, u64 size_bytes, char *buffer, size_t buffer_bytes)
{
    static const char banner[] = "Linux version ";
    size_t banner_bytes = sizeof(banner) - 1;
    size_t length = 0;
    const u8 *end = bytes + size_bytes;
    for (const u8 *at = bytes; length == 0 && at != NULL && at < end;) {
        at = memmem(at, (size_t)(end - at), banner, banner_bytes);
        if (at == NULL) {
            break;
        }
        at += banner_bytes;
        /* "%s" follows in the format string of the same text. */
        while (at < end && *at > ' ' && *at < 0x7f && *at != '%' && length + 1 < buffer_bytes) {
            buffer[length++] = (char)*at++;
        }
    }
    buffer[length] = '\0';
}

/* What files are read by their beginning alone: disks, which may be as large as they like. */
static bool loader_head_is_enough(const u8 *head, u64 size_bytes)
{
    struct image probe = {.bytes = head, .size_bytes = size_bytes, .file_size_bytes = size_bytes};
    return !loader_has(head, size_bytes, 0, "\x7f" "ELF", 4) &&
           !loader_has(head, size_bytes, 0x38, "RSC\x05", 4) && loader_disk(&probe, "");
}

static void loader_recognise(struct image *image, const char *name)
{
    if (!loader_elf(image, name) && !loader_kernel(image, name) && !loader_disk(image, name) &&
        !loader_other(image, name)) {
        loader_binary(image, name);
    }
}

static void loader_free_bytes(struct image *image)
{
    if (image->in_pages && image->owned != NULL) {
        loader_pages_free(image->owned, image->size_bytes);
    } else if (!image->in_pages) {
        free(image->owned);
    }
    if (image->fd >= 0) {
        close(image->fd);
    }
    image->fd = -1;
    image->in_pages = false;
    image->owned = NULL;
}

/* Replaces the image's bytes by what is packed in [offset, offset + bytes) of them. */
static bool loader_peel(struct image *image, const char *name, enum image_packing packing,
                        u64 offset, u64 bytes, struct metic_error *error)
{
    u8 *out;
    u64 out_bytes;
    if (!loader_unpack(packing, name, image->bytes + offset, bytes, &out, &out_bytes, error)) {
        return false;
    }
    loader_free_bytes(image);
    image->owned = out;
    image->bytes = out;
    image->size_bytes = out_bytes;
    image->packing = packing;
    return true;
}

/* Takes one EFI zboot wrapping off. False with a reason in *error, or refused (then *refused). */
static bool loader_peel_zboot(struct image *image, const char *name, u64 offset, u64 bytes,
                              bool *refused, struct metic_error *error)
{
    enum image_packing packing = loader_packing(image->bytes + offset, bytes);
    image->efi_zboot = true;
    if (packing != IMAGE_PLAIN) {
        return loader_peel(image, name, packing, offset, bytes, error);
    }
    *refused = true;
    char method[33];
    memcpy(method, image->bytes + 0x18, 32);
    method[32] = '\0';
    for (char *c = method; *c != '\0'; c++) {
        *c = *c > ' ' && *c < 0x7f ? *c : '?';
    }
    if (bytes == 0) {
        return !loader_refuse(image, name, IMAGE_DAMAGED, "EFI zboot kernel, truncated",
                              "Fetch or copy it again.",
                              "is a truncated EFI zboot kernel: its payload lies behind its end");
    }
    return !loader_refuse(image, name, IMAGE_ARCHIVE, "EFI zboot kernel in an unknown compression",
                          "Build it with gzip or zstd (CONFIG_KERNEL_ZSTD), or give the Image.",
                          "is an EFI zboot kernel compressed with %s, which metic cannot unpack",
                          method);
}

/* Unpacks as long as there is something packed. False with a reason; *refused: in the image. */
static bool loader_unwrap(struct image *image, const char *name, bool *refused,
                          struct metic_error *error)
{
    for (unsigned layer = 0; layer < LOADER_MAX_LAYERS; layer++) {
        u64 offset, bytes;
        enum image_packing packing = loader_packing(image->bytes, image->size_bytes);
        if (packing != IMAGE_PLAIN) {
            if (!loader_peel(image, name, packing, 0, image->size_bytes, error)) {
                return false;
            }
        } else if (loader_zboot(image->bytes, image->size_bytes, &offset, &bytes)) {
            if (!loader_peel_zboot(image, name, offset, bytes, refused, error)) {
                return false;
            }
        } else {
            return true;
        }
    }
    *refused = true;
    return !loader_refuse(image, name, IMAGE_ARCHIVE, "packed again and again", NULL,
                          "is compressed more than %d times over", LOADER_MAX_LAYERS);
}

static const char *loader_packing_text(enum image_packing packing)
{
    static const char *const texts[] = {"", ", gzip-compressed", ", zstd-compressed"};
    return texts[packing];
}

static void loader_describe_packing(struct image *image)
{
    size_t used = strlen(image->description);
    snprintf(image->description + used, sizeof(image->description) - used, "%s%s",
             loader_packing_text(image->packing), image->efi_zboot ? " (EFI zboot)" : "");
}

/* An image of what was read, which it owns; `file` may be the caller's bytes, too (owned false).
 * NULL with a reason, and nothing left to free. */
static struct image *loader_image_new(const char *name, const struct loader_file *file, bool owned,
                                      struct metic_error *error)
{
    struct image *image = calloc(1, sizeof(*image));
    struct image without = {.owned = owned ? file->bytes : NULL, .in_pages = file->in_pages,
                            .fd = file->fd, .size_bytes = file->size_bytes};
    if (image == NULL) {
        loader_free_bytes(&without);
        error_set(error, "Free some memory.", "no memory to read '%s'", name);
        return NULL;
    }
    *image = without;
    image->bytes = file->bytes;
    image->file_size_bytes = file->file_size_bytes;
    image->changed_ns = file->changed_ns;
    return image;
}

/* Takes what is owned over in any case. */
static struct image *loader_make(const char *name, const struct loader_file *file, bool owned,
                                 struct metic_error *error)
{
    struct image *image = loader_image_new(name, file, owned, error);
    if (image == NULL) {
        return NULL;
    }
    bool refused = false;
    if (!loader_unwrap(image, name, &refused, error)) {
        if (!refused) {
            image_free(image);
            return NULL;
        }
    } else {
        loader_recognise(image, name);
    }
    if (image->description[0] != '\0') {
        loader_describe_packing(image);
    }
    return image;
}

static struct image *loader_open(const char *path, bool (*enough)(const u8 *head, u64 size_bytes),
                                 struct metic_error *error)
{
    struct loader_file file;
    return loader_file_read(path, enough, &file, error) ? loader_make(path, &file, true, error)
                                                        : NULL;
}

struct image *image_open(const char *path, struct metic_error *error)
{
    return loader_open(path, loader_head_is_enough, error);
}

static bool loader_is_plain(const u8 *head, u64 size_bytes)
{
    return loader_packing(head, size_bytes) == IMAGE_PLAIN;
}

struct image *image_open_head(const char *path, struct metic_error *error)
{
    return loader_open(path, loader_is_plain, error);
}

struct image *image_open_bytes(const char *name, const u8 *bytes, u64 size_bytes,
                               struct metic_error *error)
{
    struct loader_file file = {.bytes = (u8 *)(uintptr_t)bytes, .size_bytes = size_bytes,
                               .file_size_bytes = size_bytes, .fd = -1};
    return loader_make(name, &file, false, error);
}

struct image *image_open_raw(const char *path, struct metic_error *error)
{
    struct loader_file file;
    if (!loader_file_read(path, NULL, &file, error)) {
        return NULL;
    }
    if (file.size_bytes == 0) {
        free(file.bytes);
        error_set(error, "Fetch or build it again: it has no bytes.", "'%s' is empty", path);
        return NULL;
    }
    struct image *image = loader_image_new(path, &file, true, error);
    if (image == NULL) {
        return NULL;
    }
    image->packing = loader_packing(file.bytes, file.size_bytes);
    char size[32];
    if (image->packing == IMAGE_PLAIN) {
        loader_recognise(image, path);
        image->mode = IMAGE_MODE_NONE;
    } else {
        image->kind = IMAGE_ARCHIVE;
        loader_describe(image, "%s-compressed file, %s",
                        image->packing == IMAGE_GZIP ? "gzip" : "zstd",
                        loader_size_text(file.size_bytes, size, sizeof(size)));
    }
    return image;
}

void image_free(struct image *image)
{
    if (image != NULL) {
        loader_free_bytes(image);
        free(image);
    }
}

bool loader_read_again(struct image *image, struct metic_error *error)
{
    struct stat stat;
    u8 *bytes = NULL;
    if (fstat(image->fd, &stat) == 0 && (u64)stat.st_size == image->size_bytes &&
        loader_changed_ns(&stat) == image->changed_ns) {
        bytes = loader_pages_read(image->fd, image->size_bytes);
    }
    if (bytes == NULL) {
        return error_set(error, "Start the machine anew.",
                         "the kernel's file was changed since the start, or cannot be read again");
    }
    image->owned = bytes;
    image->bytes = bytes;
    return true;
}

const char *image_describe(struct image *image)
{
    if (image->kind == IMAGE_LINUX && image->description[0] == '\0' && image->bytes != NULL) {
        loader_kernel_describe(image);
        loader_describe_packing(image);
    }
    return image->description;
}

bool image_check_startable(const struct image *image, struct metic_error *error)
{
    if (image->mode != IMAGE_MODE_NONE) {
        return true;
    }
    if (error != NULL) {
        *error = image->refusal;
    }
    return false;
}
