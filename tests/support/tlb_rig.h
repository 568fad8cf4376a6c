/* A hart that is a TLB and no more, for tests of it: make_hart() and free_hart() around each. */
#ifndef METIC_TESTS_SUPPORT_TLB_RIG_H
#define METIC_TESTS_SUPPORT_TLB_RIG_H

#include "cpu/tlb.h"
#include "cpu/vcpu.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct vcpu *hart;

static inline void make_hart(void)
{
    hart = calloc(1, sizeof(*hart));
    tlb_init(hart);
    tlb_select_data(hart, 0, 0, 0, true);
    tlb_select_fetch(hart, 0, 0, 0, true);
}

static inline void free_hart(void)
{
    tlb_fini(hart);
    free(hart);
}

/* Where all pages are in the host. */
static u8 host_page[PAGE_BYTES];

/* A page that may be read and written into the current space. */
static inline void put(gva_t page, gpa_t gpa_page, u64 span_bytes, bool global)
{
    struct tlb_fill fill = {
        .page = page, .gpa_page = gpa_page, .host_page = host_page, .span_bytes = span_bytes,
        .flags = TLB_READABLE | TLB_WRITABLE | (global ? (u32)TLB_GLOBAL : 0),
    };
    tlb_insert(hart, &fill);
}

static inline bool has(gva_t page)
{
    return tlb_find(hart, page, false) != NULL;
}

#endif
