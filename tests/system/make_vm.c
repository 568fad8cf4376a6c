/* Steps that translate addresses and that PMP checks.
 *
 * Page tables: PROGRAM_TABLES sets of random ones. Each has an Sv39 root, whose entry 0 leads into
 * random tables, entries 2 and 3 map the RAM as it is for S and U (the steps' code), entry 4 is a
 * random gigapage, the rest random; an Sv48 and an Sv57 root above it. A gigapage maps RAM_BASE, so
 * virtual addresses keep to 8 MiB that lie over DATA. Data bytes are 0 or 0x73 and stay so:
 * whatever a jump meets there is no jump. */
#include "tests/system/steps.h"

enum { SETS = 24, SET_PAGES = 16, L1_TABLES = 4, L0_TABLES = 8, PAGE = 4096 };
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_G = 32, PTE_A = 64,
       PTE_D = 128 };
enum { FIRST_2M = (DATA - RAM_BASE) >> 21, DATA_2MS = 4 };
#define PTE_N ((u64)1 << 63)

/* Pages of a set: Sv39 root, Sv48 root, Sv57 root, tables of level 1, of level 0. */
static u64 set_page(unsigned set, unsigned page)
{
    return TABLES + ((u64)set * SET_PAGES + page) * PAGE;
}

static u64 pte(u64 address, u64 flags)
{
    return address >> 12 << 10 | flags;
}

static u64 leaf_flags(struct program *p)
{
    static const u8 likely[] = {PTE_R, PTE_R | PTE_W, PTE_R | PTE_W | PTE_X, PTE_X, PTE_R | PTE_X};
    u64 flags = rnd_one_in(p, 6) ? rnd_below(p, 8) << 1 : RND_OF(p, likely);
    flags |= rnd_one_in(p, 20) ? 0 : PTE_V;
    flags |= rnd(p) & PTE_U;
    flags |= rnd_one_in(p, 4) ? rnd(p) & (PTE_A | PTE_D) : PTE_A | PTE_D;
    flags |= rnd(p) & 0x300; /* RSW */
    flags |= !p->lazy && rnd_one_in(p, 4) ? PTE_G : 0;
    if (rnd_one_in(p, 24)) {
        flags |= (u64)1 << (54 + rnd_below(p, 9)); /* reserved, or PBMT */
    }
    if (rnd_one_in(p, 24)) {
        flags |= rnd_below(p, 3) << 61;
    }
    const u64 pbmt = (u64)3 << 61; /* QEMU takes the reserved 3 */
    return (flags & pbmt) == pbmt ? flags ^ (u64)1 << 61 : flags;
}

static u64 leaf(struct program *p, unsigned level)
{
    u64 flags = leaf_flags(p);
    if (level == 2) {
        return pte(RAM_BASE + (rnd_one_in(p, 8) ? (u64)PAGE << rnd_below(p, 12) : 0), flags);
    }
    u64 address = DATA + (rnd_below(p, DATA_2MS) << 21);
    if (level == 1) {
        return pte(address + (rnd_one_in(p, 8) ? (u64)PAGE << rnd_below(p, 9) : 0), flags);
    }
    address = DATA + rnd_below(p, 256) * PAGE;
    if (rnd_one_in(p, 6)) { /* NAPOT; one that is ill-formed gets A and D from QEMU all the same */
        u64 wellformed = (address & ~(u64)0xffff) | 0x8000;
        bool formed = !rnd_one_in(p, 4);
        return pte(formed ? wellformed : address, flags | PTE_N | (formed ? 0 : PTE_A | PTE_D));
    }
    return pte(rnd_one_in(p, 30) ? 0x300000 : address, flags);
}

/* An entry of a table at `level`; pointers lead to a table of the set. */
static u64 entry(struct program *p, unsigned set, unsigned level)
{
    if (level == 0 || rnd_one_in(p, 4)) {
        return leaf(p, level);
    }
    unsigned first = level == 2 ? 3 : 3 + L1_TABLES;
    unsigned count = level == 2 ? L1_TABLES : L0_TABLES;
    u64 flags = PTE_V;
    if (rnd_one_in(p, 24)) {
        flags |= (u64)1 << (4 + rnd_below(p, 4)); /* U, G, A, D: only G may be */
        flags &= p->lazy ? ~(u64)PTE_G : ~(u64)0;
    }
    if (rnd_one_in(p, 40)) {
        flags |= (u64)1 << (54 + rnd_below(p, 10));
    }
    return pte(set_page(set, first + (unsigned)rnd_below(p, count)), flags);
}

static void fill_table(struct program *p, unsigned set, unsigned page, unsigned level)
{
    for (unsigned i = 0; i < 512; i++) {
        ram_set(p, set_page(set, page) + 8 * i, entry(p, set, level));
    }
}

