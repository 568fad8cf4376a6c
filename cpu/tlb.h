/* The soft-MMU's caches of one hart: data TLBs and fetch spaces.
 *
 * Translations are cached per *space*. A data space holds entries for one (address space,
 * permission class); a fetch space holds, for one (address space, block mode), which page code
 * comes from and where its translated code is. Switching address space or privilege selects other
 * spaces and loses nothing; that is what makes ASIDs cheap. Generated code reaches the selected
 * spaces through pointers in struct vcpu.
 *
 * A space selected with `shared` serves every address space as long as only global mappings were
 * put into it (a kernel); the first non-global entry makes it private to the address space that
 * made it, and the others get another.
 *
 * Owned by the hart's thread; nobody else touches them (a remote fence arrives as an interrupt or
 * in an exclusive section, see translate/engine.h). */
#ifndef METIC_CPU_TLB_H
#define METIC_CPU_TLB_H

#include "cpu/base/types.h"
#include "cpu/huge.h"

struct vcpu;

enum { TLB_BITS = 12, TLB_ENTRIES = 1 << TLB_BITS };
enum { TLB_SPACES = 16 }; /* of each kind */
enum { TLB_PUTS_LOGGED = 1536 };
enum { TLB_MANY = 1 << 16, TLB_MANY_LOGGED = 8192, TLB_LOST_MOST = 2048 };
enum { TLB_FETCH_BITS = 10, TLB_FETCH_ENTRIES = 1 << TLB_FETCH_BITS, TLB_EVICTED_WORDS = 1024 };
/* Programs like compilers return to tens of thousands of places. */
enum { TLB_JUMP_BITS = 15, TLB_JUMP_ENTRIES = 1 << TLB_JUMP_BITS };

/* A tag that no access matches: page addresses have their low bits clear. A new table has zeros,
 * which are tags of page 0 where nothing looks for it. */
#define TLB_TAG_NONE (~(u64)0)
/* Set in a tag: the translation is valid but every access takes the slow path (device, page with
 * finer PMP, code page not yet dirty). The slow path compares tags without this bit. */
#define TLB_TAG_SLOW ((u64)1 << 11)

/* Generated code compares ((gva + size_bytes - 1) & PAGE_MASK) with the tag of an entry of gva's
 * page, so an access that crosses a page never matches; misaligned ones inside do. */
struct tlb_entry {
    u64 read_tag;
    u64 write_tag;
    u64 addend;   /* gva + addend is the host address (valid unless SLOW) */
    u64 gpa_page; /* guest physical page of this entry */
};

_Static_assert(sizeof(struct tlb_entry) == 32, "generated code scales the index by 32");

/* A page may be in two entries: its first choice, by the low bits of its number, so that generated
 * code finds it with few instructions; and another one, by hashed bits, so that arrays a power of
 * two apart do not push each other out. Generated code tries the other one in its slow path: two
 * pages that meet cost a few cycles, not a refill each.
 *
 * The other entries are those of the same table while that is enough, which few lines of the host's
 * cache and few of its pages hold. A space that lost TLB_LOST_MOST pages, since both of their
 * entries were wanted, has others in a table of their own, TLB_MANY. Accesses at random find their
 * pages there by few instructions, so that many of them are under way in the host at once, which
 * page walks would not let. */
static inline u32 tlb_index(gva_t gva)
{
    return (u32)(gva >> PAGE_BITS) & (TLB_ENTRIES - 1);
}

/* The other entry is a constant distance from the first within a region of that size: so a run of
 * pages does not meet itself. The distance is a hash of the region's number, where the lowest bit
 * counts for nothing: so the entries of two neighbouring pages are never the same ones, which is
 * why an access over a page end cannot match the second page's entry and use its addend for the
 * first. In a few regions, as the first, both entries are the same. In a table of their own further
 * bits of the page's number count, as they are. */
enum { TLB_REGION_BITS = PAGE_BITS + TLB_BITS, TLB_INDEX_HASHED = TLB_ENTRIES - 2 };
#define TLB_HASH_FACTOR 0x9e3779b1u

/* `others`: how many there are, TLB_ENTRIES or TLB_MANY. */
static inline u32 tlb_other_index(gva_t gva, u32 others)
{
    u32 hash = (u32)(gva >> TLB_REGION_BITS) * TLB_HASH_FACTOR;
    u32 number = (u32)(gva >> PAGE_BITS);
    return (number ^ (hash >> (32 - TLB_BITS) & TLB_INDEX_HASHED)) & (others - 1);
}

