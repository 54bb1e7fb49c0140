/* Processes: programs that are started, waited for and ended.
 * SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/status.h"
#include "bounds.h"
#include "base/units.h"
#include "loop/engine.h"
#include "loop/op.h"
#include "process_start.h"

#define GRACE (2 * NEAP__NS_PER_S) /* from SIGTERM to SIGKILL */

enum { MAX_POLL = 60000 /* ms */ };

struct neap_process {
  neap_alloc alloc;
  neap_engine *engine; /* NULL when it has been freed */
  neap_link link;      /* in `processes` of `engine` */
  pid_t pid;           /* also of its group; ours until it is `reaped` */
  int pidfd;           /* *owned*; -1 when it has ended */
  bool grouped;        /* it leads a group of its own */
  bool reaped;         /* the number may be another's from now on */
  uv_poll_t poll;      /* of `pidfd` */
  uv_timer_t grace;    /* rings at `kill_at`; initialised when `stopping` */
  unsigned handles;    /* of those two that are not closed */
  bool lost;           /* this is a child of the process that has started it */
  bool stopping;       /* it has been asked to end */
  bool freed;          /* its owner has let go of it */
  uint64_t kill_at;    /* by uv_hrtime */
  neap_link waiters;   /* of neap_op, by their link */
  int status, detail;  /* how those will end */
  int code, signal;
};

static bool has_ended(const neap_process *p) {
  return p->pidfd < 0;
}

/* Frees a process that neither its owner, nor libuv, nor the system needs. */
static void let_go(neap_process *p) {
  if (!p->freed || p->handles > 0 || !p->reaped)
    return;
  neap_alloc alloc = p->alloc;
  neap__list_remove(&p->link);
  neap__free(&alloc, p, sizeof *p);
}

static void on_closed(uv_handle_t *handle) {
  neap_process *p = handle->data;
  p->handles--;
  let_go(p);
}

/* The programs that a program has started may outlive it, in its group, whose
 * number is the pid of the program. Once no process and no group has a number,
 * the system gives it to another. So a program that has ended is not waited for
 * (reaped) before its group is to end: as a zombie it keeps the number, and a
 * signal to the group reaches no stranger.
 *
 * Where a host ignores SIGCHLD, or waits for all children, there is no zombie
 * that keeps the number. Then no signal is sent. */

/* Finds out how the process has ended, without reaping it. `how` is WNOHANG, or
 * 0 to wait for its end. Returns 0, UV_EAGAIN when it has not ended, or libuv's
 * code. */
static int look_at_end(const neap_process *p, int how, siginfo_t *info) {
  int result;
  *info = (siginfo_t){0};
  do
    result = waitid(P_PID, (id_t)p->pid, info, WEXITED | WNOWAIT | how);
  while (result < 0 && errno == EINTR);
  if (result < 0)
    return neap__sys_code();
  return info->si_pid == 0 ? UV_EAGAIN : 0;
}

/* Sends a signal to the program, and to all of its group. */
static int send_signal(const neap_process *p, int signal) {
  siginfo_t info;
  int code = p->reaped ? UV_ESRCH : look_at_end(p, WNOHANG, &info);
  if (code < 0 && code != UV_EAGAIN)
    return code;
  return neap__sys_code_of(kill(p->grouped ? -p->pid : p->pid, signal));
}

/* Ends what a program, which has ended, has left behind in its group, and gives
 * its number back. Does nothing the second time. */
static void end_group(neap_process *p) {
  if (p->reaped)
    return;
  if (p->grouped)
    send_signal(p, SIGKILL);
  while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
    ;
  p->reaped = true;
}

/* Notes the end of a process, and ends the operations that wait for it. `how`
 * is as for look_at_end. */
static void note_end(neap_process *p, int how) {
  siginfo_t info;
  int code = look_at_end(p, how, &info);
  if (code == UV_EAGAIN)
    return;
  if (code < 0) {
    p->status = NEAP_ESYS;
    p->detail = code;
    p->reaped = true;
  } else if (info.si_code == CLD_EXITED) {
    p->code = info.si_status;
  } else {
    p->signal = info.si_status;
  }
  uv_close((uv_handle_t *)&p->poll, on_closed);
  if (p->stopping)
    uv_close((uv_handle_t *)&p->grace, on_closed);
  close(p->pidfd);
  p->pidfd = -1;
  if (p->stopping || !p->grouped)
    end_group(p);
  neap__ops_finish(&p->waiters, p->status, p->detail);
}

static void on_exit_seen(uv_poll_t *poll, int status, int events) {
  (void)status;
  (void)events;
  note_end(poll->data, WNOHANG);
}

static void on_grace_over(uv_timer_t *timer) {
  send_signal(timer->data, SIGKILL);
}

