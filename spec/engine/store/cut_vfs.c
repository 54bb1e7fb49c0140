/* A disk in memory for SQLite, whose power can be cut.
 * SPDX-License-Identifier: MIT */
#include "store/cut_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 8, SECTOR = 512, REGIONS = 64, LOCKS = 8 };

/* Bytes that grow. */
typedef struct content {
  unsigned char *bytes;
  long size, capacity;
} content;

/* What has been done to a file since it was synced: a write, or where `bytes`
 * is NULL that it was cut off at `offset`. */
typedef struct change {
  long offset, size;
  unsigned char *bytes;
} change;

typedef struct disk_file {
  char name[128];
  bool is_used;
  content now, kept; /* what programs see; what the disk is sure to have */
  change *changes;
  int change_count, change_capacity;
  void *regions[REGIONS]; /* memory that connections share */
  int shared[LOCKS], exclusive[LOCKS];
  int readers; /* handles that have any lock on the file itself */
} disk_file;

typedef struct handle {
  sqlite3_file base;
  disk_file *file;
  unsigned shared, exclusive; /* the locks that it has, as bits */
  int level;                  /* of its lock on the file itself */
} handle;

static disk_file files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long at, cut_at;
static bool is_dead, lies_about_syncs;
static uint64_t random_state;

static uint32_t draw(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 16);
}

/* Counts a write or sync; true when there is no power for it. */
static bool is_out(void) {
  if (!is_dead && ++at >= cut_at)
    is_dead = true;
  return is_dead;
}

static void put(content *c, long offset, const void *bytes, long size) {
  long end = offset + size;
  if (end > c->capacity) {
    long capacity = end * 2;
    c->bytes = realloc(c->bytes, (size_t)capacity);
    if (!c->bytes)
      abort();
    memset(c->bytes + c->capacity, 0, (size_t)(capacity - c->capacity));
    c->capacity = capacity;
  }
  if (offset > c->size)
    memset(c->bytes + c->size, 0, (size_t)(offset - c->size));
  if (size > 0)
    memcpy(c->bytes + offset, bytes, (size_t)size);
  if (end > c->size)
    c->size = end;
}

static void add_change(disk_file *f, long offset, const void *bytes,
                       long size) {
  if (f->change_count == f->change_capacity) {
    f->change_capacity = f->change_capacity ? f->change_capacity * 2 : 64;
    f->changes =
        realloc(f->changes, (size_t)f->change_capacity * sizeof *f->changes);
    if (!f->changes)
      abort();
  }
  change *c = &f->changes[f->change_count++];
  *c = (change){.offset = offset, .size = size};
  if (bytes) {
    c->bytes = malloc((size_t)size);
    if (!c->bytes)
      abort();
    memcpy(c->bytes, bytes, (size_t)size);
  }
}

static void forget_changes(disk_file *f) {
  for (int i = 0; i < f->change_count; i++)
    free(f->changes[i].bytes);
  f->change_count = 0;
}

/* Has the first `size` bytes of a change reach the disk. */
static void keep(disk_file *f, const change *c, long size) {
  if (c->bytes)
    put(&f->kept, c->offset, c->bytes, size);
  else if (c->offset < f->kept.size)
    f->kept.size = c->offset;
}

static disk_file *find(const char *name, bool makes) {
  disk_file *free_one = NULL;
  for (int i = 0; i < FILES; i++) {
    if (files[i].is_used && strcmp(files[i].name, name) == 0)
      return &files[i];
    if (!files[i].is_used && !free_one)
      free_one = &files[i];
  }
  if (!makes || !free_one)
    return NULL;
  free_one->is_used = true;
  snprintf(free_one->name, sizeof free_one->name, "%s", name);
  return free_one;
}

/* ---- Files, as SQLite calls them ----------------------------------------- */

static disk_file *file_of(sqlite3_file *base) {
  return ((handle *)base)->file;
}

static int x_close(sqlite3_file *base) {
  (void)base;
  return SQLITE_OK;
}

