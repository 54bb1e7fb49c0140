/* A flow without Lua: its nodes are functions in C, and a thread completes one.
 * SPDX-License-Identifier: MIT
 *
 * Orders go through a flow: the bank is asked for the money, the goods are
 * packed, two at a time, and the parcel is shipped. The bank is a thread of its
 * own, which is out of reach at first; so the engine asks again. */
#include <inttypes.h>
#include <neap.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ORDERS = 2, GOODS = 3, REQUESTS = 16 };

typedef struct order {
  const char *name;
  int amount;
  const char *goods[GOODS];
} order;

/* The bank, with its requests: the tokens of phases that wait for an answer. */
static struct bank {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  neap_engine *engine;
  neap_token requests[REQUESTS];
  int first, last;
  bool closed;
} bank = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .changed = PTHREAD_COND_INITIALIZER};

static void *answer(void *nothing) {
  (void)nothing;
  for (int answered = 0;; answered++) {
    pthread_mutex_lock(&bank.lock);
    while (bank.first == bank.last && !bank.closed)
      pthread_cond_wait(&bank.changed, &bank.lock);
    bool over = bank.first == bank.last;
    neap_token token = over ? 0 : bank.requests[bank.first++ % REQUESTS];
    pthread_mutex_unlock(&bank.lock);
    if (over)
      return NULL;
    /* The token is stale if the order waits no longer, and that is all right.
     */
    neap_complete(bank.engine, token, answered == 0 ? NEAP_EFAILED : 0);
  }
}

static order *order_of(neap_call *call) {
  return neap_call_shared(call).self;
}

static int charge(neap_call *call) {
  printf("%s: charge %d, attempt %" PRIu32 "\n", order_of(call)->name,
         order_of(call)->amount, neap_call_attempt(call) + 1);
  neap_token token;
  int status = neap_later(call, &token);
  if (status < 0)
    return status;
  pthread_mutex_lock(&bank.lock);
  bank.requests[bank.last++ % REQUESTS] = token;
  pthread_cond_signal(&bank.changed);
  pthread_mutex_unlock(&bank.lock);
  return NEAP_LATER;
}

static int charged(neap_call *call) {
  if (order_of(call)->amount > 100)
    return neap_call_fail(call, NEAP_EFAILED, "limit",
                          "too much for one order");
  return neap_call_set_action(call, "paid", 4);
}

static int list_goods(neap_call *call) {
  order *o = order_of(call);
  return neap_call_set_items(call, o->goods, sizeof *o->goods, GOODS);
}

static int pack(neap_call *call) {
  const char *const *goods = neap_call_item(call).self;
  printf("%s: pack %s\n", order_of(call)->name, *goods);
  return 0;
}

static int ship(neap_call *call) {
  printf("%s: ship\n", order_of(call)->name);
  return 0;
}

/* Builds the flow, to be freed by the caller even when this fails. */
static bool build(neap_flow *flow) {
  neap_node_opts root = NEAP_NODE_OPTS_INIT, one = NEAP_NODE_OPTS_INIT,
                 two = NEAP_NODE_OPTS_INIT, three = NEAP_NODE_OPTS_INIT;
  neap_node_ops charging = NEAP_NODE_OPS_INIT, packing = NEAP_NODE_OPS_INIT,
                shipping = NEAP_NODE_OPS_INIT;
  neap_node *a, *b, *c, *all;
  root.name = "order";
  root.kind = NEAP_FLOW;
  one.name = "charge";
  one.max_attempts = 3;
  one.wait_ns = 2000000;
  one.timeout_ns = 1000000000;
  charging.exec = charge;
  charging.post = charged;
  two.name = "pack";
  two.kind = NEAP_BATCH_NODE;
  two.concurrency = 2;
  packing.prep = list_goods;
  packing.exec = pack;
  three.name = "ship";
  shipping.exec = ship;
  return neap_flow_add(flow, &root, &all) == 0 &&
         neap_flow_add_ops(flow, &one, &charging, NULL, &a) == 0 &&
         neap_flow_add_ops(flow, &two, &packing, NULL, &b) == 0 &&
         neap_flow_add_ops(flow, &three, &shipping, NULL, &c) == 0 &&
         neap_flow_start(flow, all, a) == 0 &&
         neap_flow_wire(flow, a, "paid", 4, true, b) == 0 &&
         neap_flow_wire(flow, b, "default", 7, true, c) == 0 &&
         neap_flow_seal(flow) == 0;
}

/* Starts a run for each order, and waits until all have ended. */
static bool run(neap_engine *engine, neap_flow *flow, order *orders) {
  for (int i = 0; i < ORDERS; i++) {
    neap_start_opts opts = NEAP_START_OPTS_INIT;
    neap_token token; /* by which it could be cancelled */
    opts.shared.self = opts.data = &orders[i];
    if (neap_start(engine, flow, &opts, &token) < 0)
      return false;
  }
  for (int ended = 0; ended < ORDERS;) {
    neap_report report = NEAP_REPORT_INIT;
    if (neap_next_report(engine, &report) < 0) {
      neap_poll(engine, NEAP_FOREVER);
      continue;
    }
    const order *o = report.data;
    if (report.status == 0)
      printf("%s: done\n", o->name);
    else
      printf("%s: %s in %s of %s: %s\n", o->name, report.code, report.phase,
             report.path, report.error);
    ended++;
  }
  return true;
}

int main(void) {
  order orders[ORDERS] = {{"Ada", 40, {"lamp", "rope", "oil"}},
                          {"Bob", 400, {"boat", "oars", "sail"}}};
  neap_flow *flow = NULL;
  pthread_t teller;
  if (neap_engine_new(NULL, &bank.engine) < 0)
    return 1;
  if (pthread_create(&teller, NULL, answer, NULL) != 0)
    return 1;
  bool well = neap_flow_new(NULL, &flow) == 0 && build(flow) &&
              run(bank.engine, flow, orders);
  pthread_mutex_lock(&bank.lock);
  bank.closed = true;
  pthread_cond_signal(&bank.changed);
  pthread_mutex_unlock(&bank.lock);
  pthread_join(teller, NULL); /* before the engine that it tells is freed */
  neap_flow_free(flow);
  neap_engine_free(bank.engine);
  return well ? 0 : 1;
}
