/* Every CSR's least privilege, reset value and masks, written down again from the manual; and the
 * rules that depend on other state. */
#include "tests/cpu/riscv64/hart.h"

#include "cpu/riscv64/helpers.h"

#include <criterion/criterion.h>

#define ONES (~(u64)0)

/* Read-only; and there with the advanced interrupt architecture alone. */
enum { RO = 1, AIA = 2 };

struct expected {
    u16 first, last;
    u8 privilege;
    u8 flags;
    u64 reset, after_ones, after_zeros;
};

static const struct expected table[] = {
    {0x001, 0x001, RISCV_U, 0, 0, 0x1f, 0},
    {0x002, 0x002, RISCV_U, 0, 0, 7, 0},
    {0x003, 0x003, RISCV_U, 0, 0, 0xff, 0},
    {0x008, 0x008, RISCV_U, 0, 0, 127, 0},
    {0x009, 0x009, RISCV_U, 0, 0, 1, 0},
    {0x00a, 0x00a, RISCV_U, 0, 0, 3, 0},
    {0x00f, 0x00f, RISCV_U, 0, 0, 7, 0},
    {0x100, 0x100, RISCV_S, 0, 0x200006600, 0x80000002000c6722, 0x200000000},
    {0x104, 0x104, RISCV_S, 0, 0, 0, 0}, /* nothing delegated */
    {0x105, 0x105, RISCV_S, 0, 0, ONES - 2, 0},
    {0x106, 0x106, RISCV_S, 0, 0, 0xffffffff, 0},
    {0x10a, 0x10a, RISCV_S, 0, 0, 0xf1, 0},
    {0x10c, 0x10f, RISCV_S, 0, 0, 0, 0},
    {0x140, 0x140, RISCV_S, 0, 0, ONES, 0},
    {0x141, 0x141, RISCV_S, 0, 0, ONES - 1, 0},
    {0x142, 0x143, RISCV_S, 0, 0, ONES, 0},
    {0x144, 0x144, RISCV_S, 0, 0, 0, 0},
    {0x14d, 0x14d, RISCV_S, 0, ONES, ONES, 0},
    {0x150, 0x150, RISCV_S, AIA, 0, 0x1ff, 0},
    {0x151, 0x151, RISCV_S, AIA, 0, 1, 0}, /* eidelivery */
    {0x15c, 0x15c, RISCV_S, AIA, 0, 0, 0},
    {0x180, 0x180, RISCV_S, 0, 0, 0, 0}, /* mode 15 is ignored */
    {0xdb0, 0xdb0, RISCV_S, RO | AIA, 0, 0, 0},
    {0x308, 0x308, RISCV_M, AIA, 0, 0, 0},
    {0x309, 0x309, RISCV_M, AIA, 0, 0x222, 0},
    {0x350, 0x350, RISCV_M, AIA, 0, 0x1ff, 0},
    {0x351, 0x351, RISCV_M, AIA, 0, 1, 0},
    {0x35c, 0x35c, RISCV_M, AIA, 0, 0, 0},
    {0xfb0, 0xfb0, RISCV_M, RO | AIA, 0, 0, 0},
    {0xda0, 0xda0, RISCV_S, RO, 0, 0, 0},
    {0x300, 0x300, RISCV_M, 0, 0xa00006600, 0x8000000a007e7faa, 0xa00000000},
    {0x301, 0x301, RISCV_M, 0, 0x800000000034112f, 0x800000000034112f, 0x800000000034112f},
    {0x302, 0x302, RISCV_M, 0, 0, 0xb3ff, 0},
    {0x303, 0x303, RISCV_M, 0, 0, 0x2222, 0},
    {0x304, 0x304, RISCV_M, 0, 0, 0x2aaa, 0},
    {0x305, 0x305, RISCV_M, 0, 0, ONES - 2, 0},
    {0x306, 0x306, RISCV_M, 0, 0, 0xffffffff, 0},
    {0x30a, 0x30a, RISCV_M, 0, 0x6000000000000000, 0xe0000000000000f1, 0},
    {0x30c, 0x30c, RISCV_M, 0, 0, 0xc000000000000000, 0},
    {0x30d, 0x30f, RISCV_M, 0, 0, 0x8000000000000000, 0},
    {0x320, 0x320, RISCV_M, 0, 0, 0xfffffffd, 0},
    {0x321, 0x322, RISCV_M, 0, 0, 0x7000000000000000, 0},
    {0x323, 0x33f, RISCV_M, 0, 0, 0xf000000000000000, 0},
    {0x340, 0x340, RISCV_M, 0, 0, ONES, 0},
    {0x341, 0x341, RISCV_M, 0, 0, ONES - 1, 0},
    {0x342, 0x343, RISCV_M, 0, 0, ONES, 0},
    {0x344, 0x344, RISCV_M, 0, 0, 0x2222, 0},
    {0x3a0, 0x3a0, RISCV_M, 0, 0, 0x9f9f9f9f9f9f9f9f, 0x9f9f9f9f9f9f9f9f}, /* locks itself */
    {0x3a2, 0x3a2, RISCV_M, 0, 0, 0x9f9f9f9f9f9f9f9f, 0x9f9f9f9f9f9f9f9f},
    {0x3a4, 0x3a4, RISCV_M, 0, 0, 0, 0},
    {0x3a6, 0x3a6, RISCV_M, 0, 0, 0, 0},
    {0x3a8, 0x3a8, RISCV_M, 0, 0, 0, 0},
    {0x3aa, 0x3aa, RISCV_M, 0, 0, 0, 0},
    {0x3ac, 0x3ac, RISCV_M, 0, 0, 0, 0},
    {0x3ae, 0x3ae, RISCV_M, 0, 0, 0, 0},
    {0x3b0, 0x3bf, RISCV_M, 0, 0, ((u64)1 << 54) - 1, 0},
    {0x3c0, 0x3ef, RISCV_M, 0, 0, 0, 0},
    {0x7a0, 0x7a3, RISCV_M, 0, 0, 0, 0},
    {0x7a4, 0x7a4, RISCV_M, 0, 1, 1, 1},
    {0xb00, 0xb00, RISCV_M, 0, 0, ONES, 0},
    {0xb02, 0xb02, RISCV_M, 0, 0, ONES, 0},
    {0xb03, 0xb1f, RISCV_M, 0, 0, ONES, 0},
    {0xc00, 0xc1f, RISCV_U, RO, 0, 0, 0},
    {0xc20, 0xc20, RISCV_U, RO, 0, 0, 0},
    {0xc21, 0xc21, RISCV_U, RO, (u64)1 << 63, 0, 0},
    {0xc22, 0xc22, RISCV_U, RO, 16, 0, 0},
    {0xf11, 0xf15, RISCV_M, RO, 0, 0, 0},
};

