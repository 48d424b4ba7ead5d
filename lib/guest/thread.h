/* SPDX-License-Identifier: MIT */
/* Threads of the library's own, of which the host program notices nothing. */
#ifndef GUEST_THREAD_H
#define GUEST_THREAD_H

#include <pthread.h>

/* It never sees a signal of the host program's: it starts with all of them blocked. 0 or a negative errno. */
int thread_start(pthread_t *out, void *(*run)(void *data), void *data);

#endif
