/* Watching files and directories for changes.
 * SPDX-License-Identifier: MIT
 *
 * inotify, which libuv uses, watches what a path led to when the watching
 * began. A file that is replaced by another, as editors and neap_fs_replace do
 * it, would be watched in vain from then on, and so would a link that is made
 * to point elsewhere. So what is watched is the directory that has the file,
 * and the directory that has the link. The names on which the end of the path
 * depends are the *points* of a watch. When something happens to one, the path
 * is followed anew (fs_trail.h). Of the names above a directory only links are
 * watched. If the directory itself is moved or removed, and only its name leads
 * to it, the watch ends.
 *
 * libuv does not tell when the system's own queue (16384 changes on Linux) has
 * overflowed.
 */
#include "fs_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "bounds.h"
#include "grants/files.h"
#include "fs_op.h"
#include "fs_trail.h"
#include "loop/op.h"

enum {
  MAX_CHANGES = 1024,
  MAX_ROUNDS = 32, /* how often a path is followed that changes meanwhile */
};

typedef struct change {
  neap_link link; /* in `changes` */
  neap_change_kind kind;
  size_t size; /* of the path, without its zero byte */
  char path[];
} change;

/* A directory that is watched for what happens to one name in it, or to all. It
 * belongs to libuv from its start until its close callback. */
typedef struct point {
  neap_link link; /* in `points` of its watch, or in a list being made */
  neap_watch *watch;
  uv_fs_event_t uv;
  bool is_link;
  uint64_t device, inode; /* of the directory */
  const char *name; /* in `text`; NULL: what is watched is the directory */
  size_t size;      /* of `text` */
  char text[];      /* the path of the directory, and the name */
} point;

struct neap_watch {
  neap_alloc alloc;
  neap_engine *engine; /* valid until it is closing */
  neap_link link;      /* in `watches` of `engine` until it is closed */
  neap_link points;    /* of `point`, by link */
  size_t handles;      /* of libuv's that are not closed */
  bool owned;          /* the host has it */
  bool ended;          /* nothing will come any more */
  bool closing;        /* no operation may wait any more */
  bool waits;          /* for a path that is missing */
  bool counts;         /* for the bounds of a restricted engine */
  bool by_name;  /* only its name leads to the directory: the watch ends when
                    that leads elsewhere */
  bool overflow; /* changes have been lost since the last in `changes` */
  const neap__grant *grant; /* in whose folder it is; NULL: not restricted */
  char *path;               /* *owned*: as it was given */
  char *full; /* *owned*: the same, absolute; or from that folder */
  char *real; /* *owned*: where it led when it was followed last */
  neap__trail_kind kind;
  uint64_t device, inode; /* of that; 0 where that is nowhere */
  bool last;              /* no name was missing but perhaps the last */
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
  free_text(&alloc, watch->full);
  free_text(&alloc, watch->real);
  neap__list_remove(&watch->link);
  neap__free(&alloc, watch, sizeof *watch);
}

/* Ends all waits: there is something to take, or there never will be. */
static void wake_all(neap_watch *watch) {
  neap__ops_finish(&watch->waiting, 0, 0);
}

/* Adds a change at the path of the watch or, with a `name`, of that entry. A
 * change that equals the last one adds nothing while that is still there. */
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

static void free_point(const neap_alloc *alloc, point *p) {
  neap__free(alloc, p, sizeof *p + p->size);
}

/* Opens a folder of a watch in a restricted engine. -1 with errno. */
static int open_folder(const neap_watch *watch, const char *folder) {
  return neap__beneath_open(&watch->grant->folder, folder[1] ? folder + 1 : ".",
                            O_PATH | O_DIRECTORY, 0);
}

static int look_at(const neap_watch *watch, const char *folder,
                   struct stat *found) {
  if (!watch->grant)
    return stat(folder, found);
  int file = open_folder(watch, folder);
  int status = file < 0 ? -1 : fstat(file, found);
  neap__sys_close(file);
  return status;
}

/* Makes a point, at the end of a list. */
static int add_point(neap_watch *watch, neap_link *list, const char *folder,
                     const char *name, bool is_link) {
  struct stat found;
  if (look_at(watch, folder, &found) < 0)
    found = (struct stat){0}; /* gone: it cannot be watched either */
  size_t size = strlen(folder) + 1, more = name ? strlen(name) + 1 : 0;
  point *p = neap__alloc(&watch->alloc, sizeof *p + size + more);
  if (!p)
    return NEAP_ENOMEM;
  p->watch = watch;
  p->uv.data = p;
  p->is_link = is_link;
  p->device = found.st_dev;
  p->inode = found.st_ino;
  p->size = size + more;
  memcpy(p->text, folder, size);
  if (name)
    p->name = memcpy(p->text + size, name, more);
  neap__list_append(list, &p->link);
  return 0;
}

