/* The event loop: libuv, the clock, and the delivery of what is ready.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_LOOP_H
#define NEAP_LOOP_LOOP_H

#include "neap.h"

/* Opens the loop of an engine. A part of the engine that puts a handle on `uv`
 * has to uv_unref it: a handle that is referenced is a guest's. */
int neap__loop_open(neap_engine *engine, neap_clock clock);

/* Closes every handle that is left on the loop, waits for requests that the
 * thread pool has begun, and closes the loop. Before that, its operations have
 * been forgotten, and the owners of handles have begun to close them. */
void neap__loop_close(neap_engine *engine);

/* Closes the descriptors of the loop in the child of a fork, and leaves its
 * memory: no function of libuv may be called with it any more. */
void neap__loop_disown(neap_engine *engine);

/* Whether there are operations to be delivered. */
bool neap__loop_has_ready(const neap_engine *engine);

/* Calls `done` of the operations that are ready, and of those that become
 * ready meanwhile, for a bounded number of rounds. Returns how many, or
 * NEAP_EFORK when one has forked and this is the child. */
int neap__loop_drain(neap_engine *engine);

/* The same, but no further once the real clock is at `until`. If any was
 * delivered, *now is when the clock was looked at last, after the last `done`.
 */
int neap__loop_drain_until(neap_engine *engine, uint64_t until, uint64_t *now);

/* Runs uv's callbacks once, waiting for the first at most `max_wait_ns`. */
void neap__loop_wait(neap_engine *engine, uint64_t max_wait_ns);

/* How long, in ms, uv could wait for I/O before it has to run for something
 * else; -1: for ever. */
int neap__loop_timeout(neap_engine *engine);

/* The one alarm of a loop calls `fn` from neap__loop_wait, once, when `at_ns`
 * is past. Setting it anew moves it. On a clock that does not go by itself it
 * never rings. */
void neap__loop_on_alarm(neap_engine *engine, void (*fn)(neap_engine *engine));
void neap__loop_set_alarm(neap_engine *engine, uint64_t at_ns);

#endif
