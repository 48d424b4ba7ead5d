/* SPDX-License-Identifier: MIT */
/**
 * @file manifest.h
 * What a root contains, entry by entry, and why each entry is there: a plan (viso_root_plan()), the record of what was built
 * (viso_root_manifest()), or the outcome of a comparison (viso_root_verify()).
 *
 * A manifest does not change. Entries are numbered from 0 and sorted: every directory stands before what lies in it.
 */
#ifndef VIRTISO_MANIFEST_H
#define VIRTISO_MANIFEST_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>

VISO_BEGIN_DECLS

/** A list of entries; opaque, reference counted. */
typedef struct viso_manifest viso_manifest;

/** The kinds of entries. */
typedef enum viso_entry_type {
	VISO_ENTRY_DIRECTORY = 1, /**< a directory */
	VISO_ENTRY_FILE = 2,      /**< a regular file */
	VISO_ENTRY_LINK = 3,      /**< a symbolic link */
	VISO_ENTRY_DEVICE = 4,    /**< a character or block device */
	VISO_ENTRY_TYPE_ENUM_WIDTH_ = 0x7fffffff /**< not a kind; fixes the width of the type */
} viso_entry_type;

/** How an entry in the tree differs from the manifest. */
typedef enum viso_entry_state {
	VISO_ENTRY_RIGHT = 0,    /**< it does not, or was not compared */
	VISO_ENTRY_MISSING = 1,  /**< it is not there */
	VISO_ENTRY_RETYPED = 2,  /**< something of another kind is there */
	VISO_ENTRY_CHANGED = 3,  /**< its contents, link text or device number is another */
	VISO_ENTRY_CHMODDED = 4, /**< only its permission bits, file capabilities or owner are others */
	VISO_ENTRY_UNKNOWN = 5,  /**< it could not be examined */
	VISO_ENTRY_STATE_ENUM_WIDTH_ = 0x7fffffff /**< not a state; fixes the width of the type */
} viso_entry_state;

/**
 * Take one more reference.
 *
 * @param manifest  a manifest, or NULL
 * @return `manifest`.
 * Threads: any at any time.
 * Since: 0.2
 */
VISO_PUBLIC viso_manifest *viso_manifest_ref(viso_manifest *manifest);

/**
 * Give one reference back; the last one frees the manifest.
 *
 * @param manifest  a manifest, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.2
 */
VISO_PUBLIC viso_manifest *viso_manifest_unref(viso_manifest *manifest);

/**
 * Read a manifest that viso_manifest_save() wrote. Other files of mtree(5) are refused.
 *
 * @param path          the file, absolute
 * @param out_manifest  where it is put, owned by the caller; untouched on failure
 * @return 0, or a negative errno: -EINVAL bad argument, -ENOENT, -EACCES, -EBADMSG it is no manifest, or a damaged one, -EIO,
 *         -ENOMEM.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_manifest_load(const char *path, viso_manifest **out_manifest);

/**
 * Write a manifest into a file, in the format of mtree(5), with the reasons as tags. A file that is there is replaced at
 * once, with all that it shall contain.
 *
 * @param manifest  a manifest
 * @param path      the file, absolute
 * @return 0, or a negative errno: -EINVAL, -ENOENT, -ENOTDIR, -EACCES, -ENOSPC, -EDQUOT, -EROFS, -EIO, -ENOMEM, -ECHILD.
 * Threads: any.
 * Since: 0.2
 * See: mtree(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_manifest_save(const viso_manifest *manifest, const char *path);

/**
 * Compare a directory with a manifest, such as one that was kept elsewhere. What the manifest does not list is not looked
 * at.
 *
 * @param manifest      a manifest with SHA-256 sums
 * @param directory     the directory, absolute
 * @param out_manifest  where a copy with the states is put, owned by the caller; untouched on failure; NULL where only the
 *                      number is wanted
 * @return how many entries are not as the manifest says; or a negative errno: -EINVAL, -ENOENT, -ENOTDIR, -EACCES, -EIO,
 *         -ENOMEM, -ECHILD.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC int viso_manifest_verify(const viso_manifest *manifest, const char *directory, viso_manifest **out_manifest);

/**
 * How many entries there are.
 *
 * @param manifest  a manifest
 * @return the number; 0 where `manifest` is NULL.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC size_t viso_manifest_count(const viso_manifest *manifest);

/**
 * Find an entry by its path.
 *
 * @param manifest  a manifest
 * @param path      the path in the root, absolute and without links
 * @return its index, or -1 where there is none.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC int64_t viso_manifest_find(const viso_manifest *manifest, const char *path);

/**
 * The path of an entry in the root.
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return an absolute path, borrowed, valid as long as the manifest; NULL (with EINVAL) where there is no such entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_manifest_path(const viso_manifest *manifest, size_t index);

/**
 * The kind of an entry.
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return a viso_entry_type; -EINVAL where there is no such entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC int viso_manifest_type(const viso_manifest *manifest, size_t index);

/**
 * The permission bits of an entry, with setuid, setgid and sticky bit.
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return the bits; -EINVAL where there is no such entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC int viso_manifest_mode(const viso_manifest *manifest, size_t index);

/**
 * The size of a file.
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return bytes, 0 for what is no file; -EINVAL where there is no such entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC int64_t viso_manifest_size(const viso_manifest *manifest, size_t index);

/**
 * The SHA-256 of a file's contents.
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return 64 hexadecimal digits, borrowed, valid as long as the manifest; "" where it is not known, for a file with more than 64 MiB of
 *         holes, which has a sum of the library's own, and for what is no file; NULL (with EINVAL) where there is no such entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_manifest_sha256(const viso_manifest *manifest, size_t index);

/**
 * What a symbolic link leads to.
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return its text, borrowed, valid as long as the manifest; "" for what is no link; NULL (with EINVAL) where there is no such
 *         entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_manifest_link(const viso_manifest *manifest, size_t index);

/**
 * Why an entry is there: the program or rule that first asked for it, such as "program /usr/bin/python3", "library of
 * /usr/bin/python3.11", "nss of /usr/bin/getent", "runtime python".
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return a sentence, borrowed, valid as long as the manifest; NULL (with EINVAL) where there is no such entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_manifest_reason(const viso_manifest *manifest, size_t index);

/**
 * How an entry in the tree differs from the manifest, in one that viso_root_verify() or viso_manifest_verify() made.
 *
 * @param manifest  a manifest
 * @param index     which entry
 * @return a viso_entry_state; -EINVAL where there is no such entry.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC int viso_manifest_state(const viso_manifest *manifest, size_t index);

/**
 * The name of a state: "right", "missing", "retyped", "changed", "chmodded", "unknown".
 *
 * @param state  a state
 * @return a static string; NULL for a value that is none.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_entry_state_name(viso_entry_state state);

/**
 * The name of a kind: "directory", "file", "link", "device".
 *
 * @param type  a kind
 * @return a static string; NULL for a value that is none.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_entry_type_name(viso_entry_type type);

VISO_END_DECLS

#endif
