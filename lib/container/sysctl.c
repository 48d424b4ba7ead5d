/* SPDX-License-Identifier: MIT */
/*
 * The names are compared whole, with a list, for what one filter lets through another one may read differently
 * (CVE-2022-0811: "kernel.shm_rmid_forced=1+kernel.core_pattern=..."). Those of the network are too many for that: the
 * kernel shows in a network namespace only what is its own, or cannot be written there (net/sysctl_net.c).
 */
#include "container/sysctl.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const struct {
	const char *name;
	viso_namespace kind;
} own[] = {
	{"fs.mqueue.msg_default", VISO_NAMESPACE_IPC},
	{"fs.mqueue.msg_max", VISO_NAMESPACE_IPC},
	{"fs.mqueue.msgsize_default", VISO_NAMESPACE_IPC},
	{"fs.mqueue.msgsize_max", VISO_NAMESPACE_IPC},
	{"fs.mqueue.queues_max", VISO_NAMESPACE_IPC},
	{"kernel.msgmax", VISO_NAMESPACE_IPC},
	{"kernel.msgmnb", VISO_NAMESPACE_IPC},
	{"kernel.msgmni", VISO_NAMESPACE_IPC},
	{"kernel.sem", VISO_NAMESPACE_IPC},
	{"kernel.shm_rmid_forced", VISO_NAMESPACE_IPC},
	{"kernel.shmall", VISO_NAMESPACE_IPC},
	{"kernel.shmmax", VISO_NAMESPACE_IPC},
	{"kernel.shmmni", VISO_NAMESPACE_IPC},
	{"user.max_cgroup_namespaces", VISO_NAMESPACE_USER},
	{"user.max_ipc_namespaces", VISO_NAMESPACE_USER},
	{"user.max_mnt_namespaces", VISO_NAMESPACE_USER},
	{"user.max_net_namespaces", VISO_NAMESPACE_USER},
	{"user.max_pid_namespaces", VISO_NAMESPACE_USER},
	{"user.max_time_namespaces", VISO_NAMESPACE_USER},
	{"user.max_user_namespaces", VISO_NAMESPACE_USER},
	{"user.max_uts_namespaces", VISO_NAMESPACE_USER},
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/*
 * Words with single dots between them; as for sysctl(8), a slash stands for a dot that is part of a word, as in the
 * interface eth0.100. No path that comes of it has an empty word, "." or "..".
 */
static bool to_path(const char *name, char *out_path, size_t size)
{
	size_t length = strlen(name);
	if (length == 0 || length >= size)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool separates = name[i] == '.' || name[i] == '/';
		if (separates ? i == 0 || !is_word(name[i - 1]) || !is_word(name[i + 1]) : !is_word(name[i]))
			return false;
		out_path[i] = name[i];
		if (separates)
			out_path[i] = name[i] == '.' ? '/' : '.';
	}
	out_path[length] = '\0';
	return true;
}

int sysctl_find(const char *name, char *out_path, size_t size)
{
	if (!to_path(name, out_path, size))
		return -EINVAL;
	if (!strncmp(name, "net.", 4))
		return VISO_NAMESPACE_NETWORK;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!strcmp(name, own[i].name))
			return (int)own[i].kind;
	return -EPERM;
}
