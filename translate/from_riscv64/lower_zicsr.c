/* Zicsr. A register that is storage with masks and nothing else is read and written in place, so
 * are mstatus, the flags and the rounding mode; everything else goes through the CSR helpers, and
 * the block ends where the register's row says that a write may change what comes next. */
#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/csr_bits.h"
#include "translate/from_riscv64/lower.h"

enum { FFLAGS_MASK = 31, FCSR_FRM_SHIFT = 5 };

enum csr_action { CSR_WRITE, CSR_SET, CSR_CLEAR };

struct csr_access {
    const struct riscv_insn *insn;
    const struct riscv_csr *csr;
    unsigned number;
    enum csr_action action;
    ir_ref source;
    bool reads, writes;
};

/* What the write stores, given what the register held. */
static ir_ref new_value(struct lower *l, const struct csr_access *access, ir_ref old)
{
    switch (access->action) {
    case CSR_SET: return ir_op2(l->ir, IR_OR, IR_I64, 0, old, access->source);
    case CSR_CLEAR: return ir_op2(l->ir, IR_ANDN, IR_I64, 0, old, access->source);
    default: return access->source;
    }
}

static ir_ref masked(struct lower *l, ir_ref value, u64 mask)
{
    return ir_op2(l->ir, IR_AND, IR_I64, 0, value, ir_i64(l->ir, mask));
}

/* --- storage --- */

static void access_plain(struct lower *l, const struct csr_access *access)
{
    const struct riscv_csr *csr = access->csr;
    ir_ref stored = ir_get(l->ir, IR_I64, csr->offset, csr->size_bytes);
    ir_ref old = masked(l, stored, csr->read_mask);
    if (access->writes) {
        ir_ref kept = masked(l, stored, ~csr->write_mask);
        ir_ref changed = masked(l, new_value(l, access, old), csr->write_mask);
        ir_set(l->ir, csr->offset, csr->size_bytes,
               ir_op2(l->ir, IR_OR, IR_I64, 0, kept, changed));
    }
    lower_set_x(l, access->insn->rd, old);
}

/* --- fflags, frm, fcsr --- */

static bool is_fp_csr(unsigned number)
{
    return number >= CSR_FFLAGS && number <= CSR_FCSR;
}

static ir_ref get_frm(struct lower *l)
{
    return ir_get(l->ir, IR_I64, (u32)offsetof(struct riscv64_state, frm), 1);
}

static ir_ref read_fp(struct lower *l, unsigned number)
{
    if (number == CSR_FFLAGS) {
        return ir_fenv_flags(l->ir);
    }
    ir_ref frm = get_frm(l);
    if (number == CSR_FRM) {
        return frm;
    }
    ir_ref high = ir_op2(l->ir, IR_SHL, IR_I64, 0, frm, ir_i64(l->ir, FCSR_FRM_SHIFT));
    return ir_op2(l->ir, IR_OR, IR_I64, 0, ir_fenv_flags(l->ir), high);
}

/* A write to frm may change the mode, which is not done here. */
static bool fp_access_is_simple(const struct lower *l, const struct csr_access *access)
{
    bool valid_frm = (l->mode & RISCV_MODE_FRM_BAD) == 0;
    return !access->writes || (access->number == CSR_FFLAGS && valid_frm);
}

static void access_fp(struct lower *l, const struct csr_access *access)
{
    ir_ref old = read_fp(l, access->number);
    if (access->writes) {
        ir_fenv_set(l->ir, masked(l, new_value(l, access, old), FFLAGS_MASK), get_frm(l));
        lower_fp_dirty(l);
    }
    lower_set_x(l, access->insn->rd, old);
}

/* --- mstatus and sstatus --- */

static bool is_status(unsigned number)
{
    return number == CSR_SSTATUS || number == CSR_MSTATUS;
}

/* The bits of a value that may be set. */
static u64 possible_bits(const struct ir *ir, ir_ref ref)
{
    const struct ir_insn *insn = &ir->insns[ref];
    if (insn->op == IR_CONST) {
        return insn->imm;
    }
    bool constant_mask = insn->op == IR_AND && ir->insns[insn->b].op == IR_CONST;
    return constant_mask ? ir->insns[insn->b].imm : ~(u64)0;
}

/* MPP = 2 is no privilege: the field keeps its value. */
static ir_ref legal_mpp(struct lower *l, ir_ref before, ir_ref after)
{
    ir_ref mpp = masked(l, after, MSTATUS_MPP);
    ir_ref kept = ir_op2(l->ir, IR_OR, IR_I64, 0, masked(l, after, ~MSTATUS_MPP),
                         masked(l, before, MSTATUS_MPP));
    ir_ref reserved = ir_i64(l->ir, (u64)2 << MSTATUS_MPP_SHIFT);
    return ir_select(l->ir, IR_EQ, mpp, reserved, IR_I64, kept, after);
}

