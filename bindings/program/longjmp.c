/* __longjmp_chk for builds with ThreadSanitizer.
 * SPDX-License-Identifier: MIT
 *
 * Debian's liblua raises errors with __longjmp_chk, which ThreadSanitizer does
 * not know. Its record of the stack would grow with every error until it is
 * full. */
#include <setjmp.h>

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the
 * name is that of the C library. */
_Noreturn void __longjmp_chk(jmp_buf env, int value);

_Noreturn void __longjmp_chk(jmp_buf env, int value) {
  longjmp(env, value);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
