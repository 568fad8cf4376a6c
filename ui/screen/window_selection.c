/* See window_selection.h. */
#include "config.h"
#include "ui/screen/window_selection.h"

#include <stddef.h>

#if HAVE_XFIXES
#include "cpu/base/library.h"

#include <X11/Xlib.h>
#include <X11/extensions/Xfixes.h>
#include <stdlib.h>

/* Xlib's macros of these names look into a Display. */
#undef ConnectionNumber
#undef DefaultRootWindow

struct window_selection {
    void *xlib, *xfixes;
#define XLIB_CALL(result, name, parameters) result(*name) parameters;
#include "ui/screen/xlib_api.def"
#undef XLIB_CALL
    Bool (*QueryExtension)(Display *display, int *event_base, int *error_base);
    void (*SelectSelectionInput)(Display *display, Window window, Atom selection,
                                 unsigned long events);
    Display *display;
    int event_base; /* of Fixes' events among X's */
};

static bool find_all(struct window_selection *s)
{
    bool all = true;
    s->xlib = library_open("libX11.so.6");
    s->xfixes = library_open("libXfixes.so.3");
    if (s->xlib == NULL || s->xfixes == NULL) {
        return false;
    }
#define XLIB_CALL(result, name, parameters) \
    all &= library_find(s->xlib, "X" #name, (void *)&s->name, sizeof(s->name));
#include "ui/screen/xlib_api.def"
#undef XLIB_CALL
    return all &&
           library_find(s->xfixes, "XFixesQueryExtension", (void *)&s->QueryExtension,
                        sizeof(s->QueryExtension)) &&
           library_find(s->xfixes, "XFixesSelectSelectionInput", (void *)&s->SelectSelectionInput,
                        sizeof(s->SelectSelectionInput));
}

struct window_selection *window_selection_open(void)
{
    struct window_selection *s = calloc(1, sizeof(*s));
    int errors;
    if (s == NULL || !find_all(s) || (s->display = s->OpenDisplay(NULL)) == NULL ||
        !s->QueryExtension(s->display, &s->event_base, &errors)) {
        window_selection_close(s);
        return NULL;
    }
    s->SelectSelectionInput(s->display, s->DefaultRootWindow(s->display),
                            s->InternAtom(s->display, "CLIPBOARD", False),
                            XFixesSetSelectionOwnerNotifyMask);
    s->Flush(s->display);
    return s;
}

/* A window manager names a window of its own at the root, which is how programs know that there is
 * one (Extended Window Manager Hints, _NET_SUPPORTING_WM_CHECK). */
bool window_selection_unmanaged(struct window_selection *s)
{
    unsigned char *data = NULL;
    unsigned long count = 0, left;
    Atom type, check;
    int format;
    if (s == NULL) {
        return false;
    }
    check = s->InternAtom(s->display, "_NET_SUPPORTING_WM_CHECK", False);
    bool known = s->GetWindowProperty(s->display, s->DefaultRootWindow(s->display), check, 0, 1,
                                      False, AnyPropertyType, &type, &format, &count, &left,
                                      &data) == Success;
    if (data != NULL) {
        s->Free(data);
    }
    return known && count == 0;
}

void window_selection_close(struct window_selection *s)
{
    if (s == NULL) {
        return;
    }
    if (s->display != NULL) {
        s->CloseDisplay(s->display);
    }
    library_close(s->xfixes);
    library_close(s->xlib);
    free(s);
}

int window_selection_fd(const struct window_selection *s)
{
    return s != NULL ? s->ConnectionNumber(s->display) : -1;
}

bool window_selection_read(struct window_selection *s)
{
    bool changed = false;
    while (s->Pending(s->display) > 0) {
        XEvent event;
        s->NextEvent(s->display, &event);
        changed |= event.type == s->event_base + XFixesSelectionNotify;
    }
    return changed;
}

#else

struct window_selection *window_selection_open(void) { return NULL; }
void window_selection_close(struct window_selection *selection) { (void)selection; }

bool window_selection_unmanaged(struct window_selection *selection)
{
    (void)selection;
    return false;
}

int window_selection_fd(const struct window_selection *selection)
{
    (void)selection;
    return -1;
}

bool window_selection_read(struct window_selection *selection)
{
    (void)selection;
    return false;
}

#endif
