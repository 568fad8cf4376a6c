/* What --stats counts, on a program whose every call and device access is known. */
#include "translate/stats.h"

#include "tests/support/engine_rig.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Five rounds: a helper, a load from a device, two stores to it. */
static struct engine_rig *start(bool stats)
{
    struct engine_options options = {.kind = ENGINE_JIT, .stats = stats};
    struct engine_rig *rig = engine_rig_new(1, &options);
    struct rv_program *p = rv_new();
    rv_li(p, S0, 0);
    rv_li(p, S1, ENGINE_RIG_DEVICE);
    rv_li(p, S2, 5);
    rv_label(p, 1);
    rv_word(p, 0x0000100f); /* fence.i */
    rv_ld(p, A0, S1, 0);
    rv_sd(p, A0, S1, 0);
    rv_sd(p, A0, S1, 0);
    rv_addi(p, S0, S0, 1);
    rv_bne(p, S0, S2, 1);
    rv_label(p, 2);
    rv_j(p, 2);
    rv_finish(p);
    engine_rig_load(rig, p);
    rv_free(p);
    struct vcpu *vcpu = rig->engine->vcpus[0];
    vcpu->limit_insns = 10000;
    atomic_store(&vcpu->deadline, 0);
    cr_assert(engine_run(vcpu) == ENGINE_STOP_LIMIT);
    return rig;
}

static char *printed(struct engine_rig *rig)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    cr_assert(to != NULL);
    stats_print(rig->engine, to);
    fclose(to);
    return text;
}

/* The count in the row of that name; 0: there is none. */
static unsigned long count_of(const char *text, const char *name)
{
    const char *row = strstr(text, name);
    return row != NULL ? strtoul(row + strlen(name), NULL, 10) : 0;
}

Test(stats, counts_helpers_and_devices)
{
    struct engine_rig *rig = start(true);
    char *text = printed(rig);
    cr_expect(count_of(text, "helper fence_i") == 5, "%s", text);
    cr_expect(count_of(text, "device register") == 15, "%s", text);
    cr_expect(rig->device_reads == 5 && rig->device_writes == 10);
    cr_expect(count_of(text, "slow load") == 5, "%s", text);
    cr_expect(count_of(text, "slow store") == 10, "%s", text);
    cr_expect(count_of(text, "translation, look-up  ") >= 2, "%s", text);
    free(text);
    engine_rig_free(rig);
}

/* Of the time, each part is told once: the shares add up. */
Test(stats, shares_add_up)
{
    struct engine_rig *rig = start(true);
    char *text = printed(rig);
    double sum = 0;
    for (char *at = strchr(text, '%'); at != NULL; at = strchr(at + 1, '%')) {
        char *number = at - 1; /* "  29.6 %": back over the space and the digits */
        while (number > text && number[-1] != ' ') {
            number--;
        }
        sum += strtod(number, NULL);
    }
    cr_expect(sum > 98 && sum < 102, "%.1f\n%s", sum, text);
    free(text);
    engine_rig_free(rig);
}

/* Without it nothing is timed, and code calls helpers as ever. */
Test(stats, off)
{
    struct engine_rig *rig = start(false);
    char *text = printed(rig);
    cr_expect(strstr(text, "time of the harts") == NULL, "%s", text);
    cr_expect(strstr(text, "unlinked jump") != NULL, "%s", text);
    cr_expect(rig->device_reads == 5 && rig->device_writes == 10);
    free(text);
    engine_rig_free(rig);
}