/* The new mstatus. Its storage has no SD, and no other bit that can be written reads otherwise. */
static ir_ref new_status(struct lower *l, const struct csr_access *access, ir_ref stored, u64 mask)
{
    ir_ref source = masked(l, access->source, mask);
    switch (access->action) {
    case CSR_SET: return ir_op2(l->ir, IR_OR, IR_I64, 0, stored, source);
    case CSR_CLEAR: return ir_op2(l->ir, IR_ANDN, IR_I64, 0, stored, source);
    default: return ir_op2(l->ir, IR_OR, IR_I64, 0, masked(l, stored, ~mask), source);
    }
}

/* What SD reads as: FS or VS is dirty. The mode says of VS whether it is, of FS only when not. */
static ir_ref status_sd(struct lower *l, ir_ref stored)
{
    if ((l->mode & RISCV_MODE_VS) == RISCV_MODE_VS) {
        return ir_i64(l->ir, MSTATUS_SD);
    }
    if ((l->mode & RISCV_MODE_FS) == 0) {
        return ir_i64(l->ir, 0);
    }
    ir_ref both = ir_op2(l->ir, IR_AND, IR_I64, 0, stored,
                         ir_op2(l->ir, IR_SHL, IR_I64, 0, stored, ir_i64(l->ir, 1)));
    ir_ref top = ir_i64(l->ir, 63 - (MSTATUS_FS_SHIFT + 1));
    return masked(l, ir_op2(l->ir, IR_SHL, IR_I64, 0, both, top), MSTATUS_SD);
}

/* Linux switches interrupts and access to user memory off and on all the time: mostly with constant
 * bits, which say whether anything but the bits is concerned. */
static void access_status(struct lower *l, const struct csr_access *access)
{
    bool is_mstatus = access->number == CSR_MSTATUS;
    u64 read_mask = is_mstatus ? access->csr->read_mask : SSTATUS_READABLE;
    u64 write_mask = is_mstatus ? access->csr->write_mask : SSTATUS_WRITABLE;
    write_mask &= ~MSTATUS_ABSENT((l->mode & RISCV_MODE_VLEN) != 0);
    ir_ref stored = ir_get(l->ir, IR_I64, (u32)offsetof(struct riscv64_state, mstatus), 8);
    ir_ref old = ir_op2(l->ir, IR_OR, IR_I64, 0, masked(l, stored, read_mask),
                        status_sd(l, stored));
    if (!access->writes) {
        lower_set_x(l, access->insn->rd, old);
        return;
    }
    u64 bits = write_mask;
    if (access->action != CSR_WRITE) {
        bits &= possible_bits(l->ir, access->source);
    }
    ir_ref changed = new_status(l, access, stored, write_mask);
    if (bits & MSTATUS_MPP) {
        changed = legal_mpp(l, stored, changed);
    }
    ir_set(l->ir, (u32)offsetof(struct riscv64_state, mstatus), 8, changed);
    lower_set_x(l, access->insn->rd, old);
    if (bits & (MSTATUS_FS | MSTATUS_VS | MSTATUS_TRANSLATION | MSTATUS_MPP)) {
        ir_call(l->ir, &riscv64_helper_status_changed, stored, IR_REF_NONE, IR_REF_NONE,
                IR_REF_NONE);
    }
    if (bits & (MSTATUS_SIE | MSTATUS_MIE) && access->action != CSR_CLEAR) {
        ir_look(l->ir, l->offset + (s64)l->length_bytes);
    }
    if (bits & (MSTATUS_FS | MSTATUS_VS)) {
        lower_end_leave_next(l, false);
    }
}

/* --- vl, vtype and vlenb, while there are vectors --- */

static bool is_vector_csr(const struct lower *l, unsigned number)
{
    return (l->mode & RISCV_MODE_VS) != 0 && number >= CSR_VL && number <= CSR_VLENB;
}

static void access_vector(struct lower *l, const struct csr_access *access)
{
    u64 vlenb = 16 * ((l->mode & RISCV_MODE_VLEN) >> RISCV_MODE_VLEN_SHIFT);
    ir_ref value = access->number == CSR_VLENB
                       ? ir_i64(l->ir, vlenb)
                       : ir_get(l->ir, IR_I64, access->csr->offset, 8);
    lower_set_x(l, access->insn->rd, value);
}

/* --- everything else --- */

static void call_write(struct lower *l, const struct csr_access *access)
{
    const struct helper *helper = access->action == CSR_WRITE ? &riscv64_helper_csr_write
                                  : access->action == CSR_SET ? &riscv64_helper_csr_set
                                                              : &riscv64_helper_csr_clear;
    ir_call(l->ir, helper, ir_i64(l->ir, access->number), access->source,
            lower_word(l, access->insn), IR_REF_NONE);
}