static const struct expected *expected_find(unsigned number)
{
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        if (number >= table[i].first && number <= table[i].last) {
            return &table[i];
        }
    }
    return NULL;
}

/* mstatus.FS and VS are the bits of reset state that must be changed to read every register. */
static struct hart *machine(void)
{
    struct hart *hart = hart_new_with(16);
    cr_assert_eq(hart_csr_read(hart, CSR_MSTATUS), 0xa00000000);
    hart->state.mstatus |= MSTATUS_FS | MSTATUS_VS;
    hart->state.mstatus &= ~MSTATUS_SD;
    return hart;
}

Test(csr, exactly_the_expected_registers_exist)
{
    for (unsigned number = 0; number < 4096; number++) {
        cr_assert((riscv64_csr_find(number) != NULL) == (expected_find(number) != NULL),
                  "CSR 0x%x", number);
    }
    cr_assert(riscv64_csr_find(4096) == NULL);
}

Test(csr, reset_values_and_masks)
{
    for (unsigned number = 0; number < 4096; number++) {
        const struct expected *expected = expected_find(number);
        if (expected == NULL) {
            continue;
        }
        struct hart *hart = machine();
        hart->state.has_aia = (expected->flags & AIA) != 0;
        if (number == 0x151 || number == 0x351) {
            hart->state.siselect = hart->state.miselect = 0x70;
        }
        u64 sd = number == CSR_MSTATUS || number == CSR_SSTATUS ? MSTATUS_SD : 0;
        cr_assert(hart_csr_read(hart, number) == (expected->reset | sd), "CSR 0x%x reset: 0x%llx",
                  number, (unsigned long long)hart_csr_read(hart, number));
        bool writable = hart_csr_write(hart, number, ONES);
        cr_assert(writable == !(expected->flags & RO), "CSR 0x%x", number);
        if (writable) {
            cr_assert(hart_csr_read(hart, number) == expected->after_ones,
                      "CSR 0x%x after ones: 0x%llx", number,
                      (unsigned long long)hart_csr_read(hart, number));
            cr_assert(hart_csr_write(hart, number, 0));
            cr_assert(hart_csr_read(hart, number) == expected->after_zeros,
                      "CSR 0x%x after zeros: 0x%llx", number,
                      (unsigned long long)hart_csr_read(hart, number));
        }
        hart_free(hart);
    }
}

