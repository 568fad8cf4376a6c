/* A program that runs while metic is built, and prints the decoder's tables: what each start of a
 * machine would otherwise wait for, 1.1 million host instructions.
 *
 *     decode_tables >FILE
 *
 * The file is C, and decode.c's: for both widths a key and a struct insn_decoder. */
#include "cpu/insn.h"

#include "cpu/base/bits.h"

#include <stdio.h>

static const struct insn_row rows[] = {
#define INSN(name, bits, format, extension, assembly, flags, lowering) {.pattern = (bits)},
#include "cpu/riscv64/insns.def"
#undef INSN
};

static struct {
    const char *name;
    struct insn_decoder decoder;
} tables[] = {
    /* quadrant, funct3, and bits that tell c.jr from c.add, c.srli from c.and */
    {"compressed", {.key = {{{0, 2}, {13, 3}, {10, 3}}}, .width_bits = 16}},
    /* opcode, funct3, and the top five bits, which tell most of funct7 */
    {"full", {.key = {{{2, 5}, {12, 3}, {27, 5}}}, .width_bits = 32}},
};

static unsigned bucket_count(const struct insn_key *key)
{
    return 1u << (key->pieces[0].len + key->pieces[1].len + key->pieces[2].len);
}

static void print_key(const struct insn_key *key)
{
    printf("{{{%u, %u}, {%u, %u}, {%u, %u}}}", key->pieces[0].lo, key->pieces[0].len,
           key->pieces[1].lo, key->pieces[1].len, key->pieces[2].lo, key->pieces[2].len);
}

static void print_numbers(const char *member, const u16 *numbers, unsigned count)
{
    printf("    .%s = {", member);
    for (unsigned i = 0; i < count; i++) {
        printf("%s%u,", i % 16 == 0 ? "\n        " : " ", numbers[i]);
    }
    printf("\n    },\n");
}

static void print_decoder(const char *name, const struct insn_decoder *decoder)
{
    unsigned buckets = bucket_count(&decoder->key);
    printf("static const struct insn_key %s_key = ", name);
    print_key(&decoder->key);
    printf(";\nstatic const struct insn_decoder %s_decoder = {\n    .key = ", name);
    print_key(&decoder->key);
    printf(",\n    .width_bits = %u,\n    .code_count = %u,\n    .codes = {\n", decoder->width_bits,
           decoder->code_count);
    for (unsigned i = 0; i < decoder->code_count; i++) {
        const struct insn_code *code = &decoder->codes[i];
        printf("        {0x%x, 0x%x, %u},\n", code->mask, code->match, code->row);
    }
    printf("    },\n");
    print_numbers("first", decoder->first, buckets + 1);
    print_numbers("candidates", decoder->candidates, decoder->first[buckets]);
    printf("};\n");
}

int main(void)
{
    struct insn_decoder *const decoders[] = {&tables[0].decoder, &tables[1].decoder};
    const struct insn_set set = {.rows = rows, .row_count = ARRAY_LEN(rows)};
    if (!insn_decoders_init(decoders, ARRAY_LEN(decoders), &set)) {
        fprintf(stderr, "decode_tables: a pattern is malformed, or a limit in insn.h too small\n");
        return 1;
    }
    for (unsigned n = 0; n < ARRAY_LEN(tables); n++) {
        print_decoder(tables[n].name, &tables[n].decoder);
    }
    return fflush(stdout) != 0;
}
