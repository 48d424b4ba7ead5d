/* SPDX-License-Identifier: MIT */
#include "guest/files/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <virtiso/guest_files.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/guest.h"

void guest_files_init(struct guest_files *files)
{
	*files = (struct guest_files){.upper_fd = -1};
}

static void release_item(struct guest_file *item)
{
	free(item->path);
	free(item->data);
	close_fd(item->fd);
}

void guest_files_release(struct guest_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		release_item(&files->items[i]);
	free(files->items);
	close_fd(files->upper_fd);
	guest_files_init(files);
}

static int copy_fd(int fd, int *out)
{
	*out = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 && *out < 0 ? error_fail(VISO_STAGE_GUEST, errno, "dup", NULL) : 0;
}

static int copy_places(struct guest_files *to, const struct guest_files *from)
{
	to->upper = from->upper;
	to->upper_max = from->upper_max;
	int r = copy_fd(from->upper_fd, &to->upper_fd);
	to->items = calloc(from->count + 1, sizeof(*to->items));
	if (!to->items)
		return error_memory();
	for (; r == 0 && to->count < from->count; to->count++) {
		const struct guest_file *item = &from->items[to->count];
		struct guest_file *copy = &to->items[to->count];
		*copy = (struct guest_file){
			.path = strdup(item->path), .writable = item->writable, .size = item->size, .mode = item->mode};
		r = copy_fd(item->fd, &copy->fd);
		if (r == 0 && !copy->path)
			r = error_memory();
	}
	return r;
}

int guest_files_copy_places(struct guest_files *to, const struct guest_files *from)
{
	int r = copy_places(to, from);
	if (r < 0)
		guest_files_release(to);
	return r;
}

/* Absolute, without empty components, "." and "..", and not the root. */
static bool is_guest_path(const char *path)
{
	if (!path || path[0] != '/' || !path[1] || strlen(path) >= PATH_MAX)
		return false;
	for (const char *at = path; *at; at += strcspn(at, "/")) {
		size_t length = strcspn(++at, "/");
		if (length == 0 || length > NAME_MAX || (length == 1 && at[0] == '.') ||
		    (length == 2 && at[0] == '.' && at[1] == '.'))
			return false;
	}
	return true;
}

static int check_path(const char *function, const char *path)
{
	if (is_guest_path(path))
		return 0;
	return error_argument(function, "the path in the guest must be absolute, without \".\" and \"..\", and not /");
}

/* Takes over what the item owns, also on failure. */
static int add_item(viso_guest *guest, struct guest_file *item, const char *function, const char *path)
{
	struct guest_files *files = &guest->files;
	struct guest_file *items =
		files->count < GUEST_FILES_MAX ? reallocarray(files->items, files->count + 1, sizeof(*items)) : NULL;
	if (items)
		files->items = items;
	item->path = strdup(path);
	if (!items || !item->path) {
		release_item(item);
		return files->count < GUEST_FILES_MAX ? error_memory()
						      : error_argument(function, "a guest has at most 256 of these");
	}
	files->items[files->count++] = *item;
	return 0;
}

/* A fd of its own for what is to be shown, which must be a directory or regular file. */
static int check_source(int fd, const char *object)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, object, NULL);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return error_fail(VISO_STAGE_GUEST, EINVAL, object,
				  "%s is neither a directory nor a regular file, which alone can be shown in a guest",
				  object);
	return 0;
}

int viso_guest_add_bind(viso_guest *guest, const char *source, const char *path, int writable)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (!source)
		return error_argument(__func__, "the source is NULL");
	r = check_path(__func__, path);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(source, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno == ENAMETOOLONG ? ENOENT : errno, source,
				  "%s of the host cannot be shown in the guest: %s", source, strerrordesc_np(errno));
	r = check_source(fd, source);
	if (r < 0)
		return r;
	struct guest_file item = {.fd = TAKE_FD(fd), .writable = writable != 0};
	return add_item(guest, &item, __func__, path);
}

int viso_guest_add_bind_fd(viso_guest *guest, int fd, const char *path, int writable)
{
	int r = guest_check_setter(guest, __func__);
	if (r == 0)
		r = check_path(__func__, path);
	if (r < 0)
		return r;
	_cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "fd", "fd %d cannot be shown in the guest: %s", fd,
				  strerrordesc_np(errno));
	r = check_source(copy, "fd");
	if (r < 0)
		return r;
	struct guest_file item = {.fd = TAKE_FD(copy), .writable = writable != 0};
	return add_item(guest, &item, __func__, path);
}

int viso_guest_add_file(viso_guest *guest, const char *path, const void *data, size_t size, unsigned mode)
{
	int r = guest_check_setter(guest, __func__);
	if (r == 0)
		r = check_path(__func__, path);
	if (r < 0)
		return r;
	if ((!data && size) || size > GUEST_FILE_DATA_MAX || (mode & ~0777u))
		return error_argument(__func__, "data without bytes, more than 16 MiB of it, or a mode beyond 0777");
	struct guest_file item = {.fd = -1, .data = malloc(size + 1), .size = size, .mode = mode};
	if (!item.data)
		return error_memory();
	if (size)
		memcpy(item.data, data, size);
	return add_item(guest, &item, __func__, path);
}

static void set_upper(viso_guest *guest, enum guest_upper upper, uint64_t max, int fd)
{
	close_fd(guest->files.upper_fd);
	guest->files.upper = upper;
	guest->files.upper_max = max;
	guest->files.upper_fd = fd;
}

int viso_guest_set_upper_discarded(viso_guest *guest, uint64_t size_max)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (size_max > INT64_MAX)
		return error_argument(__func__, "the size is too large");
	set_upper(guest, UPPER_DISCARDED, size_max, -1);
	return 0;
}

int viso_guest_set_upper_directory(viso_guest *guest, const char *directory)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (!directory)
		return error_argument(__func__, "the directory is NULL");
	struct statvfs fs;
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno == ENAMETOOLONG ? ENOENT : errno, directory,
				  "%s cannot be opened as the directory for what the guest writes: %s", directory,
				  strerrordesc_np(errno));
	int error = fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY) ? EROFS
		    : faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0 ? errno
								      : 0;
	if (error)
		return error_fail(VISO_STAGE_GUEST, error, directory,
				  "%s cannot be written to; choose a directory of your own", directory);
	set_upper(guest, UPPER_KEPT, 0, TAKE_FD(fd));
	return 0;
}
