/* Traces that look things up in tables (table.c): tables at the end of a page, over it, of several
 * pages that are neighbours on the host or not, pages that are missing or taken away in the middle,
 * against the interpreter. */
#include "tests/support/host_rig.h"
#include "translate/to_x86_64/compile.h"

enum {
    START = 0x100,
    COPIES = 3,
    SOURCE_BYTES = 90,
    SOURCE = RIG_RAM_GVA + 7 * PAGE_BYTES, /* indexes come from there */
    FAR = 3,                               /* page 3, where it is moved */
};

static struct rig *rig, *spare;
static u8 *moved; /* a page of the host's */

static void setup(void)
{
    if (host_find() == NULL) {
        cr_skip_test("no backend for this host");
    }
    rig = rig_new(HOST_FEATURE_ALL);
    spare = rig_new(HOST_FEATURE_ALL);
    moved = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
}

static void teardown(void)
{
    rig_free(rig);
    rig_free(spare);
    free(moved);
}

TestSuite(table, .init = setup, .fini = teardown);

static u64 seed = 1;

static unsigned pick(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static ir_ref x(unsigned n)
{
    return ir_get(rig->ir, IR_I64, RIG_X(n), 8);
}

static ir_ref add(ir_ref a, s64 n)
{
    return n == 0 ? a : ir_op2(rig->ir, IR_ADD, IR_I64, 0, a, ir_i64(rig->ir, (u64)n));
}

/* What the loop looks up: at x22 + ((index + inner) << shift) + outer. */
struct look {
    const char *what;
    unsigned size; /* enum ir_mem */
    unsigned shift;
    s64 inner, outer;
    bool by_shift; /* the index is the upper half of a byte, else a byte */
    bool stores;   /* and something is stored into the table, too */
    bool misaligned;
};

static ir_ref index_of(const struct look *look)
{
    ir_ref byte = ir_load(rig->ir, IR_I64, IR_MEM_8, x(20));
    ir_ref index =
        look->by_shift ? ir_op2(rig->ir, IR_SHR, IR_I64, 0, byte, ir_i64(rig->ir, 4)) : byte;
    index = add(index, look->inner);
    return look->shift == 0
               ? index
               : ir_op2(rig->ir, IR_SHL, IR_I64, 0, index, ir_i64(rig->ir, look->shift));
}

/* x20 goes through bytes until it is x23; what they are the index of is added to x21, and x24 holds
 * its address. */
static const u8 *compile(const struct look *look, u32 flags)
{
    u32 offset = START;
    ir_reset(rig->ir, &rig_guest);
    rig->ir->constants_last = true;
    for (unsigned copy = 0; copy < COPIES; copy++) {
        ir_begin_insn(rig->ir, offset, 4);
        ir_ref index = index_of(look);
        ir_set(rig->ir, RIG_X(25), 8, index);
        ir_begin_insn(rig->ir, offset + 4, 4);
        ir_ref address = ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(25), x(22));
        ir_set(rig->ir, RIG_X(24), 8, address);
        ir_begin_insn(rig->ir, offset + 8, 4);
        ir_set(rig->ir, RIG_X(26), 8,
               ir_load(rig->ir, IR_I64, look->size, add(x(24), look->outer)));
        ir_begin_insn(rig->ir, offset + 12, 4);
        ir_set(rig->ir, RIG_X(21), 8, ir_op2(rig->ir, IR_ADD, IR_I64, 0, x(21), x(26)));
        ir_begin_insn(rig->ir, offset + 16, 4);
        if (look->stores) {
            ir_store(rig->ir, IR_MEM_8, add(x(24), look->outer), x(21));
        }
        ir_begin_insn(rig->ir, offset + 20, 4);
        ir_set(rig->ir, RIG_X(20), 8, add(x(20), 1));
        ir_begin_insn(rig->ir, offset + 24, 4);
        ir_exit_if(rig->ir, IR_EQ, x(20), x(23), 0x400 + 4 * copy);
        offset += 28;
    }
    ir_jump(rig->ir, START);
    const u8 *code = rig_compile(rig, flags, NULL);
    cr_assert_not_null(code);
    return code;
}

