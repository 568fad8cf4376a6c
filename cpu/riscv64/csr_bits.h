/* Fields of CSRs that more than one file knows; mstatus's are in state.h. */
#ifndef METIC_CPU_RISCV64_CSR_BITS_H
#define METIC_CPU_RISCV64_CSR_BITS_H

#include "cpu/base/bits.h"

/* menvcfg and senvcfg (the upper three in menvcfg alone). */
#define ENVCFG_FIOM BIT(0)
#define ENVCFG_CBIE ((u64)3 << 4)
#define ENVCFG_CBIE_RESERVED ((u64)2 << 4)
#define ENVCFG_CBCFE BIT(6)
#define ENVCFG_CBZE BIT(7)
#define MENVCFG_ADUE BIT(61)
#define MENVCFG_PBMTE BIT(62)
#define MENVCFG_STCE BIT(63)

/* mstateen0. */
#define STATEEN_IMSIC BIT(58)
#define STATEEN_AIA BIT(59)
#define STATEEN_CSRIND BIT(60)
#define STATEEN_ENVCFG BIT(62)
#define STATEEN_SE BIT(63)

/* CSR numbers that code names. */
enum {
    CSR_FFLAGS = 0x001,
    CSR_FRM = 0x002,
    CSR_FCSR = 0x003,
    CSR_SSTATUS = 0x100,
    CSR_SIE = 0x104,
    CSR_SIP = 0x144,
    CSR_SIREG = 0x151,
    CSR_SATP = 0x180,
    CSR_MSTATUS = 0x300,
    CSR_MIE = 0x304,
    CSR_MHPMEVENT0 = 0x320,
    CSR_MIP = 0x344,
    CSR_MIREG = 0x351,
    CSR_PMPCFG0 = 0x3a0,
    CSR_PMPADDR0 = 0x3b0,
    CSR_MCYCLE = 0xb00,
    CSR_CYCLE = 0xc00,
    CSR_TIME = 0xc01,
    CSR_VSTART = 0x008,
    CSR_VXSAT = 0x009,
    CSR_VXRM = 0x00a,
    CSR_VCSR = 0x00f,
    CSR_VL = 0xc20,
    CSR_VTYPE = 0xc21,
    CSR_VLENB = 0xc22,
};

#endif
