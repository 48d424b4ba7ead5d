/* SPDX-License-Identifier: MIT */
/* The thread that looks after a computer's streams and times, and takes it apart at its end. */
#ifndef GUEST_KERNEL_ATTENDANT_H
#define GUEST_KERNEL_ATTENDANT_H

/* For pthread_create(3), with a struct machine. */
void *attendant_run(void *data);

#endif
