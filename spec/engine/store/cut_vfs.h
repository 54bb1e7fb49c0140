/* A disk in memory for SQLite, whose power can be cut: what was written since
 * the last sync of a file then survives, is torn at a sector, or is lost.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SPEC_STORE_CUT_VFS_H
#define NEAP_SPEC_STORE_CUT_VFS_H

#include <stdbool.h>
#include <stdint.h>

/* Makes this disk, which is empty, that of all files from now on. */
void cut_vfs_use(uint64_t seed);

/* Has the power fail at the write or sync of this number, from 1. */
void cut_vfs_arm(long number);

/* Brings the power back; the files are what the disk has kept. No file may be
 * open. */
void cut_vfs_restore(void);

/* Whether the disk says that it has synced, and has not: a fault. */
void cut_vfs_lie(bool lies);

/* Gives the other disks back. */
void cut_vfs_leave(void);

#endif
