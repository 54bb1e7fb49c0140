/* embed WORKLOAD ARGUMENT...: what neap costs a host that drives it in slices
 * of 1 ms, 1000 operations waiting besides.
 *
 *   idle N TIMERS   N slices in which nothing is to be done, TIMERS waiting
 *   gets N URL      slices while N requests are begun at once and answered
 *   one URL         the first request of a process, after neap_http_preload
 *   first N URL     the same in N processes
 *   turns MS        turns of an epoll loop that has nothing to do for so long
 *   engine N        an engine made and freed, N times
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

#include "distribution.h"
#include "measure.h"
#include "neap.h"

enum { WAITERS = 1000, GROUP = 100 };

#define MS    UINT64_C(1000000)
#define HOUR  (UINT64_C(3600000) * MS)
#define SLICE MS

static distribution taken;
static neap_engine *engine;
static int epoll;
static long unanswered;
static const char *program;

static void fail(const char *what) {
  fprintf(stderr, "embed: %s\n", what);
  exit(EXIT_FAILURE);
}

static neap_engine *new_engine(void) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  neap_engine *made;
  opts.http_library = NEAP_BENCH_HTTP_LIBRARY;
  if (neap_engine_new(&opts, &made) < 0)
    fail("neap_engine_new");
  return made;
}

static void on_rung(neap_op *op) {
  (void)op;
  fail("woken early");
}

/* Has so many operations wait for an hour and more. */
static void add_waiters(long count) {
  neap_op *ops = calloc((size_t)count + 1, sizeof *ops);
  for (long i = 0; i < count; i++) {
    neap_op_init(&ops[i], on_rung, NULL);
    neap_sleep_until(engine, &ops[i],
                     neap_now(engine) + HOUR + (uint64_t)i * MS);
  }
}

static void slice(void) {
  distribution_begin(&taken);
  if (neap_slice(engine, SLICE, NULL) < 0)
    fail("neap_slice");
  distribution_end(&taken, 1);
}

/* Waits as the loop of a host does, for no longer than `most` ms. */
static void wait_for_engine(int most) {
  struct epoll_event event;
  int ms = neap_timeout_ms(engine);
  epoll_wait(epoll, &event, 1, ms >= 0 && ms < most ? ms : most);
}

static void open_loop(void) {
  struct epoll_event event = {.events = EPOLLIN};
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, neap_fd(engine), &event) < 0)
    fail("epoll_ctl");
}

/* The clock costs as much as a slice, so many slices are taken together. */
static void idle(char **argv) {
  long count = strtol(argv[0], NULL, 10);
  add_waiters(strtol(argv[1], NULL, 10));
  for (long i = 0; i < count / GROUP + 1; i++) {
    distribution_begin(&taken);
    for (int j = 0; j < GROUP; j++)
      neap_slice(engine, SLICE, NULL);
    distribution_end(&taken, GROUP);
  }
}

static void note_end(neap_op *op) {
  if (op->status < 0)
    fail(neap_http_why(engine));
  unanswered--;
}

static void preload(void) {
  neap_op op;
  neap_op_init(&op, note_end, NULL);
  unanswered = 1;
  if (neap_http_preload(engine, &op) < 0)
    fail("neap_http_preload");
  while (unanswered > 0) {
    neap_slice(engine, SLICE, NULL);
    wait_for_engine(100);
  }
}

typedef struct get {
  neap_op op;
  neap_http_response *response;
  const char *url;
} get;

static void on_answer(neap_op *op) {
  get *g = op->data;
  if (op->status < 0 || neap_http_status(g->response) != 200)
    fail(g->response ? neap_http_error(g->response, NULL) : "no answer");
  neap_http_free(g->response);
  unanswered--;
}

/* A request is begun in a slice, as a task would. */
static void begin_get(neap_op *op) {
  get *g = op->data;
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  opts.url = g->url;
  neap_op_init(op, on_answer, g);
  if (neap_http_send(engine, op, &opts, &g->response) < 0)
    fail(neap_http_why(engine));
}

