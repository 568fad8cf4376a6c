/* Address translation: the permission matrix against a restatement of the manual's rules, page
 * sizes, reserved bits, A/D updates, Svnapot, Svpbmt, faults of the walk itself. */
#include "tests/cpu/riscv64/paged.h"

#include "cpu/riscv64/pmp.h"

static unsigned plain_pages; /* that find_plain knew, in this test */
static unsigned plain_faults;

/* A fault that find_plain raised for an access is the walk's. */
static void check_plain_fault(struct hart *hart, gva_t gva, enum vcpu_access access,
                              enum riscv_mmu_result result)
{
    struct vcpu *vcpu = &hart->state.vcpu;
    plain_faults++;
    cr_assert_eq(result, MMU_PAGE_FAULT);
    cr_assert_eq(vcpu->exception_cause,
                 access == VCPU_WRITE ? RISCV_CAUSE_STORE_PAGE : RISCV_CAUSE_LOAD_PAGE);
    cr_assert_eq(vcpu->exception_value, gva);
    vcpu->exception_pending = 0;
}

/* What refill says, and that it put in what `fill`, which find_plain found, says, or nothing; by a
 * whole walk and by what it remembers of one. */
static unsigned refill(struct hart *hart, gva_t gva, bool write, const struct tlb_fill *fill)
{
    struct vcpu *vcpu = &hart->state.vcpu;
    unsigned outcome = GUEST_REFILL_NOT;
    tlb_flush_all(vcpu);
    for (unsigned time = 0; time < 2; time++) {
        forget_entry(hart, gva);
        unsigned again = riscv64_refill(vcpu, gva, write);
        cr_assert(time == 0 || again == outcome);
        outcome = again;
        const struct tlb_entry *entry = tlb_find(vcpu, gva & PAGE_MASK, write);
        cr_assert_eq(entry != NULL, outcome == GUEST_REFILL_DONE);
        if (entry != NULL) {
            cr_assert_eq(entry->read_tag, fill->page);
            cr_assert_eq(entry->write_tag,
                         fill->flags & TLB_WRITABLE ? fill->page : TLB_TAG_NONE);
            cr_assert_eq((u8 *)(uintptr_t)(fill->page + entry->addend), fill->host_page);
            cr_assert_eq(entry->gpa_page, fill->gpa_page);
        }
    }
    return outcome;
}

/* The walk; what find_plain and refill say of the same access must be what the walk says. */
static enum riscv_mmu_result walk(struct hart *hart, gva_t gva, enum vcpu_access access,
                                  struct guest_translation *out)
{
    struct tlb_fill fill;
    _Atomic u8 *flags = NULL;
    if (access != VCPU_FETCH) {
        flags = riscv64_find_plain(&hart->state.vcpu, gva, access == VCPU_WRITE, &fill);
        bool faults = hart->state.vcpu.exception_pending;
        if (flags != NULL) {
            memory_ask(&hart->memory, fill.gpa_page, 1); /* or refill leaves a write to who does */
        }
        cr_assert_eq(refill(hart, gva, access == VCPU_WRITE, &fill),
                     flags != NULL ? GUEST_REFILL_DONE
                     : faults      ? GUEST_REFILL_FAULT
                                   : GUEST_REFILL_NOT);
    }
    enum riscv_mmu_result result = riscv64_mmu_walk(&hart->state, gva, 1, access, out);
    if (hart->state.vcpu.exception_pending) {
        cr_assert_null(flags);
        check_plain_fault(hart, gva, access, result);
    }
    if (flags != NULL) {
        plain_pages++;
        cr_assert_eq(result, MMU_OK);
        cr_assert(out->page_uniform);
        cr_assert_eq(fill.page, gva & PAGE_MASK);
        cr_assert_eq(fill.gpa_page, out->gpa & PAGE_MASK);
        cr_assert_eq(fill.host_page, memory_host(&hart->memory, fill.gpa_page, PAGE_BYTES));
        cr_assert_eq(fill.span_bytes, out->span_bytes);
        cr_assert_eq(fill.flags, (out->readable ? (u32)TLB_READABLE : 0) |
                                     (out->writable ? (u32)TLB_WRITABLE : 0) |
                                     (out->global ? (u32)TLB_GLOBAL : 0));
        const struct memory_region *region = memory_find(&hart->memory, fill.gpa_page);
        cr_assert_eq(flags, &region->page_flags[(fill.gpa_page - region->gpa) >> PAGE_BITS]);
    }
    return result;
}

