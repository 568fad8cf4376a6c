/* What is neither ELF nor kernel: disks, device trees, initramfs, archives, text, nothing at all.
 * Most is known by a magic number at a fixed place. */
#include "hw/loader/loader_private.h"

#include "cpu/base/bits.h"
#include <libfdt.h>
#include <limits.h>
#include <stdio.h>

struct kind_magic {
    u32 offset;
    u8 magic_bytes;
    const char *magic;
    enum image_kind kind;
    const char *what; /* with its article */
    const char *next;
};

static const char disk_next[] =
    "Start a kernel and give the disk to it: metic run KERNEL --disk FILE.";
static const char convert_next[] = "Convert it: qemu-img convert -O qcow2 FILE disk.qcow2.";
static const char unpack_next[] = "Unpack it and give what is inside.";

/* Longer or surer magics first: an ext superblock may follow a boot sector. */
static const struct kind_magic disk_magics[] = {
    {0, 4, "QFI\xfb", IMAGE_QCOW2, "a qcow2 disk image", disk_next},
    {512, 8, "EFI PART", IMAGE_DISK, "a disk image with a GPT partition table", disk_next},
    {4096, 8, "EFI PART", IMAGE_DISK, "a 4K-sector disk image with a GPT partition table",
     disk_next},
    {0x10040, 8, "_BHRfS_M", IMAGE_DISK, "a Btrfs file system", disk_next},
    {0x8001, 5, "CD001", IMAGE_DISK, "a CD or DVD image (ISO 9660)", disk_next},
    {0, 4, "XFSB", IMAGE_DISK, "an XFS file system", disk_next},
    {0, 4, "hsqs", IMAGE_DISK, "a SquashFS file system", disk_next},
    {1024, 4, "\xe2\xe1\xf5\xe0", IMAGE_DISK, "an EROFS file system", disk_next},
#define FOREIGN_DISK(offset, magic, name, names_files)                                            \
    {offset, sizeof(magic) - 1, magic, IMAGE_DISK, "a " name " disk image", convert_next},
#include "hw/block/foreign.def"
#undef FOREIGN_DISK
};

static const struct kind_magic ext_magic = {
    1024 + 56, 2, "\x53\xef", IMAGE_DISK, "an ext2, ext3 or ext4 file system", disk_next,
};

static const struct kind_magic mbr_magic = {
    510, 2, "\x55\xaa", IMAGE_DISK, "a disk image with a boot sector (MBR)", disk_next,
};

static const struct kind_magic other_magics[] = {
    {0, 6, "070701", IMAGE_CPIO, "an initramfs (cpio)",
     "Start a kernel with it: metic run KERNEL --initrd FILE."},
    {0, 6, "070702", IMAGE_CPIO, "an initramfs (cpio)",
     "Start a kernel with it: metic run KERNEL --initrd FILE."},
    {0, 6, "070707", IMAGE_CPIO, "a cpio archive in the old format", unpack_next},
    {0, 6, "\xfd" "7zXZ\0", IMAGE_ARCHIVE, "xz-compressed", "Unpack it: xz -dk FILE."},
    {0, 3, "BZh", IMAGE_ARCHIVE, "bzip2-compressed", "Unpack it: bzip2 -dk FILE."},
    {0, 4, "\x04\x22\x4d\x18", IMAGE_ARCHIVE, "lz4-compressed", "Unpack it: lz4 -d FILE."},
    {0, 4, "\x02\x21\x4c\x18", IMAGE_ARCHIVE, "lz4-compressed", "Unpack it: lz4 -d FILE."},
    {0, 4, "\x89LZO", IMAGE_ARCHIVE, "lzop-compressed", "Unpack it: lzop -d FILE."},
    {0, 5, "\x5d\0\0\0\x04", IMAGE_ARCHIVE, "lzma-compressed", "Unpack it: xz -dk FILE."},
    {0, 21, "!<arch>\ndebian-binary", IMAGE_ARCHIVE, "a Debian package",
     "Unpack it: dpkg-deb -x FILE DIR; kernels are in DIR/boot."},
    {0, 8, "!<arch>\n", IMAGE_ARCHIVE, "a library archive", unpack_next},
    {0, 4, "\xed\xab\xee\xdb", IMAGE_ARCHIVE, "an RPM package", unpack_next},
    {0, 4, "PK\x03\x04", IMAGE_ARCHIVE, "a ZIP archive", unpack_next},
    {257, 5, "ustar", IMAGE_ARCHIVE, "a tar archive", unpack_next},
    {0, 4, "\x89PNG", IMAGE_ARCHIVE, "a PNG picture", NULL},
    {0, 3, "\xff\xd8\xff", IMAGE_ARCHIVE, "a JPEG picture", NULL},
    {0, 5, "%PDF-", IMAGE_ARCHIVE, "a PDF document", NULL},
    {0, 4, "\xfe\xed\xfa\xcf", IMAGE_FOREIGN, "a macOS program", NULL},
    {0, 4, "\xcf\xfa\xed\xfe", IMAGE_FOREIGN, "a macOS program", NULL},
    {0, 4, "\xca\xfe\xba\xbe", IMAGE_FOREIGN, "a Java class or macOS program", NULL},
    {0, 4, "\0asm", IMAGE_FOREIGN, "a WebAssembly program", NULL},
};

