/* A Lua state whose engine is restricted: what its scripts can do, and what a
 * refusal is for them.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "neap_lua.h"

/* What every script begins with. `denied(message, f, ...)` expects a refusal,
 * the message of which has the text. */
static const char prelude[] =
    "local neap = require 'neap'\n"
    "local fs, net, process = require 'neap.fs', require 'neap.net',\n"
    "  require 'neap.process'\n"
    "local http, core = require 'neap.http', require 'neap.core'\n"
    "local function denied(text, f, ...)\n"
    "  local ok, err = pcall(f, ...)\n"
    "  assert(not ok, 'allowed: ' .. text)\n"
    "  assert(type(err) == 'table', err)\n"
    "  assert(err.code == 'denied', tostring(err))\n"
    "  assert(err.retryable == false, tostring(err))\n"
    "  assert(err.message:find(text, 1, true), err.message)\n"
    "end\n";

/* Runs a script in a new state with these grants. */
static void run(const char *const *list, const char *script) {
  neap_grants grants = NEAP_GRANTS_INIT;
  grants.list = list;
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  engine.grants = list ? &grants : NULL;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  assert_int_equal(0, neap_lua_open(L, &opts));
  lua_pushstring(L, prelude);
  lua_pushstring(L, script);
  lua_concat(L, 2);
  if (luaL_dostring(L, lua_tostring(L, -1)) != LUA_OK)
    fail_msg("%s", luaL_tolstring(L, -1, NULL));
  lua_close(L);
}

static char folder[] = "/tmp/neap-lua-grants-XXXXXX";

static void test_nothing_is_granted(void **state) {
  (void)state;
  static const char *const none[] = {NULL};
  run(none,
      "denied('fs.read /etc/passwd: not granted; files=/etc would allow it',\n"
      "  fs.read, '/etc/passwd')\n"
      "denied('files=FOLDER', fs.read, 'file')\n"
      "denied('', fs.list, '/')\n"
      "denied('', fs.stat, '/')\n"
      "denied('', fs.exists, '/etc/passwd')\n"
      "denied('', fs.exists, '/etc/missing')\n"
      "denied('', fs.write, '/tmp/x', 'x')\n"
      "denied('', fs.write, '/tmp/x', 'x', { atomic = true })\n"
      "denied('', fs.append, '/tmp/x', 'x')\n"
      "denied('', fs.mkdir, '/tmp/x', { parents = true })\n"
      "denied('', fs.remove, '/tmp/x', { recursive = true })\n"
      "denied('fs.rename /tmp/x to /tmp/y: ', fs.rename, '/tmp/x', '/tmp/y')\n"
      "denied('', fs.copy, '/etc/passwd', '/tmp/y')\n"
      "denied('', fs.open, '/etc/passwd')\n"
      "denied('', fs.lines, '/etc/passwd')\n"
      "denied('', fs.watch, '/etc')\n"
      "denied('', fs.watch, '/etc/x', { missing = true })\n"
      "denied('', fs.tempfile)\n"
      "denied('', fs.tempdir)\n"
      "denied('net.connect example.org:80: not granted; net=example.org:80',\n"
      "  net.connect, 'example.org:80')\n"
      "denied('net=127.0.0.1:80', net.connect, '127.0.0.1:80')\n"
      "denied('net=example.org', net.lookup, 'example.org')\n"
      "denied('net-listen=127.0.0.1', net.listen, '127.0.0.1:0')\n"
      "denied('unix=/tmp/x', net.listen, '/tmp/x')\n"
      "denied('unix=/tmp/x', net.connect, '/tmp/x')\n"
      "denied('process.run true: not granted; process would allow it',\n"
      "  process.run, { 'true' })\n"
      "denied('http.get: not granted; net=example.org:80',\n"
      "  http.get, 'http://example.org/x?key=1')\n"
      "denied('unix=/tmp/x', http.get, 'http://a/', { unix_socket = "
      "'/tmp/x'})\n"
      "denied('ca_file: not granted', http.get, 'http://a/',\n"
      "  { ca_file = '/etc/passwd' })\n"
      "denied('proxy: not granted', http.get, 'http://a/',\n"
      "  { proxy = 'http://127.0.0.1:1' })\n"
      "denied('input', core.stream.input)\n"
      "denied('neap.luv', core.luv.attach, '/lib/x.so')\n"
      "assert(next(core.process.environment()) == nil)\n"
      "assert(core.getenv 'HOME' == nil and core.getenv 'PATH' == nil)\n"
      "assert(core.fs.remove_now('/tmp/x') == 'not granted')\n"
      "assert(core.first_folder() == false)\n"
      "assert(not core.is_granted 'clock')\n");
}

