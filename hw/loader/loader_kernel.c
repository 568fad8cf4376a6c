/* Linux kernels that are no ELF: RISC-V Image with or without EFI stub, and those of other
 * processors, which are refused by name.
 *
 * A RISC-V Image begins with 64 bytes: code, text_offset at 8, image_size (bss included) at 16,
 * flags at 24, "RSC\x05" at 0x38, and with an EFI stub "MZ" at 0 and the offset of a PE header at
 * 0x3c. The PE section table tells how long the file has to be. */
#include "hw/loader/loader_private.h"

#include <stdio.h>

enum {
    KERNEL_HEADER_BYTES = 64,
    PE_HEADER_BYTES = 24,
    PE_SECTION_BYTES = 40,
    RISCV_JAL = 0x6f,
};

/* A larger one than this is no kernel but a damaged header. */
#define KERNEL_LIMIT_BYTES ((u64)4 << 30)

static const struct {
    unsigned number;
    const char *name;
} pe_machines[] = {
    {0x14c, "a 32-bit x86"}, {0x1c0, "an Arm (32-bit)"}, {0x1c2, "an Arm (32-bit)"},
    {0x1c4, "an Arm (32-bit)"}, {0x5032, "a 32-bit RISC-V"}, {0x6232, "a 32-bit LoongArch"},
    {0x6264, "a LoongArch"}, {0x8664, "an x86-64"}, {0xaa64, "an AArch64"},
};

static const char kernel_next[] = "Give a kernel for riscv64.";

/* The PE header of an EFI program, or 0 when there is none inside the file. */
static u64 pe_header_offset(const u8 *bytes, u64 size_bytes)
{
    if (size_bytes < KERNEL_HEADER_BYTES || !loader_has(bytes, size_bytes, 0, "MZ", 2)) {
        return 0;
    }
    u64 offset = ld_le32(bytes + 0x3c);
    bool whole = size_bytes >= PE_HEADER_BYTES && offset <= size_bytes - PE_HEADER_BYTES;
    return whole && loader_has(bytes, size_bytes, offset, "PE\0", 4) ? offset : 0;
}

/* How long the PE's section table says the file is; 0 when it cannot be read. */
static u64 pe_file_bytes(const u8 *bytes, u64 size_bytes, u64 header)
{
    unsigned count = ld_le16(bytes + header + 6);
    u64 table = header + PE_HEADER_BYTES + ld_le16(bytes + header + 20);
    u64 end = 0;
    for (unsigned i = 0; i < count; i++, table += PE_SECTION_BYTES) {
        if (table > size_bytes || size_bytes - table < PE_SECTION_BYTES) {
            return ~(u64)0;
        }
        u64 section_end = (u64)ld_le32(bytes + table + 16) + ld_le32(bytes + table + 20);
        end = section_end > end ? section_end : end;
    }
    return end;
}

/* Where the first jump of an Image goes: a kernel cut off before there cannot start. */
static u64 kernel_first_jump(const u8 *bytes)
{
    unsigned at = loader_has(bytes, KERNEL_HEADER_BYTES, 0, "MZ", 2) ? 2 : 0;
    u32 word = ld_le32(bytes + at);
    if ((word & 0xfff) != RISCV_JAL) { /* jal x0 */
        return 0;
    }
    u64 offset = bits_get(word, 21, 10) << 1 | bits_get(word, 20, 1) << 11 |
                 bits_get(word, 12, 8) << 12 | bits_get(word, 31, 1) << 20;
    return offset >> 20 != 0 ? 0 : at + offset; /* backwards: not a jump of a kernel's */
}

static bool kernel_truncated(struct image *image, const char *name, u64 wanted_bytes)
{
    return loader_refuse(image, name, IMAGE_DAMAGED, "Linux kernel Image for RISC-V, truncated",
                         "Fetch or copy it again.",
                         "is a truncated kernel: it has %llu bytes and should have %llu",
                         (unsigned long long)image->size_bytes, (unsigned long long)wanted_bytes);
}

void loader_kernel_describe(struct image *image)
{
    char size[32], version[64];
    loader_linux_version(image->bytes, image->size_bytes, version, sizeof(version));
    loader_describe(image, "Linux kernel Image %s%sfor RISC-V%s, %s", version,
                    version[0] != '\0' ? " " : "", image->efi_stub ? ", EFI stub" : "",
                    loader_size_text(image->size_bytes, size, sizeof(size)));
}

