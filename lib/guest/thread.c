/* SPDX-License-Identifier: MIT */
#include "guest/thread.h"

#include <signal.h>

enum { STACK_SIZE = 512 << 10 };

int thread_start(pthread_t *out, void *(*run)(void *data), void *data)
{
	pthread_attr_t attributes;
	sigset_t all, old;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(out, &attributes, run, data);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return -error;
}
