/* A power button: a wire to the interrupt controller, and nothing a processor could read.
 *
 * The device tree presents it as a key of a "gpio-keys" node that has an interrupt and no GPIO
 * (Linux: Documentation/devicetree/bindings/input/gpio-keys.yaml). Linux's gpio_keys driver makes
 * an input device of it that sends KEY_POWER (116) and lets go at once, and whoever listens to
 * that, systemd-logind for one, shuts the system down. A system without the driver does not notice.
 *
 * Each press is a pulse: the wire goes up and down, and the controller keeps the request, as the
 * gateway of a PLIC does. So there is no state. QEMU's virt board has no such button. */
#include "hw/misc/power_button.h"

#include "hw/fdt_build.h"

enum { LINUX_KEY_POWER = 116, IRQ_RISING = 1 /* as device trees say it */ };

void power_button_press(struct device *device)
{
    device_lock(device);
    device_set_output(device, 0, true);
    device_set_output(device, 0, false);
    device_unlock(device);
}

static void power_button_reset(struct device *device)
{
    device_set_output(device, 0, false);
}

static void power_button_fdt(const struct device *device, const struct device_place *place,
                             struct fdt_build *fdt)
{
    (void)device;
    fdt_build_begin(fdt, "gpio-keys");
    fdt_build_string(fdt, "compatible", "gpio-keys");
    fdt_build_begin(fdt, "poweroff");
    fdt_build_string(fdt, "label", "Power button");
    fdt_build_u32(fdt, "linux,code", LINUX_KEY_POWER);
    u32 cells[2] = {place->irq, IRQ_RISING};
    fdt_build_cells(fdt, "interrupts", cells, place->irq_has_type ? 2 : 1);
    fdt_build_u32(fdt, "interrupt-parent", place->irq_phandle);
    fdt_build_end(fdt);
    fdt_build_end(fdt);
}

const struct device_class power_button_class = {
    .name = "power-button",
    .summary = "power button, a gpio-keys key with an interrupt of its own",
    .reset = power_button_reset,
    .fdt = power_button_fdt,
};