Test(csr, least_privilege)
{
    static const unsigned privileges[] = {RISCV_U, RISCV_S, RISCV_M};
    struct hart *hart = hart_new_with(16);
    hart_open(hart);
    hart->state.siselect = hart->state.miselect = 0x70;
    for (unsigned number = 0; number < 4096; number++) {
        const struct expected *expected = expected_find(number);
        hart->state.has_aia = expected != NULL && (expected->flags & AIA) != 0;
        for (unsigned i = 0; i < ARRAY_LEN(privileges); i++) {
            u64 value;
            hart_set_priv(hart, privileges[i]);
            bool may = expected != NULL && privileges[i] >= expected->privilege;
            cr_assert(riscv64_csr_read(&hart->state, number, &value) == may, "CSR 0x%x from %u",
                      number, privileges[i]);
        }
    }
    hart_free(hart);
}

Test(csr, plain_rows_have_neither_guard_nor_effect)
{
    unsigned count;
    const struct riscv_csr *rows = riscv64_csr_rows(&count);
    unsigned plain = 0;
    for (unsigned i = 0; i < count; i++) {
        cr_assert((rows[i].number >> 8 & 3) == rows[i].privilege, "%s", rows[i].name);
        if (rows[i].flags & RISCV_CSR_PLAIN) {
            plain++;
            cr_assert(rows[i].guard == NULL && rows[i].read == NULL && rows[i].write == NULL);
            cr_assert(rows[i].size_bytes == 4 || rows[i].size_bytes == 8);
            cr_assert(!riscv64_csr_is_read_only(rows[i].number));
        }
    }
    cr_assert_eq(plain, 13);
}

Test(csr, names)
{
    char name[24];
    cr_assert_str_eq(riscv64_csr_name(0xb07, name, sizeof(name)), "mhpmcounter7");
    cr_assert_str_eq(riscv64_csr_name(0x3a2, name, sizeof(name)), "pmpcfg2");
    cr_assert_str_eq(riscv64_csr_name(0x3c0, name, sizeof(name)), "pmpaddr16");
    cr_assert_str_eq(riscv64_csr_name(0x180, name, sizeof(name)), "satp");
    cr_assert_str_eq(riscv64_csr_name(0x30c, name, sizeof(name)), "mstateen0");
    cr_assert_str_eq(riscv64_csr_name(0xc00, name, sizeof(name)), "cycle");
    cr_assert_str_eq(riscv64_csr_name(0x7c0, name, sizeof(name)), "0x7c0");
}

Test(csr, mpp_holds_only_privileges_that_exist)
{
    struct hart *hart = hart_new();
    static const u64 after[] = {0, 1, 1, 3};
    for (u64 mpp = 0; mpp < 4; mpp++) {
        hart_csr_write(hart, CSR_MSTATUS, mpp << MSTATUS_MPP_SHIFT);
        cr_assert_eq(hart_csr_read(hart, CSR_MSTATUS) >> MSTATUS_MPP_SHIFT & 3, after[mpp]);
    }
    hart_free(hart);
}

Test(csr, satp_ignores_unknown_modes_as_a_whole)
{
    struct hart *hart = hart_new();
    u64 good = (u64)8 << 60 | (u64)0xffff << 44 | (((u64)1 << 44) - 1);
    hart_csr_write(hart, CSR_SATP, good);
    for (u64 mode = 0; mode < 16; mode++) {
        hart_csr_write(hart, CSR_SATP, good);
        hart_csr_write(hart, CSR_SATP, mode << 60 | 0x1234);
        bool known = mode == 0 || (mode >= 8 && mode <= 10);
        cr_assert_eq(hart_csr_read(hart, CSR_SATP), known ? mode << 60 | 0x1234 : good);
    }
    hart_free(hart);
}

