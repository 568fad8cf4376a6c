/* Atomic operations and fences. */
#include "translate/to_x86_64/access.h"

static void put_lock(struct compile *c)
{
    if (!(c->flags & HOST_ONE_HART)) {
        asm_u8(&c->a, 0xf0);
    }
}

/* The operand registers of an atomic go through the frame: its slow path may need all of them. */
static void store_operand(struct compile *c, ir_ref ref, unsigned frame_offset)
{
    asm_store(&c->a, ASM_64, frame_at(frame_offset), alloc_use(c, ref));
}

/* Makes `next` from old value rax and the operand; min and max by conditional move. */
static void amo_combine(struct compile *c, unsigned amo, unsigned width, unsigned next,
                        unsigned operand)
{
    static const u8 keep_old[] = {[IR_AMO_MIN_S] = ASM_LE, [IR_AMO_MAX_S] = ASM_GE,
                                  [IR_AMO_MIN_U] = ASM_BE, [IR_AMO_MAX_U] = ASM_AE};
    struct asm_buf *a = &c->a;
    asm_mov(a, width, next, operand);
    switch (amo) {
    case IR_AMO_ADD: asm_alu_rr(a, ASM_ADD, width, next, RAX); break;
    case IR_AMO_AND: asm_alu_rr(a, ASM_AND, width, next, RAX); break;
    case IR_AMO_OR: asm_alu_rr(a, ASM_OR, width, next, RAX); break;
    case IR_AMO_XOR: asm_alu_rr(a, ASM_XOR, width, next, RAX); break;
    default:
        asm_alu_rr(a, ASM_CMP, width, RAX, operand);
        asm_cmov(a, (enum asm_cc)keep_old[amo], width, next, RAX);
        break;
    }
}

/* At [address + tag], old value to rax; `entry` is scratch. */
static void amo_access(struct compile *c, const struct ir_insn *insn, const struct access *m,
                       unsigned operand)
{
    struct asm_buf *a = &c->a;
    unsigned width = width_of(insn->type);
    unsigned amo = (unsigned)insn->imm;
    struct asm_mem mem = asm_at_index(m->address, m->tag, 0, m->disp);
    bool one_hart = (c->flags & HOST_ONE_HART) != 0;
    if (amo == IR_AMO_SWAP && one_hart) {
        asm_load(a, width, RAX, mem); /* xchg would lock the bus by itself */
        asm_store(a, width, mem, operand);
        return;
    }
    if (!one_hart && (amo == IR_AMO_SWAP || amo == IR_AMO_ADD)) {
        asm_mov(a, width, RAX, operand);
        if (amo == IR_AMO_ADD) {
            put_lock(c);
        }
        asm_rm(a, amo == IR_AMO_ADD ? 0x0fc1 : 0x87, width, RAX, mem);
        return;
    }
    asm_load(a, width, RAX, mem);
    const u8 *again = asm_exec(a);
    amo_combine(c, amo, width, m->entry, operand);
    if (c->flags & HOST_ONE_HART) {
        asm_store(a, width, mem, m->entry);
        return;
    }
    put_lock(c);
    asm_rm(a, 0x0fb1, width, m->entry, mem);
    asm_jcc(a, ASM_NE, again);
}

/* The slow path leaves the old value in rax too. */
static void finish_atomic(struct compile *c, const struct ir_insn *insn, const struct access *m,
                          unsigned amo, unsigned operand)
{
    unsigned size = insn->type == IR_I32 ? IR_MEM_32 : IR_MEM_64;
    struct access_call call = {
        .kind = MEM_AMO,
        .desc = access_desc(c, size | amo << HOST_DESC_AMO_SHIFT),
        .reg = operand,
        .keep_xmm = alloc_xmm_live(c),
    };
    access_slow_path(c, m, &call);
    alloc_drop(c, 1u << m->entry); /* its register served as scratch */
    if (insn->type == IR_I32) {
        c->values[c->at].flags |= VALUE_ZEXT;
    }
    alloc_def_in(c, RAX);
}

void emit_amo(struct compile *c, const struct ir_insn *insn)
{
    unsigned size = insn->type == IR_I32 ? IR_MEM_32 : IR_MEM_64;
    alloc_take(c, RAX);
    unsigned operand = alloc_use(c, insn->c);
    struct access m;
    access_claim(c, &m, insn->b, 1u << size, ACCESS_WRITE | ACCESS_ALIGN);
    access_lookup(c, &m);
    amo_access(c, insn, &m, operand);
    finish_atomic(c, insn, &m, (unsigned)insn->imm, operand);
}

/* The register, when it is one that guest state is pinned to, and so stays as it is; or NO_REG. */
static unsigned pinned_operand(const struct compile *c, ir_ref ref)
{
    const struct value *value = &c->values[c->values[ref].root];
    bool general = value->reg < REG_XMM0 && !(c->values[ref].flags & VALUE_BOXED);
    return general && !(c->temps >> value->reg & 1) ? value->reg : (unsigned)NO_REG;
}

/* Old value to rax; `value` is stored, if NO_REG the one in the frame. With one hart a predicted
 * branch keeps the next access from waiting for the compare. */
static void cas_access(struct compile *c, const struct ir_insn *insn, const struct access *m,
                       unsigned value)
{
    struct asm_buf *a = &c->a;
    unsigned width = width_of(insn->type);
    struct asm_mem mem = asm_at_index(m->address, m->tag, 0, m->disp);
    if (value == NO_REG) {
        value = m->entry;
        asm_load(a, ASM_64, value, frame_at(FRAME_VALUE));
    }
    if (c->flags & HOST_ONE_HART) {
        asm_load(a, width, RAX, mem);
        asm_alu_rm(a, ASM_CMP, width, RAX, frame_at(FRAME_EXPECTED));
        u32 other = asm_jcc_short(a, ASM_NE);
        asm_store(a, width, mem, value);
        asm_bind_short(a, other);
        return;
    }
    asm_load(a, ASM_64, RAX, frame_at(FRAME_EXPECTED));
    put_lock(c);
    asm_rm(a, 0x0fb1, width, value, mem);
    if (width == ASM_32) {
        asm_mov(a, ASM_32, RAX, RAX);
    }
}

void emit_cas(struct compile *c, const struct ir_insn *insn)
{
    unsigned size = insn->type == IR_I32 ? IR_MEM_32 : IR_MEM_64;
    store_operand(c, insn->c, FRAME_EXPECTED);
    store_operand(c, insn->d, FRAME_VALUE);
    unsigned value = pinned_operand(c, insn->d);
    c->locked = 0;
    alloc_take(c, RAX);
    struct access m;
    access_claim(c, &m, insn->b, 1u << size, ACCESS_WRITE | ACCESS_ALIGN);
    access_lookup(c, &m);
    cas_access(c, insn, &m, value);
    finish_atomic(c, insn, &m, HOST_AMO_CAS, NO_REG);
}

/* x86 keeps all orders but store before load, which a thread cannot see of itself. */
void emit_fence(struct compile *c, const struct ir_insn *insn)
{
    unsigned pred = (unsigned)insn->imm >> 4;
    unsigned succ = (unsigned)insn->imm & 15;
    if ((pred & 5) && (succ & 10) && !(c->flags & HOST_PRIVATE)) {
        asm_u8(&c->a, 0xf0);
        asm_alu_mem_imm(&c->a, ASM_OR, ASM_32, frame_at(0), 0);
    }
}
