/* Tickets: the place that a run has in its engine, and its report.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_TICKET_H
#define NEAP_DRIVE_TICKET_H

#include "neap.h"

/* Cuts the tickets that are left off their engine, which is being freed, and
 * frees those whose reports nobody has taken. */
void neap__tickets_close(neap_engine *engine);

/* Cuts them off in the child of a fork. */
void neap__tickets_disown(neap_engine *engine);

neap_token neap__ticket_token(const neap_ticket *ticket);

#endif
