/* SPDX-License-Identifier: MIT */
/* System calls that tell the program who and where it is. */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "guest/instance.h"
#include "guest/program/calls.h"

int64_t call_getpid(struct program *program, const uint64_t args[6])
{
	return program->pid;
}

int64_t call_gettid(struct program *program, const uint64_t args[6])
{
	return program->task->tid;
}

int64_t call_getuid(struct program *program, const uint64_t args[6])
{
	return program->uid;
}

int64_t call_getgid(struct program *program, const uint64_t args[6])
{
	return program->gid;
}

static int64_t put_three(struct program *program, const uint64_t *addresses, unsigned id)
{
	for (int i = 0; i < 3; i++)
		if (space_write(program->space, addresses[i], &id, sizeof(id)) < 0)
			return -EFAULT;
	return 0;
}

int64_t call_getresuid(struct program *program, const uint64_t args[6])
{
	return put_three(program, args, program->uid);
}

int64_t call_getresgid(struct program *program, const uint64_t args[6])
{
	return put_three(program, args, program->gid);
}

int64_t call_getgroups(struct program *program, const uint64_t args[6])
{
	int room = (int)args[0];
	if (room < 0 || (room > 0 && (size_t)room < program->group_count))
		return -EINVAL;
	if (room > 0 && space_write(program->space, args[1], program->groups,
				    program->group_count * sizeof(program->groups[0])) < 0)
		return -EFAULT;
	return (int64_t)program->group_count;
}

/* As many ids, of which -1 stands for what it is: nobody becomes another. */
static int64_t keep_ids(const uint64_t *ids, int count, unsigned own)
{
	for (int i = 0; i < count; i++)
		if ((unsigned)ids[i] != own && (unsigned)ids[i] != (unsigned)-1)
			return -EPERM;
	return 0;
}

int64_t call_setresuid(struct program *program, const uint64_t args[6])
{
	return keep_ids(args, 3, program->uid);
}

int64_t call_setresgid(struct program *program, const uint64_t args[6])
{
	return keep_ids(args, 3, program->gid);
}

int64_t call_setreuid(struct program *program, const uint64_t args[6])
{
	return keep_ids(args, 2, program->uid);
}

int64_t call_setregid(struct program *program, const uint64_t args[6])
{
	return keep_ids(args, 2, program->gid);
}

/* These tell what it was before, whether or not it changes. */
int64_t call_setfsuid(struct program *program, const uint64_t args[6])
{
	return program->uid;
}

int64_t call_setfsgid(struct program *program, const uint64_t args[6])
{
	return program->gid;
}

/* capget(2): nobody has any. */
int64_t call_capget(struct program *program, const uint64_t args[6])
{
	static const uint32_t versions[] = {_LINUX_CAPABILITY_VERSION_1, _LINUX_CAPABILITY_VERSION_2,
					    _LINUX_CAPABILITY_VERSION_3};
	static const struct __user_cap_data_struct none[2];
	struct __user_cap_header_struct header;
	if (space_read(program->space, &header, args[0], sizeof(header)) < 0)
		return -EFAULT;
	size_t sets = header.version == versions[0] ? 1 : 2;
	if (header.version != versions[0] && header.version != versions[1] && header.version != versions[2]) {
		header.version = versions[2];
		if (space_write(program->space, args[0], &header, sizeof(header)) < 0)
			return -EFAULT;
		return args[1] ? -EINVAL : 0;
	}
	if (header.pid < 0 || (header.pid && !program_by_pid(program, header.pid)))
		return header.pid < 0 ? -EINVAL : -ESRCH;
	return args[1] ? space_write(program->space, args[1], none, sets * sizeof(none[0])) : 0;
}

/* setuid(2), setgid(2): to what it is already. */
int64_t call_set_ids(struct program *program, const uint64_t args[6])
{
	return args[0] == program->uid || args[0] == program->gid ? 0 : -EPERM;
}

/* The oldest kernel that has what we serve; the host's own is not the guest's business. */
const struct utsname guest_kernel_name = {
	.sysname = "Linux",
	.nodename = "guest",
	.release = "6.1.0-virtiso",
	.version = "#1 SMP virtiso",
	.machine = "x86_64",
	.domainname = "(none)",
};

int64_t call_uname(struct program *program, const uint64_t args[6])
{
	return space_write(program->space, args[0], &guest_kernel_name, sizeof(guest_kernel_name));
}

int64_t call_sysinfo(struct program *program, const uint64_t args[6])
{
	const struct guest_memory *memory = program->space->memory;
	const struct sysinfo info = {
		.uptime = (clock_now(CLOCK_MONOTONIC) - program->wall_start) / 1000000000,
		.totalram = memory->limit * GUEST_PAGE,
		.freeram = memory_left(memory) * GUEST_PAGE,
		.procs = (unsigned short)program->instance->scheduler.count,
		.mem_unit = 1,
	};
	return space_write(program->space, args[0], &info, sizeof(info));
}
