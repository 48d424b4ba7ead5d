/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>

#include "launcher.h"

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

/* The group keeps the program until it is removed; it takes CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN. */
int cgroup_filter_devices(const struct cgroup *group, const struct plan *plan)
{
	static const char license[] = "MIT";
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uint64_t)(uintptr_t)plan_string(plan, plan->cgroups.device_program),
		.insn_cnt = plan->cgroups.device_count,
		.license = (uint64_t)(uintptr_t)license,
	};
	int program = bpf(BPF_PROG_LOAD, &load);
	if (program < 0)
		return fail(VISO_STAGE_CGROUP, errno == EPERM || errno == ENOSYS ? EOPNOTSUPP : 0,
			    "BPF_PROG_TYPE_CGROUP_DEVICE");
	/* Not by O_PATH. */
	int directory = cgroup_open(group, ".", O_RDONLY | O_DIRECTORY);
	union bpf_attr attach = {
		.target_fd = (uint32_t)directory,
		.attach_bpf_fd = (uint32_t)program,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};
	int r = directory < 0 ? -1 : bpf(BPF_PROG_ATTACH, &attach);
	if (r < 0)
		fail(VISO_STAGE_CGROUP, errno == EPERM ? EOPNOTSUPP : 0, "BPF_CGROUP_DEVICE");
	close_quietly(directory);
	close(program);
	return r < 0 ? -1 : 0;
}
