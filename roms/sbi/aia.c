/* The advanced interrupt architecture; the idea is in aia.h. */
#include "roms/sbi/aia.h"

#include "roms/sbi/csr.h"
#include "roms/sbi/dtb_edit.h"

/* AIA 1.0, chapter 4: registers of an APLIC domain. */
#define APLIC_DOMAINCFG 0x0000u
#define APLIC_SOURCECFG 0x0004u    /* of source 1 */
#define APLIC_MMSIADDRCFG 0x1bc0u
#define APLIC_MMSIADDRCFGH 0x1bc4u
#define APLIC_SMSIADDRCFG 0x1bc8u
#define APLIC_SMSIADDRCFGH 0x1bccu
#define APLIC_CLRIE 0x1f00u
#define APLIC_SOURCES_MAX 1023u
#define SOURCECFG_DELEGATE 0x400u

/* Chapter 3: registers of an interrupt file, through miselect and mireg. */
#define SELECT_EIDELIVERY 0x70
#define SELECT_EITHRESHOLD 0x72
#define SELECT_EIE0 0xc0

#define PAGE_SHIFT 12
#define GROUP_SHIFT_LEAST 24u

#define IPI_NUMBER 1u
#define FILES_MAX 2
#define DOMAINS_MAX 2

/* The IMSICs of one privilege level. */
struct imsics {
    uint32_t phandle;
    uint64_t base;
    uint32_t hart_index_bits;
    uint32_t guest_index_bits;
    uint32_t group_index_bits;
    uint32_t group_index_shift;
};

struct aplic {
    uint32_t phandle;
    uint64_t base;
    uint32_t msi_parent;          /* 0: its interrupts go out on wires */
    uint32_t source_count;
    uint32_t child;               /* phandle of the domain that gets sources; 0: none */
    uint32_t delegate_first;
    uint32_t delegate_last;
};

/* Written by the first hart while booting. */
static struct imsics imsics[FILES_MAX];
static struct aplic aplics[DOMAINS_MAX];
static uint32_t imsics_count;
static uint32_t aplic_count;

static uint32_t bits_for(uint32_t count)
{
    uint32_t bits = 0;

    while ((1ul << bits) < count) {
        bits++;
    }
    return bits;
}

/* The n-th pair of interrupts-extended names the hart whose page is the n-th. */
static void connect_pages(const struct dtb_walk *at, const struct imsics *file,
                          struct hart *(*hart_of_intc)(uint32_t phandle))
{
    uint32_t bytes;
    const uint8_t *pairs = dtb_prop(at, "interrupts-extended", &bytes);
    uint64_t page = file->base;

    for (uint32_t i = 0; pairs != NULL && bytes - i >= 8; i += 8) {
        struct hart *hart = hart_of_intc(dtb_be32(pairs + i));
        if (hart != NULL && dtb_be32(pairs + i + 4) == IRQ_MEI) {
            hart->imsic = (volatile uint32_t *)page;
        }
        page += 1ul << (PAGE_SHIFT + file->guest_index_bits);
    }
}

static void read_imsics(const struct dtb_walk *at, struct hart *(*hart_of_intc)(uint32_t phandle))
{
    uint32_t bytes;
    struct imsics *file = &imsics[imsics_count];

    if (imsics_count == FILES_MAX || !dtb_enabled(at) || !dtb_reg(at, 0, &file->base, NULL) ||
        dtb_prop(at, "interrupts-extended", &bytes) == NULL) {
        return;
    }
    file->phandle = dtb_prop_u32(at, "phandle", 0);
    file->guest_index_bits = dtb_prop_u32(at, "riscv,guest-index-bits", 0) & 7;
    file->hart_index_bits = dtb_prop_u32(at, "riscv,hart-index-bits", bits_for(bytes / 8)) & 15;
    file->group_index_bits = dtb_prop_u32(at, "riscv,group-index-bits", 0) & 7;
    file->group_index_shift = dtb_prop_u32(at, "riscv,group-index-shift", GROUP_SHIFT_LEAST);
    imsics_count++;
    connect_pages(at, file, hart_of_intc);
}

static void read_aplic(const struct dtb_walk *at)
{
    uint32_t bytes;
    const uint8_t *range = dtb_prop(at, "riscv,delegation", &bytes);
    struct aplic *aplic = &aplics[aplic_count];

    if (aplic_count == DOMAINS_MAX || !dtb_enabled(at) || !dtb_reg(at, 0, &aplic->base, NULL)) {
        return;
    }
    if (range == NULL) {
        range = dtb_prop(at, "riscv,delegate", &bytes); /* its name before it was agreed on */
    }
    aplic->phandle = dtb_prop_u32(at, "phandle", 0);
    aplic->msi_parent = dtb_prop_u32(at, "msi-parent", 0);
    aplic->source_count = dtb_prop_u32(at, "riscv,num-sources", 0);
    if (range != NULL && bytes >= 12) {
        aplic->child = dtb_be32(range);
        aplic->delegate_first = dtb_be32(range + 4);
        aplic->delegate_last = dtb_be32(range + 8);
    }
    aplic_count++;
}