/* Random bytes everywhere, and the loop's registers. */
static void begin(gva_t table)
{
    struct rig_hart *host = rig->hart[1];
    u32 links = rig->link_count;
    size_t used = rig->used_bytes, cold = rig->cold_end;
    rig_reset(rig);
    rig->link_count = links;
    rig->used_bytes = used;
    rig->cold_end = cold;
    for (unsigned n = 0; n < RIG_RAM_BYTES; n++) {
        host->ram[n] = (u8)pick(256);
    }
    host->x[20] = SOURCE;
    host->x[21] = 0x1234;
    host->x[22] = table;
    host->x[23] = SOURCE + SOURCE_BYTES;
    host->vcpu.deadline = host->vcpu.insns + 100000;
}

static void run(const u8 *code, const char *what)
{
    struct rig_hart *host = rig->hart[1], *interp = rig->hart[0];
    rig_copy(spare->hart[0], host);
    rig->context.enter(&host->vcpu, code);
    rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
    cr_assert_eq(host->vcpu.insns, interp->vcpu.insns, "%s", what);
    for (unsigned n = 0; n < 32; n++) {
        cr_assert_eq(host->x[n], interp->x[n], "%s, table at %llx: x%u is %llx, not %llx", what,
                     (unsigned long long)spare->hart[0]->x[22], n, (unsigned long long)host->x[n],
                     (unsigned long long)interp->x[n]);
    }
}

static const struct look looks[] = {
    {.what = "bytes", .size = IR_MEM_8},
    {.what = "words", .size = IR_MEM_32, .shift = 2},
    {.what = "signed halves", .size = IR_MEM_16 | IR_MEM_SIGNED, .shift = 1, .outer = 6},
    {.what = "double words from a part", .size = IR_MEM_64, .shift = 3, .inner = 256},
    {.what = "before the register", .size = IR_MEM_32, .shift = 2, .inner = -256, .outer = -8},
    {.what = "misaligned words", .size = IR_MEM_32, .misaligned = true},
    {.what = "upper halves of bytes", .size = IR_MEM_64, .shift = 3, .by_shift = true},
    {.what = "words, and stores", .size = IR_MEM_32, .shift = 2, .stores = true},
};

/* Every place near a page's end, and some others. */
static gva_t place(unsigned n)
{
    return RIG_RAM_GVA + 2 * PAGE_BYTES + (n < 40 ? PAGE_BYTES - 20 + n : pick(2 * PAGE_BYTES));
}

enum { PLACES = 120 };

Test(table, looked_up_as_by_the_interpreter)
{
    for (unsigned i = 0; i < ARRAY_LEN(looks); i++) {
        for (unsigned steady = 0; steady < 2; steady++) {
            const u8 *code = compile(&looks[i], HOST_TRACE | (steady ? (u32)HOST_STEADY : 0));
            for (unsigned n = 0; n < PLACES; n++) {
                begin(place(n));
                run(code, looks[i].what);
            }
        }
    }
}

Test(table, in_the_span)
{
    for (unsigned i = 0; i < ARRAY_LEN(looks); i++) {
        const u8 *code = compile(&looks[i], HOST_TRACE | HOST_STEADY | HOST_LINEAR);
        for (unsigned n = 0; n < PLACES; n++) {
            struct rig_hart *host = rig->hart[1];
            begin(place(n));
            u64 first = RIG_RAM_GVA + TLB_SPAN_MARGIN + pick(RIG_RAM_BYTES / 2);
            host->vcpu.span = (struct tlb_span){first, pick(4) == 0 ? 0 : pick(RIG_RAM_BYTES / 4),
                                                (u64)(uintptr_t)host->ram - RIG_RAM_GVA};
            run(code, looks[i].what);
        }
    }
}

/* Page 3 is elsewhere on the host, and what lies where it would be in a row is no page of the
 * guest's. */
static void move_page(struct rig_hart *hart)
{
    gva_t page = RIG_RAM_GVA + FAR * PAGE_BYTES;
    memcpy(moved, hart->ram + FAR * PAGE_BYTES, PAGE_BYTES);
    rig_map(hart, page, true, true, false);
    hart->tlb[tlb_index(page)].addend = (u64)(uintptr_t)moved - page;
}

Test(table, pages_apart)
{
    for (unsigned i = 0; i < ARRAY_LEN(looks); i++) {
        const u8 *code = compile(&looks[i], HOST_TRACE | HOST_STEADY);
        bool by_c = looks[i].misaligned || looks[i].stores; /* which goes elsewhere */
        for (unsigned n = 0; n < PLACES && !by_c; n++) {
            struct rig_hart *host = rig->hart[1];
            begin(place(n) & ~(gva_t)7);
            move_page(host);
            rig_copy(spare->hart[1], host);
            memset(host->ram + FAR * PAGE_BYTES, 0xee, PAGE_BYTES);
            rig_copy(rig->hart[0], spare->hart[1]);
            rig->context.enter(&host->vcpu, code);
            u64 insns = host->vcpu.insns;
            rig_interpret_until(rig, spare->hart[1], insns);
            cr_assert_eq(host->x[20], rig->hart[0]->x[20], "%s", looks[i].what);
            cr_assert_eq(host->x[21], rig->hart[0]->x[21], "%s at %llx", looks[i].what,
                         (unsigned long long)host->x[22]);
        }
    }
}

