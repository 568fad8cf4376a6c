/*
 * From reset to the next stage. The first hart reads the device tree, prepares the board and
 * wakes the others; which hart enters the next stage is the caller's wish (boot_hart) or chance.
 */
#include "roms/sbi/aia.h"
#include "roms/sbi/console.h"
#include "roms/sbi/csr.h"
#include "roms/sbi/ipi.h"
#include "roms/sbi/platform.h"
#include "roms/sbi/pmu.h"

#define FW_DYNAMIC_MAGIC 0x4942534ful    /* "OSBI" */
#define FW_DYNAMIC_VERSION_BOOT_HART 2ul
#define FW_DYNAMIC_NO_BOOT_PRINTS 1ul
#define DTB_MAGIC_LE 0xedfe0dd0u

/* What the previous stage puts at a2: OpenSBI's fw_dynamic contract, versions 1 and 2. */
enum { INFO_MAGIC, INFO_VERSION, INFO_NEXT_ADDR, INFO_NEXT_MODE, INFO_OPTIONS, INFO_BOOT_HART,
       INFO_WORDS };

/* Where to go when the board is ready; written by the first hart before boot_done. */
static struct {
    uint64_t next_addr;
    uint64_t next_mode;
    uint64_t options;
    uint64_t boot_hart;    /* ~0: whichever comes first */
    uint64_t dtb_addr;
    bool dtb_usable;
} boot;

struct hart *boot_first(uint64_t hart_id, uint64_t dtb_addr, uint64_t info_addr);
_Noreturn void boot_rest(struct hart *self);
_Noreturn void boot_other(struct hart *self);

/* Addresses from the previous stage are tried, not trusted. */
static bool try_read(uint64_t address, uint64_t *value)
{
    if (address == 0 || (address & 7) != 0) {
        return false;
    }
    uint64_t probe = probe_begin();
    *value = load_try(address);
    return probe_end(probe) == 0;
}

static void read_info(uint64_t info_addr)
{
    uint64_t word[INFO_WORDS];

    boot.next_addr = DEFAULT_NEXT_ADDR;
    boot.next_mode = MODE_S;
    boot.options = 0;
    boot.boot_hart = ~0ul;
    if (!try_read(info_addr, &word[INFO_MAGIC]) || word[INFO_MAGIC] != FW_DYNAMIC_MAGIC) {
        return;
    }
    for (uint32_t i = 0; i < INFO_WORDS; i++) {
        if (!try_read(info_addr + 8 * i, &word[i])) {
            return;
        }
    }
    boot.next_addr = word[INFO_NEXT_ADDR];
    boot.next_mode = word[INFO_NEXT_MODE] == MODE_M ? MODE_M : MODE_S;
    boot.options = word[INFO_OPTIONS];
    if (word[INFO_VERSION] >= FW_DYNAMIC_VERSION_BOOT_HART) {
        boot.boot_hart = word[INFO_BOOT_HART];
    }
}

/* On the boot stack, .bss fresh. Returns the calling hart's place in the table. */
struct hart *boot_first(uint64_t hart_id, uint64_t dtb_addr, uint64_t info_addr)
{
    struct dtb tree;
    uint64_t head;

    read_info(info_addr);
    boot.dtb_addr = dtb_addr;
    boot.dtb_usable = try_read(dtb_addr, &head) && (uint32_t)head == DTB_MAGIC_LE &&
                      dtb_open(&tree, (void *)dtb_addr);
    platform_init(boot.dtb_usable ? &tree : NULL, hart_id);
    if (boot.dtb_usable) {
        aia_hide_own(&tree);
    }
    console_init();
    pmu_probe();
    if (boot.dtb_usable && platform_reserve_firmware(&tree, boot.next_addr)) {
        boot.dtb_addr = (uint64_t)(uintptr_t)tree.blob;
    } else if (boot.dtb_usable) {
        console_text("metic SBI: no room in the device tree to reserve the firmware's memory\r\n");
    }
    return hart_find(hart_id);
}

static void banner(const struct hart *self)
{
    if ((boot.options & FW_DYNAMIC_NO_BOOT_PRINTS) != 0) {
        return;
    }
    console_text("metic SBI 1.0: ");
    console_decimal(hart_count);
    console_text(hart_count == 1 ? " hart, " : " harts, ");
    console_text(self->has_sstc ? "Sstc timer, " : "ACLINT timer, ");
    console_text(boot.dtb_usable ? "" : "no device tree, ");
    console_text("next stage ");
    console_hex(boot.next_addr);
    console_text(boot.next_mode == MODE_M ? " in M-mode\r\n" : " in S-mode\r\n");
}

/* The first hart again, now on its own stack. */
_Noreturn void boot_rest(struct hart *self)
{
    struct hart *chosen = boot.boot_hart == ~0ul ? NULL : hart_find(boot.boot_hart);

    hart_setup(self);
    banner(self);
    if (chosen != NULL && chosen != self) {
        atomic_store(&chosen->state, SBI_HSM_START_PENDING);
        chosen->start_addr = boot.next_addr;
        chosen->start_a1 = boot.dtb_addr;
        chosen->start_mode = boot.next_mode;
        atomic_store(&chosen->start_requested, 1);
    }
    __asm__ volatile("fence rw, w" : : : "memory");
    *(volatile uint32_t *)&boot_done = 1;
    for (uint32_t i = 0; i < hart_count; i++) {
        if (&harts[i] != self) {
            ipi_raise(&harts[i]);
        }
    }
    if (chosen != NULL && chosen != self) {
        hart_park(self);
    }
    hart_enter(self, boot.next_addr, boot.dtb_addr, boot.next_mode);
}

/* Every other hart: prepared once, then parked until S-mode starts it. */
_Noreturn void boot_other(struct hart *self)
{
    hart_setup(self);
    hart_park(self);
}
