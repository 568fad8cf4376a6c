/* The interrupt files of a hart (AIA 1.0, chapters 2, 3 and 5): messages, registers by number,
 * claims, and who may reach them. */
#include "cpu/riscv64/imsic.h"
#include "cpu/riscv64/trap.h"
#include "tests/cpu/riscv64/hart.h"

#include <criterion/criterion.h>

enum { MISELECT = 0x350, MIREG = 0x351, MTOPEI = 0x35c, MTOPI = 0xfb0, MVIEN = 0x308, MVIP = 0x309,
       SISELECT = 0x150, SIREG = 0x151, STOPEI = 0x15c, STOPI = 0xdb0,
       DELIVERY = 0x70, THRESHOLD = 0x72, EIP0 = 0x80, EIE0 = 0xc0 };

static struct hart *hart;

static void setup(void)
{
    hart = hart_new();
    hart->state.has_aia = true;
    riscv64_csr_write(&hart->state, 0x30c, ~(u64)0);
}

static void teardown(void)
{
    hart_free(hart);
}

TestSuite(imsic, .init = setup, .fini = teardown);

static void put(unsigned select_csr, u32 select, u64 value)
{
    cr_assert(riscv64_csr_write(&hart->state, select_csr, select));
    cr_assert(riscv64_csr_write(&hart->state, select_csr + 1, value), "0x%x", select);
}

static u64 get(unsigned select_csr, u32 select)
{
    u64 value = 0;
    cr_assert(riscv64_csr_write(&hart->state, select_csr, select));
    cr_assert(riscv64_csr_read(&hart->state, select_csr + 1, &value), "0x%x", select);
    return value;
}

static u64 read_csr(unsigned number)
{
    u64 value = 0;
    cr_assert(riscv64_csr_read(&hart->state, number, &value), "CSR 0x%x", number);
    return value;
}

static void message(unsigned file, u32 number)
{
    riscv64_message(&hart->state.vcpu, file, number);
    (void)riscv64_interrupt_ready(&hart->state.vcpu); /* as the run loop does when kicked */
}

static bool is_pending(unsigned irq)
{
    return (riscv64_mip(&hart->state) & BIT(irq)) != 0;
}

Test(imsic, a_message_raises_its_levels_interrupt)
{
    put(SISELECT, EIE0, BIT(7));
    put(SISELECT, DELIVERY, 1);
    cr_assert(!is_pending(RISCV_IRQ_SEI));
    message(RISCV_IMSIC_S, 7);
    cr_assert(is_pending(RISCV_IRQ_SEI) && !is_pending(RISCV_IRQ_MEI));
    cr_assert_eq(get(SISELECT, EIP0), BIT(7));
    cr_assert_eq(read_csr(STOPEI), 7 << 16 | 7);
    cr_assert_eq(read_csr(MTOPEI), 0);
    message(RISCV_IMSIC_M, 9);
    cr_assert(!is_pending(RISCV_IRQ_MEI), "not enabled");
    put(MISELECT, EIE0, BIT(9));
    cr_assert(!is_pending(RISCV_IRQ_MEI), "delivery is off");
    put(MISELECT, DELIVERY, 1);
    cr_assert(is_pending(RISCV_IRQ_MEI));
}

Test(imsic, the_lowest_number_comes_first_and_a_write_claims_it)
{
    put(SISELECT, DELIVERY, 1);
    put(SISELECT, EIE0, ~(u64)0);
    put(SISELECT, EIE0 + 6, ~(u64)0);
    message(RISCV_IMSIC_S, 200);
    message(RISCV_IMSIC_S, 30);
    cr_assert_eq(read_csr(STOPEI), 30 << 16 | 30);
    cr_assert(riscv64_csr_write(&hart->state, STOPEI, 0));
    cr_assert_eq(read_csr(STOPEI), 200 << 16 | 200);
    cr_assert(is_pending(RISCV_IRQ_SEI));
    cr_assert(riscv64_csr_write(&hart->state, STOPEI, 12345));
    cr_assert_eq(read_csr(STOPEI), 0);
    cr_assert(!is_pending(RISCV_IRQ_SEI));
    cr_assert(riscv64_csr_write(&hart->state, STOPEI, 0), "claiming nothing");
}

