/* neap in a loop of epoll: it waits for the program's own descriptors and for
 * neap's at once, and runs only when there is something to do.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <neap_lua.h>

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const char script[] =
    "local neap = require 'neap'\n"
    "local Ferry = neap.Node:extend { name = 'Ferry' }\n"
    "function Ferry:exec(shared)\n"
    "  for _, port in ipairs(shared.ports) do\n"
    "    neap.sleep(0.12)\n"
    "    print('the ferry is at ' .. port)\n"
    "  end\n"
    "end\n"
    "return Ferry()\n";

static lua_State *start(void) {
  lua_State *L;
  neap_lua_flow flow;
  neap_token run;
  if (neap_lua_new(NULL, &L) < 0)
    return NULL;
  if (neap_lua_load(L, "ferry", script, strlen(script), &flow) < 0) {
    fprintf(stderr, "%s\n", neap_lua_why(L));
    lua_close(L);
    return NULL;
  }
  lua_createtable(L, 0, 1); /* the shared store */
  lua_createtable(L, 2, 0);
  lua_pushstring(L, "Hallig");
  lua_rawseti(L, -2, 1);
  lua_pushstring(L, "Norderney");
  lua_rawseti(L, -2, 2);
  lua_setfield(L, -2, "ports");
  neap_lua_start(L, flow, -1, NULL, &run);
  lua_settop(L, 0);
  return L;
}

/* Something of the program's own: a timer of 100 ms. */
static int open_timer(void) {
  struct itimerspec every = {{0, 100000000}, {0, 100000000}};
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  timerfd_settime(fd, 0, &every, NULL);
  return fd;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(void) {
  lua_State *L = start();
  if (!L)
    return 1;
  neap_engine *engine = neap_lua_engine(L);
  int epoll = epoll_create1(EPOLL_CLOEXEC), timer = open_timer();
  watch(epoll, neap_fd(engine));
  watch(epoll, timer);

  int turns = 0, ticks = 0;
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(engine, &report) == NEAP_EAGAIN) {
    struct epoll_event events[8];
    int count = epoll_wait(epoll, events, 8, neap_timeout_ms(engine));
    for (int i = 0; i < count; i++) {
      uint64_t times;
      if (events[i].data.fd == timer &&
          read(timer, &times, sizeof times) == sizeof times)
        ticks += (int)times;
    }
    neap_slice(engine, 2000000, NULL); /* after each wait, whatever ended it */
    turns++;
  }
  /* Loading the script takes as many turns as it has slices of 2 ms. */
  printf("%s: %s, %s\n", neap_status_text(report.status),
         ticks >= 2 ? "the timer has ticked" : "the timer has not ticked",
         turns < 100 ? "the loop has slept" : "the loop has spun");
  close(timer);
  close(epoll); /* before the engine's descriptor goes */
  lua_close(L);
  return report.status == 0 ? 0 : 1;
}
