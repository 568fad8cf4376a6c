/* Every row lowers to well-formed IR in every mode; how instructions end blocks; lr/sc pairing. */
#include "cpu/base/bits.h"
#include "cpu/riscv64/decode.h"
#include "cpu/riscv64/helpers.h"
#include "cpu/riscv64/state.h"
#include "translate/from_riscv64/lower.h"
#include "translate/front.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

extern const struct front riscv64_front;

enum { PAGE_OFFSET = 0x100, MODE_FP_M = RISCV_M | RISCV_MODE_FS };
enum {
    MODE_RMM = RISCV_MODE_FRM_OTHER | RISCV_MODE_FRM_SLOW,
    MODE_RESERVED = MODE_RMM | RISCV_MODE_FRM_BAD
};

static struct ir ir;

struct program {
    u8 bytes[128];
    unsigned length;
};

static void add16(struct program *program, u16 word)
{
    st_le16(program->bytes + program->length, word);
    program->length += 2;
}

static void add32(struct program *program, u32 word)
{
    st_le32(program->bytes + program->length, word);
    program->length += 4;
}

#define CODE_GPA 0x80200000u
static const struct reservation_sites *lone_lrs;

/* Lowers until the block ends or the program does; returns how many instructions were taken. */
static unsigned lower(const struct program *program, u32 mode, unsigned max_insns, bool *ended)
{
    struct lower l = {.ir = &ir, .mode = mode, .offset = PAGE_OFFSET, .lone_lrs = lone_lrs};
    unsigned done = 0, insns = 0;
    ir_reset(&ir, &riscv64_guest);
    riscv64_front.begin(&l);
    while (!l.ended && done < program->length) {
        l.offset = PAGE_OFFSET + done;
        l.gpa = CODE_GPA + done;
        l.rest = program->bytes + done;
        l.rest_bytes = program->length - done;
        l.max_insns = max_insns == 0 ? 0 : max_insns - insns;
        unsigned length = riscv64_front.lower_insn(&l);
        cr_assert_neq(length, 0);
        done += length;
        insns++;
        if (max_insns != 0 && insns == max_insns) {
            break;
        }
    }
    if (ended != NULL) {
        *ended = l.ended;
    }
    if (!l.ended) {
        ir_jump(&ir, PAGE_OFFSET + done);
    }
    return insns;
}

static void lower_one(u32 word, u32 mode, bool *ended)
{
    struct program program = {.length = 0};
    if (riscv64_insn_length_bytes((u16)word) == 2) {
        add16(&program, (u16)word);
    } else {
        add32(&program, word);
    }
    lower(&program, mode, 0, ended);
}

static unsigned count_op(enum ir_op op)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ir.count; i++) {
        count += ir.insns[i].op == op;
    }
    return count;
}

static const struct ir_insn *find_op(enum ir_op op)
{
    for (unsigned i = 0; i < ir.count; i++) {
        if (ir.insns[i].op == op) {
            return &ir.insns[i];
        }
    }
    cr_assert_fail("no %s", ir_op_info[op].text);
    return NULL;
}

static bool calls(const struct helper *helper)
{
    for (unsigned i = 0; i < ir.count; i++) {
        if (ir.insns[i].op == IR_CALL && ir.insns[i].imm == (u64)(uintptr_t)helper) {
            return true;
        }
    }
    return false;
}

static bool is_illegal(u32 word, u32 mode)
{
    lower_one(word, mode, NULL);
    const struct ir_insn *last = &ir.insns[ir.count - 1];
    return last->op == IR_RAISE && last->imm == RISCV_CAUSE_ILLEGAL &&
           ir.insns[last->a].imm == word;
}

/* --- the whole table --- */