/* Of a space: addresses that may all be read, and all at the same distance from their host
 * addresses, such as RAM without translation. Generated code that mostly reads there compares with
 * the current space's, vcpu->span, which takes no time of the read: its host address does not
 * depend on what was looked up. The span begins and ends TLB_SPAN_MARGIN inside of what is so, for
 * accesses near an address that was compared. */
struct tlb_span {
    gva_t first;
    u64 bytes; /* 0: none */
    u64 addend;
};

enum { TLB_SPAN_MARGIN = PAGE_BYTES };

/* Makes [first, first + bytes) the current space's span if that is larger than the present one. All
 * of it must be as described, and come from no mapping, or from one larger than a page. */
void tlb_span_set(struct vcpu *vcpu, gva_t first, u64 bytes, u64 addend);

/* The same for writes, vcpu->write_span: addresses that may all be read and written, in pages that
 * could all have write entries, which is what their flags must say (cpu/memory.h). It goes where
 * write entries go. */
void tlb_write_span_set(struct vcpu *vcpu, gva_t first, u64 bytes, u64 addend);

/* The entry of the current space whose read (or write) tag, SLOW bit apart, is `page`; NULL:
 * none. */
struct tlb_entry *tlb_find(const struct vcpu *vcpu, gva_t page, bool write);

/* What a space serves. */
struct tlb_key {
    u64 address_space; /* guest-chosen id of the translation root, e.g. satp */
    u64 last_use;      /* by a selection that was searched for */
    u32 asid;
    u32 regime;        /* guest-chosen permission regime, or block mode */
    bool shared;
    bool has_private;  /* holds a non-global entry */
};

struct tlb_keys {
    u32 used; /* bit mask of the numbers in use */
    u8 hint[TLB_SPACES]; /* by hash of address space and regime: where to look first */
    u64 clock; /* for last_use */
    struct tlb_key key[TLB_SPACES];
};

/* What a space is wanted for; as in its key. */
struct tlb_context {
    u64 address_space;
    u32 asid;
    u32 regime;
    bool shared;
};

static inline bool tlb_key_fits(const struct tlb_key *key, const struct tlb_context *wanted)
{
    return key->regime == wanted->regime && key->shared == wanted->shared &&
           (key->address_space == wanted->address_space || (key->shared && !key->has_private));
}

/* The space for a context: its own before one that all share; or *claimed, the one that was unused
 * for longest, which then serves nobody else any more. */
unsigned tlb_keys_search(const struct tlb_keys *keys, const struct tlb_context *wanted,
                         bool *claimed);

/* Where the first entries of a table were put since it was emptied: most spaces live short and
 * fences often come soon, so emptying visits those alone. */
struct tlb_puts {
    u32 count; /* TLB_PUTS_LOGGED + 1: or more, or unknown */
    u16 index[TLB_PUTS_LOGGED];
};

struct tlb_space {
    u64 epoch; /* unique odd number of what this space's entries have permitted since it was
                  emptied, or one of them taken back: who remembers one may use it that long */
    gva_t large_first; /* span of addresses entered from pages larger than 4 KiB; */
    gva_t large_last;  /* empty when first > last */
    struct tlb_entry *entries; /* TLB_ENTRIES, allocated on first use */
    struct tlb_entry *others;  /* `entries`, or TLB_MANY; */
    u32 others_mask;           /*   the bits of an offset in that table */
    u32 lost; /* pages that had to be forgotten since it was emptied, while there are few others */
    u32 many_count; /* as that of `puts`, of TLB_MANY_LOGGED */
    struct tlb_span span, write_span;
    struct tlb_key *key; /* in data_keys */
    bool moved_any; /* since it was emptied: only then may a page be in its other entry alone */
    struct tlb_puts puts;
    u16 many_index[TLB_MANY_LOGGED];
};

/* Where translated code for a guest virtual pc is; `host` NULL or an address to jump to. */
struct jump_entry {
    gva_t pc; /* empty: TLB_TAG_NONE, odd and so no pc, or a 0 where pc 0 is not looked for */
    const void *host; /* empty: anything, NULL in a new table */
};

_Static_assert(sizeof(struct jump_entry) == 16, "generated code scales the index by 16");

/* Where calls return to is at least an instruction of four bytes from the next such place, mostly:
 * so no entry is lost to a neighbour, and four are in a line of the host's cache. */
enum { TLB_JUMP_SHIFT = 2 };

static inline u32 jump_index(gva_t pc)
{
    return (u32)((pc >> TLB_JUMP_SHIFT) & (TLB_JUMP_ENTRIES - 1));
}

