/* Symbols of what a machine was loaded with. */
#include "hw/machine/machine.h"

bool metic_find_symbol(metic_machine *machine, const char *name, uint64_t *address)
{
    const struct machine_boot *boot = &machine->boot;
    return (boot->main != NULL && image_find_symbol(boot->main, name, address)) ||
           (boot->firmware != NULL && image_find_symbol(boot->firmware, name, address));
}
