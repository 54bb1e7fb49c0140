/* Calls: what a phase in C sees, and what is kept of a visit between phases.
 * SPDX-License-Identifier: MIT */
#include "call.h"

#include <string.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "flow/node.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "path.h"
#include "ticket.h"

/* What `phase` of a call is besides the four. */
enum { LISTING = NEAP__CALL_FETCHING + 1, FETCHING = NEAP__CALL_FETCHING };

static void word_came(neap__addressee *to, int status) {
  neap_call *call = NEAP__ITEM(to, neap_call, addressee);
  call->arrived = true;
  call->status = status;
  if (call->op)
    neap__op_finish(call->op, status, 0);
}

void neap__call_init(neap_call *call, neap_engine *engine,
                     const neap_call_opts *opts) {
  *call = (neap_call){
      .alloc = engine->alloc,
      .engine = engine,
      .ticket = opts->ticket,
      .outer = opts->outer,
      .shared = opts->shared,
      .params = opts->params,
      .item = opts->item,
      .index = opts->index,
      .is_item = opts->outer && opts->is_item,
      .addressee = {.arrive = word_came},
  };
  neap__list_init(&call->link);
  neap_call *batch = call->is_item ? call->outer : NULL;
  if (batch && batch->has_fetched) {
    call->item = (neap_value){.self = batch->fetched.value};
    call->drop_item = batch->fetched.drop;
    batch->fetched = (neap__result){0};
  }
}

static void drop(neap__result *result) {
  neap__result old = *result;
  *result = (neap__result){0};
  if (old.drop)
    old.drop(old.value);
}

static void forget_action(neap_call *call) {
  neap__free(&call->alloc, call->heap, call->action_room);
  call->heap = NULL;
  call->action_room = 0;
  call->has_action = false;
}

int neap__call_keep_action(neap_call *call, const char *action, size_t size) {
  call->has_action = false;
  if (!action)
    return 0;
  char *place = size < sizeof call->room ? call->room : call->heap;
  if (size >= sizeof call->room && size >= call->action_room) {
    place = neap__alloc(&call->alloc, size + 1);
    if (!place)
      return NEAP_ENOMEM;
    neap__free(&call->alloc, call->heap, call->action_room);
    call->heap = place;
    call->action_room = size + 1;
  }
  memmove(place, action, size);
  place[size] = '\0';
  call->action = place;
  call->action_size = size;
  call->has_action = true;
  return 0;
}

void neap__call_clear(neap_call *call) {
  neap_call_cancel(call);
  drop(&call->prep);
  drop(&call->exec);
  drop(&call->fetched);
  for (size_t i = 0; i < call->result_count; i++)
    drop(&call->results[i]);
  neap__free(&call->alloc, call->results,
             call->result_count * sizeof *call->results);
  call->results = NULL;
  call->result_count = 0;
  neap__result item = {call->item.self, call->drop_item};
  call->drop_item = NULL;
  drop(&item);
  forget_action(call);
  neap__reason_clear(&call->reason, &call->alloc);
  neap__reason_clear(&call->earlier, &call->alloc);
}

int neap_call_new(neap_engine *engine, const neap_call_opts *opts,
                  neap_call **out) {
  neap_call_opts o;
  const size_t first = NEAP__SIZE_WITH(neap_call_opts, index);
  if (!neap__home_allows(engine) || !out ||
      neap__opts_take(&o, sizeof o, first, opts) < 0)
    return neap__home_fault(engine);
  neap_call *call = neap__alloc(&engine->alloc, sizeof *call);
  if (!call)
    return NEAP_ENOMEM;
  neap__call_init(call, engine, &o);
  *out = call;
  return 0;
}

void neap_call_free(neap_call *call) {
  if (!call)
    return;
  neap__call_clear(call);
  neap_alloc alloc = call->alloc;
  neap__free(&alloc, call, sizeof *call);
}

void neap__calls_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->calls)) {
    neap_call *call = NEAP__ITEM(engine->calls.next, neap_call, link);
    neap__list_remove(&call->link);
    call->addressee.token = 0;
    call->op = NULL;
    call->goes_on = call->arrived = false;
  }
}

void neap__calls_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->calls))
    neap_call_cancel(NEAP__ITEM(engine->calls.next, neap_call, link));
}

/* ---- Doing a step ---- */

static void stop_going_on(neap_call *call) {
  neap__list_remove(&call->link);
  neap__token_close(call->engine, &call->addressee);
  if (call->op)
    neap_op_forget(call->op);
  call->op = NULL;
  call->goes_on = call->arrived = false;
}