/* Where a jump entry is that lost its place at jump_index to another pc: generated code and the run
 * loop look here next. Both places of a pc depend on the offset in its page in the same way. */
static inline u32 jump_index_other(u32 index)
{
    return index ^ TLB_JUMP_ENTRIES / 2;
}

/* An epoch fits beside a page's address (vcpu_link_proof). */
enum { TLB_EPOCHS = PAGE_BYTES - 1 };

struct fetch_entry {
    gva_t page;    /* empty: TLB_TAG_NONE, or a 0 where page 0 is not looked for */
    gpa_t gpa_page;
};

struct fetch_space {
    u32 epoch; /* unique number of this space's present contents, 1 to TLB_EPOCHS */
    bool evicted_any;
    gva_t large_first, large_last;
    struct jump_entry *jumps; /* TLB_JUMP_ENTRIES */
    bool jumps_asked; /* of the host, all of them */
    struct tlb_key *key; /* in fetch_keys */
    struct tlb_puts jump_puts, page_puts;
    struct fetch_entry pages[TLB_FETCH_ENTRIES];
    u64 evicted[TLB_EVICTED_WORDS]; /* Bloom filter of pages that lost their slot in `pages` */
};

/* Where page walks found tables of last-level entries. A fence without an address makes all of it
 * stale (`epoch`); one with an address is about last-level entries alone, which are read each time
 * (privileged manual, section 12.2.1). Since there are guests that never ran where upper levels are
 * remembered, the entry that points to the table is compared each time, too. */
enum { TLB_TABLE_BITS = 21, TLB_TABLES = 64 };

struct tlb_table {
    gva_t key;       /* the first address whose entry is in it, | epoch; 0 is of none */
    u64 root;        /* guest-chosen id of the translation root */
    const u64 *pointer; /* the entry that points to it, */
    u64 pointed;        /*   and what it was */
    u64 *host;          /* the table */
    u64 above;          /* guest's: what the entries on the way to it said */
};

struct tlb_tables {
    u32 epoch; /* 1 to 2^TLB_TABLE_BITS - 1 */
    struct tlb_table table[TLB_TABLES];
};

static inline struct tlb_table *tlb_table_at(struct tlb_tables *tables, gva_t gva)
{
    return &tables->table[gva >> TLB_TABLE_BITS & (TLB_TABLES - 1)];
}

static inline gva_t tlb_table_key(const struct tlb_tables *tables, gva_t gva)
{
    return (gva >> TLB_TABLE_BITS << TLB_TABLE_BITS) | tables->epoch;
}

/* Runs of pages that are told apart: a copy has two. */
enum { TLB_RUNS = 4 };

struct tlb {
    struct tlb_space *data_now;
    struct fetch_space *fetch_now;
    struct tlb_keys data_keys, fetch_keys;
    struct tlb_space data[TLB_SPACES];
    struct fetch_space fetch[TLB_SPACES];
    u8 *space_tables; /* the spaces' entries, jumps and other entries; see tlb.c */
    bool in_use;     /* see tlb_expect_use() */
    u32 jumps_asked; /* of how many spaces the host was asked for all jumps */
    u64 generation; /* grows when a space serves another context than before, or may be claimed;
                       never 0 */
    u32 next_epoch;
    u64 data_epochs; /* the last one given to a data space; odd */
    u32 hostile_entries; /* test mode: 1 makes every insertion empty the space first */
    bool hostile_others; /* test mode: spaces have TLB_MANY at once, pages in their other entry */
    gva_t run_next[TLB_RUNS]; /* the pages behind those filled last */
    u32 run_oldest;
    bool keep_other; /* which way loses when both are taken; alternates */
    u64 write_span_insns; /* not before that count may it grow (translate/write_span.c) */
    bool all_slow; /* every access takes the slow path (commit log) */
    bool watched;  /* which pages are put in is not for guest->refill alone to say (lock-step,
                      watchpoints) */
    struct huge huge;
    struct tlb_tables tables;
    size_t proofs_asked_bytes; /* of vcpu->link_proofs: zeros_ahead */
    u32 data_made; /* data spaces that have tables, */
    u32 many_made; /*   and TLB_MANY other entries */
    u64 fills, flushes;  /* statistics */
};

/* Spaces must be selected before anything is put into them. False when the host has no memory; then
 * there is nothing to free. */
bool tlb_init(struct vcpu *vcpu);
/* Code that runs often begins: the host is asked for tables as spaces are made, now and from now
 * on. Before, what a few instructions touch comes page by page. */
