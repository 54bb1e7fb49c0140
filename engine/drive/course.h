/* Courses: runs that neap_start has begun, from their start to their report.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_COURSE_H
#define NEAP_DRIVE_COURSE_H

#include "walker.h"

/* Makes a course; `opts` are complete. Its walkers will call `woken` when what
 * they wait for has ended, and `late` when the time of their attempt is over.
 * Nothing has begun yet. *token is that of the run. */
int neap__course_new(neap_engine *engine, neap_flow *flow,
                     const neap_start_opts *opts, neap_op_fn woken,
                     neap_op_fn late, neap__course **out, neap_token *token);

/* The run of its root has ended, as the step says: hands in the report, and
 * frees the course. */
void neap__course_end(neap__course *course, const neap_step *step);

/* Ends the courses of an engine that is being freed, without reports. */
void neap__courses_close(neap_engine *engine);

#endif
