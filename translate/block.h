/* Translated blocks: their keys, where they are found, how they are linked, when they go.
 *
 * A block's key is the guest-physical address of its first byte and the mode bits. Its code is
 * position-independent in guest virtual space, so one block serves every mapping and every hart.
 * An instruction that straddles two pages is a block of its own with a second page in its key, and
 * so are an lr and its sc with a page's end between them. A
 * trace may have code of further pages, its parts: its own guards see to it that they are mapped
 * where its code expects them (block_guard_alloc), so they are not in its key.
 * Privileged code that is watched (probe.h) has its virtual page in the key, too.
 *
 * Lookups take no lock: blocks are published with release stores and their memory is reused only
 * in an exclusive section. Everything that changes the table holds the engine's lock.
 *
 * When a page with blocks is written. A store to a clean code page takes the slow path, which
 * calls block_page_dirty *before* the store: the page's bytes are copied (the shadow) and stores
 * to it become fast again. At the next fence.i of any hart the page is compared with its shadow
 * and the blocks whose bytes changed are removed. RISC-V lets code be stale until that fence, so
 * other harts may go on in a removed block until their own. */
#ifndef METIC_TRANSLATE_BLOCK_H
#define METIC_TRANSLATE_BLOCK_H

#include "cpu/memory.h"
#include "translate/ir/ir.h"

#define BLOCK_NO_PAGE (~(gpa_t)0)
enum { BLOCK_MAX_LINKS = 1 << 21, BLOCK_HASH_BITS = 17, BLOCK_REMOVED_LOG = 1024 };

struct tier2_circle;
struct block;

/* What a block was made from in a page other than the one it begins in. */
struct block_part {
    u16 first, bytes; /* offset and length of what it used there */
    struct block *block;
    struct block_part *next; /* others in the same page */
};

struct block {
    /* What a look-up reads is together: it mostly is in none of the host's caches. */
    gpa_t gpa;
    _Atomic(struct block *) hash_next;
    gpa_t second_page; /* of what lies over the page's end, else BLOCK_NO_PAGE */
    gva_t gva_page;    /* runs at this page alone; 0: wherever its page is mapped */
    u32 mode;
    u32 host_bytes;
    const u8 *host;    /* entry address, or NULL (interpreter only) */
    u16 before_bytes;  /* a trace covers bytes before its first instruction, too: */
    u16 length_bytes;  /*   length_bytes from gpa - before_bytes, all in its first page */
    u16 insn_count;
    u8 tries;          /* tier 2: how often it was found hot */
    bool dead;
    const struct tier2_circle *circle; /* of a trace: what it was made from, else NULL */
    u32 ir_count;
    u32 incoming;                   /* first link that is patched to this block, or 0 */
    struct ir_insn *ir; /* kept when the interpreter may run the block, else NULL */
    struct block *page_next;        /* other blocks starting in this page */
    u32 first_link, link_count;     /* its own exits: consecutive link numbers */
};
_Static_assert(sizeof(struct block) == 96, "memory touched for each is a cost of translation");

/* One direct exit of a block. Number 0 is no link.
 *
 * A *guard* is no exit but a place where a trace goes on in another page, to_gpa: where the hart
 * has no proof for its number that this page is mapped there, the trace is left as by an unlinked
 * exit. It has no `from` and is never patched. A list of guards is asked for at once, by
 * the first one. */
struct link {
    struct block *from;
    _Atomic(struct block *) to; /* patched to, or NULL; changed under the lock */
    gpa_t to_gpa, to_second_page; /* key of the first block it was patched to: a hart's proof that
                           the mapping leads there stays true only for the same key */
    s64 target_offset;  /* from pc_page of `from` */
    u32 patch_offset;   /* of the rel32 in the code buffer */
    u32 jump_offset;    /* of the jump that it is part of, where it crosses pages */
    u32 next_incoming;  /* list of links patched to the same block, or of guards */
    u32 stub_offset;    /* where the unlinked jump goes */
    bool cross_page;
};

/* What is known of 64 bytes of a page: side by side, since who looks for new code asks for both. */
enum { CODE_PIECE_BYTES = 64 };
struct code_piece {
    _Atomic u32 heads; /* bit n: a block begins (or began) at byte 2 * n */
    _Atomic u8 runs[CODE_PIECE_BYTES / 2 / 4]; /* two bits for each byte 2 * n: block_note_run */
};

struct code_page {
    gpa_t page;
    struct block *blocks;    /* by page_next */
    struct block_part *parts; /* of blocks that begin in other pages, by next */
    u8 *shadow;              /* bytes the blocks were made from, while the page is dirty */
    _Atomic(struct code_page *) next; /* in its hash bucket */
    struct code_page *dirty_next;
    struct code_piece pieces[PAGE_BYTES / CODE_PIECE_BYTES];
};

/* A bucket of pages. The first one's number is here, too, since the page itself is mostly in none
 * of the host's caches. */
struct code_pages {
    _Atomic(struct code_page *) first;
    gpa_t page;
};

