/* The table of extensions and the way to them. */
#include "roms/sbi/ecall.h"

#include "roms/sbi/console.h"
#include "roms/sbi/platform.h"

static bool finisher_present(void)
{
    return platform.finisher != NULL;
}

static const struct sbi_extension extensions[] = {
    {SBI_EXT_TIME, ext_time, NULL},
    {SBI_EXT_IPI, ext_ipi, NULL},
    {SBI_EXT_RFENCE, ext_rfence, NULL},
    {SBI_EXT_DBCN, ext_dbcn, console_present},
    {SBI_EXT_PMU, ext_pmu, NULL},
    {SBI_EXT_HSM, ext_hsm, NULL},
    {SBI_EXT_SRST, ext_srst, finisher_present},
    {SBI_EXT_BASE, ext_base, NULL},
};

static const struct sbi_extension *find(uint64_t id)
{
    for (uint32_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        const struct sbi_extension *ext = &extensions[i];
        if (ext->id == id && (ext->present == NULL || ext->present())) {
            return ext;
        }
    }
    return NULL;
}

uint64_t ecall_probe(uint64_t extension_id)
{
    return extension_id <= SBI_LEGACY_SHUTDOWN || find(extension_id) != NULL ? 1 : 0;
}

bool ecall_select_harts(uint64_t mask, uint64_t base, uint64_t *targets)
{
    *targets = 0;
    if (base == ~0ul) {
        for (uint32_t i = 0; i < hart_count; i++) {
            *targets |= 1ul << i;
        }
        return true;
    }
    for (uint32_t bit = 0; bit < 64; bit++) {
        if ((mask >> bit & 1) != 0) {
            const struct hart *hart = base + bit >= base ? hart_find(base + bit) : NULL;
            if (hart == NULL) {
                return false;
            }
            *targets |= 1ul << hart->index;
        }
    }
    return true;
}

/* The step over the ecall comes first: suspend and its like set mepc to another place. */
void ecall_handle(struct hart *self, struct trap_frame *frame)
{
    uint64_t id = frame->x[REG_A7];
    struct sbi_call call = {self, frame, &frame->x[REG_A0], frame->x[REG_A6]};

    frame->mepc += 4;
    if (id <= SBI_LEGACY_SHUTDOWN) {
        frame->x[REG_A0] = (uint64_t)ext_legacy(&call, id);
        return;
    }
    const struct sbi_extension *ext = find(id);
    struct sbi_ret ret = ext != NULL ? ext->handle(&call) : SBI_ERROR(SBI_ERR_NOT_SUPPORTED);
    frame->x[REG_A0] = (uint64_t)ret.error;
    frame->x[REG_A1] = ret.value;
}
