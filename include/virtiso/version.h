/* SPDX-License-Identifier: MIT */
/**
 * @file version.h
 * The version of the headers (macros) and of the library that runs (function).
 */
#ifndef VIRTISO_VERSION_H
#define VIRTISO_VERSION_H

#include <virtiso/attributes.h>

VISO_BEGIN_DECLS

#define VISO_VERSION_MAJOR 0
#define VISO_VERSION_MINOR 5
#define VISO_VERSION_MICRO 0

/** The version as one number that can be compared, for example VISO_VERSION_NUMBER(0, 1, 0). */
#define VISO_VERSION_NUMBER(major, minor, micro) (((major) << 16) | ((minor) << 8) | (micro))

/** True where the headers are at least of this version; for `#if`. */
#define VISO_CHECK_VERSION(major, minor, micro)                                                                        \
	(VISO_VERSION_NUMBER(VISO_VERSION_MAJOR, VISO_VERSION_MINOR, VISO_VERSION_MICRO) >=                                \
	 VISO_VERSION_NUMBER(major, minor, micro))

/**
 * Version of the library that is loaded.
 *
 * @return the version as VISO_VERSION_NUMBER(major, minor, micro); never fails.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_version(void);

VISO_END_DECLS

#endif
