/* Disk images, apart from machines; each function is a `metic disk` command. */
#ifndef METIC_DISK_H
#define METIC_DISK_H

#include "hw/metic/base.h"
#include "hw/metic/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct metic_disk_create {
    enum metic_disk_format format; /* AUTO: qcow2 */
    uint64_t size_bytes;           /* 0: as large as the backing image */
    const char *backing;           /* what shows where nothing was written; a path, or NULL */
    enum metic_disk_format backing_format;
    uint64_t cluster_bytes;        /* qcow2: 0 is 64 KiB */
    unsigned version;              /* qcow2: 2 or 3; 0 is 3 */
    unsigned refcount_bits;        /* qcow2: 0 is 16 */
    bool zstd;                     /* qcow2: how clusters are compressed; otherwise zlib */
    bool lazy_refcounts;
    bool replace;                  /* an existing file is written over */
};
bool metic_disk_create(const char *path, const struct metic_disk_create *how,
                       struct metic_error *error);

/* What an image is, in lines or as one JSON object; also while others write to it. */
bool metic_disk_info(const char *path, enum metic_disk_format format, bool json, FILE *to,
                     struct metic_error *error);

enum metic_disk_repair { METIC_DISK_LOOK, METIC_DISK_REPAIR_LEAKS, METIC_DISK_REPAIR_ALL };
/* Prints what is wrong. *clean: nothing was, or nothing is any more. */
bool metic_disk_check(const char *path, enum metic_disk_repair repair, bool json, FILE *to,
                      bool *clean, struct metic_error *error);

/* Copies what a guest would read from `from` into a new image. */
bool metic_disk_convert(const char *from, enum metic_disk_format from_format, const char *to,
                        const struct metic_disk_create *how, bool compress,
                        struct metic_error *error);
/* Shrinking loses what lies behind the new end, so it must be asked for. */
bool metic_disk_resize(const char *path, enum metic_disk_format format, uint64_t size_bytes,
                       bool shrink, struct metic_error *error);
bool metic_disk_size(const char *path, enum metic_disk_format format, uint64_t *size_bytes,
                     struct metic_error *error);
/* Writes an overlay's contents into the image under it; the overlay is empty then. */
bool metic_disk_commit(const char *path, struct metic_error *error);
/* Puts another image under an overlay (NULL: none), whose contents stay the same; with `unsafe`
 * only its name changes. */
bool metic_disk_rebase(const char *path, const char *backing,
                       enum metic_disk_format backing_format, bool unsafe,
                       struct metic_error *error);
/* Compares what guests would read. *same_bytes: how far they are the same; UINT64_MAX: wholly. */
bool metic_disk_compare(const char *first, const char *second, uint64_t *same_bytes,
                        struct metic_error *error);

#endif
