/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "guest/agent/agent_ops.h"
#include "guest/contained/computer.h"
#include "guest/guest.h"
#include "guest/kernel/doorbell.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/snapshot/computer.h"

static void release(struct kernel_guest *kernel, bool is_forked)
{
	free(kernel->image);
	free(kernel->initramfs);
	free(kernel->firmware);
	free(kernel->command_line);
	device_settings_release(&kernel->devices, is_forked);
	tools_release(kernel, is_forked);
	if (!is_forked)
		contained_computer_close(kernel->contained);
	contained_computer_unref(kernel->contained);
	viso_snapshot_unref(kernel->origin);
	pthread_cond_destroy(&kernel->let_go);
	pthread_mutex_destroy(&kernel->lock);
	free(kernel);
}

static void close_tools(viso_guest *guest)
{
	tools_close(guest->kernel, false);
}

static struct kernel_guest *copy(const struct kernel_guest *kernel);

static const struct kernel_ops ops = {
	.spawn = tools_spawn,
	.start = tools_start,
	.copy_in = tools_copy_in,
	.copy_out = tools_copy_out,
	.close = close_tools,
	.freeze = computer_freeze,
	.clone = computer_clone,
	.reset = computer_reset,
	.save = computer_save,
	.load = computer_load,
	.copy = copy,
	.call = doorbell_call,
	.cancel = doorbell_cancel_calls,
	.release = release,
};

/* NULL with the error set. */
static struct kernel_guest *make(void)
{
	struct kernel_guest *kernel = calloc(1, sizeof(*kernel));
	if (!kernel) {
		error_memory();
		return NULL;
	}
	kernel->ops = &ops;
	pthread_mutex_init(&kernel->lock, NULL);
	pthread_cond_init(&kernel->let_go, NULL);
	tools_init(&kernel->tools);
	return kernel;
}

static bool copy_text(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return *out || !text;
}

static struct kernel_guest *copy(const struct kernel_guest *kernel)
{
	struct kernel_guest *other = make();
	if (!other)
		return NULL;
	other->is_flat = kernel->is_flat;
	other->flat_address = kernel->flat_address;
	other->processors = kernel->processors;
	other->platform = kernel->platform;
	other->tools.ops = kernel->tools.ops;
	other->tools.medium = kernel->tools.medium;
	if (!copy_text(&other->image, kernel->image) || !copy_text(&other->initramfs, kernel->initramfs) ||
	    !copy_text(&other->firmware, kernel->firmware) || !copy_text(&other->command_line, kernel->command_line) ||
	    device_settings_copy(&other->devices, &kernel->devices) < 0 ||
	    tools_copy_disk(&other->tools, &kernel->tools) < 0) {
		error_memory();
		release(other, false);
		return NULL;
	}
	return other;
}

int kernel_settings(viso_guest *guest, const char *function, struct kernel_guest **out_kernel)
{
	int r = guest_check_setter(guest, function);
	if (r < 0)
		return r;
	if (!guest->kernel) {
		guest->kernel = make();
		if (!guest->kernel)
			return -ENOMEM;
	}
	*out_kernel = guest->kernel;
	return 0;
}

bool kernel_is_new_clone(const viso_guest *guest)
{
	return guest->is_new_clone;
}

int kernel_bindings(viso_guest *guest, const char *function, struct kernel_guest **out_kernel)
{
	if (!guest || !guest->is_new_clone || !guest->kernel)
		return kernel_settings(guest, function, out_kernel);
	int r = sandbox_check_use(&guest->sandbox, function);
	if (r == 0)
		*out_kernel = guest->kernel;
	return r;
}

int kernel_set_path(char **out, const char *path, const char *function)
{
	struct stat st;
	if (!path || !*path)
		return error_argument(function, "the path is empty");
	char *absolute = realpath(path, NULL);
	if (!absolute)
		return error_fail(VISO_STAGE_ARGUMENT, errno, path, "%s: %s: %s", function, path,
				  strerrordesc_np(errno));
	if (stat(absolute, &st) == 0 && S_ISDIR(st.st_mode)) {
		free(absolute);
		return error_fail(VISO_STAGE_ARGUMENT, EISDIR, path, "%s: %s is a directory", function, path);
	}
	free(*out);
	*out = absolute;
	return 0;
}

int viso_guest_set_kernel(viso_guest *guest, const char *path)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0)
		r = kernel_set_path(&kernel->image, path, __func__);
	if (r == 0)
		kernel->is_flat = false;
	return r;
}

int viso_guest_set_flat_image(viso_guest *guest, const char *path, uint64_t address)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0 && (address < LAYOUT_FLAT_MIN || address >= LAYOUT_LOW_END))
		return error_argument(__func__, "the address is not from 0x500 to below 0xa0000");
	if (r == 0)
		r = kernel_set_path(&kernel->image, path, __func__);
	if (r < 0)
		return r;
	kernel->is_flat = true;
	kernel->flat_address = address;
	return 0;
}

int viso_guest_set_initramfs(viso_guest *guest, const char *path)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	return r < 0 ? r : kernel_set_path(&kernel->initramfs, path, __func__);
}

int viso_guest_set_firmware(viso_guest *guest, const char *path)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	return r < 0 ? r : kernel_set_path(&kernel->firmware, path, __func__);
}

int viso_guest_set_command_line(viso_guest *guest, const char *text)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (!text || strlen(text) >= LAYOUT_COMMAND_LINE_MAX)
		return error_argument(__func__, "the command line is NULL, or longer than 4095 bytes");
	char *copy = strdup(text);
	if (!copy)
		return error_memory();
	free(kernel->command_line);
	kernel->command_line = copy;
	return 0;
}

int viso_guest_set_processors(viso_guest *guest, unsigned count)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0 && (count < 1 || count > MACHINE_PROCESSORS_MAX))
		return error_argument(__func__, "the number of processors is not between 1 and 64");
	if (r == 0)
		kernel->processors = count;
	return r;
}

int viso_guest_set_agent(viso_guest *guest, viso_agent agent)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (agent != VISO_AGENT_VISO && agent != VISO_AGENT_QEMU)
		return error_argument(__func__, "no such agent");
	const struct agent_ops *agents = agent == VISO_AGENT_QEMU ? qemu_agent_ops() : &viso_agent_ops;
	if (!agents)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: this library was built without json-c, which qemu-ga's protocol needs",
				  __func__);
	kernel->tools.ops = agents;
	return 0;
}

int viso_guest_set_root_medium(viso_guest *guest, viso_root_medium medium)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0 && (unsigned)medium > VISO_ROOT_MEDIUM_SHARE)
		return error_argument(__func__, "no such medium");
	if (r == 0)
		kernel->tools.medium = medium;
	return r;
}

int viso_guest_set_platform(viso_guest *guest, viso_platform platform)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0 && platform != VISO_PLATFORM_MICROVM && platform != VISO_PLATFORM_PC)
		return error_argument(__func__, "no such platform");
	if (r == 0)
		kernel->platform = platform;
	return r;
}

int viso_guest_set_console(viso_guest *guest, viso_console console)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0 && console != VISO_CONSOLE_SERIAL && console != VISO_CONSOLE_VIRTIO)
		return error_argument(__func__, "no such console");
	if (r == 0)
		kernel->devices.console = console;
	return r;
}
