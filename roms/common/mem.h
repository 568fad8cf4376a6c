/*
 * The handful of C library functions that a freestanding image needs. gcc may call the first
 * three on its own; everything else is here because more than one image uses it.
 */
#ifndef ROMS_COMMON_MEM_H
#define ROMS_COMMON_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);

size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);

/* True when `text` begins with `prefix`. */
bool text_starts(const char *text, const char *prefix);

#endif
