/* The instruction table decodes itself, and nothing that the manual reserves. */
#include "cpu/base/bits.h"
#include "cpu/riscv64/decode.h"
#include "cpu/riscv64/disasm.h"
#include <criterion/criterion.h>

static struct riscv_insn decode(u32 word)
{
    u8 bytes[4];
    struct riscv_insn insn;
    st_le32(bytes, word);
    cr_assert_neq(riscv64_decode(bytes, 4, &insn), 0);
    return insn;
}

static const char *name_of(u32 word)
{
    struct riscv_insn insn = decode(word);
    return insn.id == RISCV_INSN_illegal ? "illegal" : riscv64_insn_set()->rows[insn.id].name;
}

Test(riscv64_decode, the_table_is_sound)
{
    char why[200] = "";
    cr_assert(riscv64_check_table(why, sizeof(why)), "%s", why);
}

/* A word of the row with its free bits from `fill` that no more specific row claims. */
Test(riscv64_decode, every_row_decodes_to_itself)
{
    const struct insn_set *set = riscv64_insn_set();
    for (unsigned row = 0; row < set->row_count; row++) {
        u32 mask, match, seed = 12345;
        insn_parse_pattern(set->rows[row].pattern, &mask, &match);
        unsigned hits = 0, tries = 200;
        for (unsigned i = 0; i < tries; i++) {
            seed = seed * 1664525 + 1013904223;
            u32 free_bits = (seed ^ seed >> 13) & ~mask;
            struct riscv_insn insn = decode(match | free_bits);
            hits += insn.id == row;
        }
        bool reserved = (set->rows[row].flags & INSN_RESERVED) != 0;
        cr_assert(reserved ? hits == 0 : hits > tries / 2, "%s: %u of %u", set->rows[row].name,
                  hits, tries);
    }
}

Test(riscv64_decode, operands_are_what_the_formats_say)
{
    const struct insn_set *set = riscv64_insn_set();
    u32 seed = 99;
    for (unsigned i = 0; i < 100000; i++) {
        seed = seed * 1664525 + 1013904223;
        struct riscv_insn insn = decode(seed ^ seed >> 15);
        u32 operands[RISCV_OPERAND_COUNT] = {0};
        if (insn.id != RISCV_INSN_illegal) {
            insn_extract(&set->formats[set->rows[insn.id].format], insn.word, operands);
        }
        const u32 decoded[RISCV_OPERAND_COUNT] = {
            [RISCV_OPERAND_RD] = insn.rd,   [RISCV_OPERAND_RS1] = insn.rs1,
            [RISCV_OPERAND_RS2] = insn.rs2, [RISCV_OPERAND_RS3] = insn.rs3,
            [RISCV_OPERAND_IMM] = (u32)insn.imm, [RISCV_OPERAND_RM] = insn.rm,
            [RISCV_OPERAND_FMT] = insn.fmt, [RISCV_OPERAND_AQRL] = insn.aqrl,
            [RISCV_OPERAND_VM] = insn.vm,   [RISCV_OPERAND_NF] = insn.nf,
        };
        for (unsigned o = 0; o < RISCV_OPERAND_COUNT; o++) {
            cr_assert_eq(decoded[o], operands[o], "%#x operand %u", insn.word, o);
        }
    }
}

/* Decoded instructions are kept by a hash of their word. addi a0,zero,n for all n meet each other
 * and themselves again. */
Test(riscv64_decode, what_is_kept_is_of_the_very_word)
{
    cr_assert_eq(decode(0).length_bytes, 2);
    for (unsigned round = 0; round < 2; round++) {
        for (u32 word = 0; word < 1 << 16; word++) {
            struct riscv_insn insn = decode(word << 16 | 0x513);
            cr_assert(insn.word == (word << 16 | 0x513) && insn.rs1 == (word << 1 & 31) &&
                      insn.imm == (s32)(word << 16) >> 20 && insn.length_bytes == 4, "%#x", word);
        }
    }
    cr_assert_eq(decode(0).length_bytes, 2);
}

