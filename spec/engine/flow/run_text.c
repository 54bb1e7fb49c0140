/* Graphs, what their nodes do and what a run asks for, written as text.
 * SPDX-License-Identifier: MIT */
#include "run_text.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run_host.h"

static neap_node *find(const text_run *t, const char *name) {
  for (int i = 0; i < t->count; i++)
    if (strcmp(neap_node_name(t->nodes[i]), name) == 0)
      return t->nodes[i];
  fail_msg("no node is called %s", name);
  return NULL;
}

static bool read_kind(const char *word, neap_kind *kind) {
  static const char *const kinds[] = {"node", "flow", "batch", "batchflow",
                                      "parallel"};
  for (int i = 0; i < 5; i++)
    if (strcmp(word, kinds[i]) == 0) {
      *kind = (neap_kind)i;
      return true;
    }
  return false;
}

static bool read_method(const char *word, unsigned *methods) {
  if (strcmp(word, "all") == 0)
    *methods = 15;
  for (int phase = NEAP_PREP; phase <= NEAP_POST; phase++)
    if (strcmp(word, neap_phase_name((neap_phase)phase)) == 0)
      *methods |= 1u << phase;
  return isalpha((unsigned char)*word) && *methods > 0;
}

static void read_option(char *word, neap_node_opts *o) {
  char *equals = strchr(word, '=');
  const char *text = equals ? equals + 1 : "";
  uint64_t number = strtoull(text, NULL, 10);
  size_t size = equals ? (size_t)(equals - word) : strlen(word);
  if (strncmp(word, "collect", size) == 0)
    o->collect = true;
  else if (strncmp(word, "strict", size) == 0)
    o->strict = true;
  else if (strncmp(word, "tries", size) == 0)
    o->max_attempts = (uint32_t)number;
  else if (strncmp(word, "wait", size) == 0)
    o->wait_ns = number;
  else if (strncmp(word, "backoff", size) == 0)
    o->backoff = strtod(text, NULL);
  else if (strncmp(word, "cap", size) == 0)
    o->max_wait_ns = number;
  else if (strncmp(word, "most", size) == 0)
    o->max_retry_after_ns = number;
  else if (strncmp(word, "jitter", size) == 0)
    o->jitter = strtod(text, NULL);
  else if (strncmp(word, "timeout", size) == 0)
    o->timeout_ns = number;
  else if (strncmp(word, "at", size) == 0)
    o->concurrency = (uint32_t)number;
  else if (strncmp(word, "start", size) != 0 &&
           strncmp(word, "branch", size) != 0)
    fail_msg("what is %s?", word);
}

static int declare(text_run *t, char *statement) {
  neap_node_opts o = NEAP_NODE_OPTS_INIT;
  char *rest;
  o.name = strtok_r(statement, " ", &rest);
  for (char *word; (word = strtok_r(NULL, " ", &rest));) {
    unsigned methods = 0;
    if (read_method(word, &methods))
      o.methods |= methods;
    else if (!read_kind(word, &o.kind))
      read_option(word, &o);
  }
  assert_true(t->count < TEXT_NODES);
  o.data = &t->nodes[t->count];
  int status = neap_flow_add(t->flow, &o, &t->nodes[t->count]);
  if (status == 0)
    t->count++;
  return status;
}

static int wire(text_run *t, char *statement) {
  char *rest;
  neap_node *from = find(t, strtok_r(statement, " ", &rest));
  const char *arrow = strtok_r(NULL, " ", &rest);
  const char *target = strtok_r(NULL, " ", &rest);
  neap_node *to = strcmp(target, "END") == 0 ? NULL : find(t, target);
  size_t size = strlen(arrow);
  if (size == 1)
    return neap_flow_wire(t->flow, from, "default", 7, false, to);
  return neap_flow_wire(t->flow, from, arrow + 1, size - 2, false, to);
}

static int set_start(text_run *t, char *statement) {
  char *start = strstr(statement, "start=");
  if (!start)
    return 0;
  char *rest;
  neap_node *first = find(t, strtok_r(start + 6, " ", &rest));
  return neap_flow_start(t->flow, find(t, strtok_r(statement, " ", &rest)),
                         first);
}

static int add_branches(text_run *t, char *statement) {
  char *rest;
  neap_node *node = find(t, strtok_r(statement, " ", &rest));
  for (char *word; (word = strtok_r(NULL, " ", &rest));) {
    if (strncmp(word, "branch=", 7) != 0)
      continue;
    int status = neap_flow_branch(t->flow, node, find(t, word + 7));
    if (status < 0)
      return status;
  }
  return 0;
}

