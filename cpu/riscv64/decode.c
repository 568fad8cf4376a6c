/* The RV64GCV instruction table and its decoder. */
#include "cpu/riscv64/decode.h"
#include "cpu/base/bits.h"
#include "cpu/base/zeros.h"

#include <pthread.h>

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
#define MEMBER_RD rd
#define MEMBER_RS1 rs1
#define MEMBER_RS2 rs2
#define MEMBER_RS3 rs3
#define MEMBER_RM rm
#define MEMBER_FMT fmt
#define MEMBER_AQRL aqrl
#define MEMBER_VM vm
#define MEMBER_NF nf
#define FIELD(operand, lo, len)                                                                    \
    (void)(o->MEMBER_##operand = (u8)(word >> (lo) & ((1u << (len)) - 1)))
#define FIX(operand, value) (void)(o->MEMBER_##operand = (value))
#define REG3(operand, lo) (void)(o->MEMBER_##operand = (u8)((word >> (lo) & 7) + 8))
#define UIMM(lo, len, to)                                                                          \
    (void)(o->imm |= (s32)((word >> (lo) & ((1u << (len)) - 1)) << (to)))
#define SIMM(lo, len, to)                                                                          \
    (void)(o->imm |= (s32)((u32)((s32)(word << (32 - (lo) - (len))) >> (32 - (len))) << (to)))
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

/* full_decoder, compressed_decoder and their keys, which decode_tables made. */
#include "decode_tables.inc"

/* Written once under pthread_once, then only read. */
static struct {
    pthread_once_t once;
    pthread_key_t key; /* frees what a thread kept */
    bool may_keep;
} keeping = {.once = PTHREAD_ONCE_INIT};

/* What this thread decoded last, by a hash of the word; NULL before the first. Programs consist of
 * few different words, and code that is new is decoded three times, twice to run from its bytes. */
enum { KEPT_BITS = 12, KEPT_BYTES = sizeof(struct riscv_insn) << KEPT_BITS };
static _Thread_local struct riscv_insn *kept __attribute__((tls_model("initial-exec")));

static void free_kept(void *insns)
{
    zeros_free(insns, KEPT_BYTES);
}

static void init_keeping(void)
{
    keeping.may_keep = pthread_key_create(&keeping.key, free_kept) == 0;
}

/* Leaves `kept` NULL when the host has no memory: then nothing is kept. */
static void begin_thread(void)
{
    pthread_once(&keeping.once, init_keeping);
    struct riscv_insn *insns = keeping.may_keep ? zeros_new(KEPT_BYTES) : NULL;
    if (insns != NULL && pthread_setspecific(keeping.key, insns) == 0) {
        zeros_ask(insns, KEPT_BYTES); /* a program's first words lie in as many pages */
        kept = insns;
    } else {
        zeros_free(insns, KEPT_BYTES);
    }
}

const struct insn_set *riscv64_insn_set(void)
{
    return &insn_set;
}

static void decode_word(u32 word, unsigned length_bytes, struct riscv_insn *insn)
{
    *insn = (struct riscv_insn){.word = word, .length_bytes = (u8)length_bytes};
    bool too_long = (word & 0x1f) == 0x1f;
    int row = too_long            ? -1
              : length_bytes == 4 ? insn_find(&full_decoder, full_key, word)
                                  : insn_find(&compressed_decoder, compressed_key, word);
    if (row < 0 || (briefs[row].flags & INSN_RESERVED) != 0) {
        insn->id = RISCV_INSN_illegal;
        return;
    }
    insn->id = (u16)row;
    insn->flags = briefs[row].flags;
    extract[briefs[row].format](word, insn);
}

static ALWAYS_INLINE struct riscv_insn *kept_place(u32 word)
{
    return &kept[word * 0x9e3779b1u >> (32 - KEPT_BITS)];
}

/* The length. */
static NOINLINE unsigned decode_anew(u32 word, unsigned length_bytes, struct riscv_insn *insn)
{
    if (kept == NULL) {
        begin_thread();
    }
    decode_word(word, length_bytes, insn);
    if (kept != NULL) {
        *kept_place(word) = *insn;
    }
    return length_bytes;
}

/* The bits that an instruction has which begins with `word`: two bytes, or four. Without a branch,
 * which the host would guess wrongly for every fourth one. */
static ALWAYS_INLINE u32 word_mask(u32 word)
{
    return (0 - (((word & 3) + 1) >> 2)) | 0xffff;
}

/* What is kept of the next instruction comes into the cache meanwhile: it is in none near. */
static ALWAYS_INLINE void expect_next(const u8 *bytes, unsigned available_bytes)
{
    if (LIKELY(available_bytes >= 4)) {
        u32 word = ld_le32(bytes);
        __builtin_prefetch(kept_place(word & word_mask(word)));
    }
}

unsigned riscv64_decode(const u8 *bytes, unsigned available_bytes, struct riscv_insn *insn)
{
    u32 word = LIKELY(available_bytes >= 4) ? ld_le32(bytes)
               : available_bytes >= 2       ? ld_le16(bytes)
                                            : 0;
    u32 mask = word_mask(word);
    unsigned length_bytes = 2 + (mask >> 30 & 2);
    if (UNLIKELY(available_bytes < length_bytes)) {
        return 0;
    }
    word &= mask;
    if (UNLIKELY(kept == NULL)) {
        return decode_anew(word, length_bytes, insn);
    }
    expect_next(bytes + length_bytes, available_bytes - length_bytes);
    const struct riscv_insn *last = kept_place(word);
    /* Of a place where nothing is kept yet the word may be right, but not the length. */
    if (last->word != word || last->length_bytes != length_bytes) {
        return decode_anew(word, length_bytes, insn);
    }
    *insn = *last;
    return length_bytes;
}
