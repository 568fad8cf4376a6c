/* Says whose fault it was when a plug-in ends the process, one that crashes, aborts or exits, and
 * when one does not return. */
#ifndef METIC_UI_PLUGIN_GUARD_H
#define METIC_UI_PLUGIN_GUARD_H

/* The name of the plug-in whose code this thread is in, or NULL. Set around each call. */
extern _Thread_local const char *plugin_guard_name;

/* Around a callback, on the hart's thread. */
void plugin_guard_enter(unsigned hart, const char *name);
void plugin_guard_leave(unsigned hart);

/* From here until plugin_guard_end, exit means status 125, and signals of faults are told of before
 * they end the process as they would anyway; a thread looks for callbacks that do not return. */
void plugin_guard_begin(void);
void plugin_guard_end(void);

#endif