/* A refill whose page is the next one of a run fills as many pages more, and no others. */
static void check_run_refill(struct hart *hart, gva_t page, unsigned pages)
{
    struct vcpu *vcpu = &hart->state.vcpu;
    tlb_flush_all(vcpu);
    vcpu->tlb_state->run_next[0] = page;
    cr_assert_eq(riscv64_refill(vcpu, page, false), GUEST_REFILL_DONE);
    cr_assert_eq(vcpu->tlb_state->run_next[0], page + (pages + 1) * PAGE_BYTES);
    for (unsigned n = 0; n < 16; n++) {
        gva_t other = page + n * PAGE_BYTES;
        const struct tlb_entry *entry = tlb_find(vcpu, other, false);
        struct guest_translation out;
        cr_assert_eq(entry != NULL, n <= pages, "page %u of %u", n, pages);
        if (entry != NULL) {
            cr_assert_eq(riscv64_mmu_walk(&hart->state, other, 1, VCPU_READ, &out), MMU_OK);
            cr_assert_eq(entry->gpa_page, out.gpa & PAGE_MASK);
            cr_assert_eq((u8 *)(uintptr_t)(other + entry->addend),
                         memory_host(&hart->memory, entry->gpa_page, PAGE_BYTES));
            cr_assert_eq(entry->write_tag, out.writable ? other : TLB_TAG_NONE);
        }
    }
}

/* What find_plain_next says of the pages behind must be what the walk says of a read of them. */
static unsigned check_run(struct hart *hart, gva_t page)
{
    struct tlb_fill fill;
    unsigned pages = 0;
    if (riscv64_find_plain(&hart->state.vcpu, page, false, &fill) == NULL) {
        return 0;
    }
    _Atomic u8 *flags;
    while ((flags = riscv64_find_plain_next(&hart->state.vcpu, &fill)) != NULL) {
        struct guest_translation out;
        pages++;
        cr_assert_eq(fill.page, page + pages * PAGE_BYTES);
        cr_assert_eq(riscv64_mmu_walk(&hart->state, fill.page, 1, VCPU_READ, &out), MMU_OK);
        cr_assert(out.page_uniform);
        cr_assert_eq(fill.gpa_page, out.gpa & PAGE_MASK);
        cr_assert_eq(fill.host_page, memory_host(&hart->memory, fill.gpa_page, PAGE_BYTES));
        cr_assert_eq(fill.span_bytes, out.span_bytes);
        cr_assert_eq(fill.flags, (out.readable ? (u32)TLB_READABLE : 0) |
                                     (out.writable ? (u32)TLB_WRITABLE : 0) |
                                     (out.global ? (u32)TLB_GLOBAL : 0));
        const struct memory_region *region = memory_find(&hart->memory, fill.gpa_page);
        cr_assert_eq(flags, &region->page_flags[(fill.gpa_page - region->gpa) >> PAGE_BITS]);
    }
    check_run_refill(hart, page, pages);
    return pages;
}

/* --- permissions --- */

/* The manual's rules (section 12.3.2), in its order. */
static bool rules_permit(u64 pte, unsigned priv, bool sum, bool mxr, bool adue,
                         enum vcpu_access access)
{
    bool r = pte & PTE_R, w = pte & PTE_W, x = pte & PTE_X, u = pte & PTE_U;
    if (!(pte & PTE_V) || (!r && w) || (!r && !x)) {
        return false; /* the last: a pointer at the lowest level */
    }
    if (priv == RISCV_U && !u) {
        return false;
    }
    if (priv == RISCV_S && u && (access == VCPU_FETCH || !sum)) {
        return false;
    }
    if (access == VCPU_READ && !(r || (mxr && x))) {
        return false;
    }
    if ((access == VCPU_WRITE && !w) || (access == VCPU_FETCH && !x)) {
        return false;
    }
    bool needs_update = !(pte & PTE_A) || (access == VCPU_WRITE && !(pte & PTE_D));
    return adue || !needs_update;
}