/* And the device tree says how large address spaces can be. */
Test(csr, satp_has_the_modes_the_user_left_it)
{
    static const struct {
        const char *cpu, *mmu_type;
        u64 last_mode;
    } rows[] = {{"rv64,sv57=on", "riscv,sv57", 10}, {"rv64,sv57=off", "riscv,sv48", 9},
                {"rv64,v=on,sv48=off", "riscv,sv39", 8}, {"rv64,sv48=false", "riscv,sv39", 8}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        u64 features;
        struct guest_isa isa;
        cr_assert(riscv64_guest.parse_cpu(rows[i].cpu, &features, NULL));
        riscv64_guest.isa(features, false, &isa);
        cr_expect_str_eq(isa.mmu_type, rows[i].mmu_type);
        struct hart *hart = hart_new_with(features);
        for (u64 mode = 8; mode <= 10; mode++) {
            hart_csr_write(hart, CSR_SATP, 0);
            hart_csr_write(hart, CSR_SATP, mode << 60 | 0x1234);
            cr_expect_eq(hart_csr_read(hart, CSR_SATP) >> 60, mode <= rows[i].last_mode ? mode : 0);
        }
        hart_free(hart);
    }
    struct metic_error error;
    u64 features;
    cr_expect_not(riscv64_guest.parse_cpu("rv64,sv57", &features, &error));
    cr_expect_not(riscv64_guest.parse_cpu("rv64,sv39=off", &features, &error));
    cr_expect_not(riscv64_guest.parse_cpu("rv64,vlen=off", &features, &error));
}

Test(csr, tvm_takes_satp_from_supervisor)
{
    struct hart *hart = hart_new();
    u64 value;
    hart->state.mstatus |= MSTATUS_TVM;
    cr_assert(riscv64_csr_read(&hart->state, CSR_SATP, &value));
    hart_set_priv(hart, RISCV_S);
    cr_assert_not(riscv64_csr_read(&hart->state, CSR_SATP, &value));
    cr_assert_not(riscv64_csr_write(&hart->state, CSR_SATP, 0));
    hart->state.mstatus &= ~MSTATUS_TVM;
    cr_assert(riscv64_csr_write(&hart->state, CSR_SATP, 0));
    hart_free(hart);
}

Test(csr, counters_need_both_enables)
{
    struct hart *hart = hart_new();
    u64 value;
    for (unsigned counter = 0; counter < 32; counter++) {
        for (unsigned enables = 0; enables < 4; enables++) {
            hart->state.mcounteren = enables & 1 ? (u32)1 << counter : ~((u32)1 << counter);
            hart->state.scounteren = enables & 2 ? (u32)1 << counter : ~((u32)1 << counter);
            hart_set_priv(hart, RISCV_M);
            cr_assert(riscv64_csr_read(&hart->state, CSR_CYCLE + counter, &value));
            hart_set_priv(hart, RISCV_S);
            cr_assert(riscv64_csr_read(&hart->state, CSR_CYCLE + counter, &value) ==
                      ((enables & 1) != 0));
            hart_set_priv(hart, RISCV_U);
            cr_assert(riscv64_csr_read(&hart->state, CSR_CYCLE + counter, &value) ==
                      (enables == 3));
        }
    }
    hart_free(hart);
}

Test(csr, stimecmp_needs_stce_and_tm)
{
    struct hart *hart = hart_new();
    cr_assert(riscv64_csr_write(&hart->state, 0x14d, 5));
    for (unsigned enables = 0; enables < 4; enables++) {
        hart->state.menvcfg = enables & 1 ? MENVCFG_STCE : 0;
        hart->state.mcounteren = enables & 2 ? 2 : ~(u32)2;
        hart_set_priv(hart, RISCV_S);
        cr_assert(riscv64_csr_write(&hart->state, 0x14d, 5) == (enables == 3));
        hart_set_priv(hart, RISCV_M);
        cr_assert(riscv64_csr_write(&hart->state, 0x14d, 5));
    }
    hart_free(hart);
}

Test(csr, stateen_guards_senvcfg_and_sstateen)
{
    struct hart *hart = hart_new();
    u64 value;
    hart_set_priv(hart, RISCV_S);
    cr_assert_not(riscv64_csr_read(&hart->state, 0x10a, &value));
    hart->state.mstateen[0] = STATEEN_ENVCFG;
    cr_assert(riscv64_csr_read(&hart->state, 0x10a, &value));
    for (unsigned i = 0; i < 4; i++) {
        hart->state.mstateen[i] = 0;
        cr_assert_not(riscv64_csr_read(&hart->state, 0x10c + i, &value));
        hart->state.mstateen[i] = STATEEN_SE;
        cr_assert(riscv64_csr_write(&hart->state, 0x10c + i, ONES));
        cr_assert(riscv64_csr_read(&hart->state, 0x10c + i, &value));
        cr_assert_eq(value, 0);
    }
    hart_free(hart);
}

