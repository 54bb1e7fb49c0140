/* neap on a loop of libuv that the program runs.
 * SPDX-License-Identifier: MIT */
#include <neap_lua.h>

#include <stdio.h>
#include <string.h>
#include <uv.h>

static const char script[] =
    "local neap = require 'neap'\n"
    "local Gauge = neap.Node:extend { name = 'Gauge' }\n"
    "function Gauge:exec()\n"
    "  for level = 1, 3 do\n"
    "    neap.sleep(0.05)\n"
    "    print('the water is at ' .. level)\n"
    "  end\n"
    "end\n"
    "return Gauge()\n";

typedef struct program {
  uv_async_t slice_wanted;
  uv_timer_t timer; /* the program's own */
  int ticks;
  lua_State *L;
} program;

/* Called by neap, from any thread: it may only note that a slice is wanted. */
static void on_wakeup(void *ud) {
  program *p = ud;
  uv_async_send(&p->slice_wanted);
}

static void on_tick(uv_timer_t *timer) {
  program *p = timer->data;
  p->ticks++;
}

/* The state and its engine end here. The engine's handles close in the loop's
 * next turn, as the program's own do. */
static void end(program *p) {
  lua_close(p->L);
  uv_close((uv_handle_t *)&p->slice_wanted, NULL);
  uv_close((uv_handle_t *)&p->timer, NULL);
}

static void on_slice_wanted(uv_async_t *async) {
  program *p = async->data;
  neap_engine *engine = neap_lua_engine(p->L);
  neap_slice(engine, 2000000, NULL); /* leaves work? then on_wakeup is called */
  neap_report report = NEAP_REPORT_INIT;
  if (neap_next_report(engine, &report) < 0)
    return;
  printf("%s%s\n", neap_status_text(report.status),
         p->ticks > 0 ? ", and the timer has ticked" : "");
  end(p);
}

static int start(program *p, uv_loop_t *loop) {
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.loop = loop;
  engine.wakeup = on_wakeup;
  engine.wakeup_ud = p;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  int status = neap_lua_new(&opts, &p->L);
  neap_lua_flow flow;
  neap_token run;
  if (status == 0)
    status = neap_lua_load(p->L, "gauge", script, strlen(script), &flow);
  if (status == 0)
    status = neap_lua_start(p->L, flow, 0, NULL, &run);
  return status;
}

int main(void) {
  uv_loop_t loop;
  program p = {.ticks = 0};
  uv_loop_init(&loop);
  uv_async_init(&loop, &p.slice_wanted, on_slice_wanted);
  uv_timer_init(&loop, &p.timer);
  p.slice_wanted.data = p.timer.data = &p;
  uv_timer_start(&p.timer, on_tick, 40, 40);
  int status = start(&p, &loop);
  if (status < 0) {
    fprintf(stderr, "%s\n", neap_status_text(status));
    return 1;
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  status = uv_loop_close(&loop);
  puts(status == 0 ? "nothing is left on the loop" : uv_strerror(status));
  return status == 0 ? 0 : 1;
}
