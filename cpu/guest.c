/* The list of guests; see guest.h. */
#include "cpu/guest.h"

#include <string.h>

#define GUEST(descriptor) extern const struct guest descriptor;
#include "cpu/guests.def"
#undef GUEST

const struct guest *const guest_list[] = {
#define GUEST(descriptor) &descriptor,
#include "cpu/guests.def"
#undef GUEST
};
const unsigned guest_count = ARRAY_LEN(guest_list);

const struct guest *guest_find(const char *name)
{
    for (unsigned i = 0; i < guest_count; i++) {
        if (strcmp(guest_list[i]->name, name) == 0) {
            return guest_list[i];
        }
    }
    return NULL;
}
