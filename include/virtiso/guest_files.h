/* SPDX-License-Identifier: MIT */
/**
 * @file guest_files.h
 * What the program in a guest sees as its files beside its root, where it may write, and whom it may connect to.
 *
 * Without these calls the root is read-only; its /tmp (usually empty) and /dev/shm are writable and in memory, each up to half of the
 * guest's memory, and never kept. Everything of the host is looked up beneath the root or the directory that was given, never through a
 * magic link, so that no path leads out. Paths in the guest are absolute, without "." and "..", and not "/" itself.
 *
 * With VISO_PLACEMENT_CONTAINED the container of the guest is shown what is bound, and the directory that is written to; they must
 * have a path (no memfd), and be at most 47, else a start fails with -EINVAL or -E2BIG. The rights there
 * are those of the files' owner where that is the host program's user, but no more (no capability of root's). With root of the host
 * what is writable must lie on a file system that can be id-mapped (else a start fails with -EOPNOTSUPP); on others what is only
 * read is seen with everybody's rights.
 */
#ifndef VIRTISO_GUEST_FILES_H
#define VIRTISO_GUEST_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>
#include <virtiso/log.h>

VISO_BEGIN_DECLS

/**
 * Show a file or directory of the host in the guest. It is opened when this function is called and stays the same file whatever its
 * path leads to later.
 *
 * @param guest     a guest that has not run anything
 * @param source    a file or directory of the host
 * @param path      where it is seen, over what the root has there; made where it is missing
 * @param writable  1 where the program may change it, with the rights of the host program's user; 0 where not
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOENT, -ENOTDIR, -ELOOP, -EACCES, -EMFILE, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_bind(viso_guest *guest, const char *source, const char *path, int writable);

/**
 * As viso_guest_add_bind(), of an open file or directory.
 *
 * @param guest     a guest that has not run anything
 * @param fd        a fd of a file or directory, also O_PATH; stays the caller's
 * @param path      where it is seen; made where it is missing
 * @param writable  as above
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -EBADF, -EACCES, -EMFILE, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_bind_fd(viso_guest *guest, int fd, const char *path, int writable);

/**
 * Show a file with these contents, read-only.
 *
 * @param guest  a guest that has not run anything
 * @param path   where it is seen; made where it is missing
 * @param data   the contents, copied; may be NULL where `size` is 0
 * @param size   how many bytes, at most 16 MiB
 * @param mode   its permissions, such as 0444
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_file(viso_guest *guest, const char *path, const void *data, size_t size, unsigned mode);

/**
 * Let the program write everywhere in its root, whoever owns it; what it writes is kept in memory and thrown away at its end. A directory
 * of the root cannot be renamed as long as something of the root is in it (EXDEV, as by overlay file systems; mv(1) copies it then).
 *
 * @param guest     a guest that has not run anything
 * @param size_max  how many bytes it may write altogether, ENOSPC beyond; 0 for half of the guest's memory
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_upper_discarded(viso_guest *guest, uint64_t size_max);

/**
 * Let the program write everywhere in its root; what it writes is kept in a directory of the host, and seen again by the next command
 * with the same one. Files that it removed are remembered there by entries that begin with ".wh.". Not for two commands at once.
 *
 * @param guest      a guest that has not run anything
 * @param directory  an existing directory of the host, to which nobody else writes
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOENT, -ENOTDIR, -EACCES, -EROFS, -EMFILE, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_upper_directory(viso_guest *guest, const char *directory);

/**
 * What connects a program of the guest to whom it asks for.
 *
 * @param address  whom: "unix:/path", "tcp:192.0.2.1:80", "tcp:[2001:db8::1]:80", "udp:192.0.2.1:53"
 * @param userdata  what was given with the handler
 * @return a connected socket, which the library takes over and closes, as it does any other fd (0 is the host program's standard input);
 *         or a negative errno, which the program gets.
 */
typedef int (*viso_connect_fn)(const char *address, void *userdata);

/**
 * Let the program open connections, each through the host program. Without a handler every connect(2) gives ECONNREFUSED. The program gets
 * the socket for reading, writing and waiting only; it can neither listen nor see the host's addresses. What is no socket, or one of
 * another type, is closed, and the program gets ECONNREFUSED or EPROTOTYPE. A socket that is still being connected stays so for the
 * program. With VISO_PLACEMENT_CONTAINED it is the process in the container that gets the socket: take connected ones of streams, since
 * over one of datagrams it could send to anybody that the host program could. The address of an abstract name has an at sign before the
 * name; a relative path is made absolute; datagram sockets of AF_UNIX are not asked for.
 *
 * @param guest    a guest that has not run anything, or a clone before its first call
 * @param handler  called in the thread that runs the guest, which waits meanwhile; NULL for none. As for handlers of hypercalls,
 *                 what would wait for the handler itself is refused, and it may give the last reference of the guest back.
 * @param userdata  handed to it
 * @param destroy   called once with `userdata` when the handler is replaced and no guest has it any more; may be NULL
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_connect_handler(viso_guest *guest, viso_connect_fn handler,
								       void *userdata, viso_destroy_fn destroy);

VISO_END_DECLS

#endif
