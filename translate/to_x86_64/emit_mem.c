/* Checks, loads and stores. access.c has the fast path, access_slow.c the rest.
 *
 * A TLB_CHECK that accesses use is skipped: each access checks its own address, with the
 * permissions that its check asks for. Accesses that share a check are so checked more than once,
 * which is right and rare in tier 1. A check without an access probes. */
#include "translate/to_x86_64/access.h"

static unsigned check_flags(const struct compile *c, ir_ref check)
{
    return (unsigned)c->ir->insns[check].imm;
}

static unsigned desc_flags(unsigned check)
{
    return (check & IR_CHECK_WRITE ? (unsigned)HOST_DESC_WRITE : 0u) |
           (check & IR_CHECK_ALIGN ? (unsigned)HOST_DESC_ALIGN : 0u) |
           (check & IR_CHECK_PIECES ? (unsigned)HOST_DESC_PIECES : 0u);
}

static unsigned access_flags(unsigned check)
{
    return (check & IR_CHECK_WRITE ? (unsigned)ACCESS_WRITE : 0u) |
           (check & IR_CHECK_ALIGN ? (unsigned)ACCESS_ALIGN : 0u);
}

void emit_check(struct compile *c, const struct ir_insn *insn)
{
    unsigned flags = (unsigned)insn->imm;
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    struct access m;
    access_claim(c, &m, insn->a, 1u << size, access_flags(flags));
    access_lookup(c, &m);
    struct access_call call = {
        .kind = MEM_CHECK,
        .desc = access_desc(c, size | desc_flags(flags)),
        .reg = NO_REG,
        .keep_xmm = alloc_xmm_live(c),
    };
    access_slow_path(c, &m, &call);
}

/* --- loads and stores --- */

/* An access to the base of a group of a trace has no index. */
static inline void access_rm(struct asm_buf *a, u32 op, unsigned width, unsigned reg,
                             struct asm_mem mem)
{
    if (LIKELY(mem.index != ASM_NO_REG && width != ASM_16)) {
        asm_rm_index(a, op, width, reg, mem);
    } else {
        asm_rm(a, op, width, reg, mem);
    }
}

static void load_at(struct asm_buf *a, const struct ir_insn *insn, const struct access_call *call,
                    struct asm_mem mem)
{
    static const u16 zero_ext[4] = {0x0fb6, 0x0fb7, 0x8b, 0x8b};
    static const u16 sign_ext[4] = {0x0fbe, 0x0fbf, 0x63, 0x8b};
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    if (call->reg >= REG_XMM0) {
        u32 op = ASM_OP(size == IR_MEM_64 ? 0xf2 : 0xf3, 0x0f10);
        asm_rm(a, op, ASM_32, call->reg - REG_XMM0, mem);
        return;
    }
    bool is_signed = (insn->sub & IR_MEM_SIGNED) && (insn->type == IR_I64 || size < IR_MEM_32);
    bool wide = is_signed ? insn->type == IR_I64 : size == IR_MEM_64;
    access_rm(a, is_signed ? sign_ext[size] : zero_ext[size], wide ? ASM_64 : ASM_32, call->reg,
              mem);
}

/* The slow path must leave what the fast one leaves; an I32 result is zero above bit 31. */
static unsigned load_desc(const struct ir_insn *insn)
{
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    bool is_signed = (insn->sub & IR_MEM_SIGNED) && (insn->type == IR_I64 || size < IR_MEM_32);
    return size | (is_signed ? (unsigned)HOST_DESC_SIGNED : 0u);
}

/* The place of a load's result, claimed before the lookup so that nothing is moved between the
 * branch to the slow path and its way back. */
static unsigned load_def(struct compile *c, const struct ir_insn *insn, const struct access *m)
{
    if (type_is_float(insn->type)) {
        return alloc_def_xmm(c) + REG_XMM0;
    }
    if (c->values[c->at].hint != NO_REG || m->tag == NO_REG || alloc_has_extra(c)) {
        return alloc_def(c);
    }
    alloc_def_in(c, m->tag);
    return m->tag;
}

