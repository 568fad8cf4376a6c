/* Instruction tables: patterns, buckets, the overlap rule, printing. */
#include "cpu/insn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

unsigned insn_parse_pattern(const char *pattern, u32 *mask, u32 *match)
{
    _Static_assert('0' - '.' == 2 && '1' - '.' == 3, "bit 1: fixed; bit 0: one, or malformed");
    enum { WELL_FORMED = 1 << 0 | 1 << 2 | 1 << 3 };
    unsigned width_bits = 0, well_formed = 1;
    u32 fixed = 0, ones = 0; /* for all a compiler knows, pattern may lead to *mask */
    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == ' ') {
            continue;
        }
        /* Without branches: no host predicts which bits are fixed. */
        unsigned digit = (unsigned)*p - '.';
        well_formed &= (unsigned)WELL_FORMED >> (digit & 3) & (digit < 4);
        fixed = fixed << 1 | (digit >> 1 & 1);
        ones = ones << 1 | (digit & 1);
        width_bits++;
    }
    *mask = fixed;
    *match = ones;
    return well_formed && (width_bits == 16 || width_bits == 32) ? width_bits : 0;
}

/* --- making a decoder --- */

/* Each row to the decoder of its width. */
static bool collect_codes(struct insn_decoder *const *decoders, unsigned count,
                          const struct insn_set *set)
{
    for (unsigned row = 0; row < set->row_count; row++) {
        struct insn_code code = {.row = (u16)row};
        unsigned width_bits = insn_parse_pattern(set->rows[row].pattern, &code.mask, &code.match);
        unsigned n = 0;
        while (n < count && decoders[n]->width_bits != width_bits) {
            n++;
        }
        if (width_bits == 0 || (n < count && decoders[n]->code_count == INSN_MAX_ROWS)) {
            return false;
        }
        if (n < count) {
            decoders[n]->codes[decoders[n]->code_count++] = code;
        }
    }
    return true;
}

/* How many bits a row fixes. */
static unsigned fixed_bits(const struct insn_code *code)
{
    return (unsigned)__builtin_popcount(code->mask);
}

/* More fixed bits first, so that a subset is met before the row it belongs to; stable. */
static void sort_codes(struct insn_decoder *decoder)
{
    struct insn_code unsorted[INSN_MAX_ROWS];
    u16 at[33] = { 0 }; /* by fixed bits: where the next row of as many goes */
    memcpy(unsorted, decoder->codes, decoder->code_count * sizeof(unsorted[0]));
    for (unsigned i = 0; i < decoder->code_count; i++) {
        for (unsigned fewer = 0; fewer < fixed_bits(&unsorted[i]); fewer++) {
            at[fewer]++;
        }
    }
    for (unsigned i = 0; i < decoder->code_count; i++) {
        decoder->codes[at[fixed_bits(&unsorted[i])]++] = unsorted[i];
    }
}

/* Bits of `word` at the key's pieces, packed: a bucket's number, or which of its bits are free. */
static unsigned key_bits_of(const struct insn_key *key, u32 word)
{
    unsigned packed = 0, at = 0;
    for (unsigned i = 0; i < INSN_KEY_PIECES; i++) {
        unsigned len = key->pieces[i].len;
        packed |= (unsigned)(word >> key->pieces[i].lo & ((1u << len) - 1)) << at;
        at += len;
    }
    return packed;
}

/* Calls for every bucket that words of `code` may fall into: the fixed key bits with every
 * combination of the free ones. */
static void for_each_bucket(struct insn_decoder *decoder, unsigned code, unsigned bucket_count,
                            void (*visit)(struct insn_decoder *decoder, unsigned bucket,
                                          unsigned code))
{
    unsigned fixed = key_bits_of(&decoder->key, decoder->codes[code].match);
    unsigned free_bits =
        ~key_bits_of(&decoder->key, decoder->codes[code].mask) & (bucket_count - 1);
    unsigned combination = 0;
    do {
        visit(decoder, fixed | combination, code);
        combination = (combination - free_bits) & free_bits;
    } while (combination != 0);
}

