/* Cookies that are kept between requests, for Lua.
 * SPDX-License-Identifier: MIT */
#include "jar.h"

#include <lauxlib.h>

#include "task/check.h"
#include "task/class.h"
#include "task/wait.h"

#define JAR_META "neap.http.jar"

static int jar_gc(lua_State *L) {
  neap_http_jar_free(neapL_class_take(L, 1, JAR_META));
  return 0;
}

neap_http_jar *neapL_http_jar_check(lua_State *L, int arg) {
  return *(neap_http_jar **)neapL_class_given(L, arg, JAR_META, NULL);
}

static int check(lua_State *L, int status) {
  return status < 0 ? luaL_error(L, "%s", neap_status_text(status)) : 0;
}

/* jar() -> an empty jar */
static int jar(lua_State *L) {
  neap_http_jar **held = neapL_class_new(L, JAR_META, sizeof(*held), 0);
  check(L, neap_http_jar_new(neapL_engine(L), held));
  return 1;
}

/* text(jar) -> all cookies, as neap_http_jar_text writes them */
static int text(lua_State *L) {
  const char *lines;
  check(L, neap_http_jar_text(neapL_http_jar_check(L, 1), &lines));
  lua_pushstring(L, lines);
  return 1;
}

/* add(jar, text) -> whether all lines were cookies */
static int add(lua_State *L) {
  const char *lines = neapL_check_string(L, 2);
  int status = neap_http_jar_add(neapL_http_jar_check(L, 1), lines);
  if (status != NEAP_EINVAL)
    check(L, status);
  lua_pushboolean(L, status == 0);
  return 1;
}

/* clear(jar) */
static int clear(lua_State *L) {
  return check(L, neap_http_jar_clear(neapL_http_jar_check(L, 1)));
}

void neapL_http_jar_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"text", text},
                                     {"add", add},
                                     {"clear", clear},
                                     {"__gc", jar_gc},
                                     {NULL, NULL}};
  neapL_class_define(L, JAR_META, methods, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, jar);
  lua_setfield(L, -2, "jar");
}
