/* The APLIC through its registers: delegation, modes, delivery on lines and by messages (AIA 1.0,
 * chapter 4). And the IMSIC's pages. */
#include "hw/intc/aplic.h"
#include "hw/intc/imsic.h"
#include "tests/hw/fixture.h"

enum { HARTS = 4, SOURCES = 40, DELEGATE = 0x400, RISE = 4, FALL = 5, HIGH = 6, LOW = 7,
       DETACHED = 1, ENABLE = 0x100, IDC = 0x4000 };

static struct fixture f;
static struct device *aplic;
static struct aplic_config config;
static gpa_t message_gpa;
static u32 message_data;
static unsigned messages;

static void on_message(void *opaque, gpa_t gpa, u32 data)
{
    (void)opaque;
    message_gpa = gpa;
    message_data = data;
    messages++;
}

static void make(bool with_messages)
{
    fixture_init(&f);
    f.env.message = on_message;
    messages = 0;
    config = (struct aplic_config){.source_count = SOURCES, .hart_count = HARTS,
                                   .messages = with_messages};
    aplic = fixture_device(&f, &aplic_class, &config, APLIC_DOMAINS * HARTS);
}

static void setup_lines(void)
{
    make(false);
}

static void setup_messages(void)
{
    make(true);
}

static void teardown(void)
{
    device_free(aplic);
    fixture_fini(&f);
}

TestSuite(aplic, .init = setup_lines, .fini = teardown);
TestSuite(aplic_messages, .init = setup_messages, .fini = teardown);

static u32 rd(unsigned domain, u64 offset)
{
    return (u32)device_read(aplic, domain, offset, 4);
}

static void wr(unsigned domain, u64 offset, u32 value)
{
    device_write(aplic, domain, offset, value, 4);
}

static void wire(unsigned source, bool level)
{
    struct irq_line line = device_input_line(aplic, source);
    irq_line_set(&line, level);
}

static u64 sourcecfg(unsigned source)
{
    return 4 * source;
}

static u64 target(unsigned source)
{
    return 0x3000 + 4 * source;
}

/* Source in S's hands: mode, target, enabled; the domain and its hart's delivery are on. */
static void give_to_s(unsigned source, u32 mode, unsigned hart, u32 low)
{
    wr(APLIC_M, sourcecfg(source), DELEGATE);
    wr(APLIC_S, sourcecfg(source), mode);
    wr(APLIC_S, target(source), hart << 18 | low);
    wr(APLIC_S, 0x1edc, source);
    wr(APLIC_S, IDC + 32 * hart, 1);
    wr(APLIC_S, 0, ENABLE);
}

static bool line(unsigned domain, unsigned hart)
{
    return f.lines[domain * HARTS + hart];
}

Test(aplic, reset_values_and_fixed_bits)
{
    cr_assert_eq(rd(APLIC_M, 0), 0x80000000);
    wr(APLIC_M, 0, UINT32_MAX);
    cr_assert_eq(rd(APLIC_M, 0), 0x80000100);
    wr(APLIC_M, sourcecfg(3), DELEGATE | 0x3f);
    cr_assert_eq(rd(APLIC_M, sourcecfg(3)), DELEGATE);
    wr(APLIC_M, sourcecfg(3), 2);
    cr_assert_eq(rd(APLIC_M, sourcecfg(3)), 0, "a reserved mode");
    wr(APLIC_M, sourcecfg(SOURCES + 1), HIGH);
    cr_assert_eq(rd(APLIC_M, sourcecfg(SOURCES + 1)), 0);
    wr(APLIC_M, 0x1bc0, 0x1234);
    cr_assert_eq(rd(APLIC_M, 0x1bc0), 0, "no addresses without messages");
}

