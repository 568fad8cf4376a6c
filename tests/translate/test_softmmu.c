/* Data accesses that do not hit the TLB: crossings, devices, watched pages, atomics. M-mode without
 * translation, so that addresses are physical. */
#include "translate/softmmu.h"

#include "cpu/riscv64/pmp.h"
#include "tests/support/engine_rig.h"
#include <criterion/criterion.h>

static struct engine_rig *rig;
static struct vcpu *vcpu;

static void setup(void)
{
    struct engine_options options = { .kind = ENGINE_INTERP };
    rig = engine_rig_new(1, &options);
    vcpu = rig->engine->vcpus[0];
}

static void teardown(void)
{
    engine_rig_free(rig);
}

TestSuite(softmmu, .init = setup, .fini = teardown);

enum { CAUSE_LOAD = 5, CAUSE_STORE = 7, CAUSE_STORE_MISALIGNED = 6 };
#define END_OF_RAM (RV_BASE + ENGINE_RIG_RAM_BYTES)

static void expect_fault(u64 cause, u64 value)
{
    cr_expect(vcpu->exception_pending && vcpu->exception_cause == cause &&
                  vcpu->exception_value == value,
              "pending %u cause %llu value 0x%llx", vcpu->exception_pending,
              (unsigned long long)vcpu->exception_cause,
              (unsigned long long)vcpu->exception_value);
    vcpu->exception_pending = 0;
}

Test(softmmu, every_size_at_every_offset_of_a_page_end)
{
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned before = 0; before <= 8; before++) {
            gva_t gva = RV_BASE + 2 * PAGE_BYTES - before;
            u64 mask = size == 8 ? ~(u64)0 : ((u64)1 << (8 * size)) - 1;
            u64 value = 0;
            cr_assert(softmmu_store(vcpu, gva - 1, 1, 0xee) &&
                      softmmu_store(vcpu, gva + size, 1, 0xdd));
            cr_assert(softmmu_store(vcpu, gva, size, 0x8877665544332211 & mask));
            cr_assert(softmmu_load(vcpu, gva, size, &value));
            cr_expect(value == (0x8877665544332211 & mask), "%u bytes %u before the end", size,
                      before);
            cr_expect(ld_le(memory_host(&rig->memory, gva, 1), size) == value);
            cr_expect(*memory_host(&rig->memory, gva - 1, 1) == 0xee &&
                      *memory_host(&rig->memory, gva + size, 1) == 0xdd, "the neighbours");
        }
    }
}

Test(softmmu, over_the_end_of_ram)
{
    u64 value = 0;
    cr_expect(!softmmu_load(vcpu, END_OF_RAM - 4, 8, &value));
    cr_expect(vcpu->exception_cause == CAUSE_LOAD);
    vcpu->exception_pending = 0;
    cr_expect(!softmmu_store(vcpu, END_OF_RAM - 4, 8, 0));
    cr_expect(vcpu->exception_cause == CAUSE_STORE);
    vcpu->exception_pending = 0;
    cr_expect(!softmmu_load(vcpu, END_OF_RAM, 4, &value));
    expect_fault(CAUSE_LOAD, END_OF_RAM);
    cr_expect(!softmmu_store(vcpu, 0x40000000, 4, 0));
    expect_fault(CAUSE_STORE, 0x40000000);
    cr_expect(softmmu_load(vcpu, END_OF_RAM - 8, 8, &value));
}

Test(softmmu, devices)
{
    u64 value = 0;
    for (unsigned round = 0; round < 2; round++) { /* the second by the TLB's slow entry */
        cr_expect(softmmu_store(vcpu, ENGINE_RIG_DEVICE + 8, 4, 0x1234 + round));
        cr_expect(rig->device == 0x1234 + round && rig->device_writes == round + 1);
        cr_expect(softmmu_load(vcpu, ENGINE_RIG_DEVICE, 8, &value) && value == 0x1234 + round);
        cr_expect(rig->device_reads == round + 1);
    }
    cr_expect(!softmmu_load(vcpu, ENGINE_RIG_MUTE + 2, 4, &value), "over the device's end");
    expect_fault(CAUSE_LOAD, ENGINE_RIG_MUTE + 2);
}

Test(softmmu, checks_access_nothing)
{
    cr_expect(softmmu_check(vcpu, RV_BASE, 8, true));
    cr_expect(softmmu_check(vcpu, ENGINE_RIG_DEVICE, 8, true));
    cr_expect(rig->device_reads == 0 && rig->device_writes == 0);
}

/* --- atomics --- */

static u64 amo(gva_t gva, unsigned size_log2, enum ir_amo operation, u64 value)
{
    return softmmu_slow.amo(vcpu, gva, value, 0,
                            size_log2 | (u32)operation << HOST_DESC_AMO_SHIFT);
}

