/* ELF files (System V gABI; RISC-V ELF psABI).
 *
 * Only what loading needs is read: program headers, and from the sections the symbols tohost and
 * fromhost. Relocations are not applied: a position-independent firmware relocates itself. */
#include "hw/loader/loader_private.h"

#include <stdio.h>

enum {
    ELF_HEADER_BYTES = 64, ELF_PHDR_BYTES = 56, ELF_SHDR_BYTES = 64, ELF_SYM_BYTES = 24,
    ELF_CLASS64 = 2, ELF_LITTLE = 1, ELF_RISCV = 243,
    ELF_TYPE_REL = 1, ELF_TYPE_EXEC = 2, ELF_TYPE_DYN = 3, ELF_TYPE_CORE = 4,
    ELF_PT_LOAD = 1, ELF_PT_INTERP = 3, ELF_PT_NOTE = 4, ELF_SHT_SYMTAB = 2,
    ELF_NOTE_ABI_TAG = 1,
};

struct elf {
    const u8 *bytes;
    u64 size_bytes;
    u64 entry_gva;
    unsigned type;
    u64 phoff, shoff;
    unsigned phnum, shnum;
    bool interp, abi_tag; /* signs of a program for an operating system */
};

struct elf_phdr {
    u32 type;
    u64 offset, gva, gpa, file_bytes, memory_bytes;
};

static const struct {
    unsigned number;
    const char *name;
} elf_machines[] = {
    {2, "a SPARC"}, {3, "an x86 (32-bit)"}, {4, "a 68000"}, {8, "a MIPS"}, {15, "a PA-RISC"},
    {18, "a SPARC"}, {20, "a PowerPC"}, {21, "a 64-bit PowerPC"}, {22, "an s390"},
    {40, "an Arm (32-bit)"}, {42, "a SuperH"}, {43, "a 64-bit SPARC"}, {50, "an Itanium"},
    {62, "an x86-64"}, {83, "an AVR"}, {94, "an Xtensa"}, {105, "an MSP430"}, {183, "an AArch64"},
    {189, "a MicroBlaze"}, {247, "a BPF"}, {252, "a C-SKY"}, {258, "a LoongArch"},
};

static bool elf_range(const struct elf *elf, u64 offset, u64 bytes)
{
    return offset <= elf->size_bytes && bytes <= elf->size_bytes - offset;
}

static struct elf_phdr elf_phdr_at(const struct elf *elf, unsigned index)
{
    const u8 *p = elf->bytes + elf->phoff + (u64)index * ELF_PHDR_BYTES;
    return (struct elf_phdr){
        .type = ld_le32(p), .offset = ld_le64(p + 8), .gva = ld_le64(p + 16),
        .gpa = ld_le64(p + 24), .file_bytes = ld_le64(p + 32), .memory_bytes = ld_le64(p + 40),
    };
}

static bool elf_is_load(const struct elf_phdr *phdr)
{
    return phdr->type == ELF_PT_LOAD && phdr->memory_bytes != 0;
}

/* The file is for something else, or for nothing that runs: by the identification alone. */
static bool elf_refuse_foreign(struct image *image, const char *name, const u8 *bytes)
{
    unsigned machine = bytes[5] == ELF_LITTLE ? ld_le16(bytes + 18)
                                              : (unsigned)bytes[18] << 8 | bytes[19];
    const char *next = "metic runs RISC-V (rv64) kernels, firmware and bare-metal programs.";
    if (machine != ELF_RISCV) {
        char who[48];
        snprintf(who, sizeof(who), "an unknown processor's (ELF machine %u)", machine);
        for (unsigned i = 0; i < ARRAY_LEN(elf_machines); i++) {
            if (elf_machines[i].number == machine) {
                snprintf(who, sizeof(who), "%s", elf_machines[i].name);
            }
        }
        loader_refuse(image, name, IMAGE_FOREIGN, "", next, "is %s program, not a RISC-V one",
                      who);
        loader_describe(image, "ELF, %s program", who);
        return true;
    }
    if (bytes[4] != ELF_CLASS64) {
        return loader_refuse(image, name, IMAGE_FOREIGN, "ELF, a 32-bit RISC-V program", next,
                             "is a 32-bit RISC-V program; the harts here are 64-bit");
    }
    if (bytes[5] != ELF_LITTLE) {
        return loader_refuse(image, name, IMAGE_FOREIGN, "ELF, a big-endian RISC-V program", next,
                             "is a big-endian RISC-V program; the harts here are little-endian");
    }
    return false;
}

