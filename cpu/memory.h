/* Guest physical memory: which address is RAM, ROM or a device, and what each RAM page is used for.
 *
 * The map is built before harts start and then read without a lock. RAM is one anonymous mapping
 * per region, so the host gives pages only when they are touched. Two things about a RAM page are
 * tracked for the translator (see translate/block.h):
 *   MEMORY_PAGE_CODE     translations were made from this page
 *   MEMORY_PAGE_WRITABLE some hart's TLB may hold a write entry for it
 *   MEMORY_PAGE_DIRTY    written since it was last compared with its translations
 *   MEMORY_PAGE_RESERVED a load-reserved outside a simple loop watches this page
 * and of the first of MEMORY_ASK_PAGES:
 *   MEMORY_PAGE_ASKED    the host was asked for all of them at once (memory_ask)
 * RISC-V makes code modification explicit (fence.i), so a store into a code page need only mark
 * it. */
#ifndef METIC_CPU_MEMORY_H
#define METIC_CPU_MEMORY_H

#include "cpu/base/bits.h"
#include "cpu/base/error.h"
#include "cpu/base/log.h"
#include "cpu/base/types.h"
#include <stdatomic.h>

enum {
    MEMORY_PAGE_CODE = 1,
    MEMORY_PAGE_WRITABLE = 2,
    MEMORY_PAGE_DIRTY = 4,
    MEMORY_PAGE_RESERVED = 8,
    MEMORY_PAGE_ASKED = 16,
};

/* Guests write most pages that are near each other, and many small faults cost the host up to
 * twenty times what one request for all of the pages does. */
enum { MEMORY_ASK_PAGES = 16 };

/* Of the 32 groups of a huge page of the host's: with so many of them written most will be, and
 * where first touches are dear the huge page costs less than what is left of them. */
enum { MEMORY_HUGE_GROUPS = 8 };

/* A device's registers as memory sees them. Offsets are from the region's start; size_bytes is
 * 1, 2, 4 or 8 and the access never crosses the region's end. Called on any hart's thread. */
struct mmio_ops {
    u64 (*read)(void *opaque, u64 offset, unsigned size_bytes);
    void (*write)(void *opaque, u64 offset, u64 value, unsigned size_bytes);
};

enum memory_kind {
    MEMORY_RAM,
    MEMORY_ROM,  /* readable and executable through `host`; writes are ignored */
    MEMORY_MMIO, /* ops only */
    MEMORY_ROMD, /* reads and fetches through `host` while `direct`, writes through ops (flash) */
};

struct memory_region {
    const char *name;
    gpa_t gpa;
    u64 size_bytes;
    enum memory_kind kind;
    u8 *host;       /* RAM, ROM; ROMD: ask memory_region_bytes */
    _Atomic u8 *page_flags; /* one byte per page; RAM and ROM and ROMD */
    _Atomic bool direct;    /* ROMD: reads need no device call */
    bool from_file;         /* some pages of it are a file's (memory_map_file) */
    u64 file_number;        /* its caller's, of memory_map_file for all of it; 0: not so */
    _Atomic bool unfilled;  /* memory_fill_later's fill has not come back yet */
    void (*_Atomic fill)(u8 *host, u64 size_bytes); /* NULL when it was called */
    const struct mmio_ops *ops;
    void *opaque;
};

enum { MEMORY_MAX_REGIONS = 64 };

struct memory {
    struct memory_region regions[MEMORY_MAX_REGIONS]; /* sorted by gpa, not overlapping */
    unsigned region_count;
    unsigned main; /* number of the largest RAM, which most addresses are in: looked at first */
    struct log *log;
    /* Set by the engine; called when a RAM page that carries translations is written by anything
     * but a hart's fast path (DMA, the slow store path, a debugger). Any thread. */
    void (*code_written)(void *opaque, gpa_t gpa, u64 size_bytes);
    void *code_written_opaque;
    /* Set by the engine: a ROMD region changed between direct and device mode, so every TLB entry
     * made for it is stale. Called on the thread of the hart that wrote the device. */
    void (*map_changed)(void *opaque);
    void *map_changed_opaque;
    /* Set by the engine: every write that does not come from translated code tells it, so that
     * load-reservations on the written bytes are broken. */
    void (*reservation_break)(void *opaque, gpa_t gpa, u64 size_bytes);
    void *reservation_opaque;
    _Atomic u32 recent; /* number of the region that a device access reached last: a hint */
    _Atomic bool has_code; /* MEMORY_PAGE_CODE was set of some page */
    _Atomic u64 dma_writes; /* how often anything but a hart's own access wrote; lock-step looks */
    int pagemap_fd; /* of this process, opened when it is first asked; -1: not yet, -2: never */
    /* When set, gets every hart access that is not plain RAM instead of the device; lock-step
     * records and replays here. Same result as memory_mmio_read/_write. */
    bool (*tap)(void *opaque, bool write, gpa_t gpa, unsigned size_bytes, u64 *value);
    void *tap_opaque;
};

void memory_init(struct memory *memory, struct log *log);
void memory_fini(struct memory *memory); /* unmaps RAM and ROM it allocated */

/* Adds a region; false with a reason when it overlaps another, is not page-aligned (RAM, ROM,
 * ROMD), or the host has no address space. RAM is zero and not yet taken from the host. */
