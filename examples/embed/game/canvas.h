/* What the game draws on: a picture in memory, which SDL shows in its window
 * and the tests write to a file. Its dots are large ones.
 * SPDX-License-Identifier: MIT */
#ifndef CANVAS_H
#define CANVAS_H

#include <stdbool.h>
#include <stdint.h>

enum { WIDTH = 512, HEIGHT = 320, TOWN_WIDTH = 384 };

typedef uint32_t color; /* 0xrrggbb */

/* The dots, line by line. */
extern color canvas[WIDTH * HEIGHT];

/* Fills a rectangle; what is outside of the picture is left out. */
void fill(int x, int y, int width, int height, color c);
/* The same, mixed with what is there: `part` of 256. */
void tint(int x, int y, int width, int height, color c, int part);
/* A disc, mixed with what is there. */
void disc(int x, int y, int radius, color c, int part);
/* A picture made of text: each letter of a row is a dot of that colour in
 * `palette`, which is indexed by 'a' to 'z'; other letters are holes. */
void sprite(int x, int y, const char *const *rows, int height, bool flipped,
            const color *palette);
/* Multiplies the colours of the town by `c`, for the light of the hour. */
void shade(color c);
color mix(color a, color b, int part);

/* Draws a line of text, 8 dots high; returns where it ends. */
int draw_text(int x, int y, const char *text, color c);
int text_width(const char *text);

/* Writes the picture as PNG, two dots for each in both directions. */
bool save_picture(const char *path);

#endif