static bool elf_refuse_type(struct image *image, const char *name, unsigned type)
{
    switch (type) {
    case ELF_TYPE_EXEC:
    case ELF_TYPE_DYN:
        return false;
    case ELF_TYPE_REL:
        return loader_refuse(image, name, IMAGE_ARCHIVE, "ELF, a RISC-V object file",
                             "Link it first (ld, gcc -nostdlib -T script.ld).",
                             "is an object file, not a linked program");
    case ELF_TYPE_CORE:
        return loader_refuse(image, name, IMAGE_ARCHIVE, "ELF, a RISC-V core dump",
                             "metic debug looks at it.",
                             "is a core dump, not a program");
    default:
        return loader_refuse(image, name, IMAGE_DAMAGED, "ELF of an unknown type", NULL,
                             "is an ELF file of unknown type %u", type);
    }
}

static bool elf_damaged(struct image *image, const char *name, const char *why)
{
    return loader_refuse(image, name, IMAGE_DAMAGED, "ELF, truncated or damaged",
                         "Fetch, copy or build it again.", "is truncated or damaged: %s", why);
}

/* Fills elf from the header; false when the image is refused. */
static bool elf_read_header(struct elf *elf, struct image *image, const char *name)
{
    const u8 *bytes = image->bytes;
    *elf = (struct elf){.bytes = bytes, .size_bytes = image->size_bytes};
    if (image->size_bytes < 20) {
        return !elf_damaged(image, name, "it ends inside the ELF header");
    }
    if (elf_refuse_foreign(image, name, bytes)) {
        return false;
    }
    if (image->size_bytes < ELF_HEADER_BYTES) {
        return !elf_damaged(image, name, "it ends inside the ELF header");
    }
    elf->type = ld_le16(bytes + 16);
    elf->entry_gva = ld_le64(bytes + 24);
    elf->phoff = ld_le64(bytes + 32);
    elf->shoff = ld_le64(bytes + 40);
    elf->phnum = ld_le16(bytes + 56);
    elf->shnum = ld_le16(bytes + 60);
    if (elf_refuse_type(image, name, elf->type)) {
        return false;
    }
    if (elf->phnum == 0) {
        return !loader_refuse(image, name, IMAGE_DAMAGED, "ELF without program headers",
                              "Link it as a program.", "has no program headers: nothing to load");
    }
    if (ld_le16(bytes + 54) != ELF_PHDR_BYTES || elf->phnum == 0xffff) {
        return !elf_damaged(image, name, "its program headers have an impossible size");
    }
    if (!elf_range(elf, elf->phoff, (u64)elf->phnum * ELF_PHDR_BYTES)) {
        return !elf_damaged(image, name, "its program headers lie behind its end");
    }
    if (ld_le16(bytes + 58) != ELF_SHDR_BYTES ||
        !elf_range(elf, elf->shoff, (u64)elf->shnum * ELF_SHDR_BYTES)) {
        elf->shnum = 0; /* sections are a convenience */
    }
    return true;
}

/* A note "GNU", type 1, says which operating system a program is for. */
static bool elf_has_abi_tag(const struct elf *elf, const struct elf_phdr *phdr)
{
    u64 at = phdr->offset;
    u64 end = phdr->offset + phdr->file_bytes;
    while (end - at >= 16) {
        u64 name_bytes = bits_align_up(ld_le32(elf->bytes + at), 4);
        u64 desc_bytes = bits_align_up(ld_le32(elf->bytes + at + 4), 4);
        if (ld_le32(elf->bytes + at + 8) == ELF_NOTE_ABI_TAG &&
            memcmp(elf->bytes + at + 12, "GNU", 4) == 0) {
            return true;
        }
        if (name_bytes + desc_bytes > end - at - 12) {
            return false;
        }
        at += 12 + name_bytes + desc_bytes;
    }
    return false;
}

/* The ELF header, the program headers right behind it, and notes behind those: what linkers make
 * part of the first segment unless told otherwise. */
static u64 elf_headers_bytes(const struct elf *elf)
{
    u64 end = ELF_HEADER_BYTES;
    end += elf->phoff == end ? (u64)elf->phnum * ELF_PHDR_BYTES : 0;
    for (unsigned i = 0; i < elf->phnum; i++) {
        struct elf_phdr phdr = elf_phdr_at(elf, i);
        bool follows = phdr.offset >= end && phdr.offset < end + 16;
        if (phdr.type == ELF_PT_NOTE && follows && elf_range(elf, phdr.offset, phdr.file_bytes)) {
            end = phdr.offset + phdr.file_bytes;
        }
    }
    return end;
}

