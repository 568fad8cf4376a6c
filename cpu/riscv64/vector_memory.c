/* Shapes of the vector loads and stores. An access that faults leaves vstart at the element it was
 * for, everything before it done; so the instruction goes on there when it is tried again.
 * See vector.h. */
#include "cpu/riscv64/vector_ops.h"

#include "cpu/base/bits.h"

#include <string.h>

/* How elements are accessed. */
struct access {
    struct vector_exec *e;
    unsigned size_bytes; /* of an element */
    bool store;
};

static unsigned encoded_eew(u32 word)
{
    unsigned width = word >> 12 & 7;
    return width == 0 ? 0 : width - 4; /* 0, 5, 6, 7: log2 of its bytes */
}

/* Guest RAM at [gva, gva + bytes) that may be copied to or from, or NULL. */
static u8 *plain(const struct access *access, gva_t gva, unsigned bytes)
{
    struct vcpu *vcpu = &access->e->state->vcpu;
    return vcpu->ops->plain_host != NULL ? vcpu->ops->plain_host(vcpu, gva, bytes, access->store)
                                         : NULL;
}

static void copy(const struct access *access, u8 *host, u8 *element, size_t bytes)
{
    if (access->store) {
        memcpy(host, element, bytes);
    } else {
        memcpy(element, host, bytes);
    }
}

/* One element; false with an exception pending. */
static bool move(const struct access *access, gva_t gva, u8 *element)
{
    struct vcpu *vcpu = &access->e->state->vcpu;
    u8 *host = plain(access, gva, access->size_bytes);
    if (LIKELY(host != NULL)) {
        copy(access, host, element, access->size_bytes);
        return true;
    }
    u64 value = ld_le(element, access->size_bytes);
    if (!(access->store ? vcpu->ops->store(vcpu, gva, access->size_bytes, value)
                        : vcpu->ops->load(vcpu, gva, access->size_bytes, &value))) {
        return false;
    }
    st_le(element, value, access->size_bytes);
    vcpu_event(vcpu, VCPU_EVENT_MEMORY, gva, value,
               access->size_bytes | (u64)access->store << 8);
    return true;
}

/* The instruction stops at element i. */
static void stop_at(struct vector_exec *e, u32 i)
{
    e->state->vstart = i;
    riscv64_vector_key_update(e->state);
}

/* Moves as many of elements [i, count) as lie in one page, if that may be copied: how many. */
static u32 move_in_page(const struct access *access, gva_t gva, u8 *group, u32 i, u32 count)
{
    unsigned size_bytes = access->size_bytes;
    gva_t at = gva + (gva_t)i * size_bytes;
    u32 in_page = (u32)((PAGE_BYTES - (at & PAGE_OFFSET_MASK)) / size_bytes);
    u32 run = in_page < count - i ? in_page : count - i;
    u8 *host = run > 1 ? plain(access, at, run * size_bytes) : NULL;
    if (host == NULL) {
        return 0;
    }
    copy(access, host, group + (size_t)i * size_bytes, (size_t)run * size_bytes);
    return run;
}

/* Elements [first, count) lie one behind the other in memory and in the group. */
static bool move_run(const struct access *access, gva_t gva, u8 *group, u32 first, u32 count)
{
    unsigned size_bytes = access->size_bytes;
    for (u32 i = first; i < count;) {
        gva_t at = gva + (gva_t)i * size_bytes;
        u32 run = move_in_page(access, gva, group, i, count);
        if (run != 0) {
            i += run;
        } else if (move(access, at, group + (size_t)i * size_bytes)) {
            i++;
        } else {
            stop_at(access->e, i);
            return false;
        }
    }
    return true;
}

/* --- segments: groups of regs registers each, whose elements lie side by side in memory --- */

struct segments {
    struct access access;
    unsigned eew;  /* log2 of an element's bytes */
    unsigned regs; /* registers of a field's group */
};

static bool move_segment(const struct segments *s, gva_t gva, u32 i)
{
    struct vector_exec *e = s->access.e;
    for (unsigned field = 0; field < e->fields; field++) {
        u8 *group = vector_reg(e, e->vd + field * s->regs);
        if (!move(&s->access, gva + ((gva_t)field << s->eew), group + ((size_t)i << s->eew))) {
            return false;
        }
    }
    return true;
}

/* Where segments lie. */
struct places {
    const u8 *indices; /* a group of elements of 1 << index_eew bytes; NULL: i * stride */
    unsigned index_eew;
    u64 stride;
};

static ALWAYS_INLINE u64 place_of(const struct places *places, u32 i)
{
    return places->indices != NULL ? vector_element(places->indices, i, places->index_eew)
                                   : i * places->stride;
}

