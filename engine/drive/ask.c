/* What a phase asks of its call, and tells it.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/alloc.h"
#include "call.h"
#include "flow/node.h"
#include "path.h"
#include "ticket.h"

neap_engine *neap_call_engine(const neap_call *call) {
  return call ? call->engine : NULL;
}

const neap_node *neap_call_node(const neap_call *call) {
  return call ? call->node : NULL;
}

void *neap_call_self(const neap_call *call) {
  return call && call->node ? call->node->self : NULL;
}

neap_phase neap_call_phase(const neap_call *call) {
  return call && call->phase <= NEAP_POST ? (neap_phase)call->phase : NEAP_PREP;
}

uint32_t neap_call_attempt(const neap_call *call) {
  return call ? call->attempt : 0;
}

neap_value neap_call_shared(const neap_call *call) {
  return call ? call->shared : (neap_value){0};
}

neap_value neap_call_params(const neap_call *call) {
  return call ? call->params : (neap_value){0};
}

neap_token neap_call_run(const neap_call *call) {
  return neap__ticket_token(call ? call->ticket : NULL);
}

bool neap_call_is_cancelled(const neap_call *call) {
  return call && neap_ticket_is_cancelled(call->ticket);
}

size_t neap_call_path(const neap_call *call, char *path, size_t size) {
  if (!call || (!path && size > 0))
    return 0;
  return neap__path(call->run, call->depth, path, size);
}

neap_value neap_call_item(const neap_call *call) {
  return call ? call->item : (neap_value){0};
}

uint64_t neap_call_index(const neap_call *call) {
  if (!call)
    return 0;
  return call->phase == NEAP__CALL_FETCHING ? call->next : call->index;
}

bool neap_call_action(const neap_call *call, const char **action,
                      size_t *size) {
  if (!call || !action || !size)
    return false;
  *action = call->has_action ? call->action : NULL;
  *size = call->has_action ? call->action_size : 0;
  return *action != NULL;
}

int neap_later(neap_call *call, neap_token *token) {
  if (!call || !token)
    return NEAP_EINVAL;
  if (call->addressee.token != 0)
    return NEAP_EBUSY;
  int status =
      neap__token_open(call->engine, &call->addressee, NEAP__TOKEN_PHASE);
  if (status == 0)
    *token = call->addressee.token;
  return status;
}

int neap_call_set_items(neap_call *call, void *base, size_t item_size,
                        uint64_t count) {
  if (!call || call->phase != NEAP_PREP || !neap__node_has_items(call->node) ||
      neap__node_is_parallel(call->node) || count == NEAP_UNCOUNTED)
    return NEAP_EINVAL;
  call->items = base;
  call->item_size = item_size;
  call->item_count = count;
  call->has_items = true;
  return 0;
}

int neap_call_set_item(neap_call *call, void *item, void (*drop)(void *item)) {
  if (!call || call->phase != NEAP__CALL_FETCHING || call->has_fetched)
    return NEAP_EINVAL;
  call->fetched = (neap__result){item, drop};
  call->has_fetched = true;
  return 0;
}

/* The call of the batch that a call works for; NULL when it is no item. Its
 * *item is the call of the item, where the call may be an attempt. */
static neap_call *batch_of(neap_call *call) {
  while (call->outer && !call->is_item)
    call = call->outer;
  return call->outer;
}

/* Makes room for the result of an item, so that it can be kept when the item
 * ends. */
static int reserve_result(neap_call *batch, uint64_t index) {
  if (index >= SIZE_MAX)
    return NEAP_ENOMEM;
  size_t old = batch->result_count;
  size_t wanted = batch->has_items && batch->item_count < SIZE_MAX
                      ? (size_t)batch->item_count
                      : (size_t)index + 1;
  if (wanted <= index)
    wanted = (size_t)index + 1;
  int status =
      neap__reserve(&batch->alloc, &batch->results, &batch->result_count,
                    wanted, sizeof *batch->results);
  if (status == 0 && batch->result_count > old)
    memset(batch->results + old, 0,
           (batch->result_count - old) * sizeof *batch->results);
  return status;
}

/* Puts a result in the place of another, which is dropped. */
static void replace(neap__result *place, void *value,
                    void (*drop)(void *result)) {
  neap__result old = *place;
  *place = (neap__result){value, drop};
  if (old.drop)
    old.drop(old.value);
}

int neap_call_set_result(neap_call *call, void *result,
                         void (*drop)(void *result)) {
  if (!call || call->phase > NEAP_FALLBACK)
    return NEAP_EINVAL;
  if (call->phase == NEAP_PREP) {
    replace(&call->prep, result, drop);
    return 0;
  }
  neap_call *batch = batch_of(call);
  if (batch) {
    int status = reserve_result(batch, call->index);
    if (status < 0)
      return status;
  }
  replace(&call->exec, result, drop);
  return 0;
}

void neap_call_adopt(neap_call *outer, neap_call *inner) {
  if (!outer || !inner)
    return;
  neap__result result = inner->exec;
  inner->exec = (neap__result){0};
  neap__result *place = &outer->exec;
  if (inner->is_item) {
    if (inner->index >= outer->result_count) /* it has set none */
      return;
    place = &outer->results[inner->index];
  }
  replace(place, result.value, result.drop);
}

void *neap_call_prep_result(const neap_call *call) {
  if (!call)
    return NULL;
  while (call->outer)
    call = call->outer;
  return call->prep.value;
}

void *neap_call_exec_result(const neap_call *call) {
  return call ? call->exec.value : NULL;
}

void *neap_call_item_result(const neap_call *call, uint64_t index) {
  return call && index < call->result_count ? call->results[index].value : NULL;
}

void neap_call_counts(const neap_call *call, uint64_t *items,
                      uint64_t *failed) {
  neap_run_counts(call ? call->run : NULL, call ? call->depth : 0, items,
                  failed);
}

int neap_call_set_action(neap_call *call, const char *action, size_t size) {
  bool may =
      call && (call->phase == NEAP_POST ||
               (call->phase == NEAP_FALLBACK && neap__node_walks(call->node)));
  if (!may || (!action && size > 0))
    return NEAP_EINVAL;
  return neap__call_keep_action(call, action, size);
}

int neap_call_fail(neap_call *call, int status, const char *code,
                   const char *text) {
  if (status >= 0)
    status = NEAP_EFAILED;
  if (!call)
    return status;
  neap__reason_set(&call->reason, &call->alloc, status, code, text);
  return status;
}

void neap_call_set_failure(neap_call *call, const neap_failure *failure) {
  if (call)
    call->reason.failure = failure ? *failure : (neap_failure){0};
}

/* Gives code, text and status of a reason. */
static int tell(const neap__reason *reason, const char **code,
                const char **text) {
  if (code)
    *code = neap__reason_code(reason);
  if (text)
    *text = neap__reason_text(reason);
  return reason->status;
}

int neap_call_failure(const neap_call *call, const char **code,
                      const char **text) {
  return call ? tell(&call->earlier, code, text) : NEAP_EINVAL;
}

int neap_call_why(const neap_call *call, neap_failure *failure,
                  const char **code, const char **text) {
  if (!call)
    return NEAP_EINVAL;
  if (failure)
    *failure = call->reason.failure;
  return tell(&call->reason, code, text);
}

void neap_call_note_failure(neap_call *call, int status, const char *code,
                            const char *text) {
  if (call)
    neap__reason_set(&call->earlier, &call->alloc, status, code, text);
}
