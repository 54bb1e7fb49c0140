/* For builds with ThreadSanitizer only: Debian's liblua raises errors with
 * __longjmp_chk, which that does not know, so that its record of the stack
 * would grow with every error until it is full. SPDX-License-Identifier: MIT */
#include <setjmp.h>

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the
 * name is that of the C library. */
_Noreturn void __longjmp_chk(jmp_buf env, int value);

_Noreturn void __longjmp_chk(jmp_buf env, int value) {
  longjmp(env, value);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