void tlb_expect_use(struct vcpu *vcpu);
void tlb_fini(struct vcpu *vcpu);

/* What was selected, to be selected again without a search (cpu/tlb_select.h). */
struct tlb_selection {
    u64 generation; /* of the spaces' owners when it was made; 0: none */
    struct tlb_space *data;
    struct fetch_space *fetch;
};

/* Notes the present selection. */
void tlb_note_selection(const struct vcpu *vcpu, struct tlb_selection *selection);

/* Makes the spaces for this context current and updates the pointers in vcpu. `shared` spaces:
 * see above. Cheap when nothing changes. */
void tlb_select_data(struct vcpu *vcpu, u64 address_space, u32 asid, u8 klass, bool shared);
void tlb_select_fetch(struct vcpu *vcpu, u64 address_space, u32 asid, u32 mode, bool shared);

/* Fences. The page forms also drop every entry that came from the same larger page. */
enum { TLB_ANY_ASID = 0xffffffffu };
void tlb_flush_all(struct vcpu *vcpu);
void tlb_flush_asid(struct vcpu *vcpu, u32 asid);
void tlb_flush_page(struct vcpu *vcpu, gva_t gva, u32 asid_or_any);
/* Gives every data space a new epoch: nobody remembers entries any more. */
void tlb_renew_data(struct vcpu *vcpu);
/* Drops every write permission (before code pages or reservations start to be watched). */
void tlb_flush_writes(struct vcpu *vcpu);
/* Forgets where translated code is, keeps address translations (after blocks were removed). */
void tlb_flush_jumps(struct vcpu *vcpu);
/* Forgets one translation, `host`, of code at `page_offset` in its page, wherever it is mapped. */
void tlb_flush_jump(struct vcpu *vcpu, u32 page_offset, const void *host);

/* Puts one translation into the current data space. */
struct tlb_fill {
    gva_t page;
    gpa_t gpa_page;
    u8 *host_page; /* NULL: slow */
    u64 span_bytes; /* size of the mapping's leaf: 4096 or larger */
    u32 flags;      /* enum tlb_fill_flag */
};

enum tlb_fill_flag {
    TLB_READABLE = 1, /* reads / writes are permitted at all */
    TLB_WRITABLE = 2,
    TLB_SLOW_READ = 4, /* permitted, but only through the slow path */
    TLB_SLOW_WRITE = 8,
    TLB_GLOBAL = 16,
};

struct tlb_entry *tlb_insert(struct vcpu *vcpu, const struct tlb_fill *fill);

/* The same in two steps, for a page of RAM that is in no entry: where it would go (NULL: it is in
 * one, *holder, or more is to be done than that, with NULL there), and putting it there. */
struct tlb_entry *tlb_vacancy(const struct vcpu *vcpu, gva_t page, struct tlb_entry **holder);
void tlb_insert_at(struct vcpu *vcpu, struct tlb_entry *vacancy, const struct tlb_fill *fill);

/* Puts a page that nobody asked for yet where it goes; false: something is there, or the page is in
 * an entry. */
bool tlb_insert_free(struct vcpu *vcpu, const struct tlb_fill *fill);

/* Of a plain entry of the current space: its page moves to its first choice, whose page goes
 * elsewhere or, in a small space, is forgotten, mostly an older one that nobody wants. Returns the
 * first choice. Uses no vector register. */
struct tlb_entry *tlb_promote(struct vcpu *vcpu, struct tlb_entry *entry);

/* Whether `page`, now filled, is the next one of a run of pages; returns the run's number, or of a
 * new one with *follows false. */
static inline u32 tlb_run(struct tlb *tlb, gva_t page, bool *follows)
{
    for (u32 n = 0; n < TLB_RUNS; n++) {
        if (tlb->run_next[n] == page) {
            *follows = true;
            return n;
        }
    }
    *follows = false;
    return tlb->run_oldest++ % TLB_RUNS;
}

/* Current fetch space: the physical page behind a virtual one, false when not cached. */
bool tlb_fetch_find(struct vcpu *vcpu, gva_t page, gpa_t *gpa_page);
void tlb_fetch_insert(struct vcpu *vcpu, gva_t page, gpa_t gpa_page, u64 span_bytes, bool global);
void tlb_jump_insert(struct vcpu *vcpu, gva_t pc, const void *host);
/* NULL when the jump cache does not know. */
const void *tlb_jump_find(const struct vcpu *vcpu, gva_t pc);

#endif
