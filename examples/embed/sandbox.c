/* A script that nobody trusts: it computes for ever, and is ended.
 * SPDX-License-Identifier: MIT */
#include <neap_lua.h>

#include <lua.h>
#include <stdio.h>
#include <string.h>

static const char script[] =
    "local neap = require 'neap'\n"
    "local spin = neap.Node { name = 'spin', exec = function()\n"
    "  while true do\n"
    "    pcall(function() while true do local x = 1 end end)\n"
    "  end\n"
    "end }\n"
    "return neap.Flow { name = 'hostile', start = spin }\n";

/* One frame of the program: a millisecond is the script's. */
static void frame(lua_State *L) {
  neap_slice(neap_lua_engine(L), 1000000, NULL);
}

int main(void) {
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.profile = NEAP_UNTRUSTED; /* without grants: it reaches nothing */
  opts.memory_cap = 16 * 1024 * 1024;
  opts.compute_limit_ns = 20000000;
  lua_State *L;
  int status = neap_lua_new(&opts, &L);
  if (status < 0) {
    fprintf(stderr, "neap: %s\n", neap_status_text(status));
    return 1;
  }
  neap_lua_flow flow;
  neap_token run;
  status = neap_lua_load(L, "hostile.lua", script, strlen(script), &flow);
  if (status == 0)
    status = neap_lua_start(L, flow, 0, NULL, &run);
  if (status < 0) {
    fprintf(stderr, "neap: %s: %s\n", neap_status_text(status),
            neap_lua_why(L));
    lua_close(L);
    return 1;
  }
  int frames = 0;
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(neap_lua_engine(L), &report) == NEAP_EAGAIN) {
    frame(L);
    frames++;
  }
  printf("ended with code %s after %s frames\n", report.code,
         frames > 5 ? "some" : "few");
  lua_close(L);
  return 0;
}