Test(mmu, permission_matrix)
{
    struct hart *hart = paged(3);
    unsigned permitted = 0;
    for (unsigned i = 0; i < 256 * 48; i++) {
        u64 pte = i & 0xff;
        unsigned rest = i >> 8;
        enum vcpu_access access = (enum vcpu_access)(rest % 3);
        bool sum = rest / 3 & 1, mxr = rest / 6 & 1, adue = rest / 12 & 1;
        unsigned priv = rest / 24 & 1 ? RISCV_S : RISCV_U;
        map(hart, 3, GVA, 0, pte_of(DATA_GPA, pte));
        hart->state.mstatus = (sum ? MSTATUS_SUM : 0) | (mxr ? MSTATUS_MXR : 0);
        hart->state.menvcfg = adue ? MENVCFG_ADUE : 0;
        hart->state.priv = (u8)priv;
        struct guest_translation out;
        bool expected = rules_permit(pte, priv, sum, mxr, adue, access);
        enum riscv_mmu_result result = walk(hart, GVA + 5, access, &out);
        cr_assert((result == MMU_OK) == expected, "pte 0x%llx priv %u sum %d mxr %d adue %d "
                  "access %u", (unsigned long long)pte, priv, sum, mxr, adue, access);
        u64 after = get64(hart, pte_gpa(GVA, 3, 0)) & 0xff;
        if (!expected) {
            cr_assert_eq(result, MMU_PAGE_FAULT);
            cr_assert_eq(after, pte);
            continue;
        }
        permitted++;
        cr_assert_eq(after, pte | PTE_A | (access == VCPU_WRITE ? PTE_D : 0));
        cr_assert_eq(out.gpa, DATA_GPA + 5);
        cr_assert_eq(out.span_bytes, PAGE_BYTES);
        cr_assert_eq(out.global, (pte & PTE_G) != 0);
        cr_assert_eq(out.readable, rules_permit(after, priv, sum, mxr, false, VCPU_READ));
        cr_assert_eq(out.writable, rules_permit(after, priv, sum, mxr, false, VCPU_WRITE));
    }
    cr_assert_gt(permitted, 1000);
    cr_assert_gt(plain_pages, 100);
    cr_assert_gt(plain_faults, 100);
    hart_free(hart);
}

Test(mmu, mprv_uses_mpp_for_data_alone)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits | PTE_U));
    hart_set_priv(hart, RISCV_M);
    for (unsigned mpp = 0; mpp < 4; mpp++) {
        if (mpp == 2) {
            continue;
        }
        hart->state.mstatus = MSTATUS_MPRV | (u64)mpp << MSTATUS_MPP_SHIFT;
        enum riscv_mmu_result result = walk(hart, GVA, VCPU_READ, &out);
        cr_assert_eq(result, mpp == RISCV_S ? MMU_PAGE_FAULT : MMU_OK);
        cr_assert(mpp == RISCV_S || out.gpa == (mpp == RISCV_U ? DATA_GPA : GVA));
        cr_assert_eq(walk(hart, GVA, VCPU_FETCH, &out), MMU_OK);
        cr_assert_eq(out.gpa, GVA);
    }
    hart_free(hart);
}

/* --- sizes and address ranges --- */

Test(mmu, every_level_of_every_mode)
{
    for (unsigned levels = 3; levels <= 5; levels++) {
        for (unsigned level = 0; level < levels; level++) {
            struct hart *hart = paged(levels);
            struct guest_translation out;
            u64 span = PAGE_BYTES << (9 * level);
            gpa_t gpa = bits_align_down(DATA_GPA, span);
            gva_t gva = GVA + (((u64)3 << 30) & (span - 1));
            map(hart, levels, gva, level, pte_of(gpa, all_bits));
            cr_assert_eq(walk(hart, gva + 0xabc, VCPU_WRITE, &out), MMU_OK);
            cr_assert_eq(out.gpa, gpa + ((gva + 0xabc) & (span - 1)));
            cr_assert_eq(out.span_bytes, span);
            if (level > 0) { /* a superpage whose address is not a multiple of its size */
                map(hart, levels, gva, level, pte_of(gpa + span / 2, all_bits));
                cr_assert_eq(walk(hart, gva, VCPU_READ, &out), MMU_PAGE_FAULT);
            }
            hart_free(hart);
        }
    }
}

Test(mmu, addresses_must_be_sign_extended)
{
    for (unsigned levels = 3; levels <= 5; levels++) {
        struct hart *hart = paged(levels);
        struct guest_translation out;
        unsigned bits = PAGE_BITS + 9 * levels;
        gva_t high = bits_sext((u64)1 << (bits - 1), bits);
        gva_t low = ((u64)1 << (bits - 1)) - PAGE_BYTES;
        map(hart, levels, high, 0, pte_of(DATA_GPA, all_bits));
        cr_assert_eq(walk(hart, high, VCPU_READ, &out), MMU_OK);
        cr_assert_eq(walk(hart, high & (((u64)1 << bits) - 1), VCPU_READ, &out), MMU_PAGE_FAULT);
        cr_assert_eq(walk(hart, high ^ (u64)1 << 63, VCPU_READ, &out), MMU_PAGE_FAULT);
        map(hart, levels, low, 0, pte_of(DATA_GPA, all_bits));
        cr_assert_eq(walk(hart, low, VCPU_READ, &out), MMU_OK);
        cr_assert_eq(walk(hart, low | (u64)1 << bits, VCPU_READ, &out), MMU_PAGE_FAULT);
        hart_free(hart);
    }
}

