/* Draws the town and its people. SPDX-License-Identifier: MIT */
#ifndef SCENE_H
#define SCENE_H

/* Draws what is always the same, once. */
void scene_begin(void);

/* Draws the town as it is now; `frame` is for what moves by itself. */
void scene_draw(unsigned frame);

#endif