static bool are_alike(const point *one, const point *other) {
  return one->size == other->size && one->is_link == other->is_link &&
         one->device == other->device && one->inode == other->inode &&
         !one->name == !other->name &&
         memcmp(one->text, other->text, one->size) == 0;
}

/* The points that are found when a path is followed, none of them started. */
typedef struct finding {
  neap_watch *watch;
  neap_link points;
} finding;

static int visit(void *ud, const char *folder, const char *name, bool is_link) {
  finding *h = ud;
  return add_point(h->watch, &h->points, folder, name, is_link);
}

static void on_closed(uv_handle_t *handle) {
  point *p = handle->data;
  neap_watch *watch = p->watch;
  free_point(&watch->alloc, p);
  watch->handles--;
  if (!watch->owned && watch->handles == 0)
    free_watch(watch);
}

/* Takes a point that has been started out of its list, and closes it. */
static void close_point(point *p) {
  neap__list_remove(&p->link);
  uv_close((uv_handle_t *)&p->uv, on_closed);
}

static void close_points(neap_link *list) {
  while (!neap__list_empty(list))
    close_point(NEAP__ITEM(list->next, point, link));
}

/* Frees points that have not been started. */
static void discard_points(const neap_alloc *alloc, neap_link *list) {
  while (!neap__list_empty(list)) {
    point *p = NEAP__ITEM(list->next, point, link);
    neap__list_remove(&p->link);
    free_point(alloc, p);
  }
}

static void on_change(uv_fs_event_t *uv, const char *name, int events,
                      int status);

/* Watches the folder that is open, whatever its path leads to by now: its name
 * in /proc leads there, for as long as libuv needs it. */
static int start_inside(point *p) {
  char path[40];
  int file = open_folder(p->watch, p->text);
  if (file < 0)
    return neap__sys_code();
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  int code = uv_fs_event_start(&p->uv, on_change, path, 0);
  close(file);
  return code;
}

/* Starts a point that is in no list. Returns a code of libuv's; if that is
 * negative, the point is closed and freed. */
static int start_point(point *p) {
  uv_fs_event_init(&p->watch->engine->uv, &p->uv);
  uv_unref((uv_handle_t *)&p->uv);
  p->watch->handles++;
  int code = p->watch->grant ? start_inside(p)
                             : uv_fs_event_start(&p->uv, on_change, p->text, 0);
  if (code < 0)
    close_point(p);
  return code;
}

/* Takes a point like this one out of a list; NULL when there is none. */
static point *take_alike(neap_link *list, const point *wanted) {
  for (neap_link *link = list->next; link != list; link = link->next) {
    point *p = NEAP__ITEM(link, point, link);
    if (are_alike(p, wanted)) {
      neap__list_remove(&p->link);
      return p;
    }
  }
  return NULL;
}

/* Makes `wanted` the points of a watch; points that it already has go on.
 * *changed tells whether any was added or removed. Returns 0, or libuv's code
 * of the first point that could not be started. */
static int set_points(neap_watch *watch, neap_link *wanted, bool *changed) {
  neap_link before;
  neap__list_init(&before);
  neap__list_splice(&before, &watch->points);
  int code = 0;
  *changed = false;
  while (!neap__list_empty(wanted)) {
    point *p = NEAP__ITEM(wanted->next, point, link);
    neap__list_remove(&p->link);
    point *kept = take_alike(&before, p);
    if (kept) {
      free_point(&watch->alloc, p);
      p = kept;
    } else {
      *changed = true;
      int started = start_point(p);
      if (started < 0) {
        code = code < 0 ? code : started;
        continue;
      }
    }
    neap__list_append(&watch->points, &p->link);
  }
  *changed = *changed || !neap__list_empty(&before);
  close_points(&before);
  return code;
}

/* Follows the path, and watches the names on the way. The path may change
 * before the watching has begun, so it is followed again until that finds
 * nothing new. A later change is noticed. Returns a status, and libuv's code.
 */
