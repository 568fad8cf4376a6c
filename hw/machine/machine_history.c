/* Keeping a history (metic.h, "a history"): moments, what they cost, and running forward with them.
 * Going back is in machine_reverse.c.
 *
 * A debugger's changes do not repeat by themselves. So the first run after some begins with a
 * moment of its own, a *wall*: who runs towards it from an earlier one is put there when he
 * arrives. */
#include "hw/machine/machine_history.h"

#include "hw/machine/machine_run.h"
#include "hw/machine/machine_state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LEAST_INSNS = 1000000, /* between two moments of a run */
    COST_TIMES = 16,       /* the time between two is that of saving one, so many times */
    MAX_WALLS = 16,
};

/* --- what a history needs --- */

static const char *obstacle(const struct metic_machine *machine)
{
    if (machine->options.clock != METIC_CLOCK_VIRTUAL) {
        return "on the real clock no run repeats";
    }
    if (machine->trace != NULL || machine->video != NULL) {
        return "a trace, coverage or film would have the same twice";
    }
    if (journal_is_replay(machine->journal)) {
        return NULL;
    }
    if (machine->net != NULL || machine->vsock_config.port != NULL) {
        return "the other end of a network does not go back";
    }
    return machine->share_count > 0 || machine->options.semihosting_folder != NULL
               ? "a shared folder does not go back"
           : machine->sound != NULL ? "sound that was heard does not go back"
                                    : NULL;
}

static u64 default_limit_bytes(void)
{
    const u64 most = (u64)2 << 30;
    u64 host_bytes = (u64)sysconf(_SC_PHYS_PAGES) * (u64)sysconf(_SC_PAGESIZE);
    return host_bytes / 8 < most ? host_bytes / 8 : most;
}

static void drop(struct machine_history *history, unsigned at)
{
    struct history_moment *moment = history->moments[at];
    history->count--;
    memmove(&history->moments[at], &history->moments[at + 1],
            (history->count - at) * sizeof(history->moments[0]));
    history->state_bytes -= moment->state.size_bytes;
    page_pool_drop(history->pool, &moment->image);
    state_writer_fini(&moment->state);
    free(moment->hart_insns);
    free(moment);
}

static void drop_all(struct machine_history *history)
{
    while (history->count > 0) {
        drop(history, history->count - 1);
    }
}

bool metic_history_begin(metic_machine *machine, uint64_t limit_bytes, struct metic_error *error)
{
    const char *why = obstacle(machine);
    if (machine->history != NULL) {
        return true;
    }
    if (why != NULL) {
        return error_set(error, NULL, "reverse execution needs --clock virtual or --replay FILE, "
                         "and nothing that does not repeat: %s", why);
    }
    struct machine_history *history = calloc(1, sizeof(*history));
    struct page_pool *pool = page_pool_new();
    if (history == NULL || pool == NULL || !journal_begin_history(machine->journal)) {
        free(history);
        page_pool_free(pool);
        return error_set(error, NULL, "the host has no memory for a history");
    }
    history->pool = pool;
    history->limit_bytes = limit_bytes != 0 ? limit_bytes : default_limit_bytes();
    history->lost = true; /* it begins with the next move */
    machine->history = history;
    machine->engine->debug.faithful = true;
    return true;
}

void metic_history_end(metic_machine *machine)
{
    struct machine_history *history = machine->history;
    if (history != NULL) {
        drop_all(history);
        page_pool_free(history->pool);
        free(history);
        machine->history = NULL;
        machine->engine->debug.faithful = false;
        journal_forget_future(machine->journal, machine_total_insns(machine));
        journal_end_history(machine->journal);
    }
}

static u64 bytes_of(const struct metic_machine *machine)
{
    const struct machine_history *history = machine->history;
    return page_pool_bytes(history->pool) + history->state_bytes +
           journal_history_bytes(machine->journal);
}

bool metic_get_history(metic_machine *machine, struct metic_history_info *info)
{
    const struct machine_history *history = machine->history;
    if (history == NULL) {
        return false;
    }
    u64 now = machine_total_insns(machine);
    *info = (struct metic_history_info){
        .first_insns = history->count > 0 ? history->moments[0]->insns : now,
        .now_insns = now,
        .last_insns = history->last_insns > now ? history->last_insns : now,
        .moments = history->count,
        .bytes = bytes_of(machine),
        .limit_bytes = history->limit_bytes,
        .past = journal_is_past(machine->journal),
    };
    return true;
}

const char *metic_history_news(metic_machine *machine)
{
    struct machine_history *history = machine->history;
    const char *news = history != NULL ? history->news : NULL;
    if (news != NULL) {
        history->news = NULL;
    }
    return news;
}

/* --- moments --- */

int history_find(const struct machine_history *history, u64 insns)
{
    int found = (int)history->count - 1;
    while (found >= 0 && history->moments[found]->insns > insns) {
        found--;
    }
    return found;
}

int history_find_hart(const struct machine_history *history, unsigned hart, u64 insns)
{
    int found = (int)history->count - 1;
    while (found >= 0 && history->moments[found]->hart_insns[hart] > insns) {
        found--;
    }
    return found;
}

