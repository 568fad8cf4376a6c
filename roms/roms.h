/*
 * The images that are built into metic: raw binaries, linked for the addresses named here.
 * Source, recipe and checksums are beside this file; roms.S takes the bytes in.
 */
#ifndef ROMS_ROMS_H
#define ROMS_ROMS_H

#include <stddef.h>
#include <stdint.h>

/*
 * SBI firmware for M-mode: loaded and entered at ROM_SBI_ADDR with a0 = hart id, a1 = device tree,
 * a2 = OpenSBI's struct fw_dynamic_info. Its .data changes while it runs, so a machine reset must
 * load it anew. Everything up to ROM_SBI_ADDR + ROM_SBI_RESERVED_BYTES is the firmware's.
 */
#define ROM_SBI_ADDR 0x80000000ull
#define ROM_SBI_RESERVED_BYTES 0x40000ull
extern const uint8_t rom_sbi_start[];
extern const uint8_t rom_sbi_end[];

/* The demo, a kernel for S-mode behind the firmware, with the header of a RISC-V Linux Image. */
#define ROM_DEMO_ADDR 0x80200000ull
extern const uint8_t rom_demo_start[];
extern const uint8_t rom_demo_end[];

static inline size_t rom_sbi_bytes(void)
{
    return (size_t)(rom_sbi_end - rom_sbi_start);
}

static inline size_t rom_demo_bytes(void)
{
    return (size_t)(rom_demo_end - rom_demo_start);
}

#endif