Test(aplic, a_domain_has_only_what_is_given_to_it)
{
    wr(APLIC_S, sourcecfg(5), HIGH);
    cr_assert_eq(rd(APLIC_S, sourcecfg(5)), 0);
    wr(APLIC_M, sourcecfg(5), DELEGATE);
    wr(APLIC_S, sourcecfg(5), HIGH);
    cr_assert_eq(rd(APLIC_S, sourcecfg(5)), HIGH);
    wr(APLIC_S, 0x1edc, 5);
    cr_assert_eq(rd(APLIC_S, 0x1e00), 1u << 5);
    wr(APLIC_M, 0x1edc, 5);
    cr_assert_eq(rd(APLIC_M, 0x1e00), 0);
    wr(APLIC_M, sourcecfg(5), HIGH);
    cr_assert_eq(rd(APLIC_S, sourcecfg(5)), 0, "taken back");
    cr_assert_eq(rd(APLIC_S, 0x1e00), 0);
}

Test(aplic, level_source_on_a_line)
{
    give_to_s(10, HIGH, 2, 7);
    cr_assert(!line(APLIC_S, 2));
    wire(10, true);
    cr_assert(line(APLIC_S, 2) && !line(APLIC_S, 0) && !line(APLIC_M, 2));
    cr_assert_eq(rd(APLIC_S, 0x1c00), 1u << 10);
    cr_assert_eq(rd(APLIC_S, 0x1d00), 1u << 10, "rectified input");
    cr_assert_eq(rd(APLIC_S, IDC + 64 + 0x18), 10 << 16 | 7);
    cr_assert_eq(rd(APLIC_S, IDC + 64 + 0x1c), 10 << 16 | 7);
    cr_assert(line(APLIC_S, 2), "a level stays pending while the wire is high");
    wr(APLIC_S, 0x1ddc, 10);
    cr_assert(line(APLIC_S, 2), "and software cannot clear it");
    wire(10, false);
    cr_assert(!line(APLIC_S, 2));
    cr_assert_eq(rd(APLIC_S, IDC + 64 + 0x1c), 0);
    wr(APLIC_S, 0x1cdc, 10);
    cr_assert(!line(APLIC_S, 2), "nor set it");
}

Test(aplic, edges)
{
    give_to_s(3, RISE, 0, 1);
    give_to_s(4, FALL, 1, 1);
    wire(3, true);
    wire(4, true);
    cr_assert(line(APLIC_S, 0) && !line(APLIC_S, 1));
    wire(3, false);
    cr_assert(line(APLIC_S, 0), "an edge stays until claimed");
    cr_assert_eq(rd(APLIC_S, IDC + 0x1c), 3 << 16 | 1);
    cr_assert(!line(APLIC_S, 0));
    wire(4, false);
    cr_assert(line(APLIC_S, 1));
    wr(APLIC_S, 0x1d00, 1u << 4);
    cr_assert(!line(APLIC_S, 1), "cleared by word");
    wr(APLIC_S, 0x2004, 0x03000000);
    cr_assert(line(APLIC_S, 0), "setipnum_be");
}

Test(aplic, low_and_detached)
{
    give_to_s(6, LOW, 0, 1);
    cr_assert(line(APLIC_S, 0), "the wire is low");
    wire(6, true);
    cr_assert(!line(APLIC_S, 0));
    give_to_s(7, DETACHED, 0, 1);
    wire(7, true);
    cr_assert(!line(APLIC_S, 0));
    wr(APLIC_S, 0x1cdc, 7);
    cr_assert(line(APLIC_S, 0));
}

Test(aplic, urgency_and_threshold)
{
    give_to_s(20, RISE, 0, 5);
    give_to_s(9, RISE, 0, 6);
    give_to_s(8, RISE, 0, 6);
    for (unsigned i = 8; i <= 20; i++) {
        wire(i, true);
    }
    wr(APLIC_S, IDC + 8, 5);
    cr_assert(!line(APLIC_S, 0), "5 is not below 5");
    wr(APLIC_S, IDC + 8, 6);
    cr_assert_eq(rd(APLIC_S, IDC + 0x18), 20 << 16 | 5);
    wr(APLIC_S, IDC + 8, 0);
    cr_assert_eq(rd(APLIC_S, IDC + 0x1c), 20 << 16 | 5);
    cr_assert_eq(rd(APLIC_S, IDC + 0x1c), 8 << 16 | 6, "the lower number among equals");
    cr_assert_eq(rd(APLIC_S, IDC + 0x1c), 9 << 16 | 6);
    wr(APLIC_S, target(9), 0);
    cr_assert_eq(rd(APLIC_S, target(9)), 1, "0 is no priority");
    wr(APLIC_S, target(9), 1000u << 18 | 3);
    cr_assert_eq(rd(APLIC_S, target(9)), 3, "no such hart");
}