static const u32 modes[] = {
    RISCV_U, RISCV_S, RISCV_M,
    RISCV_U | 1 << 2, RISCV_S | 1 << 2, RISCV_M | 1 << 2,
    RISCV_U | RISCV_MODE_FS, RISCV_S | RISCV_MODE_FS, RISCV_M | RISCV_MODE_FS,
    RISCV_U | RISCV_MODE_FS | RISCV_MODE_FRM_OTHER,
    RISCV_U | RISCV_MODE_FS | MODE_RMM,
    RISCV_U | RISCV_MODE_FS | MODE_RESERVED,
    RISCV_M | RISCV_MODE_FS | RISCV_MODE_TRACE,
    RISCV_U | RISCV_MODE_FS | RISCV_MODE_VS | 1 << RISCV_MODE_VLEN_SHIFT,
    RISCV_S | 1 << RISCV_MODE_VS_SHIFT | 2 << RISCV_MODE_VLEN_SHIFT,
    RISCV_M | RISCV_MODE_FS | MODE_RESERVED | RISCV_MODE_VS | 1 << RISCV_MODE_VLEN_SHIFT,
};

static void check_word(const char *name, u32 word, u32 mode)
{
    char why[256];
    lower_one(word, mode, NULL);
    cr_assert_not(ir.overflow);
    cr_assert(ir_verify(&ir, why, sizeof(why)), "%s %#x mode %#x: %s", name, word, mode, why);
    for (unsigned i = 0; i < ir.count; i++) {
        bool sets_x0 = ir.insns[i].op == IR_SET &&
                       ir.insns[i].imm == offsetof(struct riscv64_state, x);
        cr_assert_not(sets_x0, "%s %#x sets x0", name, word);
    }
}

Test(lower, every_row_makes_well_formed_ir_in_every_mode)
{
    const struct insn_set *set = riscv64_insn_set();
    u32 seed = 1;
    for (unsigned row = 0; row < set->row_count; row++) {
        u32 mask, match;
        insn_parse_pattern(set->rows[row].pattern, &mask, &match);
        for (unsigned m = 0; m < ARRAY_LEN(modes); m++) {
            check_word(set->rows[row].name, match, modes[m]);
            for (unsigned i = 0; i < 20; i++) {
                seed = seed * 1664525 + 1013904223;
                check_word(set->rows[row].name, match | ((seed ^ seed >> 11) & ~mask), modes[m]);
            }
        }
    }
}

Test(lower, random_words_never_break_the_builder)
{
    u32 seed = 7;
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1664525 + 1013904223;
        check_word("random", seed ^ seed >> 15, modes[i % ARRAY_LEN(modes)]);
    }
}

/* --- ends of blocks --- */

Test(lower, forward_branch_goes_on_and_backward_branch_ends)
{
    bool ended;
    lower_one(0x00b50463, MODE_FP_M, &ended); /* beq a0,a1,.+8 */
    cr_assert_not(ended);
    cr_assert_eq((s64)find_op(IR_EXIT_IF)->imm, PAGE_OFFSET + 8);
    lower_one(0xfeb50ee3, MODE_FP_M, &ended); /* beq a0,a1,.-4 */
    cr_assert(ended);
    cr_assert_eq((s64)find_op(IR_EXIT_IF)->imm, PAGE_OFFSET - 4);
    cr_assert_eq((s64)find_op(IR_JUMP)->imm, PAGE_OFFSET + 4);
}

Test(lower, branch_on_one_register_is_decided)
{
    bool ended;
    lower_one(0x00a50463, MODE_FP_M, &ended); /* beq a0,a0,.+8 */
    cr_assert(ended);
    cr_assert_eq((s64)find_op(IR_JUMP)->imm, PAGE_OFFSET + 8);
    lower_one(0x00a51463, MODE_FP_M, &ended); /* bne a0,a0,.+8 */
    cr_assert_not(ended);
    cr_assert_eq(count_op(IR_EXIT_IF), 0);
}

static unsigned skips(u32 branch, u32 first, u32 second)
{
    const u32 words[] = {branch, first, second, 0x00000073};
    u8 bytes[sizeof(words)];
    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        st_le32(bytes + 4 * i, words[i]);
    }
    return riscv64_front.skips(bytes, sizeof(bytes));
}

