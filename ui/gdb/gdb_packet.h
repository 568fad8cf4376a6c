/* GDB's remote protocol, the outermost layer: packets and the numbers in them. What comes in is not
 * trusted. GDB manual, appendix E, "Overview". */
#ifndef METIC_UI_GDB_PACKET_H
#define METIC_UI_GDB_PACKET_H

#include "cpu/base/types.h"

enum { GDB_PACKET_BYTES = 0x8000 }; /* longest packet, both ways, without framing */

/* --- coming in --- */

enum gdb_event {
    GDB_MORE,      /* nothing yet */
    GDB_PACKET,    /* a whole packet is in `text`, escapes undone */
    GDB_INTERRUPT, /* byte 3: stop the machine */
    GDB_BROKEN,    /* a packet with a wrong sum, or too long: ask for it again */
    GDB_RESEND,    /* the peer asks for the last packet again */
};

struct gdb_input {
    enum { GDB_IDLE, GDB_BODY, GDB_ESCAPED, GDB_SUM, GDB_SUM_LOW } state;
    u8 sum, wanted_sum;
    bool too_long;
    size_t length_bytes;
    char text[GDB_PACKET_BYTES + 1]; /* the packet, a zero behind it */
};

/* Takes one byte. After GDB_PACKET the text stays until the next byte. */
enum gdb_event gdb_input_byte(struct gdb_input *input, u8 byte);

/* --- going out --- */

/* A growing text; too much for one packet is remembered, not written. */
struct gdb_output {
    char text[GDB_PACKET_BYTES + 1];
    size_t length_bytes;
    bool full;
};

void gdb_put(struct gdb_output *output, const char *text);
void gdb_putf(struct gdb_output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gdb_put_hex(struct gdb_output *output, const void *bytes, size_t size_bytes);
/* Binary data, with the protocol's escapes. */
void gdb_put_binary(struct gdb_output *output, const void *bytes, size_t size_bytes);

enum gdb_error { GDB_ERROR_SYNTAX = 1, GDB_ERROR_MEMORY = 14, GDB_ERROR_ARGUMENT = 22 };
/* Instead of what is there. */
void gdb_put_error(struct gdb_output *output, enum gdb_error error);

/* "$text#sum" into `frame`, which holds GDB_PACKET_BYTES + 4; its length. */
size_t gdb_frame(const struct gdb_output *output, char *frame);

/* --- reading what is in a packet --- */

/* The rest of a packet; a failed read leaves it where it was. */
struct gdb_text {
    const char *at, *end;
};

bool gdb_take(struct gdb_text *text, const char *literal);
/* A hexadecimal number of at most 16 digits. */
bool gdb_take_hex(struct gdb_text *text, u64 *value);
/* "ADDRESS,LENGTH". */
bool gdb_take_range(struct gdb_text *text, u64 *address, u64 *size_bytes);
/* Bytes in hexadecimal up to the end of the text or `capacity_bytes`; how many. */
size_t gdb_take_bytes(struct gdb_text *text, void *bytes, size_t capacity_bytes);
/* "p1.2", "2", -1 for all, 0 for any. *thread is 0 for any, GDB_ALL for all. */
enum { GDB_ALL = -1 };
bool gdb_take_thread(struct gdb_text *text, s64 *thread);

#endif
