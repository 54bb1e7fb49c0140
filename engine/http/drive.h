/* libcurl, driven within a budget.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_DRIVE_H
#define NEAP_HTTP_DRIVE_H

#include "api.h"

/* `drive` of api.h. */
void neap__drive(neap__http *http, uint64_t until);

#endif
