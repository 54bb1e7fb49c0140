/* wheel N LEAST MOST: N coroutines of Lua at once that each sleep three times,
 * for LEAST to MOST ms, on the timers of the engine and with nothing else of
 * neap: what neither a run nor a task could go below. SPDX-License-Identifier:
 * MIT */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "measure.h"
#include "neap.h"

typedef struct sleeper {
  neap_op op;
  lua_State *L;
} sleeper;

static neap_engine *engine;
static lua_State *main_state;
static long alive, slept;

static void resume(sleeper *s) {
  int count;
  int status = lua_resume(s->L, main_state, 0, &count);
  if (status == LUA_YIELD)
    return;
  if (status != LUA_OK) {
    fprintf(stderr, "wheel: %s\n", lua_tostring(s->L, -1));
    exit(EXIT_FAILURE);
  }
  alive--;
  lua_pushnil(main_state);
  lua_rawsetp(main_state, LUA_REGISTRYINDEX, s);
}

static void on_rung(neap_op *op) {
  slept++;
  resume(op->data);
}

static int nap(lua_State *L) {
  sleeper *s = *(sleeper **)lua_getextraspace(L);
  double seconds = luaL_checknumber(L, 1);
  neap_sleep_until(engine, &s->op,
                   neap_now(engine) + (uint64_t)(seconds * 1e9));
  return lua_yield(L, 0);
}

static void spawn(sleeper *s) {
  s->L = lua_newthread(main_state);
  lua_rawsetp(main_state, LUA_REGISTRYINDEX, s);
  *(sleeper **)lua_getextraspace(s->L) = s;
  neap_op_init(&s->op, on_rung, s);
  lua_getglobal(s->L, "run");
  alive++;
  resume(s);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fputs("usage: wheel N LEAST MOST\n", stderr);
    return EXIT_FAILURE;
  }
  long count = strtol(argv[1], NULL, 10);
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  main_state = luaL_newstate();
  sleeper *sleepers = calloc((size_t)count, sizeof *sleepers);
  if (!main_state || !sleepers || neap_engine_new(&opts, &engine) < 0)
    return EXIT_FAILURE;
  luaL_openlibs(main_state);
  lua_register(main_state, "nap", nap);
  lua_pushnumber(main_state, strtod(argv[2], NULL) / 1e3);
  lua_setglobal(main_state, "least");
  lua_pushnumber(main_state, strtod(argv[3], NULL) / 1e3);
  lua_setglobal(main_state, "most");
  if (luaL_dostring(main_state,
                    "local least, range, nap = least, most - least, nap\n"
                    "local random = math.random\n"
                    "function run()\n"
                    "  for _ = 1, 3 do nap(least + range * random()) end\n"
                    "end"))
    return EXIT_FAILURE;
  measure began = measure_now();
  for (long i = 0; i < count; i++)
    spawn(&sleepers[i]);
  while (alive > 0)
    neap_poll(engine, NEAP_FOREVER);
  if (slept != 3 * count)
    return EXIT_FAILURE;
  measure_print(&began, "neap's timers, Lua 5.4");
  lua_close(main_state);
  neap_engine_free(engine);
  free(sleepers);
  return 0;
}
