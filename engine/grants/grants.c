/* What the code in an engine may do outside.
 * SPDX-License-Identifier: MIT */
#include "grants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/opts.h"
#include "base/status.h"
#include "loop/engine.h"

/* Where neap_grants has 0. */
enum { MAX_DESCRIPTORS = 256, MAX_TEMPORARY = 64 };

static const char unknown[] = "not granted";

/* Whether a folder lies in another, or is that one. 1 or 0, or -1 with errno.
 */
static int lies_in(int folder, int other) {
  struct stat here, there, above;
  if (fstat(other, &there) < 0 || fstat(folder, &here) < 0)
    return -1;
  int at = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int result = -1;
  while (at >= 0) {
    if (here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
      result = 1;
      break;
    }
    int up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    neap__sys_close(at);
    at = up;
    if (at < 0 || fstat(at, &above) < 0)
      break;
    if (above.st_dev == here.st_dev && above.st_ino == here.st_ino) {
      result = 0; /* the top */
      break;
    }
    here = above;
  }
  neap__sys_close(at);
  return result;
}

/* What is in a folder that may only be read must not be reached through
 * another. */
static int check_folders(const neap__grants *grants, char *why, size_t size) {
  for (size_t i = 0; i < grants->count; i++) {
    const neap__grant *inner = &grants->items[i];
    for (size_t k = 0; inner->read_only && k < grants->count; k++) {
      const neap__grant *outer = &grants->items[k];
      if (outer->kind != NEAP__GRANT_FILES || outer->read_only)
        continue;
      int in = lies_in(inner->folder.file, outer->folder.file);
      if (in == 0)
        continue;
      snprintf(why, size,
               in < 0 ? "the grant 'files=%s:ro': it cannot be seen where it is"
                      : "the grant 'files=%s:ro': it is in %s, which may be "
                        "written to",
               inner->name, outer->path);
      return in < 0 ? NEAP_ESYS : NEAP_EINVAL;
    }
  }
  return 0;
}

static int add(neap__grants *grants, const char *text, char *why, size_t size) {
  int status = neap__reserve(&grants->alloc, &grants->items, &grants->capacity,
                             grants->count + 1, sizeof *grants->items);
  if (status < 0)
    return status;
  return neap__grant_parse(&grants->alloc, text,
                           &grants->items[grants->count++], why, size);
}

int neap__grants_new(const neap_alloc *alloc, const neap_grants *grants,
                     neap__grants **out, char *why, size_t why_size) {
  neap_grants own;
  snprintf(why, why_size, "the grants are of no size, or of another version");
  if (neap__opts_take(&own, sizeof own,
                      NEAP__SIZE_WITH(neap_grants, max_temporary), grants) < 0)
    return NEAP_EINVAL;
  snprintf(why, why_size, "out of memory");
  neap__grants *made = neap__alloc(alloc, sizeof *made);
  if (!made)
    return NEAP_ENOMEM;
  made->alloc = *alloc;
  made->max_descriptors =
      own.max_descriptors ? own.max_descriptors : MAX_DESCRIPTORS;
  made->max_temporary = own.max_temporary ? own.max_temporary : MAX_TEMPORARY;
  int status = 0;
  for (size_t i = 0; own.list && own.list[i] && status == 0; i++)
    status = add(made, own.list[i], why, why_size);
  if (status == 0)
    status = check_folders(made, why, why_size);
  if (status < 0) {
    neap__grants_free(made);
    return status;
  }
  if (why_size > 0)
    *why = '\0';
  *out = made;
  return 0;
}

void neap__grants_free(neap__grants *grants) {
  if (!grants)
    return;
  neap_alloc alloc = grants->alloc;
  for (size_t i = 0; i < grants->count; i++)
    neap__grant_free(&alloc, &grants->items[i]);
  neap__free(&alloc, grants->items, grants->capacity * sizeof *grants->items);
  for (size_t i = 0; i < grants->dir_count; i++)
    neap__free(&alloc, grants->dirs[i], strlen(grants->dirs[i]) + 1);
  neap__free(&alloc, grants->dirs, grants->dir_capacity * sizeof *grants->dirs);
  neap__free(&alloc, grants, sizeof *grants);
}

int neap__grants_refuse(neap__grants *grants, const char *format, ...) {
  int number = grants->refused == INT_MAX ? 1 : grants->refused + 1;
  char *text = grants->refusals[number % NEAP__REFUSALS];
  va_list args;
  va_start(args, format);
  int size = snprintf(text, NEAP__REFUSAL_SIZE, "%s; ", unknown);
  vsnprintf(text + size, NEAP__REFUSAL_SIZE - (size_t)size, format, args);
  va_end(args);
  grants->numbers[number % NEAP__REFUSALS] = number;
  grants->refused = number;
  return number;
}

const char *neap__grants_refusal(const neap__grants *grants, int number) {
  if (!grants || number < 1 ||
      grants->numbers[number % NEAP__REFUSALS] != number)
    return unknown;
  return grants->refusals[number % NEAP__REFUSALS];
}

bool neap__grants_shows(const neap__grants *grants, const char *entry) {
  size_t size = strcspn(entry, "=");
  for (size_t i = 0; i < grants->count; i++) {
    const neap__grant *g = &grants->items[i];
    if (g->kind == NEAP__GRANT_ENV && strlen(g->name) == size &&
        memcmp(g->name, entry, size) == 0)
      return true;
  }
  return false;
}

bool neap__grants_has(const neap__grants *grants, neap__grant_kind kind) {
  for (size_t i = 0; i < grants->count; i++)
    if (grants->items[i].kind == kind)
      return true;
  return false;
}

int neap_grants_check(const neap_grants *grants, char *why, size_t why_size) {
  if (!grants || (!why && why_size > 0))
    return NEAP_EINVAL;
  neap_alloc alloc = neap__alloc_or_default(NULL);
  neap__grants *made;
  int status = neap__grants_new(&alloc, grants, &made, why, why_size);
  if (status == 0)
    neap__grants_free(made);
  return status;
}

bool neap_is_restricted(const neap_engine *engine) {
  return engine && engine->grants;
}

bool neap_is_granted(const neap_engine *engine, const char *grant) {
  if (!engine || !grant)
    return false;
  const neap__grants *grants = engine->grants;
  for (size_t i = 0; grants && i < grants->count; i++)
    if (strcmp(grants->items[i].text, grant) == 0)
      return true;
  return !grants;
}

const char *neap_getenv(const neap_engine *engine, const char *name) {
  if (!engine || !name)
    return NULL;
  const neap__grants *grants = engine->grants;
  return !grants || neap__grants_shows(grants, name) ? getenv(name) : NULL;
}

const char *neap_refusal_text(const neap_engine *engine, int detail) {
  return neap__grants_refusal(engine ? engine->grants : NULL, detail);
}

const char *neap_first_folder(const neap_engine *engine) {
  const neap__grants *grants = engine ? engine->grants : NULL;
  for (size_t i = 0; grants && i < grants->count; i++)
    if (grants->items[i].kind == NEAP__GRANT_FILES)
      return grants->items[i].path;
  return NULL;
}
