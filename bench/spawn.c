/* spawn COUNT PROGRAM [ARG...]: what a program takes from its start to its end.
 * SPDX-License-Identifier: MIT
 *
 * Runs the program COUNT times, one after the other, and prints one line: the
 * means of the wall and CPU seconds of one, and the largest peak of memory in
 * bytes. It is in C because what a process has resident when it becomes
 * another program counts in that one's peak: this one is small.
 */
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Runs the program once, fills in what it used. Returns false, having said
 * why, unless it ended with status 0. */
static bool run(char **argv, struct rusage *usage) {
  pid_t pid;
  int error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
  if (error) {
    fprintf(stderr, "spawn: %s: %s\n", argv[0], strerror(error));
    return false;
  }
  int status;
  if (wait4(pid, &status, 0, usage) != pid) {
    perror("spawn: wait4");
    return false;
  }
  if (WIFSIGNALED(status))
    fprintf(stderr, "spawn: %s: signal %d\n", argv[0], WTERMSIG(status));
  else if (WEXITSTATUS(status) != 0)
    fprintf(stderr, "spawn: %s: status %d\n", argv[0], WEXITSTATUS(status));
  return status == 0;
}

int main(int argc, char **argv) {
  int count = argc > 2 ? atoi(argv[1]) : 0;
  if (count < 1) {
    fputs("usage: spawn COUNT PROGRAM [ARG...]\n", stderr);
    return 2;
  }
  double cpu = 0;
  long peak = 0; /* KiB, as Linux counts ru_maxrss */
  double start = now();
  for (int i = 0; i < count; i++) {
    struct rusage usage;
    if (!run(argv + 2, &usage))
      return EXIT_FAILURE;
    cpu += seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (usage.ru_maxrss > peak)
      peak = usage.ru_maxrss;
  }
  printf("wall %.6f cpu %.6f memory %ld\n", (now() - start) / count,
         cpu / count, peak * 1024);
  return EXIT_SUCCESS;
}
