/* Writes the picture to a file, as PNG. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "canvas.h"

enum { SCALE = 2, ROW = 1 + 3 * WIDTH * SCALE }; /* 1 for the filter of a row */

static void put_number(unsigned char *at, unsigned long number) {
  for (int i = 0; i < 4; i++)
    at[i] = (unsigned char)(number >> (24 - 8 * i));
}

/* A PNG is a row of chunks: size, name, bytes, and a sum over name and bytes.
 */
static bool put_chunk(FILE *file, const char *name, const unsigned char *bytes,
                      size_t size) {
  unsigned char head[8], tail[4];
  put_number(head, size);
  memcpy(head + 4, name, 4);
  unsigned long sum = crc32(0, head + 4, 4);
  if (size > 0) /* with NULL, crc32 would begin anew */
    sum = crc32(sum, bytes, (unsigned)size);
  put_number(tail, sum);
  return fwrite(head, 1, 8, file) == 8 &&
         fwrite(bytes, 1, size, file) == size && fwrite(tail, 1, 4, file) == 4;
}

static void copy_row(unsigned char *to, const color *from) {
  *to++ = 0; /* no filter */
  for (int x = 0; x < WIDTH * SCALE; x++) {
    color c = from[x / SCALE];
    *to++ = (unsigned char)(c >> 16);
    *to++ = (unsigned char)(c >> 8);
    *to++ = (unsigned char)c;
  }
}

bool save_picture(const char *path) {
  static const char signature[] = "\x89PNG\r\n\x1a\n";
  unsigned char head[13] = {[8] = 8, [9] = 2}; /* 8 bits; red, green, blue */
  put_number(head, WIDTH * SCALE);
  put_number(head + 4, HEIGHT * SCALE);
  uLong size = (uLong)ROW * HEIGHT * SCALE;
  uLongf packed_size = compressBound(size);
  unsigned char *rows = malloc(size), *packed = malloc(packed_size);
  FILE *file = rows && packed ? fopen(path, "wb") : NULL;
  bool well = file != NULL;
  if (well) {
    for (int y = 0; y < HEIGHT * SCALE; y++)
      copy_row(rows + (size_t)y * ROW, canvas + (size_t)(y / SCALE) * WIDTH);
    well = compress2(packed, &packed_size, rows, size, 9) == Z_OK &&
           fwrite(signature, 1, 8, file) == 8 &&
           put_chunk(file, "IHDR", head, sizeof head) &&
           put_chunk(file, "IDAT", packed, packed_size) &&
           put_chunk(file, "IEND", packed, 0);
    well = fclose(file) == 0 && well;
  }
  free(packed);
  free(rows);
  return well;
}