Test(mmu, bare_addresses_are_physical)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    hart->state.satp = 0;
    cr_assert_eq(walk(hart, DATA_GPA + 3, VCPU_FETCH, &out), MMU_OK);
    cr_assert_eq(out.gpa, DATA_GPA + 3);
    cr_assert(out.readable && out.writable && out.global && out.page_uniform);
    hart_free(hart);
}

/* --- reserved bits, Svnapot, Svpbmt --- */

Test(mmu, reserved_bits_fault)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    for (unsigned bit = 54; bit < 64; bit++) {
        bool pbmt = bit == 61 || bit == 62;
        map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits | BIT(bit)));
        hart->state.menvcfg = MENVCFG_PBMTE;
        cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), pbmt ? MMU_OK : MMU_PAGE_FAULT, "%u", bit);
        hart->state.menvcfg = 0;
        cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_PAGE_FAULT);
    }
    hart->state.menvcfg = MENVCFG_PBMTE;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits | PTE_PBMT));
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_PAGE_FAULT); /* type 3 */
    hart_free(hart);
}

Test(mmu, reserved_bits_of_a_pointer_fault)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    hart->state.menvcfg = MENVCFG_PBMTE;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool harmless = bit == 0 || bit == 5 || bit == 8 || bit == 9; /* V, G, RSW */
        if (bit >= 10 && bit < 54) {
            continue;
        }
        map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits));
        u64 pointer = get64(hart, pte_gpa(GVA, 3, 1));
        put64(hart, pte_gpa(GVA, 3, 1), pointer | BIT(bit));
        cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), harmless ? MMU_OK : MMU_PAGE_FAULT, "%u",
                     bit);
    }
    hart_free(hart);
}

Test(mmu, global_anywhere_on_the_way_is_global)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits));
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_OK);
    cr_assert_not(out.global);
    put64(hart, pte_gpa(GVA, 3, 2), pte_of(TABLE_GPA(1), PTE_V | PTE_G));
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_OK);
    cr_assert(out.global);
    hart_free(hart);
}

Test(mmu, napot_covers_64_kib)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    for (u64 low = 0; low < 16; low++) {
        map(hart, 3, GVA, 0, pte_of(DATA_GPA + low * PAGE_BYTES, all_bits | PTE_N));
        enum riscv_mmu_result result = walk(hart, GVA + 7, VCPU_READ, &out);
        cr_assert_eq(result, low == 8 ? MMU_OK : MMU_PAGE_FAULT);
        if (low == 8) {
            cr_assert_eq(out.gpa, DATA_GPA + (GVA & 0xffff) + 7);
            cr_assert_eq(out.span_bytes, 0x10000);
        }
    }
    map(hart, 3, GVA, 1, pte_of(DATA_GPA, all_bits | PTE_N));
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_PAGE_FAULT);
    hart_free(hart);
}

/* --- faults of the walk --- */

Test(mmu, tables_outside_ram_are_access_faults)
{
    struct hart *hart = paged(3);
    struct guest_translation out;
    static const gpa_t nowhere[] = {0, RAM_GPA - PAGE_BYTES, RAM_GPA + RAM_BYTES,
                                    ((gpa_t)1 << 56) - PAGE_BYTES};
    for (unsigned i = 0; i < ARRAY_LEN(nowhere); i++) {
        map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits));
        put64(hart, pte_gpa(GVA, 3, 1), pte_of(nowhere[i], PTE_V));
        cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_ACCESS_FAULT);
        hart->state.satp = (u64)SATP_SV39 << SATP_MODE_SHIFT | nowhere[i] >> PAGE_BITS;
        cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_ACCESS_FAULT);
        hart->state.satp = (u64)SATP_SV39 << SATP_MODE_SHIFT | ROOT_GPA >> PAGE_BITS;
    }
    hart_free(hart);
}

Test(mmu, protection_holds_for_tables_and_for_their_update)
{
    struct hart *hart = paged(3);
    struct riscv64_state *state = &hart->state;
    struct guest_translation out;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits & ~PTE_A));
    state->menvcfg = MENVCFG_ADUE;
    /* Entry 0 over the last table's entry, entry 1 everything else. */
    state->pmpaddr[1] = ((u64)1 << 54) - 1;
    state->pmpcfg[1] = PMP_A_NAPOT | PMP_R | PMP_W | PMP_X;
    state->pmpaddr[0] = pte_gpa(GVA, 3, 0) >> 2; /* 8 bytes */
    state->pmpcfg[0] = PMP_A_NAPOT | PMP_X;
    riscv64_pmp_update(state);
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_ACCESS_FAULT);
    state->pmpcfg[0] = PMP_A_NAPOT | PMP_R;
    riscv64_pmp_update(state);
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_ACCESS_FAULT);
    cr_assert_eq(get64(hart, pte_gpa(GVA, 3, 0)) & PTE_A, 0);
    state->pmpcfg[0] = PMP_A_NAPOT | PMP_R | PMP_W;
    riscv64_pmp_update(state);
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_OK);
    cr_assert_eq(get64(hart, pte_gpa(GVA, 3, 0)) & PTE_A, PTE_A);
    hart_free(hart);
}