Test(lower, a_branch_over_computing_is_known)
{
    const u32 addi = 0x00150513, addw = 0x00b5053b, two = 0x95ae852e; /* c.mv a0,a1; c.add a1,a1 */
    cr_expect_eq(skips(0x00b50463, addi, addi), 1, "beq a0,a1,.+8");
    cr_expect_eq(skips(0x00b54663, addi, addw), 2, "blt a0,a1,.+12");
    cr_expect_eq(skips(0x00b50663, two, addw), 3);
    cr_expect_eq(skips(0x00b50663, two, two), 4);
    cr_expect_eq(skips(0x00b50363, two, addi), 1, "beq a0,a1,.+6");
    cr_expect_eq(skips(0x00b50463, 0x00053503, addi), 0, "over ld");
    cr_expect_eq(skips(0x00b50463, 0x00a53023, addi), 0, "over sd");
    cr_expect_eq(skips(0x00b50463, 0x02b54533, addi), 0, "over div");
    cr_expect_eq(skips(0x00b50463, 0x02b50533, addi), 1, "over mul");
    cr_expect_eq(skips(0x00b50463, 0x00b50463, addi), 0, "over a branch");
    cr_expect_eq(skips(0x00b50463, 0x02b57553, addi), 0, "over fadd.d");
    cr_expect_eq(skips(0x00b50363, addi, addi), 0, "into the middle of addi");
    cr_expect_eq(skips(0x00b50863, addi, addi), 0, "over ecall, .+16");
    cr_expect_eq(skips(0x00b50a63, addi, addi), 0, "beyond what may be read, .+20");
    cr_expect_eq(skips(0x00a50463, addi, addi), 0, "beq a0,a0");
    cr_expect_eq(skips(0x00b50263, addi, addi), 0, "beq a0,a1,.+4");
    cr_expect_eq(skips(0xfeb50ee3, addi, addi), 0, "backwards");
    cr_expect_eq(skips(addi, addi, addi), 0);
}

Test(lower, jalr_hints_follow_the_manual)
{
    lower_one(0x00008067, MODE_FP_M, NULL); /* jalr zero,0(ra) */
    cr_assert_eq(find_op(IR_JUMP_IND)->sub, IR_JUMP_RETURN);
    lower_one(0x9502, MODE_FP_M, NULL); /* c.jalr a0 */
    cr_assert_eq(find_op(IR_JUMP_IND)->sub, IR_JUMP_CALL);
    lower_one(0x8502, MODE_FP_M, NULL); /* c.jr a0 */
    cr_assert_eq(find_op(IR_JUMP_IND)->sub, IR_JUMP_PLAIN);
    lower_one(0x000080e7, MODE_FP_M, NULL); /* jalr ra,0(ra) */
    cr_assert_eq(find_op(IR_JUMP_IND)->sub, IR_JUMP_CALL);
}

Test(lower, ecall_names_the_privilege)
{
    static const struct {
        u32 mode;
        u64 cause;
    } cases[] = {{RISCV_U, 8}, {RISCV_S, 9}, {RISCV_M, 11}};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        lower_one(0x00000073, cases[i].mode, NULL);
        cr_assert_eq(find_op(IR_RAISE)->imm, cases[i].cause);
    }
}

/* --- legality by mode --- */

Test(lower, privileged_instructions_are_illegal_below_their_privilege)
{
    cr_assert(is_illegal(0x30200073, RISCV_S));     /* mret */
    cr_assert_not(is_illegal(0x30200073, RISCV_M));
    cr_assert(is_illegal(0x10200073, RISCV_U));     /* sret */
    cr_assert(is_illegal(0x10500073, RISCV_U));     /* wfi */
    cr_assert(is_illegal(0x12000073, RISCV_U));     /* sfence.vma */
    cr_assert_not(is_illegal(0x12000073, RISCV_S));
    cr_assert(is_illegal(0x18000073, RISCV_U));     /* sfence.w.inval */
    cr_assert(is_illegal(0x18100073, RISCV_U));     /* sfence.inval.ir */
}

