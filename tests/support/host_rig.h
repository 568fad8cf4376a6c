/* What the backend's tests share: a fake hart with registers and a few pages of memory, and a code
 * buffer, so that a block can be run by the interpreter and as host code from equal states. */
#ifndef METIC_TESTS_SUPPORT_HOST_RIG_H
#define METIC_TESTS_SUPPORT_HOST_RIG_H

#include "cpu/base/bits.h"
#include "cpu/base/zeros.h"
#include "cpu/fpu.h"
#include "translate/host.h"
#include "translate/ir/ir_eval.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RIG_PAGES = 8,
    RIG_RAM_GVA = 0x10000,
    RIG_RAM_BYTES = RIG_PAGES * 4096,
    RIG_CODE_BYTES = 1 << 20,
    RIG_COLD_START = 3 << 18, /* where the cold part of the code begins */
    RIG_LINKS = 1 << 12,
    RIG_PC_PAGE = 0x40000000,
};
enum { RIG_CAUSE_LOAD = 5, RIG_CAUSE_STORE = 7, RIG_CAUSE_MISALIGNED = 100, RIG_CAUSE_HELPER = 50 };

struct rig_hart {
    struct vcpu vcpu; /* first: state offsets count from it */
    u64 x[32];
    u64 f[32];
    u8 small[64];
    u8 *ram;
    u64 device;       /* what the page behind the RAM holds, one register everywhere */
    struct tlb_entry tlb[TLB_ENTRIES];
    struct jump_entry jumps[TLB_JUMP_ENTRIES];
    u64 proofs[RIG_LINKS];
    unsigned slow_calls;
    unsigned splits;  /* calls of host_slow's `split`, */
    gva_t split_head, split_gva; /* and what the last one said */
    unsigned guesses; /* calls of `guessed`, */
    unsigned strays;  /*   of `strayed` */
    void (*on_slow)(struct rig_hart *hart); /* NULL, or called by each slow path */
};

#define RIG_X(n) ((u32)(offsetof(struct rig_hart, x) + 8 * (size_t)(n)))
#define RIG_F(n) ((u32)(offsetof(struct rig_hart, f) + 8 * (size_t)(n)))

struct rig {
    struct rig_hart *hart[2]; /* 0: interpreter, 1: host code */
    struct ir *ir;
    u8 *write, *exec;
    size_t used_bytes, cold_end;
    u32 link_count;
    struct host_context context;
    void *scratch;
    struct host_exit exits[512];
    struct host_result result;
    unsigned slots_max; /* of the next traces, which all begin with the same slot */
    s64 stray;          /* the same, of their access that is to have none, unless it is 0 */
    struct host_split split; /* of the next traces, unless its offset is 0 */
};

extern const struct guest rig_guest;
extern const struct host_slow rig_slow;
extern const struct vcpu_ops rig_ops;

struct rig *rig_new(u32 features);
void rig_free(struct rig *rig);
/* Zeroes registers and memory of both harts; RAM pages are in the TLB, read and write. */
void rig_reset(struct rig *rig);
void rig_map(struct rig_hart *hart, gva_t page, bool readable, bool writable, bool slow);
/* Compiles rig->ir behind what is there; the entry, or NULL (then see *status). */
const u8 *rig_compile(struct rig *rig, u32 flags, enum host_status *status);
/* The same, of a trace with further pages, at most HOST_PAGES_MAX. */
const u8 *rig_compile_pages(struct rig *rig, u32 flags, const struct host_page *pages,
                            unsigned page_count, enum host_status *status);
/* The same hart as `from` but with its own pointers. */
void rig_copy(struct rig_hart *to, const struct rig_hart *from);
/* Runs rig->ir on hart 0, from the state of `start`, until its instruction count is `insns`; the
 * block may go round meanwhile. */
void rig_interpret_until(struct rig *rig, const struct rig_hart *start, u64 insns);
void rig_disassemble(const struct rig *rig, const u8 *code, size_t code_bytes);

#endif
