/* Symbols of what a machine was loaded with. */
#include "hw/machine/machine.h"

/* Position-independent firmware lies where the board loads it; a kernel's addresses are virtual. */
static bool find(const metic_machine *machine, const struct image *image, const char *name,
                 uint64_t *address)
{
    if (image == NULL || !image_find_symbol(image, name, address)) {
        return false;
    }
    if (image->relocatable && image->mode == IMAGE_MODE_MACHINE) {
        *address += machine->board->class->firmware_gpa;
    }
    return true;
}

bool metic_find_symbol(metic_machine *machine, const char *name, uint64_t *address)
{
    return find(machine, machine->boot.main, name, address) ||
           find(machine, machine->boot.firmware, name, address);
}