/* A phase has returned: gives the status of the step. */
static int returned(neap_call *call, int status) {
  bool has_token = call->addressee.token != 0;
  if (status == NEAP_LATER && has_token) {
    call->goes_on = true;
    neap__list_append(&call->engine->calls, &call->link);
    return NEAP_LATER;
  }
  neap__token_close(call->engine, &call->addressee);
  call->arrived = false;
  if (status > 0)
    status = neap_call_fail(call, NEAP_EINVAL, NULL,
                            status == NEAP_LATER
                                ? "a phase returned NEAP_LATER without a token"
                                : "a phase returned a number above 0");
  if (status < 0)
    call->reason.status = status;
  else
    neap__reason_clear(&call->reason, &call->alloc);
  return status;
}

static int (*function_of(const neap_call *call))(neap_call *call) {
  const neap_node_ops *ops = neap_node_get_ops(call->node);
  if (!ops)
    return NULL;
  switch (call->phase) {
  case NEAP_PREP:
    return ops->prep;
  case NEAP_EXEC:
    return ops->exec;
  case NEAP_FALLBACK:
    return ops->fallback;
  case NEAP_POST:
    return ops->post;
  case FETCHING:
    return ops->fetch;
  default:
    return NULL;
  }
}

/* The item that the step fetches is in the array. */
static void fetch_element(neap_call *call, uint64_t index) {
  char *base = call->items;
  call->fetched.value = base ? base + (size_t)index * call->item_size : NULL;
  call->has_fetched = true;
}

int neap_call_do(neap_call *call, neap_run *run) {
  if (!call || !run || call->goes_on)
    return NEAP_EINVAL;
  const neap_step *step = neap_run_step(run);
  call->run = run;
  call->node = step->node;
  call->depth = step->depth;
  call->attempt = step->attempt;
  neap__reason_clear(&call->reason, &call->alloc);
  switch (step->what) {
  case NEAP_DO_CALL:
    call->phase = (uint8_t)step->phase;
    break;
  case NEAP_DO_ITEMS:
    call->phase = LISTING;
    return 0;
  case NEAP_DO_FETCH:
    call->phase = FETCHING;
    call->has_fetched = false;
    if (neap__node_is_parallel(call->node))
      return 0;
    call->next = step->index;
    if (call->has_items) {
      fetch_element(call, step->index);
      return 0;
    }
    break;
  default:
    return NEAP_EINVAL;
  }
  if (call->phase == NEAP_POST || call->phase == NEAP_FALLBACK)
    call->has_action = false;
  int (*function)(neap_call *) = function_of(call);
  if (!function) {
    if (call->phase == FETCHING)
      return 0;
    return returned(call, neap_call_fail(call, NEAP_EINVAL, NULL,
                                         "the node has no function for this "
                                         "phase"));
  }
  return returned(call, function(call));
}

static void stop_waiting(neap_op *op) {
  neap_call *call = op->u.request;
  call->op = NULL;
}

int neap_call_wait(neap_call *call, neap_op *op) {
  if (!call || !call->goes_on || call->op ||
      !neap__op_may_start(call->engine, op))
    return NEAP_EINVAL;
  neap__op_begin_io(call->engine, op, stop_waiting);
  op->u.request = call;
  call->op = op;
  if (call->arrived)
    neap__op_finish(op, call->status, 0);
  return 0;
}

int neap_call_settle(neap_call *call) {
  if (!call || !call->goes_on || !call->arrived)
    return NEAP_EINVAL;
  int status = call->status;
  call->op = NULL;
  stop_going_on(call);
  const neap_node_ops *ops = neap_node_get_ops(call->node);
  if (ops && ops->resume)
    status = ops->resume(call, status);
  return returned(call, status);
}

void neap_call_cancel(neap_call *call) {
  if (!call || !call->goes_on)
    return;
  stop_going_on(call);
  const neap_node_ops *ops = neap_node_get_ops(call->node);
  if (ops && ops->cancel)
    ops->cancel(call);
}

uint64_t neap__call_count(const neap_call *call) {
  const neap_node_ops *ops = neap_node_get_ops(call->node);
  if (call->has_items)
    return call->item_count;
  return ops && ops->fetch ? NEAP_UNCOUNTED : 0;
}

const neap_step *neap_call_answer(neap_call *call, neap_run *run) {
  if (!call)
    return neap_run_step(run);
  const char *action = call->has_action ? call->action : NULL;
  switch (call->phase) {
  case NEAP_POST:
    return neap_run_action(run, action, call->action_size);
  case NEAP_FALLBACK:
    if (call->has_action && neap__node_walks(call->node))
      return neap_run_action(run, action, call->action_size);
    break;
  case LISTING:
    if (neap__node_is_parallel(call->node))
      break;
    return neap_run_items(run, neap__call_count(call));
  case FETCHING:
    if (!call->has_fetched && !neap__node_is_parallel(call->node))
      return neap_run_none(run);
    break;
  default:
    break;
  }
  return neap_run_ok(run);
}