/* Hands the statements that wire, or the others, to `fn` as copies. */
static int for_each(text_run *t, bool wires,
                    int (*fn)(text_run *t, char *statement)) {
  const char *at = t->graph;
  while (*at) {
    char statement[256];
    at += strspn(at, " ;");
    size_t size = strcspn(at, ";");
    assert_true(size < sizeof statement);
    memcpy(statement, at, size);
    statement[size] = '\0';
    at += size;
    if (size == 0 || wires != (strchr(statement, '>') != NULL))
      continue;
    int status = fn(t, statement);
    if (status < 0)
      return status;
  }
  return 0;
}

int text_build(text_run *t, const neap_alloc *alloc) {
  t->flow = NULL;
  t->count = 0;
  int status = neap_flow_new(alloc, &t->flow);
  if (status == 0)
    status = for_each(t, false, declare);
  if (status == 0)
    status = for_each(t, false, set_start);
  if (status == 0)
    status = for_each(t, false, add_branches);
  if (status == 0)
    status = for_each(t, true, wire);
  return status < 0 ? status : neap_flow_seal(t->flow);
}

/* Finds the words that the script has for "A.exec". */
static const char *find_line(const text_run *t, const char *what) {
  size_t size = strlen(what);
  for (const char *at = t->script; *at;) {
    at += strspn(at, " ;");
    if (strncmp(at, what, size) == 0 && at[size] == ':')
      return at + size + 1;
    at += strcspn(at, ";");
  }
  return NULL;
}

/* Copies the next word that the script has for "A.exec" into a place that
 * stays; "." when there is no more. */
static const char *next_word(text_run *t, const char *what) {
  const char *line = find_line(t, what);
  if (!line)
    return ".";
  int slot = 0;
  while (t->lines[slot] && t->lines[slot] != line)
    slot++;
  assert_true(slot < TEXT_LINES - 1);
  t->lines[slot] = line;
  int skip = t->used[slot]++;
  line += strspn(line, " ");
  for (; skip > 0; skip--) {
    line += strcspn(line, " ;");
    line += strspn(line, " ");
  }
  size_t size = strcspn(line, " ;");
  assert_true(size < sizeof t->words[slot]);
  memcpy(t->words[slot], line, size);
  t->words[slot][size] = '\0';
  return size > 0 ? t->words[slot] : ".";
}

static host_answer decide(host_task *task, const neap_step *step) {
  text_run *t = task->host->ud;
  const char *phase = step->what == NEAP_DO_ITEMS ? "items"
                      : step->what == NEAP_DO_FETCH
                          ? "fetch"
                          : neap_phase_name(step->phase);
  char what[32];
  snprintf(what, sizeof what, "%s.%s", neap_node_name(step->node), phase);
  const char *word = next_word(t, what);
  if (step->what == NEAP_DO_ITEMS && *word != '!' &&
      neap_node_kind(step->node) != NEAP_PARALLEL)
    return (host_answer){.reply = HOST_ITEMS,
                         .count = *word == '*' ? NEAP_UNCOUNTED
                                               : strtoull(word, NULL, 10)};
  if (*word == '.')
    return (host_answer){.reply = HOST_OK};
  if (*word == '-')
    return (host_answer){.reply = HOST_NONE};
  if (*word == '~')
    return (host_answer){.reply = HOST_LATER};
  if (strcmp(word, "never") == 0)
    return (host_answer){.reply = HOST_NEVER};
  if (*word == '!' || *word == '?') {
    neap_failure failure = {.final = word[1] == '!',
                            .item = *word == '?',
                            .retry_after_ns = strtoull(word + 1, NULL, 10)};
    return (host_answer){.reply = HOST_FAIL, .failure = failure};
  }
  return (host_answer){.reply = HOST_ACTION, .action = word};
}