bool memory_add_ram(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                    struct metic_error *error);
bool memory_add_rom(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                    struct metic_error *error);
bool memory_add_mmio(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                     const struct mmio_ops *ops, void *opaque, struct metic_error *error);
bool memory_add_romd(struct memory *memory, const char *name, gpa_t gpa, u64 size_bytes,
                     const struct mmio_ops *ops, void *opaque, struct metic_error *error);

/* Contents of a ROMD region that take time to make and are seldom looked at: fill is called once,
 * on any thread, before anybody has the region's bytes. While no hart runs. */
void memory_fill_later(struct memory_region *region, void (*fill)(u8 *host, u64 size_bytes));

/* Where the region's bytes are, or NULL: a device. Any thread. */
u8 *memory_region_bytes(const struct memory_region *region);

/* Switches a ROMD region between direct reads and device reads. */
void memory_set_direct(struct memory *memory, struct memory_region *region, bool direct);

/* The region that holds gpa, or NULL. Lock-free, any thread. */
struct memory_region *memory_find(const struct memory *memory, gpa_t gpa);
struct memory_region *memory_find_by_name(struct memory *memory, const char *name);

/* Host bytes behind [gpa, gpa+size): NULL when any of it is not directly readable RAM/ROM/ROMD of
 * one region. Writing through it needs memory_dma_write's bookkeeping; prefer that. */
u8 *memory_host(const struct memory *memory, gpa_t gpa, u64 size_bytes);

/* The same, but flash counts whatever mode it is in: for code that was fetched from it, and may be
 * taken out of direct mode by another hart at any time. */
u8 *memory_host_any_mode(const struct memory *memory, gpa_t gpa, u64 size_bytes);

/* Device and loader access to guest memory: any length, any region mix. Reads of nothing give
 * zeros, MMIO is not reached by DMA; false when any byte was not RAM/ROM (reads) or RAM (writes).
 * Marks code pages dirty, breaks reservations. Any thread. */
bool memory_dma_read(struct memory *memory, gpa_t gpa, void *buffer, u64 size_bytes);
bool memory_dma_write(struct memory *memory, gpa_t gpa, const void *buffer, u64 size_bytes);

/* The loader's write: as memory_dma_write, but also into ROM and flash. Before harts start. */
bool memory_load(struct memory *memory, gpa_t gpa, const void *buffer, u64 size_bytes);

/* One access by a hart that did not go to RAM directly (device, or nothing there). size 1,2,4,8,
 * inside one region. Returns false when nothing answers: the caller raises an access fault. */
bool memory_mmio_read(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 *value);
bool memory_mmio_write(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 value);

/* The same past the tap. */
bool memory_mmio_read_untapped(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 *value);
bool memory_mmio_write_untapped(struct memory *memory, gpa_t gpa, unsigned size_bytes, u64 value);

/* Moves private anonymous pages of the caller's into RAM, in place of what is there; they are not
 * the caller's any more. While no hart runs. False, and the pages are as they were: it is not whole
 * pages of RAM, or the host refuses. */
bool memory_take_pages(struct memory *memory, gpa_t gpa, void *pages, u64 size_bytes);

/* Replaces what lies at [at, at + size_bytes) of a RAM or ROM region by private pages of a file:
 * they cost nothing until they are touched, and writes do not reach the file. fd -1: zeros. Whole
 * pages. While no hart runs; the caller tells of code that changed (memory_note_write) and has TLBs
 * flushed. False with errno: the host has no room for the mapping. */
bool memory_map_file(struct memory *memory, struct memory_region *region, u64 at, u64 size_bytes,
                     int fd, u64 offset);

/* Of a region that is a file's as a whole: what was written since, in pieces of whole pages, in
 * order. False: the host does not tell, or not of all of it. While no hart runs. */
bool memory_each_own(struct memory *memory, const struct memory_region *region,
                     void (*each)(void *opaque, u64 at, u64 size_bytes), void *opaque);

/* False only when nothing in [at, at + size_bytes) of the region was ever written, so that it reads
 * as zeros. Asks the host; does not touch the pages. */
bool memory_is_touched(struct memory *memory, const struct memory_region *region, u64 at,
                       u64 size_bytes);

/* Gives whole pages of RAM back to the host: they read as zeros, and cost nothing until they are
 * touched again. Harts may run; tells of code that is gone. False: not all of it is RAM. */
bool memory_discard(struct memory *memory, gpa_t gpa, u64 size_bytes);

/* Has the host give the pages of [gpa, gpa + size_bytes) that will be written, in groups of
 * MEMORY_ASK_PAGES; once for each group until it is discarded whole. The MEMORY_HUGE_GROUPSth of a
 * huge page brings all of it. Does nothing to pages that are there, and nothing where some could be
 * a file's; the host may refuse: then each comes with its first access. What is not RAM is left
 * out. Any thread. */
void memory_ask(struct memory *memory, gpa_t gpa, u64 size_bytes);

/* Opens what memory_is_touched asks the host through, which it does by itself otherwise. */
void memory_open_late(struct memory *memory);

/* Page-flag accessors for RAM/ROM pages; no-ops elsewhere. */
u8 memory_page_flags(const struct memory *memory, gpa_t gpa);
void memory_page_set(struct memory *memory, gpa_t gpa, u8 flags);
void memory_page_clear(struct memory *memory, gpa_t gpa, u8 flags);

/* To be called before or after storing through a host pointer outside the fast path: marks
 * CODE pages dirty, tells the engine, breaks reservations. */
void memory_note_write(struct memory *memory, gpa_t gpa, u64 size_bytes);

#endif
