/* SPDX-License-Identifier: MIT */
/* Which errors a system call may give where its arguments are sound: by section 2 of the manual, and what a security
 * module or an older kernel adds (EPERM, EACCES, ENOSYS). */
#ifndef FAULTS_ERRORS_H
#define FAULTS_ERRORS_H

enum { ERRORS_MAX = 8 };

/* They end with 0; the most telling one comes first. NULL for a call that cannot fail. */
const int *errors_of_call(int number);
const char *name_of_call(int number);

#endif