/* How little would be missed: what lies between its neighbours, as a part of how long ago it
 * was. */
static double worth(const struct machine_history *history, unsigned at, u64 now)
{
    u64 here = history->moments[at]->insns;
    u64 gap = history->moments[at + 1]->insns - history->moments[at - 1]->insns;
    u64 away = here > now ? here - now : now - here;
    return (double)gap / ((double)away + 1);
}

/* The history gives up the moment that is missed least, or its beginning. */
static void thin(struct machine_history *history, u64 now)
{
    unsigned least = 0, walls = 0;
    for (unsigned i = 1; i + 1 < history->count; i++) {
        walls += history->moments[i]->wall;
        if (!history->moments[i]->wall &&
            (least == 0 || worth(history, i, now) < worth(history, least, now))) {
            least = i;
        }
    }
    drop(history, walls > MAX_WALLS ? 0 : least);
}

static bool fits(const struct metic_machine *machine)
{
    const struct machine_history *history = machine->history;
    return history->count <= 1 ||
           (history->count <= HISTORY_MOMENTS && bytes_of(machine) <= history->limit_bytes);
}

struct ram_way {
    struct machine_history *history;
    struct history_moment *moment;
    const struct page_image *like;
};

static bool take_ram(void *opaque, struct memory *memory, struct metic_error *error)
{
    const struct ram_way *way = opaque;
    return page_pool_take(way->history->pool, memory, way->like, &way->moment->image, error);
}

static bool put_ram(void *opaque, struct memory *memory, struct metic_error *error)
{
    const struct ram_way *way = opaque;
    (void)error;
    page_pool_put(way->history->pool, memory, &way->moment->image);
    return true;
}

static void note_outside(struct metic_machine *machine, struct history_moment *moment)
{
    moment->insns = machine_total_insns(machine);
    for (unsigned i = 0; i < machine->engine->vcpu_count; i++) {
        moment->hart_insns[i] = machine->engine->vcpus[i]->insns;
    }
    journal_mark(machine->journal, &moment->mark);
    moment->uart_bytes = char_port_written(machine->uart);
    moment->hvc_bytes = machine->hvc != NULL ? char_port_written(machine->hvc) : 0;
    for (unsigned i = 0; i < machine->ports_config.count; i++) {
        moment->port_bytes[i] = char_port_written(machine->ports[i].port);
    }
}

static struct history_moment *make_moment(struct metic_machine *machine,
                                          const struct history_moment *before)
{
    struct history_moment *moment = calloc(1, sizeof(*moment));
    struct metic_error error;
    if (moment == NULL) {
        return NULL;
    }
    moment->hart_insns = calloc(machine->engine->vcpu_count, sizeof(u64));
    state_writer_init(&moment->state);
    struct ram_way way = {machine->history, moment, before != NULL ? &before->image : NULL};
    const struct machine_ram ram = {take_ram, &way};
    if (moment->hart_insns != NULL &&
        machine_save_state(machine, "", &moment->state, &ram, &error) && !moment->state.failed) {
        note_outside(machine, moment);
        return moment;
    }
    page_pool_drop(machine->history->pool, &moment->image);
    state_writer_fini(&moment->state);
    free(moment->hart_insns);
    free(moment);
    return NULL;
}

static u64 host_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

bool history_keep(struct metic_machine *machine, bool wall)
{
    struct machine_history *history = machine->history;
    u64 begun_ns = host_ns(), now = machine_total_insns(machine);
    int before = history_find(history, now);
    struct history_moment *moment =
        make_moment(machine, before >= 0 ? history->moments[before] : NULL);
    if (moment == NULL) {
        return false;
    }
    moment->wall = wall;
    unsigned at = (unsigned)(before + 1);
    if (before >= 0 && history->moments[before]->insns == now) { /* it takes that one's place */
        moment->wall = wall || history->moments[before]->wall;
        at = (unsigned)before;
        drop(history, at);
    }
    memmove(&history->moments[at + 1], &history->moments[at],
            (history->count - at) * sizeof(history->moments[0]));
    history->moments[at] = moment;
    history->count++;
    history->state_bytes += moment->state.size_bytes;
    while (!fits(machine)) {
        thin(history, now);
    }
    u64 end_ns = host_ns();
    history->next_host_ns = end_ns + COST_TIMES * (end_ns - begun_ns);
    return true;
}

/* What the guest asked for and has not got goes with the guest. */
static void forget_events(struct metic_machine *machine)
{
    const u32 guests = MACHINE_EVENT_POWEROFF | MACHINE_EVENT_RESET | MACHINE_EVENT_PANIC |
                       MACHINE_EVENT_HART | MACHINE_EVENT_DEBUG | MACHINE_EVENT_FAILED;
    atomic_fetch_and(&machine->events, ~guests);
}

static void go_back_outside(struct metic_machine *machine, const struct history_moment *moment)
{
    char_port_go_back(machine->uart, moment->uart_bytes);
    if (machine->hvc != NULL) {
        char_port_go_back(machine->hvc, moment->hvc_bytes);
    }
    for (unsigned i = 0; i < machine->ports_config.count; i++) {
        char_port_go_back(machine->ports[i].port, moment->port_bytes[i]);
    }
}

