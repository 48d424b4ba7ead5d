/* SPDX-License-Identifier: MIT */
#include "bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "box.h"
#include "tree.h"

char *bundle_new(void)
{
	char *directory = support_temporary_directory(), *tree = box_new_tree(), *root = tree_path(directory, "rootfs");
	char *command = NULL;
	assert_true(asprintf(&command, "mv '%s' '%s'", tree, root) > 0);
	assert_int_equal(system(command), 0);
	tree_directory(root, "sys", 0755);
	free(command);
	free(root);
	free(tree);
	return directory;
}

void bundle_write(const char *directory, const char *script, const char *process, const char *namespaces,
		  const char *on_linux, const char *more)
{
	static const char format[] =
		"{\"ociVersion\":\"1.0.2-dev\","
		"\"process\":{\"user\":{\"uid\":0,\"gid\":0},"
		"\"args\":[\"/bin/sh\",\"-c\",\"%s\"],"
		"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],"
		"\"cwd\":\"/\","
		"\"capabilities\":{\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
		"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
		"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
		"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":512}],"
		"\"noNewPrivileges\":true%s},"
		"\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
		"\"hostname\":\"runc\","
		"\"mounts\":["
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
		"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
		"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
		"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
		"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
		"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
		"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
		"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
		"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
		"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
		"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
		"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
		"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
		"\"namespaces\":[%s],"
		"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
		"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\","
		"\"/sys/firmware\",\"/proc/scsi\"],"
		"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
		"\"/proc/sysrq-trigger\"]%s}%s}";
	static const char usual[] = "{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
				    "{\"type\":\"mount\"},{\"type\":\"cgroup\"}";
	char *text = NULL;
	assert_true(asprintf(&text, format, script, process, namespaces ? namespaces : usual, on_linux, more) > 0);
	tree_write(directory, "config.json", text, 0644);
	free(text);
}

char *bundle_run(const char *directory, int *out_exit_code)
{
	viso_container *container;
	viso_command *command;
	viso_result *result;
	assert_ok(viso_container_load_bundle(directory, &container, &command));
	assert_ok(viso_command_capture(command, 65536));
	assert_ok(viso_sandbox_run(viso_container_sandbox(container), command, &result));
	char *text = strdup(viso_result_output(result, VISO_STDOUT, NULL));
	if (out_exit_code)
		*out_exit_code = viso_result_exit_code(result);
	viso_result_unref(result);
	viso_command_unref(command);
	viso_container_unref(container);
	return text;
}