Test(lower, csr_numbers_tell_privilege_and_read_only)
{
    cr_assert(is_illegal(0x30002573, RISCV_S));     /* csrrs a0,mstatus,zero */
    cr_assert_not(is_illegal(0x30002573, RISCV_M));
    cr_assert(is_illegal(0x7c002573, RISCV_M));     /* csrrs a0,0x7c0,zero */
    cr_assert(is_illegal(0xc0051573, RISCV_M));     /* csrrw a0,cycle,a0 */
    cr_assert_not(is_illegal(0xc0002573, RISCV_M)); /* csrrs a0,cycle,zero */
    cr_assert(is_illegal(0xc000d573, RISCV_M));     /* csrrwi a0,cycle,1 */
    cr_assert_not(is_illegal(0xc0007573, RISCV_M)); /* csrrci a0,cycle,0 */
}

Test(lower, fp_is_illegal_while_off_and_rounding_when_reserved)
{
    u32 fadd_s = 0x00c5f553, fadd_rm5 = 0x00c5d553, fclass = 0xe0051553, fflags = 0x00102573;
    cr_assert(is_illegal(fadd_s, RISCV_M));
    cr_assert(is_illegal(fclass, RISCV_M));
    cr_assert(is_illegal(fflags, RISCV_M));
    cr_assert_not(is_illegal(fadd_s, MODE_FP_M));
    cr_assert(is_illegal(fadd_rm5, MODE_FP_M));
    cr_assert(is_illegal(fadd_s, MODE_FP_M | MODE_RESERVED));
    cr_assert_not(is_illegal(0x00c58553, MODE_FP_M | MODE_RESERVED));
}

Test(lower, dynamic_rounding_becomes_static_only_for_rmm)
{
    lower_one(0x00c5f553, MODE_FP_M, NULL);
    cr_assert_eq(find_op(IR_FADD)->imm, IR_ROUND_DYN);
    lower_one(0x00c5f553, MODE_FP_M | MODE_RMM, NULL);
    cr_assert_eq(find_op(IR_FADD)->imm, IR_ROUND_RMM);
    lower_one(0x00c5a553, MODE_FP_M, NULL);
    cr_assert_eq(find_op(IR_FADD)->imm, IR_ROUND_RDN);
}

Test(lower, nearest_even_in_the_instruction_is_dynamic_while_frm_says_the_same)
{
    static const u32 directed_modes[] = {RISCV_MODE_FRM_OTHER, MODE_RMM, MODE_RESERVED};
    u32 fadd_s_rne = 0x00c58553;
    lower_one(fadd_s_rne, MODE_FP_M, NULL);
    cr_assert_eq(find_op(IR_FADD)->imm, IR_ROUND_DYN);
    for (size_t i = 0; i < ARRAY_LEN(directed_modes); i++) {
        lower_one(fadd_s_rne, MODE_FP_M | directed_modes[i], NULL);
        cr_assert_eq(find_op(IR_FADD)->imm, IR_ROUND_RNE);
    }
}

static bool marks_fp_dirty(void)
{
    for (unsigned i = 0; i < ir.count; i++) {
        if (ir.insns[i].op == IR_SET && ir.insns[i].imm == LOWER_FS_OFFSET) {
            return true;
        }
    }
    return false;
}

Test(lower, fp_writes_mark_it_dirty_and_others_do_not)
{
    bool ended;
    lower_one(0x00c5f553, MODE_FP_M, &ended); /* fadd.s */
    cr_assert(!ended && marks_fp_dirty());
    lower_one(0x00115073, MODE_FP_M, &ended); /* csrwi fflags,2 */
    cr_assert(!ended && marks_fp_dirty() && count_op(IR_CALL) == 0);
    lower_one(0xe0051553, MODE_FP_M, &ended); /* fclass.s */
    cr_assert(!ended && !marks_fp_dirty());
    lower_one(0xfea5bc27, MODE_FP_M, &ended); /* fsd */
    cr_assert(!ended && !marks_fp_dirty());
}

