/* SPDX-License-Identifier: MIT */
/*
 * All files that the programs of one guest see: file systems of layers at their mount points. Paths are walked name by
 * name here, and symbolic links are followed here, so that none of the host's leads anywhere.
 */
#ifndef GUEST_FILES_VIEW_H
#define GUEST_FILES_VIEW_H

#include <limits.h>

#include "guest/files/layer.h"

struct file;
struct program;
struct guest_files;

enum { LAYERS_MAX = 12 };

/*
 * What all programs of a guest have together of the host's, and how much they may.
 */
struct file_counts {
	unsigned open; /* files */
	unsigned open_max;
	unsigned host_fds; /* that files hold */
	unsigned host_fds_max;
	uint64_t listed; /* bytes of the listings of open directories, and of open texts of /proc */
	uint64_t written;
	uint64_t written_max;
};

/* What listings and texts may take of the host's memory. */
#define LISTED_MAX (64ull << 20)

/* False where there is no room for so many bytes more. Whoever gives them up takes them off `listed`. */
static inline bool counts_list(struct file_counts *counts, uint64_t size)
{
	if (size > LISTED_MAX - counts->listed)
		return false;
	counts->listed += size;
	return true;
}

/* Whether so many bytes more may be written; then they are to be added to `written`. */
static inline bool counts_write(const struct file_counts *counts, uint64_t size)
{
	return !counts->written_max ||
	       (counts->written <= counts->written_max && size <= counts->written_max - counts->written);
}

struct mount {
	char *path; /* absolute, canonical; "/" for the root */
	size_t length;
	bool is_proc;
	bool writable;
	mode_t type;  /* S_IFDIR or S_IFREG */
	dev_t device; /* of its layers in memory */
	unsigned layer_count;
	struct layer layers[LAYERS_MAX]; /* the topmost first */
};

struct view {
	struct mount **mounts;
	size_t mount_count;
	struct file_counts counts;
	struct file_lock *locks;
	struct shared_memory *mapped; /* files that are mapped; see mapped.h */
	uint64_t turns;               /* how often a program has gone on */
	struct mount *memory;         /* /tmp, also for files without a name */
	struct program *program;      /* the first one; borrowed */
	uint8_t boot_id[16];
};

/* Files and directories of /proc; see proc.h. */
struct proc_item {
	int kind;
	int pid;
	int fd;
};

/* What a path leads to. */
struct spot {
	struct view *view;
	struct mount *mount;
	int top;                       /* the topmost layer that has it; -1: nothing is there */
	unsigned present;              /* which layers take part, of a directory */
	struct part parts[LAYERS_MAX]; /* owned */
	struct stat st;
	struct proc_item proc;
	char path[PATH_MAX]; /* absolute, free of links and dots */
};

enum { FIND_FOLLOW = 1, FIND_MAKE = 2 };

/*
 * Freezes what the guest wrote to memory; what it writes from now on lies in empty trees above that. Files that are
 * open stay what they are. 0, -ENOMEM, or -EMLINK where it was done too often.
 */
int view_freeze(struct view *view);

/*
 * For a clone or a reset: a view of another guest over what was frozen in this one last, which must outlive it and into
 * which nothing is written meanwhile. out->program is set. 0, -ENOMEM, or -EINVAL where nothing was frozen. To be given
 * to view_release().
 */
int view_copy(const struct view *view, struct view *out);

/*
 * In a new view: puts trees that are frozen, the uppermost first, in the place of the empty one into which programs
 * write, with another one above them. There is room for them. 0 and their references are taken over, or -ENOMEM.
 */
int view_put_frozen(struct mount *mount, struct memory_tree *const *trees, unsigned count);

struct view_setting {
	const struct guest_files *files;
	int root_fd;
	uint64_t memory_max; /* of the guest */
	uint64_t files_max;  /* 0 for the default */
	uint64_t written_max;
	unsigned uid, gid; /* of its first program */
};

/* 0 or a negative errno with the error set. To be given to view_release() in any case. */
int view_init(struct view *view, const struct view_setting *setting);
/* After all files have been closed. In a forked child with `forget`: frees memory only. */
void view_release(struct view *view, bool forget);

/*
 * Finds what is at a path, relative to the program's fd `directory` or AT_FDCWD. 0 or a negative errno; to be given to
 * spot_release(). With FIND_MAKE the last name need not be there: out->top is -1 then, out->path what it would have.
 */
int view_find(struct program *program, int directory, const char *path, unsigned flags, struct spot *out);

/*
 * The same for the name of an open file, as long as that is still its own: -ENOENT. A directory that lies in several
 * layers is known by its name alone.
 */
int view_find_file(struct program *program, struct file *file, struct spot *out);

/*
 * The directory that holds the last name of a path, for changes of that name. -EEXIST, -EBUSY, -EINVAL as of the call
 * where it has no such name ("/", ".", ".."): see `name`, of NAME_MAX + 1 bytes, which is "" then.
 */
int view_find_parent(struct program *program, int directory, const char *path, struct spot *out, char *name,
		     bool *out_slash);

/* The directory that a canonical path lies in. */
int view_find_parent_of(struct program *program, const char *path, struct spot *out, const char **out_name);

/* The top of a file system. */
int view_start(struct view *view, struct mount *mount, struct spot *out);

/* What a directory has under a name. With -ENOENT `out` is what could be made there. */
int spot_look(struct spot *directory, const char *name, struct spot *out);
void spot_release(struct spot *spot);

/* Its own layer and part. */
static inline struct layer *spot_layer(const struct spot *spot)
{
	return &spot->mount->layers[spot->top];
}

static inline struct part *spot_part(struct spot *spot)
{
	return &spot->parts[spot->top];
}

/* Anew after a change. */
int spot_refresh(struct spot *spot);

/* Whether the program may (R_OK, W_OK, X_OK): 0, -EACCES or -EROFS. */
int spot_permission(struct program *program, struct spot *spot, int wanted);

/* The target of a symbolic link, with a NUL. The length, or a negative errno. */
ssize_t spot_read_link(struct program *program, struct spot *spot, char out[PATH_MAX]);

/* A mount point is at the path or beneath it. */
bool view_is_busy(const struct view *view, const char *path);

/* The absolute path of `path`; as view_find(). `out` has PATH_MAX bytes. */
int view_join(struct program *program, int directory, const char *path, char *out);

#endif