static void make_set(struct program *p, unsigned set)
{
    for (unsigned i = 0; i < L1_TABLES; i++) {
        fill_table(p, set, 3 + i, 1);
    }
    for (unsigned i = 0; i < L0_TABLES; i++) {
        fill_table(p, set, 3 + L1_TABLES + i, 0);
    }
    fill_table(p, set, 0, 2);
    u64 root = set_page(set, 0), all = PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D;
    ram_set(p, root, pte(set_page(set, 3), PTE_V));
    ram_set(p, root + 8 * 2, pte(RAM_BASE, all));
    ram_set(p, root + 8 * 3, pte(RAM_BASE, all | PTE_U));
    for (unsigned i = 1; i < 3; i++) {
        u64 upper = set_page(set, i);
        for (unsigned n = 0; n < 512; n += 64) {
            ram_set(p, upper + 8 * n, pte(set_page(set, i - 1), PTE_V));
        }
    }
}

void make_vm_tables(struct program *p)
{
    p->lazy = rnd_one_in(p, 2);
    p->vm_menvcfg = rnd(p) & ((u64)3 << 61);
    for (unsigned set = 0; set < SETS; set++) {
        make_set(p, set);
    }
}

/* A virtual address over DATA, mapped by the random part for the most; canonical for the most. */
static u64 address(struct program *p, u64 mode)
{
    static const u16 gigas[] = {0, 0, 0, 1, 4, 5, 511, 256, 255};
    u64 giga = RND_OF(p, gigas);
    u64 page = rnd_below(p, 4) == 0 ? 512 - 1 - rnd_below(p, 2) : rnd_below(p, 16);
    u64 gva = giga << 30 | (FIRST_2M + rnd_below(p, DATA_2MS)) << 21 | page << 12;
    gva |= rnd_one_in(p, 3) ? 0xff0 + rnd_below(p, 16) : rnd_below(p, 4096);
    unsigned bits = 39 + 9 * (unsigned)(mode - 8);
    gva = mode == 0 ? DATA + rnd_below(p, 8 << 20) : (u64)((s64)(gva << (64 - 39)) >> (64 - 39));
    if (mode > 8 && rnd_one_in(p, 8)) {
        gva ^= (u64)1 << (39 + rnd_below(p, bits - 39)); /* another entry above */
    }
    return rnd_one_in(p, 40) ? gva ^ (u64)1 << (38 + rnd_below(p, 26)) : gva;
}

/* A load, store, atomic or jump through x10..x13; values are bytes of 0 and 0x73. Atomics are those
 * that keep them so. */
static void access(struct program *p, bool may_jump)
{
    static const u8 kept[] = {1, 4, 8, 12, 16, 20, 24, 28, 2}; /* swap xor or and min max, lr */
    u32 base = 10 + (u32)rnd_below(p, 4), value = 14 + (u32)rnd_below(p, 4);
    u32 rd = 20 + (u32)rnd_below(p, 8);
    switch (rnd_below(p, 8)) {
    case 0: case 1: step_insn(p, enc_i(0x03, (u32)rnd_below(p, 7), rd, base, 0)); break;
    case 2: case 3: step_insn(p, enc_s(0x23, (u32)rnd_below(p, 4), base, value, 0)); break;
    case 4: {
        u32 function = RND_OF(p, kept);
        step_insn(p, enc_r(0x2f, 2 + (u32)rnd_below(p, 2), function << 2, rd, base,
                           function == 2 ? 0 : value));
        break;
    }
    case 5: /* cbo.zero; of its address QEMU reports the block's, and PMP checks only that */
        if (p->pmp_sets > 1) {
            break;
        }
        step_insn(p, enc_i(0x13, 7, base, base, 0xfc0));
        step_insn(p, enc_i(0x0f, 2, 0, base, 4));
        break;
    case 6: step_insn(p, rnd_one_in(p, 2) ? enc_i(0x07, 3, 5, base, 0)
                                          : enc_s(0x27, 3, base, 6, 0)); break;
    default:
        if (rnd_one_in(p, 2) && may_jump) {
            step_insn(p, 0x0000100f); /* fence.i */
            step_insn(p, enc_i(0x67, 0, 1, base, 0)); /* jalr */
        } else {
            step_insn(p, enc_r(0x73, 0, 9, 0, base, 0)); /* sfence.vma base */
        }
        break;
    }
}

/* Changes a random entry, as a whole; what is fenced is everything unless lazy. */
static void patch(struct program *p, unsigned set)
{
    unsigned page = 3 + (unsigned)rnd_below(p, L1_TABLES + L0_TABLES);
    unsigned level = page < 3 + L1_TABLES;
    u64 index = level == 1 ? FIRST_2M + rnd_below(p, DATA_2MS) : rnd_below(p, 16);
    step_set(p, STEP_PATCH_ADDRESS, set_page(set, page) + 8 * index);
    step_set(p, STEP_PATCH_VALUE, entry(p, set, level));
}

