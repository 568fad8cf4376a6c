/* Says whose fault it was when a plug-in ends the process: one that crashes, aborts or exits. */
#ifndef METIC_UI_PLUGIN_GUARD_H
#define METIC_UI_PLUGIN_GUARD_H

/* The name of the plug-in whose code this thread is in, or NULL. Set around each call. */
extern _Thread_local const char *plugin_guard_name;

/* From here until plugin_guard_end, exit means status 125, and signals of faults are told of before
 * they end the process as they would anyway. */
void plugin_guard_begin(void);
void plugin_guard_end(void);

#endif
