/* The driver: has runs of nodes in C go on by themselves.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_DRIVE_H
#define NEAP_DRIVE_DRIVE_H

#include "neap.h"

/* Ends the runs of an engine that is being freed, without reports. */
void neap__drive_close(neap_engine *engine);

#endif