static void data_registers(struct program *p, u64 mode)
{
    for (unsigned i = 10; i < 14; i++) {
        step_set_x(p, i, address(p, mode));
    }
    for (unsigned i = 14; i < 32; i++) {
        step_set_x(p, i, (rnd(p) & 0x0101010101010101) * 0x73);
    }
    step_set_x(p, 16, (rnd(p) & 0x0101010101010101) * 0x73);
}

void make_vm(struct program *p)
{
    static const u8 modes[] = {8, 8, 9, 10, 0};
    u64 priv = step_begin(p, rnd_priv(p));
    u64 mode = RND_OF(p, modes);
    unsigned set = (unsigned)rnd_below(p, SETS);
    if (mode != 0) {
        u64 root = set_page(set, (unsigned)mode - 8);
        step_set(p, STEP_SATP, mode << 60 | ((u64)set * 4 + mode) << 44 | root >> 12);
    }
    u64 status = (rnd(p) & ((u64)3 << 18)) | priv << 11 | (u64)3 << 13;
    if (priv == PRIV_M) { /* loads and stores as S or U: mret leaves MPP = U, so set it after */
        status |= (u64)1 << 17;
        step_set_x(p, 5, rnd_below(p, 2) << 11);
        step_insn(p, enc_csr(CSRRS, 0, 0x300, 5));
    }
    step_set(p, STEP_MSTATUS, status);
    step_set(p, STEP_MENVCFG, (p->lazy ? p->vm_menvcfg : rnd(p) & ((u64)3 << 61)) | 0xf0);
    step_set(p, STEP_SENVCFG, 0xf0);
    step_set(p, STEP_MEDELEG, rnd(p) & 0xa1fd);
    step_set(p, STEP_PC, step_get(p, STEP_PC) + (mode != 0 && priv == PRIV_U ? U_ALIAS : 0));
    data_registers(p, mode);
    if (p->lazy) {
        step_set(p, STEP_FENCE_ADDRESS, step_get(p, STEP_X(10)));
    }
    if (rnd_one_in(p, 8)) {
        patch(p, set);
        step_set(p, STEP_FENCE_ADDRESS, ~(u64)0);
    }
    for (u64 i = 1 + rnd_below(p, 6); i > 0; i--) {
        if (!step_has_room(p, 2)) {
            break;
        }
        access(p, priv != PRIV_M);
    }
    step_end(p);
}

/* --- PMP --- */

static u64 pmp_address(struct program *p)
{
    u64 at = DATA + (rnd_one_in(p, 2) ? rnd_below(p, 0x4000) : rnd_below(p, 8 << 20) & ~(u64)0xfff);
    u64 ones = ((u64)1 << rnd_below(p, 12)) - 1;
    at >>= 2;
    return rnd_one_in(p, 2) ? (at & ~ones) | ones >> 1 : at;
}

/* QEMU does not see a region that lies wholly inside a misaligned access. So only sets of even
 * number have regions of four bytes, and with those all accesses are aligned.
 *
 * Random entries over DATA; the first is only the bottom of a range, the last allows the rest. */
static void make_pmp_set(struct program *p, unsigned number)
{
    u64 at = PMP_SETS + 144 * (u64)number;
    ram_set(p, at, DATA >> 2);
    for (unsigned i = 1; i < 15; i++) {
        bool fine = number % 2 == 0;
        ram_set(p, at + 8 * i, fine ? pmp_address(p) : pmp_address(p) & ~(u64)1);
        u64 cfg = rnd_one_in(p, 3) ? 0 : rnd_below(p, 32);
        cfg |= !fine && cfg >> 3 == 2 ? 0x18 : 0; /* no NA4 */
        cfg &= (cfg & 3) == 2 ? ~(u64)2 : ~(u64)0; /* W without R is reserved */
        *ram_at(p, at + 128 + i) = (u8)cfg;
    }
    ram_set(p, at + 8 * 15, RAM_BASE >> 2 | ((128 << 20) / 8 - 1));
    *ram_at(p, at + 128 + 15) = 0x1f;
}

void make_pmp_sets(struct program *p)
{
    for (unsigned i = 1; i < 190; i++) {
        make_pmp_set(p, i);
    }
    p->pmp_sets = 190;
    make_vm_tables(p);
}

void make_pmp(struct program *p)
{
    unsigned before = p->count;
    make_vm(p);
    p->count = before; /* amend it */
    if (rnd_one_in(p, 4) || before == 0) {
        u64 set = rnd_below(p, p->pmp_sets);
        p->pmp_fine = set % 2 == 0;
        step_set(p, STEP_PMP, PMP_SETS + 144 * set);
        step_set(p, STEP_FENCE_ADDRESS, ~(u64)0);
    }
    if (step_get(p, STEP_SATP) == 0) { /* close to the borders */
        for (unsigned i = 10; i < 14; i++) {
            step_set_x(p, i, DATA + rnd_below(p, 0x4000));
        }
    }
    for (unsigned i = 10; i < 14 && p->pmp_fine; i++) {
        step_set_x(p, i, step_get(p, STEP_X(i)) & ~(u64)7);
    }
    p->count++;
}
