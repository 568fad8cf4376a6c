/* The demo's view of the board, its time and its ends. */
#include "roms/common/mem.h"
#include "roms/common/sbi_defs.h"
#include "roms/demo/demo.h"

#define FINISHER_PASS 0x5555u
#define FINISHER_RESET 0x7777u
#define IRQ_SUPERVISOR_EXTERNAL 9u
#define DTB_MAGIC_LE 0xedfe0dd0u

struct sbi_result sbi_call(uint64_t extension, uint64_t function, uint64_t a0, uint64_t a1,
                           uint64_t a2)
{
    register uint64_t r0 __asm__("a0") = a0;
    register uint64_t r1 __asm__("a1") = a1;
    register uint64_t r2 __asm__("a2") = a2;
    register uint64_t r6 __asm__("a6") = function;
    register uint64_t r7 __asm__("a7") = extension;

    __asm__ volatile("ecall" : "+r"(r0), "+r"(r1) : "r"(r2), "r"(r6), "r"(r7) : "memory");
    return (struct sbi_result){(int64_t)r0, r1};
}

uint64_t machine_ticks(void)
{
    uint64_t ticks;

    __asm__ volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

static _Noreturn void end(const struct machine *m, uint32_t finisher, uint64_t reset_type)
{
    sbi_call(SBI_EXT_SRST, SBI_SRST_RESET, reset_type, SBI_SRST_REASON_NONE, 0);
    if (m->finisher_base != 0) {
        *(volatile uint32_t *)m->finisher_base = finisher;
    }
    for (;;) {
        __asm__ volatile("wfi");
    }
}

_Noreturn void machine_power_off(const struct machine *m)
{
    end(m, FINISHER_PASS, SBI_SRST_SHUTDOWN);
}

_Noreturn void machine_reboot(const struct machine *m)
{
    end(m, FINISHER_RESET, SBI_SRST_COLD_REBOOT);
}

static const char *text_prop(const struct dtb_walk *at, const char *name)
{
    uint32_t bytes;
    const char *text = (const char *)dtb_prop(at, name, &bytes);

    return text != NULL && bytes > 0 && text[bytes - 1] == '\0' ? text : NULL;
}

/* The commands behind run= in the boot arguments; the list ends with a blank or the text. */
static const char *find_run(const char *bootargs)
{
    for (const char *p = bootargs; p != NULL && *p != '\0'; p++) {
        if (text_starts(p, "run=") && (p == bootargs || p[-1] == ' ')) {
            return p + 4;
        }
    }
    return NULL;
}

/* PLIC contexts are numbered as the pairs of interrupts-extended; ours is (our hart, 9). */
static void read_plic(struct machine *m, const struct dtb_walk *at, uint32_t our_intc)
{
    uint32_t bytes;
    const uint8_t *pairs = dtb_prop(at, "interrupts-extended", &bytes);

    for (uint32_t i = 0; pairs != NULL && i + 8 <= bytes; i += 8) {
        if (dtb_be32(pairs + i) == our_intc &&
            dtb_be32(pairs + i + 4) == IRQ_SUPERVISOR_EXTERNAL &&
            dtb_reg(at, 0, &m->plic_base, NULL)) {
            m->plic_context = i / 8;
            return;
        }
    }
}

static void read_cpu(struct machine *m, const struct dtb_walk *at)
{
    m->hart_count++;
    if (m->isa == NULL) {
        m->isa = text_prop(at, "riscv,isa");
    }
}

/* Devices of a kind: the first one counts, except RAM, which adds up. */
static void read_device(struct machine *m, const struct dtb_walk *at)
{
    uint64_t base;
    uint64_t size_bytes;

    if (dtb_prop_has(at, "device_type", "memory") && dtb_reg(at, 0, &base, &size_bytes)) {
        m->ram_bytes += size_bytes;
    } else if (m->uart_base == 0 && dtb_prop_has(at, "compatible", "ns16550a") &&
               dtb_reg(at, 0, &base, NULL)) {
        m->uart_base = base;
        m->uart_irq = dtb_prop_u32(at, "interrupts", 0);
    } else if ((dtb_prop_has(at, "compatible", "sifive,test1") ||
                dtb_prop_has(at, "compatible", "sifive,test0")) &&
               dtb_reg(at, 0, &base, NULL)) {
        m->finisher_base = base;
    }
}

void machine_read(struct machine *m, uint64_t hart_id, void *tree_blob)
{
    struct dtb_walk at;
    uint64_t cpu_id = ~0ul;
    uint32_t our_intc = 0;

    m->boot_hart = hart_id;
    m->has_tree = tree_blob != NULL && *(uint32_t *)tree_blob == DTB_MAGIC_LE &&
                  dtb_open(&m->tree, tree_blob);
    if (!m->has_tree) {
        return;
    }
    for (dtb_walk_init(&at, &m->tree); dtb_walk_next(&at);) {
        if (at.depth == 1) {
            m->model = text_prop(&at, "model");
        } else if (at.depth == 2 && text_equal(dtb_name(&at, 0), "cpus")) {
            m->timebase_hz = dtb_prop_u32(&at, "timebase-frequency", 0);
        } else if (at.depth == 2 && text_equal(dtb_name(&at, 0), "chosen")) {
            m->run = find_run(text_prop(&at, "bootargs"));
        } else if (dtb_prop_has(&at, "device_type", "cpu") && dtb_reg(&at, 0, &cpu_id, NULL)) {
            read_cpu(m, &at);
        } else if (cpu_id == hart_id && dtb_prop_has(&at, "compatible", "riscv,cpu-intc")) {
            our_intc = dtb_prop_u32(&at, "phandle", 0);
        } else {
            read_device(m, &at);
        }
    }
    for (dtb_walk_init(&at, &m->tree); dtb_walk_next(&at);) {
        if (dtb_prop_has(&at, "compatible", "riscv,plic0") ||
            dtb_prop_has(&at, "compatible", "sifive,plic-1.0.0")) {
            read_plic(m, &at, our_intc);
        }
    }
}