/* --- CSRs --- */

Test(lower, plain_csrs_need_no_call_and_others_do)
{
    bool ended;
    lower_one(0x34051573, RISCV_M, &ended); /* csrrw a0,mscratch,a0 */
    cr_assert(!ended && count_op(IR_CALL) == 0);
    lower_one(0x30051573, RISCV_M, &ended); /* csrrw a0,mstatus,a0 */
    cr_assert(ended && calls(&riscv64_helper_status_changed) && count_op(IR_LOOK) == 1);
    lower_one(0x18051573, RISCV_S, &ended); /* csrrw a0,satp,a0 */
    cr_assert(ended && calls(&riscv64_helper_csr_read) && calls(&riscv64_helper_csr_write));
    cr_assert_eq(find_op(IR_LEAVE)->sub, 0);
    lower_one(0x18051073, RISCV_S, &ended); /* csrrw zero,satp,a0 */
    cr_assert(ended && !calls(&riscv64_helper_csr_read));
    lower_one(0xc0102573, RISCV_U, &ended); /* csrrs a0,time,zero */
    cr_assert(!ended && calls(&riscv64_helper_time) && !calls(&riscv64_helper_csr_read));
    lower_one(0x3440e573, RISCV_M, &ended); /* csrrsi a0,mip,1 */
    cr_assert(calls(&riscv64_helper_csr_set));
}

/* What the bits of a constant say about it is all that is done. */
Test(lower, status_bits_cost_what_they_concern)
{
    bool ended;
    lower_one(0x30002573, RISCV_M, &ended); /* csrrs a0,mstatus,zero */
    cr_assert(!ended && count_op(IR_CALL) == 0 && count_op(IR_LOOK) == 0);
    cr_assert_eq(count_op(IR_SET), 1, "a0 alone");
    lower_one(0x10017573, RISCV_S, &ended); /* csrrci a0,sstatus,2 */
    cr_assert(!ended && count_op(IR_CALL) == 0 && count_op(IR_LOOK) == 0);
    lower_one(0x10016573, RISCV_S, &ended); /* csrrsi a0,sstatus,2 */
    cr_assert(!ended && count_op(IR_CALL) == 0 && count_op(IR_LOOK) == 1);
    cr_assert_eq((s64)find_op(IR_LOOK)->imm, PAGE_OFFSET + 4);
    lower_one(0x30046073, RISCV_M, &ended); /* csrrsi zero,mstatus,8 */
    cr_assert(!ended && count_op(IR_CALL) == 0 && count_op(IR_LOOK) == 1);
    lower_one(0x10046073, RISCV_S, &ended); /* csrrsi zero,sstatus,8: not in sstatus */
    cr_assert(!ended && count_op(IR_CALL) == 0 && count_op(IR_LOOK) == 0);
    lower_one(0x10052073, RISCV_S, &ended); /* csrrs zero,sstatus,a0: any bits */
    cr_assert(ended && calls(&riscv64_helper_status_changed) && count_op(IR_LOOK) == 1);
    lower_one(0x10053073, RISCV_S, &ended); /* csrrc zero,sstatus,a0 */
    cr_assert(ended && calls(&riscv64_helper_status_changed) && count_op(IR_LOOK) == 0);
}

Test(lower, fflags_are_read_and_written_in_place)
{
    bool ended;
    lower_one(0x00102573, MODE_FP_M, &ended); /* csrrs a0,fflags,zero */
    cr_assert(!ended && count_op(IR_CALL) == 0 && count_op(IR_FENV_FLAGS) == 1);
    lower_one(0x00151573, MODE_FP_M, &ended); /* csrrw a0,fflags,a0 */
    cr_assert(!ended && count_op(IR_CALL) == 0 && count_op(IR_FENV_SET) == 1);
    lower_one(0x00151573, MODE_FP_M | MODE_RESERVED, &ended);
    cr_assert(ended && calls(&riscv64_helper_csr_write_fp));
    lower_one(0x00251073, MODE_FP_M, &ended); /* csrrw zero,frm,a0 */
    cr_assert(ended && calls(&riscv64_helper_csr_write_fp));
}

