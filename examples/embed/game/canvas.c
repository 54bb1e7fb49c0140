/* A picture in memory. SPDX-License-Identifier: MIT */
#include "canvas.h"

color canvas[WIDTH * HEIGHT];

color mix(color a, color b, int part) {
  color result = 0;
  for (int shift = 0; shift < 24; shift += 8) {
    int from = (int)(a >> shift & 255), to = (int)(b >> shift & 255);
    result |= (color)(from + (to - from) * part / 256) << shift;
  }
  return result;
}

static void dot(int x, int y, color c, int part) {
  if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT)
    return;
  color *at = &canvas[y * WIDTH + x];
  *at = part >= 256 ? c : mix(*at, c, part);
}

void tint(int x, int y, int width, int height, color c, int part) {
  for (int row = y; row < y + height; row++)
    for (int column = x; column < x + width; column++)
      dot(column, row, c, part);
}

void fill(int x, int y, int width, int height, color c) {
  tint(x, y, width, height, c, 256);
}

void disc(int x, int y, int radius, color c, int part) {
  int limit = radius * radius + radius;
  for (int dy = -radius; dy <= radius; dy++)
    for (int dx = -radius; dx <= radius; dx++)
      if (dx * dx + dy * dy <= limit)
        dot(x + dx, y + dy, c, part);
}

void sprite(int x, int y, const char *const *rows, int height, bool flipped,
            const color *palette) {
  for (int row = 0; row < height; row++) {
    int width = 0;
    while (rows[row][width])
      width++;
    for (int column = 0; column < width; column++) {
      char c = rows[row][flipped ? width - 1 - column : column];
      if (c >= 'a' && c <= 'z')
        dot(x + column, y + row, palette[c - 'a'], 256);
    }
  }
}

void shade(color c) {
  color red = c >> 16 & 255, green = c >> 8 & 255, blue = c & 255;
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < TOWN_WIDTH; x++) {
      color *at = &canvas[y * WIDTH + x];
      *at = (*at >> 16 & 255) * red / 255 << 16 |
            (*at >> 8 & 255) * green / 255 << 8 | (*at & 255) * blue / 255;
    }
}
