/* Where the differential tests' guest program keeps what; shared by driver.S and the C side.
 * Offsets in bytes, addresses physical. The code of every step is also reached at its address +
 * U_ALIAS by U-mode when translation is on. */
#ifndef METIC_TESTS_SYSTEM_LAYOUT_H
#define METIC_TESTS_SYSTEM_LAYOUT_H

#define RAM_BASE 0x80000000
#define M_VECTORS 0x80001000
#define S_VECTORS 0x80002000
#define DRIVER 0x80004000
#define CONTEXT 0x80008000
#define PMP_SETS 0x80009000 /* 144 bytes each: 16 addresses, 2 configurations */
#define STEPS 0x80010000
#define LOGS 0x81000000
#define DATA 0x83000000   /* 8 MiB that steps read, write and execute */
#define TABLES 0x83800000 /* 8 MiB of page tables */
#define USED_END 0x84000000
#define U_ALIAS 0x40000000

#define CLINT_MSIP 0x2000000
#define CLINT_MTIMECMP 0x2004000
#define FINISHER 0x100000

#define CONTEXT_STEP 0
#define CONTEXT_END 8
#define CONTEXT_LOG 16
#define CONTEXT_T0 24
#define CONTEXT_T1 32
#define CONTEXT_DUMMY 64

#define STEP_BYTES 512
#define STEP_MSTATUS 0x00
#define STEP_MEDELEG 0x08
#define STEP_MIDELEG 0x10
#define STEP_MIE 0x18
#define STEP_MIP 0x20
#define STEP_SATP 0x28
#define STEP_MENVCFG 0x30
#define STEP_SENVCFG 0x38
#define STEP_MCOUNTEREN 0x40
#define STEP_SCOUNTEREN 0x48
#define STEP_MTVEC 0x50
#define STEP_STVEC 0x58
#define STEP_STIMECMP 0x60
#define STEP_FCSR 0x68
#define STEP_MSTATEEN0 0x70
#define STEP_SEPC 0x78
#define STEP_SSCRATCH 0x80
#define STEP_SCAUSE 0x88
#define STEP_STVAL 0x90
#define STEP_PC 0x98
#define STEP_MSIP 0xa0
#define STEP_MTIMECMP 0xa8
#define STEP_PMP 0xb0
#define STEP_PATCH_ADDRESS 0xb8
#define STEP_PATCH_VALUE 0xc0
#define STEP_FENCE_ADDRESS 0xc8 /* ~0: fence everything */
#define STEP_X(n) (0xc8 + 8 * (n)) /* x1 .. x31; those of x2, x3, x4 are not used */
#define STEP_CODE 0x1c8
#define STEP_CODE_WORDS 14

#define LOG_BYTES 512
#define LOG_STEP 0x00
#define LOG_MCAUSE 0x08
#define LOG_MEPC 0x10
#define LOG_MTVAL 0x18
#define LOG_MSTATUS 0x20
#define LOG_SLOT 0x28
#define LOG_SCAUSE 0x30
#define LOG_SEPC 0x38
#define LOG_STVAL 0x40
#define LOG_MIP 0x48
#define LOG_SATP 0x50
#define LOG_FCSR 0x58
#define LOG_SP 0x60
#define LOG_X(n) (0x68 + 8 * (n)) /* x1, x5 .. x31 */
#define LOG_F(n) (0x168 + 8 * (n)) /* f0 .. f15 */

#endif
