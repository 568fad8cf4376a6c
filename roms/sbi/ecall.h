/* Supervisor calls: how an extension is found and what it gets and gives. */
#ifndef ROMS_SBI_ECALL_H
#define ROMS_SBI_ECALL_H

#include "roms/common/sbi_defs.h"
#include "roms/sbi/hart.h"

struct sbi_ret {
    int64_t error;
    uint64_t value;
};

/* arg[0..5] are a0..a5; `frame` is for calls that do not return where they came from. */
struct sbi_call {
    struct hart *self;
    struct trap_frame *frame;
    const uint64_t *arg;
    uint64_t fid;
};

/* One row of the table in ecall.c. */
struct sbi_extension {
    uint64_t id;
    struct sbi_ret (*handle)(const struct sbi_call *call);
    bool (*present)(void);    /* NULL: always */
};

#define SBI_ERROR(code) ((struct sbi_ret){.error = (code)})
#define SBI_OK(number) ((struct sbi_ret){.error = SBI_SUCCESS, .value = (number)})

/* Answers the ecall in `frame` and steps over it. */
void ecall_handle(struct hart *self, struct trap_frame *frame);

/* 1 when S-mode may use the extension, else 0. */
uint64_t ecall_probe(uint64_t extension_id);

/* The harts a (mask, base) pair names as a bitmap by index; false if one of them is not there. */
bool ecall_select_harts(uint64_t mask, uint64_t base, uint64_t *targets);

struct sbi_ret ext_base(const struct sbi_call *call);
struct sbi_ret ext_time(const struct sbi_call *call);
struct sbi_ret ext_ipi(const struct sbi_call *call);
struct sbi_ret ext_rfence(const struct sbi_call *call);
struct sbi_ret ext_hsm(const struct sbi_call *call);
struct sbi_ret ext_srst(const struct sbi_call *call);
struct sbi_ret ext_dbcn(const struct sbi_call *call);
struct sbi_ret ext_pmu(const struct sbi_call *call);

/* The v0.1 calls: extension ids 0 to 8, one value back in a0, a1 kept. */
int64_t ext_legacy(const struct sbi_call *call, uint64_t extension_id);

/* Ends or restarts the machine by the test finisher, if it has one. */
void srst_finish(uint32_t finisher_value);

#define FINISHER_PASS 0x5555u
#define FINISHER_RESET 0x7777u
#define FINISHER_FAIL(code) ((uint32_t)(code) << 16 | 0x3333u)

#endif