/* A page of RAM where a segment was. It stays what it is while only such pages are accessed. */
struct page_seen {
    gva_t page;
    u8 *host;
    u64 starts; /* a segment that begins at an offset below lies in it; 0: no page */
};

/* The last pages, by the low bits of their numbers: indices jump between those of a table, and the
 * host foresees no comparison that fails every other time. */
enum { PAGES_SEEN = 8 };

static void forget_pages(struct page_seen *pages)
{
    for (unsigned n = 0; n < PAGES_SEEN; n++) {
        pages[n].starts = 0;
    }
}

/* Host address of a segment, or NULL. */
static ALWAYS_INLINE u8 *segment_host(const struct segments *s, struct page_seen *pages, gva_t gva,
                                      unsigned bytes)
{
    struct page_seen *seen = &pages[gva / PAGE_BYTES % PAGES_SEEN];
    if (LIKELY(gva - seen->page < seen->starts)) {
        return seen->host + (gva - seen->page);
    }
    u8 *host = plain(&s->access, gva, bytes);
    if (host != NULL) {
        seen->page = gva & PAGE_MASK;
        seen->host = host - (gva & PAGE_OFFSET_MASK);
        seen->starts = PAGE_BYTES - bytes + 1;
    }
    return host;
}

/* Inlined once for each width and direction, and for segments of one element. */
static ALWAYS_INLINE void move_all(const struct segments *s, const struct places *places,
                                   unsigned eew, bool store, unsigned fields)
{
    struct vector_exec *e = s->access.e;
    struct page_seen pages[PAGES_SEEN];
    const unsigned bytes = fields << eew;
    const size_t group_bytes = (size_t)s->regs * e->state->vlenb;
    u8 *const groups = vector_reg(e, e->vd);
    forget_pages(pages);
    for (u32 i = e->vstart; i < e->vl; i++) {
        if (!vector_active(e, i)) {
            continue;
        }
        gva_t gva = e->scalar + place_of(places, i);
        u8 *host = segment_host(s, pages, gva, bytes);
        if (UNLIKELY(host == NULL)) {
            forget_pages(pages);
            if (!move_segment(s, gva, i)) {
                stop_at(e, i);
                return;
            }
            continue;
        }
        for (unsigned field = 0; field < fields; field++) {
            u8 *element = groups + field * group_bytes + ((size_t)i << eew);
            memcpy(store ? host : element, store ? element : host, (size_t)1 << eew);
            host += (size_t)1 << eew;
        }
    }
}

static ALWAYS_INLINE void move_width(const struct segments *s, const struct places *places,
                                     unsigned eew)
{
    unsigned fields = s->access.e->fields;
    if (s->access.store && fields == 1) {
        move_all(s, places, eew, true, 1);
    } else if (fields == 1) {
        move_all(s, places, eew, false, 1);
    } else {
        move_all(s, places, eew, s->access.store, fields);
    }
}

static void move_segments(const struct segments *s, const struct places *places)
{
    switch (s->eew) {
    case 0: move_width(s, places, 0); break;
    case 1: move_width(s, places, 1); break;
    case 2: move_width(s, places, 2); break;
    default: move_width(s, places, 3); break;
    }
}

static void move_strided(const struct segments *s, u64 stride)
{
    move_segments(s, &(struct places){.stride = stride});
}

static bool segments_ok(const struct vector_exec *e, int emul, bool load)
{
    unsigned regs = e->fields * vector_regs(emul);
    return emul >= -3 && emul <= 3 && vector_aligned(e->vd, emul) && regs <= 8 &&
           e->vd + regs <= 32 && (!load || vector_mask_ok(e));
}

static struct segments segments_of(struct vector_exec *e, unsigned eew, int emul, bool store)
{
    return (struct segments){
        .access = {.e = e, .size_bytes = 1u << eew, .store = store},
        .eew = eew,
        .regs = vector_regs(emul),
    };
}

static bool unit(struct vector_exec *e, bool store)
{
    unsigned eew = encoded_eew(e->word);
    int emul = (int)eew - e->sew + e->lmul;
    if (!segments_ok(e, emul, !store)) {
        return false;
    }
    struct segments s = segments_of(e, eew, emul, store);
    if (e->fields == 1 && !e->masked) {
        move_run(&s.access, e->scalar, vector_reg(e, e->vd), e->vstart, e->vl);
    } else {
        move_strided(&s, (u64)e->fields << eew);
    }
    return true;
}

bool vector_unit_load(struct vector_exec *e)
{
    return unit(e, false);
}

