/* SPDX-License-Identifier: MIT */
/*
 * viso-guest: serves one guest with the code of the library, in a container that the library has made for it
 * (contained.h). No part of it is of use outside of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "guest/contained/cloned_program.h"
#include "guest/contained/computer_program.h"
#include "guest/contained/forward.h"
#include "guest/contained/resident_program.h"
#include "guest/guest.h"
#include "guest/instance.h"

/*
 * What the handles of a host program take and this one has none of: its guest is no handle. The linker wants them all
 * the same.
 */
bool sandbox_unref(viso_sandbox *sandbox)
{
	return false;
}

viso_root *viso_root_unref(viso_root *root)
{
	return NULL;
}

int sandbox_check_use(viso_sandbox *sandbox, const char *function)
{
	return 0;
}

static int read_settings(struct viso_guest *guest, struct contained_settings *settings, viso_command **out_command)
{
	struct stat st;
	if (fstat(CONTAINED_SETTINGS, &st) < 0 || st.st_size <= 0)
		return -EBADMSG;
	void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, CONTAINED_SETTINGS, 0);
	if (data == MAP_FAILED)
		return -errno;
	int r = contained_unpack(data, (size_t)st.st_size, settings, &guest->files, out_command);
	munmap(data, (size_t)st.st_size);
	close(CONTAINED_SETTINGS);
	return r < 0 ? error_fail(VISO_STAGE_GUEST, -r, "settings", NULL) : 0;
}

static int open_bound(const char *path, const char *seen, int *out_fd)
{
	*out_fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return *out_fd < 0 ? error_fail(VISO_STAGE_GUEST, errno, seen, NULL) : 0;
}

/* What the container was given, for what the guest is to be shown. */
static int open_files(struct guest_files *files)
{
	char path[32];
	int r = files->upper == UPPER_KEPT ? open_bound(CONTAINED_UPPER, CONTAINED_UPPER, &files->upper_fd) : 0;
	for (size_t i = 0; i < files->count && r == 0; i++) {
		struct guest_file *file = &files->items[i];
		snprintf(path, sizeof(path), CONTAINED_BINDS "/%zu", i);
		if (file->fd >= 0)
			r = open_bound(path, file->path, &file->fd);
	}
	return r;
}

/* Of a clone the command is what it was frozen with, and of no use. */
static int make_instance(struct viso_guest *guest, const viso_command *command, int root, bool is_clone,
			 struct instance **out_instance)
{
	int host[3] = {-1, -1, -1};
	return is_clone ? cloned_load(guest, root, out_instance)
			: instance_new(guest, command, root, guest_memory_max(guest), host, out_instance);
}

static int start(struct viso_guest *guest, bool is_clone, struct instance **out_instance)
{
	static struct contained_settings settings;
	viso_command *command = NULL;
	pthread_t thread;
	int r = read_settings(guest, &settings, &command);
	if (r == 0)
		r = open_files(&guest->files);
	if (r == 0)
		r = forward_set(guest, &settings);
	if (r < 0)
		return r;
	int root = open(CONTAINED_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_fail(VISO_STAGE_GUEST, errno, CONTAINED_ROOT, NULL);
	guest->limits = settings.limits;
	guest->sandbox.memory_max = settings.memory_max;
	vm_give_kvm(CONTAINED_KVM);
	r = make_instance(guest, command, root, is_clone, out_instance);
	close(root);
	/* The command is not given back: its fds are this process's own. */
	if (r < 0)
		return r;
	(*out_instance)->end_fd = -1;
	if (settings.stays && !is_clone)
		resident_prepare(guest, *out_instance);
	forward_start(guest, *out_instance);
	r = pthread_create(&thread, NULL, forward_listen, NULL);
	return r ? error_fail(VISO_STAGE_GUEST, r, "pthread_create", NULL) : 0;
}

static void answer(struct instance *instance)
{
	struct contained_answer answer = {.magic = CONTAINED_MAGIC, .error = -instance->error};
	viso_result *result = NULL;
	int r = guest_make_result(instance, &result);
	if (r < 0 || instance->error) {
		answer.error = instance->error ? -instance->error : -r;
		answer.reason = VISO_REASON_GUEST_FAULT;
		answer.exit_code = -1;
		snprintf(answer.detail, sizeof(answer.detail), "%s", instance->error_call);
	} else {
		answer.reason = result->reason;
		answer.exit_code = result->exit_code;
		answer.signal = result->signal;
		answer.has_fault_address = result->has_fault_address;
		answer.fault_address = result->fault_address;
		memcpy(answer.usage, result->usage, sizeof(answer.usage));
		answer.register_count = (uint32_t)result->register_count;
		memcpy(answer.registers, result->registers, sizeof(answer.registers));
		snprintf(answer.detail, sizeof(answer.detail), "%s", instance->program.detail);
	}
	forward_take_counts(instance->guest, answer.counts);
	forward_say(&answer, sizeof(answer));
}

int main(int argc, char **argv)
{
	static struct viso_guest guest;
	struct instance *instance;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (computer_is_wanted()) {
		computer_run();
		_exit(0);
	}
	handle_init(&guest.sandbox.handle);
	guest_files_init(&guest.files);
	hypercalls_init(&guest.hypercalls);
	bool is_clone = argc > 1 && !strcmp(argv[1], CONTAINED_CLONE);
	int r = start(&guest, is_clone, &instance);
	forward_report(r);
	if (r == 0) {
		if (guest.initialised)
			resident_run(&guest);
		else
			instance_run(instance);
		answer(guest.initialised ? guest.initialised : instance);
	}
	_exit(0);
}
