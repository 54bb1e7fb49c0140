/* Eight threads, each with Lua states and engines of its own.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <pthread.h>
#include <stdio.h>

#include "neap_lua.h"

enum { THREADS = 8, STATES = 5 };

static const char script[] = "\
  local neap = require 'neap'\n\
  local fs, http, net = require 'neap.fs', require 'neap.http', require 'neap.net'\n\
  local listener <close> = net.listen('127.0.0.1:0')\n\
  local server = neap.spawn(function()\n\
    for _ = 1, 3 do\n\
      local client <close> = listener:accept()\n\
      client:receive()\n\
      client:write 'HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\ntide'\n\
    end\n\
  end)\n\
  local node = neap.Node { name = 'n', max_retries = 2 }\n\
  local tries = 0\n\
  function node:exec()\n\
    tries = tries + 1\n\
    if tries == 1 then error 'again' end\n\
    neap.sleep(0.001)\n\
    assert(#fs.read '/proc/self/stat' > 0)\n\
  end\n\
  node:run {}\n\
  for _ = 1, 3 do\n\
    assert(http.get('http://' .. listener.address .. '/').body == 'tide')\n\
  end\n\
  server:await()\n";

/* cmocka is for one thread: what goes wrong is a text. */
static void *work(void *ud) {
  static const char *const wrong = "no state";
  char *why = ud;
  for (int i = 0; i < STATES; i++) {
    lua_State *L;
    if (neap_lua_new(NULL, &L) < 0)
      return (void *)wrong;
    if (luaL_dostring(L, script) != LUA_OK) {
      snprintf(why, 512, "%s", luaL_tolstring(L, -1, NULL));
      lua_close(L);
      return why;
    }
    lua_close(L);
  }
  return NULL;
}

static void states_of_many_threads_do_not_meet(void **state) {
  (void)state;
  static char why[THREADS][512];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(0, pthread_create(&threads[i], NULL, work, why[i]));
  const char *failed = NULL;
  for (int i = 0; i < THREADS; i++) {
    void *result;
    assert_int_equal(0, pthread_join(threads[i], &result));
    failed = result ? result : failed;
  }
  if (failed)
    fail_msg("%s", failed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(states_of_many_threads_do_not_meet),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
