/* The serial console: an NS16550A, shared with S-mode, which may drive it as well. */
#ifndef ROMS_SBI_CONSOLE_H
#define ROMS_SBI_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 115200 8N1, FIFOs on, interrupts off. */
void console_init(void);

bool console_present(void);

/*
 * Writes the bytes in one piece, whatever other harts write; returns how many went out, fewer
 * than asked only when the transmitter stays busy far longer than a byte takes.
 */
size_t console_write(const uint8_t *bytes, size_t count);

/* Takes up to `count` received bytes without waiting; how many there were. */
size_t console_read(uint8_t *bytes, size_t count);

/* For messages of the firmware itself. */
void console_text(const char *text);
void console_hex(uint64_t number);
void console_decimal(uint64_t number);

#endif
