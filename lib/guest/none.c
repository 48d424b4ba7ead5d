/* SPDX-License-Identifier: MIT */
/* In place of guest.c where the library is built without guests. */
#include <virtiso/guest.h>
#include <virtiso/guest_agent.h>
#include <virtiso/guest_calls.h>
#include <virtiso/guest_devices.h>
#include <virtiso/guest_files.h>
#include <virtiso/guest_hypercalls.h>
#include <virtiso/guest_kernel.h>
#include <virtiso/guest_limits.h>
#include <virtiso/guest_pc.h>
#include <virtiso/snapshot.h>

#include <errno.h>
#include <stddef.h>

#include "core/error.h"

static int unsupported(const char *function)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
			  "%s: this library was built without guests; build it for x86-64 with the option kvm enabled",
			  function);
}

viso_guest *viso_guest_new(void)
{
	unsupported(__func__);
	return NULL;
}

/* No handle can exist: these get NULL or garbage. */
viso_guest *viso_guest_ref(viso_guest *guest)
{
	return guest;
}

viso_guest *viso_guest_unref(viso_guest *guest)
{
	return NULL;
}

viso_sandbox *viso_guest_sandbox(viso_guest *guest)
{
	error_argument(__func__, "the handle is NULL");
	return NULL;
}

int viso_guest_set_root(viso_guest *guest, viso_root *root)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_core_path(viso_guest *guest, const char *path)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_memory_max(viso_guest *guest, uint64_t bytes)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_processes_max(viso_guest *guest, uint64_t count)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_placement(viso_guest *guest, viso_placement placement)
{
	return unsupported(__func__);
}

int viso_guest_initialise(viso_guest *guest, const viso_command *command, viso_result **out_result)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_call(viso_guest *guest, const char *symbol, const uint64_t *args, size_t count, int timeout_ms,
		    uint64_t *out_value)
{
	return error_argument(__func__, "the handle is NULL");
}

int64_t viso_guest_call_bytes(viso_guest *guest, const char *symbol, const void *in, size_t in_size, void *out,
			      size_t out_max, int timeout_ms)
{
	return error_argument(__func__, "the handle is NULL");
}

int64_t viso_guest_request(viso_guest *guest, const void *in, size_t in_size, void *out, size_t out_max, int timeout_ms)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_cancel(viso_guest *guest)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_last_result(viso_guest *guest, viso_result **out_result)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_hypercall_handler(viso_guest *guest, unsigned number, viso_hypercall_fn handler, void *userdata,
				     viso_destroy_fn destroy)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_queue_hypercall(viso_guest *guest, unsigned number)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_hypercall_fd(viso_guest *guest)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_next_hypercall(viso_guest *guest, int timeout_ms, viso_hypercall **out_hypercall)
{
	return error_argument(__func__, "the handle is NULL");
}

viso_hypercall *viso_hypercall_ref(viso_hypercall *hypercall)
{
	return NULL;
}

viso_hypercall *viso_hypercall_unref(viso_hypercall *hypercall)
{
	return NULL;
}

int viso_hypercall_number(const viso_hypercall *hypercall)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_hypercall_argument(const viso_hypercall *hypercall, unsigned index, uint64_t *out_value)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_hypercall_read(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_hypercall_write(viso_hypercall *hypercall, uint64_t address, const void *data, size_t size)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_hypercall_defer(viso_hypercall *hypercall)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_hypercall_answer(viso_hypercall *hypercall, int64_t value)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_hypercall_refuse(viso_hypercall *hypercall, int error)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_ring(viso_guest *guest, unsigned poll_us)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_connect_handler(viso_guest *guest, viso_connect_fn handler, void *userdata, viso_destroy_fn destroy)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_syscalls_max(viso_guest *guest, uint64_t count)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_syscalls(viso_guest *guest, int unserved, int *out_numbers, uint64_t *out_counts, size_t max)
{
	return error_argument(__func__, "the handle is NULL");
}

const char *viso_syscall_name(int number)
{
	return "unknown";
}

int viso_guest_set_files_max(viso_guest *guest, uint64_t count)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_written_max(viso_guest *guest, uint64_t bytes)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_add_bind(viso_guest *guest, const char *source, const char *path, int writable)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_add_bind_fd(viso_guest *guest, int fd, const char *path, int writable)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_add_file(viso_guest *guest, const char *path, const void *data, size_t size, unsigned mode)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_upper_discarded(viso_guest *guest, uint64_t size_max)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_upper_directory(viso_guest *guest, const char *directory)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_snapshot(viso_guest *guest, viso_snapshot **out_snapshot)
{
	return error_argument(__func__, "the handle is NULL");
}

viso_snapshot *viso_snapshot_ref(viso_snapshot *snapshot)
{
	return snapshot;
}

viso_snapshot *viso_snapshot_unref(viso_snapshot *snapshot)
{
	return NULL;
}

int viso_snapshot_clone(viso_snapshot *snapshot, viso_guest **out_guest)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_reset(viso_guest *guest)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_snapshot_save(const viso_snapshot *snapshot, const char *path)
{
	return unsupported(__func__);
}

int viso_snapshot_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot)
{
	return unsupported(__func__);
}

int64_t viso_snapshot_size(const viso_snapshot *snapshot)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_prepare(unsigned count)
{
	return unsupported(__func__);
}

int viso_guest_set_kernel(viso_guest *guest, const char *path)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_flat_image(viso_guest *guest, const char *path, uint64_t address)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_initramfs(viso_guest *guest, const char *path)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_command_line(viso_guest *guest, const char *text)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_processors(viso_guest *guest, unsigned count)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_platform(viso_guest *guest, viso_platform platform)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_agent(viso_guest *guest, viso_agent agent)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_root_medium(viso_guest *guest, viso_root_medium medium)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_firmware(viso_guest *guest, const char *path)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_boot(viso_guest *guest, const viso_command *streams, viso_process **out_process)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_add_disk(viso_guest *guest, const char *path, unsigned flags)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_screen(viso_guest *guest, char *buffer, size_t size)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_type(viso_guest *guest, const char *text)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_press_power_button(viso_guest *guest)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_shut_down(viso_guest *guest, viso_shutdown how, int timeout_ms)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_clock(viso_guest *guest, int timeout_ms)
{
	return error_argument(__func__, "the handle is NULL");
}

int64_t viso_guest_statistic(viso_guest *guest, viso_statistic statistic, int timeout_ms)
{
	return error_argument(__func__, "the handle is NULL");
}

int64_t viso_guest_traffic(viso_guest *guest, viso_device device, unsigned number, viso_traffic figure)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_add_port(viso_guest *guest, const char *name, int fd)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_add_network(viso_guest *guest, int fd, const char *mac)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_vsock(viso_guest *guest, unsigned cid, const char *path)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_share_directory(viso_guest *guest, const char *path, const char *tag)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_balloon(viso_guest *guest, uint64_t bytes)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_memory_figure(viso_guest *guest, viso_memory_figure figure, uint64_t *out_value)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_press_reset_button(viso_guest *guest)
{
	return error_argument(__func__, "the handle is NULL");
}
