/* SPDX-License-Identifier: MIT */
/*
 * What the files that mount have in common.
 *
 *   mounts.c   the order of work: the root, what is mounted in it, pivot
 *   calls.c    the system calls
 *   target.c   looking up, or making, what is mounted upon
 *   root.c     the root: a copy of its mounts, or an overlay
 *   overlay.c  making the overlay
 *   points.c   what a read-only root lacks to be mounted upon
 *   idmap.c    showing owners as they are on disk
 *   lock.c     flags that stay
 *   dev.c      /dev
 *   extra.c    what the plan asks for: binds, tmpfs, files, file systems, masks
 *
 * Everything is done by descriptors (fsopen, open_tree, move_mount): a name in the root is looked up once, beneath the
 * root and without following links, so that a hostile root cannot turn a mount elsewhere.
 */
#ifndef MOUNTS_H
#define MOUNTS_H

#include <linux/capability.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <virtiso/container_filesystem.h>
#include <virtiso/container_namespaces.h>

#include "launcher.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

static inline const struct plan_mount *plan_mount_at(const struct plan *plan, uint32_t index)
{
	return (const struct plan_mount *)plan_string(plan, plan->mounts.first) + index;
}

struct option {
	const char *key;
	const char *value;
};

/* calls.c */
/* A new detached file system; its fd, or -1 with the failure noted in the name of `object`. */
int mount_new(const char *type, const struct option *options, unsigned attributes, const char *object);
/* A detached copy of a mount of this mount namespace; -1 with errno. */
int mount_copy(int dir, const char *path, unsigned flags);
/*
 * The same for an ordinary user, in the container's own mount namespace, of whose mounts alone a copy can be made: the
 * fd that came with the plan belongs to the host's, so its path is opened anew, and it must be the same file.
 */
int mount_copy_by_path(int fd, unsigned flags);
/* The path of a fd, as the host has it. 0, or -1 with errno. */
int mount_path(int fd, char *path, size_t size);
/* What the fd leads to, as this mount namespace has it: O_PATH; -1 with errno, ESTALE where the path leads elsewhere.
 */
int mount_reopen(int fd);
/*
 * Sets MOUNT_ATTR_ flags and ends all propagation: mounts that are made in the container must not show on the host. 0,
 * or -1 with errno; ENOSYS before Linux 5.12, when it is done by mount_restrict_attached() afterwards.
 */
int mount_restrict(int fd, uint64_t attributes, bool recursive);
/* The same for a mount that is attached; 0 where mount_restrict() did it. Not for what lies below it: then EOPNOTSUPP.
 */
int mount_restrict_attached(int fd, uint64_t attributes, bool recursive);
/* Stacks a mount upon this process's root directory, where it is out of sight, as those are that come with it. */
int mount_stack(int mount_fd);
/* "/proc/self/fd", where names are numbers of fds; -1 with errno where that is no proc file system. */
int mount_open_fds(void);
/* Whether the fd is of a proc file system. A false one could turn what is done by its names elsewhere (CVE-2019-16884,
 * CVE-2025-52881). */
bool mount_is_proc(int fd);

/* target.c */
/*
 * Opens what is mounted upon, beneath the root; no link is followed. Where it is missing it is made, in a file system
 * of the container alone. O_PATH; -1 with errno.
 */
int target_open(int root, const char *path, bool directory);
/*
 * Makes what is missing there, in whatever file system it is. What is made belongs to the owner, or to whoever makes it
 * where that is UINT32_MAX. 0, or -1 with errno.
 */
struct owner {
	uint32_t uid;
	uint32_t gid;
};
int target_make(int root, const char *path, bool directory, struct owner owner);
/* O_PATH and the like, without making anything. */
int target_find(int root, const char *path, uint64_t flags);
/* This file system is of the container alone. */
void target_own(int fd);
/* Attaches a mount beneath the root; takes its fd over. 0, or -1 with the failure noted. */
int target_attach(int mount_fd, int root, const char *path);

/* root.c */
/* The root as the plan wants it, detached; -1 with the failure noted. */
int root_copy(const struct job *job);
/* MOUNT_ATTR_ flags of the root. */
uint64_t root_attributes(const struct plan *plan);

/* overlay.c */
struct overlay {
	int layers[PLAN_LAYERS_MAX + 1]; /* the lowest first */
	int count;
	int base;      /* with "upper" and "work"; -1 for none */
	bool attached; /* those mounts are of this mount namespace already */
	bool mapped;   /* id-mapped */
};
/* A detached overlay; -1 with errno. It must be called in a mount namespace that is of no use afterwards. */
int overlay_make(const struct overlay *overlay, uint64_t attributes);
/* The same by a child, in a mount namespace of its own. */
int overlay_make_aside(const struct overlay *overlay, uint64_t attributes);

/* points.c */
/* Whether the root, which nothing is mounted in yet, lacks what is to be mounted upon. */
bool points_are_missing(const struct plan *plan, int root);
/* Makes it. Where that fails, mounting will. */
void points_make(const struct job *job, int root);
/* Whether an overlay over the directory would hide what is mounted below it; or that is not known. */
bool points_would_hide(int directory);

/* idmap.c */
/*
 * Root of the host gives the container a range of ids that is nobody's: then its root is shown with the owners on disk.
 * Where the caller chose the ids, it chose them for what it shows.
 */
static inline bool mount_shows_owners(const struct job *job)
{
	return worker.owns_ids && !job->plan->namespaces.uids.count &&
	       !job->plan->namespaces.joined[VISO_NAMESPACE_USER];
}
/* Shows the owners of a detached mount as the container's ids. 0, or -1 with errno. */
int mount_map_ids(const struct job *job, int fd, bool recursive);
/* errno says that this file system, kernel or mount cannot. */
bool mount_map_is_missing(void);

/* lock.c */
/* Puts a copy of a detached mount into the place of its fd, whose flags nobody in the container can take back. 0, or -1
 * with errno. */
int mount_lock(int fd);
/* Only who has this capability could take them back anyway. */
static inline bool mount_needs_lock(const struct plan *plan)
{
	return (plan->security.capabilities.bounding | plan->security.capabilities.permitted) >> CAP_SYS_ADMIN & 1;
}

/* dev.c */
/* In a prepared container it is read-only, but for what is mounted on it later: the other two. */
int mount_dev(int root, bool prepared);
int mount_pts(int dir, const char *path);
int mount_shm(int root);

/* extra.c */
/* In the worker of root: the copies of what the plan binds take the places of its fds. 0, or -1 with the failure noted.
 */
int extra_copy_sources(struct job *job);
/* Files and masks come from a tmpfs; its fd, -1 where none is needed, -2 with the failure noted. */
int extra_make_scratch(const struct plan *plan);
int extra_mount(const struct job *job, int root, int scratch);

#endif
