/* A disk image on the host, whatever its format: one constant struct blk_driver per format.
 *
 *   blk_backend (what a device uses: overlay in memory, read-only, ...)
 *     -> blk_image (this: raw.c, qcow2*.c, each maybe over a backing image)
 *       -> blk_file (the host's file)
 *
 * Which format? What the user or the image above says; otherwise what the first bytes look like.
 * That guess is a trust: a guest that may write a raw disk could write a qcow2 header to it that
 * names any file of the host's as its backing file, and read that file in its next run. QEMU
 * learned it the hard way (CVE-2008-2004 and its kin). So: a raw image whose format was guessed
 * refuses, as an I/O error, the write that would make it look like another format; and a backing
 * image whose format was guessed may not lead to yet another file.
 *
 * Reading, writing, zeroing, discarding and flushing may come from several threads at once;
 * everything else from one. Ranges lie inside the image: the caller has checked. Answers are 0 or
 * an errno. */
#ifndef METIC_HW_BLOCK_BLK_IMAGE_H
#define METIC_HW_BLOCK_BLK_IMAGE_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "hw/block/blk_file.h"
#include "hw/block/blk_vector.h"
#include <stdio.h>

enum { BLK_SECTOR_BYTES = 512, BLK_MAX_CHAIN = 64 };

enum blk_format { BLK_FORMAT_AUTO, BLK_FORMAT_RAW, BLK_FORMAT_QCOW2 };

/* What an image itself has for a range. */
enum blk_content {
    BLK_CONTENT_ABSENT, /* nothing: it is as in the backing image, zeros without one */
    BLK_CONTENT_ZEROS,
    BLK_CONTENT_DATA,
};

struct blk_image;

struct blk_driver {
    const char *name; /* "qcow2" */

    /* The vector moves on by size_bytes. */
    int (*read)(struct blk_image *image, u64 offset, struct blk_vector *vector, u64 size_bytes);
    int (*write)(struct blk_image *image, u64 offset, struct blk_vector *vector, u64 size_bytes);
    /* Reads as zeros afterwards; `unmap` gives the space back. */
    int (*zero)(struct blk_image *image, u64 offset, u64 size_bytes, bool unmap);
    /* No longer matters: gives the space back where it can. */
    int (*discard)(struct blk_image *image, u64 offset, u64 size_bytes);
    /* What was written before survives the host. */
    int (*flush)(struct blk_image *image);

    /* How many bytes from `offset` on, at most `limit`, are alike, and what they are. */
    int (*look)(struct blk_image *image, u64 offset, u64 limit, enum blk_content *content,
                u64 *run_bytes);
    /* Another size, larger or smaller; what is new reads as zeros. */
    bool (*resize)(struct blk_image *image, u64 size_bytes, struct metic_error *error);
    /* Forgets all that the image itself has. NULL: cannot. */
    int (*clear)(struct blk_image *image);
    /* Names another backing image (NULL: none), and its format's name. NULL: cannot. */
    bool (*set_backing)(struct blk_image *image, const char *path, const char *format,
                        struct metic_error *error);
    /* Lines about the format's own facts; or JSON members, each with a comma before. */
    void (*describe)(struct blk_image *image, FILE *to, bool json);
    void (*close)(struct blk_image *image); /* not `image` itself, nor its backing */
};

/* Each format's own struct begins with one. */
struct blk_image {
    const struct blk_driver *driver;
    struct blk_file file;
    struct blk_image *backing; /* NULL: none */
    u64 size_bytes;            /* whole sectors */
    u64 good_bytes;            /* what requests are best multiples of, a power of two; 0: any */
    bool writable;
    bool guessed;              /* nobody said the format */
    char *path;
    char *backing_name;        /* as the image has it; NULL: none */
    const char *backing_format; /* its format's name as the image has it; NULL: not said */
    char trouble[160];         /* why it refuses to go on, once it does; else empty */
};

struct blk_open {
    const char *path;
    enum blk_format format;
    bool writable;
    bool unlocked;   /* only looks, whatever others do meanwhile */
    bool no_backing; /* its backing image is not opened, and absent parts read as zeros */
    bool repairing;  /* what is marked dirty or corrupt may be opened all the same */
};

/* NULL with a reason that names the file. */
struct blk_image *blk_image_open(const struct blk_open *how, struct metic_error *error);
void blk_image_close(struct blk_image *image); /* NULL allowed; with its backing images */

int blk_image_read(struct blk_image *image, u64 offset, void *bytes, u64 size_bytes);
int blk_image_write(struct blk_image *image, u64 offset, const void *bytes, u64 size_bytes);
/* The driver's `look`, down the chain of backing images: never BLK_CONTENT_ABSENT. */
int blk_image_look_down(struct blk_image *image, u64 offset, u64 limit,
                        enum blk_content *content, u64 *run_bytes);
/* What an absent range reads as: the backing image's bytes, and zeros behind its end. */
int blk_image_read_backing(struct blk_image *image, u64 offset, struct blk_vector *vector,
                           u64 size_bytes);

/* "raw", "qcow2"; false when there is no such format (AUTO has no name). */
bool blk_format_find(const char *name, enum blk_format *format);

/* The path of a backing image: names are relative to the folder of the image that has them. A
 * heap string, or NULL without memory. */
char *blk_image_backing_path(const char *image_path, const char *backing_name);

/* ---- Between this and the formats ---- */

/* The image has its path, file, writable and guessed set. Each returns false with a reason. */
struct blk_image *raw_new(void);
bool raw_open(struct blk_image *image, struct metic_error *error);
struct blk_image *qcow2_new(void);
bool qcow2_open(struct blk_image *image, const struct blk_open *how, struct metic_error *error);

/* Whether a file that begins so is taken for a format with pointers to other files (qcow2 or what
 * other programs know); such a header must not be written by a guest. */
bool blk_image_looks_formatted(const u8 *bytes, size_t size_bytes);

#endif
