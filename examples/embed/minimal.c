/* neap in the loop of a program: a flow in Lua, a slice of 2 ms in each frame.
 * SPDX-License-Identifier: MIT */
#include <neap_lua.h>

#include <lua.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char script[] =
    "local neap = require 'neap'\n"
    "local Lamp = neap.Node:extend { name = 'Lamp' }\n"
    "function Lamp:exec()\n"
    "  for i = 1, 3 do print('the lamp turns'); neap.sleep(0.05) end\n"
    "end\n"
    "return Lamp()\n";

int main(void) {
  lua_State *L;
  neap_lua_flow flow;
  neap_token run;
  if (neap_lua_new(NULL, &L) < 0)
    return 1;
  neap_engine *engine = neap_lua_engine(L);
  int status = neap_lua_load(L, "lamp", script, strlen(script), &flow);
  if (status == 0)
    status = neap_lua_start(L, flow, 0, NULL, &run);
  if (status < 0) {
    fprintf(stderr, "%s: %s\n", neap_status_text(status), neap_lua_why(L));
    lua_close(L);
    return 1;
  }
  int frames = 0;
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(engine, &report) == NEAP_EAGAIN) {
    neap_slice(engine, 2000000, NULL); /* no longer than 2 ms */
    frames++;                          /* the program's own work goes here */
    nanosleep(&(struct timespec){.tv_nsec = 16000000}, NULL);
  }
  printf("%s after %s\n", neap_status_text(report.status),
         frames >= 9 ? "9 frames or more" : "too few frames");
  lua_close(L);
  return report.status == 0 ? 0 : 1;
}