struct block_table {
    _Atomic(struct block *) *buckets; /* 1 << BLOCK_HASH_BITS; see block.c */
    struct code_pages *pages; /* hash by gpa page; found without the lock, too */
    struct code_page *dirty;          /* list of pages with a shadow */
    struct free_shadow *free_shadows; /* in the arena, for the next ones */
    _Atomic u32 dirty_count;          /* read without the lock, as is removals */
    u32 compared_in_vain;             /* dirty pages that a fence found unchanged */
    struct link *links;               /* BLOCK_MAX_LINKS, reserved, touched as used */
    u32 link_count;
    size_t links_asked_bytes;         /* zeros_ahead */
    struct memory *memory;
    /* Blocks removed so far, and which the last ones were: what a hart that follows takes out of
     * its jump cache. A reader that is more than the log's length behind forgets everything. */
    _Atomic u64 removals;
    struct {
        gpa_t gpa;
        const u8 *host;
    } removed[BLOCK_REMOVED_LOG];
    /* Patches link number `link` to go to `to` (or back to its stub when NULL). */
    void (*patch)(void *opaque, struct link *link, struct block *to);
    void *opaque;
    struct arena *arena;
    u64 block_count;
};

bool block_table_init(struct block_table *table, struct memory *memory); /* of zeros */
void block_table_fini(struct block_table *table);
/* Forgets every block, which is no removal: the caller makes every hart forget its jumps and links.
 * Exclusive section only. */
void block_table_clear(struct block_table *table);

/* Lock-free; NULL when there is none. */
struct block *block_find_at(const struct block_table *table, gpa_t gpa, u32 mode,
                            gpa_t second_page, gva_t gva_page);
static inline struct block *block_find(const struct block_table *table, gpa_t gpa, u32 mode,
                                       gpa_t second_page)
{
    return block_find_at(table, gpa, mode, second_page, 0);
}

/* The page that holds code, or NULL. The engine's lock is held, for what follows too. */
const struct code_page *block_page_find(const struct block_table *table, gpa_t page);
/* True where a block of any mode begins at that byte of the page, or began. No lock needed. */
static inline bool block_began(const struct code_page *page, u32 offset)
{
    const struct code_piece *piece = &page->pieces[offset / CODE_PIECE_BYTES];
    return atomic_load_explicit(&piece->heads, memory_order_acquire) >>
               (offset % CODE_PIECE_BYTES / 2) & 1;
}
/* False where no block ever began. Lock-free. Code that is new is mostly near code that was new
 * just before, so this looks at memory that is in the host's caches, and that block_note_run() is
 * going to need; a look into a large table would not be. */
bool block_may_begin(const struct block_table *table, gpa_t gpa);

/* Code at `gpa` is about to run and has no block: how often it has done so before; BLOCK_RUNS_MAX
 * means that often, or more; BLOCK_RUNS_UNKNOWN that nothing is kept of its page yet, for which
 * somebody must call block_page_begin(). Code that is written anew begins anew. Lock-free: of two
 * harts at once one may not be counted. */
enum { BLOCK_RUNS_MAX = 3, BLOCK_RUNS_UNKNOWN };
unsigned block_note_run(struct block_table *table, gpa_t gpa);
void block_page_begin(struct block_table *table, gpa_t page);
/* The same, with nothing noted, of the byte at that offset of the page. */
static inline unsigned block_runs(const struct code_page *page, u32 offset)
{
    const struct code_piece *piece = &page->pieces[offset / CODE_PIECE_BYTES];
    return atomic_load_explicit(&piece->runs[offset % CODE_PIECE_BYTES / 8],
                                memory_order_relaxed) >> (offset / 2 % 4 * 2) & BLOCK_RUNS_MAX;
}

/* A new block from the arena; the caller fills it and publishes it with block_insert. */
struct block *block_new(struct block_table *table);
/* Makes the block unreachable for look-ups and links, as if its bytes had changed. */
void block_remove(struct block_table *table, struct block *block);
/* The same for all blocks that have code at `gpa`. */
void block_remove_at(struct block_table *table, gpa_t gpa);
void *block_alloc(struct block_table *table, size_t size_bytes);
/* `source` is the snapshot of the guest bytes the block was made from (length_bytes of them, from
 * gpa - before_bytes; what lies in the second page follows at source + 2). Marks the pages. */
void block_insert(struct block_table *table, struct block *block, const u8 *source);
/* The same of a further page that the block, which is in the table, has code of: `bytes` of it from
 * offset `first`. */
void block_insert_part(struct block_table *table, struct block *block, gpa_t page, u32 first,
                       u32 bytes, const u8 *source);

/* Link numbers for a block's exits; 0 when they ran out. */
u32 block_link_alloc(struct block_table *table);
/* The number of a guard that leads to code in the physical page `page`, which must be
 * `target_offset` from the page the trace begins in; 0 when they ran out. */
u32 block_guard_alloc(struct block_table *table, gpa_t page, s64 target_offset);
/* Who asks for the guard asks for `other`, too. For guards of a trace that nobody can run yet. */
void block_guard_join(struct block_table *table, u32 guard, u32 other);
static inline bool block_is_guard(const struct link *link)
{
    return link->from == NULL && link->to_gpa != BLOCK_NO_PAGE;
}
/* Patches the link to `to`; false when it stays as it is (dead block, or proved for another
 * key). */
bool block_link(struct block_table *table, u32 number, struct block *to);

/* The page is about to be written by a slow store: starts its shadow. */
void block_page_dirty(struct block_table *table, gpa_t page);
/* The page was written by DMA: its blocks go at once. */
void block_page_remove(struct block_table *table, gpa_t page);
/* fence.i: removes blocks whose source changed. */
void block_fence(struct block_table *table);
/* Pages that could be watched by write protection again instead of by comparing; the caller has
 * dropped all write permissions in all TLBs (exclusive section). */
void block_pages_clean(struct block_table *table);

#endif
