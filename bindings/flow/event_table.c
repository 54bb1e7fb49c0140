/* The table of an event, as on_event gets it.
 * SPDX-License-Identifier: MIT */
#include "event_table.h"

#include "base/units.h"
#include "path.h"
#include "task/host.h"

static void set_integer(lua_State *L, const char *key, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static void set_seconds(lua_State *L, const char *key, uint64_t ns) {
  lua_pushnumber(L, neap__seconds_of_ns(ns));
  lua_setfield(L, -2, key);
}

/* Adds the fields of the table at `fields` to the table on top. [-0, +0, m] */
static void add_fields(lua_State *L, int fields) {
  lua_pushnil(L);
  while (lua_next(L, fields)) { /* event key value */
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}

void neapL_event_push(lua_State *L, const neap_event *event, int value) {
  lua_createtable(L, 0, 8);
  bool is_own = event->kind != NEAP_EVENT_EMIT;
  if (!is_own)
    add_fields(L, value);
  lua_pushstring(L, is_own ? neap_event_name(event->kind) : event->message);
  lua_setfield(L, -2, "kind");
  set_seconds(L, "time", event->time_ns - neapL_host_of(L)->epoch);
  neapL_path_push(L, event->run, event->depth);
  lua_setfield(L, -2, "node");
  set_integer(L, "visit", event->visit);
  switch (event->kind) {
  case NEAP_EVENT_NODE_END:
    set_seconds(L, "seconds", event->spent_ns);
    if (event->failed)
      lua_pushboolean(L, true);
    else if (event->action)
      lua_pushlstring(L, event->action, event->action_size);
    else
      lua_pushliteral(L, "default");
    lua_setfield(L, -2, event->failed ? "failed" : "action");
    break;
  case NEAP_EVENT_RETRY:
    set_seconds(L, "delay", event->delay_ns);
    if (event->message) {
      lua_pushstring(L, event->message);
      lua_setfield(L, -2, "what");
    }
    /* fall through */
  case NEAP_EVENT_FALLBACK:
    set_integer(L, "attempt", (uint64_t)event->attempt + 1);
    break;
  case NEAP_EVENT_BATCH_START:
    if (event->count != NEAP_UNCOUNTED)
      set_integer(L, "total", event->count);
    set_integer(L, "concurrency", event->concurrency);
    break;
  case NEAP_EVENT_ITEM_END:
  case NEAP_EVENT_BRANCH_END:
    lua_pushboolean(L, !event->failed);
    lua_setfield(L, -2, "ok");
    /* fall through */
  case NEAP_EVENT_ITEM_START:
    set_integer(L, "index", event->index + 1);
    break;
  case NEAP_EVENT_WARNING:
    lua_pushstring(L, event->message);
    lua_setfield(L, -2, "message");
    break;
  case NEAP_EVENT_WAIT:
  case NEAP_EVENT_WAKE:
  case NEAP_EVENT_CANCEL:
    lua_pushstring(L, event->message);
    lua_setfield(L, -2, "what");
    break;
  default:
    break;
  }
  if (event->failed) {
    lua_pushvalue(L, value);
    lua_setfield(L, -2, "error");
  }
}
