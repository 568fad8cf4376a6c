/* Makes images for the loader's tests, good ones that each test then spoils. */
#ifndef METIC_TESTS_HW_LOADER_BUILD_H
#define METIC_TESTS_HW_LOADER_BUILD_H

#include "cpu/base/bits.h"
#include "hw/loader/loader.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUILD_ELF_BYTES = 0x400, BUILD_CODE_OFFSET = 0x100, BUILD_CODE_BYTES = 0x80,
    BUILD_SECTIONS_OFFSET = 0x200, BUILD_SYMBOLS_OFFSET = 0x300, BUILD_STRINGS_OFFSET = 0x380,
    BUILD_KERNEL_BYTES = 0x2000, BUILD_PE_OFFSET = 0x40,
};

static inline void build_phdr(u8 *p, u32 type, u64 offset, u64 gva, u64 gpa, u64 file_bytes,
                              u64 memory_bytes)
{
    st_le32(p, type);
    st_le64(p + 8, offset);
    st_le64(p + 16, gva);
    st_le64(p + 24, gpa);
    st_le64(p + 32, file_bytes);
    st_le64(p + 40, memory_bytes);
}

/* One segment of BUILD_CODE_BYTES bytes 0xa5 and as many zeros again at `gva`/`gpa`, entered at
 * its start; symbols tohost and fromhost 0x40 and 0x48 behind it. */
static inline void build_elf(u8 *b, u64 gva, u64 gpa)
{
    memset(b, 0, BUILD_ELF_BYTES);
    memcpy(b, "\x7f" "ELF\2\1\1", 7);
    st_le16(b + 16, 2);
    st_le16(b + 18, 243);
    st_le32(b + 20, 1);
    st_le64(b + 24, gva);
    st_le64(b + 32, 64);
    st_le64(b + 40, BUILD_SECTIONS_OFFSET);
    st_le16(b + 52, 64);
    st_le16(b + 54, 56);
    st_le16(b + 56, 1);
    st_le16(b + 58, 64);
    st_le16(b + 60, 3);
    build_phdr(b + 64, 1, BUILD_CODE_OFFSET, gva, gpa, BUILD_CODE_BYTES, 2 * BUILD_CODE_BYTES);
    memset(b + BUILD_CODE_OFFSET, 0xa5, BUILD_CODE_BYTES);
    u8 *symtab = b + BUILD_SECTIONS_OFFSET + 64, *strtab = symtab + 64;
    st_le32(symtab + 4, 2);
    st_le64(symtab + 24, BUILD_SYMBOLS_OFFSET);
    st_le64(symtab + 32, 3 * 24);
    st_le32(symtab + 40, 2);
    st_le32(strtab + 4, 3);
    st_le64(strtab + 24, BUILD_STRINGS_OFFSET);
    st_le64(strtab + 32, 17);
    memcpy(b + BUILD_STRINGS_OFFSET, "\0tohost\0fromhost", 17);
    u8 *symbols = b + BUILD_SYMBOLS_OFFSET;
    st_le32(symbols + 24, 1);
    st_le16(symbols + 24 + 6, 1);
    st_le64(symbols + 24 + 8, gva + 0x40);
    st_le32(symbols + 48, 8);
    st_le16(symbols + 48 + 6, 1);
    st_le64(symbols + 48 + 8, gva + 0x48);
}

/* A RISC-V Image with an EFI stub: 0x2000 bytes, 0x9000 in memory, its first jump goes to
 * 0x1000. */
static inline void build_kernel(u8 *b)
{
    memset(b, 0, BUILD_KERNEL_BYTES);
    memcpy(b, "MZ", 2);
    st_le32(b + 2, 0x7ff0006f); /* j .+0xffe */
    st_le64(b + 8, 0x200000);
    st_le64(b + 16, 0x9000);
    memcpy(b + 0x30, "RISCV\0\0\0RSC\x05", 12);
    st_le32(b + 0x3c, BUILD_PE_OFFSET);
    u8 *pe = b + BUILD_PE_OFFSET;
    memcpy(pe, "PE\0\0", 4);
    st_le16(pe + 4, 0x5064);
    st_le16(pe + 6, 1);
    st_le16(pe + 20, 0);
    st_le32(pe + 24 + 16, 0x1000); /* the section's raw bytes */
    st_le32(pe + 24 + 20, 0x1000); /* and where they are */
    memcpy(b + 0x1800, "Linux version %s\nLinux version 6.12.48-test (x@y)", 49);
}

/* Recognises; the caller frees. NULL when compressed data is damaged. */
static inline struct image *build_open(const u8 *bytes, u64 size_bytes)
{
    struct metic_error error;
    return image_open_bytes("x", bytes, size_bytes, &error);
}

static inline struct memory *build_memory(u64 ram_bytes)
{
    struct memory *memory = malloc(sizeof(*memory));
    struct metic_error error;
    memory_init(memory, NULL);
    if (!memory_add_ram(memory, "ram", 0x80000000, ram_bytes, &error)) {
        abort();
    }
    return memory;
}

static inline void build_memory_free(struct memory *memory)
{
    memory_fini(memory);
    free(memory);
}

#endif