bool history_load(struct metic_machine *machine, unsigned at)
{
    struct machine_history *history = machine->history;
    struct history_moment *moment = history->moments[at];
    struct machine_sections *sections = malloc(sizeof(*sections));
    struct metic_error error = {.what = "the host has no memory for going back"};
    struct ram_way way = {history, moment, NULL};
    const struct machine_ram ram = {put_ram, &way};
    u64 now = machine_total_insns(machine);
    if (!journal_is_past(machine->journal) && now > history->last_insns) {
        history->last_insns = now;
    }
    bool ok = sections != NULL &&
              journal_go_back(machine->journal, &moment->mark, history->last_insns) &&
              machine_split_sections(moment->state.bytes, moment->state.size_bytes, sections,
                                     &error) &&
              machine_load_state(machine, sections, &ram, MACHINE_LOAD_PAST, &error);
    free(sections);
    if (!ok) {
        machine_spoil(machine, error.what);
        return false;
    }
    go_back_outside(machine, moment);
    forget_events(machine);
    machine_debug_moved(machine);
    return true;
}

/* --- what a debugger does meanwhile --- */

void machine_history_edited(struct metic_machine *machine)
{
    if (machine->history != NULL) {
        machine->history->edited = true;
    }
}

void machine_history_lost(struct metic_machine *machine)
{
    if (machine->history != NULL) {
        machine->history->lost = true;
    }
}

void machine_history_held(struct metic_machine *machine)
{
    struct machine_history *history = machine->history;
    if (history != NULL && !history->lost) {
        history->lost = true;
        history->news = "a hart was held back, as no run does: the history begins here";
    }
}

static void forget_future(struct metic_machine *machine)
{
    struct machine_history *history = machine->history;
    u64 now = machine_total_insns(machine);
    if (!journal_is_past(machine->journal)) {
        return;
    }
    journal_forget_future(machine->journal, now);
    char_port_forget_future(machine->uart);
    if (machine->hvc != NULL) {
        char_port_forget_future(machine->hvc);
    }
    for (unsigned i = 0; i < machine->ports_config.count; i++) {
        char_port_forget_future(machine->ports[i].port);
    }
    while (history->count > 0 && history->moments[history->count - 1]->insns > now) {
        drop(history, history->count - 1);
    }
    history->last_insns = now;
    history->next_insns = 0;
    history->news = "the past was changed: what came after is forgotten, a new future begins here";
}

void history_settle(struct metic_machine *machine)
{
    struct machine_history *history = machine->history;
    if (history->lost) {
        forget_future(machine);
        drop_all(history);
        journal_begin_history(machine->journal);
        history->last_insns = history->next_insns = 0;
    } else if (history->edited) {
        forget_future(machine);
    }
    if (history->lost || history->edited || history->count == 0) {
        history_keep(machine, history->edited && history->count > 0);
    }
    history->lost = history->edited = false;
}

/* --- running forward --- */

void machine_history_due(struct metic_machine *machine)
{
    struct machine_history *history = machine->history;
    if (history == NULL || machine->turn_open || journal_is_past(machine->journal)) {
        return;
    }
    u64 now = machine_total_insns(machine);
    if (now >= history->next_insns && host_ns() >= history->next_host_ns) {
        history_keep(machine, false);
        history->next_insns = now + LEAST_INSNS;
    }
}

/* The next wall ahead, in the past; -1: none. */
static int wall_ahead(const struct metic_machine *machine)
{
    const struct machine_history *history = machine->history;
    u64 now = machine_total_insns(machine);
    for (unsigned i = 0; journal_is_past(machine->journal) && i < history->count; i++) {
        if (history->moments[i]->wall && history->moments[i]->insns > now) {
            return (int)i;
        }
    }
    return -1;
}

/* Runs to the wall, at most, and through it. True: and has to go on. */
static bool run_to_wall(struct metic_machine *machine, u64 insns, struct metic_result *result)
{
    struct machine_history *history = machine->history;
    int wall = wall_ahead(machine);
    u64 at_insns = wall >= 0 ? history->moments[wall]->insns : UINT64_MAX;
    machine->pause.total_insns = at_insns;
    machine_run_piece(machine, insns, result);
    machine->pause.total_insns = UINT64_MAX;
    bool arrived = result->reason == METIC_BREAK && machine_total_insns(machine) == at_insns;
    struct metic_stop stop = machine->stop;
    if (arrived && history_load(machine, (unsigned)wall)) {
        machine->stop = stop; /* it may have been a step, too */
        return machine->pause.reached;
    }
    return false;
}

void machine_history_run(struct metic_machine *machine, u64 insns, struct metic_result *result)
{
    struct machine_history *history = machine->history;
    history_settle(machine);
    while (run_to_wall(machine, insns, result)) {
    }
    u64 now = machine_total_insns(machine);
    if (now > history->last_insns) {
        history->last_insns = now;
    }
}
