/* How much a restricted engine has open at a time.
 * SPDX-License-Identifier: MIT
 *
 * What is open is in the lists of the engine, which are short where there is a
 * bound. Files and watches are counted, and so is what is being opened.
 */
#include "bounds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/status.h"
#include "grants/files.h"

static size_t length_of(const neap_link *list) {
  size_t count = 0;
  for (const neap_link *link = list->next; link != list; link = link->next)
    count++;
  return count;
}

bool neap__bounds_admit(neap_engine *engine, size_t more, int *number) {
  neap__grants *grants = engine->grants;
  if (!grants)
    return true;
  size_t open = grants->held + grants->watches + length_of(&engine->streams) +
                length_of(&engine->listeners) + length_of(&engine->processes);
  if (open + more <= grants->max_descriptors)
    return true;
  *number = neap__grants_refuse(grants, "no more than %u may be open at a time",
                                (unsigned)grants->max_descriptors);
  return false;
}

/* Whether a temporary directory is still there. */
static bool is_there(const neap__grants *grants, const char *path) {
  const char *rest;
  char name[NAME_MAX + 1];
  bool slash;
  struct stat found;
  const neap__grant *g = neap__grants_root(grants, path, &rest);
  int parent = g ? neap__beneath_parent(&g->folder, rest, name, &slash) : -1;
  int status =
      parent < 0 ? -1 : fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW);
  neap__sys_close(parent);
  return status == 0;
}

/* Forgets the directories that are gone. */
static void sweep(neap__grants *grants) {
  size_t kept = 0;
  for (size_t i = 0; i < grants->dir_count; i++) {
    char *path = grants->dirs[i];
    if (is_there(grants, path))
      grants->dirs[kept++] = path;
    else
      neap__free(&grants->alloc, path, strlen(path) + 1);
  }
  grants->dir_count = kept;
}

bool neap__bounds_admit_temporary(neap_engine *engine, int *number) {
  neap__grants *grants = engine->grants;
  if (!grants)
    return true;
  if (grants->temporary + grants->dir_count >= grants->max_temporary)
    sweep(grants);
  if (grants->temporary + grants->dir_count < grants->max_temporary)
    return true;
  *number = neap__grants_refuse(
      grants, "there may be no more than %u temporary files at a time",
      (unsigned)grants->max_temporary);
  return false;
}

void neap__bounds_note_dir(neap_engine *engine, const char *path) {
  neap__grants *grants = engine->grants;
  if (neap__reserve(&grants->alloc, &grants->dirs, &grants->dir_capacity,
                    grants->dir_count + 1, sizeof *grants->dirs) < 0)
    return;
  char *copy = neap__copy(&grants->alloc, path, strlen(path));
  if (copy)
    grants->dirs[grants->dir_count++] = copy;
}