Test(mmu, protection_holds_for_the_access)
{
    struct hart *hart = paged(3);
    struct riscv64_state *state = &hart->state;
    struct guest_translation out;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits));
    state->pmpaddr[1] = ((u64)1 << 54) - 1;
    state->pmpcfg[1] = PMP_A_NAPOT | PMP_R | PMP_W | PMP_X;
    state->pmpaddr[0] = DATA_GPA >> 2 | 0x1ff; /* the page */
    state->pmpcfg[0] = PMP_A_NAPOT | PMP_R;
    riscv64_pmp_update(state);
    cr_assert_eq(walk(hart, GVA, VCPU_READ, &out), MMU_OK);
    cr_assert(out.page_uniform && out.readable && !out.writable);
    cr_assert_eq(walk(hart, GVA, VCPU_WRITE, &out), MMU_ACCESS_FAULT);
    cr_assert_eq(walk(hart, GVA, VCPU_FETCH, &out), MMU_ACCESS_FAULT);
    state->pmpaddr[0] = (DATA_GPA + 0x800) >> 2; /* 8 bytes in the middle */
    riscv64_pmp_update(state);
    cr_assert_eq(walk(hart, GVA, VCPU_WRITE, &out), MMU_OK);
    cr_assert_not(out.page_uniform);
    cr_assert_eq(walk(hart, GVA + 0x804, VCPU_WRITE, &out), MMU_ACCESS_FAULT);
    cr_assert_eq(riscv64_mmu_walk(state, GVA + 0x7fc, 8, VCPU_READ, &out), MMU_ACCESS_FAULT);
    hart_free(hart);
}

Test(mmu, faults_carry_cause_and_address)
{
    static const u8 page[] = {RISCV_CAUSE_LOAD_PAGE, RISCV_CAUSE_STORE_PAGE,
                              RISCV_CAUSE_FETCH_PAGE};
    static const u8 access[] = {RISCV_CAUSE_LOAD_ACCESS, RISCV_CAUSE_STORE_ACCESS,
                                RISCV_CAUSE_FETCH_ACCESS};
    static const u8 misaligned[] = {RISCV_CAUSE_LOAD_MISALIGNED, RISCV_CAUSE_STORE_MISALIGNED,
                                    RISCV_CAUSE_FETCH_MISALIGNED};
    struct hart *hart = paged(3);
    struct vcpu *vcpu = &hart->state.vcpu;
    struct guest_translation out;
    for (unsigned i = 0; i < 3; i++) {
        vcpu->exception_pending = 0;
        cr_assert_not(riscv64_translate(vcpu, GVA + i, 1, (enum vcpu_access)i, &out));
        cr_assert_eq(vcpu->exception_pending, 1);
        cr_assert_eq(vcpu->exception_cause, page[i]);
        cr_assert_eq(vcpu->exception_value, GVA + i);
        riscv64_raise_access_fault(vcpu, GVA, (enum vcpu_access)i);
        cr_assert_eq(vcpu->exception_cause, access[i]);
        riscv64_raise_misaligned(vcpu, GVA, (enum vcpu_access)i);
        cr_assert_eq(vcpu->exception_cause, misaligned[i]);
    }
    hart_free(hart);
}

Test(mmu, debug_view_ignores_permissions_and_changes_nothing)
{
    struct hart *hart = paged(4);
    struct vcpu *vcpu = &hart->state.vcpu;
    gpa_t gpa;
    map(hart, 4, GVA, 0, pte_of(DATA_GPA, PTE_V | PTE_X | PTE_U));
    cr_assert(riscv64_translate_debug(vcpu, GVA + 9, &gpa));
    cr_assert_eq(gpa, DATA_GPA + 9);
    cr_assert_eq(get64(hart, pte_gpa(GVA, 4, 0)) & (PTE_A | PTE_D), 0);
    cr_assert_not(riscv64_translate_debug(vcpu, GVA + PAGE_BYTES, &gpa));
    cr_assert_eq(vcpu->exception_pending, 0);
    hart_free(hart);
}

/* --- TLB spaces --- */

