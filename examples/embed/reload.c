/* A program whose script can be edited while it runs: ./reload reload.lua
 * SPDX-License-Identifier: MIT
 *
 * Guests come, one after the other, and each is welcomed by a run of the flow
 * that the script returns. When the file has changed, it is loaded again beside
 * the flow in use. Only when it has turned out to be a flow does it take the
 * name; the run that is under way ends on the one it has begun with.
 */
#include <neap_lua.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define FRAME  10000000L /* ns */
#define BUDGET 1000000u  /* of a frame, for neap */

typedef struct program {
  lua_State *L;
  neap_engine *engine;
  const char *file;
  struct stat seen;     /* of the file that was loaded last */
  neap_lua_flow coming; /* the flow that is being loaded; 0: none is */
  bool busy;            /* a guest is being welcomed */
  int guests;
} program;

/* say(text): what scripts can do here. */
static int say(neap_call *call) {
  const char *text;
  size_t size;
  if (neap_get_string(neap_call_params(call), "[1]", &text, &size) < 0)
    return neap_call_fail(call, NEAP_ETYPE, "say", "a string expected");
  printf("%.*s\n", (int)size, text);
  return 0;
}

/* Reads the file into memory that the caller frees; NULL when it cannot. */
static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return NULL;
  char *text = NULL;
  size_t room = 0, got;
  *size = 0;
  do {
    if (room - *size < 4096) {
      char *more = realloc(text, room += 65536);
      if (!more)
        break;
      text = more;
    }
    got = fread(text + *size, 1, room - *size, file);
    *size += got;
  } while (got > 0);
  fclose(file);
  return text;
}

static void complain(const program *p, int status) {
  const char *why = neap_lua_why(p->L);
  printf("not taken over: %s\n", *why ? why : neap_status_text(status));
}

/* Begins to load the file if it has changed. Many editors save by putting a new
 * file in its place, so its number counts, too. */
static void look_at_file(program *p) {
  struct stat now;
  if (p->coming != 0 || stat(p->file, &now) < 0 ||
      (now.st_ino == p->seen.st_ino && now.st_size == p->seen.st_size &&
       now.st_mtim.tv_sec == p->seen.st_mtim.tv_sec &&
       now.st_mtim.tv_nsec == p->seen.st_mtim.tv_nsec))
    return;
  p->seen = now;
  size_t size;
  char *text = read_file(p->file, &size);
  int status =
      text ? neap_lua_load(p->L, p->file, text, size, &p->coming) : NEAP_ENOMEM;
  free(text);
  if (status < 0)
    complain(p, status);
}

/* Has the flow that has been loaded take the name, if it is one. */
static void take_over(program *p) {
  int status = p->coming != 0 ? neap_lua_loaded(p->L, p->coming) : NEAP_EAGAIN;
  if (status == NEAP_EAGAIN)
    return;
  if (status == 0)
    status = neap_lua_swap(p->L, "welcome", p->coming);
  if (status < 0) {
    complain(p, status);
    neap_lua_unload(p->L, p->coming);
  } else {
    printf("loaded %s\n", p->file);
  }
  p->coming = 0;
}

/* Has the newest flow welcome the next guest. */
static void welcome(program *p) {
  neap_token run;
  lua_createtable(p->L, 0, 1);
  lua_pushinteger(p->L, p->guests + 1);
  lua_setfield(p->L, -2, "guest");
  if (neap_lua_start_named(p->L, "welcome", -1, NULL, &run) == 0) {
    p->busy = true;
    p->guests++;
  }
  lua_pop(p->L, 1);
}

static void frame(program *p) {
  look_at_file(p);
  neap_slice(p->engine, BUDGET, NULL);
  take_over(p);
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(p->engine, &report) == 0) {
    p->busy = false;
    if (report.status < 0)
      printf("%s: %s\n", report.path, report.error);
  }
  if (!p->busy)
    welcome(p);
}

int main(int argc, char **argv) {
  program p = {.file = argv[1]};
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  ops.exec = say;
  if (argc != 2 || neap_lua_new(NULL, &p.L) < 0) {
    fprintf(stderr, "usage: reload FILE\n");
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  p.engine = neap_lua_engine(p.L);
  if (neap_lua_register(p.L, "say", &ops, NULL) == 0)
    for (;;) { /* until it is interrupted */
      frame(&p);
      nanosleep(&(struct timespec){.tv_nsec = FRAME}, NULL);
    }
  lua_close(p.L);
  return 1;
}
