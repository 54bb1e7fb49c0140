/* The engine, as all of its parts know it.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_ENGINE_H
#define NEAP_LOOP_ENGINE_H

#include <stdatomic.h>

#include <uv.h>

#include "base/list.h"

/* Every part is given the whole engine, as every part of libuv is given its
 * uv_loop_t. The fields below the name of a source are that source's: others
 * may look at them, but leave changing them to its functions. poll.c makes all
 * lists empty before any part is opened. */
struct neap_engine {
  neap_alloc alloc;
  uv_loop_t uv;

  /* home.c */
  unsigned forks;                      /* neap__forks when it was made */
  _Atomic(uintptr_t) poller;           /* the thread that polls; 0: none */
  bool disowned;                       /* `disown` has been called */
  void (*disown)(neap_engine *engine); /* poll.c's */

  /* op.c: lists of neap_op, by their `link`. */
  neap_link ready;    /* those that have ended */
  neap_link draining; /* those of them that are being delivered */
  neap_link io;       /* those that wait for I/O, without a thread */
  neap_link work;     /* those that wait for a thread */
  neap_link owed;     /* those that are held, and others will settle */
  size_t pending;     /* how many are pending or ready, in whatever list */

  /* loop.c */
  uv_async_t wake;
  uv_timer_t alarm; /* rings for the timers: calls `on_alarm` */
  void (*on_alarm)(neap_engine *engine);
  uv_timer_t bound;         /* bounds one wait */
  bool is_shared;           /* there may be guests: handles of the host's */
  bool had_guests;          /* there were some when uv began to run */
  uv_prepare_t before_wait; /* initialised when `is_shared` */
  neap_link guests_over;    /* of neap_op: they wait for the guests to leave */
  bool is_virtual;          /* the clock jumps by itself */
  bool is_kept;             /* it is not the system's: clock.c */
  neap_op *turn;      /* ends when another has been delivered; NULL: none */
  bool turn_may_wait; /* if none is ready */
  neap_op *idler;     /* ends when no other is pending; NULL: none */
  bool broken;        /* neap_break has been called */
  neap_op *preempted; /* comes before all others, the first of `draining`; NULL:
                         none */

  /* token.c */
  struct neap__slot *slots; /* *owned*; the fields from here to `last_word` are
                               guarded by `token_lock` */
  uint32_t slot_capacity;
  uint32_t free_slot; /* slots are named by their number, from 1; 0: none */
  uint32_t first_word, last_word; /* the line of slots that word has come for */
  uv_mutex_t token_lock;
  atomic_bool has_word; /* there may be such slots */
  uint64_t token_key;   /* where the stamps of slots begin */

  /* clock.c, of a clock that is kept */
  uint64_t clock_at;  /* what it says, or said when its scale was set */
  uint64_t clock_set; /* by uv_hrtime, when that was; 0: it is moved on */
  double clock_scale; /* how fast it goes since, as seen by the real one */

  /* timer.c */
  struct neap__timers *timers; /* *owned* */

  /* event.c */
  neap_event_fn event_fn; /* NULL: there is none */
  void *event_ud;

  /* fs_op.c, fs_file.c, fs_watch.c */
  size_t files_open; /* by operations: being opened, open, or being closed */
  neap_link files_waiting; /* of neap_fs_result: in line to open a file */
  neap_link file_handles;  /* of neap_file, while they are open */
  neap_link watches;       /* of neap_watch, until they are closed */

  /* stream.c */
  neap_link streams; /* of neap_stream */
  char *slab;        /* *owned*: what all streams read into; NULL: unused */
  neap_stream *slab_user; /* whose bytes it holds; or NULL */

  /* net_listen.c */
  neap_link listeners; /* of neap_listener */

  /* process.c */
  neap_link processes; /* of neap_process */

  /* http/load.c */
  const char *http_library; /* *kept*: its path; NULL: it is to be found */
  struct neap__http *http;  /* NULL: it is not loaded yet */
  char http_why[1024];      /* why the last request was refused */

  /* stores.c */
  neap_link stores; /* of neap_store, until they are closed */

  /* grants.c */
  struct neap__grants *grants; /* *owned*; NULL: all is allowed */

  /* ticket.c */
  neap_link tickets;        /* of neap_ticket: of runs that have not ended */
  neap_link reports;        /* the same, of runs that have */
  neap_ticket *last_report; /* *owned*: what was taken last; or NULL */
  neap_report_fn report_fn; /* NULL: there is none */
  void *report_ud;
  neap_op report_op; /* gives out reports */

  /* call.c */
  neap_link calls; /* of neap_call: whose phases go on */

  /* drive.c */
  neap_link courses; /* the runs that the engine drives */

  /* poll.c */
  bool polling;
  bool is_closing;     /* it is being freed */
  uint64_t idle_since; /* real time of the first poll without a wait that found
                          nothing; 0: none */

  /* wakeup.c */
  void (*wakeup)(void *ud); /* NULL: there is none */
  void *wakeup_ud;
  atomic_bool is_asked; /* it has been called since the last slice began */
  atomic_bool is_woken; /* neap_wake has been called since uv ran */

  /* lent.c */
  struct neap__lent *lent; /* handles on a loop of the host's; NULL: none */

  /* slice.c */
  uint64_t received_at;   /* when a slice last had uv look for I/O */
  uint64_t slice_until;   /* the slice in force ends then; 0: there is none */
  const char *in_the_way; /* what kept it from ending; NULL: unknown */
};

#endif
