/* Every function of neap.h, neap_store.h and neap_lua.h, as the headers have
 * them, with arguments that are none: NULL, 0, an engine alone, an engine that
 * was left behind in a fork, an object whose engine has ended. None may crash,
 * and one that returns a status has to refuse. A function that is new is called
 * as soon as it is in a header.
 *
 * A call passes words in place of what the function takes, which works where
 * the first words of arguments go through registers or a stack of words, as
 * here: all that is passed is 0, a pointer, or a small number.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <dlfcn.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "neap_lua.h"
#include "neap_store.h"

enum { MAX_FUNCTIONS = 400, MAX_TEXT = 400 };

typedef uintptr_t word;
typedef word (*any_function)(word, word, word, word, word, word, word, word,
                             word, word, word, word);

/* A function as its header declares it. */
typedef struct declared {
  char text[MAX_TEXT]; /* "int neap_poll(neap_engine *engine, ..." */
  char name[64];
  any_function call;
} declared;

static declared functions[MAX_FUNCTIONS];
static size_t count;

/* Reads a file, and replaces its comments and its white space by blanks. */
static char *read_header(const char *path) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char *text = calloc(1, 1 << 20);
  size_t size = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  for (size_t i = 0; i + 1 < size; i++) {
    if (text[i] == '/' && text[i + 1] == '*') {
      char *end = strstr(text + i, "*/");
      memset(text + i, ' ', (size_t)(end + 2 - (text + i)));
    }
    if (isspace((unsigned char)text[i]))
      text[i] = ' ';
  }
  return text;
}

/* Copies a declaration with single blanks. */
static void copy_words(char *to, const char *from, const char *end) {
  char *limit = to + MAX_TEXT - 1, last = ' ';
  for (; from < end && to < limit; from++) {
    if (*from == ' ' && (last == ' ' || last == '('))
      continue;
    *to++ = last = *from;
  }
  *to = '\0';
}

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

static void add_functions(const char *path) {
  static const char mark[] = " NEAP_API ";
  char *text = read_header(path);
  for (const char *at = text; (at = strstr(at, mark));) {
    at += sizeof mark - 1;
    const char *end = strchr(at, ';');
    if (begins(at, "__attribute__") || begins(at, "#")) /* its definition */
      continue;
    declared *f = &functions[count++];
    assert_true(count < MAX_FUNCTIONS);
    copy_words(f->text, at, end);
    const char *paren = strchr(f->text, '('), *name = paren;
    while (name[-1] != ' ' && name[-1] != '*')
      name--;
    snprintf(f->name, sizeof f->name, "%.*s", (int)(paren - name), name);
    f->call = (any_function)dlsym(RTLD_DEFAULT, f->name);
    if (!f->call)
      fail_msg("%s is declared and not defined", f->name);
  }
  free(text);
}

/* Whether the first parameter is a pointer to this type. */
static bool takes(const declared *f, const char *type) {
  const char *at = strchr(f->text, '(') + 1;
  if (begins(at, "const "))
    at += strlen("const ");
  size_t size = strlen(type);
  return strncmp(at, type, size) == 0 && strncmp(at + size, " *", 2) == 0;
}

static bool is_one_of(const declared *f, const char *const *names) {
  for (; *names; names++)
    if (strcmp(f->name, *names) == 0)
      return true;
  return false;
}

/* What returns an int that is no status, or may be called with nothing. */
static const char *const no_statuses[] = {
    "neap_http_status", "neap_process_pid",   "neap_stream_fd",
    "neap_listener_fd", "neap_stream_detail", "neap_call_failure",
    "neap_call_why",    "luaopen_neap_core",  NULL};

static bool returns_status(const declared *f) {
  return begins(f->text, "int ") && !is_one_of(f, no_statuses);
}