static int follow(neap_watch *watch, neap__trail *trail, int *detail) {
  bool changed = true;
  for (int round = 0; changed && round < MAX_ROUNDS; round++) {
    finding h = {.watch = watch};
    neap__list_init(&h.points);
    int status = neap__trail_follow(watch->grant ? &watch->grant->folder : NULL,
                                    watch->full, visit, &h, trail);
    if (status == 0 && trail->kind == NEAP__TRAIL_FOLDER)
      status = add_point(watch, &h.points, trail->real, NULL, false);
    if (status < 0) {
      discard_points(&watch->alloc, &h.points);
      return status;
    }
    int code = set_points(watch, &h.points, &changed);
    /* A directory that is gone meanwhile is noticed by the next round. */
    if (code < 0 && code != UV_ENOENT && code != UV_ENOTDIR) {
      *detail = code;
      return neap__sys_status(code);
    }
  }
  return 0;
}

/* Notes where the path leads. *other tells whether that has changed. */
static int note_end(neap_watch *watch, const neap__trail *trail, bool *other) {
  *other = watch->kind != trail->kind || watch->device != trail->device ||
           watch->inode != trail->inode ||
           (watch->kind != NEAP__TRAIL_MISSING &&
            strcmp(watch->real, trail->real) != 0);
  watch->last = trail->last;
  if (!*other)
    return 0;
  char *real = neap__copy(&watch->alloc, trail->real, strlen(trail->real));
  if (!real)
    return NEAP_ENOMEM;
  free_text(&watch->alloc, watch->real);
  watch->real = real;
  watch->kind = trail->kind;
  watch->device = trail->device;
  watch->inode = trail->inode;
  return 0;
}

static void stop(neap_watch *watch) {
  watch->ended = true;
  close_points(&watch->points);
}

/* Something has happened to a name on the way: follows the path again, and adds
 * a change if it now leads elsewhere. */
static void look_again(neap_watch *watch) {
  neap__trail trail;
  int detail;
  bool other = false;
  int status = follow(watch, &trail, &detail);
  if (status == 0)
    status = note_end(watch, &trail, &other);
  if (status < 0 || other)
    add(watch, NEAP_CHANGE_NAME, NULL);
  if (status < 0) {
    /* There is no memory, or the system allows no more watches. Changes will be
     * missed from now on. */
    watch->overflow = true;
    stop(watch);
    return;
  }
  bool nowhere =
      trail.kind == NEAP__TRAIL_MISSING && !trail.linked && !trail.last;
  if (!watch->waits && (nowhere || (watch->by_name && other)))
    stop(watch);
}

/* libuv's: of a change to the watched directory itself, `name` is the end of
 * its own copy of the path; that is how such a change is told from that of an
 * entry with the same name. */
static void on_change(uv_fs_event_t *uv, const char *name, int events,
                      int status) {
  const point *p = uv->data;
  neap_watch *watch = p->watch;
  if (status < 0 || watch->ended)
    return;
  neap_change_kind kind =
      events & UV_RENAME ? NEAP_CHANGE_NAME : NEAP_CHANGE_CONTENT;
  const char *own = uv->path;
  bool itself = !name || (name >= own && name <= own + strlen(own));
  bool ours = itself ? !p->name : p->name && strcmp(p->name, name) == 0;
  if (!itself && !p->name)
    add(watch, kind, name);
  else if (ours && !p->is_link && watch->last)
    add(watch, kind, NULL);
  if (kind == NEAP_CHANGE_NAME && (itself || ours))
    look_again(watch);
  if (watch->count > 0 || watch->overflow || watch->ended)
    wake_all(watch);
}

/* Ends the watching. Operations that wait end, and will find nothing. */
static void end(neap_watch *watch) {
  if (watch->counts)
    watch->engine->grants->watches--;
  watch->counts = false;
  stop(watch);
  watch->closing = true;
  wake_all(watch);
}

/* Notes the refusal of a path. */
static int refuse(const neap_watch *watch, const char *path, int *detail) {
  *detail = neap__grants_refuse_path(watch->engine->grants, watch->grant, path,
                                     NEAP__GRANTS_OUTSIDE);
  return NEAP_EPERM;
}

/* Sets the paths of a watch. Returns a status, and libuv's code. */
static int name_watch(neap_watch *watch, const char *path, int *detail) {
  char full[2 * PATH_MAX];
  const char *path_inside = path;
  size_t size = 0;
  if (*path == '\0' || strlen(path) >= PATH_MAX) {
    *detail = *path ? UV_ENAMETOOLONG : UV_ENOENT;
    return NEAP_ESYS;
  }
  if (watch->engine->grants) {
    watch->grant = neap__grants_root(watch->engine->grants, path, &path_inside);
    if (!watch->grant)
      return refuse(watch, path, detail);
    full[size++] = '/';
  } else if (*path != '/') {
    if (!getcwd(full, PATH_MAX)) {
      *detail = UV_ENOENT;
      return NEAP_ESYS;
    }
    size = strlen(full);
    full[size++] = '/';
  }
  memcpy(full + size, path_inside, strlen(path_inside) + 1);
  watch->path = neap__copy(&watch->alloc, path, strlen(path));
  watch->full = neap__copy(&watch->alloc, full, strlen(full));
  return watch->path && watch->full ? 0 : NEAP_ENOMEM;
}

