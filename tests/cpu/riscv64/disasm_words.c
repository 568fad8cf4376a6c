/* For check_disasm.sh: prints words of every row and how metic disassembles them.
 *
 *   disasm_words SEED COUNT    COUNT words of each row: `<length> <word> <text>` a line
 *
 * The address of a word is the sum of the lengths before it. */
#include "cpu/base/bits.h"
#include "cpu/riscv64/disasm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static u32 next_random(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed ^ *seed >> 13;
}

/* Fields of fences that hardware ignores are zero in every assembler. */
static u32 fixed_zero_bits(const struct insn_row *row)
{
    if (strcmp(row->name, "fence_i") == 0) {
        return 0xffff8f80;
    }
    return strncmp(row->name, "fence", 5) == 0 ? 0xf00f8f80 : 0;
}

int main(int argc, char **argv)
{
    const struct insn_set *set = riscv64_insn_set();
    u32 seed = argc > 1 ? (u32)strtoul(argv[1], NULL, 0) : 1;
    unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 20;
    gva_t pc = 0;
    for (unsigned row = 0; row < set->row_count; row++) {
        u32 mask, match;
        insn_parse_pattern(set->rows[row].pattern, &mask, &match);
        u32 variable = ~mask & ~fixed_zero_bits(&set->rows[row]);
        for (unsigned i = 0; i < count; i++) {
            char text[100];
            u8 bytes[4];
            st_le32(bytes, match | (next_random(&seed) & variable));
            unsigned length_bytes = riscv64_disassemble(pc, bytes, 4, text, sizeof(text));
            printf("%u %x %s\n", length_bytes, (u32)ld_le(bytes, length_bytes), text);
            pc += length_bytes;
        }
    }
    return 0;
}