Test(aplic, switches_and_force)
{
    give_to_s(3, RISE, 0, 1);
    wire(3, true);
    wr(APLIC_S, 0, 0);
    cr_assert(!line(APLIC_S, 0));
    wr(APLIC_S, 0, ENABLE);
    wr(APLIC_S, IDC, 0);
    cr_assert(!line(APLIC_S, 0));
    wr(APLIC_S, IDC, 1);
    wr(APLIC_S, 0x1fdc, 3);
    cr_assert(!line(APLIC_S, 0));
    wr(APLIC_S, IDC + 4, 1);
    cr_assert(line(APLIC_S, 0), "forced");
    cr_assert_eq(rd(APLIC_S, IDC + 0x1c), 0);
    cr_assert(!line(APLIC_S, 0), "a spurious claim ends that");
}

Test(aplic, the_root_can_keep_sources)
{
    wr(APLIC_M, sourcecfg(2), HIGH);
    wr(APLIC_M, target(2), 1u << 18 | 1);
    wr(APLIC_M, 0x1edc, 2);
    wr(APLIC_M, IDC + 32, 1);
    wr(APLIC_M, 0, ENABLE);
    wire(2, true);
    cr_assert(line(APLIC_M, 1) && !line(APLIC_S, 1));
}

Test(aplic, saved_state)
{
    give_to_s(10, HIGH, 2, 7);
    give_to_s(3, RISE, 0, 1);
    wire(10, true);
    wire(3, true);
    struct fixture second;
    fixture_init(&second);
    struct device *other = fixture_device(&second, &aplic_class, &config, APLIC_DOMAINS * HARTS);
    fixture_clone_state(aplic, other);
    cr_assert(second.lines[HARTS + 2] && second.lines[HARTS] && !second.lines[HARTS + 1]);
    device_free(other);
    fixture_fini(&second);
}

static void addresses(void)
{
    wr(APLIC_M, 0x1bc0, 0x24000);
    wr(APLIC_M, 0x1bc4, 2 << 12);
    wr(APLIC_M, 0x1bc8, 0x28000);
    wr(APLIC_M, 0x1bcc, 0);
}

Test(aplic_messages, fixed_bits)
{
    cr_assert_eq(rd(APLIC_M, 0), 0x80000004);
    wr(APLIC_S, IDC, 1);
    cr_assert_eq(rd(APLIC_S, IDC), 0, "no lines");
    wr(APLIC_S, 0x1bc0, 0x1234);
    cr_assert_eq(rd(APLIC_S, 0x1bc0), 0, "the root's alone");
    wr(APLIC_M, 0x1bc4, UINT32_MAX);
    cr_assert_eq(rd(APLIC_M, 0x1bc4), 0x9f77ffff);
    wr(APLIC_M, 0x1bc0, 5);
    cr_assert_eq(rd(APLIC_M, 0x1bc0), 0, "locked");
}

Test(aplic_messages, an_edge_is_sent_once)
{
    addresses();
    give_to_s(10, RISE, 3, 77);
    wire(10, true);
    cr_assert_eq(messages, 1);
    cr_assert_eq(message_gpa, 0x28003000);
    cr_assert_eq(message_data, 77);
    cr_assert_eq(rd(APLIC_S, 0x1c00), 0, "no longer pending");
    wire(10, false);
    wire(10, true);
    cr_assert_eq(messages, 2);
    wr(APLIC_S, 0x1cdc, 10);
    cr_assert_eq(messages, 3, "and when software says so");
}

/* A handler that finds the wire still high writes setipnum (AIA 1.0, 4.9.2). */
Test(aplic_messages, a_level_is_sent_when_it_rises_and_when_asked_again)
{
    addresses();
    give_to_s(10, HIGH, 0, 5);
    wire(10, true);
    cr_assert_eq(messages, 1);
    wire(10, true);
    cr_assert_eq(messages, 1);
    wr(APLIC_S, 0x2000, 10);
    cr_assert_eq(messages, 2);
    wire(10, false);
    wr(APLIC_S, 0x2000, 10);
    cr_assert_eq(messages, 2, "the wire is low");
}

