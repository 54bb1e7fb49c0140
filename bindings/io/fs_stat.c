/* What stat tells about a file, for Lua.
 * SPDX-License-Identifier: MIT */
#include "fs_stat.h"

const char *neapL_fs_stat_type(neap_file_type type) {
  switch (type) {
  case NEAP_FILE_REGULAR:
    return "file";
  case NEAP_FILE_DIRECTORY:
    return "directory";
  case NEAP_FILE_LINK:
    return "link";
  default:
    return "other";
  }
}

int neapL_fs_stat_push(lua_State *L, neap_fs_result *result) {
  neap_file_stat found;
  neap_fs_get_stat(result, &found);
  lua_createtable(L, 0, 4);
  lua_pushstring(L, neapL_fs_stat_type(found.type));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, (lua_Integer)found.size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, found.mtime);
  lua_setfield(L, -2, "mtime");
  lua_pushinteger(L, (lua_Integer)found.mode);
  lua_setfield(L, -2, "mode");
  return 1;
}
