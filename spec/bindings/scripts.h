/* Scripts that a host loads, for the specs in C.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_SCRIPTS_H
#define NEAP_SPEC_SCRIPTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <string.h>

#include "neap_lua.h"
#include "short_memory.h"

/* For a test that gets a state, and for its end. */
static inline int make(void **state) {
  lua_State *L;
  if (neap_lua_new(NULL, &L) < 0)
    return -1;
  *state = L;
  return 0;
}

static inline int end(void **state) {
  lua_close(*state);
  return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make, end)

static inline int load(lua_State *L, const char *text, neap_lua_flow *out) {
  return neap_lua_load(L, "test.lua", text, strlen(text), out);
}

/* Drives the loop until the script of a flow has ended. */
static inline int finish(lua_State *L, neap_lua_flow flow) {
  int status;
  while ((status = neap_lua_loaded(L, flow)) == NEAP_EAGAIN)
    neap_poll(neap_lua_engine(L), NEAP_FOREVER);
  return status;
}

/* Loads a script that has to return a flow. */
static inline neap_lua_flow loaded(lua_State *L, const char *text) {
  neap_lua_flow flow = 0;
  if (load(L, text, &flow) < 0 || finish(L, flow) < 0)
    fail_msg("%s", neap_lua_why(L));
  return flow;
}

/* Waits for the report of the next run that ends. */
static inline neap_report next_report(lua_State *L) {
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(neap_lua_engine(L), &report) == NEAP_EAGAIN) {
    if (neap_pending(neap_lua_engine(L)) == 0)
      fail_msg("nothing is left that could end the run");
    neap_poll(neap_lua_engine(L), NEAP_FOREVER);
  }
  return report;
}

/* Bytes that the state holds when nothing is left to collect. */
static inline int held(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  lua_gc(L, LUA_GCCOLLECT); /* what the first one has finalized */
  return lua_gc(L, LUA_GCCOUNT) * 1024 + lua_gc(L, LUA_GCCOUNTB);
}

/* Has `play` use a new state, and refuses each request for memory in turn, or
 * every `step`-th. `play` gives the first status that is not success, and is
 * then called again. */
static inline void sweep_some(int (*play)(lua_State *L), bool for_good,
                              long step) {
  for (long n = 1; n < 100000; n += step) {
    memory m = {0};
    neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
    engine.alloc.fn = allocate;
    engine.alloc.ud = &m;
    neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
    opts.engine = &engine;
    lua_State *L;
    assert_int_equal(0, neap_lua_new(&opts, &L));
    m.fail_at = m.requests + n;
    m.for_good = for_good;
    int status = play(L);
    bool was_refused = m.requests >= m.fail_at;
    m.fail_at = 0;
    assert_true(was_refused || status == 0);
    assert_int_equal(0, lua_gettop(L));
    assert_int_equal(0, play(L)); /* it is still of use */
    lua_close(L);
    assert_int_equal(0, m.live);
    if (!was_refused)
      return;
  }
  fail_msg("there is no end of it");
}

static inline void sweep(int (*play)(lua_State *L), bool for_good) {
  sweep_some(play, for_good, 1);
}

#endif