static void load_extended(struct compile *c, const struct ir_insn *insn, unsigned reg)
{
    bool is_signed = (load_desc(insn) & HOST_DESC_SIGNED) != 0;
    if (reg < REG_XMM0 && !is_signed && (insn->sub & IR_MEM_SIZE_MASK) != IR_MEM_64) {
        c->values[c->at].flags |= VALUE_ZEXT;
    }
}

static void load_hoisted(struct compile *c, const struct ir_insn *insn)
{
    struct access m = {.tag = NO_REG};
    struct asm_mem mem = hoist_access(c);
    struct access_call call = {.reg = load_def(c, insn, &m)};
    load_at(&c->a, insn, &call, mem);
    load_extended(c, insn, call.reg);
}

void emit_load(struct compile *c, const struct ir_insn *insn)
{
    if (hoist_has(c, c->at)) {
        load_hoisted(c, insn);
        return;
    }
    unsigned flags = check_flags(c, insn->a);
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    bool keep_xmm = alloc_xmm_live(c);
    struct access m;
    access_claim(c, &m, insn->b, 1u << size, access_flags(flags) | ACCESS_GROUP | ACCESS_SPARE);
    struct access_call call = {
        .emit = load_at,
        .kind = MEM_LOAD,
        .desc = access_desc(c, load_desc(insn) | desc_flags(flags)),
        .reg = load_def(c, insn, &m),
        .keep_xmm = keep_xmm,
    };
    access_lookup(c, &m);
    load_at(&c->a, insn, &call, access_host_at(&m));
    load_extended(c, insn, call.reg);
    access_slow_path(c, &m, &call);
}

static void store_at(struct asm_buf *a, const struct ir_insn *insn, const struct access_call *call,
                     struct asm_mem mem)
{
    static const u8 size_width[4] = {ASM_8, ASM_16, ASM_32, ASM_64};
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    if (call->is_const) {
        asm_mov_mem_imm(a, size_width[size], mem, call->value);
    } else if (call->reg < REG_XMM0) {
        access_rm(a, size == IR_MEM_8 ? 0x88 : 0x89, size_width[size], call->reg, mem);
    } else {
        u32 op = ASM_OP(size == IR_MEM_64 ? 0xf2 : 0xf3, 0x0f11);
        asm_rm(a, op, ASM_32, call->reg - REG_XMM0, mem);
    }
}

void emit_store(struct compile *c, const struct ir_insn *insn)
{
    unsigned flags = check_flags(c, insn->a) | IR_CHECK_WRITE;
    unsigned size = insn->sub & IR_MEM_SIZE_MASK;
    if (wide_has(c, c->at)) {
        emit_wide(c);
        return;
    }
    nan_settle(c, insn->c);
    const struct value *value = root_of(c, insn->c);
    s32 imm = 0;
    unsigned reg = NO_REG;
    if (!value_const_s32(c, insn->c, size == IR_MEM_64 ? IR_I64 : IR_I32, &imm)) {
        bool xmm = size >= IR_MEM_32 && !(c->values[insn->c].flags & VALUE_BOXED) &&
                   (value->reg != NO_REG ? value->reg >= REG_XMM0 : type_is_float(insn->type));
        reg = xmm ? alloc_use_xmm(c, insn->c) + REG_XMM0 : alloc_use(c, insn->c);
    }
    if (hoist_has(c, c->at)) {
        struct access_call call = {.reg = reg, .is_const = reg == NO_REG, .value = imm};
        store_at(&c->a, insn, &call, hoist_access(c));
        return;
    }
    struct access m;
    access_claim(c, &m, insn->b, 1u << size, access_flags(flags) | ACCESS_GROUP);
    access_lookup(c, &m);
    struct access_call call = {
        .emit = store_at,
        .kind = MEM_STORE,
        .desc = access_desc(c, size | desc_flags(flags)),
        .reg = reg,
        .is_const = reg == NO_REG,
        .value = imm,
        .keep_xmm = alloc_xmm_live(c),
    };
    store_at(&c->a, insn, &call, access_host_at(&m));
    access_slow_path(c, &m, &call);
}
