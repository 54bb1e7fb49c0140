/* Watching files and directories for changes.
 * SPDX-License-Identifier: MIT
 *
 * Of a file the directory is watched that it is in: inotify, behind libuv,
 * watches what a path led to when it began, so a file that is replaced by
 * another, as editors do and neap_fs_replace, would be watched in vain from
 * then on. Of a directory nothing above is watched; when it is moved or removed
 * itself, the watch is over.
 *
 * libuv does not tell when the system's own queue (16384 changes on Linux) has
 * overflowed.
 */
#include "fs_op.h"

#include <string.h>
#include <sys/stat.h>

enum { MAX_CHANGES = 1024 };

typedef struct change {
  neap_link link; /* in `changes` */
  neap_change_kind kind;
  size_t size; /* of the path, without its zero byte */
  char path[];
} change;

struct neap_watch {
  neap_alloc alloc;
  neap_loop *loop; /* valid until the handle is closed */
  neap_link link;  /* in the watches of neap__files until then */
  uv_fs_event_t uv;
  bool owned;    /* somebody has it */
  bool ended;    /* nothing will come any more */
  bool closing;  /* uv_close has been called */
  bool closed;   /* its callback as well */
  bool overflow; /* changes have been lost since the last in `changes` */
  char *path;    /* *owned*: as it was given */
  char *real;    /* *owned*: the directory that is watched */
  char *name;    /* *owned*: in there, of the file; NULL: the directory */
  uint64_t device, inode; /* of the directory */
  neap_link waiting;      /* operations, by `link` */
  neap_link changes;
  size_t count;  /* of them */
  change *taken; /* the last that was taken, for its path */
};

static void free_text(const neap_alloc *alloc, char *text) {
  if (text)
    neap__free(alloc, text, strlen(text) + 1);
}

static void free_change(const neap_alloc *alloc, change *c) {
  if (c)
    neap__free(alloc, c, sizeof *c + c->size + 1);
}

static void free_watch(neap_watch *watch) {
  neap_alloc alloc = watch->alloc;
  while (!neap__list_empty(&watch->changes)) {
    neap_link *first = watch->changes.next;
    neap__list_remove(first);
    free_change(&alloc, NEAP__ITEM(first, change, link));
  }
  free_change(&alloc, watch->taken);
  free_text(&alloc, watch->path);
  free_text(&alloc, watch->real);
  free_text(&alloc, watch->name);
  neap__free(&alloc, watch, sizeof *watch);
}

/* Ends the waits of all, since there is something to take, or never will be. */
static void wake_all(neap_watch *watch) {
  while (!neap__list_empty(&watch->waiting))
    neap__op_finish(NEAP__ITEM(watch->waiting.next, neap_op, link), 0, 0);
}

/* Adds a change of what has this path: `head`, and if there is a name a slash
 * and that. One that is like the last, which nobody has taken yet, adds
 * nothing. */
static void add(neap_watch *watch, neap_change_kind kind, const char *name) {
  if (watch->overflow)
    return;
  const char *head = watch->path;
  size_t head_size = strlen(head), name_size = name ? strlen(name) : 0;
  bool slash = name && head[head_size - 1] != '/';
  size_t size = head_size + slash + name_size;
  change *c = NULL;
  if (watch->count < MAX_CHANGES)
    c = neap__alloc(&watch->alloc, sizeof *c + size + 1);
  if (!c) {
    watch->overflow = true;
    return;
  }
  c->kind = kind;
  c->size = size;
  memcpy(c->path, head, head_size);
  if (slash)
    c->path[head_size] = '/';
  if (name)
    memcpy(c->path + head_size + slash, name, name_size);
  if (watch->count > 0) {
    const change *last = NEAP__ITEM(watch->changes.prev, change, link);
    if (last->kind == kind && strcmp(last->path, c->path) == 0) {
      free_change(&watch->alloc, c);
      return;
    }
  }
  neap__list_append(&watch->changes, &c->link);
  watch->count++;
}

/* Finds out which directory a path leads to. Returns a code of libuv's. */
static int identify(uv_loop_t *loop, const char *path, uv_stat_t *out) {
  uv_fs_t uv;
  int code = uv_fs_stat(loop, &uv, path, NULL);
  *out = uv.statbuf;
  uv_fs_req_cleanup(&uv);
  return code;
}

/* Whether the path of the directory still leads to it. */
static bool is_there(neap_watch *watch) {
  uv_stat_t found;
  int code = identify(neap__loop_uv(watch->loop), watch->real, &found);
  return code == 0 && found.st_dev == watch->device &&
         found.st_ino == watch->inode;
}

/* Something has happened to the watched directory itself. */
static void take_own(neap_watch *watch, neap_change_kind kind) {
  if (kind == NEAP_CHANGE_CONTENT) {
    if (!watch->name)
      add(watch, kind, NULL);
    return;
  }
  if (!watch->name || !is_there(watch))
    add(watch, kind, NULL);
  if (!is_there(watch)) {
    uv_fs_event_stop(&watch->uv);
    watch->ended = true;
  }
}

/* libuv's: of a change to the watched directory itself, `name` is the end of
 * its own copy of the path; that is how such a change is told from that of an
 * entry with the same name. */
