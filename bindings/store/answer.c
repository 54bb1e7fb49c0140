/* What a store has answered, as tables.
 * SPDX-License-Identifier: MIT */
#include "answer.h"

#include <lauxlib.h>
#include <string.h>

#include "words.h"

/* Each sets a field of the table on top, unless there is nothing to set. */

static void set_text(lua_State *L, const char *name, const char *text) {
  if (text) {
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
  }
}

static void set_span(lua_State *L, const char *name, neap_span span) {
  if (span.bytes) {
    lua_pushlstring(L, span.bytes, span.size);
    lua_setfield(L, -2, name);
  }
}

static void set_number(lua_State *L, const char *name, int64_t number) {
  if (number != 0) {
    lua_pushinteger(L, (lua_Integer)number);
    lua_setfield(L, -2, name);
  }
}

/* The same for a number of which 0 says something. */
static void put_number(lua_State *L, const char *name, int64_t number) {
  lua_pushinteger(L, (lua_Integer)number);
  lua_setfield(L, -2, name);
}

static void set_values(lua_State *L, const char *name,
                       const neap_store_value *values, size_t count) {
  lua_createtable(L, 0, (int)count);
  for (size_t i = 0; i < count; i++) {
    lua_pushlstring(L, values[i].name.bytes, values[i].name.size);
    lua_pushlstring(L, values[i].value.bytes, values[i].value.size);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, name);
}

static void set_tags(lua_State *L, const neap_store_run *run) {
  lua_createtable(L, 0, (int)run->tag_count);
  for (size_t i = 0; i < run->tag_count; i++)
    set_text(L, run->tags[i].key, run->tags[i].value);
  lua_setfield(L, -2, "tags");
}

static void set_signals(lua_State *L, const neap_store_run *run) {
  lua_createtable(L, (int)run->signal_count, 0);
  for (size_t i = 0; i < run->signal_count; i++) {
    const neap_store_signal *signal = &run->signals[i];
    lua_createtable(L, 0, 4);
    set_number(L, "number", signal->number);
    set_text(L, "name", signal->name);
    set_span(L, "value", signal->value);
    put_number(L, "at", signal->at);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "signals");
}

static void set_token(lua_State *L, const neap_store_run *run) {
  static const uint8_t none[sizeof run->token];
  if (memcmp(run->token, none, sizeof none) == 0)
    return;
  lua_pushlstring(L, (const char *)run->token, sizeof run->token);
  lua_setfield(L, -2, "token");
}

/* Pushes a run, and the clock of the store as `time`. [-0, +1, m] */
static void push_run(lua_State *L, const neap_store_result *result,
                     const neap_store_run *run) {
  lua_createtable(L, 0, 25);
  put_number(L, "time", neap_store_time(result));
  set_number(L, "number", run->number);
  set_text(L, "id", run->id);
  set_text(L, "flow", run->flow);
  set_number(L, "version", run->version);
  set_text(L, "status", neapL_words_status(run->status));
  put_number(L, "seq", run->seq);
  set_token(L, run);
  set_text(L, "queue", run->queue);
  set_text(L, "owner", run->owner);
  put_number(L, "priority", run->priority);
  put_number(L, "claims", run->claims);
  set_text(L, "mark", neapL_words_mark(run->mark));
  set_span(L, "reason", run->reason);
  set_number(L, "due", run->due);
  set_text(L, "waits", run->waits);
  set_number(L, "unread", run->unread);
  set_number(L, "keep", run->keep);
  set_number(L, "keep_until", run->keep_until);
  set_number(L, "parent", run->parent);
  set_number(L, "parent_seq", run->parent_seq);
  set_text(L, "parent_id", run->parent_id);
  put_number(L, "created", run->created);
  put_number(L, "updated", run->updated);
  set_span(L, "frames", run->frames);
  set_span(L, "params", run->params);
  set_span(L, "result", run->result);
  set_values(L, "vars", run->vars, run->var_count);
  set_values(L, "parts", run->parts, run->part_count);
  set_signals(L, run);
  set_tags(L, run);
}

/* Pushes the names of the variables that a step has changed. [-0, +1, m] */
static void push_changed(lua_State *L, const neap_store_step *step) {
  lua_newtable(L);
  const char *at = step->changed, *end = at + step->changed_size;
  for (lua_Integer i = 1; at && at < end; i++) {
    size_t size = strnlen(at, (size_t)(end - at));
    lua_pushlstring(L, at, size);
    lua_rawseti(L, -2, i);
    at += size + 1;
  }
}

static void push_step(lua_State *L, const neap_store_step *step) {
  lua_createtable(L, 0, 9);
  set_number(L, "seq", step->seq);
  set_text(L, "node", step->node);
  set_text(L, "action", step->action);
  set_text(L, "worker", step->worker);
  put_number(L, "attempt", step->attempt);
  put_number(L, "at", step->at);
  put_number(L, "took", step->took);
  lua_pushboolean(L, step->has_values);
  lua_setfield(L, -2, "has_values");
  push_changed(L, step);
  lua_setfield(L, -2, "changed");
}

static void push_row(lua_State *L, const neap_store_row *row) {
  lua_createtable(L, 0, 7);
  set_text(L, "name", row->name);
  set_text(L, "host", row->host);
  set_number(L, "pid", row->pid);
  set_number(L, "time", row->time);
  put_number(L, "number", row->number);
  set_text(L, "status", neapL_words_status(row->status));
  set_span(L, "value", row->value);
}

int neapL_answer_number(lua_State *L, const neap_store_result *result) {
  lua_pushinteger(L, (lua_Integer)neap_store_number(result));
  return 1;
}

int neapL_answer_run(lua_State *L, const neap_store_result *result) {
  const neap_store_run *run = neap_store_run_at(result, 0);
  if (run)
    push_run(L, result, run);
  else
    lua_pushnil(L);
  return 1;
}

int neapL_answer_runs(lua_State *L, const neap_store_result *result) {
  size_t count = neap_store_run_count(result);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    push_run(L, result, neap_store_run_at(result, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

int neapL_answer_steps(lua_State *L, const neap_store_result *result) {
  size_t count = neap_store_step_count(result);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    push_step(L, neap_store_step_at(result, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

int neapL_answer_rows(lua_State *L, const neap_store_result *result) {
  size_t count = neap_store_row_count(result);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    push_row(L, neap_store_row_at(result, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}
