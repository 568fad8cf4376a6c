/* The span that generated code compares with before it writes (cpu/tlb.h).
 *
 * It stands for a write entry of each of its pages: they are marked WRITABLE, and none of them
 * holds code that is clean, or is watched. Marking them costs something, and code that comes to
 * such a page later begins dirty. So there is none at first: a store outside of it looks at the
 * TLB, and notes where that was; with each sample of hot code (tier2.h) somebody looks at the note,
 * and makes the span so large that it holds that place, too. That is what bare-metal programs get;
 * firmware that is called now and then is hardly ever seen. */
#include "cpu/guest.h"
#include "translate/engine.h"
#include "cpu/page_flags.h"
#include "translate/softmmu.h"

/* How far from a page others are looked at, and how many instructions pass before the next time. */
enum { REACH_PAGES = 1 << 17, PAUSE_INSNS = 1 << 20 };

/* Eight pages' flags. */
typedef u64 __attribute__((may_alias)) flags_word;
enum { WORD_PAGES = 8 };
#define EACH(flag) ((flag) * (u64)0x0101010101010101)

_Static_assert(MEMORY_PAGE_DIRTY == MEMORY_PAGE_CODE << 2, "is_watched() shifts one to the other");

static bool is_watched(u64 flags)
{
    u64 clean = flags & EACH(MEMORY_PAGE_CODE) & ~(flags >> 2);
    return (clean | (flags & EACH(MEMORY_PAGE_RESERVED))) != 0;
}

/* mark_writable for eight pages at once, none of which is watched; false: one is. */
static bool mark_word(_Atomic u8 *flags)
{
    flags_word *word = (flags_word *)(void *)flags;
    u64 now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if (!is_watched(now) && (now & EACH(MEMORY_PAGE_WRITABLE)) != EACH(MEMORY_PAGE_WRITABLE)) {
        now = __atomic_fetch_or(word, EACH(MEMORY_PAGE_WRITABLE), __ATOMIC_SEQ_CST);
    }
    return !is_watched(now);
}

static bool mark_page(_Atomic u8 *flags)
{
    return watch_flags(atomic_load_explicit(flags, memory_order_acquire)) == 0 &&
           watch_flags(mark_writable(flags)) == 0;
}

/* How many pages in a row from `page` on, at most `most`, may be written. */
static u64 run_above(struct memory_region *region, u64 page, u64 most)
{
    _Atomic u8 *flags = region->page_flags + page;
    u64 count = 0;
    while (count < most) {
        bool whole = (page + count) % WORD_PAGES == 0 && most - count >= WORD_PAGES;
        if (whole && mark_word(flags + count)) {
            count += WORD_PAGES;
        } else if (mark_page(flags + count)) {
            count++;
        } else {
            break;
        }
    }
    return count;
}

/* The same below `page`. */
static u64 run_below(struct memory_region *region, u64 page, u64 most)
{
    _Atomic u8 *flags = region->page_flags + page;
    u64 count = 0;
    while (count < most) {
        bool whole = (page - count) % WORD_PAGES == 0 && most - count >= WORD_PAGES;
        if (whole && mark_word(flags - count - WORD_PAGES)) {
            count += WORD_PAGES;
        } else if (mark_page(flags - count - 1)) {
            count++;
        } else {
            break;
        }
    }
    return count;
}

static u64 smaller(u64 x, u64 y)
{
    return x < y ? x : y;
}

/* Whole pages of `region` around gva that may be written as it may. */
static void set_span(struct vcpu *vcpu, gva_t gva, const struct guest_translation *found,
                     struct memory_region *region)
{
    u64 offset = found->gpa - region->gpa, page = offset >> PAGE_BITS;
    u64 before = smaller(gva - found->linear_first, offset);
    u64 behind = smaller(found->linear_last - gva, region->size_bytes - 1 - offset);
    u64 below = run_below(region, page, smaller(before >> PAGE_BITS, REACH_PAGES));
    u64 above = run_above(region, page, smaller((behind + 1) >> PAGE_BITS, REACH_PAGES));
    tlb_write_span_set(vcpu, gva - (below << PAGE_BITS), (below + above) << PAGE_BITS,
                       (u64)(uintptr_t)(region->host + offset) - gva);
}

void write_span_grow(struct vcpu *vcpu)
{
    gva_t page = vcpu->write_missed & PAGE_MASK;
    if (LIKELY(page == 0) || vcpu->insns < vcpu->tlb_state->write_span_insns) {
        return;
    }
    const struct tlb_entry *entry = tlb_find(vcpu, page, true);
    vcpu->write_missed = 0;
    vcpu->tlb_state->write_span_insns = vcpu->insns + PAUSE_INSNS;
    if (entry == NULL || entry->write_tag != page || vcpu->engine->debug.watch_count != 0) {
        return; /* another space's, or no more */
    }
    struct guest_translation found = {0};
    if (!vcpu->guest->translate(vcpu, page, 1, VCPU_WRITE, &found)) {
        vcpu->exception_pending = 0;
        return;
    }
    struct memory_region *region = memory_find(vcpu->memory, found.gpa);
    bool plain = found.linear_last != 0 && found.readable && found.page_uniform;
    if (plain && region != NULL && region->kind == MEMORY_RAM && region->host != NULL) {
        set_span(vcpu, page, &found, region);
    }
}
