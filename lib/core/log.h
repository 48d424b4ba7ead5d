/* SPDX-License-Identifier: MIT */
/* Passing messages to the host program's handler; setting it is <virtiso/log.h>. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <virtiso/log.h>

/* Costs one atomic load where nobody listens at this level. errno is kept. */
void log_message(viso_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_warning(...) log_message(VISO_LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_message(VISO_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_message(VISO_LOG_DEBUG, __VA_ARGS__)

#endif