/* Takes the loadable segments with their physical addresses; false when refused. */
static bool elf_read_segments(struct elf *elf, struct image *image, const char *name)
{
    for (unsigned i = 0; i < elf->phnum; i++) {
        struct elf_phdr phdr = elf_phdr_at(elf, i);
        bool inside = elf_range(elf, phdr.offset, phdr.file_bytes);
        elf->interp |= phdr.type == ELF_PT_INTERP;
        if (phdr.type == ELF_PT_NOTE && inside) {
            elf->abi_tag |= elf_has_abi_tag(elf, &phdr);
        }
        if (!elf_is_load(&phdr)) {
            continue;
        }
        if (!inside) {
            return !elf_damaged(image, name, "a segment's bytes lie behind its end");
        }
        if (phdr.file_bytes > phdr.memory_bytes || phdr.gpa + phdr.memory_bytes < phdr.gpa ||
            phdr.gva + phdr.memory_bytes - 1 < phdr.gva) {
            return !elf_damaged(image, name, "a segment's sizes contradict each other");
        }
        if (image->segment_count == IMAGE_MAX_SEGMENTS) {
            return !loader_refuse(image, name, IMAGE_DAMAGED, "ELF with too many segments", NULL,
                                  "has more than %d segments to load", IMAGE_MAX_SEGMENTS);
        }
        image->segments[image->segment_count++] =
            (struct image_segment){phdr.gpa, phdr.offset, phdr.file_bytes, phdr.memory_bytes};
    }
    image->headers_bytes = elf_headers_bytes(elf);
    if (image->segment_count == 0) {
        return !loader_refuse(image, name, IMAGE_DAMAGED, "ELF without anything to load", NULL,
                              "has no segment to load");
    }
    return true;
}

/* Where a virtual address of the file lies physically; false when in no segment. */
static bool elf_gva_to_gpa(const struct elf *elf, const struct image *image, gva_t gva, gpa_t *gpa)
{
    unsigned segment = 0;
    for (unsigned i = 0; i < elf->phnum; i++) {
        struct elf_phdr phdr = elf_phdr_at(elf, i);
        if (!elf_is_load(&phdr)) {
            continue;
        }
        if (gva >= phdr.gva && gva - phdr.gva < phdr.memory_bytes) {
            *gpa = image->segments[segment].gpa + (gva - phdr.gva);
            return true;
        }
        segment++;
    }
    return false;
}

static gpa_t elf_lowest_gpa(const struct image *image)
{
    gpa_t lowest = ~(gpa_t)0;
    for (unsigned i = 0; i < image->segment_count; i++) {
        lowest = image->segments[i].gpa < lowest ? image->segments[i].gpa : lowest;
    }
    return lowest;
}

/* vmlinux is linked where the kernel maps itself; its physical addresses may mean anything. It
 * runs wherever it lies, so the segments keep their virtual distances from the base. */
static void elf_relocate_vmlinux(const struct elf *elf, struct image *image)
{
    gva_t lowest = ~(gva_t)0;
    for (unsigned i = 0; i < elf->phnum; i++) {
        struct elf_phdr phdr = elf_phdr_at(elf, i);
        lowest = elf_is_load(&phdr) && phdr.gva < lowest ? phdr.gva : lowest;
    }
    unsigned segment = 0;
    for (unsigned i = 0; i < elf->phnum; i++) {
        struct elf_phdr phdr = elf_phdr_at(elf, i);
        if (elf_is_load(&phdr)) {
            image->segments[segment++].gpa = phdr.gva - lowest;
        }
    }
    image->relocatable = true;
    image->align_bytes = LOADER_KERNEL_OFFSET;
    image->base_offset = LOADER_KERNEL_OFFSET;
}

static bool elf_has_sane_gpas(const struct image *image)
{
    bool sane = true;
    for (unsigned i = 0; i < image->segment_count; i++) {
        gpa_t gpa = image->segments[i].gpa;
        sane &= gpa >= LOADER_RAM_GPA && gpa < BIT(56);
    }
    return sane;
}

