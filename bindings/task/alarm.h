/* An alarm by a signal that the host has lent: it interrupts code at a time.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_ALARM_H
#define NEAP_BINDINGS_TASK_ALARM_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct neapL_alarm neapL_alarm;

/* Makes an alarm that comes by a real-time signal, whose handler is ours from
 * now on. `ring(ud)` is called in the handler, so it may do no more than
 * handlers may. On success *out is *owned*. Returns 0, NEAP_EINVAL for another
 * signal, NEAP_EBUSY for one that has a handler, or NEAP_ENOMEM.
 * [-0, +0, -] */
int neapL_alarm_new(lua_State *L, int number, void (*ring)(void *ud), void *ud,
                    neapL_alarm **out);

/* Frees an alarm, which may be NULL and must not be set. With the last one of
 * its signal, the signal gets the disposition back that it had before.
 * [-0, +0, -] */
void neapL_alarm_free(lua_State *L, neapL_alarm *alarm);

/* Has the alarm ring in this thread, once, at a time of the monotonic clock. It
 * must not be set. Returns false when it cannot: no timer is left, or this
 * thread blocks the signal. */
bool neapL_alarm_set(neapL_alarm *alarm, uint64_t at);

/* Takes back an alarm that has been set, whether it has rung or not: it does
 * not ring after this. Alarms of a thread are taken back in reverse. */
void neapL_alarm_stop(neapL_alarm *alarm);

#endif