static void fill(struct hart *hart, gva_t page, bool global)
{
    struct tlb_fill entry = {.page = page, .gpa_page = DATA_GPA, .host_page = NULL,
                             .span_bytes = PAGE_BYTES,
                             .flags = TLB_READABLE | (global ? (u32)TLB_GLOBAL : 0)};
    tlb_insert(&hart->state.vcpu, &entry);
}

static bool cached(struct hart *hart, gva_t page)
{
    struct tlb_entry *entry = &hart->state.vcpu.tlb[tlb_index(page)];
    return (entry->read_tag & ~TLB_TAG_SLOW) == page;
}

Test(mmu, regimes_do_not_see_each_others_entries)
{
    struct hart *hart = paged(3);
    struct riscv64_state *state = &hart->state;
    u64 satp = state->satp;
    struct {
        unsigned priv;
        u64 mstatus, satp;
    } regimes[] = {
        {RISCV_M, 0, satp},
        {RISCV_U, 0, 0},
        {RISCV_S, 0, 0},
        {RISCV_U, 0, satp},
        {RISCV_U, MSTATUS_MXR, satp},
        {RISCV_U, 0, satp | (u64)1 << SATP_ASID_SHIFT},
        {RISCV_S, 0, satp},
        {RISCV_S, MSTATUS_MXR, satp},
        {RISCV_S, MSTATUS_SUM, satp},
        {RISCV_S, MSTATUS_SUM | MSTATUS_MXR, satp},
        {RISCV_S, MSTATUS_SUM, satp | (u64)1 << SATP_ASID_SHIFT},
    };
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < ARRAY_LEN(regimes); i++) {
            state->mstatus = regimes[i].mstatus;
            state->satp = regimes[i].satp;
            hart_set_priv(hart, regimes[i].priv);
            for (unsigned k = 0; k < ARRAY_LEN(regimes); k++) {
                cr_assert_eq(cached(hart, GVA + k * PAGE_BYTES), pass == 1 && k == i,
                             "%u %u", i, k);
            }
            fill(hart, GVA + i * PAGE_BYTES, true);
            if (pass == 0) {
                tlb_flush_page(&state->vcpu, GVA + i * PAGE_BYTES, TLB_ANY_ASID);
                cr_assert_not(cached(hart, GVA + i * PAGE_BYTES));
                fill(hart, GVA + i * PAGE_BYTES, true);
            }
        }
    }
    hart_free(hart);
}

Test(mmu, kernel_entries_survive_a_change_of_address_space_when_global)
{
    struct hart *hart = paged(3);
    struct riscv64_state *state = &hart->state;
    u64 other = state->satp | (u64)7 << SATP_ASID_SHIFT;
    fill(hart, GVA, true);
    cr_assert(riscv64_csr_write(state, CSR_SATP, other));
    cr_assert(cached(hart, GVA));
    fill(hart, GVA + PAGE_BYTES, false);
    cr_assert(riscv64_csr_write(state, CSR_SATP, state->satp & ~((u64)7 << SATP_ASID_SHIFT)));
    cr_assert_not(cached(hart, GVA + PAGE_BYTES));
    hart_free(hart);
}

