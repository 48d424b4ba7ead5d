/* SPDX-License-Identifier: MIT */
/*
 * libseccomp makes the filter for the table of refusals and those that look at arguments. In front of it stands a short
 * one of our own: calls newer than the table are ENOSYS, other architectures (i386, x32) end the program.
 */
#include "launch/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "launch/seccomp_profile.h"

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "name the AUDIT_ARCH of this processor"
#endif

/* The kernel looks at the low 32 bits of such arguments only; a filter must not be passed by setting a high one. */
static const uint64_t low_half = 0xffffffff;

struct variant {
	viso_isolation isolation;
	viso_network network;
	uint64_t capabilities;
};

/*
 * Filters are made once: libseccomp takes about a millisecond for one. The list only grows, at its head and without a
 * lock, since a thread that is not there after a fork could hold one for ever.
 */
struct cached_filter {
	struct cached_filter *next;
	struct variant variant;
	size_t count;
	struct sock_filter instructions[];
};

static _Atomic(struct cached_filter *) cache;

static bool has(const struct variant *variant, int capability)
{
	return capability != NO_CAPABILITY && (variant->capabilities >> capability & 1);
}

static int refuse(scmp_filter_ctx ctx, int error, const char *call, unsigned count,
		  const struct scmp_arg_cmp *arguments)
{
	int number = seccomp_syscall_resolve_name(call);
	if (number < 0) /* not a call of this processor or unknown to this libseccomp */
		return 0;
	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)error), number, count, arguments);
}

static int refuse_table(scmp_filter_ctx ctx, const struct variant *variant)
{
	int where = variant->isolation == VISO_ISOLATION_JAIL ? IN_JAIL : IN_CONTAINER;
	int r = 0;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]) && r == 0; i++)
		if ((refusals[i].where & where) && !has(variant, refusals[i].lifted_by))
			r = refuse(ctx, refusals[i].error, refusals[i].call, 0, NULL);
	return r;
}

/* New namespaces by clone(2); its flags are the first argument on the processors that we know. */
static int refuse_namespaces(scmp_filter_ctx ctx, const struct variant *variant)
{
	static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
					 CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
	int r = 0;
	if (has(variant, CAP_SYS_ADMIN))
		return 0;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && r == 0; i++)
		r = refuse(ctx, EPERM, "clone", 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
	return r;
}

/* Pushing input to a terminal, or pasting on the console (CVE-2017-5226). */
static int refuse_terminal_input(scmp_filter_ctx ctx)
{
	int r = refuse(ctx, EPERM, "ioctl", 1, &SCMP_A1(SCMP_CMP_MASKED_EQ, low_half, TIOCSTI));
	return r ? r : refuse(ctx, EPERM, "ioctl", 1, &SCMP_A1(SCMP_CMP_MASKED_EQ, low_half, TIOCLINUX));
}

static int refuse_devices(scmp_filter_ctx ctx)
{
	static const uint64_t types[] = {S_IFCHR, S_IFBLK};
	int r = 0;
	for (size_t i = 0; i < 2 && r == 0; i++) {
		r = refuse(ctx, EPERM, "mknod", 1, &SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, types[i]));
		if (r == 0)
			r = refuse(ctx, EPERM, "mknodat", 1, &SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, types[i]));
	}
	return r;
}

enum { OPENAT2 = 437, FCHMODAT2 = 452 }; /* on every processor; not every libseccomp knows their names */

static int refuse_bits(scmp_filter_ctx ctx, int number, struct scmp_arg_cmp mode, const struct scmp_arg_cmp *flags)
{
	static const uint64_t bits[] = {S_ISUID, S_ISGID};
	int r = 0;
	for (size_t i = 0; i < 2 && r == 0 && number >= 0; i++) {
		mode.datum_a = mode.datum_b = bits[i];
		const struct scmp_arg_cmp both[] = {mode, flags ? *flags : mode};
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), number, flags ? 2 : 1, both);
	}
	return r;
}

/*
 * A file that a jail's program makes setuid gives its user to whoever runs it outside of the root: uid 0 in a jail,
 * without any capability, would become root by an accomplice. In a container the ids are its own, and all mounts are
 * nosuid.
 */
