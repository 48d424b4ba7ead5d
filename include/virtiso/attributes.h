/* SPDX-License-Identifier: MIT */
/**
 * @file attributes.h
 * Macros used by the other headers: visibility and compiler hints. They are empty for SWIG.
 */
#ifndef VIRTISO_ATTRIBUTES_H
#define VIRTISO_ATTRIBUTES_H

#if defined(__GNUC__) && !defined(SWIG)
#define VISO_PUBLIC __attribute__((visibility("default")))
#define VISO_CHECK_RESULT __attribute__((warn_unused_result))
#else
#define VISO_PUBLIC
#define VISO_CHECK_RESULT
#endif

#ifdef __cplusplus
#define VISO_BEGIN_DECLS extern "C" {
#define VISO_END_DECLS }
#else
#define VISO_BEGIN_DECLS
#define VISO_END_DECLS
#endif

#endif
