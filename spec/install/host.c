/* A foreign program, in C11 and in C++17: a flow whose node makes an HTTP
 * request, without Lua. Prints what came of it; the argument is the URL.
 * SPDX-License-Identifier: MIT */
#include <neap.h>
#include <stdio.h>

typedef struct host {
  neap_engine *engine;
  neap_run *run;
  neap_op op;
  neap_http_response *response;
  const char *url;
  bool has_ended, has_failed;
} host;

/* Starts the request of the node, to which `arrived` answers. */
static int request(host *h) {
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  opts.url = h->url;
  int status = neap_http_send(h->engine, &h->op, &opts, &h->response);
  if (status < 0)
    fprintf(stderr, "%s: %s\n", neap_status_name(status),
            neap_http_why(h->engine));
  return status;
}

static void advance(host *h, const neap_step *step) {
  for (;;) {
    if (step->what == NEAP_DO_END) {
      h->has_ended = true;
      h->has_failed = step->failed;
      return;
    }
    if (step->what != NEAP_DO_CALL)
      step = neap_run_ok(h->run);
    else if (request(h) == 0)
      return;
    else
      step = neap_run_fail(h->run, NULL);
  }
}

static void arrived(neap_op *op) {
  host *h = (host *)op->data;
  if (op->status == 0) {
    size_t size;
    const char *body = neap_http_body(h->response, &size);
    printf("%s: %d %.*s\n", neap_node_name(neap_run_step(h->run)->node),
           neap_http_status(h->response), (int)size, body);
  }
  neap_http_free(h->response);
  h->response = NULL;
  advance(h,
          op->status == 0 ? neap_run_ok(h->run) : neap_run_fail(h->run, NULL));
}

/* Builds the flow, to be freed by the caller even when this fails. */
static int build(neap_flow *flow, neap_node **root) {
  neap_node_opts walk = NEAP_NODE_OPTS_INIT;
  neap_node_opts call = NEAP_NODE_OPTS_INIT;
  neap_node *fetch;
  walk.kind = NEAP_FLOW;
  call.name = "fetch";
  call.methods = 1u << NEAP_EXEC;
  int status = neap_flow_add(flow, &walk, root);
  if (status == 0)
    status = neap_flow_add(flow, &call, &fetch);
  if (status == 0)
    status = neap_flow_start(flow, *root, fetch);
  return status < 0 ? status : neap_flow_seal(flow);
}

int main(int argc, char **argv) {
  static host h; /* all zero */
  neap_flow *flow = NULL;
  neap_node *root = NULL;
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  neap_run_opts run = NEAP_RUN_OPTS_INIT;
  if (argc != 2 || neap_version_number() != NEAP_VERSION_NUMBER)
    return 2;
  h.url = argv[1];
  neap_op_init(&h.op, arrived, &h);
  if (neap_engine_new(&engine, &h.engine) < 0 ||
      neap_flow_new(NULL, &flow) < 0 || build(flow, &root) < 0 ||
      neap_run_new(flow, root, &run, &h.run) < 0)
    return 3;
  advance(&h, neap_run_step(h.run));
  while (!h.has_ended)
    neap_poll(h.engine, NEAP_FOREVER);
  neap_run_free(h.run);
  neap_flow_free(flow);
  neap_engine_free(h.engine);
  return h.has_failed ? 1 : 0;
}