static void count_candidate(struct insn_decoder *decoder, unsigned bucket, unsigned code)
{
    (void)code;
    decoder->first[bucket]++;
}

/* first[bucket] is where the bucket ends until its candidates have moved it to where it begins. */
static void put_candidate(struct insn_decoder *decoder, unsigned bucket, unsigned code)
{
    decoder->candidates[--decoder->first[bucket]] = (u16)code;
}

static bool fill_buckets(struct insn_decoder *decoder, unsigned bucket_count)
{
    for (unsigned code = 0; code < decoder->code_count; code++) {
        for_each_bucket(decoder, code, bucket_count, count_candidate);
    }
    unsigned end = 0;
    for (unsigned bucket = 0; bucket <= bucket_count; bucket++) {
        end += decoder->first[bucket];
        decoder->first[bucket] = (u16)end;
    }
    if (end > INSN_MAX_CANDIDATES) {
        return false;
    }
    for (unsigned code = decoder->code_count; code-- > 0;) {
        for_each_bucket(decoder, code, bucket_count, put_candidate);
    }
    return true;
}

bool insn_decoders_init(struct insn_decoder *const *decoders, unsigned count,
                        const struct insn_set *set)
{
    for (unsigned n = 0; n < count; n++) {
        decoders[n]->code_count = 0; /* the rest of its tables is not touched unless used */
        memset(decoders[n]->first, 0, sizeof(decoders[n]->first));
    }
    bool good = collect_codes(decoders, count, set);
    for (unsigned n = 0; n < count && good; n++) {
        unsigned key_bits = 0;
        for (unsigned i = 0; i < INSN_KEY_PIECES; i++) {
            key_bits += decoders[n]->key.pieces[i].len;
        }
        sort_codes(decoders[n]);
        good = key_bits <= INSN_MAX_KEY_BITS && fill_buckets(decoders[n], 1u << key_bits);
    }
    return good;
}

/* --- printing --- */

void insn_text_append(struct insn_text *text, const char *format, ...)
{
    if (text->used >= text->bytes) {
        return;
    }
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text->text + text->used, text->bytes - text->used, format, args);
    va_end(args);
    if (length > 0) {
        size_t room = text->bytes - text->used - 1;
        text->used += (size_t)length < room ? (size_t)length : room;
    }
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The token that `assembly` begins with; its length in *length. NULL when unknown. */
static const struct insn_token *token_find(const char *assembly, size_t *length,
                                           const struct insn_token *tokens, unsigned token_count)
{
    *length = 0;
    while (is_word_char(assembly[*length])) {
        (*length)++;
    }
    for (unsigned i = 0; i < token_count; i++) {
        if (strlen(tokens[i].name) == *length && memcmp(tokens[i].name, assembly, *length) == 0) {
            return &tokens[i];
        }
    }
    return NULL;
}

/* The token that a capital letter of a mnemonic stands for, or NULL. */
static const struct insn_token *name_token(char c, const struct insn_token *tokens,
                                           unsigned token_count)
{
    for (unsigned i = 0; c >= 'A' && c <= 'Z' && i < token_count; i++) {
        if (tokens[i].name[0] == c && tokens[i].name[1] == '\0') {
            return &tokens[i];
        }
    }
    return NULL;
}

void insn_print(struct insn_text *text, const struct insn_row *row,
                const struct insn_token *tokens, unsigned token_count, const void *insn,
                const void *context)
{
    for (const char *p = row->name; *p != '\0'; p++) {
        const struct insn_token *token = name_token(*p, tokens, token_count);
        if (token != NULL) {
            token->print(text, insn, context);
        } else {
            insn_text_append(text, "%c", *p == '_' ? '.' : *p);
        }
    }
    const char *p = row->assembly;
    if (*p != '\0' && strchr(p, ' ') == NULL) {
        insn_text_append(text, "\t");
    }
    while (*p != '\0') {
        size_t length = 1;
        const struct insn_token *token =
            is_word_char(*p) ? token_find(p, &length, tokens, token_count) : NULL;
        if (token != NULL) {
            token->print(text, insn, context);
        } else if (*p == ' ') {
            insn_text_append(text, "\t");
        } else {
            insn_text_append(text, "%.*s", (int)length, p);
        }
        p += length;
    }
}

