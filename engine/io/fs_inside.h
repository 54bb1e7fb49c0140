/* The paths of an operation in a restricted engine: none leads out of the
 * folders that were granted. SPDX-License-Identifier: MIT */
#ifndef NEAP_IO_FS_INSIDE_H
#define NEAP_IO_FS_INSIDE_H

#include "fs_result.h"

/* The paths that an operation changes something at. */
enum {
  NEAP__INSIDE_READS = 0,
  NEAP__INSIDE_CHANGES = 1 << 0,
  NEAP__INSIDE_CHANGES_OTHER = 1 << 1,
};

/* Finds out in which folders the paths lie, of which there are `count` in
 * `path`, each with its zero byte. False if they were not granted. */
bool neap__inside_look(neap_fs_result *fs, int count, unsigned changes);

/* Has a thread do the work, and then calls `after`. NULL refuses; that takes as
 * long as any other work. Returns libuv's code. */
int neap__inside_queue(neap_fs_result *fs, int (*work)(neap_fs_result *fs),
                       uv_after_work_cb after);

/* Begins the step that opens the file at `path` of the operation with its
 * flags, as uv_fs_open would: `on_opened` follows. Returns libuv's code. */
int neap__inside_open(neap_fs_result *fs);

/* The same for a new file with a name that ends in six letters of its own; its
 * path is in `path` then. */
int neap__inside_make_file(neap_fs_result *fs);

/* The rest is for work of threads. Where they return -1, errno says why. */

/* Opens the folder that has the last name of a path (`which`: 0 or 1), and
 * copies that name. */
int neap__inside_parent(neap_fs_result *fs, int which, char name[NAME_MAX + 1]);

/* The same, where the folder of a grant is refused: it is to stay. */
int neap__inside_changeable(neap_fs_result *fs, int which,
                            char name[NAME_MAX + 1]);

/* Opens the file at a path. */
int neap__inside_open_at(neap_fs_result *fs, int which, int flags, mode_t mode);

/* Finds the path, from the folder of the first grant, of what is open there.
 * `rest` has room for PATH_MAX. */
int neap__inside_place(const neap_fs_result *fs, int file, char *rest);

/* Opens the folder that has the file to which the first path leads, over links,
 * and copies its name there; of a file that is missing, as
 * neap__inside_parent. */
int neap__inside_target(neap_fs_result *fs, char name[NAME_MAX + 1]);

/* Has `make` make something whose name ends with letters that no other has,
 * which are written to the end of `text`. Returns what it has returned. */
int neap__inside_make_up(neap_fs_result *fs, char *text,
                         int (*make)(int parent, const char *name));

/* Removes the name of a file or of an empty directory (`flags` as for
 * unlinkat), at once and without a word. */
void neap__inside_unlink(const neap_engine *engine, const char *path,
                         int flags);

/* Notes the refusal of an operation. Returns its number. */
int neap__inside_refuse(const neap_fs_result *fs);

#endif
