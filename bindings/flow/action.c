/* Actions, and the steps that a run refuses, as text.
 * SPDX-License-Identifier: MIT */
#include "action.h"

#include "events.h"
#include "path.h"
#include "task/error.h"

/* Pushes the actions for which a node has successors, as text. [-0, +1, m] */
static void push_wired(lua_State *L, const neap_node *node) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  const char *action;
  size_t size;
  for (size_t i = 0; neap_node_action(node, i, &action, &size); i++) {
    luaL_addstring(&buffer, i == 0 ? "'" : ", '");
    luaL_addlstring(&buffer, action, size);
    luaL_addchar(&buffer, '\'');
  }
  luaL_pushresult(&buffer);
}

/* Pushes the place where post of a step's node is defined, "order.lua:12: ", or
 * "" when it has none in Lua. [-0, +1, m] */
static void push_post(lua_State *L, const neap_step *step) {
  int post = record_of(step->node)->methods + NEAPL_PLAN_PHASE + NEAP_POST;
  int top = lua_gettop(L);
  lua_Debug ar;
  if (lua_rawgeti(L, PLAN, post) == LUA_TFUNCTION &&
      lua_getinfo(L, ">S", &ar) && ar.linedefined > 0) {
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.linedefined);
    return;
  }
  lua_settop(L, top);
  lua_pushliteral(L, "");
}

void neapL_action_push(lua_State *L, const neap_step *step) {
  if (step->action)
    lua_pushlstring(L, step->action, step->action_size);
  else
    lua_pushliteral(L, "default");
}

void neapL_action_push_misfit(lua_State *L, const neap_step *step) {
  int result = lua_gettop(L);
  const char *type = luaL_typename(L, result);
  const char *text = neapL_error_text(L, result);
  push_post(L, step);
  neapL_error_push(L, "action",
                   "%spost of %s returned a %s (%s); an action is a string, or "
                   "nothing for \"default\"",
                   lua_tostring(L, -1), neap_node_name(step->node), type, text);
}

void neapL_action_push_refusal(lua_State *L, const neap_step *step) {
  const char *name = neap_node_name(step->node);
  int top = lua_gettop(L);
  if (step->status == NEAP_EACTION) {
    push_post(L, step);
    neapL_action_push(L, step);
    push_wired(L, step->node);
    neapL_error_push(L, "action",
                     "%s%s ended with the action '%s', for which it has no "
                     "successor (it has %s), and the flow is strict",
                     lua_tostring(L, -3), name, lua_tostring(L, -2),
                     lua_tostring(L, -1));
  } else if (step->status == NEAP_EMAXSTEPS) {
    neapL_error_push(L, "max_steps",
                     "the run has taken as many steps as max_steps allows, "
                     "and would go on to %s",
                     name);
  } else {
    neapL_error_push(L, "memory", "%s", neap_status_text(step->status));
  }
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "retryable");
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
}

void neapL_action_warn(lua_State *L, neapL_task *task, const neap_step *step) {
  push_post(L, step);
  neapL_path_push(L, task->run, step->depth);
  neapL_action_push(L, step);
  push_wired(L, step->node);
  lua_pushfstring(L,
                  "neap: %s%s ended with the action '%s', for which it has no "
                  "successor (it has %s); %s",
                  lua_tostring(L, -4), lua_tostring(L, -3), lua_tostring(L, -2),
                  lua_tostring(L, -1),
                  step->phase == NEAP_EXEC ? "it goes on with 'default'"
                                           : "the flow ends here");
  neapL_events_warning(L, task, step->depth);
  lua_pop(L, 4);
}