/* --- proving a table --- */

static bool check_format(const struct insn_set *set, const struct insn_row *row,
                         unsigned width_bits, char *why, size_t why_bytes)
{
    if (row->format >= set->format_count) {
        snprintf(why, why_bytes, "%s: unknown format", row->name);
        return false;
    }
    const struct insn_format *format = &set->formats[row->format];
    for (unsigned i = 0; i < format->piece_count; i++) {
        const struct insn_piece *piece = &format->pieces[i];
        if (piece->operand >= set->operand_count || piece->lo + piece->len > (int)width_bits ||
            piece->to + piece->len > 32) {
            snprintf(why, why_bytes, "%s: piece %u of format %s does not fit", row->name, i,
                     format->name);
            return false;
        }
    }
    return true;
}

static bool check_assembly(const struct insn_row *row, const struct insn_token *tokens,
                           unsigned token_count, char *why, size_t why_bytes)
{
    for (const char *p = row->assembly; *p != '\0';) {
        size_t length = 1;
        if (is_word_char(*p) && token_find(p, &length, tokens, token_count) == NULL) {
            snprintf(why, why_bytes, "%s: unknown operand '%.*s'", row->name, (int)length, p);
            return false;
        }
        p += length;
    }
    return true;
}

/* True when a subset row covers exactly the words with these bits. */
static bool subset_exists(const struct insn_set *set, unsigned width_bits, u32 mask, u32 match)
{
    for (unsigned i = 0; i < set->row_count; i++) {
        u32 row_mask, row_match;
        if ((set->rows[i].flags & INSN_SUBSET) != 0 &&
            insn_parse_pattern(set->rows[i].pattern, &row_mask, &row_match) == width_bits &&
            row_mask == mask && row_match == match) {
            return true;
        }
    }
    return false;
}

static bool check_overlap(const struct insn_set *set, unsigned row, char *why, size_t why_bytes)
{
    u32 mask, match;
    unsigned width_bits = insn_parse_pattern(set->rows[row].pattern, &mask, &match);
    for (unsigned other = 0; other < row; other++) {
        u32 other_mask, other_match;
        if (insn_parse_pattern(set->rows[other].pattern, &other_mask, &other_match) != width_bits ||
            ((match ^ other_match) & mask & other_mask) != 0) {
            continue;
        }
        if ((mask == other_mask) ||
            !subset_exists(set, width_bits, mask | other_mask, match | other_match)) {
            snprintf(why, why_bytes, "%s and %s overlap", set->rows[other].name,
                     set->rows[row].name);
            return false;
        }
    }
    return true;
}

static bool texts_end(const struct insn_row *row)
{
    return row->name[sizeof(row->name) - 1] == '\0' &&
           row->pattern[sizeof(row->pattern) - 1] == '\0' &&
           row->extension[sizeof(row->extension) - 1] == '\0' &&
           row->assembly[sizeof(row->assembly) - 1] == '\0';
}

bool insn_check(const struct insn_set *set, const struct insn_token *tokens, unsigned token_count,
                char *why, size_t why_bytes)
{
    for (unsigned i = 0; i < set->row_count; i++) {
        const struct insn_row *row = &set->rows[i];
        u32 mask, match;
        if (!texts_end(row)) {
            snprintf(why, why_bytes, "row %u: a text is too long", i);
            return false;
        }
        unsigned width_bits = insn_parse_pattern(row->pattern, &mask, &match);
        if (width_bits == 0) {
            snprintf(why, why_bytes, "%s: malformed pattern '%s'", row->name, row->pattern);
            return false;
        }
        if (!check_format(set, row, width_bits, why, why_bytes) ||
            !check_assembly(row, tokens, token_count, why, why_bytes) ||
            !check_overlap(set, i, why, why_bytes)) {
            return false;
        }
    }
    return true;
}
