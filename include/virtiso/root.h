/* SPDX-License-Identifier: MIT */
/**
 * @file root.h
 * A root file system: programs with all that they need, files and data, or an existing directory.
 *
 * A root is a plan until it is built. It is built by viso_root_build() or by the first sandbox that starts with it;
 * then it is frozen. Without viso_root_set_path() it lives in a directory of the library's own, which is removed with
 * the last reference (and when the host program dies, even by SIGKILL). Several sandboxes may share one root.
 *
 * Programs are examined by parsing; nothing of them is executed.
 *
 * Put nothing below /dev, /proc or /tmp: a container has its own there and hides it.
 */
#ifndef VIRTISO_ROOT_H
#define VIRTISO_ROOT_H

#include <stddef.h>
#include <virtiso/attributes.h>

VISO_BEGIN_DECLS

/** A root file system; opaque, reference counted. */
typedef struct viso_root viso_root;

/**
 * Make an empty root.
 *
 * @return a new root, owned by the caller; NULL with ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_root *viso_root_new(void);

/**
 * Take one more reference.
 *
 * @param root  a root, or NULL
 * @return `root`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_root *viso_root_ref(viso_root *root);

/**
 * Give one reference back; the last one removes the built directory, unless it is kept, and frees the root.
 *
 * @param root  a root, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_root *viso_root_unref(viso_root *root);

/**
 * Add a program with everything that it needs.
 *
 * A dynamic ELF program brings its loader and libraries, found by the loader's own search order; a `#!` script brings its
 * interpreter; a Python interpreter brings its standard library. Symbolic links on the way are kept as links. What the
 * program starts or opens by itself cannot be seen in it: add the programs that a shell script calls, the cc1 of a compiler,
 * and modules from outside the standard library with calls of their own.
 *
 * @param root     a root that is not built yet
 * @param program  an absolute path on the host, or a name that is looked up in the directories of the default PATH
 *                 (/usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin)
 * @return 0, or a negative errno: -EINVAL bad argument or a relative path with a slash, -EBUSY the root is built or uses
 *         an existing directory, -ENOENT no such program, or a library or interpreter of it is missing (both are named),
 *         -EACCES it cannot be read, or is no executable file, -ENOEXEC neither an ELF program of this machine nor a
 *         script, or a damaged ELF file, -EEXIST another entry is in the way, -ELOOP scripts or links without an end,
 *         -ENOMEM, -ECHILD the handle is from before a fork.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 * See: ld.so(8), elf(5), execve(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_program(viso_root *root, const char *program);

/**
 * Add one file of the host.
 *
 * @param root    a root that is not built yet
 * @param path    an absolute path on the host of a regular file; a symbolic link is followed
 * @param target  the absolute path that it has in the root; NULL for the same path
 * @return 0, or a negative errno: -EINVAL bad argument, not a regular file, or `target` has a `..` component, -EBUSY as in
 *         viso_root_add_program(), -EEXIST another entry has this target, -ENOENT, -EACCES, -ENAMETOOLONG, -ENOMEM,
 *         -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_file(viso_root *root, const char *path, const char *target);

/**
 * Add a directory of the host with all that is below it.
 *
 * Regular files, directories and symbolic links are taken, with their modes; setuid and setgid bits are not. Anything else
 * (sockets, FIFOs, devices) is left out. Other mounted file systems below are not entered.
 *
 * @param root    a root that is not built yet
 * @param path    an absolute path on the host of a directory
 * @param target  the absolute path that it has in the root; NULL for the same path
 * @return 0, or a negative errno as viso_root_add_file(); -ENOTDIR `path` is no directory.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_directory(viso_root *root, const char *path, const char *target);

/**
 * Add a file with the given contents.
 *
 * @param root    a root that is not built yet
 * @param target  the absolute path of the file in the root
 * @param data    the contents; may be NULL where `size` is 0; copied
 * @param size    its length in bytes
 * @param mode    permission bits, for example 0644; only 0777 is looked at
 * @return 0, or a negative errno as viso_root_add_file().
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_add_data(viso_root *root, const char *target, const void *data, size_t size,
						     unsigned mode);

/**
 * Use an existing directory as the root, as it is. Nothing is ever added to it or removed.
 *
 * @param root  a root to which nothing was added
 * @param path  the directory, absolute
 * @return 0, or a negative errno: -EINVAL bad argument, -EBUSY something was added already, or viso_root_set_path() was
 *         used, -ENOENT, -ENOTDIR, -EACCES, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_use_directory(viso_root *root, const char *path);

/**
 * Name the directory into which the root is built; it is kept when the root is released. It gets mode 0755.
 *
 * @param root  a root that is not built yet
 * @param path  an absolute path, no link; the directory is made, or exists and is empty
 * @return 0, or a negative errno: -EINVAL bad argument, -EBUSY the root is built or uses an existing directory, -ENOTEMPTY
 *         the directory has contents, -ENOTDIR, -ENOENT its parent does not exist, -EACCES, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_set_path(viso_root *root, const char *path);

/**
 * Build the root now. Without this call the first start of a sandbox does it. A second call does nothing.
 *
 * Beside what was added, a built root has /dev with null, zero, full, random and urandom (where the caller may make device
 * nodes), /etc/passwd and /etc/group (unless added), and empty /proc, /sys and /tmp, in which only root can write. When
 * building fails, what was built is removed again.
 *
 * @param root  a root
 * @return 0, or a negative errno: -EINVAL, -ENOENT or -EACCES a file of the plan is gone or unreadable, -ENOSPC, -EDQUOT,
 *         -EROFS, -EIO, -ENOTEMPTY, -EEXIST, -ENOMEM, -ECHILD.
 * Threads: any; calls on one root wait for each other.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_root_build(viso_root *root);

/**
 * The directory on the host in which the root lies.
 *
 * @param root  a root
 * @return an absolute path, borrowed, valid as long as the root; NULL (with EINVAL) before it is built.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_root_path(viso_root *root);

VISO_END_DECLS

#endif
