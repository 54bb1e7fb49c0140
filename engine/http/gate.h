/* What the HTTP library asks a restricted engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_HTTP_GATE_H
#define NEAP_HTTP_GATE_H

#include "api.h"

/* Whether a request is for a host that was not granted, as far as that can be
 * told without libcurl: then a sentence is in `why`. */
bool neap__http_gate_refuses(neap_engine *engine, const neap_http_opts *opts,
                             char why[NEAP__HTTP_WHY_SIZE]);

extern const neap__http_gate neap__http_gate_of_grants;

#endif