static void test_what_is_granted_can_be_used(void **state) {
  (void)state;
  char files[64], script[2048];
  setenv("NEAP_TEST_SEEN", "yes", 1);
  setenv("NEAP_TEST_HIDDEN", "no", 1);
  snprintf(files, sizeof files, "files=%s", folder);
  const char *const list[] = {
      files,           "process", "env=NEAP_TEST_SEEN", "net-listen=127.0.0.1",
      "net=127.0.0.1", NULL};
  snprintf(
      script, sizeof script,
      "local folder = '%s'\n"
      "fs.write('a', 'one') assert(fs.read(folder .. '/a') == 'one')\n"
      "fs.write('a', 'two', { atomic = true })\n"
      "assert(fs.read 'a' == 'two' and fs.exists 'a' and not fs.exists 'b')\n"
      "assert(fs.realpath 'a' == folder .. '/a')\n"
      "do\n"
      "  local dir <close> = fs.tempdir()\n"
      "  assert(dir.path:find(folder .. '/neap-', 1, true) == 1, dir.path)\n"
      "  local file <close> = fs.tempfile()\n"
      "  assert(file.path:find(folder .. '/neap-', 1, true) == 1, file.path)\n"
      "  file:write 'x'\n"
      "end\n"
      "local names = fs.list '.'\n"
      "assert(#names == 1 and names[1].name == 'a')\n"
      "local watch <close> = fs.watch 'a'\n"
      "fs.append('a', '!')\n"
      "assert(watch:next().path == 'a')\n"
      "local out = process.run { 'sh', '-c',\n"
      "  'echo $NEAP_TEST_SEEN $NEAP_TEST_HIDDEN; pwd' }.stdout\n"
      "assert(out == 'yes\\n' .. folder .. '\\n', out)\n"
      "denied('cannot run in /: not granted', process.run,\n"
      "  { 'true', cwd = '/' })\n"
      "denied('input would allow it', process.run,\n"
      "  { 'true', stdin = 'inherit' })\n"
      "local listener <close> = net.listen '127.0.0.1:0'\n"
      "local stream <close> = net.connect(listener.address)\n"
      "stream:write 'hello\\n'\n"
      "local other <close> = listener:accept()\n"
      "assert(other:read 'l' == 'hello')\n"
      "denied('net=127.0.0.2', net.connect, '127.0.0.2:1')\n"
      "local ok, err = pcall(http.get, 'http://127.0.0.1:1/')\n"
      "assert(not ok and err.code == 'http', err)\n"
      "fs.remove 'a'\n",
      folder);
  run(list, script);
}

static void test_local_sockets_are_called_as_granted(void **state) {
  (void)state;
  char grant[64], script[1024];
  snprintf(grant, sizeof grant, "unix=%s/s", folder);
  const char *const list[] = {grant, NULL};
  snprintf(script, sizeof script,
           "local path = '%s/s'\n"
           "local listener <close> = net.listen(path)\n"
           "assert(listener.address == path, listener.address)\n"
           "local stream <close> = net.connect(path)\n"
           "stream:write 'hello\\n'\n"
           "local other <close> = listener:accept()\n"
           "assert(other:read 'l' == 'hello')\n"
           "denied('unix=', net.connect, path .. '2')\n",
           folder);
  run(list, script);
}

static void test_all_is_allowed_without_grants(void **state) {
  (void)state;
  run(NULL, "assert(core.first_folder() == nil and core.is_granted 'clock')\n"
            "assert(core.getenv 'PATH' and fs.exists '/etc/passwd')\n");
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_nothing_is_granted),
      cmocka_unit_test(test_what_is_granted_can_be_used),
      cmocka_unit_test(test_local_sockets_are_called_as_granted),
      cmocka_unit_test(test_all_is_allowed_without_grants),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
