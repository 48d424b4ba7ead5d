/* SPDX-License-Identifier: MIT */
/**
 * @file guest.h
 * A program guest: an ordinary Linux program in a virtual machine of its own under KVM, without a kernel to boot.
 *
 * The program runs in user mode of the guest; its system calls leave the guest and are served by the library, within the
 * guest's root and limits. The root is read-only unless <virtiso/guest_files.h> says otherwise; /tmp and /dev/shm are in memory, and
 * /proc, /dev and /sys have what programs look for, nothing of it the host's. Locks hold among the programs of the guest. There are no
 * extended attributes and no pipes with names. Calls that are not served give the program ENOSYS; viso_guest_syscalls() tells which.
 *
 * What the programs of a guest write to a file that they have mapped (MAP_SHARED) they all see at once, there and by read(2). To a file
 * of the host it goes at msync(2), fsync(2) and munmap(2), when a program ends, and before the guest returns to the host program; while
 * it is mapped, the guest does not see what others on the host write to the same part, and in the end the last to write wins.
 *
 * Of waiting and sockets there are
 *
 *  - waiting: poll, ppoll, select, pselect6, epoll_create, epoll_create1, epoll_ctl, epoll_wait, epoll_pwait, epoll_pwait2 (an epoll in an
 *    epoll, but no deeper)
 *  - events: eventfd, eventfd2, timerfd_create, timerfd_settime, timerfd_gettime, signalfd, signalfd4, pidfd_open
 *  - pipes: pipe, pipe2, fcntl with F_SETPIPE_SZ up to 1 MiB; splice, tee and vmsplice give EINVAL
 *  - sockets: socket (AF_UNIX, AF_INET, AF_INET6), socketpair, connect, accept, accept4, shutdown, getsockname, getpeername, getsockopt,
 *    setsockopt, sendto, recvfrom, sendmsg, recvmsg, sendmmsg, recvmmsg; bind gives EACCES, and listen EOPNOTSUPP but for a socket that was
 *    handed in and listens
 *
 * Sockets that are handed in by viso_command_add_fd() are of these families. One that listens must be non-blocking (O_NONBLOCK), else
 * the command is not started (-EINVAL): accept(2) of one that blocks could hold the host program. fds travel between the ends
 * of a socketpair of the guest's only.
 *
 * Each command (viso_sandbox_run(), viso_sandbox_spawn()) gets a virtual machine of its own, with its own memory, /tmp and limits, so that
 * several can run in one guest at once, and nothing of one reaches the next. So do commands beside a program that stays
 * (viso_guest_initialise()).
 *
 * The program may have threads and children, and execute other programs of its root (viso_guest_set_processes_max()). All of them share the
 * guest's one processor and its memory, and everything ends with the first program, which is process 2. Process 1 is the library: it takes
 * over what has lost its parent. All but the first can be stopped (SIGSTOP) and go on (SIGCONT). A further process that finds no memory
 * left is killed; the first one ends with VISO_REASON_OUT_OF_MEMORY.
 */
#ifndef VIRTISO_GUEST_H
#define VIRTISO_GUEST_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/root.h>
#include <virtiso/sandbox.h>

VISO_BEGIN_DECLS

/** A guest; opaque, reference counted. */
typedef struct viso_guest viso_guest;

