/* Instruction tables: the machinery behind every guest's rv_*.def-like files.
 *
 * A guest lists its instructions as rows (bit pattern, format, extension, assembly text, flags)
 * and its formats as lists of pieces (which bits of the word make which operand). From these come
 * the decoder, the disassembler and the printed list; nothing here knows a particular guest.
 *
 * Rows may overlap only when the table says so: wherever two patterns share words, a row marked
 * INSN_SUBSET must cover exactly the shared words, and it wins; insn_check refuses the rest. */
#ifndef METIC_CPU_INSN_H
#define METIC_CPU_INSN_H

#include "cpu/base/types.h"

enum {
    INSN_MAX_PIECES = 9,
    INSN_MAX_ROWS = 1024,
    INSN_KEY_PIECES = 3,
    INSN_MAX_KEY_BITS = 13,
    INSN_MAX_CANDIDATES = 8192,
};

/* Flags every guest shares; a guest's own start at INSN_GUEST_FLAG. */
enum insn_flags {
    INSN_SUBSET = 1,   /* a special case of a more general row, taken in its stead */
    INSN_RESERVED = 2, /* the row exists to refuse its words: not an instruction */
    INSN_GUEST_FLAG = 4,
};

/* Bits [lo, lo+len) of the word, shifted left by `to`, plus bias, are added to operand number
 * `operand`. A signed piece is the operand's top: its highest bit is extended. len 0: bias
 * alone. */
struct insn_piece {
    u8 operand, lo, len, to, bias;
    bool is_signed;
};

struct insn_format {
    const char *name;
    u8 piece_count;
    struct insn_piece pieces[INSN_MAX_PIECES];
};

/* The texts are in the row: a table of pointers is put right at each start of the program, page by
 * page. All end with a zero (insn_check). */
struct insn_row {
    char name[20];         /* mnemonic with '_' for '.'; a capital letter is a token */
    char pattern[44];      /* '0', '1', '.', most significant bit first; spaces are ignored */
    char extension[12];
    char assembly[20];     /* operands: words are tokens of the guest, all else is literal; what
                              stands before a space joins the mnemonic */
    u16 flags;
    u8 format;
};

struct insn_set {
    const struct insn_row *rows;
    const struct insn_format *formats;
    unsigned row_count;
    unsigned format_count;
    unsigned operand_count;
};

/* Word bits that choose the bucket, least significant piece first. */
struct insn_key {
    struct {
        u8 lo, len;
    } pieces[INSN_KEY_PIECES];
};

struct insn_code {
    u32 mask, match;
    u16 row;
};

/* Finds the row of a word of one width. Immutable once made; any number of threads may read it. */
struct insn_decoder {
    struct insn_key key;
    unsigned width_bits;
    unsigned code_count;
    struct insn_code codes[INSN_MAX_ROWS]; /* most specific first */
    u16 first[(1 << INSN_MAX_KEY_BITS) + 1];
    u16 candidates[INSN_MAX_CANDIDATES]; /* numbers into codes, bucket by bucket */
};

/* Pattern as mask and match; returns its width in bits, 0 when malformed. */
unsigned insn_parse_pattern(const char *pattern, u32 *mask, u32 *match);

/* Makes decoders, each of all rows as wide as its width_bits (16 or 32), by its key: the caller has
 * set both. False when a limit above is too small or a pattern malformed. */
bool insn_decoders_init(struct insn_decoder *const *decoders, unsigned count,
                        const struct insn_set *set);

_Static_assert(INSN_KEY_PIECES == 3, "insn_find takes each piece");

static ALWAYS_INLINE u32 insn_key_piece(struct insn_key key, unsigned piece, u32 word)
{
    return (word >> key.pieces[piece].lo) & ((1u << key.pieces[piece].len) - 1);
}

/* The number of the word's row, or -1. `key` is the decoder's; callers know it as a constant, which
 * is faster. */
static ALWAYS_INLINE int insn_find(const struct insn_decoder *decoder, struct insn_key key,
                                   u32 word)
{
    /* Written out: compilers leave a loop a loop, and its constants variables. */
    u32 bucket = insn_key_piece(key, 0, word) | insn_key_piece(key, 1, word) << key.pieces[0].len |
                 insn_key_piece(key, 2, word) << (key.pieces[0].len + key.pieces[1].len);
    unsigned end = decoder->first[bucket + 1];
    for (unsigned i = decoder->first[bucket]; i < end; i++) {
        const struct insn_code *code = &decoder->codes[decoder->candidates[i]];
        if ((word & code->mask) == code->match) {
            return code->row;
        }
    }
    return -1;
}

/* Adds the format's pieces of `word` to `operands` (zeroed by the caller); signed operands are
 * two's complement. */
static inline void insn_extract(const struct insn_format *format, u32 word, u32 *operands)
{
    for (unsigned i = 0; i < format->piece_count; i++) {
        const struct insn_piece *piece = &format->pieces[i];
        u32 value = 0;
        if (piece->len != 0) {
            u32 top = word << (32 - piece->lo - piece->len);
            value = piece->is_signed ? (u32)((s32)top >> (32 - piece->len))
                                     : top >> (32 - piece->len);
        }
        operands[piece->operand] += (value << piece->to) + piece->bias;
    }
}

/* Text under construction; writing past the end is dropped, the text stays terminated. */
struct insn_text {
    char *text;
    size_t bytes;
    size_t used;
};

void insn_text_append(struct insn_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A word of the assembly column and what prints it. */
struct insn_token {
    const char *name;
    void (*print)(struct insn_text *text, const void *insn, const void *context);
};

/* Prints the row's mnemonic and operands. `insn` and `context` go to the tokens. */
void insn_print(struct insn_text *text, const struct insn_row *row,
                const struct insn_token *tokens, unsigned token_count, const void *insn,
                const void *context);

/* Proves the table: patterns and formats well-formed, assembly words known, overlaps declared.
 * False with a sentence in `why` otherwise. */
bool insn_check(const struct insn_set *set, const struct insn_token *tokens, unsigned token_count,
                char *why, size_t why_bytes);

#endif