/* --- lr/sc --- */

enum {
    LR_W = 0x1005a52f,       /* lr.w a0,(a1) */
    LR_D = 0x1005b52f,       /* lr.d a0,(a1) */
    LR_W_SELF = 0x1005a5af,  /* lr.w a1,(a1) */
    SC_W = 0x18c5a6af,       /* sc.w a3,a2,(a1) */
    SC_W_OTHER = 0x18c726af, /* sc.w a3,a2,(a4) */
    ADDI = 0x00150613,       /* addi a2,a0,1 */
    ADDI_ADDRESS = 0x00458593, /* addi a1,a1,4 */
    LW = 0x0007a783,         /* lw a5,0(a5) */
    FENCE = 0x0ff0000f,
    BEQ_PLUS_8 = 0x00c50463, /* beq a0,a2,.+8 */
    BEQ_PLUS_12 = 0x00c50663,
    BEQ_MINUS_4 = 0xfec50ee3,
};

struct pair_case {
    const char *what;
    bool paired;
    u32 words[4];
};

static const struct pair_case pair_cases[] = {
    {"plain", true, {LR_W, ADDI, SC_W}},
    {"at once", true, {LR_W, SC_W}},
    {"branch past the sc", true, {LR_W, BEQ_PLUS_12, ADDI, SC_W}},
    {"branch to the sc", false, {LR_W, BEQ_PLUS_8, ADDI, SC_W}},
    {"branch back", false, {LR_W, BEQ_MINUS_4, ADDI, SC_W}},
    {"load between", false, {LR_W, LW, ADDI, SC_W}},
    {"fence between", false, {LR_W, FENCE, ADDI, SC_W}},
    {"address changes", false, {LR_W, ADDI_ADDRESS, SC_W}},
    {"lr overwrites its address", false, {LR_W_SELF, SC_W}},
    {"other size", false, {LR_D, ADDI, SC_W}},
    {"other address", false, {LR_W, ADDI, SC_W_OTHER}},
    {"no sc", false, {LR_W, ADDI}},
};

static struct program program_of(const struct pair_case *c)
{
    struct program program = {.length = 0};
    for (unsigned i = 0; i < 4 && c->words[i] != 0; i++) {
        add32(&program, c->words[i]);
    }
    return program;
}

Test(lower, lr_and_sc_pair_only_over_registers)
{
    for (unsigned i = 0; i < ARRAY_LEN(pair_cases); i++) {
        char why[256];
        struct program program = program_of(&pair_cases[i]);
        lower(&program, RISCV_U, 0, NULL);
        cr_assert(ir_verify(&ir, why, sizeof(why)), "%s: %s", pair_cases[i].what, why);
        cr_assert_eq(count_op(IR_CAS), pair_cases[i].paired, "%s", pair_cases[i].what);
        cr_assert_eq(calls(&riscv64_helper_lr), !pair_cases[i].paired, "%s", pair_cases[i].what);
        cr_assert_eq(calls(&riscv64_helper_sc),
                     !pair_cases[i].paired && strcmp(pair_cases[i].what, "no sc") != 0 &&
                         pair_cases[i].words[1] != BEQ_MINUS_4, "%s", pair_cases[i].what);
    }
}

Test(lower, a_pair_is_not_opened_when_the_block_must_end_before_its_sc)
{
    struct program program = program_of(&pair_cases[0]);
    lower(&program, RISCV_U, 3, NULL);
    cr_assert_eq(count_op(IR_CAS), 1);
    lower(&program, RISCV_U, 2, NULL);
    cr_assert(calls(&riscv64_helper_lr) && count_op(IR_LOAD) == 0);
}

