/* SPDX-License-Identifier: MIT */
/*
 * The directories still to be read stand in a list, so that neither the stack nor the number of open fds grows with the
 * depth of somebody else's tree.
 */
#include "root/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/strings.h"
#include "root/failure.h"
#include "root/path.h"
#include "root/source.h"

struct tree {
	struct manifest *manifest;
	const char *host;
	int fd;
	tree_filter leave_out;
	enum manifest_conflict conflict;
	struct strings pending; /* pairs: path beneath `host`, place in the root */
};

/* The directory that is being read. */
struct place {
	int fd;
	int depth;
	const char *below; /* beneath `host`; "." for itself */
	const char *target;
};

static int too_long(const char *path)
{
	return fail_path(ENAMETOOLONG, "add", path);
}

/* `out` has PATH_MAX bytes. */
static int join(char *out, const char *directory, const char *name)
{
	/* A tree has thousands of them: this is the hottest line of a plan, and no work for snprintf(). */
	size_t length = strlen(directory), name_length = strlen(name);
	if (directory[length - 1] == '/')
		length--;
	if (length + 1 + name_length >= PATH_MAX)
		return too_long(directory);
	memmove(out, directory, length);
	out[length] = '/';
	memcpy(out + length + 1, name, name_length + 1);
	return 0;
}

static int host_path(const struct tree *tree, const char *below, const char *name, char *out)
{
	if (!strcmp(below, "."))
		return join(out, tree->host, name);
	char directory[PATH_MAX];
	int r = join(directory, tree->host, below);
	return r < 0 ? r : join(out, directory, name);
}

static int add_pending(struct tree *tree, const char *below, const char *target)
{
	if (strings_add(&tree->pending, below) < 0 || strings_add(&tree->pending, target) < 0)
		return error_memory();
	return 0;
}

static int add_subdirectory(struct tree *tree, const struct place *place, const char *name, char *target)
{
	char below[PATH_MAX];
	const struct manifest_entry *entry = manifest_find(tree->manifest, target);
	int r = 0;
	if (entry && entry->type == MANIFEST_LINK)
		r = manifest_follow(tree->manifest, target, true, target);
	if (r < 0)
		return r;
	if (!strcmp(place->below, "."))
		return add_pending(tree, name, target);
	r = join(below, place->below, name);
	return r < 0 ? r : add_pending(tree, below, target);
}

static int add_symlink(struct tree *tree, const struct place *place, const char *name, const char *target)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(place->fd, name, text, sizeof(text));
	if (length < 0)
		/* It went away, or became something else, while we looked. */
		return errno == ENOENT || errno == EINVAL ? 0 : fail_path(errno, "read the link", target);
	if (length == sizeof(text))
		return too_long(target);
	text[length] = '\0';
	return manifest_add_link(tree->manifest, target, text, tree->conflict);
}

static unsigned char type_of(int fd, const struct dirent *entry)
{
	struct stat st;
	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type;
	return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? DT_UNKNOWN : IFTODT(st.st_mode);
}

static int add_entry(struct tree *tree, const struct place *place, const struct dirent *entry)
{
	const char *name = entry->d_name;
	unsigned char type = type_of(place->fd, entry);
	if (type != DT_DIR && type != DT_REG && type != DT_LNK)
		return 0;
	if (tree->leave_out && tree->leave_out(name, place->depth, type == DT_DIR))
		return 0;
	char target[PATH_MAX], source[PATH_MAX];
	int r = join(target, place->target, name);
	if (r < 0)
		return r;
	if (type == DT_DIR)
		return add_subdirectory(tree, place, name, target);
	if (type == DT_LNK)
		return add_symlink(tree, place, name, target);
	r = host_path(tree, place->below, name, source);
	return r < 0 ? r : manifest_add_file(tree->manifest, target, source, tree->conflict);
}

static int depth_of(const char *below)
{
	if (!strcmp(below, "."))
		return 0;
	int depth = 1;
	for (; *below; below++)
		depth += *below == '/';
	return depth;
}

static int read_directory(struct tree *tree, const char *below, const char *target)
{
	_cleanup_close_ int fd = open_beneath(tree->fd, below, O_RDONLY | O_DIRECTORY, true);
	/* Another mount: there is a directory, and what is on it does not belong to this tree. */
	if (fd == -EXDEV)
		return manifest_add_directory(tree->manifest, target, 0755, tree->conflict);
	/* It went away, or became something else, while we looked. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	char path[PATH_MAX];
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		int error = fd < 0 ? -fd : errno;
		int r = host_path(tree, ".", below, path);
		return r < 0 ? r : fail_path(error, "read the directory", path);
	}
	int r = manifest_add_directory(tree->manifest, target, st.st_mode & 01777, tree->conflict);
	if (r < 0)
		return r;
	struct place place = {.fd = fd, .depth = depth_of(below), .below = below, .target = target};
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir)
		return error_memory();
	TAKE_FD(fd);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno ? fail_path(errno, "read the directory", target) : 0;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = add_entry(tree, &place, entry);
		if (r < 0)
			return r;
	}
}

int tree_add(struct manifest *manifest, const char *host, const char *target, tree_filter leave_out,
	     enum manifest_conflict conflict)
{
	_cleanup_close_ int fd = source_open_without_links(manifest->source, host, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fail_path(-fd, "open", host);
	struct tree tree = {.manifest = manifest, .host = host, .fd = fd, .leave_out = leave_out, .conflict = conflict};
	int r = add_pending(&tree, ".", target);
	for (size_t i = 0; r >= 0 && i < tree.pending.count; i += 2)
		r = read_directory(&tree, tree.pending.items[i], tree.pending.items[i + 1]);
	strings_clear(&tree.pending);
	return r;
}