Test(csr, cbie_keeps_its_value_when_a_reserved_one_is_written)
{
    struct hart *hart = hart_new();
    for (unsigned i = 0; i < 2; i++) {
        unsigned number = i == 0 ? 0x30a : 0x10a;
        hart_csr_write(hart, number, 0x10);
        hart_csr_write(hart, number, 0x20 | 0x80);
        cr_assert_eq(hart_csr_read(hart, number), 0x90);
    }
    hart_free(hart);
}

Test(csr, floating_point_registers_need_fs_and_make_it_dirty)
{
    struct hart *hart = hart_new();
    struct riscv64_state *state = &hart->state;
    u64 value;
    for (unsigned number = CSR_FFLAGS; number <= CSR_FCSR; number++) {
        hart_csr_write(hart, CSR_MSTATUS, 0);
        cr_assert_not(riscv64_csr_read(state, number, &value));
        cr_assert_not(riscv64_csr_write(state, number, 0));
        hart_csr_write(hart, CSR_MSTATUS, (u64)1 << MSTATUS_FS_SHIFT);
        cr_assert(riscv64_csr_read(state, number, &value));
        cr_assert_eq(state->mstatus & MSTATUS_FS, (u64)1 << MSTATUS_FS_SHIFT);
        cr_assert(riscv64_csr_write(state, number, 0));
        cr_assert_eq(hart_csr_read(hart, CSR_MSTATUS) & (MSTATUS_FS | MSTATUS_SD),
                     MSTATUS_FS | MSTATUS_SD);
        cr_assert_eq(state->vcpu.mode & RISCV_MODE_FS, RISCV_MODE_FS);
    }
    hart_free(hart);
}

Test(csr, fcsr_is_both_halves_and_frm_sets_the_mode)
{
    struct hart *hart = hart_new();
    struct riscv64_state *state = &hart->state;
    hart_csr_write(hart, CSR_MSTATUS, MSTATUS_FS);
    hart_csr_write(hart, CSR_FCSR, 0x75);
    cr_assert_eq(hart_csr_read(hart, CSR_FRM), 3);
    cr_assert_eq(hart_csr_read(hart, CSR_FFLAGS), 0x15);
    for (u32 frm = 0; frm < 8; frm++) {
        hart_csr_write(hart, CSR_FRM, frm);
        cr_assert_eq(hart_csr_read(hart, CSR_FCSR), (u64)frm << 5 | 0x15);
        cr_assert(((state->vcpu.mode & RISCV_MODE_FRM_OTHER) != 0) == (frm != 0));
        cr_assert(((state->vcpu.mode & RISCV_MODE_FRM_SLOW) != 0) == (frm >= 4));
        cr_assert(((state->vcpu.mode & RISCV_MODE_FRM_BAD) != 0) == (frm >= 5));
        cr_assert_eq(state->vcpu.fpu_round, frm >= 5 ? 0 : frm);
    }
    hart_free(hart);
}

Test(csr, sie_and_sip_show_what_is_delegated)
{
    struct hart *hart = hart_new();
    hart_csr_write(hart, CSR_MIE, 0xaaa);
    hart_csr_write(hart, 0x303, 0x22);
    cr_assert_eq(hart_csr_read(hart, CSR_SIE), 0x22);
    hart_csr_write(hart, CSR_SIE, 0);
    cr_assert_eq(hart_csr_read(hart, CSR_MIE), 0xa88);
    hart_csr_write(hart, CSR_MIP, 0x2222);
    cr_assert_eq(hart_csr_read(hart, CSR_SIP), 0x22);
    hart_csr_write(hart, CSR_SIP, 0); /* STIP is read-only here */
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0x2220);
    hart_csr_write(hart, CSR_SIP, ONES);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0x2222);
    hart_free(hart);
}

Test(csr, setting_mip_bits_does_not_latch_the_external_line)
{
    struct hart *hart = hart_new();
    struct vcpu *vcpu = &hart->state.vcpu;
    vcpu_irq_input(vcpu, RISCV_IRQ_SEI, true);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0x200);
    cr_assert(riscv64_csr_modify(&hart->state, CSR_MIP, 0x20, 0));
    vcpu_irq_input(vcpu, RISCV_IRQ_SEI, false);
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0x20);
    cr_assert(riscv64_csr_modify(&hart->state, CSR_MIP, 0, 0x20));
    cr_assert_eq(hart_csr_read(hart, CSR_MIP), 0);
    hart_free(hart);
}