static const struct kind_magic *kind_find(const struct kind_magic *magics, size_t count,
                                          const u8 *bytes, u64 size_bytes)
{
    for (size_t i = 0; i < count; i++) {
        const struct kind_magic *magic = &magics[i];
        if (loader_has(bytes, size_bytes, magic->offset, magic->magic, magic->magic_bytes)) {
            return magic;
        }
    }
    return NULL;
}

static void kind_refuse(struct image *image, const char *name, const struct kind_magic *magic)
{
    char size[32];
    loader_refuse(image, name, magic->kind, "", magic->next, "is %s, not something to start",
                  magic->what);
    loader_describe(image, "%s, %s", magic->what,
                    loader_size_text(image->file_size_bytes, size, sizeof(size)));
}

static bool kind_empty(struct image *image, const char *name)
{
    char size[32];
    if (image->file_size_bytes == 0) {
        return loader_refuse(image, name, IMAGE_EMPTY, "an empty file",
                             "Fetch or build it again: it has no bytes.", "is empty");
    }
    loader_refuse(image, name, IMAGE_EMPTY, "",
                  "Install a system on it first: metic run KERNEL --initrd F --disk FILE:write.",
                  "has nothing but zeros where a kernel or a boot sector would be: an empty disk?");
    loader_describe(image, "nothing but zeros (an empty disk?), %s",
                    loader_size_text(image->file_size_bytes, size, sizeof(size)));
    return true;
}

/* The superblock's magic has but two bytes; its other fields must make sense too. */
static bool kind_is_ext(const u8 *bytes, u64 size_bytes)
{
    const u8 *super = bytes + 1024;
    return size_bytes >= 2048 && ld_le16(super + 56) == 0xef53 && ld_le32(super + 24) <= 6 &&
           ld_le32(super + 76) <= 1 && ld_le32(super + 4) != 0;
}

bool loader_disk(struct image *image, const char *name)
{
    u64 head_bytes = image->size_bytes < LOADER_HEAD_BYTES ? image->size_bytes : LOADER_HEAD_BYTES;
    if (bytes_are_all(image->bytes, head_bytes, 0)) {
        return kind_empty(image, name);
    }
    const struct kind_magic *magic =
        kind_find(disk_magics, ARRAY_LEN(disk_magics), image->bytes, head_bytes);
    if (magic == NULL && kind_is_ext(image->bytes, head_bytes)) {
        magic = &ext_magic;
    }
    if (magic == NULL) {
        return false;
    }
    kind_refuse(image, name, magic);
    return true;
}

