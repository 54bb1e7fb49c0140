/* An alarm by a signal that the host has lent: it interrupts code at a time.
 * SPDX-License-Identifier: MIT */
#include "alarm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct neapL_alarm {
  neapL_alarm *outer; /* while it is set: one that this thread set before */
  void (*ring)(void *ud);
  void *ud;
  int number;   /* of the signal */
  pid_t thread; /* to which the timer sends it; 0: there is no timer yet */
  timer_t timer;
};

/* The alarms that this thread has set; the last one is first. */
static _Thread_local neapL_alarm *volatile is_set;

/* The signals that have been lent. */
enum { MOST_SIGNALS = 64 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
  unsigned alarms;
  struct sigaction before;
} lent[MOST_SIGNALS];

/* A timer that has been stopped can have sent its signal before. */
static void handle(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)context;
  int error = errno;
  for (neapL_alarm *alarm = is_set; alarm; alarm = alarm->outer)
    if (info->si_code == SI_TIMER && info->si_value.sival_ptr == alarm)
      alarm->ring(alarm->ud);
  errno = error;
}

/* Whether a signal has our handler. */
static bool is_ours(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle;
}

/* Has our handler handle the signal. The mutex is locked. */
static int borrow(int number) {
  struct sigaction before,
      ours = {.sa_sigaction = handle,
              .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
  if (number < SIGRTMIN || number > SIGRTMAX || number >= MOST_SIGNALS ||
      sigaction(number, NULL, &before) < 0)
    return NEAP_EINVAL;
  if (lent[number].alarms == 0) {
    bool is_free =
        !(before.sa_flags & SA_SIGINFO) &&
        (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN);
    if (!is_free)
      return NEAP_EBUSY;
    sigfillset(&ours.sa_mask);
    sigaction(number, &ours, &lent[number].before);
  }
  lent[number].alarms++;
  return 0;
}

static void give_back(int number) {
  struct sigaction now;
  pthread_mutex_lock(&mutex);
  if (--lent[number].alarms == 0 && sigaction(number, NULL, &now) == 0 &&
      is_ours(&now))
    sigaction(number, &lent[number].before, NULL);
  pthread_mutex_unlock(&mutex);
}

int neapL_alarm_new(lua_State *L, int number, void (*ring)(void *ud), void *ud,
                    neapL_alarm **out) {
  neapL_alarm *alarm = neapL_host_allocate(L, sizeof *alarm);
  if (!alarm)
    return NEAP_ENOMEM;
  *alarm = (neapL_alarm){.ring = ring, .ud = ud, .number = number};
  pthread_mutex_lock(&mutex);
  int status = borrow(number);
  pthread_mutex_unlock(&mutex);
  if (status < 0) {
    neapL_host_release(L, alarm, sizeof *alarm);
    return status;
  }
  *out = alarm;
  return 0;
}

static void drop_timer(neapL_alarm *alarm) {
  if (alarm->thread != 0)
    timer_delete(alarm->timer);
  alarm->thread = 0;
}

void neapL_alarm_free(lua_State *L, neapL_alarm *alarm) {
  if (!alarm)
    return;
  drop_timer(alarm);
  give_back(alarm->number);
  neapL_host_release(L, alarm, sizeof *alarm);
}

/* Makes sure that there is a timer which sends the signal to this thread. */
static bool has_timer(neapL_alarm *alarm) {
  pid_t thread = gettid();
  if (alarm->thread == thread)
    return true;
  drop_timer(alarm);
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                           .sigev_signo = alarm->number,
                           .sigev_value.sival_ptr = alarm};
  event.sigev_notify_thread_id = thread;
  if (timer_create(CLOCK_MONOTONIC, &event, &alarm->timer) < 0)
    return false;
  alarm->thread = thread;
  return true;
}

static bool set_timer(const neapL_alarm *alarm, uint64_t at) {
  struct itimerspec time = {.it_value = {.tv_sec = (time_t)(at / 1000000000u),
                                         .tv_nsec = (long)(at % 1000000000u)}};
  return timer_settime(alarm->timer, TIMER_ABSTIME, &time, NULL) == 0;
}

bool neapL_alarm_set(neapL_alarm *alarm, uint64_t at) {
  sigset_t blocked;
  if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) != 0 ||
      sigismember(&blocked, alarm->number) || !has_timer(alarm))
    return false;
  alarm->outer = is_set;
  is_set = alarm;
  if (set_timer(alarm, at))
    return true;
  is_set = alarm->outer;
  return false;
}

void neapL_alarm_stop(neapL_alarm *alarm) {
  set_timer(alarm, 0);
  is_set = alarm->outer;
}