static word call(const declared *f, word a, word b, word c, word d) {
  return f->call(a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void expect_refusal(const declared *f, word result, const char *with) {
  if (returns_status(f) && (int)result >= 0)
    fail_msg("%s returned %d with %s", f->name, (int)result, with);
}

/* Raises by contract, as any luaopen_ does. */
static const char *const raising[] = {"luaopen_neap_core", NULL};

static void all_bear_null(void **state) {
  (void)state;
  assert_int_equal(NEAP_EINVAL, neap_lua_open(NULL, NULL));
  for (size_t i = 0; i < count; i++)
    if (!is_one_of(&functions[i], raising))
      expect_refusal(&functions[i], call(&functions[i], 0, 0, 0, 0), "NULL");
}

static neap_engine *make(void) {
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(NULL, &engine));
  return engine;
}

/* What an engine alone is enough for. */
static const char *const satisfied[] = {"neap_poll",
                                        "neap_fd",
                                        "neap_timeout_ms",
                                        "neap_set_clock",
                                        "neap_cancel",
                                        "neap_clock_scale",
                                        NULL};

static void all_bear_an_engine_alone(void **state) {
  (void)state;
  neap_engine *engine = make();
  for (size_t i = 0; i < count; i++) {
    declared *f = &functions[i];
    if (!takes(f, "neap_engine") || strcmp(f->name, "neap_engine_free") == 0)
      continue;
    word result = call(f, (word)engine, 0, 0, 0);
    if (!is_one_of(f, satisfied))
      expect_refusal(f, result, "an engine alone");
  }
  assert_int_equal(0, neap_pending(engine));
  neap_engine_free(engine);
}

static void ignore(neap_op *op) {
  (void)op;
}

/* What works without the engine's process. */
static const char *const without_engine[] = {"neap_fs_remove_now",
                                             "neap_after_fork", NULL};

static void in_a_forked_child_all_refuse(void **state) {
  (void)state;
  neap_engine *engine = make();
  pid_t child = fork();
  if (child == 0) {
    for (size_t i = 0; i < count; i++) {
      declared *f = &functions[i];
      if (!takes(f, "neap_engine") || !returns_status(f) ||
          is_one_of(f, without_engine))
        continue;
      neap_op op;
      char bytes[256] = {0};
      neap_op_init(&op, ignore, NULL);
      int status = (int)call(f, (word)engine, (word)&op, (word)bytes, 0);
      if (status != NEAP_EFORK) {
        fprintf(stderr, "%s returned %d\n", f->name, status);
        _exit(1);
      }
    }
    for (size_t i = 0; i < count; i++)
      if (takes(&functions[i], "neap_engine") &&
          !returns_status(&functions[i]) &&
          strcmp(functions[i].name, "neap_engine_free") != 0)
        call(&functions[i], (word)engine, 0, 0, 0);
    _exit(0);
  }
  int status;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  neap_engine_free(engine);
}

/* Objects whose engine has ended. */
typedef struct stale {
  neap_stream *stream;
  neap_listener *listener;
  neap_watch *watch;
  neap_process *process;
  neap_file *file;
  neap_http_upload *upload;
  neap_ticket *ticket;
  neap_store *store;
} stale;

static void cancel(void *self) {
  (void)self;
}

static stale make_stale(void) {
  stale s;
  neap_engine *engine = make();
  neap_stream *pair[2], *streams[3];
  assert_int_equal(0, neap_stream_pair(engine, pair));
  s.stream = pair[0];
  neap_net_opts net = NEAP_NET_OPTS_INIT;
  int detail;
  assert_int_equal(0, neap_net_listen(engine, &net, &detail, &s.listener));
  assert_int_equal(0, neap_watch_new(engine, "/tmp", NULL, &s.watch));
  static const char *const argv[] = {"true", NULL};
  neap_process_opts process = NEAP_PROCESS_OPTS_INIT;
  neap_process_failure failure;
  process.argv = argv;
  assert_int_equal(
      0, neap_process_spawn(engine, &process, &s.process, streams, &failure));
  neap_op op;
  neap_op_init(&op, ignore, NULL);
  assert_int_equal(0, neap_file_open(engine, &op, "/dev/null", "r", &s.file));
  while (neap_op_active(&op))
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(0, neap_http_upload_new(engine, 10, &s.upload));
  neap_store_opts store = NEAP_STORE_OPTS_INIT;
  store.kind = "memory";
  assert_int_equal(0, neap_store_open(engine, &op, &store, &s.store, NULL));
  while (neap_op_active(&op))
    neap_poll(engine, NEAP_FOREVER);
  neap_token token;
  assert_int_equal(0, neap_ticket_new(engine, cancel, NULL, &s.ticket, &token));
  neap_engine_free(engine);
  neap_stream_close(pair[1]);
  for (int i = 0; i < 3; i++)
    neap_stream_close(streams[i]);
  return s;
}

/* What frees its object, and what goes on with it after the engine. */
static const char *const freeing[] = {
    "neap_stream_close", "neap_listener_close",
    "neap_watch_free",   "neap_process_free",
    "neap_file_free",    "neap_http_upload_free",
    "neap_ticket_end",   "neap_ticket_drop",
    "neap_store_free",   NULL};
static const char *const going_on[] = {"neap_http_upload_end",
                                       "neap_http_upload_write",
                                       "neap_file_put_back", NULL};

static void call_all_of(const char *type, void *object) {
  for (size_t i = 0; i < count; i++) {
    declared *f = &functions[i];
    if (!takes(f, type) || is_one_of(f, freeing))
      continue;
    neap_op op;
    char bytes[256] = {0};
    neap_op_init(&op, ignore, NULL);
    word result = f->call((word)object, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    expect_refusal(f, result, "an object alone");
    bool is_stat = begins(f->name, "neap_process_result");
    if (is_stat || is_one_of(f, going_on))
      continue;
    result = call(f, (word)object, (word)&op, (word)bytes, (word)bytes);
    expect_refusal(f, result, "an object whose engine has ended");
    assert_false(neap_op_active(&op));
  }
}

static void objects_outlive_their_engine(void **state) {
  (void)state;
  stale s = make_stale();
  call_all_of("neap_stream", s.stream);
  call_all_of("neap_listener", s.listener);
  call_all_of("neap_watch", s.watch);
  call_all_of("neap_process", s.process);
  call_all_of("neap_file", s.file);
  call_all_of("neap_http_upload", s.upload);
  call_all_of("neap_ticket", s.ticket);
  call_all_of("neap_store", s.store);
  neap_stream_close(s.stream);
  neap_listener_close(s.listener);
  neap_watch_free(s.watch);
  neap_process_free(s.process);
  neap_file_free(s.file);
  neap_http_upload_free(s.upload);
  neap_ticket_drop(s.ticket);
  neap_store_free(s.store);
}

/* Nodes of a flow that is not theirs. */
static void nodes_of_another_flow_are_refused(void **state) {
  (void)state;
  neap_flow *flow, *other;
  neap_node *walks, *parallel, *node, *stranger;
  neap_run *run;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_run_opts run_opts = NEAP_RUN_OPTS_INIT;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  assert_int_equal(0, neap_flow_new(NULL, &other));
  assert_int_equal(0, neap_flow_add(flow, &opts, &node));
  assert_int_equal(0, neap_flow_add(other, &opts, &stranger));
  opts.kind = NEAP_FLOW;
  assert_int_equal(0, neap_flow_add(flow, &opts, &walks));
  opts.kind = NEAP_PARALLEL;
  assert_int_equal(0, neap_flow_add(flow, &opts, &parallel));
  assert_int_equal(NEAP_EINVAL, neap_flow_start(flow, walks, stranger));
  assert_int_equal(NEAP_EINVAL, neap_flow_start(other, walks, node));
  assert_int_equal(NEAP_EINVAL, neap_flow_branch(flow, parallel, stranger));
  assert_int_equal(NEAP_EINVAL, neap_flow_branch(other, parallel, node));
  assert_int_equal(NEAP_EINVAL,
                   neap_flow_wire(flow, node, "a", 1, false, stranger));
  assert_int_equal(NEAP_EINVAL,
                   neap_flow_wire(flow, stranger, "a", 1, false, node));
  assert_int_equal(0, neap_flow_seal(other));
  assert_int_equal(NEAP_EINVAL, neap_run_new(other, node, &run_opts, &run));
  neap_flow_free(flow);
  neap_flow_free(other);
}

int main(void) {
  add_functions(NEAP_TEST_HEADERS "/engine/neap.h");
  add_functions(NEAP_TEST_HEADERS "/engine/neap_store.h");
  add_functions(NEAP_TEST_HEADERS "/bindings/neap_lua.h");
  if (count < 200)
    return EXIT_FAILURE;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_bear_null),
      cmocka_unit_test(all_bear_an_engine_alone),
      cmocka_unit_test(in_a_forked_child_all_refuse),
      cmocka_unit_test(objects_outlive_their_engine),
      cmocka_unit_test(nodes_of_another_flow_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