static bool kind_dtb(struct image *image, const char *name)
{
    const void *fdt = image->bytes;
    if (image->size_bytes > INT_MAX || fdt_check_header(fdt) != 0 ||
        fdt_totalsize(fdt) > image->size_bytes ||
        fdt_check_full(fdt, (size_t)image->size_bytes) != 0) {
        return loader_refuse(image, name, IMAGE_DAMAGED, "a device tree, truncated or damaged",
                             "Build or fetch it again.",
                             "is a truncated or damaged device tree");
    }
    if (fdt_path_offset(fdt, "/images") >= 0) {
        return loader_refuse(image, name, IMAGE_DTB, "a FIT image (device-tree container)",
                             "Take the kernel out of it: dumpimage -T flat_dt -p 0 -o kernel FILE.",
                             "is a FIT image; metic wants the kernel inside");
    }
    int model_bytes = 0;
    const char *model = fdt_getprop(fdt, 0, "model", &model_bytes);
    loader_refuse(image, name, IMAGE_DTB, "a device tree",
                  "Give it with --dtb beside something to start.",
                  "is a device tree, not something to start");
    if (model != NULL && model_bytes > 1) {
        loader_describe(image, "a device tree for \"%.*s\"", model_bytes - 1, model);
    }
    return true;
}

/* No control characters that text does not have, and valid UTF-8 as far as a cheap look shows: no
 * byte that UTF-8 never has. */
bool loader_is_text(const u8 *bytes, u64 size_bytes)
{
    size_bytes = size_bytes < LOADER_TEXT_BYTES ? size_bytes : LOADER_TEXT_BYTES;
    for (u64 i = 0; i < size_bytes; i++) {
        u8 c = bytes[i];
        bool control = c < 0x20 && !(c >= '\t' && c <= '\r') && c != 0x1b;
        if (control || c == 0x7f || c == 0xc0 || c == 0xc1 || c >= 0xf5) {
            return false;
        }
        if (c >= 0xc2) {
            unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
            for (; more > 0 && i + 1 < size_bytes; more--) {
                if ((bytes[++i] & 0xc0) != 0x80) {
                    return false;
                }
            }
        } else if (c >= 0x80) {
            return false;
        }
    }
    return true;
}

static bool kind_text(struct image *image, const char *name)
{
    if (!loader_is_text(image->bytes, image->size_bytes)) {
        return false;
    }
    const char *next = "Give a kernel, a firmware image or a bare-metal program.";
    if (loader_has(image->bytes, image->size_bytes, 0, "#!", 2)) {
        return loader_refuse(image, name, IMAGE_TEXT, "a script", next,
                             "is a script, not something to start");
    }
    if (loader_has(image->bytes, image->size_bytes, 0, "version https://git-lfs", 23)) {
        return loader_refuse(image, name, IMAGE_TEXT, "a Git LFS pointer",
                             "Get the file it stands for: git lfs pull.",
                             "is a Git LFS pointer, not the file itself");
    }
    return loader_refuse(image, name, IMAGE_TEXT, "a text file", next,
                         "is a text file, not something to start");
}

bool loader_other(struct image *image, const char *name)
{
    const u8 *bytes = image->bytes;
    if (loader_has(bytes, image->size_bytes, 0, "\xd0\x0d\xfe\xed", 4)) {
        return kind_dtb(image, name);
    }
    const struct kind_magic *magic =
        kind_find(other_magics, ARRAY_LEN(other_magics), bytes, image->size_bytes);
    if (magic != NULL) {
        kind_refuse(image, name, magic);
        return true;
    }
    if (loader_has(bytes, image->size_bytes, 510, "\x55\xaa", 2)) {
        kind_refuse(image, name, &mbr_magic);
        return true;
    }
    return kind_text(image, name);
}

void loader_binary(struct image *image, const char *name)
{
    char size[32];
    if (image->size_bytes < 4) {
        loader_refuse(image, name, IMAGE_BINARY, "a few bytes", NULL,
                      "has %llu bytes: not even one instruction",
                      (unsigned long long)image->size_bytes);
        return;
    }
    image->kind = IMAGE_BINARY;
    image->mode = IMAGE_MODE_MACHINE;
    image->relocatable = true;
    image->align_bytes = PAGE_BYTES;
    image->segments[0] = (struct image_segment){0, 0, image->size_bytes, image->size_bytes};
    image->segment_count = 1;
    loader_describe(image, "raw binary, taken for RISC-V firmware or a bare-metal program, %s",
                    loader_size_text(image->size_bytes, size, sizeof(size)));
}