struct amo_case {
    enum ir_amo operation;
    unsigned size_log2;
    u64 old, value, after;
};

static const struct amo_case amo_cases[] = {
    { IR_AMO_SWAP, 3, 5, 9, 9 },
    { IR_AMO_ADD, 3, ~(u64)0, 2, 1 },
    { IR_AMO_ADD, 2, 0xffffffff, 2, 1 },
    { IR_AMO_AND, 3, 0xff0, 0x0ff, 0x0f0 },
    { IR_AMO_OR, 3, 0xf0, 0x0f, 0xff },
    { IR_AMO_XOR, 3, 0xff, 0x0f, 0xf0 },
    { IR_AMO_MIN_S, 2, 1, 0xffffffff, 0xffffffff },
    { IR_AMO_MAX_S, 2, 1, 0xffffffff, 1 },
    { IR_AMO_MIN_U, 2, 1, 0xffffffff, 1 },
    { IR_AMO_MAX_U, 2, 1, 0xffffffff, 0xffffffff },
    { IR_AMO_MIN_S, 3, 1, ~(u64)0, ~(u64)0 },
    { IR_AMO_MAX_U, 3, 1, ~(u64)0, ~(u64)0 },
};

Test(softmmu, atomics_on_ram_and_on_a_device)
{
    for (unsigned i = 0; i < ARRAY_LEN(amo_cases); i++) {
        const struct amo_case *test = &amo_cases[i];
        unsigned size = 1u << test->size_log2;
        u64 beside = 0x1122334455667788;
        u8 *host = memory_host(&rig->memory, RV_BASE + 64, 16);
        st_le64(host, beside);
        st_le(host, test->old, size);
        cr_expect(amo(RV_BASE + 64, test->size_log2, test->operation, test->value) == test->old);
        cr_expect(ld_le(host, size) == test->after, "case %u", i);
        cr_expect(size == 8 || ld_le32(host + 4) == beside >> 32, "case %u: the neighbour", i);
        rig->device = test->old;
        cr_expect(amo(ENGINE_RIG_DEVICE, test->size_log2, test->operation, test->value) ==
                  test->old);
        cr_expect(rig->device == test->after, "case %u on a device", i);
    }
}

Test(softmmu, atomic_faults_are_stores)
{
    amo(RV_BASE + 4, 3, IR_AMO_ADD, 1);
    expect_fault(CAUSE_STORE_MISALIGNED, RV_BASE + 4);
    amo(0x40000000, 3, IR_AMO_ADD, 1);
    expect_fault(CAUSE_STORE, 0x40000000);
    amo(ENGINE_RIG_MUTE, 3, IR_AMO_ADD, 1);
    expect_fault(CAUSE_STORE, ENGINE_RIG_MUTE);
    cr_expect(rig->device_writes == 0);
}

Test(softmmu, compare_and_swap)
{
    u8 *host = memory_host(&rig->memory, RV_BASE + 64, 8);
    u32 desc = 3 | (u32)HOST_AMO_CAS << HOST_DESC_AMO_SHIFT;
    st_le64(host, 5);
    cr_expect(softmmu_slow.amo(vcpu, RV_BASE + 64, 9, 4, desc) == 5 && ld_le64(host) == 5);
    cr_expect(softmmu_slow.amo(vcpu, RV_BASE + 64, 9, 5, desc) == 5 && ld_le64(host) == 9);
}

/* --- watched pages --- */

Test(softmmu, a_store_into_code_makes_the_page_dirty)
{
    gva_t gva = RV_BASE + 3 * PAGE_BYTES;
    struct block_table *table = &rig->engine->blocks;
    for (unsigned how = 0; how < 3; how++) {
        struct block *block = block_new(table);
        block->gpa = gva;
        block->length_bytes = 8;
        block_insert(table, block, memory_host(&rig->memory, gva, 8));
        tlb_flush_all(vcpu);
        memory_page_clear(&rig->memory, gva, MEMORY_PAGE_WRITABLE | MEMORY_PAGE_DIRTY);
        block_pages_clean(table);
        u64 value = 0;
        cr_assert(softmmu_load(vcpu, gva, 4, &value), "a read is no write");
        cr_expect(!(memory_page_flags(&rig->memory, gva) & MEMORY_PAGE_DIRTY));
        switch (how) {
        case 0: softmmu_store(vcpu, gva, 4, 1); break;
        case 1: softmmu_store(vcpu, gva - 2, 4, 0x01010101); break;
        default: amo(gva, 2, IR_AMO_ADD, 1); break;
        }
        cr_expect(memory_page_flags(&rig->memory, gva) & MEMORY_PAGE_DIRTY, "way %u", how);
        cr_expect(block_find(table, gva, 0, BLOCK_NO_PAGE) == block);
        block_fence(table);
        cr_expect(block_find(table, gva, 0, BLOCK_NO_PAGE) == NULL, "way %u", how);
    }
}

