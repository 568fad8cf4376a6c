/*
 * Traps from below: calls, machine interrupts, the emulated time CSR, and handing back to S-mode
 * what belongs to it.
 */
#include "roms/sbi/console.h"
#include "roms/sbi/csr.h"
#include "roms/sbi/ecall.h"
#include "roms/sbi/ipi.h"
#include "roms/sbi/pmu.h"
#include "roms/sbi/timer.h"

#define FATAL_FINISHER_CODE 99u

/* csrrs rd, time, x0 */
#define INSN_RDTIME 0xc0102073u
#define INSN_RDTIME_MASK 0xfffff07fu

/* As if medeleg had sent the trap to S-mode (Privileged Architecture, section 3.1.6.1). */
static void redirect(struct trap_frame *frame, uint64_t cause, uint64_t value)
{
    uint64_t status = frame->mstatus;
    bool from_s = (status & MSTATUS_MPP) == MODE_S << MSTATUS_MPP_SHIFT;
    bool sie = (status & MSTATUS_SIE) != 0;

    csr_write(CSR_SEPC, frame->mepc);
    csr_write(CSR_SCAUSE, cause);
    csr_write(CSR_STVAL, value);
    status &= ~(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE | MSTATUS_MPP);
    status |= MODE_S << MSTATUS_MPP_SHIFT;
    status |= from_s ? MSTATUS_SPP : 0;
    status |= sie ? MSTATUS_SPIE : 0;
    frame->mstatus = status;
    frame->mepc = csr_read(CSR_STVEC) & ~3ul;
}

/* The instruction that trapped: mtval has it, or is 0 and it is read where it lies. */
static uint32_t trapped_insn(const struct trap_frame *frame, uint64_t mtval)
{
    if (mtval != 0) {
        return (uint32_t)mtval;
    }
    uint64_t probe = probe_begin();
    uint32_t low = load_insn_half(frame->mepc);
    uint32_t high = (low & 3) == 3 ? load_insn_half(frame->mepc + 2) : 0;
    return probe_end(probe) != 0 ? 0 : high << 16 | low;
}

static bool emulate_rdtime(const struct hart *self, struct trap_frame *frame, uint64_t mtval)
{
    uint32_t insn = trapped_insn(frame, mtval);
    uint32_t rd = insn >> 7 & 31;

    if (self->has_time_csr || (insn & INSN_RDTIME_MASK) != INSN_RDTIME) {
        return false;
    }
    if (rd != 0) {
        frame->x[rd] = timer_now(self);
    }
    frame->mepc += 4;
    return true;
}

static void count_exception(struct hart *self, uint64_t cause)
{
    switch (cause) {
    case CAUSE_ILLEGAL_INSN:
        pmu_count(self, SBI_FW_ILLEGAL_INSN);
        break;
    case CAUSE_MISALIGNED_LOAD:
        pmu_count(self, SBI_FW_MISALIGNED_LOAD);
        break;
    case CAUSE_MISALIGNED_STORE:
        pmu_count(self, SBI_FW_MISALIGNED_STORE);
        break;
    case CAUSE_LOAD_ACCESS:
        pmu_count(self, SBI_FW_ACCESS_LOAD);
        break;
    case CAUSE_STORE_ACCESS:
        pmu_count(self, SBI_FW_ACCESS_STORE);
        break;
    default:
        break;
    }
}

static void handle_exception(struct hart *self, struct trap_frame *frame, uint64_t cause)
{
    uint64_t mtval = csr_read(CSR_MTVAL);

    if (cause == CAUSE_ECALL_S) {
        ecall_handle(self, frame);
        return;
    }
    count_exception(self, cause);
    if (cause == CAUSE_ILLEGAL_INSN && emulate_rdtime(self, frame, mtval)) {
        return;
    }
    redirect(frame, cause, mtval);
}

void trap_handle(struct trap_frame *frame)
{
    struct hart *self = hart_self();
    uint64_t cause = csr_read(CSR_MCAUSE);

    if (cause == (CAUSE_INTERRUPT | IRQ_MSI) || cause == (CAUSE_INTERRUPT | IRQ_MEI)) {
        ipi_receive(self);
    } else if (cause == (CAUSE_INTERRUPT | IRQ_MTI)) {
        timer_fired(self);
    } else if ((cause & CAUSE_INTERRUPT) == 0) {
        handle_exception(self, frame, cause);
    } else {
        trap_fatal(cause, frame->mepc, 0);
    }
}

/* A fault of this firmware, or an interrupt it never enabled. */
_Noreturn void trap_fatal(uint64_t mcause, uint64_t mepc, uint64_t mtval)
{
    console_text("metic SBI: unexpected trap in the firmware: mcause ");
    console_hex(mcause);
    console_text(" mepc ");
    console_hex(mepc);
    console_text(" mtval ");
    console_hex(mtval);
    console_text(" hart ");
    console_hex(csr_read(CSR_MHARTID));
    console_text("\r\n");
    srst_finish(FINISHER_FAIL(FATAL_FINISHER_CODE));
    for (;;) {
        wfi();
    }
}