static bool kernel_riscv(struct image *image, const char *name)
{
    const u8 *bytes = image->bytes;
    u64 text_offset = ld_le64(bytes + 8), memory_bytes = ld_le64(bytes + 16);
    u64 pe = pe_header_offset(bytes, image->size_bytes);
    image->efi_stub = pe != 0;
    if (ld_le64(bytes + 24) & 1) {
        return loader_refuse(image, name, IMAGE_FOREIGN, "big-endian Linux kernel for RISC-V",
                             kernel_next, "is a big-endian kernel");
    }
    if (memory_bytes > KERNEL_LIMIT_BYTES || text_offset > KERNEL_LIMIT_BYTES) {
        return loader_refuse(image, name, IMAGE_DAMAGED, "Linux kernel Image, damaged",
                             "Fetch or build it again.",
                             "has a damaged kernel header: it asks for 0x%llx bytes at 0x%llx",
                             (unsigned long long)memory_bytes, (unsigned long long)text_offset);
    }
    u64 wanted_bytes = pe != 0 ? pe_file_bytes(bytes, image->size_bytes, pe) : 0;
    if (wanted_bytes == ~(u64)0) {
        return loader_refuse(image, name, IMAGE_DAMAGED, "Linux kernel Image, truncated",
                             "Fetch or copy it again.",
                             "is a truncated kernel: it ends inside its section table");
    }
    u64 jump = kernel_first_jump(bytes);
    wanted_bytes = wanted_bytes > jump + 4 ? wanted_bytes : jump + 4;
    if (image->size_bytes < wanted_bytes) {
        return kernel_truncated(image, name, wanted_bytes);
    }
    image->kind = IMAGE_LINUX;
    image->mode = IMAGE_MODE_SUPERVISOR;
    image->relocatable = true;
    image->align_bytes = LOADER_KERNEL_OFFSET;
    image->base_offset = text_offset != 0 ? text_offset : LOADER_KERNEL_OFFSET;
    image->segments[0] = (struct image_segment){
        0, 0, image->size_bytes,
        memory_bytes > image->size_bytes ? memory_bytes : image->size_bytes,
    };
    image->segment_count = 1;
    return true;
}

static bool kernel_foreign(struct image *image, const char *name, const char *what)
{
    loader_refuse(image, name, IMAGE_FOREIGN, "", kernel_next, "is %s, not one for RISC-V", what);
    loader_describe(image, "%s", what);
    return true;
}

static bool kernel_pe(struct image *image, const char *name, u64 header)
{
    unsigned machine = ld_le16(image->bytes + header + 4);
    if (machine == 0x5064) {
        return loader_refuse(image, name, IMAGE_ARCHIVE, "EFI program for RISC-V",
                             "Give the kernel itself, or start EFI firmware from flash (--flash).",
                             "is an EFI program without a kernel's header; it needs EFI firmware");
    }
    char what[80];
    snprintf(what, sizeof(what), "an EFI or Windows program for PE machine 0x%x", machine);
    for (unsigned i = 0; i < ARRAY_LEN(pe_machines); i++) {
        if (pe_machines[i].number == machine) {
            snprintf(what, sizeof(what), "%s EFI or Windows program", pe_machines[i].name);
        }
    }
    return kernel_foreign(image, name, what);
}

/* U-Boot's old wrapping; byte 29 is the processor, 26 is RISC-V. */
static bool kernel_uimage(struct image *image, const char *name)
{
    bool riscv = image->size_bytes > 29 && image->bytes[29] == 26;
    if (!riscv) {
        return kernel_foreign(image, name, "a U-Boot image for another processor");
    }
    return loader_refuse(image, name, IMAGE_ARCHIVE, "U-Boot image (uImage) for RISC-V",
                         "Take its header off (dumpimage -o kernel FILE, or tail -c +65).",
                         "is a U-Boot image; metic wants what is inside");
}

bool loader_kernel(struct image *image, const char *name)
{
    const u8 *bytes = image->bytes;
    u64 size_bytes = image->size_bytes;
    if (loader_has(bytes, size_bytes, 0x38, "RSC\x05", 4) && size_bytes >= KERNEL_HEADER_BYTES) {
        return kernel_riscv(image, name);
    }
    if (loader_has(bytes, size_bytes, 0x38, "ARM\x64", 4)) {
        return kernel_foreign(image, name, "an AArch64 Linux kernel");
    }
    if (loader_has(bytes, size_bytes, 0x24, "\x18\x28\x6f\x01", 4)) {
        return kernel_foreign(image, name, "an Arm (32-bit) Linux kernel");
    }
    if (loader_has(bytes, size_bytes, 0x202, "HdrS", 4)) {
        return kernel_foreign(image, name, "an x86 Linux kernel");
    }
    if (loader_has(bytes, size_bytes, 0, "\x27\x05\x19\x56", 4)) {
        return kernel_uimage(image, name);
    }
    u64 pe = pe_header_offset(bytes, size_bytes);
    if (pe != 0) {
        return kernel_pe(image, name, pe);
    }
    return false;
}