/* --- refills --- */

/* S-mode under Sv39, where RAM and devices are at their own addresses. */
static void translate_addresses(void)
{
    const gpa_t root = RV_BASE + 0x100000;
    const u64 leaf = PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D;
    struct riscv64_state *state = riscv64_of(vcpu);
    st_le64(memory_host(&rig->memory, root, 8), leaf);
    st_le64(memory_host(&rig->memory, root + 16, 8), RV_BASE >> PAGE_BITS << 10 | leaf);
    riscv64_pmpcfg_write(state, 0, 0x1f);
    riscv64_pmpaddr_write(state, 0, ~(u64)0 >> 10);
    state->satp = (u64)8 << 60 | root >> PAGE_BITS; /* Sv39 */
    state->priv = RISCV_S;
    riscv64_mode_update(state);
}

static gpa_t refill_device; /* what the last refill said of one */

static u8 *refill(gva_t gva, unsigned size_bytes, u32 flags)
{
    u32 desc = (u32)__builtin_ctz(size_bytes) | flags;
    return softmmu_slow.refill(vcpu, gva, desc, &refill_device);
}

/* As refill, of a device's page. */
static gpa_t device(gva_t gva, unsigned size_bytes, u32 flags)
{
    cr_expect_null(refill(gva, size_bytes, flags));
    return refill_device;
}

Test(softmmu, refill_knows_plain_pages_alone)
{
    translate_addresses();
    gva_t page = RV_BASE + 5 * PAGE_BYTES;
    cr_expect_eq(refill(page + 8, 8, 0), memory_host(&rig->memory, page + 8, 8));
    cr_assert(tlb_find(vcpu, page, false) != NULL);
    cr_expect(tlb_find(vcpu, page, true) != NULL, "one walk serves both");
    cr_expect_null(refill(page + 8, 8, 0), "it is there");
    page += PAGE_BYTES;
    cr_expect_null(refill(page + PAGE_BYTES - 4, 8, HOST_DESC_WRITE), "two pages");
    cr_expect_null(refill(page + 8, 8, HOST_DESC_ALIGN), "may have to fault");
    cr_expect_null(tlb_find(vcpu, page, false));
    cr_expect_eq(refill(page + PAGE_BYTES - 8, 8, HOST_DESC_WRITE),
                 memory_host(&rig->memory, page + PAGE_BYTES - 8, 8));
    cr_expect_null(refill(ENGINE_RIG_DEVICE, 8, 0));
    cr_expect_eq(vcpu->exception_pending, 0);
}

Test(softmmu, over_a_page_end_both_pages_are_plain_and_in_the_tlb)
{
    u8 *host[2];
    translate_addresses();
    gva_t first = RV_BASE + 5 * PAGE_BYTES, second = first + PAGE_BYTES, last = second - 3;
    const u32 size = 3; /* eight bytes */
    cr_expect_not(softmmu_over_page(vcpu, last, size, host));
    refill(first, 8, 0);
    cr_expect_not(softmmu_over_page(vcpu, last, size, host));
    refill(second, 8, 0);
    cr_assert(softmmu_over_page(vcpu, last, size, host));
    cr_expect_eq(host[0], memory_host(&rig->memory, last, 3));
    cr_expect_eq(host[1], memory_host(&rig->memory, second, 5));
    cr_expect(softmmu_over_page(vcpu, last, size | HOST_DESC_WRITE, host));
    cr_expect_not(softmmu_over_page(vcpu, last, size | HOST_DESC_ALIGN, host), "has to fault");
    tlb_flush_writes(vcpu);
    cr_expect_not(softmmu_over_page(vcpu, last, size | HOST_DESC_WRITE, host));
    cr_expect(softmmu_over_page(vcpu, last, size, host));
    tlb_flush_page(vcpu, second, TLB_ANY_ASID);
    cr_expect_not(softmmu_over_page(vcpu, last, size, host));
    cr_expect_eq(vcpu->exception_pending, 0);
}

Test(softmmu, refill_raises_what_is_certain)
{
    translate_addresses();
    gva_t unmapped = 0x40000000;
    cr_expect_null(refill(unmapped + 24, 8, 0));
    cr_expect_eq(vcpu->exception_pending, 1);
    cr_expect_eq(vcpu->exception_cause, RISCV_CAUSE_LOAD_PAGE);
    cr_expect_eq(vcpu->exception_value, unmapped + 24);
    vcpu->exception_pending = 0;
    cr_expect_null(refill(unmapped + 5, 1, HOST_DESC_WRITE));
    cr_expect_eq(vcpu->exception_pending, 1);
    cr_expect_eq(vcpu->exception_cause, RISCV_CAUSE_STORE_PAGE);
    cr_expect_eq(vcpu->exception_value, unmapped + 5);
    vcpu->exception_pending = 0;
    cr_expect_null(refill(unmapped, 8, HOST_DESC_PIECES), "that has an exception of its own");
    cr_expect_null(refill(unmapped + PAGE_BYTES - 4, 8, 0), "two pages");
    cr_expect_null(refill(unmapped, 8, HOST_DESC_ALIGN));
    cr_expect_eq(vcpu->exception_pending, 0);
}

