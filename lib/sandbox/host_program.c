/* SPDX-License-Identifier: MIT */
#include "sandbox/host_program.h"

#include <stdio.h>
#include <unistd.h>
#include <virtiso/jail.h>
#include <virtiso/root.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"

static void cleanup_root(viso_root **root)
{
	viso_root_unref(*root);
}

static void cleanup_jail(viso_jail **jail)
{
	viso_jail_unref(*jail);
}

bool host_program_find(const char *name, char path[HOST_PROGRAM_PATH_MAX])
{
	static const char *const directories[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
						  "/usr/bin",        "/sbin",          "/bin"};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, HOST_PROGRAM_PATH_MAX, "%s/%s", directories[i], name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

viso_command *host_program_command(const char *path)
{
	viso_command *command = viso_command_new(path);
	if (command && viso_command_set_user(command, geteuid(), getegid()) < 0)
		command = viso_command_unref(command);
	return command;
}

int host_program_run(const viso_command *command, viso_result **out_result)
{
	_cleanup_(cleanup_root) viso_root *root = viso_root_new();
	_cleanup_(cleanup_jail) viso_jail *jail = viso_jail_new();
	if (!root || !jail)
		return -viso_error_number();
	int r = viso_root_use_directory(root, "/");
	if (r >= 0)
		r = viso_jail_set_root(jail, root);
	/* With it, much works as well, but for files that root may read by its capabilities only. */
	if (r >= 0 && viso_jail_set_hardening(jail, 0) < 0)
		log_debug("a program of the host runs hardened: %s", viso_error_message());
	return r < 0 ? r : viso_sandbox_run(viso_jail_sandbox(jail), command, out_result);
}

int host_program_check(const viso_result *result, viso_stage stage, int error, const char *name)
{
	if (viso_result_reason(result) == VISO_REASON_EXITED && viso_result_exit_code(result) == 0)
		return 0;
	size_t size = 0;
	const char *text = viso_result_output(result, VISO_STDERR, &size);
	if (!text || !size)
		text = viso_result_output(result, VISO_STDOUT, &size);
	while (text && size && text[size - 1] == '\n')
		size--;
	size_t begin = size;
	while (text && begin && text[begin - 1] != '\n')
		begin--;
	return error_fail(stage, error, name, "%s failed (%s): %.*s", name, viso_result_describe(result),
			  (int)(size - begin), text && size ? text + begin : "");
}