/**
 * Make a guest with the default settings. Nothing is started yet.
 *
 * @return a new guest, owned by the caller; NULL with ENOMEM, or with EOPNOTSUPP where the library was built without guests.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_guest *viso_guest_new(void);

/**
 * Take one more reference.
 *
 * @param guest  a guest, or NULL
 * @return `guest`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_guest *viso_guest_ref(viso_guest *guest);

/**
 * Give one reference back; the last one closes the guest as viso_sandbox_close() does and frees it.
 *
 * @param guest  a guest, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_guest *viso_guest_unref(viso_guest *guest);

/**
 * The view through which commands run in the guest.
 *
 * @param guest  a guest
 * @return the sandbox, borrowed, valid as long as the guest; NULL with EINVAL where `guest` is NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_sandbox *viso_guest_sandbox(viso_guest *guest);

/**
 * Set the root file system. The guest takes a reference of its own.
 *
 * @param guest  a guest that has not run anything
 * @param root   the root; shared with other sandboxes at will
 * @return 0, or a negative errno: -EINVAL, -EBUSY it has run something already, -ESTALE it is closed, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_root(viso_guest *guest, viso_root *root);

/**
 * Limit the memory of the guest, the program and its page tables included. Without this call it is 256 MiB.
 *
 * A program that uses more is ended with VISO_REASON_OUT_OF_MEMORY.
 *
 * @param guest  a guest that has not run anything
 * @param bytes  the limit in bytes, at least 4 MiB
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_memory_max(viso_guest *guest, uint64_t bytes);

/** Where the part of the library runs that serves a guest. */
typedef enum viso_placement {
	VISO_PLACEMENT_THREAD = 0,    /**< in the host program: the thread that waits for it, or one of its own */
	VISO_PLACEMENT_CONTAINED = 1, /**< in a process of its own, inside a container without network and with few system calls */
	VISO_PLACEMENT_ENUM_WIDTH_ = 0x7fffffff /**< not a placement; fixes the width of the type */
} viso_placement;

/**
 * Choose where the guest is served. A program that gets the better of the serving code is in a container then, not in the host program;
 * starting costs a container more, and calls a hand-over between processes. Of the host it sees the guest's root, read-only, and what was
 * bound into the guest, which alone it can change, where it was bound writable. Handlers, and what writes core files, stay in the host
 * program, which takes nothing for granted that the process tells it. What viso_guest_set_written_max() counts is counted in that process:
 * a program that has taken it over is bounded by the file systems that are bound writable alone. A guest that stays
 * (viso_guest_initialise()) does so in that process, and each clone of it in a process and container of its own, which reaches no other
 * one. Not for such guests: viso_guest_set_ring(), whose other side the host program reads at any moment, without a hand-over.
 *
 * A kernel guest is contained with all of its computer: processors, memory and devices. The process sees no file of the host; images,
 * disks, ports and network interfaces are opened by the host program, and handed in. Its snapshots are for clones that are contained, too.
 * Not for such guests yet, and refused by viso_guest_boot(): VISO_PLATFORM_PC, viso_guest_set_vsock(), viso_guest_share_directory(),
 * VISO_ROOT_MEDIUM_SHARE.
 *
 * @param guest      a guest that has not run anything
 * @param placement  the place
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -EOPNOTSUPP with a setting that needs the host program (the message
 *         names it).
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_placement(viso_guest *guest, viso_placement placement);

/**
 * Keep virtual machines ready for the guests of this process, whichever they are: a start or clone takes one that is ready. They are empty
 * and are never used twice.
 *
 * This call makes them, and what is taken is made anew aside: by a thread of the library's own, with all signals blocked, which there is
 * from the first start or clone on until this is called with 0. Where it cannot make one it tries again after the next start. A start or
 * clone that finds none ready makes its own, and fails where that cannot be done, for which it gives the reason. A forked child has none,
 * neither the thread; it may keep some of its own. Guests with VISO_PLACEMENT_CONTAINED have theirs in processes of their own, and take
 * none of these.
 *
 * @param count  how many; 0 gives them back, and ends the thread before it returns. Do this before the library is unloaded (dlclose(3)).
 *               Where it fails, there are as many as before
 * @return 0, or a negative errno: -EINVAL more than 10000, -ENODEV no usable /dev/kvm, -EACCES, -EMFILE, -ENOMEM, -EOPNOTSUPP the library
 *         was built without guests.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_prepare(unsigned count);

VISO_END_DECLS

#endif
