/* Vector operations in place: which elements of a chunk are active, as AVX-512's mask registers
 * have it, or, for AVX2, as bits. See emit_vector.c. */
#include "translate/to_x86_64/emit_vector.h"

bool vec_masks_results(const struct vec *x)
{
    switch (x->v.op) {
    case IR_VECTOR_MERGE:
    case IR_VECTOR_ADC:
    case IR_VECTOR_SBC:
    case IR_VECTOR_MADC:
    case IR_VECTOR_MSBC: return false;
    default: return true;
    }
}

static unsigned mask_bits(const struct vec *x)
{
    unsigned elements = x->chunk_bytes >> x->sew;
    return elements < 8 ? 8 : elements;
}

bool vec_is_masked(const struct vec *x, bool by_mask)
{
    return (x->evex && x->v.masked && by_mask) || x->partial || x->group_bytes < x->chunk_bytes;
}

/* temp = how many elements of chunk j are below `count`. temp[1] is scratch. */
static void count_in_chunk(struct vec *x, unsigned j)
{
    u32 before = j * (x->chunk_bytes >> x->sew);
    asm_load(x->a, ASM_32, x->temp[0], state_at(x->c->context->guest->vector->count));
    if (before != 0) {
        asm_alu_rr(x->a, ASM_XOR, ASM_32, x->temp[1], x->temp[1]);
        asm_alu_imm(x->a, ASM_SUB, ASM_32, x->temp[0], (s32)before);
        asm_cmov(x->a, ASM_B, ASM_32, x->temp[0], x->temp[1]);
    }
}

/* temp[1] &= the instruction's mask. */
static void mask_by_register(struct vec *x, unsigned j)
{
    u32 first = j * (x->chunk_bytes >> x->sew);
    u32 offset = vec_offset(x, 0) + first / 8;
    CHECK(first % 8 == 0);
    vec_keep_clean(x, offset, 8);
    asm_alu_rm(x->a, ASM_AND, ASM_64, x->temp[1], state_at(offset));
}

/* bzhi */
static void keep_low_bits(struct vec *x, unsigned reg, unsigned count)
{
    asm_vrr(x->a, (struct asm_vop){2, 0, 1, 0xf5}, (struct asm_vhow){0}, reg, count, reg);
}

/* temp[1] = a bit for each element of chunk j that is one of the first v.count. */
static void mask_by_count(struct vec *x, unsigned j)
{
    unsigned each = x->chunk_bytes >> x->sew, left = x->v.count - j * each;
    asm_mov_imm(x->a, x->temp[1], ~(u64)0 >> (left < 64 ? 64 - left : 0));
}

void vec_count_mask(struct vec *x, unsigned j)
{
    if (x->v.count != 0) {
        mask_by_count(x, j);
        return;
    }
    count_in_chunk(x, j);
    asm_rr(x->a, 0xc7, ASM_64, 0, x->temp[1]);
    asm_u32(x->a, UINT32_MAX);
    keep_low_bits(x, x->temp[1], x->temp[0]);
}

unsigned vec_mask(struct vec *x, unsigned j, bool by_mask)
{
    bool by_register = x->v.masked && by_mask;
    bool is_few = x->group_bytes >> x->sew < 8;
    if (!x->evex || !vec_is_masked(x, by_mask)) {
        return 0;
    }
    if (!x->partial && !is_few && x->group_bytes >= x->chunk_bytes) {
        u32 offset = vec_offset(x, 0) + j * (x->chunk_bytes >> x->sew) / 8;
        vec_keep_clean(x, offset, mask_bits(x) / 8);
        asm_mask_load(x->a, mask_bits(x), 1, state_at(offset));
        return 1;
    }
    if (x->v.count != 0 || x->partial) {
        vec_count_mask(x, j);
    } else {
        asm_mov_imm(x->a, x->temp[1], ((u64)1 << (x->group_bytes >> x->sew)) - 1);
    }
    if (by_register) {
        mask_by_register(x, j);
    }
    asm_mask_from(x->a, 64, 1, x->temp[1]);
    return 1;
}

void vec_set_mask(struct vec *x, unsigned mask, u64 bits)
{
    asm_mov_imm(x->a, x->temp[1], bits);
    asm_mask_from(x->a, 64, mask, x->temp[1]);
}