/* csrrw rd, stopei, x0 claims what it read, though something else came between. */
Test(imsic, one_instruction_claims_what_it_read)
{
    put(SISELECT, EIE0, ~(u64)0);
    message(RISCV_IMSIC_S, 30);
    hart->state.vcpu.insns = 1000;
    cr_assert_eq(read_csr(STOPEI), 30 << 16 | 30);
    riscv64_message(&hart->state.vcpu, RISCV_IMSIC_S, 3);
    cr_assert(riscv64_csr_write(&hart->state, STOPEI, 0));
    cr_assert_eq(get(SISELECT, EIP0), BIT(3));
    /* A later instruction that reads nothing claims what is on top then. */
    message(RISCV_IMSIC_S, 30);
    hart->state.vcpu.insns = 1001;
    cr_assert(riscv64_csr_write(&hart->state, STOPEI, 0));
    cr_assert_eq(get(SISELECT, EIP0), BIT(30));
}

Test(imsic, threshold)
{
    put(MISELECT, DELIVERY, 1);
    put(MISELECT, EIE0, ~(u64)0);
    message(RISCV_IMSIC_M, 20);
    put(MISELECT, THRESHOLD, 20);
    cr_assert_eq(read_csr(MTOPEI), 0, "20 is not below 20");
    cr_assert(!is_pending(RISCV_IRQ_MEI));
    put(MISELECT, THRESHOLD, 21);
    cr_assert_eq(read_csr(MTOPEI), 20 << 16 | 20);
    put(MISELECT, THRESHOLD, 0x1ff);
    cr_assert_eq(get(MISELECT, THRESHOLD), 0xff);
}

Test(imsic, numbers_that_there_are_not)
{
    message(RISCV_IMSIC_S, 0);
    message(RISCV_IMSIC_S, 256);
    message(2, 5);
    for (u32 i = 0; i < 8; i += 2) {
        cr_assert_eq(get(SISELECT, EIP0 + i), 0);
        put(SISELECT, EIE0 + i, ~(u64)0);
        cr_assert_eq(get(SISELECT, EIE0 + i), i == 0 ? ~(u64)1 : ~(u64)0, "0 is no number");
    }
    put(SISELECT, EIP0 + 8, ~(u64)0); /* beyond 255 */
    cr_assert_eq(get(SISELECT, EIP0 + 8), 0);
    static const u32 none[] = {0, 0x2f, 0x31, 0x40, 0x71, 0x73, 0x81, 0xc1, 0x100, 0x1ff};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        u64 value;
        cr_assert(riscv64_csr_write(&hart->state, SISELECT, none[i]));
        cr_assert_not(riscv64_csr_read(&hart->state, SIREG, &value), "0x%x", none[i]);
        cr_assert_not(riscv64_csr_write(&hart->state, SIREG, 0), "0x%x", none[i]);
        cr_assert_not(riscv64_csr_modify(&hart->state, SIREG, 1, 0), "0x%x", none[i]);
    }
    put(SISELECT, 0x30, ~(u64)0); /* priorities: zeros */
    cr_assert_eq(get(SISELECT, 0x30), 0);
}

Test(imsic, bits_are_set_and_cleared)
{
    cr_assert(riscv64_csr_write(&hart->state, SISELECT, EIP0));
    cr_assert(riscv64_csr_modify(&hart->state, SIREG, BIT(5) | BIT(6), 0));
    riscv64_message(&hart->state.vcpu, RISCV_IMSIC_S, 7);
    cr_assert(riscv64_csr_modify(&hart->state, SIREG, 0, BIT(5)));
    cr_assert_eq(get(SISELECT, EIP0), BIT(6) | BIT(7));
    cr_assert(riscv64_csr_modify(&hart->state, SIREG, BIT(0), 0));
    cr_assert_eq(get(SISELECT, EIP0), BIT(6) | BIT(7));
}

Test(imsic, a_message_kicks_only_when_it_is_new)
{
    atomic_store(&hart->state.vcpu.requests, 0);
    riscv64_message(&hart->state.vcpu, RISCV_IMSIC_S, 7);
    cr_assert_eq(atomic_load(&hart->state.vcpu.requests), VCPU_REQUEST_IRQ);
    atomic_store(&hart->state.vcpu.requests, 0);
    riscv64_message(&hart->state.vcpu, RISCV_IMSIC_S, 7);
    cr_assert_eq(atomic_load(&hart->state.vcpu.requests), 0);
}