static int x_read(sqlite3_file *base, void *bytes, int size,
                  sqlite3_int64 offset) {
  pthread_mutex_lock(&lock);
  const content *c = &file_of(base)->now;
  long there = c->size - (long)offset;
  there = there < 0 ? 0 : there > size ? size : there;
  if (there > 0)
    memcpy(bytes, c->bytes + offset, (size_t)there);
  pthread_mutex_unlock(&lock);
  memset((char *)bytes + there, 0, (size_t)(size - there));
  return there == size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *base, const void *bytes, int size,
                   sqlite3_int64 offset) {
  pthread_mutex_lock(&lock);
  bool was_dead = is_dead, out = is_out();
  if (!was_dead) {
    add_change(file_of(base), (long)offset, bytes, size);
    put(&file_of(base)->now, (long)offset, bytes, size);
  }
  pthread_mutex_unlock(&lock);
  return out ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int x_truncate(sqlite3_file *base, sqlite3_int64 size) {
  pthread_mutex_lock(&lock);
  disk_file *f = file_of(base);
  bool was_dead = is_dead, out = is_out();
  if (!was_dead) {
    add_change(f, (long)size, NULL, 0);
    if (size < f->now.size)
      f->now.size = (long)size;
  }
  pthread_mutex_unlock(&lock);
  return out ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int x_sync(sqlite3_file *base, int flags) {
  (void)flags;
  pthread_mutex_lock(&lock);
  disk_file *f = file_of(base);
  bool out = is_out();
  if (!out && !lies_about_syncs) {
    for (int i = 0; i < f->change_count; i++)
      keep(f, &f->changes[i], f->changes[i].size);
    forget_changes(f);
  }
  pthread_mutex_unlock(&lock);
  return out ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int x_size(sqlite3_file *base, sqlite3_int64 *size) {
  pthread_mutex_lock(&lock);
  *size = file_of(base)->now.size;
  pthread_mutex_unlock(&lock);
  return SQLITE_OK;
}

/* Only who is alone gets an exclusive lock; no more than that is asked here. */
static int x_lock(sqlite3_file *base, int level) {
  pthread_mutex_lock(&lock);
  handle *h = (handle *)base;
  int code = SQLITE_OK;
  if (level == SQLITE_LOCK_EXCLUSIVE && h->file->readers > (h->level > 0))
    code = SQLITE_BUSY;
  else if (level > h->level) {
    h->file->readers += h->level == 0;
    h->level = level;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

static int x_unlock(sqlite3_file *base, int level) {
  pthread_mutex_lock(&lock);
  handle *h = (handle *)base;
  if (level == 0)
    h->file->readers -= h->level > 0;
  if (level < h->level)
    h->level = level;
  pthread_mutex_unlock(&lock);
  return SQLITE_OK;
}

static int x_reserved(sqlite3_file *base, int *out) {
  (void)base;
  *out = 0;
  return SQLITE_OK;
}

static int x_control(sqlite3_file *base, int what, void *value) {
  (void)base;
  (void)what;
  (void)value;
  return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *base) {
  (void)base;
  return SECTOR;
}

static int x_character(sqlite3_file *base) {
  (void)base;
  return 0;
}

static int x_map(sqlite3_file *base, int region, int size, int extend,
                 void volatile **out) {
  pthread_mutex_lock(&lock);
  disk_file *f = file_of(base);
  int code = region < REGIONS ? SQLITE_OK : SQLITE_FULL;
  if (code == SQLITE_OK && !f->regions[region] && extend) {
    f->regions[region] = calloc(1, (size_t)size);
    if (!f->regions[region])
      code = SQLITE_NOMEM;
  }
  *out = code == SQLITE_OK ? f->regions[region] : NULL;
  pthread_mutex_unlock(&lock);
  return code;
}

static int x_map_lock(sqlite3_file *base, int first, int count, int flags) {
  pthread_mutex_lock(&lock);
  handle *h = (handle *)base;
  disk_file *f = h->file;
  int code = SQLITE_OK;
  bool is_shared = flags & SQLITE_SHM_SHARED;
  for (int i = first; i < first + count; i++) {
    unsigned bit = 1u << i;
    if (flags & SQLITE_SHM_UNLOCK)
      continue;
    if ((f->exclusive[i] && !(h->exclusive & bit)) ||
        (!is_shared && f->shared[i] > ((h->shared & bit) != 0)))
      code = SQLITE_BUSY;
  }
  for (int i = first; i < first + count && code == SQLITE_OK; i++) {
    unsigned bit = 1u << i;
    int *locks = is_shared ? f->shared : f->exclusive;
    unsigned *own = is_shared ? &h->shared : &h->exclusive;
    bool wants = !(flags & SQLITE_SHM_UNLOCK), has = *own & bit;
    if (wants != has)
      locks[i] += wants ? 1 : -1;
    *own = wants ? *own | bit : *own & ~bit;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

static void x_barrier(sqlite3_file *base) {
  (void)base;
  pthread_mutex_lock(&lock);
  pthread_mutex_unlock(&lock);
}

static void free_regions(disk_file *f) {
  for (int i = 0; i < REGIONS; i++) {
    free(f->regions[i]);
    f->regions[i] = NULL;
  }
}

static int x_unmap(sqlite3_file *base, int deletes) {
  pthread_mutex_lock(&lock);
  if (deletes)
    free_regions(file_of(base));
  pthread_mutex_unlock(&lock);
  return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_character,
    .xShmMap = x_map,
    .xShmLock = x_map_lock,
    .xShmBarrier = x_barrier,
    .xShmUnmap = x_unmap,
};

/* ---- The disk ------------------------------------------------------------ */

static int x_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base,
                  int flags, int *out) {
  (void)vfs;
  handle *h = (handle *)base;
  pthread_mutex_lock(&lock);
  *h = (handle){.file = find(name ? name : "temporary", true)};
  h->base.pMethods = h->file ? &methods : NULL;
  pthread_mutex_unlock(&lock);
  if (out)
    *out = flags;
  return h->file ? SQLITE_OK : SQLITE_CANTOPEN;
}

static void empty(disk_file *f) {
  forget_changes(f);
  free_regions(f);
  free(f->now.bytes);
  free(f->kept.bytes);
  free(f->changes);
  *f = (disk_file){0};
}

static int x_delete(sqlite3_vfs *vfs, const char *name, int syncs) {
  (void)vfs;
  (void)syncs;
  pthread_mutex_lock(&lock);
  disk_file *f = find(name, false);
  bool out = is_out();
  if (f && !out)
    empty(f);
  pthread_mutex_unlock(&lock);
  return out ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static int x_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
  (void)vfs;
  (void)flags;
  pthread_mutex_lock(&lock);
  disk_file *f = find(name, false);
  *out = f && f->now.size > 0;
  pthread_mutex_unlock(&lock);
  return SQLITE_OK;
}

static int x_full(sqlite3_vfs *vfs, const char *name, int size, char *out) {
  (void)vfs;
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

static sqlite3_vfs disk;

void cut_vfs_use(uint64_t seed) {
  sqlite3_vfs *usual = sqlite3_vfs_find("unix");
  disk = *usual;
  disk.iVersion = 1;
  disk.zName = "cut";
  disk.szOsFile = sizeof(handle);
  disk.pNext = NULL;
  disk.xOpen = x_open;
  disk.xDelete = x_delete;
  disk.xAccess = x_access;
  disk.xFullPathname = x_full;
  random_state = seed * 2654435761u + 88172645463325252u;
  lies_about_syncs = false;
  cut_vfs_arm(0);
  sqlite3_vfs_register(&disk, 1);
}

void cut_vfs_arm(long number) {
  pthread_mutex_lock(&lock);
  at = 0;
  cut_at = number > 0 ? number : 1L << 40;
  is_dead = false;
  pthread_mutex_unlock(&lock);
}

/* Half of what was not synced reaches the disk, some of it in part. */
static void lose(disk_file *f) {
  for (int i = 0; i < f->change_count; i++) {
    const change *c = &f->changes[i];
    uint32_t chance = draw() % 8;
    if (chance < 4)
      keep(f, c, c->size);
    else if (chance == 4 && c->bytes)
      keep(f, c, (long)(draw() % (uint32_t)(c->size / SECTOR + 1)) * SECTOR);
  }
}

void cut_vfs_restore(void) {
  for (int i = 0; i < FILES; i++) {
    disk_file *f = &files[i];
    if (!f->is_used)
      continue;
    lose(f);
    forget_changes(f);
    free_regions(f);
    memset(f->shared, 0, sizeof f->shared);
    memset(f->exclusive, 0, sizeof f->exclusive);
    f->readers = 0;
    f->now.size = 0;
    if (f->kept.size > 0)
      put(&f->now, 0, f->kept.bytes, f->kept.size);
  }
  cut_vfs_arm(0);
}

void cut_vfs_lie(bool lies) {
  lies_about_syncs = lies;
}

void cut_vfs_leave(void) {
  sqlite3_vfs_register(sqlite3_vfs_find("unix"), 1);
  sqlite3_vfs_unregister(&disk);
  for (int i = 0; i < FILES; i++)
    empty(&files[i]);
}
