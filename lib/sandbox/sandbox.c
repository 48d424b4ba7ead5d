/* SPDX-License-Identifier: MIT */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/hot.h"
#include "core/log.h"
#include "root/root.h"
#include "sandbox/events.h"
#include "sandbox/process.h"
#include "sandbox/process_list.h"
#include "sandbox/result.h"

const char *viso_isolation_name(viso_isolation isolation)
{
	switch (isolation) {
	case VISO_ISOLATION_JAIL:
		return "jail";
	case VISO_ISOLATION_CONTAINER:
		return "container";
	case VISO_ISOLATION_GUEST:
		return "guest";
	default:
		return NULL;
	}
}

int viso_sandbox_isolation(const viso_sandbox *sandbox)
{
	return sandbox ? (int)sandbox->backend->isolation : error_argument(__func__, "the sandbox is NULL");
}

int sandbox_init(viso_sandbox *sandbox, const struct backend *backend)
{
	sandbox->processes = process_list_new();
	if (!sandbox->processes)
		return error_memory();
	handle_init(&sandbox->handle);
	sandbox->backend = backend;
	sandbox->events[0] = sandbox->events[1] = -1;
	pthread_mutex_init(&sandbox->lock, NULL);
	return 0;
}

static void close_sandbox(viso_sandbox *sandbox, bool with_instance)
{
	pthread_mutex_lock(&sandbox->lock);
	bool first = !atomic_exchange(&sandbox->closed, true);
	pthread_mutex_unlock(&sandbox->lock);

	process_list_close(sandbox->processes);
	if (first && with_instance && sandbox->backend->close)
		sandbox->backend->close(sandbox);
}

bool sandbox_unref(viso_sandbox *sandbox)
{
	if (!handle_unref(&sandbox->handle))
		return false;
	if (handle_is_mine(&sandbox->handle))
		close_sandbox(sandbox, !sandbox->keeps_instance);
	events_release(sandbox);
	viso_root_unref(sandbox->root);
	process_list_unref(sandbox->processes);
	pthread_mutex_destroy(&sandbox->lock);
	return true;
}

HOT static int check_open(viso_sandbox *sandbox, const char *function)
{
	if (atomic_load(&sandbox->closed))
		return error_fail(VISO_STAGE_ARGUMENT, ESTALE, function, "%s: the sandbox is closed", function);
	return 0;
}

HOT int sandbox_check_use(viso_sandbox *sandbox, const char *function)
{
	int r = handle_check(sandbox ? &sandbox->handle : NULL, function);
	return r < 0 ? r : check_open(sandbox, function);
}

int sandbox_check_setter(viso_sandbox *sandbox, const char *function)
{
	int r = handle_check(sandbox ? &sandbox->handle : NULL, function);
	if (r < 0)
		return r;
	pthread_mutex_lock(&sandbox->lock);
	r = check_open(sandbox, function);
	if (r == 0 && sandbox->frozen)
		r = error_fail(VISO_STAGE_ARGUMENT, EBUSY, function,
			       "%s: the %s has run or started something already, which has frozen its settings; "
			       "make a new one",
			       function, viso_isolation_name(sandbox->backend->isolation));
	pthread_mutex_unlock(&sandbox->lock);
	return r;
}

int sandbox_set_root(viso_sandbox *sandbox, viso_root *root, const char *function)
{
	int r = sandbox_check_setter(sandbox, function);
	if (r < 0)
		return r;
	if (!root)
		return error_argument(function, "the root is NULL");
	viso_root_ref(root);
	viso_root_unref(sandbox->root);
	sandbox->root = root;
	return 0;
}

int sandbox_set_memory_max(viso_sandbox *sandbox, uint64_t bytes, uint64_t least, const char *function)
{
	int r = sandbox_check_setter(sandbox, function);
	if (r < 0)
		return r;
	if (bytes < least || bytes > INT64_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, function, "%s: %llu bytes; at least %llu are needed",
				  function, (unsigned long long)bytes, (unsigned long long)least);
	sandbox->memory_max = bytes;
	return 0;
}

int sandbox_set_processes_max(viso_sandbox *sandbox, uint64_t count, const char *function)
{
	int r = sandbox_check_setter(sandbox, function);
	if (r < 0)
		return r;
	if (count > INT32_MAX)
		return error_argument(function, "more processes than a kernel can have");
	sandbox->processes_max = count;
	return 0;
}