/* Begins to watch. Returns a status, and libuv's code. */
static int begin(neap_watch *watch, const char *path, int *detail) {
  neap__trail trail;
  bool other;
  int status = name_watch(watch, path, detail);
  if (status == 0)
    status = follow(watch, &trail, detail);
  if (status == 0)
    status = note_end(watch, &trail, &other);
  if (status < 0)
    return status;
  watch->by_name = trail.kind == NEAP__TRAIL_FOLDER && !trail.linked;
  bool is_there = trail.kind != NEAP__TRAIL_MISSING;
  if (is_there || (watch->waits && trail.why == UV_ENOENT))
    return 0;
  if (trail.why == NEAP__REFUSED)
    return refuse(watch, path, detail);
  *detail = trail.why;
  return NEAP_ESYS;
}

static int make_watch(neap_engine *engine, const char *path, bool waits,
                      int *detail, neap_watch **out) {
  int code = 0;
  if (!neap__bounds_admit(engine, 1, detail ? detail : &code))
    return NEAP_EPERM;
  const neap_alloc *alloc = &engine->alloc;
  neap_watch *watch = neap__alloc(alloc, sizeof *watch);
  if (!watch)
    return NEAP_ENOMEM;
  watch->alloc = *alloc;
  watch->engine = engine;
  watch->waits = waits;
  watch->counts = engine->grants != NULL;
  if (watch->counts)
    engine->grants->watches++;
  watch->owned = true;
  neap__list_init(&watch->points);
  neap__list_init(&watch->waiting);
  neap__list_init(&watch->changes);
  neap__list_init(&watch->link);
  neap__list_append(&engine->watches, &watch->link);
  int status = begin(watch, path, &code);
  if (status == 0)
    *out = watch;
  else
    neap_watch_free(watch);
  if (detail)
    *detail = code;
  return status;
}

int neap_watch_new(neap_engine *engine, const char *path, int *detail,
                   neap_watch **watch) {
  if (!neap__home_allows(engine) || !path || !watch)
    return neap__home_fault(engine);
  return make_watch(engine, path, false, detail, watch);
}

int neap_watch_missing(neap_engine *engine, const char *path, int *detail,
                       neap_watch **watch) {
  if (!neap__home_allows(engine) || !path || !watch)
    return neap__home_fault(engine);
  return make_watch(engine, path, true, detail, watch);
}

int neap_watch_wait(neap_watch *watch, neap_op *op) {
  if (!watch || watch->closing || !neap__op_may_start(watch->engine, op))
    return NEAP_EINVAL;
  neap__op_begin_in(watch->engine, op, &watch->waiting);
  if (watch->count > 0 || watch->overflow || watch->ended)
    wake_all(watch);
  return 0;
}

bool neap_watch_take(neap_watch *watch, neap_change *out) {
  if (!watch || !out)
    return false;
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
  return !watch || watch->closing ||
         (watch->ended && watch->count == 0 && !watch->overflow);
}

void neap_watch_close(neap_watch *watch) {
  if (!watch || watch->closing)
    return;
  neap__home_look(watch->engine);
  end(watch);
}

void neap_watch_free(neap_watch *watch) {
  if (!watch)
    return;
  if (!watch->closing)
    neap__home_look(watch->engine);
  watch->owned = false;
  end(watch);
  if (watch->handles == 0)
    free_watch(watch);
}

/* Ends a watch in the child of a fork, where libuv does not know of it any
 * more. */
static void disown(neap_watch *watch) {
  neap__ops_disown(&watch->waiting);
  neap__list_remove(&watch->link);
  discard_points(&watch->alloc, &watch->points);
  watch->handles = 0;
  watch->ended = watch->closing = true;
  watch->counts = false;
  if (!watch->owned)
    free_watch(watch);
}

void neap__watches_disown(neap_engine *engine) {
  while (!neap__list_empty(&engine->watches))
    disown(NEAP__ITEM(engine->watches.next, neap_watch, link));
}

void neap__watches_close(neap_engine *engine) {
  while (!neap__list_empty(&engine->watches)) {
    neap_watch *watch = NEAP__ITEM(engine->watches.next, neap_watch, link);
    neap__ops_forget(&watch->waiting);
    neap__list_remove(&watch->link);
    end(watch);
  }
}