Test(aplic_messages, what_is_disabled_waits)
{
    addresses();
    give_to_s(10, HIGH, 0, 5);
    wr(APLIC_S, 0x1fdc, 10);
    wire(10, true);
    cr_assert_eq(messages, 0);
    cr_assert_eq(rd(APLIC_S, 0x1c00), 1u << 10);
    wr(APLIC_S, 0x1edc, 10);
    cr_assert_eq(messages, 1);
    wr(APLIC_S, 0x1fdc, 10);
    wire(10, false);
    wire(10, true);
    wire(10, false);
    cr_assert_eq(rd(APLIC_S, 0x1c00), 0, "a level that fell");
}

Test(aplic_messages, a_level_that_is_high_when_its_mode_is_set)
{
    addresses();
    wire(10, true);
    give_to_s(10, HIGH, 0, 5);
    cr_assert_eq(messages, 1);
}

Test(aplic_messages, addresses_of_groups)
{
    wr(APLIC_M, 0x1bc0, 0x24000);
    wr(APLIC_M, 0x1bc4, 4u << 24 | 1u << 20 | 1u << 16 | 1u << 12);
    wr(APLIC_M, 0x1bc8, 0x28000);
    wr(APLIC_M, 0x1bcc, 2u << 20);
    wr(APLIC_M, 0x3000, 3u << 18 | 9); /* genmsi: group 1, hart 1 of it */
    cr_assert_eq(messages, 1);
    cr_assert_eq(message_gpa, (0x24000ull + (1u << 16) + (1u << 1)) << 12);
    cr_assert_eq(message_data, 9);
    wr(APLIC_S, 0x3000, 3u << 18 | 9);
    cr_assert_eq(message_gpa, (0x28000ull + (1u << 16) + (1u << 2)) << 12);
}

Test(aplic_messages, hostile_registers)
{
    u32 random = 1;
    for (unsigned i = 0; i < 300000; i++) {
        random = random * 1664525 + 1013904223;
        u64 offset = random >> 5 & 0x7fff;
        device_write(aplic, random >> 30 & 1, offset, random * 2654435761u, 1u << (random & 3));
        (void)device_read(aplic, random >> 29 & 1, random >> 9 & 0x7fff, 1u << (random >> 2 & 3));
        wire(random >> 20 & 0x7f, (random >> 27 & 1) != 0);
    }
    cr_assert_eq(rd(APLIC_M, 0) & 0x80000004, 0x80000004);
}

/* ---- IMSIC pages ---- */

static struct {
    unsigned count, hart, file;
    u32 number;
} delivered;

static void deliver(void *opaque, unsigned hart, unsigned file, u32 number)
{
    (void)opaque;
    delivered.count++;
    delivered.hart = hart;
    delivered.file = file;
    delivered.number = number;
}

Test(imsic_pages, writes_become_messages)
{
    static const struct imsic_config imsic = {HARTS, IMSIC_S, deliver, NULL};
    fixture_init(&f);
    delivered.count = 0;
    struct device_spec spec = {&imsic_class, "imsic", &imsic, 0, {HARTS * IMSIC_PAGE_BYTES}};
    struct device *device = device_new(&spec, &f.env, NULL);
    device_write(device, 0, 0x2000, 17, 4);
    cr_assert(delivered.count == 1 && delivered.hart == 2 && delivered.file == IMSIC_S &&
              delivered.number == 17);
    device_write(device, 0, 0x3004, 0x12000000, 4);
    cr_assert(delivered.count == 2 && delivered.hart == 3 && delivered.number == 0x12);
    device_write(device, 0, 0, 0, 4);
    device_write(device, 0, 0, 256, 4);
    device_write(device, 0, 0x10, 17, 4);
    device_write(device, 0, 0, 17, 2);
    imsic_message(device, HARTS * IMSIC_PAGE_BYTES, 17);
    cr_assert_eq(delivered.count, 2);
    cr_assert_eq(device_read(device, 0, 0, 4), 0);
    device_free(device);
    fixture_fini(&f);
}
