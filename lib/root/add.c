/* SPDX-License-Identifier: MIT */
/* The calls that add programs, files, directories and data of the host. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "root/closure/package.h"
#include "root/closure/program.h"
#include "root/failure.h"
#include "root/handle.h"
#include "root/target.h"
#include "root/tree.h"

/* What <virtiso/root.h> documents for each function; the first stands for what has no closer one. */
static const int program_errors[] = {EACCES, EINVAL, EBUSY, ENOENT, ENOEXEC, ELOOP, ENOMEM, ECHILD, EEXIST, 0};
static const int file_errors[] = {EACCES, EINVAL, EBUSY, EEXIST, ENOENT, ENAMETOOLONG, ENOMEM, ECHILD, 0};
static const int directory_errors[] = {EACCES, EINVAL, EBUSY, EEXIST, ENOENT, ENAMETOOLONG, ENOMEM, ECHILD, ENOTDIR, 0};

int viso_root_add_program(viso_root *root, const char *program)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	if (!program || !*program || (program[0] != '/' && strchr(program, '/')))
		r = error_argument(__func__, "the program is neither an absolute path nor a name without a slash");
	else
		r = program_add(&root->manifest, program, root->providers_off);
	return root_end(root, mark, r, program_errors);
}

/* The path of a file or directory without links, into `out` of PATH_MAX bytes. 0, or a negative errno with the error
 * set.
 */
static int resolve(const struct source *source, const char *path, struct stat *st, char *out)
{
	int r = source_realpath(source, path, out);
	if (r >= 0)
		r = source_lstat(source, out, st);
	return r < 0 ? fail_path(-r, "find", path) : 0;
}

static int add_file(struct manifest *manifest, const char *path, const char *target, const char *function)
{
	char place[PATH_MAX], host[PATH_MAX];
	struct stat st;
	if (!path || path[0] != '/')
		return error_argument(function, "the file is not an absolute path");
	int r = target_find(manifest, target ? target : path, false, function, place);
	if (r < 0)
		return r;
	r = resolve(manifest->source, path, &st, host);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, EINVAL, path, "%s is not a regular file", path);
	/* Better now than when it is built. */
	int fd = source_open_regular(manifest->source, host, &st);
	if (fd < 0)
		return fail_path(-fd, "open", path);
	close(fd);
	return manifest_add_file(manifest, place, host, MANIFEST_REFUSE);
}

int viso_root_add_library(viso_root *root, const char *library)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	const char *before =
		manifest_set_reason(&root->manifest, "library %s, named by the user", library ? library : "");
	if (!library || !*library || (library[0] != '/' && strchr(library, '/')))
		r = error_argument(__func__, "the library is neither an absolute path nor a name without a slash");
	else if (!root->collected.first_program)
		r = error_argument(__func__,
				   "add the program that loads this library first; it has to be a dynamic one");
	else
		r = program_add_library(&root->manifest, library, root->providers_off);
	manifest_restore_reason(&root->manifest, before);
	return root_end(root, mark, r, program_errors);
}

int viso_root_add_package(viso_root *root, const char *package)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	if (!package_is_name(package))
		r = error_argument(__func__, "no package can have this name");
	else
		r = package_add(&root->manifest, package, root->providers_off);
	return root_end(root, mark, r, program_errors);
}

int viso_root_add_file(viso_root *root, const char *path, const char *target)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	const char *before = manifest_set_reason(&root->manifest, "named by the user");
	r = add_file(&root->manifest, path, target, __func__);
	manifest_restore_reason(&root->manifest, before);
	return root_end(root, mark, r, file_errors);
}

static int add_directory(struct manifest *manifest, const char *path, const char *target, const char *function)
{
	char place[PATH_MAX], host[PATH_MAX];
	struct stat st;
	if (!path || path[0] != '/')
		return error_argument(function, "the directory is not an absolute path");
	int r = target_find(manifest, target ? target : path, true, function, place);
	if (r < 0)
		return r;
	r = resolve(manifest->source, path, &st, host);
	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, ENOTDIR, path, "%s is not a directory", path);
	return tree_add(manifest, host, place, NULL, MANIFEST_REFUSE);
}

int viso_root_add_directory(viso_root *root, const char *path, const char *target)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	const char *before = manifest_set_reason(&root->manifest, "named by the user");
	r = add_directory(&root->manifest, path, target, __func__);
	manifest_restore_reason(&root->manifest, before);
	return root_end(root, mark, r, directory_errors);
}

static int add_data(struct manifest *manifest, const char *target, const void *data, size_t size, unsigned mode,
		    const char *function)
{
	char place[PATH_MAX];
	if (!target)
		return error_argument(function, "the path in the root is NULL");
	if (size && !data)
		return error_argument(function, "the data is NULL");
	/* So that nothing that is added to it can overflow. */
	if (size > PTRDIFF_MAX / 2)
		return error_memory();
	int r = target_find(manifest, target, false, function, place);
	return r < 0 ? r : manifest_add_data(manifest, place, data, size, mode, MANIFEST_REFUSE);
}

int viso_root_add_data(viso_root *root, const char *target, const void *data, size_t size, unsigned mode)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	const char *before = manifest_set_reason(&root->manifest, "named by the user");
	r = add_data(&root->manifest, target, data, size, mode, __func__);
	manifest_restore_reason(&root->manifest, before);
	return root_end(root, mark, r, file_errors);
}

static int add_device(struct manifest *manifest, const char *path, const char *function)
{
	char place[PATH_MAX];
	struct stat st;
	if (!path || path[0] != '/')
		return error_argument(function, "the device is not an absolute path");
	int r = target_find(manifest, path, false, function, place);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return fail_path(errno, "find", path);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, EINVAL, path, "%s is not a device", path);
	return manifest_add_device(manifest, place, st.st_rdev, st.st_mode & (S_IFMT | 0777), MANIFEST_REFUSE);
}

int viso_root_add_device(viso_root *root, const char *path)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	const char *reason = manifest_set_reason(&root->manifest, "device %s", path ? path : "");
	r = add_device(&root->manifest, path, __func__);
	manifest_restore_reason(&root->manifest, reason);
	return root_end(root, mark, r, file_errors);
}
