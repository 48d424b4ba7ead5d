/* SPDX-License-Identifier: MIT */
#include "launch/cgroup/devices.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_WRITE = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE, ALL = READ_WRITE | BPF_DEVCG_ACC_MKNOD };
enum { BEGINNING = 6, LARGEST_RULE = 8, END = 2 }; /* instructions */

/* null, zero, full, random, urandom; tty, console, ptmx; the terminals of devpts (devices.txt of the kernel). */
static const struct cgroup_device own[] = {
	{'c', 1, 3, READ_WRITE}, {'c', 1, 5, READ_WRITE}, {'c', 1, 7, READ_WRITE},
	{'c', 1, 8, READ_WRITE}, {'c', 1, 9, READ_WRITE}, {'c', 5, 0, READ_WRITE},
	{'c', 5, 1, READ_WRITE}, {'c', 5, 2, READ_WRITE}, {'c', 136, -1, READ_WRITE},
};
enum { OWN = sizeof(own) / sizeof(own[0]) };

static const struct cgroup_device *rule(const struct cgroup_device *devices, size_t index)
{
	return index < OWN ? &own[index] : &devices[index - OWN];
}

static int add_line(struct cgroup_limits *limits, char type, const struct cgroup_device *device)
{
	char line[64], major[16] = "*", minor[16] = "*";
	if (device->major >= 0)
		snprintf(major, sizeof(major), "%d", device->major);
	if (device->minor >= 0)
		snprintf(minor, sizeof(minor), "%d", device->minor);
	snprintf(line, sizeof(line), "%c %s:%s %s%s%s", type, major, minor,
		 device->access & BPF_DEVCG_ACC_READ ? "r" : "", device->access & BPF_DEVCG_ACC_WRITE ? "w" : "",
		 device->access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
	return cgroup_limits_add(limits, "devices", 0, "devices.allow", line, NULL, NULL);
}

int devices_add_lines(struct cgroup_limits *limits, const struct cgroup_device *devices, size_t count)
{
	int r = cgroup_limits_add(limits, "devices", 0, "devices.deny", "a", NULL, NULL);
	for (size_t i = 0; r == 0 && i < OWN + count; i++) {
		const struct cgroup_device *device = rule(devices, i);
		/* Version 1 takes "a" for everything, whatever numbers follow. */
		if (device->type != 'b')
			r = add_line(limits, 'c', device);
		if (r == 0 && device->type != 'c')
			r = add_line(limits, 'b', device);
	}
	return r;
}

/* What an instruction is made of: linux/bpf_common.h and linux/bpf.h. */
static struct bpf_insn instruction(int code, int to, int from, int offset, int number)
{
	return (struct bpf_insn){.code = (__u8)code,
				 .dst_reg = (__u8)(to & 15),
				 .src_reg = (__u8)(from & 15),
				 .off = (__s16)offset,
				 .imm = number};
}

enum { LOAD = BPF_LDX | BPF_MEM | BPF_W, MOVE = BPF_ALU | BPF_MOV, AND = BPF_ALU | BPF_AND, SHIFT = BPF_ALU | BPF_RSH };

/* Registers: 2 has the type, 3 the access that is wanted, 4 major, 5 minor (struct bpf_cgroup_dev_ctx). */
static struct bpf_insn *begin(struct bpf_insn *next)
{
	*next++ = instruction(LOAD, 2, 1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	*next++ = instruction(LOAD, 4, 1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	*next++ = instruction(LOAD, 5, 1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	*next++ = instruction(MOVE | BPF_X, 3, 2, 0, 0);
	*next++ = instruction(SHIFT | BPF_K, 3, 0, 0, 16); /* the access bits lie above the type */
	*next++ = instruction(AND | BPF_K, 2, 0, 0, 0xffff);
	return next;
}

/* Ends with 1 where the rule allows what is wanted; else goes on behind it. */
static struct bpf_insn *allow(struct bpf_insn *next, const struct cgroup_device *device)
{
	struct bpf_insn *first = next;
	if (device->type != 'a')
		*next++ = instruction(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0,
				      device->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (device->major >= 0)
		*next++ = instruction(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, device->major);
	if (device->minor >= 0)
		*next++ = instruction(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, device->minor);
	*next++ = instruction(MOVE | BPF_X, 1, 3, 0, 0);
	*next++ = instruction(AND | BPF_K, 1, 0, 0, (int)(ALL & ~device->access));
	*next++ = instruction(BPF_JMP | BPF_JNE | BPF_K, 1, 0, 0, 0);
	*next++ = instruction(MOVE | BPF_K, 0, 0, 0, 1);
	*next++ = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (struct bpf_insn *jump = first; jump < next; jump++)
		if (jump->code == (BPF_JMP | BPF_JNE | BPF_K))
			jump->off = (__s16)(next - jump - 1);
	return next;
}

struct bpf_insn *devices_make_program(const struct cgroup_device *devices, size_t count, uint32_t *out_count)
{
	struct bpf_insn *program = calloc(BEGINNING + (OWN + count) * LARGEST_RULE + END, sizeof(*program));
	if (!program)
		return NULL;
	struct bpf_insn *next = begin(program);
	for (size_t i = 0; i < OWN + count; i++)
		next = allow(next, rule(devices, i));
	*next++ = instruction(MOVE | BPF_K, 0, 0, 0, 0);
	*next++ = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	*out_count = (uint32_t)(next - program);
	return program;
}
