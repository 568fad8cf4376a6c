/* Between qcow2_check.c and qcow2_repair.c: one check under way. */
#ifndef METIC_HW_BLOCK_QCOW2_CHECK_H
#define METIC_HW_BLOCK_QCOW2_CHECK_H

#include "hw/block/qcow2.h"

struct check {
    struct qcow2 *q;
    struct qcow2_check *out;
    enum qcow2_repair repair;
    u32 *uses;      /* of each cluster of the file, as found */
    u64 uses_bytes, clusters;
    u64 end_cluster; /* behind the last one in use */
    u8 *table;      /* a cluster */
    bool rebuild;   /* the refcounts must be made anew */
    bool quiet;     /* the second look, after a repair */
};

void check_say(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A refcount that is not `uses`; an entry of an L2 table and one of the L1 table, right or not.
 * Each mends what it may. */
void check_repair_count(struct check *check, u64 cluster, u64 uses, bool leak);
void check_repair_entry(struct check *check, struct qcow2_table *table, u64 index);
void check_repair_l1(struct check *check, u64 index);
/* Writes what was mended. */
int check_repair_finish(struct check *check);

#endif