Test(mmu, sfence_vma_in_its_four_forms)
{
    struct {
        u64 va, asid, flags;
        bool first_left, second_left;
    } cases[] = {
        {0, 0, 0, false, false},
        {GVA + 1, 0, 1, false, true},
        {0, 3, 2, false, false},
        {0, 4, 2, true, true},
        {GVA, 3, 3, false, true},
        {GVA, 0x70003, 3, false, true}, /* 16 bits of ASID */
        {GVA, 4, 3, true, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct hart *hart = paged(3);
        hart->state.satp |= (u64)3 << SATP_ASID_SHIFT;
        hart_set_priv(hart, RISCV_U);
        fill(hart, GVA, false);
        fill(hart, GVA + PAGE_BYTES, false);
        hart_set_priv(hart, RISCV_S);
        sfence(hart, cases[i].va, cases[i].asid, cases[i].flags);
        hart_set_priv(hart, RISCV_U);
        cr_assert_eq(cached(hart, GVA), cases[i].first_left, "case %u", i);
        cr_assert_eq(cached(hart, GVA + PAGE_BYTES), cases[i].second_left, "case %u", i);
        hart_free(hart);
    }
}

Test(mmu, sfence_vma_is_illegal_in_u_and_under_tvm)
{
    struct hart *hart = paged(3);
    struct vcpu *vcpu = &hart->state.vcpu;
    sfence(hart, 0, 0, 0);
    cr_assert_eq(vcpu->exception_pending, 0);
    hart->state.mstatus |= MSTATUS_TVM;
    sfence(hart, 0, 0, 0);
    cr_assert_eq(vcpu->exception_pending, 1);
    cr_assert_eq(vcpu->exception_value, 0x12000073);
    vcpu->exception_pending = 0;
    hart_set_priv(hart, RISCV_M);
    sfence(hart, 0, 0, 0);
    cr_assert_eq(vcpu->exception_pending, 0);
    hart->state.mstatus = 0;
    hart_set_priv(hart, RISCV_U);
    sfence(hart, 0, 0, 0);
    cr_assert_eq(vcpu->exception_pending, 1);
    hart_free(hart);
}

/* --- cache-block helpers --- */

Test(mmu, cbo_zero_clears_the_block_and_faults_as_a_store)
{
    struct hart *hart = paged(3);
    struct vcpu *vcpu = &hart->state.vcpu;
    u64 (*zero)(struct vcpu *, u64, u64) =
        (u64(*)(struct vcpu *, u64, u64))(void (*)(void))riscv64_helper_cbo_zero.fn;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits));
    for (unsigned i = 0; i < 192; i += 8) {
        put64(hart, DATA_GPA + i, ~(u64)0);
    }
    zero(vcpu, GVA + 64 + 13, 0x0045200f);
    cr_assert_eq(vcpu->exception_cause, RISCV_CAUSE_ILLEGAL);
    vcpu->exception_pending = 0;
    hart->state.menvcfg = ENVCFG_CBZE;
    zero(vcpu, GVA + 64 + 13, 0x0045200f);
    cr_assert_eq(vcpu->exception_pending, 0);
    for (unsigned i = 0; i < 192; i += 8) {
        cr_assert_eq(get64(hart, DATA_GPA + i), i / 64 == 1 ? 0 : ~(u64)0);
    }
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits & ~PTE_W));
    zero(vcpu, GVA + 77, 0x0045200f);
    cr_assert_eq(vcpu->exception_pending, 1);
    cr_assert_eq(vcpu->exception_cause, RISCV_CAUSE_STORE_PAGE);
    cr_assert_eq(vcpu->exception_value, GVA + 77);
    hart_free(hart);
}

Test(mmu, cbo_zero_writes_nothing_of_a_block_that_pmp_cuts)
{
    struct hart *hart = paged(3);
    struct vcpu *vcpu = &hart->state.vcpu;
    u64 (*zero)(struct vcpu *, u64, u64) =
        (u64(*)(struct vcpu *, u64, u64))(void (*)(void))riscv64_helper_cbo_zero.fn;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits));
    put64(hart, DATA_GPA, ~(u64)0);
    hart->state.menvcfg = ENVCFG_CBZE;
    memmove(&hart->state.pmpaddr[1], &hart->state.pmpaddr[0], 15 * sizeof(u64));
    memmove(&hart->state.pmpcfg[1], &hart->state.pmpcfg[0], 15);
    riscv64_pmpaddr_write(&hart->state, 0, (DATA_GPA + 56) >> 2);
    riscv64_pmpcfg_write(&hart->state, 0, (riscv64_pmpcfg_read(&hart->state, 0) & ~(u64)0xff) |
                                              PMP_A_NA4 | PMP_R);
    zero(vcpu, GVA + 5, 0x0045200f);
    cr_assert_eq(vcpu->exception_pending, 1);
    cr_assert_eq(vcpu->exception_cause, RISCV_CAUSE_STORE_ACCESS);
    cr_assert_eq(vcpu->exception_value, GVA + 5);
    cr_assert_eq(get64(hart, DATA_GPA), ~(u64)0);
    hart_free(hart);
}

Test(mmu, cbo_management_needs_a_load_or_store_permission)
{
    struct hart *hart = paged(3);
    struct vcpu *vcpu = &hart->state.vcpu;
    u64 (*cbo)(struct vcpu *, u64, u64, u64) = (u64(*)(struct vcpu *, u64, u64, u64))(void (*)(
        void))riscv64_helper_cbo_clean_flush_inval.fn;
    for (unsigned kind = 0; kind < 3; kind++) {
        u64 enable = kind == 0 ? (u64)1 << 4 : ENVCFG_CBCFE;
        for (unsigned i = 0; i < 8; i++) {
            hart->state.menvcfg = i & 1 ? enable : ~enable & (ENVCFG_CBIE | ENVCFG_CBCFE);
            hart->state.menvcfg &= kind == 0 && !(i & 1) ? ~ENVCFG_CBIE : ~(u64)0;
            hart->state.senvcfg = i & 2 ? enable : 0;
            hart_set_priv(hart, i & 4 ? RISCV_U : RISCV_S);
            map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits | (i & 4 ? PTE_U : 0)));
            vcpu->exception_pending = 0;
            cbo(vcpu, GVA, kind, 0);
            bool may = i & 1 && (!(i & 4) || i & 2);
            cr_assert_eq(vcpu->exception_pending, may ? 0 : 1, "kind %u case %u", kind, i);
        }
    }
    hart_set_priv(hart, RISCV_M);
    hart_set_priv(hart, RISCV_S);
    hart->state.menvcfg = ENVCFG_CBCFE;
    map(hart, 3, GVA, 0, pte_of(DATA_GPA, all_bits & ~(PTE_R | PTE_W)));
    vcpu->exception_pending = 0;
    cbo(vcpu, GVA + 65, 1, 0);
    cr_assert_eq(vcpu->exception_cause, RISCV_CAUSE_STORE_PAGE);
    cr_assert_eq(vcpu->exception_value, GVA + 65);
    hart_free(hart);
}