int sandbox_set_network(viso_sandbox *sandbox, viso_network network, const char *function)
{
	int r = sandbox_check_setter(sandbox, function);
	if (r < 0)
		return r;
	if ((unsigned)network > VISO_NETWORK_HOST)
		return error_argument(function, "no such network");
	sandbox->network = network;
	return 0;
}

static enum sandbox_nature nature(const viso_sandbox *sandbox)
{
	return sandbox->backend->nature ? sandbox->backend->nature(sandbox) : SANDBOX_SHARED;
}

bool sandbox_has_instance(const viso_sandbox *sandbox)
{
	return sandbox->backend->start && nature(sandbox) != SANDBOX_PROGRAM;
}

int sandbox_freeze(viso_sandbox *sandbox, const char *function)
{
	pthread_mutex_lock(&sandbox->lock);
	int r = check_open(sandbox, function);
	if (r == 0)
		sandbox->frozen = true;
	pthread_mutex_unlock(&sandbox->lock);
	return r;
}

int sandbox_prepare_start(viso_sandbox *sandbox, const char *function, int *out_root_fd)
{
	int r = handle_check(sandbox ? &sandbox->handle : NULL, function);
	if (r < 0)
		return r;
	pthread_mutex_lock(&sandbox->lock);
	r = check_open(sandbox, function);
	/* A computer may have it in its own initramfs, or on a disk. */
	bool needs_root = !sandbox->attached && nature(sandbox) != SANDBOX_COMPUTER;
	if (r == 0 && !sandbox->root && needs_root)
		r = error_argument(function, "no root file system was set");
	if (r == 0)
		sandbox->frozen = true;
	pthread_mutex_unlock(&sandbox->lock);
	return r < 0 || !sandbox->root ? r : root_open(sandbox->root, out_root_fd);
}

static int start(viso_sandbox *sandbox, const viso_command *command, const char *function, bool to_end,
		 viso_process **out_process)
{
	_cleanup_close_ int root_fd = -1;
	int r = handle_check(sandbox ? &sandbox->handle : NULL, function);
	if (r == 0)
		r = command ? handle_check(&command->handle, function)
			    : error_argument(function, "the command is NULL");
	if (r == 0)
		r = sandbox_prepare_start(sandbox, function, &root_fd);
	if (r < 0)
		return r;
	viso_process *process = process_new();
	if (!process)
		return error_memory();
	log_debug("%s: starting %s", viso_isolation_name(sandbox->backend->isolation), command->argv.items[0]);
	events_prepare(sandbox, process);
	r = sandbox->backend->spawn(sandbox, command, root_fd, to_end, process);
	if (r < 0)
		process->ops = NULL;
	else
		r = process_list_add(sandbox->processes, process);
	if (r < 0) {
		viso_process_unref(process);
		return r;
	}
	*out_process = process;
	return 0;
}

int sandbox_spawn_to_end(viso_sandbox *sandbox, const viso_command *command, const char *function,
			 viso_process **out_process)
{
	return start(sandbox, command, function, true, out_process);
}

int viso_sandbox_spawn(viso_sandbox *sandbox, const viso_command *command, viso_process **out_process)
{
	if (!out_process)
		return error_argument(__func__, "out_process is NULL");
	viso_process *process;
	int r = start(sandbox, command, __func__, false, &process);
	if (r < 0)
		return r;
	if (process->ops->await_start)
		r = process->ops->await_start(process);
	if (r < 0) {
		viso_process_unref(process);
		return r;
	}
	*out_process = process;
	return 0;
}

int viso_sandbox_start(viso_sandbox *sandbox)
{
	_cleanup_close_ int root_fd = -1;
	int r = handle_check(sandbox ? &sandbox->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!sandbox_has_instance(sandbox))
		return error_fail(
			VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
			"%s: a %s has no instance that stays; take a jail or container, or a command that stays",
			__func__, viso_isolation_name(sandbox->backend->isolation));
	r = sandbox_prepare_start(sandbox, __func__, &root_fd);
	return r < 0 ? r : sandbox->backend->start(sandbox, root_fd);
}

static bool has_pipe(const viso_command *command)
{
	for (int i = 0; i < 3; i++)
		if (command->stdio[i].kind == STDIO_PIPE)
			return true;
	return false;
}

