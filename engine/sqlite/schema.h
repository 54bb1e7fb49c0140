/* What is in the file of a store.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_SCHEMA_H
#define NEAP_SQLITE_SCHEMA_H

#include "db.h"

/* Makes the tables of a file that is new, brings those of an older version up
 * to date, and refuses a file that is not neap's (NEAP_EINVAL), of a later
 * version unless it is only read (NEAP_ENEWER), or damaged (NEAP_EDAMAGED; it
 * is checked if the machine has ended since it was last used, and the log had
 * not been taken over). */
int neap__schema_open(neap__db *db, const neap__db_opts *opts);

#endif