void aia_read_node(const struct dtb_walk *at, struct hart *(*hart_of_intc)(uint32_t phandle))
{
    if (dtb_prop_has(at, "compatible", "riscv,imsics")) {
        read_imsics(at, hart_of_intc);
    } else if (dtb_prop_has(at, "compatible", "riscv,aplic")) {
        read_aplic(at);
    }
}

static void write_register(const struct aplic *aplic, uint64_t offset, uint32_t value)
{
    *(volatile uint32_t *)(aplic->base + offset) = value;
}

static const struct imsics *find_imsics(uint32_t phandle)
{
    for (uint32_t i = 0; phandle != 0 && i < imsics_count; i++) {
        if (imsics[i].phandle == phandle) {
            return &imsics[i];
        }
    }
    return NULL;
}

static const struct aplic *find_aplic(uint32_t phandle)
{
    for (uint32_t i = 0; phandle != 0 && i < aplic_count; i++) {
        if (aplics[i].phandle == phandle) {
            return &aplics[i];
        }
    }
    return NULL;
}

/* Where the domains send messages: both addresses are in the root, which also has the fields that
 * turn a hart's number into that of its page. */
static void write_addresses(const struct aplic *root, const struct imsics *m,
                            const struct imsics *s)
{
    uint64_t m_page = m->base >> PAGE_SHIFT;
    uint64_t s_page = s->base >> PAGE_SHIFT;
    uint32_t fields = (m->group_index_shift - GROUP_SHIFT_LEAST) << 24 |
                      m->group_index_bits << 16 | m->hart_index_bits << 12;

    write_register(root, APLIC_MMSIADDRCFG, (uint32_t)m_page);
    write_register(root, APLIC_MMSIADDRCFGH,
                   fields | m->guest_index_bits << 20 | (uint32_t)(m_page >> 32 & 0xfff));
    write_register(root, APLIC_SMSIADDRCFG, (uint32_t)s_page);
    write_register(root, APLIC_SMSIADDRCFGH,
                   s->guest_index_bits << 20 | (uint32_t)(s_page >> 32 & 0xfff));
}

static void delegate(const struct aplic *root, const struct aplic *child)
{
    uint32_t sources = root->source_count < APLIC_SOURCES_MAX ? root->source_count
                                                              : APLIC_SOURCES_MAX;
    const struct imsics *m = find_imsics(root->msi_parent);
    const struct imsics *s = find_imsics(child->msi_parent);

    write_register(root, APLIC_DOMAINCFG, 0);
    for (uint32_t word = 0; word <= sources / 32; word++) {
        write_register(root, APLIC_CLRIE + 4 * word, ~0u);
    }
    for (uint32_t source = 1; source <= sources; source++) {
        bool given = source >= root->delegate_first && source <= root->delegate_last;
        write_register(root, APLIC_SOURCECFG + 4ul * (source - 1),
                       given ? SOURCECFG_DELEGATE : 0); /* to child 0 */
    }
    if (m != NULL && s != NULL) {
        write_addresses(root, m, s);
    }
}

void aia_delegate(void)
{
    for (uint32_t i = 0; i < aplic_count; i++) {
        const struct aplic *child = find_aplic(aplics[i].child);
        if (child != NULL) {
            delegate(&aplics[i], child);
        }
    }
}

/* A domain that has a child, or files that drive the harts' external interrupt of M. */
static bool is_machine_level(const struct dtb_walk *at)
{
    uint32_t bytes;

    if (dtb_prop_has(at, "compatible", "riscv,aplic")) {
        return dtb_prop(at, "riscv,children", &bytes) != NULL;
    }
    const uint8_t *pairs = dtb_prop(at, "interrupts-extended", &bytes);
    return pairs != NULL && bytes >= 8 && dtb_be32(pairs + 4) == IRQ_MEI;
}

void aia_hide_own(const struct dtb *tree)
{
    struct dtb_walk at;

    for (dtb_walk_init(&at, tree); dtb_walk_next(&at);) {
        if ((dtb_prop_has(&at, "compatible", "riscv,aplic") ||
             dtb_prop_has(&at, "compatible", "riscv,imsics")) &&
            is_machine_level(&at)) {
            dtb_hide(&at);
            dtb_walk_init(&at, tree); /* the walk stood on it */
        }
    }
}

static void write_file(uint64_t select, uint64_t value)
{
    csr_write(CSR_MISELECT, select);
    csr_write(CSR_MIREG, value);
}

void aia_hart_setup(struct hart *self)
{
    if (self->imsic == NULL || !csr_exists(CSR_MTOPEI)) {
        return;
    }
    write_file(SELECT_EITHRESHOLD, 0);
    write_file(SELECT_EIE0, 1ul << IPI_NUMBER);
    write_file(SELECT_EIDELIVERY, 1);
    atomic_store(&self->takes_messages, 1);
}

bool aia_ipi_raise(struct hart *hart)
{
    if (atomic_load(&hart->takes_messages) == 0) {
        return false;
    }
    __asm__ volatile("fence rw, o" : : : "memory");
    *hart->imsic = IPI_NUMBER;
    return true;
}

void aia_ipi_clear(struct hart *self)
{
    if (atomic_load(&self->takes_messages) != 0) {
        csr_write(CSR_MTOPEI, 0);
    }
}
