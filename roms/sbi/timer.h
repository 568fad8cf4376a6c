/* The supervisor timer: stimecmp where the hart has Sstc, else the ACLINT and STIP. */
#ifndef ROMS_SBI_TIMER_H
#define ROMS_SBI_TIMER_H

#include "roms/sbi/hart.h"

/* Next supervisor timer interrupt, in ticks of the time CSR; withdraws one that is pending. */
void timer_set(struct hart *self, uint64_t deadline_ticks);

/* No supervisor timer interrupt until the next timer_set(). */
void timer_stop(struct hart *self);

/* The machine timer of this hart fired: pass it on. */
void timer_fired(struct hart *self);

/* The time in ticks. */
uint64_t timer_now(const struct hart *self);

#endif
