/* SPDX-License-Identifier: MIT */
/**
 * @file log.h
 * Messages of the library to a handler of the host program. Without a handler nothing is printed anywhere.
 */
#ifndef VIRTISO_LOG_H
#define VIRTISO_LOG_H

#include <virtiso/attributes.h>

VISO_BEGIN_DECLS

/** How important a message is; the numbers are those of syslog(3). */
typedef enum viso_log_level {
	VISO_LOG_ERROR = 3,   /**< something failed that the caller also sees as an error */
	VISO_LOG_WARNING = 4, /**< something works, but weaker than asked for */
	VISO_LOG_INFO = 6,    /**< a milestone: a root was built */
	VISO_LOG_DEBUG = 7,   /**< a step: a command starts, a command has ended */
	VISO_LOG_ENUM_WIDTH_ = 0x7fffffff /**< not a level; fixes the width of the type */
} viso_log_level;

/** Receives one message, without a newline. It may be called from any thread that calls the library. */
typedef void (*viso_log_fn)(viso_log_level level, const char *message, void *userdata);

/** Releases `userdata` when the library no longer holds it. */
typedef void (*viso_destroy_fn)(void *userdata);

/**
 * Set the handler for the messages of the whole process.
 *
 * The previous handler's `destroy` is called once no thread is inside that handler any more. A handler must not
 * call viso_log_set_handler() itself.
 *
 * @param level     the least important level that is passed on
 * @param fn        the handler, or NULL for none
 * @param userdata  passed to `fn` and `destroy`; the library keeps it until another handler is set
 * @param destroy   called when `userdata` is no longer needed, or NULL
 * @return 0, or a negative errno: -EINVAL `level` is none of the levels, -EDEADLK called from inside a handler (then
 *         `destroy` is not called).
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_log_set_handler(viso_log_level level, viso_log_fn fn, void *userdata, viso_destroy_fn destroy);

VISO_END_DECLS

#endif
