/* A tool of the build: compiles Lua modules and writes them as a C file.
 * SPDX-License-Identifier: MIT
 *
 *   embed OUTPUT ROOT FILE...
 *
 * FILE is below ROOT: neap/cli/run.lua is the module "neap.cli.run" and
 * neap/init.lua is "neap". Embedded as bytecode the modules load in a quarter
 * of the time; it is of the very Lua that neap is built with.
 */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *output;
static size_t written; /* bytes of the current module */

static void fail(const char *what, const char *why) {
  fprintf(stderr, "embed: %s: %s\n", what, why);
  exit(EXIT_FAILURE);
}

static int write_bytes(lua_State *L, const void *bytes, size_t size, void *ud) {
  (void)L;
  (void)ud;
  for (size_t i = 0; i < size; i++)
    fprintf(output, "%u,%s", ((const unsigned char *)bytes)[i],
            ++written % 20 == 0 ? "\n" : "");
  return 0;
}

static const char *read_part(lua_State *L, void *ud, size_t *size) {
  static char part[4096];
  (void)L;
  *size = fread(part, 1, sizeof part, ud);
  return part;
}

/* Pushes the compiled module of a file. Its code knows it by the name of the
 * module, not by the path at which it was built. */
static void push_module(lua_State *L, const char *path, const char *name) {
  FILE *input = fopen(path, "r");
  if (!input)
    fail(path, strerror(errno));
  lua_pushfstring(L, "=%s", name);
  if (lua_load(L, read_part, input, lua_tostring(L, -1), "t") != LUA_OK)
    fail(path, lua_tostring(L, -1));
  fclose(input);
}

/* Pushes the name of the module of a file. */
static void push_name(lua_State *L, const char *root, const char *path) {
  size_t length = strlen(root);
  if (strncmp(path, root, length) != 0)
    fail(path, "is not below the root");
  path += length + (path[length] == '/');
  luaL_gsub(L, path, "/", ".");
  luaL_gsub(L, lua_tostring(L, -1), ".init.lua", "");
  luaL_gsub(L, lua_tostring(L, -1), ".lua", "");
}

int main(int argc, char **argv) {
  if (argc < 3)
    fail("usage", "embed OUTPUT ROOT FILE...");
  lua_State *L = luaL_newstate();
  output = fopen(argv[1], "w");
  if (!L || !output)
    fail(argv[1], strerror(errno));
  fputs("/* Written by bindings/program/embed.c. */\n#include "
        "\"modules.h\"\n\n",
        output);
  lua_newtable(L); /* the entries of the array, in C */
  for (int i = 3; i < argc; i++) {
    push_name(L, argv[2], argv[i]);
    const char *name = lua_tostring(L, -1);
    push_module(L, argv[i], name);
    written = 0;
    fprintf(output, "static const unsigned char module_%d[] = {\n", i);
    lua_dump(L, write_bytes, NULL, 0);
    fputs("};\n\n", output);
    lua_pushfstring(L, "    {\"%s\", (const char *)module_%d, %I},\n", name, i,
                    (LUAI_UACINT)written);
    lua_rawseti(L, 1, i - 2);
    lua_settop(L, 1);
  }
  fputs("const struct neapL_lua_module neapL_lua_modules[] = {\n", output);
  for (int i = 3; i < argc; i++) {
    lua_rawgeti(L, 1, i - 2);
    fputs(lua_tostring(L, -1), output);
    lua_pop(L, 1);
  }
  fputs("    {0},\n};\n", output);
  if (fclose(output) != 0)
    fail(argv[1], strerror(errno));
  lua_close(L);
  return EXIT_SUCCESS;
}