static void print(text_run *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void print(text_run *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int size =
      vsnprintf(t->trace + t->size, sizeof t->trace - t->size, format, args);
  va_end(args);
  assert_in_range(size, 0, sizeof t->trace - t->size - 1);
  t->size += (size_t)size;
}

static void print_place(text_run *t, const neap_run *run) {
  neap_place place;
  neap_run_place(run, &place);
  for (uint32_t depth = 0; depth <= place.depth; depth++) {
    bool is_item;
    uint64_t index;
    const neap_node *node = neap_run_node_at(run, depth, &is_item, &index);
    print(t, "%c%s", depth == 0 ? '@' : '/', neap_node_name(node));
    if (is_item)
      print(t, "[%d]", (int)index);
  }
  print(t, ".%s", neap_phase_name(place.phase));
  if (place.attempt > 0)
    print(t, "%d", (int)place.attempt);
}

static void print_step(text_run *t, const neap_run *run,
                       const neap_step *step) {
  const char *name =
      step->what == NEAP_DO_END ? "" : neap_node_name(step->node);
  char action[32] = "";
  if (step->what == NEAP_DO_RETURN || step->what == NEAP_DO_WARN ||
      (step->what == NEAP_DO_END && !step->failed))
    snprintf(action, sizeof action, "%.*s", (int)step->action_size,
             step->action ? step->action : "");
  char attempt[16] = "";
  if (step->attempt > 0)
    snprintf(attempt, sizeof attempt, "%d", (int)step->attempt);
  int index = (int)step->index;
  switch (step->what) {
  case NEAP_DO_ENTER:
    print(t, "+%s", name);
    break;
  case NEAP_DO_RESUME:
    print(t, "~%s", name);
    break;
  case NEAP_DO_CALL:
    print(t, "%s.%s%s", name, neap_phase_name(step->phase), attempt);
    break;
  case NEAP_DO_RETURN:
    if (neap_node_kind(step->node) == NEAP_PARALLEL)
      print(t, "%s[%d]<%s", name, index, action);
    else
      print(t, "%s<%s", name, action);
    break;
  case NEAP_DO_WAIT:
    print(t, "%s:wait(%llu)", name, (unsigned long long)step->delay_ns);
    break;
  case NEAP_DO_ATTEMPT:
    print(t, "%s:attempt%s", name, attempt);
    break;
  case NEAP_DO_ITEMS:
    print(t, "%s:items", name);
    break;
  case NEAP_DO_FORK:
    print(t, "%s:fork(%d)", name, (int)step->count);
    break;
  case NEAP_DO_JOIN:
    print(t, "%s:join", name);
    break;
  case NEAP_DO_STOP:
    print(t, "%s:stop", name);
    break;
  case NEAP_DO_FETCH:
    print(t, "%s:fetch(%d)", name, index);
    break;
  case NEAP_DO_TURN:
    print(t, "%s:turn", name);
    break;
  case NEAP_DO_ITEM_END:
    print(t, "%s:item(%d)%s", name, index, step->failed ? "x" : "");
    break;
  case NEAP_DO_WARN:
    print(t, "%s:%s(%s)", name, step->phase == NEAP_EXEC ? "stray" : "warn",
          action);
    break;
  case NEAP_DO_RAISE:
    print(t, "%s:raise(%s)", name, neap_status_name(step->status));
    break;
  case NEAP_DO_LEAVE:
    print(t, "-%s%s", name, step->failed ? "x" : "");
    break;
  case NEAP_DO_END:
    print(t, step->failed ? "failed" : "end");
    if (step->failed)
      print_place(t, run);
    else if (*action)
      print(t, "(%s)", action);
    break;
  }
}

/* True of the steps that a failure is an answer to. */
static bool may_fail(neap_do what) {
  return what == NEAP_DO_CALL || what == NEAP_DO_ATTEMPT ||
         what == NEAP_DO_ITEMS || what == NEAP_DO_FETCH ||
         what == NEAP_DO_FORK || what == NEAP_DO_JOIN || what == NEAP_DO_RAISE;
}

static void watch(host_task *task, const neap_step *step) {
  text_run *t = task->host->ud;
  if (t->size > 0)
    print(t, " ");
  if (task->number > 0)
    print(t, "%d:", task->number);
  print_step(t, task->run, step);
  if (may_fail(step->what) && step->caught)
    print(t, "~");
  if (step->what == NEAP_DO_RAISE && step->status == NEAP_ENOMEM)
    t->out_of_memory = true;
}

int text_play(text_run *t, const neap_alloc *alloc) {
  t->size = 0;
  t->trace[0] = '\0';
  t->out_of_memory = false;
  memset(t->lines, 0, sizeof t->lines);
  memset(t->used, 0, sizeof t->used);
  int status = text_build(t, alloc);
  if (status == 0) {
    host h = {.ud = t, .decide = decide, .watch = watch};
    neap_run_opts opts = NEAP_RUN_OPTS_INIT;
    const char *max_steps = find_line(t, "max");
    opts.max_steps = max_steps ? strtoull(max_steps, NULL, 10) : 0;
    status = host_run(&h, t->flow, t->nodes[0], &opts);
  }
  neap_flow_free(t->flow);
  return status;
}