/* Go's atomic loads: no sc in sight, or behind a jump. */
Test(lower, an_lr_with_no_sc_in_sight_is_a_load_until_one_came)
{
    static struct reservation_sites sites;
    static const struct pair_case jumps = {"jump", false, {LR_W, ADDI, 0x0000006f}};
    struct program program = program_of(&jumps);
    struct program hidden = program_of(&pair_cases[ARRAY_LEN(pair_cases) - 1]);
    struct program in_sight = program_of(&pair_cases[5]);
    lone_lrs = &sites;
    lower(&hidden, RISCV_U, 0, NULL);
    cr_assert(calls(&riscv64_helper_lr), "what follows cannot be read: a breakpoint may be there");
    lower(&program, RISCV_U, 0, NULL);
    cr_assert(!calls(&riscv64_helper_lr) && count_op(IR_LOAD) == 1);
    lower(&in_sight, RISCV_U, 0, NULL);
    cr_assert(calls(&riscv64_helper_lr), "one in sight needs no learning");
    lower(&program, RISCV_U | RISCV_MODE_TRACE, 0, NULL);
    cr_assert(calls(&riscv64_helper_lr));
    reservation_note_needed(&sites, CODE_GPA + 4);
    lower(&program, RISCV_U, 0, NULL);
    cr_assert(!calls(&riscv64_helper_lr), "another lr");
    reservation_note_needed(&sites, CODE_GPA);
    lower(&program, RISCV_U, 0, NULL);
    cr_assert(calls(&riscv64_helper_lr));
    lone_lrs = NULL;
}

Test(lower, a_pair_works_without_folding)
{
    struct program program = program_of(&pair_cases[0]);
    struct lower l = {.ir = &ir, .mode = RISCV_U, .offset = PAGE_OFFSET};
    ir_reset(&ir, &riscv64_guest);
    ir.no_fold = true;
    riscv64_front.begin(&l);
    for (unsigned at = 0; at < program.length; at += 4) {
        l.offset = PAGE_OFFSET + at;
        l.rest = program.bytes + at;
        l.rest_bytes = program.length - at;
        cr_assert_eq(riscv64_front.lower_insn(&l), 4);
    }
    cr_assert_eq(count_op(IR_CAS), 1);
}

/* --- odds and ends --- */

Test(lower, an_instruction_cut_by_the_page_asks_for_more)
{
    static const u8 half[] = {0x33, 0x05};
    struct lower l = {.ir = &ir, .mode = RISCV_U, .offset = 4094, .rest = half, .rest_bytes = 2};
    ir_reset(&ir, &riscv64_guest);
    riscv64_front.begin(&l);
    cr_assert_eq(riscv64_front.lower_insn(&l), 0);
    cr_assert_eq(ir.count, 0);
}

Test(lower, poll_comes_first_when_asked)
{
    static const u8 add[] = {0x33, 0x05, 0xb5, 0x00, 0x33, 0x05, 0xb5, 0x00};
    struct lower l = {.ir = &ir, .mode = RISCV_U, .rest = add, .rest_bytes = 8, .poll_first = true};
    ir_reset(&ir, &riscv64_guest);
    riscv64_front.begin(&l);
    riscv64_front.lower_insn(&l);
    riscv64_front.lower_insn(&l);
    cr_assert_eq(ir.insns[0].op, IR_INSN);
    cr_assert_eq(ir.insns[1].op, IR_POLL);
    cr_assert_eq(count_op(IR_POLL), 1);
}

Test(lower, mode_prints)
{
    char text[64];
    riscv64_front.print_mode(RISCV_S | RISCV_MODE_FS, text, sizeof(text));
    cr_assert_str_eq(text, "S fs=on");
    riscv64_front.print_mode(RISCV_U | 1 << 2 | MODE_RMM, text, sizeof(text));
    cr_assert_str_eq(text, "U fs=on frm=rmm");
    riscv64_front.print_mode(RISCV_U | RISCV_MODE_FS | RISCV_MODE_FRM_OTHER, text, sizeof(text));
    cr_assert_str_eq(text, "U fs=on frm=directed");
}

Test(lower, the_list_of_front_ends_has_this_one)
{
    cr_assert_eq(front_find(&riscv64_guest), &riscv64_front);
}