/* A page that may not be read, or is a device's: C is asked for what lies there. */
Test(table, pages_missing)
{
    for (unsigned i = 0; i < ARRAY_LEN(looks); i++) {
        const u8 *code = compile(&looks[i], HOST_TRACE | HOST_STEADY);
        for (unsigned n = 0; n < PLACES; n++) {
            begin(place(n));
            rig_map(rig->hart[1], RIG_RAM_GVA + FAR * PAGE_BYTES, n % 2 != 0, true, n % 2 != 0);
            run(code, looks[i].what);
        }
    }
}

/* A table that ends behind memory: the look-up that goes there faults, with exact registers. */
Test(table, faults_in_the_middle)
{
    unsigned faults = 0;
    for (unsigned i = 0; i < ARRAY_LEN(looks); i++) {
        const u8 *code = compile(&looks[i], HOST_TRACE | HOST_STEADY);
        for (unsigned n = 0; n < PLACES; n++) {
            struct rig_hart *host = rig->hart[1];
            begin(RIG_RAM_GVA - 100 - pick(300));
            run(code, looks[i].what);
            faults += host->vcpu.exception_pending;
            cr_assert_eq(host->vcpu.pc, rig->hart[0]->vcpu.pc, "%s", looks[i].what);
        }
    }
    cr_assert_neq(faults, 0);
}

/* C, which the slow body asks for the indexes since their page is not in the TLB, may be where
 * another hart has the table's page moved: what was checked before holds no longer. */
static void move_once(struct rig_hart *hart)
{
    if (hart->slow_calls % 7 == 3 && hart->tlb[tlb_index(RIG_RAM_GVA + FAR * PAGE_BYTES)].addend ==
                                         (u64)(uintptr_t)hart->ram - RIG_RAM_GVA) {
        move_page(hart);
        memset(hart->ram + FAR * PAGE_BYTES, 0xee, PAGE_BYTES);
    } else if (hart->slow_calls % 7 == 5) {
        rig_map(hart, SOURCE, true, true, false); /* now the fast body runs */
    }
}

Test(table, moved_in_between)
{
    const struct look *look = &looks[1];
    const u8 *code = compile(look, HOST_TRACE | HOST_STEADY);
    for (unsigned n = 0; n < PLACES; n++) {
        struct rig_hart *host = rig->hart[1];
        begin(RIG_RAM_GVA + FAR * PAGE_BYTES + pick(2000));
        rig_map(host, SOURCE, false, false, false);
        host->on_slow = move_once;
        rig_copy(spare->hart[0], host);
        rig->context.enter(&host->vcpu, code);
        rig_interpret_until(rig, spare->hart[0], host->vcpu.insns);
        cr_assert_eq(host->x[20], rig->hart[0]->x[20]);
        cr_assert_eq(host->x[21], rig->hart[0]->x[21]);
        cr_assert_gt(host->slow_calls, 4);
        cr_assert_lt(host->slow_calls, SOURCE_BYTES);
    }
}

/* That there is something to compare. */
static bool asks_where_entered(const u8 *code)
{
    const u8 *thunk = rig->context.thunks[THUNK_TABLE];
    for (size_t at = 0; at + 5 <= rig->result.code_bytes; at++) {
        s32 distance = (s32)ld_le32(code + at + 1);
        if (code[at] == 0xe8 && code + at + 5 + distance == thunk) {
            return true;
        }
    }
    return false;
}

Test(table, is_found_where_the_index_is_small)
{
    struct look large = looks[1];
    large.shift = 8; /* over 16 pages */
    for (unsigned i = 0; i < ARRAY_LEN(looks); i++) {
        cr_assert(asks_where_entered(compile(&looks[i], HOST_TRACE | HOST_STEADY)), "%s",
                  looks[i].what);
        cr_assert_not(asks_where_entered(compile(&looks[i], HOST_STEADY)), "%s", looks[i].what);
    }
    cr_assert_not(asks_where_entered(compile(&large, HOST_TRACE | HOST_STEADY)));
}
