/*
 * Control and status registers (RISC-V Privileged Architecture 20240411) by number, so that no
 * assembler has to know them, and the way to try one that may not exist.
 */
#ifndef ROMS_SBI_CSR_H
#define ROMS_SBI_CSR_H

#include <stdint.h>

#define CSR_SSTATUS 0x100
#define CSR_SIE 0x104
#define CSR_STVEC 0x105
#define CSR_SCOUNTEREN 0x106
#define CSR_SSCRATCH 0x140
#define CSR_SEPC 0x141
#define CSR_SCAUSE 0x142
#define CSR_STVAL 0x143
#define CSR_STIMECMP 0x14d
#define CSR_SATP 0x180
#define CSR_MSTATUS 0x300
#define CSR_MISA 0x301
#define CSR_MEDELEG 0x302
#define CSR_MIDELEG 0x303
#define CSR_MIE 0x304
#define CSR_MTVEC 0x305
#define CSR_MCOUNTEREN 0x306
#define CSR_MENVCFG 0x30a
#define CSR_MSTATEEN0 0x30c
#define CSR_MCOUNTINHIBIT 0x320
#define CSR_MHPMEVENT0 0x320        /* + n, n in 3..31 */
#define CSR_MSCRATCH 0x340
#define CSR_MEPC 0x341
#define CSR_MCAUSE 0x342
#define CSR_MTVAL 0x343
#define CSR_MIP 0x344
#define CSR_PMPCFG0 0x3a0
#define CSR_PMPADDR0 0x3b0
#define CSR_PMPADDR1 0x3b1
#define CSR_MISELECT 0x350
#define CSR_MIREG 0x351
#define CSR_MTOPEI 0x35c
#define CSR_MSECCFG 0x747
#define CSR_MCYCLE 0xb00
#define CSR_MINSTRET 0xb02
#define CSR_CYCLE 0xc00
#define CSR_TIME 0xc01
#define CSR_SCOUNTOVF 0xda0
#define CSR_MVENDORID 0xf11
#define CSR_MARCHID 0xf12
#define CSR_MIMPID 0xf13
#define CSR_MHARTID 0xf14

#define MSTATUS_SIE (1ul << 1)
#define MSTATUS_MIE (1ul << 3)
#define MSTATUS_SPIE (1ul << 5)
#define MSTATUS_MPIE (1ul << 7)
#define MSTATUS_SPP (1ul << 8)
#define MSTATUS_VS_INITIAL (1ul << 9)
#define MSTATUS_MPP_SHIFT 11
#define MSTATUS_MPP (3ul << MSTATUS_MPP_SHIFT)
#define MSTATUS_FS_INITIAL (1ul << 13)
#define MSTATUS_MPRV (1ul << 17)
#define MSTATUS_MXR (1ul << 19)

#define MODE_S 1ul
#define MODE_M 3ul

/* Interrupt numbers are also bit numbers in mip, mie and mideleg. */
#define IRQ_SSI 1
#define IRQ_MSI 3
#define IRQ_STI 5
#define IRQ_MTI 7
#define IRQ_SEI 9
#define IRQ_MEI 11
#define IRQ_LCOFI 13
#define IRQ_BIT(n) (1ul << (n))

#define CAUSE_INTERRUPT (1ul << 63)
#define CAUSE_FETCH_ACCESS 1
#define CAUSE_ILLEGAL_INSN 2
#define CAUSE_MISALIGNED_LOAD 4
#define CAUSE_LOAD_ACCESS 5
#define CAUSE_MISALIGNED_STORE 6
#define CAUSE_STORE_ACCESS 7
#define CAUSE_ECALL_S 9
#define CAUSE_ECALL_M 11

#define MENVCFG_CBIE_INVALIDATE (3ul << 4)
#define MENVCFG_CBCFE (1ul << 6)
#define MENVCFG_CBZE (1ul << 7)
#define MENVCFG_ADUE (1ul << 61)
#define MENVCFG_PBMTE (1ul << 62)
#define MENVCFG_STCE (1ul << 63)

#define MSECCFG_SSEED (1ul << 9)

#define PMP_R 0x01ul
#define PMP_W 0x02ul
#define PMP_X 0x04ul
#define PMP_NAPOT 0x18ul

#define csr_read(csr)                                                               \
    ({                                                                              \
        uint64_t value_;                                                            \
        __asm__ volatile("csrr %0, %1" : "=r"(value_) : "i"(csr) : "memory");       \
        value_;                                                                     \
    })
#define csr_swap(csr, value)                                                        \
    ({                                                                              \
        uint64_t value_ = (value);                                                  \
        __asm__ volatile("csrrw %0, %1, %0" : "+r"(value_) : "i"(csr) : "memory");  \
        value_;                                                                     \
    })
#define csr_write(csr, value) \
    __asm__ volatile("csrw %0, %1" : : "i"(csr), "rK"((uint64_t)(value)) : "memory")
#define csr_set(csr, bits) \
    __asm__ volatile("csrs %0, %1" : : "i"(csr), "rK"((uint64_t)(bits)) : "memory")
#define csr_clear(csr, bits) \
    __asm__ volatile("csrc %0, %1" : : "i"(csr), "rK"((uint64_t)(bits)) : "memory")

/*
 * Between probe_begin() and probe_end() a trap skips the instruction that caused it (which must be
 * four bytes long: every CSR instruction is) and is remembered; probe_end() returns its mcause, or
 * 0 when all went well. mepc, mcause, mtval and mstatus.MPP/MPIE are lost by a trap.
 */
void probe_trap(void);   /* start.S; not a function to be called */

static inline uint64_t probe_begin(void)
{
    return csr_swap(CSR_MTVEC, (uint64_t)(uintptr_t)probe_trap);
}

static inline uint64_t probe_end(uint64_t saved_mtvec)
{
    csr_write(CSR_MTVEC, saved_mtvec);
    return csr_swap(CSR_MSCRATCH, 0);
}

/* Read-modify-write of a CSR that may be missing; its new value, or 0 without it. */
#define csr_try_set(csr, bits)                      \
    ({                                              \
        uint64_t probe_ = probe_begin();            \
        csr_set(csr, bits);                         \
        uint64_t now_ = csr_read(csr);              \
        probe_end(probe_) == 0 ? now_ : 0;          \
    })

/* Whether reading the CSR works. */
#define csr_exists(csr)                             \
    ({                                              \
        uint64_t probe_ = probe_begin();            \
        (void)csr_read(csr);                        \
        probe_end(probe_) == 0;                     \
    })

/* mhpmcounter3..31 and mhpmevent3..31 by index (hpm.S). */
uint64_t hpm_counter_read(uint64_t index);
void hpm_counter_write(uint64_t index, uint64_t value);
uint64_t hpm_event_read(uint64_t index);
void hpm_event_write(uint64_t index, uint64_t value);

static inline void wfi(void)
{
    __asm__ volatile("wfi" : : : "memory");
}

/* Zihintpause; a fence without effect where it is not known. */
static inline void pause_hint(void)
{
    __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010" : : : "memory");
}

#endif
