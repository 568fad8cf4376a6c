/* The RV64GCV instruction table and its decoder. */
#include "cpu/riscv64/decode.h"
#include "cpu/base/bits.h"
#include "cpu/base/error.h"

#include <pthread.h>
#include <stdatomic.h>

enum format_id {
#define FORMAT(name, ...) FORMAT_##name,
#include "cpu/riscv64/formats.def"
#undef FORMAT
    FORMAT_COUNT,
};

#define RD(lo) FIELD(RD, lo, 5)
#define RS1(lo) FIELD(RS1, lo, 5)
#define RS2(lo) FIELD(RS2, lo, 5)
#define RS3(lo) FIELD(RS3, lo, 5)
#define RD3(lo) REG3(RD, lo)
#define RS13(lo) REG3(RS1, lo)
#define RS23(lo) REG3(RS2, lo)

/* The formats as data. */
#define FIELD(operand, lo, len) {RISCV_OPERAND_##operand, lo, len, 0, 0, false}
#define FIX(operand, value) {RISCV_OPERAND_##operand, 0, 0, 0, value, false}
#define REG3(operand, lo) {RISCV_OPERAND_##operand, lo, 3, 0, 8, false}
#define UIMM(lo, len, to) {RISCV_OPERAND_IMM, lo, len, to, 0, false}
#define SIMM(lo, len, to) {RISCV_OPERAND_IMM, lo, len, to, 0, true}
static const struct insn_format formats[FORMAT_COUNT] = {
#define FORMAT(name, ...)                                                                          \
    {#name, sizeof((struct insn_piece[]){__VA_ARGS__}) / sizeof(struct insn_piece), {__VA_ARGS__}},
#include "cpu/riscv64/formats.def"
#undef FORMAT
};

#undef FIELD
#undef FIX
#undef REG3
#undef UIMM
#undef SIMM

/* The same formats as code, a function each: what insn_extract does with the data, with every shift
 * a constant: 20 ns for a whole decode instead of 39. */
#define FIELD(operand, lo, len)                                                                    \
    (void)(o->operands[RISCV_OPERAND_##operand] += word >> (lo) & ((1u << (len)) - 1))
#define FIX(operand, value) (void)(o->operands[RISCV_OPERAND_##operand] += (value))
#define REG3(operand, lo)                                                                          \
    (void)(o->operands[RISCV_OPERAND_##operand] += (word >> (lo) & 7) + 8)
#define UIMM(lo, len, to)                                                                          \
    (void)(o->operands[RISCV_OPERAND_IMM] += (word >> (lo) & ((1u << (len)) - 1)) << (to))
#define SIMM(lo, len, to)                                                                          \
    (void)(o->operands[RISCV_OPERAND_IMM] +=                                                       \
           (u32)((s32)(word << (32 - (lo) - (len))) >> (32 - (len))) << (to))
#define FORMAT(name, ...)                                                                          \
    static void extract_##name(u32 word, struct riscv_insn *o)                                     \
    {                                                                                              \
        (void)word;                                                                                \
        __VA_ARGS__;                                                                               \
    }
#include "cpu/riscv64/formats.def"
#undef FORMAT

static void (*const extract[FORMAT_COUNT])(u32 word, struct riscv_insn *o) = {
#define FORMAT(name, ...) extract_##name,
#include "cpu/riscv64/formats.def"
#undef FORMAT
};

static const struct insn_row rows[RISCV_INSN_COUNT] = {
#define INSN(name, pattern, format, extension, assembly, flags, lowering)                          \
    {#name, pattern, extension, assembly, flags, FORMAT_##format},
#include "cpu/riscv64/insns.def"
#undef INSN
};

/* What decoding needs of the rows, in a tenth of their room. */
static const struct {
    u16 flags;
    u8 format;
} briefs[RISCV_INSN_COUNT] = {
#define INSN(name, pattern, format, extension, assembly, flags, lowering) {flags, FORMAT_##format},
#include "cpu/riscv64/insns.def"
#undef INSN
};

static const struct insn_set insn_set = {
    .rows = rows,
    .formats = formats,
    .row_count = RISCV_INSN_COUNT,
    .format_count = FORMAT_COUNT,
    .operand_count = RISCV_OPERAND_COUNT,
};

/* Written once under pthread_once, then only read. */
static struct {
    pthread_once_t once;
    _Atomic bool ready; /* a look at it is cheaper than the call */
    struct insn_decoder compressed, full;
} decoders = {.once = PTHREAD_ONCE_INIT};

/* opcode, funct3, and the top five bits, which tell most of funct7 */
static const struct insn_key full_key = {{{2, 5}, {12, 3}, {27, 5}}};
/* quadrant, funct3, and bits that tell c.jr from c.add, c.srli from c.and */
static const struct insn_key compressed_key = {{{0, 2}, {13, 3}, {10, 3}}};

static void init_decoders(void)
{
    CHECK(insn_decoder_init(&decoders.compressed, &insn_set, 16, compressed_key));
    CHECK(insn_decoder_init(&decoders.full, &insn_set, 32, full_key));
    atomic_store_explicit(&decoders.ready, true, memory_order_release);
}

const struct insn_set *riscv64_insn_set(void)
{
    return &insn_set;
}

unsigned riscv64_decode(const u8 *bytes, unsigned available_bytes, struct riscv_insn *insn)
{
    if (available_bytes < 2) {
        return 0;
    }
    unsigned length_bytes = riscv64_insn_length_bytes(ld_le16(bytes));
    if (length_bytes > available_bytes) {
        return 0;
    }
    if (UNLIKELY(!atomic_load_explicit(&decoders.ready, memory_order_acquire))) {
        pthread_once(&decoders.once, init_decoders);
    }
    *insn = (struct riscv_insn){.length_bytes = (u8)length_bytes};
    insn->word = length_bytes == 4 ? ld_le32(bytes) : ld_le16(bytes);
    bool too_long = (insn->word & 0x1f) == 0x1f;
    int row = too_long            ? -1
              : length_bytes == 4 ? insn_find(&decoders.full, full_key, insn->word)
                                  : insn_find(&decoders.compressed, compressed_key, insn->word);
    if (row < 0 || (briefs[row].flags & INSN_RESERVED) != 0) {
        insn->id = RISCV_INSN_illegal;
        return length_bytes;
    }
    insn->id = (u16)row;
    insn->flags = briefs[row].flags;
    extract[briefs[row].format](insn->word, insn);
    return length_bytes;
}
