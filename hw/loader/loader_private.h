/* What the parts of the loader share; nothing outside hw/loader*.c includes it. */
#ifndef METIC_HW_LOADER_PRIVATE_H
#define METIC_HW_LOADER_PRIVATE_H

#include "hw/loader/loader.h"

#include <sys/stat.h>

/* Where RAM and the kernel behind a firmware begin on the boards there are; a program's own
 * addresses are judged against these. */
#define LOADER_RAM_GPA ((gpa_t)0x80000000)
#define LOADER_KERNEL_OFFSET ((u64)0x200000)

/* A part of a file is read first; disks are known by it and never read whole. */
#define LOADER_HEAD_BYTES ((size_t)1 << 20)

/* What was read of a file. */
struct loader_file {
    u8 *bytes;  /* malloc'ed, at least one byte; or in_pages */
    u64 size_bytes;
    u64 file_size_bytes; /* larger than size_bytes when only the head was read */
    bool in_pages;       /* of loader_pages_read, with the file still open at `fd`; else -1 */
    int fd;
    u64 changed_ns;      /* in_pages: when the file was changed last */
};

/* Reads `path`: wholly, or its head alone when `enough` says of the head that no more is needed, or
 * when it is a block device. False with a reason; nothing to free then. */
bool loader_file_read(const char *path, bool (*enough)(const u8 *head, u64 size_bytes),
                      struct loader_file *file, struct metic_error *error);

/* The first size_bytes of a file in pages of their own, aligned to 2 MiB and with zeros behind the
 * file's end. NULL when it cannot be read so far. */
u8 *loader_pages_read(int fd, u64 size_bytes);
void loader_pages_free(u8 *bytes, u64 size_bytes);
u64 loader_changed_ns(const struct stat *stat);

/* What compression the bytes begin with; IMAGE_PLAIN when none of ours. */
enum image_packing loader_packing(const u8 *bytes, u64 size_bytes);

/* Unpacks into a new heap block. False with a reason: damaged, truncated, or over the limit. */
bool loader_unpack(enum image_packing packing, const char *name, const u8 *bytes, u64 size_bytes,
                   u8 **out, u64 *out_bytes, struct metic_error *error);

/* An EFI zboot program: where its payload is. False when it is none. A payload that lies outside
 * the file gives *payload_bytes 0. */
bool loader_zboot(const u8 *bytes, u64 size_bytes, u64 *payload_offset, u64 *payload_bytes);

/* Recognisers: look at image->bytes, and when they know them fill in the image (all but
 * packing and the stored size) and return true. `name` is for refusals. */
bool loader_elf(struct image *image, const char *name);    /* loader_elf.c */
bool loader_kernel(struct image *image, const char *name); /* loader_kernel.c */
bool loader_disk(struct image *image, const char *name);   /* loader_kind.c */
bool loader_other(struct image *image, const char *name);  /* loader_kind.c */
void loader_binary(struct image *image, const char *name); /* loader_kind.c: what is left */

void loader_kernel_describe(struct image *image);

/* Marks the image as not startable: kind, one-line description, refusal. Returns true, so that a
 * recogniser can end with it. The refusal reads "'NAME' <why>". */
bool loader_refuse(struct image *image, const char *name, enum image_kind kind,
                   const char *description, const char *next, const char *why, ...)
    __attribute__((format(printf, 6, 7)));

void loader_describe(struct image *image, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "30.4 MiB" into buffer; returns buffer. */
const char *loader_size_text(u64 size_bytes, char *buffer, size_t buffer_bytes);

/* Reads an image again whose bytes went into guest memory. False with a reason. */
bool loader_read_again(struct image *image, struct metic_error *error);

/* The version after "Linux version " anywhere in the bytes, or "" . */
void loader_linux_version(const u8 *bytes, u64 size_bytes, char *buffer, size_t buffer_bytes);

static inline bool loader_has(const u8 *bytes, u64 size_bytes, u64 offset, const void *magic,
                              size_t magic_bytes)
{
    return offset <= size_bytes && magic_bytes <= size_bytes - offset &&
           memcmp(bytes + offset, magic, magic_bytes) == 0;
}

#endif
