/* Text from programs that need not have meant it as such. */
#ifndef METIC_HW_CHAR_UTF8_H
#define METIC_HW_CHAR_UTF8_H

#include "cpu/base/types.h"

/* The same text so that anybody can take it, with a zero behind it, the caller's to free: it ends
 * at the first zero, and what is no UTF-8 (RFC 3629) becomes '?'. */
char *utf8_clean(const u8 *bytes, size_t size_bytes, size_t *clean_bytes);

#endif
