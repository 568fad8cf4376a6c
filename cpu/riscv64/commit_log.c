/* One line of Spike's commit log for a retired instruction: its registers and memory, in Spike's
 * format byte for byte (riscv/execute.cc, commit_log_print_insn, of Spike 1.1.1-dev):
 *
 *   core   0: 3 0x0000000080000004 (0x02028593) x11 0x0000000000001020
 *
 * Registers come in the order of Spike's keys, number * 16 + kind (enum kind); then addresses read,
 * then addresses written with data, those of cbo.zero byte by byte. Views are logged as the
 * registers that hold them (sstatus; sie and sip with what Spike names beside them); fcsr as fflags
 * and frm, vcsr as vxsat and vxrm. A vector load or store that faults has a line of what it did
 * before. */
#include "cpu/riscv64/commit_log.h"

#include "cpu/base/bits.h"
#include "cpu/riscv64/commit_log_vector.h"
#include "cpu/riscv64/csr.h"
#include "cpu/riscv64/csr_bits.h"
#include "cpu/riscv64/decode.h"
#include "cpu/riscv64/pmp.h"
#include "cpu/riscv64/vector.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* VECTOR is no register: it stands for the line telling of the vector unit. */
enum kind { KIND_X, KIND_F, KIND_V, KIND_VECTOR, KIND_CSR };

enum { MAX_WRITES = 16 }; /* 8 vector registers, vl, vtype, vstart, flags, mstatus, an x register */

enum { CSR_MVIP = 0x309 }; /* of Spike */

struct write {
    u32 key;
    u64 value;
};

struct line {
    char *text;
    size_t capacity_bytes, used_bytes;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = line->capacity_bytes - line->used_bytes;
    int length = vsnprintf(line->text + line->used_bytes, room, format, args);
    va_end(args);
    size_t wanted = length > 0 ? (size_t)length : 0;
    line->used_bytes += wanted < room ? wanted : room - 1;
}

static void add_value(struct line *line, unsigned size_bytes, u64 value)
{
    add(line, "0x%0*llx", (int)(2 * size_bytes), (unsigned long long)value);
}

enum { HOST_CALL_RESULT = 10 }; /* an ebreak that retires has asked the host: a0 */

static u64 csr_value(struct riscv64_state *state, unsigned number)
{
    switch (number) {
    case CSR_MSTATUS: return riscv64_mstatus_view(state);
    case CSR_MIE: return state->mie;
    case CSR_MIP: return riscv64_mip(state);
    case CSR_FFLAGS: return state->vcpu.fpu_flags;
    case CSR_FRM: return state->frm;
    default: break;
    }
    const struct riscv_csr *row = riscv64_csr_find(number);
    u64 value = 0;
    if (row == NULL) {
        return 0;
    }
    if (row->read != NULL) {
        row->read(state, number, &value);
        return value;
    }
    return ld_le((const u8 *)state + row->offset + (number - row->number) * row->size_bytes,
                 row->size_bytes) & row->read_mask;
}

static void put(struct write *writes, unsigned *count, unsigned kind, unsigned number, u64 value)
{
    if (*count < MAX_WRITES) {
        writes[(*count)++] = (struct write){ number << 4 | kind, value };
    }
}

static void put_csr(struct riscv64_state *state, struct write *writes, unsigned *count,
                    unsigned number)
{
    switch (number) {
    case CSR_SSTATUS: number = CSR_MSTATUS; break;
    case CSR_SIE:
        put(writes, count, KIND_CSR, CSR_SIE, csr_value(state, CSR_SIE));
        number = CSR_MIE;
        break;
    case CSR_SIP:
    case CSR_MIP:
        put(writes, count, KIND_CSR, CSR_MVIP, 0); /* Spike has one; ours has none to change */
        number = CSR_MIP;
        break;
    case CSR_FCSR:
        put_csr(state, writes, count, CSR_FFLAGS);
        number = CSR_FRM;
        break;
    case CSR_VCSR:
        put_csr(state, writes, count, CSR_VXSAT);
        number = CSR_VXRM;
        break;
    default: break;
    }
    bool is_pmpaddr = number >= CSR_PMPADDR0 && number < CSR_PMPADDR0 + RISCV_PMP_ENTRIES;
    if (is_pmpaddr && riscv64_pmpaddr_locked(state, number - CSR_PMPADDR0)) {
        return; /* the write was ignored, and Spike tells only of those that were not */
    }
    put(writes, count, KIND_CSR, number, csr_value(state, number));
}

