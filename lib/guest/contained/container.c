/* SPDX-License-Identifier: MIT */
/* The container: what the process that serves a guest sees and may use. */
#include "guest/contained/container.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <virtiso/container_filesystem.h>
#include <virtiso/container_limits.h>

#include "core/error.h"
#include "guest/contained/contained.h"
#include "guest/contained/message.h"
#include "guest/device/disk.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"
#include "launch/owns_ids.h"

/* The program, from image.S. */
extern const char contained_image[], contained_image_end[];

/* What serving takes beside the guest's memory: the program, KVM's own tables. */
static const uint64_t memory_beside = 96u << 20;

/* THREADS_MAX: of the process, which has three, and of what is around it in the container. */
enum { TMP_SIZE = 4096, BIND_PATH = 32, THREADS_MAX = 64 };

uint64_t contained_add(uint64_t a, uint64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

uint64_t contained_memory(const viso_guest *guest)
{
	const struct guest_files *files = &guest->files;
	uint64_t memory = contained_add(guest_memory_max(guest), memory_beside);
	/* Each once as it came, and once as a file. */
	for (size_t i = 0; i < files->count; i++)
		memory = contained_add(memory, 2 * (uint64_t)files->items[i].size);
	return files->upper == UPPER_DISCARDED ? contained_add(memory, files->upper_max) : memory;
}

bool contained_writes(const viso_guest *guest)
{
	bool writes = guest->files.upper == UPPER_KEPT;
	for (size_t i = 0; i < guest->files.count; i++)
		writes = writes || guest->files.items[i].writable;
	return writes;
}

bool contained_is_owner(const viso_guest *guest)
{
	bool has_binds = guest->files.upper == UPPER_KEPT;
	for (size_t i = 0; i < guest->files.count; i++)
		has_binds = has_binds || guest->files.items[i].fd >= 0;
	return has_binds;
}

static void bind_path(size_t index, char out[BIND_PATH])
{
	snprintf(out, BIND_PATH, CONTAINED_BINDS "/%zu", index);
}

/* A directory; what is in it is to make it. */
static int add_place(viso_root *root, const char *path)
{
	char file[BIND_PATH + 8];
	snprintf(file, sizeof(file), "%s/none", path);
	return viso_root_add_data(root, file, NULL, 0, 0444);
}

static int add_bind_places(viso_root *root, const struct guest_files *files)
{
	int r = files->upper == UPPER_KEPT ? add_place(root, CONTAINED_UPPER) : 0;
	for (size_t i = 0; i < files->count && r >= 0; i++) {
		char path[BIND_PATH];
		struct stat st;
		bind_path(i, path);
		if (files->items[i].fd < 0)
			continue;
		if (fstat(files->items[i].fd, &st) < 0)
			return error_fail(VISO_STAGE_GUEST, errno, files->items[i].path, NULL);
		r = S_ISDIR(st.st_mode) ? add_place(root, path) : viso_root_add_data(root, path, NULL, 0, 0444);
	}
	return r;
}

/* Made at the first start, and kept: with the guest it goes. A computer has its files by fds, and sees its program
 * alone. */
static int make_root(const viso_guest *guest, viso_root **out_root)
{
	viso_root *root = viso_root_new();
	if (!root)
		return -viso_error_number();
	int r = viso_root_add_data(root, CONTAINED_PROGRAM, contained_image,
				   (size_t)(contained_image_end - contained_image), 0755);
	if (r >= 0 && !guest->kernel)
		r = add_place(root, CONTAINED_ROOT);
	if (r >= 0 && !guest->kernel)
		r = add_bind_places(root, &guest->files);
	if (r >= 0)
		r = viso_root_build(root);
	if (r < 0)
		root = viso_root_unref(root);
	*out_root = root;
	return r;
}

static int get_root(viso_guest *guest, viso_root **out_root)
{
	pthread_mutex_lock(&guest->lock);
	int r = 0;
	if (!guest->program_root)
		r = make_root(guest, &guest->program_root);
	*out_root = guest->program_root;
	pthread_mutex_unlock(&guest->lock);
	return r;
}

/*
 * What the guest may change takes its owners, or nothing could be written. What it may not change is shown without them
 * where that cannot be: then everybody's rights count.
 */
static unsigned bind_flags(bool writable, bool mapped)
{
	if (!writable)
		return VISO_MOUNT_RECURSIVE | VISO_MOUNT_READ_ONLY | (mapped ? VISO_MOUNT_ID_MAPPED : 0);
	return VISO_MOUNT_RECURSIVE | (owns_all_ids() ? VISO_MOUNT_ID_MAPPED : 0);
}

static int add_binds(viso_container *container, const struct guest_files *files, bool mapped)
{
	int r = 0;
	if (files->upper == UPPER_KEPT)
		r = viso_container_add_bind_fd(container, files->upper_fd, CONTAINED_UPPER, bind_flags(true, mapped));
	for (size_t i = 0; i < files->count && r == 0; i++) {
		const struct guest_file *file = &files->items[i];
		char path[BIND_PATH];
		bind_path(i, path);
		if (file->fd >= 0)
			r = viso_container_add_bind_fd(container, file->fd, path, bind_flags(file->writable, mapped));
	}
	return r;
}

/* Nothing can be stored in the host's memory but what belongs to the guest. */
static int close_stores(viso_container *container)
{
	int r = viso_container_add_tmpfs(container, "/tmp", TMP_SIZE, 0555, VISO_MOUNT_READ_ONLY);
	return r == 0 ? viso_container_add_tmpfs(container, "/dev/shm", TMP_SIZE, 0555, VISO_MOUNT_READ_ONLY) : r;
}

static int fill_container(viso_container *container, viso_guest *guest, viso_root *root, int root_fd,
			  struct contained_wishes wishes)
{
	/* Executable, since what the guest's program may execute is asked of the kernel; nothing is, by the policy. */
	unsigned flags = VISO_MOUNT_READ_ONLY | VISO_MOUNT_RECURSIVE | (wishes.mapped ? VISO_MOUNT_ID_MAPPED : 0);
	int r = viso_container_set_root(container, root);
	if (r == 0)
		r = viso_container_add_bind_fd(container, root_fd, CONTAINED_ROOT, flags);
	if (r == 0)
		r = add_binds(container, &guest->files, wishes.mapped);
	if (r == 0)
		r = close_stores(container);
	/* The bytes of calls, and while it is frozen a copy of what a clone has in common with others and of its files.
	 */
	uint64_t further = wishes.stays ? 2 * (uint64_t)CONTAINED_BYTES_MAX + 2 * guest_memory_max(guest) : 0;
	if (r == 0 && wishes.limited)
		r = viso_container_set_memory_max(container, contained_add(contained_memory(guest), further));
	/* All numbers of the host's processes could be taken up by threads. */
	if (r == 0 && wishes.counted)
		r = viso_container_set_processes_max(container, THREADS_MAX);
	return r == 0 ? contained_set_policy(container, contained_writes(guest)) : r;
}

int contained_make_container(viso_guest *guest, int root_fd, struct contained_wishes wishes,
			     viso_container **out_container)
{
	viso_root *root;
	int r = get_root(guest, &root);
	if (r < 0)
		return r;
	viso_container *container = viso_container_new();
	if (!container)
		return -viso_error_number();
	r = fill_container(container, guest, root, root_fd, wishes);
	if (r < 0)
		container = viso_container_unref(container);
	*out_container = container;
	return r;
}

/* What is written to disks whose writes are discarded is in memory. */
uint64_t contained_computer_memory(const viso_guest *guest)
{
	const struct device_settings *devices = &guest->kernel->devices;
	uint64_t memory = contained_add(guest_memory_max(guest), memory_beside);
	for (unsigned i = 0; i < devices->disk_count; i++)
		if (devices->disks[i].flags & VISO_DISK_DISCARD_WRITES)
			memory = contained_add(memory, DISK_OVERLAY_MAX);
	return memory;
}

static int fill_computer_container(viso_container *container, viso_guest *guest, bool is_limited)
{
	viso_root *root;
	int r = get_root(guest, &root);
	if (r >= 0)
		r = viso_container_set_root(container, root);
	if (r == 0)
		r = close_stores(container);
	if (r == 0 && is_limited)
		r = viso_container_set_memory_max(container, contained_computer_memory(guest));
	return r == 0 ? contained_set_computer_policy(container, guest->kernel->devices.network_count > 0) : r;
}

int contained_make_computer_container(viso_guest *guest, bool is_limited, viso_container **out_container)
{
	viso_container *container = viso_container_new();
	if (!container)
		return -viso_error_number();
	int r = fill_computer_container(container, guest, is_limited);
	if (r < 0)
		container = viso_container_unref(container);
	*out_container = container;
	return r;
}
