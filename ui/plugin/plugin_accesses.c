/* See plugin_accesses.h. Each hart has room for some of them, which its own thread fills. */
#include "ui/plugin/plugin_accesses.h"

#include "ui/plugin/plugin_guard.h"

#include <stdlib.h>

enum { ROOM = 1024, MAX_LISTENERS = 8 };

struct room {
    size_t count;
    struct metic_plugin_access list[ROOM];
};

struct plugin_accesses {
    struct listener {
        const char *name;
        metic_plugin_accesses_fn *fn;
        void *user;
    } listeners[MAX_LISTENERS];
    unsigned listener_count;
    unsigned harts;
    struct room rooms[]; /* the harts' */
};

bool plugin_accesses_add(struct plugin_accesses **accesses, metic_machine *machine,
                         const char *name, metic_plugin_accesses_fn *fn, void *user)
{
    if (*accesses == NULL) {
        unsigned harts = metic_hart_count(machine);
        *accesses = calloc(1, sizeof(**accesses) + harts * sizeof((*accesses)->rooms[0]));
        if (*accesses == NULL) {
            return false;
        }
        (*accesses)->harts = harts;
    }
    struct plugin_accesses *all = *accesses;
    if (all->listener_count == MAX_LISTENERS) {
        return false;
    }
    all->listeners[all->listener_count++] = (struct listener){name, fn, user};
    return true;
}

static void tell(struct plugin_accesses *accesses, unsigned hart)
{
    struct room *room = &accesses->rooms[hart];
    for (unsigned i = 0; i < accesses->listener_count && room->count != 0; i++) {
        const struct listener *listener = &accesses->listeners[i];
        plugin_guard_enter(hart, listener->name, "accesses");
        listener->fn(listener->user, room->list, room->count);
        plugin_guard_leave(hart);
    }
    room->count = 0;
}

struct metic_plugin_access *plugin_accesses_next(struct plugin_accesses *accesses, unsigned hart)
{
    struct room *room = &accesses->rooms[hart];
    if (room->count == ROOM) {
        tell(accesses, hart);
    }
    return &room->list[room->count++];
}

void plugin_accesses_flush(struct plugin_accesses *accesses)
{
    for (unsigned i = 0; accesses != NULL && i < accesses->harts; i++) {
        tell(accesses, i);
    }
}

void plugin_accesses_free(struct plugin_accesses *accesses)
{
    free(accesses);
}