Test(softmmu, refill_finds_devices_in_the_tlb)
{
    translate_addresses();
    gva_t reg = ENGINE_RIG_DEVICE;
    u64 value;
    cr_expect_eq(device(reg, 8, 0), HOST_NO_DEVICE, "not in the TLB yet");
    cr_assert(softmmu_load(vcpu, reg, 8, &value));
    cr_expect_eq(device(reg, 8, 0), reg);
    cr_expect_eq(device(reg + 4, 4, HOST_DESC_SIGNED), reg + 4);
    cr_expect_eq(device(reg, 8, HOST_DESC_ALIGN), HOST_NO_DEVICE, "may have to fault");
    cr_expect_eq(device(reg, 8, HOST_DESC_PIECES), HOST_NO_DEVICE);
    cr_expect_eq(device((reg & PAGE_MASK) + PAGE_BYTES - 4, 8, 0), HOST_NO_DEVICE, "two pages");
    gva_t page = RV_BASE + 5 * PAGE_BYTES;
    cr_assert(softmmu_load(vcpu, page, 8, &value));
    cr_expect_eq(device(page, 8, 0), HOST_NO_DEVICE, "it is memory");
    cr_expect_eq(vcpu->exception_pending, 0);
    cr_expect_eq(device(~(gva_t)7, 8, 0), HOST_NO_DEVICE, "an empty entry's tag is no page");
}

Test(softmmu, a_device_page_that_may_be_read_alone_is_not_written_at_once)
{
    translate_addresses();
    struct tlb_fill fill = {.page = ENGINE_RIG_DEVICE & PAGE_MASK,
                            .gpa_page = ENGINE_RIG_DEVICE & PAGE_MASK,
                            .span_bytes = PAGE_BYTES,
                            .flags = TLB_READABLE};
    tlb_insert(vcpu, &fill);
    cr_expect_eq(device(ENGINE_RIG_DEVICE, 8, 0), ENGINE_RIG_DEVICE);
    cr_expect_eq(device(ENGINE_RIG_DEVICE, 8, HOST_DESC_WRITE), HOST_NO_DEVICE);
}

Test(softmmu, refill_leaves_stores_to_code_alone)
{
    translate_addresses();
    gva_t page = RV_BASE + 5 * PAGE_BYTES;
    memory_page_set(&rig->memory, page, MEMORY_PAGE_CODE);
    cr_expect_null(refill(page, 8, HOST_DESC_WRITE));
    cr_expect_eq(refill(page, 8, 0), memory_host(&rig->memory, page, 8));
    cr_assert(tlb_find(vcpu, page, true) != NULL);
    cr_expect_eq(tlb_find(vcpu, page, true)->write_tag, page | TLB_TAG_SLOW);
    cr_expect(memory_page_flags(&rig->memory, page) & MEMORY_PAGE_WRITABLE);
}

/* Small pages become huge ones under the guest's feet; at the ends of RAM there is no room for
 * one. */
Test(softmmu, memory_stays_as_it_is_when_it_becomes_huge)
{
    const u64 step = 3 * PAGE_BYTES;
    for (gva_t gva = RV_BASE; gva < END_OF_RAM; gva += step) {
        cr_assert(softmmu_store(vcpu, gva, 8, gva * 0x9e3779b97f4a7c15u));
    }
    for (unsigned n = 0; n < 2 * HUGE_FILLS; n++) {
        for (gpa_t gpa = RV_BASE; gpa < END_OF_RAM; gpa += (u64)1 << HUGE_BITS) {
            huge_filled(&rig->engine->vcpus[0]->tlb_state->huge, &rig->memory, gpa);
        }
        huge_filled(&rig->engine->vcpus[0]->tlb_state->huge, &rig->memory, END_OF_RAM - PAGE_BYTES);
        huge_filled(&rig->engine->vcpus[0]->tlb_state->huge, &rig->memory, END_OF_RAM);
    }
    for (gva_t gva = RV_BASE; gva < END_OF_RAM; gva += step) {
        u64 value = 0;
        cr_assert(softmmu_load(vcpu, gva, 8, &value));
        cr_expect(value == gva * 0x9e3779b97f4a7c15u);
    }
}
