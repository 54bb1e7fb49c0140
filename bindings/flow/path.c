/* Paths: where in its flows a run is, as text.
 * SPDX-License-Identifier: MIT */
#include "path.h"

#include <stdio.h>

/* Adds an item by its index, "[3]". A branch is added by its name; the visit
 * inside it is then left out. */
static void add_item(luaL_Buffer *buffer, const neap_node *node,
                     uint64_t index) {
  if (is_parallel(node)) {
    luaL_addstring(buffer, " > ");
    luaL_addstring(buffer, neap_node_name(neap_node_branch(node, index)));
    return;
  }
  char number[32];
  snprintf(number, sizeof number, "[%llu]", (unsigned long long)index + 1);
  luaL_addstring(buffer, number);
}

/* True when the visit at a depth is that of a branch. */
static bool is_branch(const neap_run *run, uint32_t depth) {
  bool item;
  uint64_t index;
  return depth > 0 &&
         is_parallel(neap_run_node_at(run, depth - 1, &item, &index)) && item;
}

/* Adds " > name" for the visits of a run down to `depth`. For a worker, the
 * path of the run that it works for comes first. */
static void add_path(luaL_Buffer *buffer, const neap_run *run, uint32_t depth) {
  const neap_run *parent = neap_run_parent(run);
  uint32_t from = 0;
  if (parent) {
    /* The visit at depth 0 is the one on top of the parent. */
    neap_place place;
    neap_run_place(parent, &place);
    add_path(buffer, parent, place.depth);
    from = 1;
  }
  for (uint32_t d = from; d <= depth; d++) {
    bool item;
    uint64_t index;
    const neap_node *node = neap_run_node_at(run, d, &item, &index);
    if (item) {
      add_item(buffer, node, index);
    } else if (!is_branch(run, d)) {
      if (d > 0)
        luaL_addstring(buffer, " > ");
      luaL_addstring(buffer, neap_node_name(node));
    }
  }
}

void neapL_path_push(lua_State *L, const neap_run *run, uint32_t depth) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  add_path(&buffer, run, depth);
  luaL_pushresult(&buffer);
}

void neapL_path_push_current(lua_State *L, const neap_run *run) {
  neap_place place;
  neap_run_place(run, &place);
  neapL_path_push(L, run, place.depth);
}

void neapL_path_note(lua_State *L, const neap_run *run) {
  neap_place place;
  neap_run_place(run, &place);
  neapL_path_push(L, run, place.depth);
  lua_setfield(L, -2, "node");
  lua_pushstring(L, neap_phase_name(place.phase));
  lua_setfield(L, -2, "phase");
  lua_pushinteger(L, (lua_Integer)place.attempt + 1);
  lua_setfield(L, -2, "attempt");
}
