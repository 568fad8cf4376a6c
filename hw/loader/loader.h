/* Images: what a file is, and putting it into guest memory.
 *
 * image_open reads a file, unpacks it when it is compressed (gzip, zstd, EFI zboot), and says what
 * it is and how it starts. Every byte of it is hostile: sizes are bounded, offsets checked, and
 * nothing is believed that the file's own length does not cover. What a file cannot be started as
 * is no failure of image_open; image_check_startable has the reason, for people.
 *
 *   file                                   kind           mode             placed at
 *   ELF linked at the start of RAM         IMAGE_ELF      MACHINE          its own addresses
 *   other bare-metal ELF                   IMAGE_ELF      MACHINE          its own addresses
 *   ELF entered at or above 0x80200000     IMAGE_ELF      SUPERVISOR       its own addresses
 *   position-independent ELF (firmware)    IMAGE_ELF      MACHINE          the base given
 *   vmlinux (linked in the upper half)     IMAGE_ELF      SUPERVISOR       the base given
 *   RISC-V Linux Image, EFI stub or not    IMAGE_LINUX    SUPERVISOR       the base given
 *   anything else that is not recognised   IMAGE_BINARY   MACHINE          the base given
 *
 * Sources: System V gABI chapters 4 and 5; Linux Documentation/arch/riscv/boot-image-header.rst,
 * Documentation/arch/arm64/booting.rst and drivers/firmware/efi/libstub/zboot-header.S; PE/COFF
 * specification 8.3. */
#ifndef METIC_HW_LOADER_H
#define METIC_HW_LOADER_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"
#include "cpu/memory.h"

enum image_kind {
    IMAGE_ELF,
    IMAGE_LINUX,   /* flat Linux Image for RISC-V, unpacked */
    IMAGE_BINARY,  /* bytes nothing is known of */
    IMAGE_DTB,     /* flattened device tree, FIT included */
    IMAGE_CPIO,    /* initramfs */
    IMAGE_DISK,    /* raw disk or file system */
    IMAGE_QCOW2,
    IMAGE_TEXT,
    IMAGE_EMPTY,   /* no bytes, or only zeros */
    IMAGE_FOREIGN, /* a program or kernel for another processor */
    IMAGE_ARCHIVE, /* something that would have to be taken apart first */
    IMAGE_DAMAGED, /* recognised, but truncated or inconsistent */
};

enum image_mode {
    IMAGE_MODE_NONE,       /* cannot be started */
    IMAGE_MODE_MACHINE,    /* starts in M-mode with nothing beneath it */
    IMAGE_MODE_SUPERVISOR, /* wants SBI firmware and S-mode */
};

enum image_packing { IMAGE_PLAIN, IMAGE_GZIP, IMAGE_ZSTD };

enum { IMAGE_MAX_SEGMENTS = 32 };

/* Bytes [offset, offset + file_bytes) of the image go to gpa; zeros up to memory_bytes follow. With
 * `relocatable`, gpa counts from the base given to image_place. */
struct image_segment {
    gpa_t gpa;
    u64 offset;
    u64 file_bytes;
    u64 memory_bytes; /* >= file_bytes, > 0 */
};

/* Once made, only image_describe and image_place change it. */
struct image {
    enum image_kind kind;
    enum image_mode mode;
    enum image_packing packing;
    bool efi_zboot;    /* came out of an EFI zboot program */
    bool efi_stub;
    char description[192]; /* what image_describe completes */
    struct metic_error refusal; /* why it cannot be started; empty when it can */

    const u8 *bytes;   /* unpacked; NULL where image_place gave them away */
    u64 size_bytes;
    u64 file_size_bytes; /* as stored */

    /* kind ELF, LINUX, BINARY with mode != NONE: */
    struct image_segment segments[IMAGE_MAX_SEGMENTS];
    unsigned segment_count;
    bool relocatable;
    u64 headers_bytes;  /* of the file's own headers at its start, which nobody needs in memory */
    gpa_t entry;        /* gpa, from the base when relocatable */
    u64 align_bytes;    /* that the base should have: 2 MiB for LINUX */
    u64 base_offset;    /* LINUX: text_offset, where in RAM it wants to lie (2 MiB) */
    /* Addresses of the host-target interface's words, for programs that end by it; 0: none. */
    gpa_t tohost_gpa, fromhost_gpa;

    void *owned;       /* heap block behind `bytes`, or its pages (in_pages), or NULL */
    bool in_pages;
    int fd;            /* of the file, where it can be read again; else -1 */
    u64 changed_ns;    /* of that file */
};

/* Largest file and largest unpacked image. */
#define IMAGE_LIMIT_BYTES ((u64)1 << 30)

/* Reads, unpacks and recognises. NULL with a reason when the file cannot be read, is a directory,
 * larger than IMAGE_LIMIT_BYTES (disks are recognised at any size, then `bytes` has only their
 * beginning), or its compressed data is damaged. */
struct image *image_open(const char *path, struct metic_error *error);

/* The same of the beginning of a file that is not packed: enough to tell disks from everything
 * else, which may look damaged. */
struct image *image_open_head(const char *path, struct metic_error *error);

/* The same for bytes in memory, which stay the caller's and outlive the image. `name` is for the
 * texts. NULL only when compressed data is damaged. */
struct image *image_open_bytes(const char *name, const u8 *bytes, u64 size_bytes,
                               struct metic_error *error);

/* Reads without unpacking: initrds and device trees. `kind` and `description` are set, nothing
 * else is. NULL with a reason as image_open, and when the file is empty. */
struct image *image_open_raw(const char *path, struct metic_error *error);

/* Whether the beginning (LOADER_TEXT_BYTES at most) is nothing but text, in ASCII or UTF-8. */
enum { LOADER_TEXT_BYTES = 65536 };
bool loader_is_text(const u8 *bytes, u64 size_bytes);

void image_free(struct image *image); /* NULL allowed */

/* "Linux kernel Image 6.12.48 for RISC-V, gzip-compressed, 30 MiB". Looking for the version takes
 * milliseconds, so it is only done when somebody wants to see it. Before image_place. */
const char *image_describe(struct image *image);

/* False with the reason when the image is nothing a machine could be started with. */
bool image_check_startable(const struct image *image, struct metic_error *error);

/* The value of an ELF's symbol: the virtual address it was linked for. False when there is none. */
bool image_find_symbol(const struct image *image, const char *name, u64 *gva);

/* Writes the segments, bss zeroed, with memory_load; a relocatable image at `base_gpa`. Gives the
 * entry and the end of the highest segment (either may be NULL). False with a reason, and nothing
 * written, when a segment is not wholly in RAM, ROM or flash. Before harts start.
 *
 * The pages of a large kernel are not copied but become the guest's. When it is placed again, after
 * a reset, its file is read again, which must be as it was. */
bool image_place(struct memory *memory, struct image *image, gpa_t base_gpa, gpa_t *entry,
                 gpa_t *end, struct metic_error *error);

#endif