static void close_ends(neap__child *child, neap_stream *streams[3]) {
  for (int i = 0; i < 3; i++) {
    if (streams[i])
      neap_stream_close(streams[i]);
    else if (child->ends[i] >= 0)
      close(child->ends[i]);
    streams[i] = NULL;
  }
}

/* Makes streams of our ends of the pipes. */
static int open_streams(neap_engine *engine, neap__child *child,
                        neap_stream *streams[3]) {
  int status = 0;
  for (int i = 0; i < 3 && status == 0; i++)
    if (child->ends[i] >= 0)
      status = neap_stream_open(engine, child->ends[i], false, &streams[i]);
  return status;
}

/* Whether the options for the descriptors of the program make sense. */
static bool are_stdio(const neap_process_opts *o) {
  for (int i = 0; i < 3; i++) {
    neap_stdio kind = o->stdio[i];
    bool named = kind == NEAP_STDIO_FILE || kind == NEAP_STDIO_APPEND;
    if ((unsigned)kind > NEAP_STDIO_OUTPUT || (named && !o->paths[i]) ||
        (kind == NEAP_STDIO_OUTPUT && i != 2) ||
        (kind == NEAP_STDIO_APPEND && i == 0))
      return false;
  }
  return true;
}

/* Starts a program in a restricted engine, if it may: with those variables of
 * the environment that it may see. Returns libuv's code. */
static int start_granted(neap_engine *engine, neap_process_opts *o,
                         neap__child *child, neap_process_failure *failure) {
  neap__grants *grants = engine->grants;
  failure->part = NEAP_PROCESS_PROGRAM;
  if (!neap__bounds_admit(engine, 4, &failure->detail))
    return NEAP__REFUSED;
  if (!neap__grants_has(grants, NEAP__GRANT_PROCESS)) {
    failure->detail = neap__grants_refuse(grants, "process would allow it");
    return NEAP__REFUSED;
  }
  const char **env = NULL;
  size_t count = 0, size = (grants->count + 1) * sizeof *env;
  if (!o->env) {
    env = neap__alloc(&engine->alloc, size);
    if (!env)
      return UV_ENOMEM;
    for (char **entry = environ; *entry && count < grants->count; entry++)
      if (neap__grants_shows(grants, *entry))
        env[count++] = *entry;
    o->env = env;
  }
  int code =
      neap__child_start(o, grants, child, &failure->part, &failure->detail);
  neap__free(&engine->alloc, env, size);
  return code;
}

int neap_process_spawn(neap_engine *engine, const neap_process_opts *opts,
                       neap_process **out, neap_stream *streams[3],
                       neap_process_failure *failure) {
  if (!neap__home_allows(engine) || !out || !streams || !failure)
    return neap__home_fault(engine);
  neap_process_opts o;
  const size_t first = NEAP__SIZE_WITH(neap_process_opts, same_group);
  if (neap__opts_take(&o, sizeof o, first, opts) < 0 || !o.argv || !o.argv[0] ||
      !are_stdio(&o))
    return NEAP_EINVAL;
  const neap_alloc *alloc = &engine->alloc;
  neap_process *p = neap__alloc(alloc, sizeof *p);
  if (!p)
    return NEAP_ENOMEM;
  neap_stream *made[3] = {NULL, NULL, NULL};
  neap__child child;
  int code = engine->grants
                 ? start_granted(engine, &o, &child, failure)
                 : neap__child_start(&o, NULL, &child, &failure->part, NULL);
  int status = neap__sys_status(code);
  if (code < 0)
    goto fail_start;
  p->alloc = *alloc;
  p->engine = engine;
  p->pid = child.pid;
  p->pidfd = child.pidfd;
  p->grouped = !o.same_group;
  p->poll.data = p->grace.data = p;
  neap__list_init(&p->waiters);
  status = open_streams(engine, &child, made);
  if (status < 0)
    goto fail_streams;
  code = uv_poll_init(&engine->uv, &p->poll, p->pidfd);
  status = neap__sys_status(code);
  if (status < 0)
    goto fail_streams;
  uv_unref((uv_handle_t *)&p->poll);
  uv_poll_start(&p->poll, UV_READABLE, on_exit_seen);
  p->handles = 1;
  neap__list_append(&engine->processes, &p->link);
  for (int i = 0; i < 3; i++)
    streams[i] = made[i];
  *out = p;
  return 0;

fail_streams:
  close_ends(&child, made);
  send_signal(p, SIGKILL);
  waitpid(p->pid, NULL, 0);
  close(p->pidfd);
fail_start:
  if (code != NEAP__REFUSED)
    failure->detail = code;
  neap__free(alloc, p, sizeof *p);
  return status;
}

