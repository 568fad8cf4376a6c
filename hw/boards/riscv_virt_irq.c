/* riscv-virt's interrupt controllers: a PLIC, or with AIA an APLIC on lines or with IMSICs; and the
 * CLINT, whose timers and software interrupts are there with each. */
#include "hw/boards/riscv_virt.h"

#include <string.h>

struct device *virt_add_at(struct board *board, const struct device_spec *spec, const gpa_t *gpas,
                           unsigned gpa_count, unsigned irq, u32 phandle,
                           struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    struct device *device = board_add_device(board, spec, gpas, gpa_count, error);
    if (device == NULL) {
        return NULL;
    }
    for (unsigned i = 0; irq != 0 && i < spec->output_count; i++) {
        device_connect(device, i, device_input_line(virt->irq_device, irq + i));
    }
    struct virt_placed *placed = &virt->placed[virt->placed_count++];
    *placed = (struct virt_placed){
        device,
        {.irq = irq, .irq_phandle = VIRT_PHANDLE_IRQ, .phandle = phandle,
         .irq_has_type = board->options.aia != BOARD_AIA_NONE, .msi_phandle = virt->msi_phandle,
         .cpu_irq_phandles = virt->cpu_irq_phandles, .hart_count = board->env.hart_count}};
    for (unsigned i = 0; i < gpa_count; i++) {
        placed->place.gpa[i] = gpas[i];
    }
    return device;
}

struct device *virt_add(struct board *board, const struct device_spec *spec, gpa_t gpa,
                        unsigned irq, u32 phandle, struct metic_error *error)
{
    return virt_add_at(board, spec, &gpa, 1, irq, phandle, error);
}

static bool virt_add_plic(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    virt->plic = (struct plic_config){VIRT_PLIC_SOURCES, harts * 2};
    struct device_spec plic = {&plic_class, "plic", &virt->plic, harts * 2, {0}};
    virt->irq_device = virt_add(board, &plic, VIRT_PLIC_GPA, 0, VIRT_PHANDLE_IRQ, error);
    for (unsigned h = 0; virt->irq_device != NULL && h < harts; h++) {
        device_connect(virt->irq_device, 2 * h, board_hart_line(board, h, BOARD_IRQ_MEI));
        device_connect(virt->irq_device, 2 * h + 1, board_hart_line(board, h, BOARD_IRQ_SEI));
    }
    return virt->irq_device != NULL;
}

static bool virt_add_aplic(struct board *board, struct metic_error *error)
{
    static const gpa_t gpas[APLIC_DOMAINS] = {VIRT_APLIC_M_GPA, VIRT_APLIC_S_GPA};
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    u32 phandle = VIRT_PHANDLE_CPU + 2 * harts; /* the next free ones */
    virt->aplic = (struct aplic_config){
        .source_count = VIRT_APLIC_SOURCES, .hart_count = harts,
        .messages = board->options.aia == BOARD_AIA_APLIC_IMSIC,
        .phandle = {[APLIC_M] = phandle, [APLIC_S] = VIRT_PHANDLE_IRQ},
        .msi_phandle = {[APLIC_M] = phandle + 1, [APLIC_S] = phandle + 2}};
    struct device_spec aplic = {&aplic_class, "aplic", &virt->aplic, APLIC_DOMAINS * harts, {0}};
    virt->irq_device = virt_add_at(board, &aplic, gpas, APLIC_DOMAINS, 0, 0, error);
    for (unsigned h = 0; virt->irq_device != NULL && h < harts; h++) {
        if (!virt->aplic.messages) {
            device_connect(virt->irq_device, h, board_hart_line(board, h, BOARD_IRQ_MEI));
            device_connect(virt->irq_device, harts + h, board_hart_line(board, h, BOARD_IRQ_SEI));
        }
    }
    return virt->irq_device != NULL;
}

/* A device's write that is an interrupt: to a page of an IMSIC, or into RAM, where a driver may
 * look for it. */
static void virt_message(void *opaque, gpa_t gpa, u32 data)
{
    const struct board *board = opaque;
    const struct riscv_virt *virt = board->private;
    static const gpa_t pages[] = {[IMSIC_M] = VIRT_IMSIC_M_GPA, [IMSIC_S] = VIRT_IMSIC_S_GPA};
    for (unsigned i = 0; i < ARRAY_LEN(pages); i++) {
        if (gpa - pages[i] < (u64)board->env.hart_count * IMSIC_PAGE_BYTES) {
            imsic_message(virt->imsic_device[i], gpa - pages[i], data);
            return;
        }
    }
    u8 bytes[4];
    st_le32(bytes, data);
    memory_dma_write(board->env.devices.memory, gpa, bytes, sizeof(bytes));
}

static bool virt_add_imsics(struct board *board, struct metic_error *error)
{
    static const char *const names[] = {[IMSIC_M] = "imsic.m", [IMSIC_S] = "imsic.s"};
    static const gpa_t gpas[] = {[IMSIC_M] = VIRT_IMSIC_M_GPA, [IMSIC_S] = VIRT_IMSIC_S_GPA};
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    u32 phandle = VIRT_PHANDLE_CPU + 2 * harts + 1;
    CHECK(board->env.hart_message != NULL);
    for (unsigned i = 0; i < ARRAY_LEN(gpas); i++) {
        virt->imsic[i] = (struct imsic_config){harts, i, board->env.hart_message,
                                               board->env.hart_opaque};
        struct device_spec spec = {&imsic_class, names[i], &virt->imsic[i], 0,
                                   {harts * IMSIC_PAGE_BYTES}};
        virt->imsic_device[i] = virt_add(board, &spec, gpas[i], 0, phandle + i, error);
        if (virt->imsic_device[i] == NULL) {
            return false;
        }
    }
    virt->msi_phandle = phandle + IMSIC_S;
    board->env.devices.message = virt_message;
    board->env.devices.message_opaque = board;
    return true;
}

static bool virt_add_clint(struct board *board, struct metic_error *error)
{
    struct riscv_virt *virt = board->private;
    unsigned harts = board->env.hart_count;
    virt->aclint = (struct aclint_config){harts};
    struct device_spec clint = {&clint_class, "clint", &virt->aclint, harts * 2, {0}};
    struct device_spec sswi = {&aclint_sswi_class, "sswi", &virt->aclint, harts, {0}};
    board->timer = virt_add(board, &clint, VIRT_CLINT_GPA, 0, 0, error);
    struct device *sswi_device =
        board->timer != NULL ? virt_add(board, &sswi, VIRT_SSWI_GPA, 0, 0, error) : NULL;
    if (sswi_device == NULL) {
        return false;
    }
    for (unsigned h = 0; h < harts; h++) {
        device_connect(board->timer, h, board_hart_line(board, h, BOARD_IRQ_MSI));
        device_connect(board->timer, harts + h, board_hart_line(board, h, BOARD_IRQ_MTI));
        device_connect(sswi_device, h, board_hart_line(board, h, BOARD_IRQ_SSI));
    }
    return true;
}

bool virt_add_interrupts(struct board *board, struct metic_error *error)
{
    bool controller = false;
    switch (board->options.aia) {
    case BOARD_AIA_NONE: controller = virt_add_plic(board, error); break;
    case BOARD_AIA_APLIC: controller = virt_add_aplic(board, error); break;
    case BOARD_AIA_APLIC_IMSIC:
        controller = virt_add_imsics(board, error) && virt_add_aplic(board, error);
        break;
    }
    return controller && virt_add_clint(board, error);
}