Test(csr, a_device_edge_on_ssip_is_cleared_by_software)
{
    struct hart *hart = hart_new();
    struct vcpu *vcpu = &hart->state.vcpu;
    hart_csr_write(hart, 0x303, 0x2);
    vcpu_irq_input(vcpu, RISCV_IRQ_SSI, true);
    cr_assert(riscv64_csr_modify(&hart->state, CSR_SIP, 1 << RISCV_IRQ_LCOFI, 0));
    cr_assert_eq(hart_csr_read(hart, CSR_SIP), 2);
    cr_assert(riscv64_csr_modify(&hart->state, CSR_SIP, 0, 2));
    cr_assert_eq(hart_csr_read(hart, CSR_SIP), 0);
    hart_free(hart);
}

Test(csr, mode_update_keeps_the_engines_bits)
{
    struct hart *hart = hart_new();
    struct riscv64_state *state = &hart->state;
    state->vcpu.mode |= RISCV_MODE_TRACE | RISCV_MODE_COUNT;
    hart_csr_write(hart, CSR_MSTATUS, (u64)2 << MSTATUS_FS_SHIFT);
    cr_assert_eq(state->vcpu.mode,
                 RISCV_M | 1 << 2 | RISCV_MODE_TRACE | RISCV_MODE_COUNT);
    hart_free(hart);
}

Test(csr, helpers_raise_illegal_instruction_with_its_bits)
{
    struct hart *hart = hart_new();
    struct vcpu *vcpu = &hart->state.vcpu;
    u64 (*read)(struct vcpu *, u64, u64) = (u64(*)(struct vcpu *, u64, u64))(void (*)(void))
                                               riscv64_helper_csr_read.fn;
    u64 (*write)(struct vcpu *, u64, u64, u64) =
        (u64(*)(struct vcpu *, u64, u64, u64))(void (*)(void))riscv64_helper_csr_write.fn;
    write(vcpu, 0x340, 77, 0x34051073);
    cr_assert_eq(vcpu->exception_pending, 0);
    cr_assert_eq(read(vcpu, 0x340, 0x34002573), 77);
    read(vcpu, 0x7c0, 0x7c002573);
    cr_assert_eq(vcpu->exception_pending, 1);
    cr_assert_eq(vcpu->exception_cause, RISCV_CAUSE_ILLEGAL);
    cr_assert_eq(vcpu->exception_value, 0x7c002573);
    vcpu->exception_pending = 0;
    write(vcpu, 0xf14, 1, 0xf1451073);
    cr_assert_eq(vcpu->exception_pending, 1);
    cr_assert_eq(vcpu->exception_value, 0xf1451073);
    hart_free(hart);
}

/* --- vector --- */

Test(csr, vector_registers_need_the_unit_and_vs)
{
    static const unsigned numbers[] = {0x008, 0x009, 0x00a, 0x00f, 0xc20, 0xc21, 0xc22};
    struct hart *without = hart_new(), *with = hart_new_with(32);
    hart_csr_write(without, CSR_MSTATUS, MSTATUS_VS);
    cr_assert_eq(without->state.mstatus & MSTATUS_VS, 0);
    cr_assert_eq(hart_csr_read(without, 0x301) >> ('V' - 'A') & 1, 0);
    cr_assert_eq(hart_csr_read(with, 0x301) >> ('V' - 'A') & 1, 1);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        u64 value;
        cr_assert(!riscv64_csr_read(&without->state, numbers[i], &value));
        cr_assert(!riscv64_csr_read(&with->state, numbers[i], &value));
    }
    hart_csr_write(with, CSR_MSTATUS, (u64)1 << MSTATUS_VS_SHIFT);
    cr_assert_eq(hart_csr_read(with, 0xc22), 32);
    hart_free(without);
    hart_free(with);
}

Test(csr, vector_writes_make_vs_dirty)
{
    static const unsigned numbers[] = {0x008, 0x009, 0x00a, 0x00f};
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        struct hart *hart = hart_new_with(16);
        hart_csr_write(hart, CSR_MSTATUS, (u64)1 << MSTATUS_VS_SHIFT);
        cr_assert_eq(hart->state.vcpu.mode & RISCV_MODE_VS, 1u << RISCV_MODE_VS_SHIFT);
        cr_assert(hart_csr_write(hart, numbers[i], 1));
        u64 dirty = MSTATUS_VS | MSTATUS_SD;
        cr_assert_eq(hart_csr_read(hart, CSR_MSTATUS) & dirty, dirty);
        cr_assert_eq(hart->state.vcpu.mode & RISCV_MODE_VS, RISCV_MODE_VS);
        hart_free(hart);
    }
}
