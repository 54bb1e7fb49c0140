/* Draws the panel beside the town. SPDX-License-Identifier: MIT */
#ifndef PANEL_H
#define PANEL_H

#include <stdint.h>

#include "times.h"

/* `speed` is that of the game, 0 while it is paused. */
void panel_draw(const times *t, double speed, uint64_t budget_ns);

#endif