int viso_sandbox_run(viso_sandbox *sandbox, const viso_command *command, viso_result **out_result)
{
	if (command && has_pipe(command))
		return error_argument(
			__func__, "a stream is VISO_STDIO_PIPE, which nobody could serve; use viso_sandbox_spawn()");
	if (command && command->terminal.columns)
		return error_argument(__func__, "the command has a terminal, which nobody could serve; use "
						"viso_sandbox_spawn()");
	viso_process *process;
	int r = start(sandbox, command, __func__, true, &process);
	if (r < 0)
		return r;
	if (process->ops->drive)
		process->ops->drive(process);
	while ((r = process_finish(process, -1)) == -EINTR)
		;
	if (r == 0 && out_result)
		*out_result = viso_result_ref(process->result);
	viso_process_unref(process);
	return r;
}

static int signal_all(viso_sandbox *sandbox, int signal)
{
	int count = process_list_signal(sandbox->processes, signal);
	int own = count >= 0 && sandbox->backend->signal ? sandbox->backend->signal(sandbox, signal) : 0;
	return own < 0 ? own : count + own;
}

int viso_sandbox_signal(viso_sandbox *sandbox, int signal)
{
	int r = sandbox_check_use(sandbox, __func__);
	if (r < 0)
		return r;
	if (signal < 1 || signal > 64)
		return error_argument(__func__, "a signal is a number from 1 to 64");
	return signal_all(sandbox, signal);
}

int viso_sandbox_kill(viso_sandbox *sandbox)
{
	int r = sandbox_check_use(sandbox, __func__);
	return r < 0 ? r : signal_all(sandbox, SIGKILL);
}

int viso_sandbox_pids(viso_sandbox *sandbox, int *out_pids, size_t max)
{
	int r = sandbox_check_use(sandbox, __func__);
	if (r < 0)
		return r;
	if (max && !out_pids)
		return error_argument(__func__, "out_pids is NULL");
	struct pids pids = {.out = out_pids, .max = max};
	r = process_list_pids(sandbox->processes, &pids);
	if (r == 0 && sandbox->backend->pids)
		r = sandbox->backend->pids(sandbox, &pids);
	return r < 0 ? r : (int)pids.count;
}

static int pause_all(viso_sandbox *sandbox, bool pause, const char *function)
{
	int r = sandbox_check_use(sandbox, function);
	if (r < 0)
		return r;
	if (nature(sandbox) == SANDBOX_PROGRAM)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, function, "%s: a program guest cannot be paused",
				  function);
	int instance = sandbox->backend->pause ? sandbox->backend->pause(sandbox, pause) : 0;
	return instance < 0 ? instance : process_list_pause(sandbox->processes, pause);
}

int viso_sandbox_pause(viso_sandbox *sandbox)
{
	return pause_all(sandbox, true, __func__);
}

int viso_sandbox_resume(viso_sandbox *sandbox)
{
	return pause_all(sandbox, false, __func__);
}

int64_t viso_sandbox_usage(viso_sandbox *sandbox, viso_usage usage)
{
	int64_t figures[RESULT_USAGE_COUNT];
	memset(figures, 0xff, sizeof(figures));
	int r = sandbox_check_use(sandbox, __func__);
	if (r < 0)
		return r;
	if ((unsigned)usage >= RESULT_USAGE_COUNT)
		return error_argument(__func__, "no such figure");
	if (nature(sandbox) == SANDBOX_PROGRAM)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: what a program guest uses is known at its end", __func__);
	int asked = sandbox->backend->usage ? sandbox->backend->usage(sandbox, figures) : 0;
	r = asked < 0 ? asked : process_list_usage(sandbox->processes, figures, asked > 0);
	if (r < 0)
		return r;
	if (asked + r > 0 && figures[usage] < 0)
		return error_fail(
			VISO_STAGE_PROCESS, ENODATA, __func__,
			"%s: it is not counted for these commands; a limit of the container gives them control "
			"groups that may count it",
			__func__);
	return figures[usage] < 0 ? 0 : figures[usage];
}

int viso_sandbox_close(viso_sandbox *sandbox)
{
	int r = handle_check(sandbox ? &sandbox->handle : NULL, __func__);
	if (r == 0 && sandbox->backend->check_close)
		r = sandbox->backend->check_close(sandbox);
	if (r < 0)
		return r;
	close_sandbox(sandbox, true);
	return 0;
}
