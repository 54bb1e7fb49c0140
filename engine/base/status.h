/* Status codes, and the codes of the system behind them.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BASE_STATUS_H
#define NEAP_BASE_STATUS_H

/* What a path that leads out of its folder fails with; as libuv's code, and as
 * an errno that the system does not have. */
enum { NEAP__REFUSED = -3999, NEAP__EREFUSED = -NEAP__REFUSED };

/* Fails as a system call does: sets errno and returns -1. */
int neap__sys_fail(int error);

/* libuv's code, which is negative, for the errno of a call that has failed. */
int neap__sys_code(void);

/* The same for a call that has returned `result`; 0 if it has not failed. */
int neap__sys_code_of(int result);

/* The status for a code of libuv's: 0, NEAP_ENOMEM or NEAP_ESYS; NEAP_EPERM for
 * NEAP__REFUSED. */
int neap__sys_status(int code);

/* Closes a descriptor and leaves errno as it is. -1 is ignored. */
void neap__sys_close(int fd);

#endif