bool vector_unit_store(struct vector_exec *e)
{
    return unit(e, true);
}

static bool strided(struct vector_exec *e, bool store)
{
    unsigned eew = encoded_eew(e->word);
    int emul = (int)eew - e->sew + e->lmul;
    if (!segments_ok(e, emul, !store)) {
        return false;
    }
    struct segments s = segments_of(e, eew, emul, store);
    move_strided(&s, e->stride);
    return true;
}

bool vector_strided_load(struct vector_exec *e)
{
    return strided(e, false);
}

bool vector_strided_store(struct vector_exec *e)
{
    return strided(e, true);
}

/* A fault of any but the first element is none: vl ends before it. */
bool vector_fault_first(struct vector_exec *e)
{
    unsigned eew = encoded_eew(e->word);
    int emul = (int)eew - e->sew + e->lmul;
    if (!segments_ok(e, emul, true)) {
        return false;
    }
    struct segments s = segments_of(e, eew, emul, false);
    bool in_runs = e->fields == 1 && !e->masked;
    for (u32 i = e->vstart; i < e->vl; i++) {
        u32 run = in_runs ? move_in_page(&s.access, e->scalar, vector_reg(e, e->vd), i, e->vl) : 0;
        if (run != 0) {
            i += run - 1;
            continue;
        }
        gva_t gva = e->scalar + (gva_t)i * ((u64)e->fields << eew);
        if (!vector_active(e, i) || move_segment(&s, gva, i)) {
            continue;
        }
        if (i == 0) {
            stop_at(e, 0);
        } else {
            e->state->vcpu.exception_pending = 0;
            e->state->vl = i;
            riscv64_vector_key_update(e->state);
        }
        break;
    }
    return true;
}

/* --- indexed --- */

static bool indexed_ok(const struct vector_exec *e, unsigned index_eew, int index_emul, bool load)
{
    if (!segments_ok(e, e->lmul, true) || index_emul < -3 || index_emul > 3 ||
        !vector_aligned(e->vs2, index_emul) || (e->masked && e->vs2 == 0)) {
        return false;
    }
    unsigned regs = vector_regs(e->lmul);
    if (!load && index_eew != e->sew &&
        vector_overlap(e->vd, regs, e->vs2, vector_regs(index_emul))) {
        return false; /* two widths of one source */
    }
    for (unsigned field = 0; load && field < e->fields; field++) {
        unsigned group = e->vd + field * regs;
        bool same_place_ok = index_eew == e->sew || (index_eew > e->sew && group == e->vs2);
        if (!same_place_ok && !vector_wide_overlap_ok(group, e->lmul, e->vs2, index_emul)) {
            return false;
        }
        if (e->fields > 1 &&
            vector_overlap(group, regs, e->vs2, vector_regs(index_emul))) {
            return false;
        }
    }
    return true;
}

static bool indexed(struct vector_exec *e, bool store)
{
    unsigned index_eew = encoded_eew(e->word);
    int index_emul = (int)index_eew - e->sew + e->lmul;
    if (!indexed_ok(e, index_eew, index_emul, !store)) {
        return false;
    }
    struct segments s = segments_of(e, e->sew, e->lmul, store);
    move_segments(&s, &(struct places){vector_reg(e, e->vs2), index_eew, 0});
    return true;
}

bool vector_indexed_load(struct vector_exec *e)
{
    return indexed(e, false);
}

bool vector_indexed_store(struct vector_exec *e)
{
    return indexed(e, true);
}

/* --- masks and whole registers --- */

static bool mask_bytes(struct vector_exec *e, bool store)
{
    struct access access = {.e = e, .size_bytes = 1, .store = store};
    move_run(&access, e->scalar, vector_reg(e, e->vd), e->vstart, (e->vl + 7) / 8);
    return true;
}

bool vector_mask_load(struct vector_exec *e)
{
    return mask_bytes(e, false);
}

bool vector_mask_store(struct vector_exec *e)
{
    return mask_bytes(e, true);
}

static bool whole(struct vector_exec *e, bool store)
{
    unsigned eew = encoded_eew(e->word);
    struct access access = {.e = e, .size_bytes = 1u << eew, .store = store};
    if ((e->vd & (e->fields - 1u)) != 0) {
        return false;
    }
    move_run(&access, e->scalar, vector_reg(e, e->vd), e->vstart,
             (u32)e->fields * e->state->vlenb >> eew);
    return true;
}

bool vector_whole_load(struct vector_exec *e)
{
    return whole(e, false);
}

bool vector_whole_store(struct vector_exec *e)
{
    return whole(e, true);
}