/* How and where the program starts; false when refused. */
static bool elf_choose_start(const struct elf *elf, struct image *image, const char *name)
{
    gpa_t lowest = elf_lowest_gpa(image);
    bool upper_half = elf->entry_gva >> 63 != 0;
    if (upper_half && !elf_has_sane_gpas(image)) {
        elf_relocate_vmlinux(elf, image);
    } else if ((elf->interp || elf->abi_tag) && lowest < LOADER_RAM_GPA) {
        return !loader_refuse(image, name, IMAGE_ELF, "ELF, a RISC-V program for Linux",
                              "metic runs whole machines: put it into an initramfs (--initrd) and "
                              "start a kernel.",
                              "is a program for Linux, not a kernel or a bare-metal program");
    } else if (elf->type == ELF_TYPE_DYN && lowest < LOADER_RAM_GPA) {
        image->relocatable = true;
        image->align_bytes = PAGE_BYTES;
    }
    /* An entry in no segment's virtual range may be meant physically. */
    if (!elf_gva_to_gpa(elf, image, elf->entry_gva, &image->entry)) {
        image->entry = elf->entry_gva;
        bool found = false;
        for (unsigned i = 0; i < image->segment_count; i++) {
            const struct image_segment *s = &image->segments[i];
            found |= image->entry >= s->gpa && image->entry - s->gpa < s->memory_bytes;
        }
        if (!found) {
            return !loader_refuse(image, name, IMAGE_DAMAGED, "ELF with an entry outside itself",
                                  "Set the entry when linking (ENTRY(_start), ld -e).",
                                  "has its entry, 0x%llx, in no segment",
                                  (unsigned long long)elf->entry_gva);
        }
    }
    bool high = !image->relocatable && lowest >= LOADER_RAM_GPA + LOADER_KERNEL_OFFSET;
    image->mode = upper_half || high ? IMAGE_MODE_SUPERVISOR : IMAGE_MODE_MACHINE;
    return true;
}

/* The symbol's value, when the file has a symbol table with it. */
static bool elf_find_symbol(const struct elf *elf, const char *wanted, u64 *value)
{
    size_t wanted_bytes = strlen(wanted) + 1;
    for (unsigned i = 0; i < elf->shnum; i++) {
        const u8 *section = elf->bytes + elf->shoff + (u64)i * ELF_SHDR_BYTES;
        u32 link = ld_le32(section + 40);
        u64 offset = ld_le64(section + 24), bytes = ld_le64(section + 32);
        if (ld_le32(section + 4) != ELF_SHT_SYMTAB || link >= elf->shnum ||
            !elf_range(elf, offset, bytes)) {
            continue;
        }
        const u8 *strings = elf->bytes + elf->shoff + (u64)link * ELF_SHDR_BYTES;
        u64 strings_offset = ld_le64(strings + 24), strings_bytes = ld_le64(strings + 32);
        if (!elf_range(elf, strings_offset, strings_bytes)) {
            continue;
        }
        for (u64 at = 0; bytes - at >= ELF_SYM_BYTES; at += ELF_SYM_BYTES) {
            const u8 *symbol = elf->bytes + offset + at;
            if (ld_le16(symbol + 6) != 0 &&
                loader_has(elf->bytes + strings_offset, strings_bytes, ld_le32(symbol), wanted,
                           wanted_bytes)) {
                *value = ld_le64(symbol + 8);
                return true;
            }
        }
    }
    return false;
}

static gpa_t elf_symbol_gpa(const struct elf *elf, const struct image *image, const char *symbol)
{
    u64 gva;
    gpa_t gpa;
    return elf_find_symbol(elf, symbol, &gva) && elf_gva_to_gpa(elf, image, gva, &gpa) ? gpa : 0;
}

static void elf_describe(const struct elf *elf, struct image *image)
{
    char size[32], version[64];
    loader_size_text(image->size_bytes, size, sizeof(size));
    if (elf->entry_gva >> 63 != 0) {
        loader_linux_version(image->bytes, image->size_bytes, version, sizeof(version));
        loader_describe(image, "%s%s for RISC-V (ELF), %s",
                        version[0] != '\0' ? "Linux kernel " : "kernel", version, size);
    } else if (image->relocatable) {
        loader_describe(image, "position-independent RISC-V program (ELF), %s", size);
    } else {
        loader_describe(image, "bare-metal RISC-V program (ELF), entry 0x%llx, %s",
                        (unsigned long long)image->entry, size);
    }
}

bool loader_elf(struct image *image, const char *name)
{
    if (!loader_has(image->bytes, image->size_bytes, 0, "\x7f" "ELF", 4)) {
        return false;
    }
    struct elf elf;
    if (!elf_read_header(&elf, image, name) || !elf_read_segments(&elf, image, name) ||
        !elf_choose_start(&elf, image, name)) {
        return true;
    }
    image->kind = IMAGE_ELF;
    if (!image->relocatable) {
        image->tohost_gpa = elf_symbol_gpa(&elf, image, "tohost");
        image->fromhost_gpa = elf_symbol_gpa(&elf, image, "fromhost");
    }
    elf_describe(&elf, image);
    return true;
}

bool image_find_symbol(const struct image *image, const char *name, u64 *gva)
{
    struct image copy = *image;
    struct elf elf;
    return image->kind == IMAGE_ELF && elf_read_header(&elf, &copy, "") &&
           elf_find_symbol(&elf, name, gva);
}