bool neap__processes_awaited(const neap_engine *engine) {
  const neap_link *list = &engine->processes;
  for (neap_link *link = list->next; link != list; link = link->next) {
    if (!neap__list_empty(&NEAP__ITEM(link, neap_process, link)->waiters))
      return true;
  }
  return false;
}

/* In the child of a fork programs are none of its children: they are neither
 * ended nor waited for. */
static void disown(neap_process *p) {
  neap__ops_disown(&p->waiters);
  neap__list_remove(&p->link);
  if (p->pidfd >= 0)
    close(p->pidfd);
  p->lost = p->lost || !has_ended(p);
  p->pidfd = -1;
  p->reaped = true;
  p->handles = 0;
  p->engine = NULL;
  let_go(p);
}

void neap__processes_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->processes))
    disown(NEAP__ITEM(engine->processes.next, neap_process, link));
}

int neap_process_pid(const neap_process *p) {
  return p ? p->pid : -1;
}

int neap_process_wait(neap_process *p, neap_op *op) {
  if (!p || !neap__op_is_free(op))
    return NEAP_EINVAL;
  int status = neap__home_of(&p->engine);
  if (status < 0)
    return status;
  neap__op_begin_in(p->engine, op, &p->waiters);
  if (has_ended(p))
    neap__op_finish(op, p->status, p->detail);
  return 0;
}

bool neap_process_result(const neap_process *p, int *code, int *signal) {
  if (!p || !code || !signal || !has_ended(p) || p->lost)
    return false;
  *code = p->code;
  *signal = p->signal;
  return true;
}

int neap_process_kill(neap_process *p, int signal, int *detail) {
  if (!p || !detail)
    return NEAP_EINVAL;
  neap__home_look(p->engine);
  if (has_ended(p))
    return NEAP_ECLOSED;
  int code = send_signal(p, signal);
  if (code < 0)
    *detail = code;
  return code < 0 ? NEAP_ESYS : 0;
}

/* Asks a process to end. One that was stopped notices only when it goes on. */
static void ask_to_end(neap_process *p, uint64_t grace_ns) {
  p->kill_at = neap__time_after(uv_hrtime(), grace_ns);
  if (grace_ns > 0) {
    send_signal(p, SIGTERM);
    send_signal(p, SIGCONT);
  } else {
    send_signal(p, SIGKILL);
  }
}

void neap_process_stop(neap_process *p, uint64_t grace_ns) {
  if (!p)
    return;
  neap__home_look(p->engine);
  if (has_ended(p))
    end_group(p);
  if (has_ended(p) || p->stopping)
    return;
  uv_loop_t *uv = &p->engine->uv;
  ask_to_end(p, grace_ns);
  p->stopping = true;
  p->handles++;
  uv_timer_init(uv, &p->grace);
  uv_unref((uv_handle_t *)&p->grace);
  uv_update_time(uv); /* uv counts from its own idea of now */
  uv_timer_start(&p->grace, on_grace_over, neap__ms_of_ns(grace_ns), 0);
}

void neap_process_free(neap_process *p) {
  if (!p)
    return;
  neap__home_look(p->engine);
  neap__ops_finish(&p->waiters, NEAP_ECLOSED, 0);
  p->freed = true;
  neap_process_stop(p, GRACE);
  let_go(p);
}

/* Waits, while all else stands still, until a process that was asked to end has
 * ended. */
static void await_end(neap_process *p) {
  for (;;) {
    uint64_t now = uv_hrtime();
    uint64_t left = p->kill_at > now ? p->kill_at - now : 0;
    struct pollfd end = {.fd = p->pidfd, .events = POLLIN};
    uint64_t ms = neap__ms_of_ns(left);
    if (left > 0 && poll(&end, 1, ms < MAX_POLL ? (int)ms : MAX_POLL) == 0)
      continue;
    if (left == 0)
      send_signal(p, SIGKILL);
    note_end(p, 0);
    if (has_ended(p))
      return;
  }
}

void neap_end_processes(neap_engine *engine) {
  if (!neap__home_allows(engine))
    return;
  neap_link *list = &engine->processes;
  /* All are asked to end before the first is waited for. */
  for (neap_link *link = list->next; link != list; link = link->next) {
    neap_process *p = NEAP__ITEM(link, neap_process, link);
    neap__ops_forget(&p->waiters);
    neap_process_stop(p, GRACE);
  }
  for (neap_link *link = list->next, *next; link != list; link = next) {
    next = link->next;
    neap_process *p = NEAP__ITEM(link, neap_process, link);
    if (!has_ended(p))
      await_end(p);
    neap__list_remove(&p->link);
    p->engine = NULL;
    let_go(p);
  }
}