Test(riscv64_decode, immediates)
{
    cr_assert_eq(decode(0xfe000ee3).imm, -4); /* beqz zero, . - 4 */
    cr_assert_eq(decode(0x8000006f).imm, -0x100000);
    cr_assert_eq(decode(0x800000b7).imm, INT32_MIN);
    cr_assert_eq(decode(0xfe112e23).imm, -4); /* sw ra,-4(sp) */
    cr_assert_eq(decode(0x715d).imm, -80);    /* c.addi16sp sp,-80 */
    cr_assert_eq(decode(0x1fe0).imm, 1020);   /* c.addi4spn s0,sp,1020 */
    cr_assert_eq(decode(0x7201).imm, (s32)0xfffe0000); /* c.lui tp,0xfffe0 */
    cr_assert_eq(decode(0xb001).imm, -2048);  /* c.j . - 2048 */
    cr_assert_eq(decode(0xd001).imm, -256);   /* c.beqz s0,. - 256 */
}

Test(riscv64_decode, compressed_operands_are_those_of_the_full_instruction)
{
    struct riscv_insn insn = decode(0x8526); /* c.mv a0,s1 */
    cr_assert(insn.rd == 10 && insn.rs1 == 0 && insn.rs2 == 9 && insn.length_bytes == 2);
    insn = decode(0x9526); /* c.add a0,s1 */
    cr_assert(insn.rd == 10 && insn.rs1 == 10 && insn.rs2 == 9);
    insn = decode(0x8082); /* c.jr ra */
    cr_assert(insn.rd == 0 && insn.rs1 == 1 && insn.imm == 0);
    insn = decode(0x9502); /* c.jalr a0 */
    cr_assert(insn.rd == 1 && insn.rs1 == 10);
    insn = decode(0x70a2); /* c.ldsp ra,40(sp) */
    cr_assert(insn.rd == 1 && insn.rs1 == 2 && insn.imm == 40);
}

Test(riscv64_decode, reserved_encodings_are_illegal)
{
    static const u32 words[] = {
        0x0000,     /* c.unimp is a row, see below */
        0x0004,     /* c.addi4spn with 0 */
        0x2001,     /* c.addiw zero */
        0x6101,     /* c.addi16sp with 0 */
        0x6081,     /* c.lui with 0 */
        0x4002,     /* c.lwsp zero */
        0x6002,     /* c.ldsp zero */
        0x8002,     /* c.jr zero */
        0x8000,     /* quadrant 0, funct3 4 */
        0x9c41,     /* funct2 2 behind c.subw */
        0x00007003, /* load, funct3 7 */
        0x06b52053, /* fadd, fmt 3 */
        0x00004073, /* system, funct3 4 */
        0x0000001f, /* longer than 32 bits */
        0xffffffff,
    };
    for (unsigned i = 1; i < ARRAY_LEN(words); i++) {
        cr_assert_str_eq(name_of(words[i]), "illegal", "%#x", words[i]);
    }
    cr_assert_str_eq(name_of(words[0]), "c_unimp");
}

Test(riscv64_decode, hints_are_their_own_rows_only_where_they_have_names)
{
    cr_assert_str_eq(name_of(0x0100000f), "pause");
    cr_assert_str_eq(name_of(0x8330000f), "fence_tso");
    cr_assert_str_eq(name_of(0x0ff0000f), "fence");
    cr_assert_str_eq(name_of(0x0010e013), "prefetch_r");
    cr_assert_str_eq(name_of(0x0020e013), "ori");
    cr_assert_str_eq(name_of(0x0001), "c_nop");
    cr_assert_str_eq(name_of(0x0005), "c_addi");
}

Test(riscv64_decode, too_few_bytes_are_asked_for_again)
{
    static const u8 add[] = {0x33, 0x05, 0xb5, 0x00};
    static const u8 mv[] = {0x26, 0x85};
    struct riscv_insn insn;
    cr_assert_eq(riscv64_decode(add, 0, &insn), 0);
    cr_assert_eq(riscv64_decode(add, 1, &insn), 0);
    cr_assert_eq(riscv64_decode(add, 2, &insn), 0);
    cr_assert_eq(riscv64_decode(add, 3, &insn), 0);
    cr_assert_eq(riscv64_decode(add, 4, &insn), 4);
    cr_assert_eq(riscv64_decode(mv, 2, &insn), 2);
}
