/*
 * SBI conformance payload: a bare S-mode program that calls every function of every extension the
 * firmware of roms/sbi offers, right and wrong, and prints TAP on the debug console. It ends the
 * machine by SRST, with a failure as the reason when a check failed.
 */
#ifndef TESTS_ROMS_SBI_TEST_H
#define TESTS_ROMS_SBI_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "roms/common/sbi_defs.h"

#define FIRMWARE_GPA 0x80000000ul
#define HARTS_MAX 64

#define CAUSE_INTERRUPT (1ul << 63)
#define IRQ_SSI 1
#define IRQ_STI 5
#define SIE_SSI (1ul << IRQ_SSI)
#define SIE_STI (1ul << IRQ_STI)
#define SSTATUS_SIE (1ul << 1)

#define read_csr(name)                                                  \
    ({                                                                  \
        uint64_t value_;                                                \
        __asm__ volatile("csrr %0, " #name : "=r"(value_) : : "memory"); \
        value_;                                                         \
    })
#define write_csr(name, value) \
    __asm__ volatile("csrw " #name ", %0" : : "r"((uint64_t)(value)) : "memory")
#define set_csr(name, bits) \
    __asm__ volatile("csrs " #name ", %0" : : "r"((uint64_t)(bits)) : "memory")
#define clear_csr(name, bits) \
    __asm__ volatile("csrc " #name ", %0" : : "r"((uint64_t)(bits)) : "memory")

struct sbi_ret {
    int64_t error;
    uint64_t value;
};

/* Any call; unused arguments are 0. */
struct sbi_ret sbi(uint64_t ext, uint64_t fid, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                   uint64_t a4);

/* What the machine has; filled from the device tree. */
struct board {
    uint64_t boot_hart;
    uint32_t hart_count;
    uint64_t hart_id[HARTS_MAX];
    uint32_t timebase_hz;
    bool reserves_firmware;
};
extern struct board board;

/* The last trap of this hart (tp = its number in hart_id), and counts of the two interrupts. */
struct trap_record {
    uint64_t cause;
    uint64_t epc;
    uint64_t tval;
    uint64_t count;
    volatile uint32_t soft_count;
    volatile uint32_t timer_count;
    bool skip;                /* an exception is expected: step over the instruction */
};
extern struct trap_record trap_records[HARTS_MAX];
struct trap_record *my_traps(void);

/* One TAP line. */
void check(bool ok, const char *name);
void check_equal(uint64_t got, uint64_t want, const char *name);
void say(const char *text);
void say_number(uint64_t number);

uint64_t ticks(void);
/* A span of guest time, in ticks. */
uint64_t ticks_of_ms(uint64_t ms);

/* The groups; each prints its own checks. */
void test_base(void);
void test_time(void);
void test_ipi(void);
void test_rfence(void);
void test_dbcn(void);
void test_srst(void);
void test_legacy(void);
void test_pmu(void);
void test_traps(void);
void test_hsm(void);
void test_harts(void);

/* sbi_start.S */
void secondary_entry(void);
void resume_entry(void);
uint64_t call_keeps_registers(void);
uint64_t load_at(uint64_t address);
void store_at(uint64_t address);
void jump_to(uint64_t address);
void illegal_insn(void);
void breakpoint(void);
uint64_t suspend_and_resume(uint64_t type, uint64_t opaque);

#endif
