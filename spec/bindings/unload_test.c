/* libneap_lua is loaded and unloaded again and again: no descriptor, thread or
 * handler of forks is left behind.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <lauxlib.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "neap_lua.h"

static int count_entries(const char *path) {
  int count = 0;
  DIR *folder = opendir(path);
  assert_non_null(folder);
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static void use(const char *script) {
  void *library = dlopen(NEAP_TEST_LUA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fail_msg("%s", dlerror());
    return;
  }
  int (*make)(const neap_lua_opts *, lua_State **) =
      (int (*)(const neap_lua_opts *, lua_State **))dlsym(library,
                                                          "neap_lua_new");
  assert_non_null(make);
  lua_State *L;
  assert_int_equal(0, make(NULL, &L));
  if (luaL_dostring(L, script) != LUA_OK)
    fail_msg("%s", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  assert_int_equal(0, dlclose(library));
}

/* The handler of a library that is gone would be called by fork. */
static void check_fork(void) {
  pid_t child = fork();
  if (child == 0)
    _exit(0);
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
}

static void repeat(const char *script) {
  use(script);
  int files = count_entries("/proc/self/fd");
  int threads = count_entries("/proc/self/task");
  size_t bytes = 0;
  for (int i = 0; i < 50; i++) {
    use(script);
    check_fork();
    if (i == 9)
      bytes = mallinfo2().uordblks;
  }
  assert_int_equal(files, count_entries("/proc/self/fd"));
  assert_int_equal(threads, count_entries("/proc/self/task"));
  assert_in_range(mallinfo2().uordblks, 0, bytes + 16384);
}

static void after_a_sleep(void **state) {
  (void)state;
  repeat("require('neap').sleep(0.001)");
}

static void after_work_of_the_pool(void **state) {
  (void)state;
  repeat("assert(#require('neap.fs').read '/proc/self/stat' > 0)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(after_a_sleep),
      cmocka_unit_test(after_work_of_the_pool),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
