/* The server of the C tests as a program: writes its port into the file that is
 * named on the command line and serves until its standard input ends.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
  server *s = file ? server_start() : NULL;
  if (!s)
    return EXIT_FAILURE;
  fprintf(file, "%d\n", server_port(s));
  fclose(file);
  while (getchar() != EOF)
    ;
  server_stop(s);
  return EXIT_SUCCESS;
}