static void on_change(uv_fs_event_t *uv, const char *name, int events,
                      int status) {
  neap_watch *watch = uv->data;
  if (status < 0 || watch->ended)
    return;
  neap_change_kind kind =
      events & UV_RENAME ? NEAP_CHANGE_NAME : NEAP_CHANGE_CONTENT;
  const char *own = uv->path;
  if (!name || (name >= own && name <= own + strlen(own)))
    take_own(watch, kind);
  else if (!watch->name)
    add(watch, kind, name);
  else if (strcmp(watch->name, name) == 0)
    add(watch, kind, NULL);
  else
    return;
  if (watch->count > 0 || watch->overflow || watch->ended)
    wake_all(watch);
}

/* Finds the directory to watch, and where the path leads to a file its name in
 * there. Returns a status, and libuv's code. */
static int find(neap_watch *watch, const char *path, int *code) {
  uv_loop_t *loop = neap__loop_uv(watch->loop);
  uv_fs_t uv;
  uv_stat_t found;
  *code = uv_fs_realpath(loop, &uv, path, NULL);
  if (*code == 0) {
    watch->real = neap__copy(&watch->alloc, uv.ptr, strlen(uv.ptr));
    watch->path = neap__copy(&watch->alloc, path, strlen(path));
  }
  uv_fs_req_cleanup(&uv);
  if (*code < 0)
    return neap__fs_status(*code);
  if (!watch->real || !watch->path)
    return NEAP_ENOMEM;
  *code = identify(loop, watch->real, &found);
  if (*code == 0 && !S_ISDIR(found.st_mode)) {
    char *slash = strrchr(watch->real, '/');
    size_t size = slash == watch->real ? 1 : (size_t)(slash - watch->real);
    watch->name = neap__copy(&watch->alloc, slash + 1, strlen(slash + 1));
    char *folder = neap__copy(&watch->alloc, watch->real, size);
    free_text(&watch->alloc, watch->real);
    watch->real = folder;
    if (!watch->name || !folder)
      return NEAP_ENOMEM;
    *code = identify(loop, folder, &found);
  }
  watch->device = found.st_dev;
  watch->inode = found.st_ino;
  return *code < 0 ? neap__fs_status(*code) : 0;
}

static void on_closed(uv_handle_t *handle) {
  neap_watch *watch = handle->data;
  neap__list_remove(&watch->link);
  watch->closed = true;
  if (!watch->owned)
    free_watch(watch);
}

/* Ends the watching; those who wait get nothing any more. */
static void end(neap_watch *watch) {
  watch->ended = true;
  wake_all(watch);
  if (!watch->closing) {
    watch->closing = true;
    uv_close((uv_handle_t *)&watch->uv, on_closed);
  }
}

int neap__watch_new(neap__files *files, const char *path, int *detail,
                    neap_watch **out) {
  int code = 0;
  const neap_alloc *alloc = neap__loop_alloc(files->loop);
  neap_watch *watch = neap__alloc(alloc, sizeof *watch);
  if (!watch)
    return NEAP_ENOMEM;
  watch->alloc = *alloc;
  watch->loop = files->loop;
  neap__list_init(&watch->link);
  neap__list_init(&watch->waiting);
  neap__list_init(&watch->changes);
  int status = find(watch, path, &code);
  if (status < 0) {
    free_watch(watch);
    goto fail;
  }
  uv_fs_event_init(neap__loop_uv(files->loop), &watch->uv);
  uv_unref((uv_handle_t *)&watch->uv);
  watch->uv.data = watch;
  neap__list_append(&files->watches, &watch->link);
  code = uv_fs_event_start(&watch->uv, on_change, watch->real, 0);
  if (code < 0) {
    end(watch);
    status = neap__fs_status(code);
    goto fail;
  }
  watch->owned = true;
  *out = watch;
  return 0;

fail:
  if (detail)
    *detail = code;
  return status;
}

/* Operations on watches are in their own lists. */
static void drop(neap_op *op) {
  (void)op; /* the loop takes it out of whichever list it is in */
}

int neap_watch_wait(neap_watch *watch, neap_op *op) {
  if (watch->closing)
    return NEAP_EINVAL;
  neap__op_begin(watch->loop, op, drop);
  neap__list_append(&watch->waiting, &op->link);
  if (watch->count > 0 || watch->overflow || watch->ended)
    wake_all(watch);
  return 0;
}

bool neap_watch_take(neap_watch *watch, neap_change *out) {
  free_change(&watch->alloc, watch->taken);
  watch->taken = NULL;
  if (watch->closing)
    return false;
  if (watch->count > 0) {
    watch->taken = NEAP__ITEM(watch->changes.next, change, link);
    neap__list_remove(&watch->taken->link);
    watch->count--;
    *out = (neap_change){watch->taken->kind, watch->taken->path};
    return true;
  }
  if (!watch->overflow)
    return false;
  watch->overflow = false;
  *out = (neap_change){.kind = NEAP_CHANGE_OVERFLOW};
  return true;
}

bool neap_watch_has_ended(const neap_watch *watch) {
  return watch->closing ||
         (watch->ended && watch->count == 0 && !watch->overflow);
}

void neap_watch_close(neap_watch *watch) {
  end(watch);
}

void neap_watch_free(neap_watch *watch) {
  if (!watch)
    return;
  watch->owned = false;
  end(watch);
  if (watch->closed)
    free_watch(watch);
}

void neap__watches_close(neap__files *files) {
  for (neap_link *link = files->watches.next; link != &files->watches;
       link = link->next) {
    neap_watch *watch = NEAP__ITEM(link, neap_watch, link);
    while (!neap__list_empty(&watch->waiting))
      neap_op_forget(NEAP__ITEM(watch->waiting.next, neap_op, link));
    end(watch);
  }
}
