/* Text from programs that need not have meant it as such. */
#ifndef METIC_CPU_BASE_UTF8_H
#define METIC_CPU_BASE_UTF8_H

#include "cpu/base/types.h"

/* How many bytes the character at `bytes` has (RFC 3629); 0: there is none. A zero is one. For text
 * that ends with a zero, left_bytes may be SIZE_MAX. */
size_t utf8_bytes(const u8 *bytes, size_t left_bytes);

/* The first character of a text that ends with a zero; *text moves behind it. 0: the text is at its
 * end, or what begins there is no UTF-8; then *text stays. */
u32 utf8_next(const char **text);

/* The same text so that anybody can take it, with a zero behind it, the caller's to free: it ends
 * at the first zero, and what is no UTF-8 becomes '?'. */
char *utf8_clean(const u8 *bytes, size_t size_bytes, size_t *clean_bytes);

#endif