static bool writes_csr(const struct riscv_insn *insn)
{
    switch (insn->id) {
    case RISCV_INSN_csrrw:
    case RISCV_INSN_csrrwi: return true;
    case RISCV_INSN_csrrs:
    case RISCV_INSN_csrrc:
    case RISCV_INSN_csrrsi:
    case RISCV_INSN_csrrci: return insn->rs1 != 0;
    default: return false;
    }
}

static bool is_float_or_vector_csr(unsigned number)
{
    return number <= CSR_FCSR || (number >= CSR_VSTART && number <= CSR_VCSR);
}

static void put_vector(struct riscv64_state *state, const struct riscv_insn *insn,
                       const struct guest_commit *commit, struct write *writes, unsigned *count)
{
    struct riscv64_commit_vector effects;
    riscv64_commit_vector(state, insn, commit, &effects);
    if (effects.told) {
        put(writes, count, KIND_VECTOR, 0, 0);
    }
    for (unsigned number = 0; number < 32; number++) {
        if (effects.registers >> number & 1) {
            put(writes, count, KIND_V, number, 0);
        }
    }
    put_csr(state, writes, count, CSR_VSTART);
    if (effects.vl) {
        put_csr(state, writes, count, CSR_VL);
    }
    if (effects.vtype) {
        put_csr(state, writes, count, CSR_VTYPE);
    }
    if (commit->saturated) {
        put_csr(state, writes, count, CSR_VXSAT);
    }
}

static unsigned collect(struct riscv64_state *state, const struct riscv_insn *insn,
                        const struct guest_commit *commit, struct write *writes)
{
    unsigned count = 0;
    bool dirty = ((state->mstatus ^ commit->status) & (MSTATUS_FS | MSTATUS_VS)) != 0;
    if (insn->flags & RV_F_RESULT) {
        put(writes, &count, KIND_F, insn->rd, state->f[insn->rd]);
    } else if (insn->rd != 0 && ((insn->flags & RV_V) == 0 || insn->flags & RV_X_RESULT)) {
        put(writes, &count, KIND_X, insn->rd, state->x[insn->rd]);
    } else if (insn->id == RISCV_INSN_ebreak && commit->retired) {
        put(writes, &count, KIND_X, HOST_CALL_RESULT, state->x[HOST_CALL_RESULT]);
    }
    if (insn->flags & RV_V) {
        put_vector(state, insn, commit, writes, &count);
    }
    if (writes_csr(insn)) {
        unsigned number = (unsigned)insn->imm & 0xfff;
        put_csr(state, writes, &count, number);
        dirty = dirty && is_float_or_vector_csr(number);
    } else if (insn->id == RISCV_INSN_mret || insn->id == RISCV_INSN_sret) {
        dirty = true;
    } else if (commit->fpu_flags_raised != 0) {
        put_csr(state, writes, &count, CSR_FFLAGS);
    }
    if (dirty) {
        put_csr(state, writes, &count, CSR_MSTATUS);
    }
    return count;
}

static int by_key(const void *a, const void *b)
{
    const struct write *left = a;
    const struct write *right = b;
    return left->key < right->key ? -1 : left->key > right->key;
}

/* SEW, LMUL and vl as they are now. With vill Spike has what was asked for: here, what a reset
 * leaves. */
static void add_vector(struct line *line, const struct riscv64_state *state)
{
    unsigned sew_code = 7;
    int lmul = -1;
    if (!(state->vtype & VTYPE_VILL)) {
        sew_code = (unsigned)bits_get(state->vtype, 3, 3);
        lmul = (int)bits_sext(state->vtype, 3);
    }
    add(line, " e%u %s%u l%llu", 8u << sew_code, lmul < 0 ? "mf" : "m",
        1u << (lmul < 0 ? -lmul : lmul), (unsigned long long)state->vl);
}

