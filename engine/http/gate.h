/* What the HTTP library asks a restricted engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_GATE_H
#define NEAP_HTTP_GATE_H

#include "api.h"

extern const neap__http_gate neap__http_gate_of_grants;

#endif
