/* SPDX-License-Identifier: MIT */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/error.h"

/* Readers hold the lock while the handler runs, so that its userdata cannot go away under it. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static _Thread_local bool inside_handler;
static atomic_int threshold = -1; /* -1: nobody listens */
static viso_log_fn handler;
static void *handler_userdata;
static viso_destroy_fn handler_destroy;

static bool level_is_valid(viso_log_level level)
{
	return level == VISO_LOG_ERROR || level == VISO_LOG_WARNING || level == VISO_LOG_INFO ||
	       level == VISO_LOG_DEBUG;
}

int viso_log_set_handler(viso_log_level level, viso_log_fn fn, void *userdata, viso_destroy_fn destroy)
{
	if (!level_is_valid(level))
		return error_argument(__func__, "no such level");
	if (inside_handler)
		return error_fail(VISO_STAGE_ARGUMENT, EDEADLK, __func__, "%s: called from inside a log handler",
				  __func__);

	pthread_rwlock_wrlock(&lock);
	viso_destroy_fn old_destroy = handler_destroy;
	void *old_userdata = handler_userdata;
	handler = fn;
	handler_userdata = userdata;
	handler_destroy = destroy;
	atomic_store(&threshold, fn ? (int)level : -1);
	pthread_rwlock_unlock(&lock);

	if (old_destroy)
		old_destroy(old_userdata);
	return 0;
}

void log_message(viso_log_level level, const char *format, ...)
{
	if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed) || inside_handler)
		return;

	int saved = errno;
	char message[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);

	pthread_rwlock_rdlock(&lock);
	if (handler) {
		inside_handler = true;
		handler(level, message, handler_userdata);
		inside_handler = false;
	}
	pthread_rwlock_unlock(&lock);
	errno = saved;
}
