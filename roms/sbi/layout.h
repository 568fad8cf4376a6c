/*
 * Where the firmware lies and the offsets that start.S shares with the C structs (hart.c asserts
 * that they agree).
 */
#ifndef ROMS_SBI_LAYOUT_H
#define ROMS_SBI_LAYOUT_H

#define FIRMWARE_BASE 0x80000000
#define FIRMWARE_BYTES 0x40000        /* a power of two: one PMP entry covers it */

#define HART_COUNT_MAX 64
#define HART_STACK_BYTES 2048

#define FRAME_X(n) (8 * (n))
#define FRAME_MEPC (8 * 32)
#define FRAME_MSTATUS (8 * 33)
#define FRAME_BYTES (8 * 34)

#define HART_ID 0
#define HART_STACK_TOP 8
#define HART_SAVED_SP 16
#define HART_BYTES 512

#define DEFAULT_NEXT_ADDR 0x80200000

#endif