static ir_ref call_read(struct lower *l, const struct csr_access *access)
{
    ir_ref word = lower_word(l, access->insn);
    return access->number == CSR_TIME
               ? ir_call(l->ir, &riscv64_helper_time, word, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE)
               : ir_call(l->ir, &riscv64_helper_csr_read, ir_i64(l->ir, access->number), word,
                         IR_REF_NONE, IR_REF_NONE);
}

static void access_helper(struct lower *l, const struct csr_access *access)
{
    ir_ref old = IR_REF_NONE;
    if (is_fp_csr(access->number)) {
        old = read_fp(l, access->number);
        ir_call(l->ir, &riscv64_helper_csr_write_fp, ir_i64(l->ir, access->number),
                new_value(l, access, old), lower_word(l, access->insn), IR_REF_NONE);
        lower_set_x(l, access->insn->rd, old);
        lower_end_leave_next(l, false);
        return;
    }
    if (access->reads) {
        old = call_read(l, access);
    }
    if (access->writes) {
        call_write(l, access);
    }
    if (access->reads) {
        lower_set_x(l, access->insn->rd, old);
    }
    unsigned effects = access->csr->flags & (RISCV_CSR_LEAVE | RISCV_CSR_IRQ);
    if (access->writes && effects != 0) {
        lower_end_leave_next(l, (effects & RISCV_CSR_IRQ) != 0);
    }
}

/* --- the six instructions --- */

static bool is_illegal(const struct lower *l, const struct csr_access *access)
{
    return access->csr == NULL || lower_privilege(l) < access->csr->privilege ||
           (access->writes && riscv64_csr_is_read_only(access->number)) ||
           (is_fp_csr(access->number) && (l->mode & RISCV_MODE_FS) == 0);
}

/* Somebody watches. */
static void tell(struct lower *l, const struct csr_access *access)
{
    const struct helper *helper = is_fp_csr(access->number) ? &riscv64_helper_csr_told_fp
                                                            : &riscv64_helper_csr_told;
    u64 what = (access->reads ? CSR_TELL_READS : 0u) | (access->writes ? CSR_TELL_WRITES : 0u) |
               (access->action == CSR_SET     ? CSR_TELL_SET
                : access->action == CSR_CLEAR ? CSR_TELL_CLEAR
                                              : 0u);
    ir_call(l->ir, helper, ir_i64(l->ir, access->number), access->source, ir_i64(l->ir, what),
            IR_REF_NONE);
}

static void csr_access(struct lower *l, const struct riscv_insn *insn, enum csr_action action,
                       ir_ref source, bool writes)
{
    struct csr_access access = {
        .insn = insn,
        .csr = riscv64_csr_find((unsigned)insn->imm),
        .number = (unsigned)insn->imm,
        .action = action,
        .source = source,
        .reads = action != CSR_WRITE || insn->rd != 0,
        .writes = writes,
    };
    if (is_illegal(l, &access)) {
        lower_end_illegal(l, insn);
        return;
    }
    if (UNLIKELY(l->tells_csrs)) {
        tell(l, &access);
    }
    if ((access.csr->flags & RISCV_CSR_PLAIN) != 0 && access.csr->count == 1) {
        access_plain(l, &access);
    } else if (is_status(access.number)) {
        access_status(l, &access);
    } else if (is_vector_csr(l, access.number)) {
        access_vector(l, &access);
    } else if (is_fp_csr(access.number) && fp_access_is_simple(l, &access)) {
        access_fp(l, &access);
    } else {
        access_helper(l, &access);
    }
}

void riscv64_lower_csrrw(struct lower *l, const struct riscv_insn *insn)
{
    csr_access(l, insn, CSR_WRITE, lower_get_x(l, insn->rs1), true);
}

void riscv64_lower_csrrs(struct lower *l, const struct riscv_insn *insn)
{
    csr_access(l, insn, CSR_SET, lower_get_x(l, insn->rs1), insn->rs1 != 0);
}

void riscv64_lower_csrrc(struct lower *l, const struct riscv_insn *insn)
{
    csr_access(l, insn, CSR_CLEAR, lower_get_x(l, insn->rs1), insn->rs1 != 0);
}

/* The immediate stands in rs1's field; a zero immediate does not write, like x0. */

void riscv64_lower_csrrwi(struct lower *l, const struct riscv_insn *insn)
{
    csr_access(l, insn, CSR_WRITE, ir_i64(l->ir, insn->rs1), true);
}

void riscv64_lower_csrrsi(struct lower *l, const struct riscv_insn *insn)
{
    csr_access(l, insn, CSR_SET, ir_i64(l->ir, insn->rs1), insn->rs1 != 0);
}

void riscv64_lower_csrrci(struct lower *l, const struct riscv_insn *insn)
{
    csr_access(l, insn, CSR_CLEAR, ir_i64(l->ir, insn->rs1), insn->rs1 != 0);
}
