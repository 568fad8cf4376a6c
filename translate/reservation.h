/* Load-reserveds whose store-conditional did come, though none was in sight when they were
 * translated. See reservation.c. */
#ifndef METIC_TRANSLATE_RESERVATION_H
#define METIC_TRANSLATE_RESERVATION_H

#include "cpu/base/types.h"

enum { RESERVATION_SITES = 1024 };

/* Physical addresses of instructions. One that another one drives out is learned again. */
struct reservation_sites {
    gpa_t at[RESERVATION_SITES];
};

static inline unsigned reservation_site_index(gpa_t gpa)
{
    return (unsigned)((gpa >> 1 ^ gpa >> 11) % RESERVATION_SITES);
}

static inline void reservation_note_needed(struct reservation_sites *sites, gpa_t gpa)
{
    sites->at[reservation_site_index(gpa)] = gpa;
}

static inline bool reservation_is_needed(const struct reservation_sites *sites, gpa_t gpa)
{
    return sites->at[reservation_site_index(gpa)] == gpa;
}

#endif