static int refuse_setuid(scmp_filter_ctx ctx)
{
	static const struct {
		const char *call;
		int mode, flags; /* which arguments; flags of open(2), or -1 */
	} calls[] = {{"chmod", 1, -1}, {"fchmod", 1, -1},  {"fchmodat", 2, -1}, {"creat", 1, -1},
		     {"mknod", 1, -1}, {"mknodat", 2, -1}, {"open", 2, 1},      {"openat", 3, 2}};
	/* Without one of these the argument is not there, and anything may stand in its place. */
	static const uint64_t creating[] = {O_CREAT, O_TMPFILE & ~O_DIRECTORY};
	int r = refuse_bits(ctx, FCHMODAT2, SCMP_A2(SCMP_CMP_MASKED_EQ, 0, 0), NULL);
	/* Its mode lies in memory. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), OPENAT2, 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && r == 0; i++) {
		int number = seccomp_syscall_resolve_name(calls[i].call);
		struct scmp_arg_cmp mode = SCMP_CMP((unsigned)calls[i].mode, SCMP_CMP_MASKED_EQ, 0, 0);
		for (size_t j = 0; j < (calls[i].flags < 0 ? 1 : 2) && r == 0; j++) {
			struct scmp_arg_cmp flags =
				SCMP_CMP((unsigned)calls[i].flags, SCMP_CMP_MASKED_EQ, creating[j], creating[j]);
			r = refuse_bits(ctx, number, mode, calls[i].flags < 0 ? NULL : &flags);
		}
	}
	return r;
}

/* A jail has no network namespace, so its sockets are the host's; vsock reaches the hypervisor from any namespace. */
static int refuse_sockets(scmp_filter_ctx ctx, const struct variant *variant)
{
	if (variant->isolation == VISO_ISOLATION_JAIL && variant->network == VISO_NETWORK_NONE)
		return refuse(ctx, EPERM, "socket", 1, &SCMP_A0(SCMP_CMP_NE, AF_UNIX));
	int r = refuse(ctx, EAFNOSUPPORT, "socket", 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, low_half, AF_VSOCK));
	return r ? r : refuse(ctx, EAFNOSUPPORT, "socket", 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, low_half, AF_ALG));
}

static int add_rules(scmp_filter_ctx ctx, const struct variant *variant)
{
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A binary tree: loading and running it takes a third of the time of a list. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = refuse_table(ctx, variant);
	if (r == 0)
		r = refuse_namespaces(ctx, variant);
	if (r == 0)
		r = refuse_terminal_input(ctx);
	if (r == 0)
		r = refuse_devices(ctx);
	if (r == 0)
		r = refuse_sockets(ctx, variant);
	if (r == 0 && variant->isolation == VISO_ISOLATION_JAIL)
		r = refuse_setuid(ctx);
	/* The limits of another process of the same user, outside. A program's own are those of process 0. */
	if (r == 0 && variant->isolation == VISO_ISOLATION_JAIL)
		r = refuse(ctx, EPERM, "prlimit64", 2,
			   (const struct scmp_arg_cmp[]){SCMP_A0(SCMP_CMP_NE, 0), SCMP_A2(SCMP_CMP_NE, 0)});
	return r;
}

/* What stands before libseccomp's filter, which checks the architecture once more. */
static const struct sock_filter preface[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 4),
	/* -1 is what a tracer sets for "skip"; the x32 calls have bit 30 set. */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
};
enum { PREFACE_COUNT = sizeof(preface) / sizeof(preface[0]) };

/* libseccomp 2.5 exports to a fd only. */
static struct cached_filter *export_filter(scmp_filter_ctx ctx)
{
	struct stat st;
	_cleanup_close_ int fd = memfd_create("viso-seccomp", MFD_CLOEXEC);
	if (fd < 0 || seccomp_export_bpf(ctx, fd) < 0 || fstat(fd, &st) < 0)
		return NULL;
	size_t count = (size_t)st.st_size / sizeof(struct sock_filter);
	struct cached_filter *filter =
		malloc(sizeof(*filter) + (count + PREFACE_COUNT) * sizeof(filter->instructions[0]));
	if (!filter)
		return NULL;
	memcpy(filter->instructions, preface, sizeof(preface));
	if (pread(fd, filter->instructions + PREFACE_COUNT, (size_t)st.st_size, 0) != st.st_size) {
		free(filter);
		return NULL;
	}
	filter->count = count + PREFACE_COUNT;
	return filter;
}

static struct cached_filter *make_filter(const struct variant *variant)
{
	errno = ENOMEM;
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	struct cached_filter *filter = ctx && add_rules(ctx, variant) == 0 ? export_filter(ctx) : NULL;
	int error = errno;
	if (filter)
		filter->variant = *variant;
	seccomp_release(ctx);
	errno = error;
	return filter;
}

static bool same_variant(const struct variant *a, const struct variant *b)
{
	return a->isolation == b->isolation && a->network == b->network && a->capabilities == b->capabilities;
}

/*
 * Cached filters live as long as the process; there are as many as it uses combinations of settings, now and then one
 * more, where two threads wanted the first at the same time. NULL with errno.
 */
static const struct cached_filter *find_filter(const struct variant *variant)
{
	struct cached_filter *filter = atomic_load(&cache);
	while (filter && !same_variant(&filter->variant, variant))
		filter = filter->next;
	if (filter)
		return filter;
	filter = make_filter(variant);
	if (filter) {
		filter->next = atomic_load(&cache);
		while (!atomic_compare_exchange_weak(&cache, &filter->next, filter))
			;
	}
	return filter;
}

int seccomp_add(struct launch_request *request, viso_isolation isolation, viso_network network, uint64_t capabilities)
{
	const struct variant variant = {.isolation = isolation, .network = network, .capabilities = capabilities};
	const struct cached_filter *filter = find_filter(&variant);
	if (!filter)
		return error_fail(VISO_STAGE_SECCOMP, errno, "seccomp", "the seccomp filter cannot be made: %s",
				  strerrordesc_np(errno));
	plan_offset offset =
		request_add_bytes(request, filter->instructions, filter->count * sizeof(filter->instructions[0]));
	request->plan->security.filter = offset;
	request->plan->security.filter_count = (uint32_t)filter->count;
	return request->error;
}

bool seccomp_is_built(void)
{
	return true;
}