static void add_vector_register(struct line *line, const struct riscv64_state *state,
                                unsigned number)
{
    const u8 *bytes = (const u8 *)state->v + (size_t)number * state->vlenb;
    add(line, " v%-2u 0x", number);
    for (unsigned i = state->vlenb; i-- > 0;) {
        add(line, "%02x", bytes[i]);
    }
}

static void add_writes(struct line *line, const struct riscv64_state *state,
                       const struct write *writes, unsigned count)
{
    bool told_vector = false;
    for (unsigned i = 0; i < count; i++) {
        unsigned number = writes[i].key >> 4;
        unsigned kind = writes[i].key & 15;
        char name[32];
        if (!told_vector && (kind == KIND_V || kind == KIND_VECTOR)) {
            told_vector = true; /* v0 comes even before KIND_VECTOR */
            add_vector(line, state);
        }
        switch (kind) {
        case KIND_VECTOR: continue;
        case KIND_V: add_vector_register(line, state, number); continue;
        case KIND_X: add(line, " x%-2u ", number); break;
        case KIND_F: add(line, " f%-2u ", number); break;
        default:
            add(line, " c%u_%s ", number, riscv64_csr_name(number, name, sizeof(name)));
            break;
        }
        add_value(line, 8, writes[i].value);
    }
}

static void add_stores(struct line *line, const struct guest_commit_access *access, bool bytewise)
{
    unsigned step = bytewise ? 1 : access->size_bytes;
    for (unsigned n = 0; n < access->size_bytes; n += step) {
        add(line, " mem ");
        add_value(line, 8, access->gva + n);
        add(line, " ");
        add_value(line, step, access->value >> 8 * n & (~(u64)0 >> (64 - 8 * step)));
    }
}

void riscv64_commit_begin(struct vcpu *vcpu, struct guest_commit *commit)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    commit->pc = vcpu->pc;
    commit->privilege = state->priv;
    commit->status = state->mstatus;
    commit->access_count = 0;
    struct riscv_insn insn;
    if (riscv64_decode(commit->bytes, sizeof(commit->bytes), &insn) == 0) {
        return;
    }
    commit->hides_fpu_flags = (insn.flags & RV_FP) != 0;
    commit->hides_saturated = (insn.flags & RV_V) != 0;
    if (insn.flags & RV_V) {
        riscv64_commit_vector_begin(state, commit);
    }
}

static bool is_access_fault(u64 cause)
{
    return cause == RISCV_CAUSE_LOAD_ACCESS || cause == RISCV_CAUSE_STORE_ACCESS ||
           cause == RISCV_CAUSE_LOAD_PAGE || cause == RISCV_CAUSE_STORE_PAGE;
}

/* The instruction has a line: it retired, or is a vector load or store that faulted. */
static bool is_told(const struct vcpu *vcpu, const struct riscv_insn *insn,
                    const struct guest_commit *commit)
{
    return commit->retired || ((insn->flags & RV_V) && is_access_fault(vcpu->exception_cause));
}

size_t riscv64_commit_line(struct vcpu *vcpu, const struct guest_commit *commit, char *text,
                           size_t text_bytes)
{
    struct riscv64_state *state = riscv64_of(vcpu);
    struct riscv_insn insn;
    struct write writes[MAX_WRITES];
    struct line line = { .text = text, .capacity_bytes = text_bytes };
    if (riscv64_decode(commit->bytes, sizeof(commit->bytes), &insn) == 0 ||
        !is_told(vcpu, &insn, commit)) {
        return 0;
    }
    unsigned count = collect(state, &insn, commit, writes);
    qsort(writes, count, sizeof(writes[0]), by_key);
    add(&line, "core%4u: %1u 0x%016llx (0x%0*x)", vcpu->index, commit->privilege,
        (unsigned long long)commit->pc, 2 * insn.length_bytes, insn.word);
    add_writes(&line, state, writes, count);
    for (unsigned i = 0; i < commit->access_count; i++) {
        if (!commit->accesses[i].write) {
            add(&line, " mem ");
            add_value(&line, 8, commit->accesses[i].gva);
        }
    }
    for (unsigned i = 0; i < commit->access_count; i++) {
        if (commit->accesses[i].write) {
            add_stores(&line, &commit->accesses[i], insn.id == RISCV_INSN_cbo_zero);
        }
    }
    add(&line, "\n");
    return line.used_bytes;
}