static void gets(char **argv) {
  long count = strtol(argv[0], NULL, 10);
  get *all = calloc((size_t)count, sizeof *all);
  add_waiters(WAITERS);
  preload();
  unanswered = count;
  for (long i = 0; i < count; i++) {
    all[i].url = argv[1];
    neap_op_init(&all[i].op, begin_get, &all[i]);
    neap_op_hold(engine, &all[i].op);
    neap_op_settle(&all[i].op, 0);
  }
  while (unanswered > 0) {
    slice();
    wait_for_engine(100);
  }
  free(all);
}

/* What the first request takes of a process that has done nothing but load. */
static void get_first(const char *url) {
  preload();
  get g = {.url = url};
  neap_op_init(&g.op, begin_get, &g);
  unanswered = 1;
  distribution_begin(&taken);
  begin_get(&g.op);
  while (unanswered > 0) {
    neap_slice(engine, SLICE, NULL);
    if (unanswered > 0)
      wait_for_engine(100);
  }
  distribution_end(&taken, 1);
}

static void one(char **argv) {
  get_first(argv[0]);
}

/* Reads what `embed one URL` prints of its only request. */
static void take_other(const char *url) {
  char command[4096], line[128];
  if (snprintf(command, sizeof command, "'%s' one '%s'", program, url) >=
      (int)sizeof command)
    fail("a long URL");
  FILE *output = popen(command, "r");
  double wall = -1, cpu = -1;
  while (output && fgets(line, sizeof line, output)) {
    sscanf(line, "wall max: %lf", &wall);
    sscanf(line, "cpu max: %lf", &cpu);
  }
  if (!output || pclose(output) != 0 || wall < 0 || cpu < 0)
    fail(command);
  taken.wall[taken.count] = wall;
  taken.cpu[taken.count++] = cpu;
}

static void first(char **argv) {
  for (long left = strtol(argv[0], NULL, 10); left > 0; left--)
    take_other(argv[1]);
}

static void turns(char **argv) {
  double until = moment_now().wall + strtod(argv[0], NULL) / 1e3;
  long count = 0;
  add_waiters(WAITERS);
  for (double left; (left = until - moment_now().wall) > 0; count++) {
    wait_for_engine((int)(left * 1e3) + 1);
    neap_slice(engine, SLICE, NULL);
  }
  printf("turns: %ld\n", count);
}

static long count_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  long count = 0;
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static void make_engines(char **argv) {
  long count = strtol(argv[0], NULL, 10);
  for (long i = 0; i < count; i++) {
    distribution_begin(&taken);
    neap_engine_free(new_engine());
    distribution_end(&taken, 1);
  }
  long descriptors = count_descriptors();
  size_t bytes = mallinfo2().uordblks;
  neap_engine *other = new_engine();
  printf("heap: %zu\ndescriptors: %ld\n", mallinfo2().uordblks - bytes,
         count_descriptors() - descriptors);
  neap_engine_free(other);
}

static const struct {
  const char *name;
  int arguments;
  void (*run)(char **argv);
} workloads[] = {
    {"one", 1, one},     {"idle", 2, idle},   {"gets", 2, gets},
    {"first", 2, first}, {"turns", 1, turns}, {"engine", 1, make_engines},
};

int main(int argc, char **argv) {
  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
    if (argc < 2 || strcmp(argv[1], workloads[i].name) != 0 ||
        argc - 2 != workloads[i].arguments)
      continue;
    program = argv[0];
    engine = new_engine();
    open_loop();
    measure began = measure_now();
    workloads[i].run(argv + 2);
    distribution_print(&taken);
    measure_print(&began, "neap " NEAP_VERSION);
    return 0;
  }
  fail("usage: embed WORKLOAD ARGUMENT...; see bench/embed.c");
}
