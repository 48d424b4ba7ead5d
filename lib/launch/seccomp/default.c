/* SPDX-License-Identifier: MIT */
/*
 * The default profile: the table of refusals, those that look at arguments, and ENOSYS for what is newer than the
 * table.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "launch/seccomp/filter.h"
#include "launch/seccomp/profile.h"

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

/* The kernel looks at the low 32 bits of such arguments only; a filter must not be passed by setting a high one. */
static const uint64_t low_half = 0xffffffff;

static bool has(const struct seccomp_wish *wish, int capability)
{
	return capability != NO_CAPABILITY && (wish->capabilities >> capability & 1);
}

static int refuse(scmp_filter_ctx ctx, int error, const char *call, unsigned count,
		  const struct scmp_arg_cmp *arguments)
{
	int number = seccomp_syscall_resolve_name(call);
	if (number < 0) /* not a call of this processor or unknown to this libseccomp */
		return 0;
	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)error), number, count, arguments);
}

static int refuse_table(scmp_filter_ctx ctx, const struct seccomp_wish *wish)
{
	int where = wish->isolation == VISO_ISOLATION_JAIL ? IN_JAIL : IN_CONTAINER;
	int r = 0;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]) && r == 0; i++)
		if ((refusals[i].where & where) && !has(wish, refusals[i].lifted_by))
			r = refuse(ctx, refusals[i].error, refusals[i].call, 0, NULL);
	return r;
}

/* New namespaces by clone(2); its flags are the first argument on the processors that we know. */
static int refuse_namespaces(scmp_filter_ctx ctx, const struct seccomp_wish *wish)
{
	static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
					 CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
	int r = 0;
	if (has(wish, CAP_SYS_ADMIN))
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
static int refuse_sockets(scmp_filter_ctx ctx, const struct seccomp_wish *wish)
{
	if (wish->isolation == VISO_ISOLATION_JAIL && wish->network == VISO_NETWORK_NONE)
		return refuse(ctx, EPERM, "socket", 1, &SCMP_A0(SCMP_CMP_NE, AF_UNIX));
	int r = refuse(ctx, EAFNOSUPPORT, "socket", 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, low_half, AF_VSOCK));
	return r ? r : refuse(ctx, EAFNOSUPPORT, "socket", 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, low_half, AF_ALG));
}

static int add_rules(scmp_filter_ctx ctx, const struct seccomp_wish *wish)
{
	int r = refuse_table(ctx, wish);
	if (r == 0)
		r = refuse_namespaces(ctx, wish);
	if (r == 0)
		r = refuse_terminal_input(ctx);
	if (r == 0)
		r = refuse_devices(ctx);
	if (r == 0)
		r = refuse_sockets(ctx, wish);
	if (r == 0 && wish->isolation == VISO_ISOLATION_JAIL)
		r = refuse_setuid(ctx);
	/* The limits of another process of the same user, outside. A program's own are those of process 0. */
	if (r == 0 && wish->isolation == VISO_ISOLATION_JAIL)
		r = refuse(ctx, EPERM, "prlimit64", 2,
			   (const struct scmp_arg_cmp[]){SCMP_A0(SCMP_CMP_NE, 0), SCMP_A2(SCMP_CMP_NE, 0)});
	return r;
}

/* Also of the number -1, which is what a tracer sets for "skip". */
static int refuse_newer(struct instructions *to)
{
	const struct sock_filter newer[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_CALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	return instructions_add(to, newer, sizeof(newer) / sizeof(newer[0]));
}

int default_profile_add(struct instructions *to, const struct seccomp_wish *wish)
{
	int r = refuse_newer(to);
	scmp_filter_ctx ctx = part_new(SCMP_ACT_ALLOW);
	if (!ctx)
		return -ENOMEM;
	if (r == 0)
		r = add_rules(ctx, wish);
	if (r == 0)
		r = instructions_add_part(to, ctx);
	seccomp_release(ctx);
	return r;
}