/* --- runs of pages --- */

enum { RUN_GVA = 0x40000000 };

static void map_run(struct hart *hart, u64 odd_bits)
{
    for (unsigned n = 0; n < 16; n++) {
        u64 bits = PTE_V | PTE_R | PTE_A | (n % 2 != 0 ? odd_bits : 0);
        map(hart, 3, RUN_GVA + n * PAGE_BYTES, 0, pte_of(DATA_GPA, bits));
    }
}

Test(mmu, a_run_goes_to_the_end_of_a_line_of_entries)
{
    struct hart *hart = paged(3);
    map_run(hart, PTE_W | PTE_D);
    cr_expect_eq(check_run(hart, RUN_GVA), 7);
    cr_expect_eq(check_run(hart, RUN_GVA + 5 * PAGE_BYTES), 2);
    cr_expect_eq(check_run(hart, RUN_GVA + 7 * PAGE_BYTES), 0);
    cr_expect_eq(check_run(hart, RUN_GVA + 8 * PAGE_BYTES), 7);
    map_run(hart, PTE_G | PTE_X);
    cr_expect_eq(check_run(hart, RUN_GVA), 7);
    hart_free(hart);
}

Test(mmu, a_run_ends_before_a_page_that_a_read_may_not_use_as_it_is)
{
    struct hart *hart = paged(3);
    const u64 good = PTE_V | PTE_R | PTE_A;
    const u64 bad[] = {0, PTE_V | PTE_A | PTE_X, PTE_V | PTE_R, good | PTE_U, PTE_V,
                       good | PTE_N, good | (u64)1 << 61, good | (u64)1 << 54};
    for (unsigned n = 0; n < ARRAY_LEN(bad); n++) {
        map_run(hart, 0);
        map(hart, 3, RUN_GVA + 3 * PAGE_BYTES, 0, pte_of(DATA_GPA, bad[n]));
        cr_expect_eq(check_run(hart, RUN_GVA), 2, "%u", n);
    }
    map_run(hart, 0); /* no RAM there */
    map(hart, 3, RUN_GVA + 3 * PAGE_BYTES, 0, pte_of(0x1000, good));
    cr_expect_eq(check_run(hart, RUN_GVA), 2);
    hart_free(hart);
}

Test(mmu, a_run_ends_before_an_entry_that_may_not_be_read)
{
    struct hart *hart = paged(3);
    struct riscv64_state *state = &hart->state;
    for (unsigned n = 0; n < 8; n++) { /* to where PMP permits the same as of the first entries */
        map(hart, 3, RUN_GVA + n * PAGE_BYTES, 0, pte_of(RAM_GPA, PTE_V | PTE_R | PTE_A));
    }
    cr_assert_eq(check_run(hart, RUN_GVA), 7);
    state->pmpaddr[1] = state->pmpaddr[0];
    state->pmpcfg[1] = state->pmpcfg[0];
    state->pmpaddr[0] = pte_gpa(RUN_GVA + 3 * PAGE_BYTES, 3, 0) >> 2; /* 8 bytes */
    state->pmpcfg[0] = PMP_A_NAPOT;
    riscv64_pmp_update(state);
    cr_expect_eq(check_run(hart, RUN_GVA), 2);
    hart_free(hart);
}

Test(mmu, a_run_in_a_large_page)
{
    struct hart *hart = paged(3);
    map(hart, 3, RUN_GVA, 1, pte_of(DATA_GPA & ~(gpa_t)0x1fffff, PTE_V | PTE_R | PTE_A | PTE_G));
    cr_expect_eq(check_run(hart, RUN_GVA + 0x9000), 6);
    cr_expect_eq(check_run(hart, RUN_GVA + 0x1ff000), 0);
    hart_free(hart);
}
