/* One grant, and its text.
 * SPDX-License-Identifier: MIT */
#include "grant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

typedef struct kind {
  const char *name;
  neap__grant_kind kind;
  bool has_subject;
} kind;

static const kind kinds[] = {
    {"files", NEAP__GRANT_FILES, true},
    {"net", NEAP__GRANT_NET, true},
    {"net-listen", NEAP__GRANT_LISTEN, true},
    {"unix", NEAP__GRANT_UNIX, true},
    {"process", NEAP__GRANT_PROCESS, false},
    {"env", NEAP__GRANT_ENV, true},
    {"clock", NEAP__GRANT_CLOCK, false},
    {"input", NEAP__GRANT_INPUT, false},
    {"llm", NEAP__GRANT_LLM, true},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* What is being read. */
typedef struct reading {
  const neap_alloc *alloc;
  const char *text;
  neap__grant *grant;
  char *why;
  size_t why_size;
} reading;

static int fail(const reading *r, int status, const char *what) {
  snprintf(r->why, r->why_size, "the grant '%s': %s", r->text, what);
  return status;
}

static int fail_sys(const reading *r) {
  char text[128];
  neap_sys_describe(neap__sys_code(), NULL, 0, text, sizeof text);
  return fail(r, errno == ENOMEM ? NEAP_ENOMEM : NEAP_ESYS, text);
}

/* Finds the kind, and where the subject begins. */
static int read_kind(const reading *r, size_t *subject) {
  size_t size = strcspn(r->text, "=");
  bool has_subject = r->text[size] == '=' && r->text[size + 1] != '\0';
  for (int i = 0; i < KINDS; i++) {
    const kind *k = &kinds[i];
    if (strlen(k->name) != size || memcmp(k->name, r->text, size) != 0)
      continue;
    if (has_subject != k->has_subject || (r->text[size] && !has_subject))
      break;
    r->grant->kind = k->kind;
    *subject = has_subject ? size + 1 : size;
    return 0;
  }
  return fail(r, NEAP_EINVAL,
              "known are files=DIR, files=DIR:ro, net=HOST:PORT, "
              "net-listen=ADDRESS:PORT, unix=PATH, process, env=NAME, clock, "
              "input and llm=NAME");
}

/* Makes a path absolute, as text. Returns its size, 0 when it is too long. */
static size_t absolute(const char *path, char out[2 * PATH_MAX]) {
  size_t size = 0;
  if (*path != '/') {
    if (!getcwd(out, PATH_MAX))
      return 0;
    size = strlen(out);
    out[size++] = '/';
  }
  size_t more = strlen(path);
  if (more >= PATH_MAX)
    return neap__sys_fail(ENAMETOOLONG), 0;
  memcpy(out + size, path, more + 1);
  return size + more;
}

/* Opens a folder, and notes its paths. */
static int open_folder(const reading *r, const char *path) {
  char full[2 * PATH_MAX], real[PATH_MAX];
  neap__grant *g = r->grant;
  if (neap__beneath_start(path, &g->folder) < 0 || absolute(path, full) == 0 ||
      !realpath(path, real))
    return fail_sys(r);
  /* A text with ".." is no help to find what lies in the folder. */
  const char *name = strstr(full, "..") ? real : full;
  g->path = neap__copy(r->alloc, name, strlen(name));
  g->real = neap__copy(r->alloc, real, strlen(real));
  return g->path && g->real ? 0 : fail(r, NEAP_ENOMEM, "out of memory");
}

/* Cuts `end` off a text, if it ends with that. */
static bool cut(char *text, const char *end) {
  size_t size = strlen(text), less = strlen(end);
  bool has = size > less && strcmp(text + size - less, end) == 0;
  if (has)
    text[size - less] = '\0';
  return has;
}

static int read_files(const reading *r, char *subject) {
  r->grant->read_only = cut(subject, ":ro");
  return open_folder(r, subject);
}

/* A socket need not be there yet, but the folder that it is in. */
static int read_unix(const reading *r, char *subject) {
  char *slash = strrchr(subject, '/');
  const char *last = slash ? slash + 1 : subject;
  if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
    return fail(r, NEAP_EINVAL,
                "the path has to end with the name of a socket");
  r->grant->last = last;
  if (!slash)
    return open_folder(r, ".");
  *slash = '\0';
  return open_folder(r, slash == subject ? "/" : subject);
}

/* Cuts the port off "HOST:PORT"; an address of IPv6 with a port has brackets.
 */
static bool read_port(char *subject, uint16_t *port) {
  char *colon = strrchr(subject, ':');
  const char *bracket = strrchr(subject, ']');
  if (!colon || (bracket && colon < bracket) ||
      (!bracket && strchr(subject, ':') != colon))
    return true;
  char *end;
  unsigned long number = strtoul(colon + 1, &end, 10);
  if (colon[1] < '0' || colon[1] > '9' || *end || number < 1 ||
      number > UINT16_MAX)
    return false;
  *colon = '\0';
  *port = (uint16_t)number;
  return true;
}

static int read_host(const reading *r, char *subject) {
  neap__grant *g = r->grant;
  if (!read_port(subject, &g->port))
    return fail(r, NEAP_EINVAL, "the port is no number from 1 to 65535");
  cut(subject, "."); /* of a name that is complete */
  g->is_address = neap__address_parse(subject, &g->address);
  if (!g->is_address && (!*subject || strpbrk(subject, " /@:[]*?")))
    return fail(r, NEAP_EINVAL,
                "it names no host (HOST, HOST:PORT or [ADDRESS]:PORT)");
  if (!g->is_address && g->kind == NEAP__GRANT_LISTEN)
    return fail(r, NEAP_EINVAL, "the address to listen at must be in digits");
  return 0;
}

int neap__grant_parse(const neap_alloc *alloc, const char *text,
                      neap__grant *out, char *why, size_t why_size) {
  reading r = {alloc, text, out, why, why_size};
  *out = (neap__grant){.folder = {.file = -1}};
  size_t at = 0;
  int status = read_kind(&r, &at);
  if (status < 0)
    return status;
  out->name_size = strlen(text + at) + 1;
  out->text = neap__copy(alloc, text, strlen(text));
  out->name = neap__copy(alloc, text + at, out->name_size - 1);
  if (!out->text || !out->name)
    return fail(&r, NEAP_ENOMEM, "out of memory");
  char *subject = out->name;
  switch (out->kind) {
  case NEAP__GRANT_FILES:
    return read_files(&r, subject);
  case NEAP__GRANT_UNIX:
    return read_unix(&r, subject);
  case NEAP__GRANT_NET:
  case NEAP__GRANT_LISTEN:
    return read_host(&r, subject);
  case NEAP__GRANT_ENV:
    return strchr(subject, '=') ? fail(&r, NEAP_EINVAL, "no name has a '='")
                                : 0;
  default:
    return 0;
  }
}

static void free_text(const neap_alloc *alloc, char *text) {
  if (text)
    neap__free(alloc, text, strlen(text) + 1);
}

void neap__grant_free(const neap_alloc *alloc, neap__grant *grant) {
  neap__sys_close(grant->folder.file);
  free_text(alloc, grant->path);
  free_text(alloc, grant->real);
  free_text(alloc, grant->text);
  neap__free(alloc, grant->name, grant->name_size);
}