Test(imsic, top_interrupts_by_urgency)
{
    hart->state.mideleg = BIT(RISCV_IRQ_SSI) | BIT(RISCV_IRQ_SEI);
    hart->state.mie = ~(u64)0;
    cr_assert_eq(read_csr(MTOPI), 0);
    vcpu_irq_input(&hart->state.vcpu, RISCV_IRQ_MTI, true);
    cr_assert_eq(read_csr(MTOPI), RISCV_IRQ_MTI << 16 | 1);
    vcpu_irq_input(&hart->state.vcpu, RISCV_IRQ_MSI, true);
    cr_assert_eq(read_csr(MTOPI), RISCV_IRQ_MSI << 16 | 1);
    cr_assert_eq(read_csr(STOPI), 0);
    hart->state.mip_soft = BIT(RISCV_IRQ_SSI) | BIT(RISCV_IRQ_SEI);
    cr_assert_eq(read_csr(STOPI), RISCV_IRQ_SEI << 16 | 1);
    hart->state.mie &= ~BIT(RISCV_IRQ_SEI);
    cr_assert_eq(read_csr(STOPI), RISCV_IRQ_SSI << 16 | 1);
}

Test(imsic, virtual_pending_bits_are_those_of_mip)
{
    cr_assert(riscv64_csr_write(&hart->state, MVIP, BIT(RISCV_IRQ_SSI) | BIT(RISCV_IRQ_SEI)));
    cr_assert_eq(hart->state.mip_soft, BIT(RISCV_IRQ_SSI) | BIT(RISCV_IRQ_SEI));
    cr_assert_eq(read_csr(MVIP), BIT(RISCV_IRQ_SSI) | BIT(RISCV_IRQ_SEI));
    hart->state.mip_soft |= BIT(RISCV_IRQ_LCOFI);
    cr_assert(riscv64_csr_write(&hart->state, MVIP, 0));
    cr_assert_eq(hart->state.mip_soft, BIT(RISCV_IRQ_LCOFI));
    cr_assert(riscv64_csr_write(&hart->state, MVIEN, ~(u64)0));
    cr_assert_eq(read_csr(MVIEN), 0);
}

Test(imsic, state_enables)
{
    static const struct {
        unsigned csr, bit;
    } rows[] = {{SISELECT, 60}, {STOPEI, 58}, {STOPI, 59}};
    u64 value;
    hart->state.siselect = DELIVERY;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        hart->state.mstateen[0] = ~BIT(rows[i].bit);
        hart_set_priv(hart, RISCV_S);
        cr_assert_not(riscv64_csr_read(&hart->state, rows[i].csr, &value), "0x%x", rows[i].csr);
        hart->state.mstateen[0] = BIT(rows[i].bit);
        cr_assert(riscv64_csr_read(&hart->state, rows[i].csr, &value), "0x%x", rows[i].csr);
        hart_set_priv(hart, RISCV_M);
        hart->state.mstateen[0] = 0;
        cr_assert(riscv64_csr_read(&hart->state, rows[i].csr, &value), "0x%x", rows[i].csr);
    }
    hart_set_priv(hart, RISCV_S);
    hart->state.mstateen[0] = BIT(60);
    cr_assert_not(riscv64_csr_read(&hart->state, SIREG, &value), "that register is the file's");
    hart->state.mstateen[0] = BIT(60) | BIT(58);
    cr_assert(riscv64_csr_read(&hart->state, SIREG, &value));
}

Test(imsic, a_hart_without_has_none_of_it)
{
    static const unsigned csrs[] = {MISELECT, MIREG, MTOPEI, MTOPI, MVIEN, MVIP, SISELECT, SIREG,
                                    STOPEI, STOPI};
    u64 value;
    hart->state.has_aia = false;
    hart->state.mstateen[0] = 0;
    hart->state.miselect = hart->state.siselect = DELIVERY;
    for (size_t i = 0; i < ARRAY_LEN(csrs); i++) {
        cr_assert_not(riscv64_csr_read(&hart->state, csrs[i], &value), "0x%x", csrs[i]);
    }
    message(RISCV_IMSIC_S, 7);
    cr_assert_eq(hart->state.imsic_eip[RISCV_IMSIC_WORDS], 0);
    cr_assert(riscv64_csr_write(&hart->state, 0x30c, ~(u64)0));
    cr_assert_eq(read_csr(0x30c), (u64)3 << 62);
}

Test(imsic, loaded_state_is_made_legal)
{
    memset(hart->state.imsic_eip, 0xff, sizeof(hart->state.imsic_eip));
    memset(hart->state.imsic_eie, 0xff, sizeof(hart->state.imsic_eie));
    hart->state.imsic_delivery[1] = 7;
    hart->state.imsic_threshold[1] = 0x1ff00;
    riscv64_state_loaded(&hart->state);
    cr_assert_eq(get(SISELECT, EIP0), ~(u64)1);
    cr_assert_eq(get(SISELECT, DELIVERY), 1);
    cr_assert_eq(get(SISELECT, THRESHOLD), 0);
    cr_assert(is_pending(RISCV_IRQ_SEI));
}
