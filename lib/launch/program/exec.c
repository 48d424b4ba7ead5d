/* SPDX-License-Identifier: MIT */
/*
 * The last steps before the program, the same in jail and container.
 *
 * This runs on memory that is shared with a waiting parent, so it makes raw system calls: musl's setresuid() and its
 * like would try to reach every thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <virtiso/container_namespaces.h>

#include "launcher.h"

/* What the launcher itself ignores; main() has put all others right. */
void restore_ignored_signals(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} action = {0};
	syscall(SYS_rt_sigaction, SIGPIPE, &action, NULL, 8);
	syscall(SYS_rt_sigaction, SIGXFSZ, &action, NULL, 8);
}

static int set_streams(const struct job *job)
{
	/* 0, 1 and 2 are the null device, to be closed on exec; every other source is above 2. */
	for (int i = 0; i < 3; i++) {
		int r = job->stream[i] == worker.null_fd ? fcntl(i, F_SETFD, 0)
							 : (int)syscall(SYS_dup3, job->stream[i], i, 0);
		if (r < 0)
			return fail(VISO_STAGE_STDIO, 0, "dup3");
	}
	return 0;
}

/* Which of the fds that are not in their places yet lies at `number`; -1 for none. */
static int find_source(const int *sources, uint32_t first, uint32_t count, int number)
{
	uint32_t i = first;
	while (i < count && sources[i] != number)
		i++;
	return i < count ? (int)i : -1;
}

/*
 * The fds that are handed in. Their numbers here are those of chance, so one may lie where another one belongs: it
 * gives way first. Numbers may lie above the soft limit, which is the program's again afterwards.
 */
static int place_added_fds(const struct job *job)
{
	const struct plan *plan = job->plan;
	uint64_t limit[2], raised[2];
	int sources[PLAN_ADDED_MAX];
	if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, limit) < 0)
		return fail(VISO_STAGE_STDIO, 0, "getrlimit");
	raised[0] = raised[1] = limit[1];
	if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, raised, NULL) < 0)
		return fail(VISO_STAGE_STDIO, 0, "setrlimit");
	for (uint32_t i = 0; i < plan->added_count; i++)
		sources[i] = job->fds[plan->added[i].fd];
	for (uint32_t i = 0; i < plan->added_count; i++) {
		int number = (int)plan->added[i].number;
		int in_the_way = find_source(sources, i + 1, plan->added_count, number);
		if (in_the_way >= 0 && (sources[in_the_way] = fcntl(number, F_DUPFD_CLOEXEC, 3)) < 0)
			return fail(VISO_STAGE_STDIO, 0, "dup");
		if (sources[i] != number && syscall(SYS_dup3, sources[i], number, O_CLOEXEC) < 0)
			return fail(VISO_STAGE_STDIO, errno == EBADF ? EMFILE : 0, "dup3");
	}
	if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, limit, NULL) < 0)
		return fail(VISO_STAGE_STDIO, 0, "setrlimit");
	return 0;
}

void close_between(unsigned first, unsigned last)
{
	uint64_t limit[2] = {0};
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	/* A filter around the host may not know that call. */
	syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, limit);
	for (unsigned fd = first; fd <= last && fd < limit[0]; fd++)
		close((int)fd);
}

void close_fds_from(unsigned first)
{
	close_between(first, ~0u);
}

/* The lowest of the fds that are needed later, from `first` on; ~0u where there is none. */
static unsigned next_spared(const struct plan *plan, int channel, unsigned first)
{
	unsigned lowest = ~0u;
	if ((plan->security.flags & PLAN_FILTER_NOTIFIES) && (unsigned)channel >= first)
		lowest = (unsigned)channel;
	for (uint32_t i = 0; i < plan->added_count; i++)
		if (plan->added[i].number >= first && plan->added[i].number < lowest)
			lowest = plan->added[i].number;
	return lowest;
}

/*
 * Close-on-exec is too late: working directory and program are still to be looked up, and by /proc/self/fd a path of
 * the command, or a link in the root, would lead out through a directory that is open here (CVE-2024-21626).
 */
static int close_other_fds(const struct plan *plan, int channel)
{
	for (unsigned next = 3, spared; next; next = spared + 1) {
		spared = next_spared(plan, channel, next);
		close_between(next, spared - (spared != ~0u));
	}
	for (uint32_t i = 0; i < plan->added_count; i++)
		if (fcntl((int)plan->added[i].number, F_SETFD, 0) < 0)
			return fail(VISO_STAGE_STDIO, 0, "fcntl");
	return 0;
}

static int set_rlimits(const struct plan *plan)
{
	if (worker.host_files[1] && syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, worker.host_files, NULL) < 0)
		return fail(VISO_STAGE_RLIMIT, 0, "setrlimit");
	for (uint32_t i = 0; i < plan->rlimit_count; i++) {
		struct {
			uint64_t soft, hard;
		} limit = {plan->rlimits[i].value, plan->rlimits[i].hard};
		if (syscall(SYS_prlimit64, 0, plan->rlimits[i].resource, &limit, NULL) < 0)
			return fail(VISO_STAGE_RLIMIT, 0, "setrlimit");
	}
	return 0;
}

/* As execvp(3): the next candidate is tried where there is no such file; what was found but refused is remembered. */
static void try_programs(const struct plan *plan, char **argv, char **env)
{
	int error = ENOENT;
	const char *program = plan_string(plan, plan->programs.first);
	const char *object = argv[0]; /* a name that was looked up, or the path itself */
	for (uint32_t i = 0; i < plan->programs.count; i++) {
		filter_execve(plan, program, argv, env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
			error = errno;
			object = program;
			break;
		}
		if (errno == EACCES) {
			error = EACCES;
			object = program;
		}
		program += strlen(program) + 1;
	}
	fail(VISO_STAGE_EXEC, error, object);
}

/* After the change of uid, which takes it back (prctl(2)). In a container the parent is its init. */
static void end_with_parent(const struct job *job)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != job->program_parent)
		_exit(127);
}

/* Of a container; a jail's program has been confined before. */
static int confine(const struct plan *plan)
{
	if (plan->isolation != PLAN_CONTAINER)
		return 0;
	return forbid_new_privileges(plan) < 0 ? -1 : landlock_restrict_to_paths(plan);
}

void exec_program(struct job *job)
{
	const struct plan *plan = job->plan;
	if (plan->terminal.columns && terminal_open(job) < 0)
		return;
	int channel = filter_keep_channel(job);
	if (channel < 0 || set_streams(job) < 0 || (plan->added_count && place_added_fds(job) < 0) ||
	    close_other_fds(plan, channel) < 0)
		return;
	restore_ignored_signals();
	setsid();
	if (terminal_take_control(job) < 0)
		return;
	/* An empty session keyring: the host's keys are not the program's. Kernels without keys have nothing to share.
	 */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (set_rlimits(plan) < 0 || confine(plan) < 0 || set_credentials(job) < 0)
		return;
	/* In a pid namespace that was joined, the init's end is not the end of all. */
	if (job->program_parent)
		end_with_parent(job);
	if (chdir(plan_string(plan, plan->cwd)) < 0) {
		fail(VISO_STAGE_CWD, 0, plan_string(plan, plan->cwd));
		return;
	}
	if (plan->attributes.set & PLAN_UMASK)
		syscall(SYS_umask, plan->attributes.umask);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (plan->flags & PLAN_RECEIVE)
		receive_files(job);
	/* In a time namespace that it has just entered the clock is another one. */
	if (!plan->namespaces.clock_offsets || worker.instance)
		note_step(VISO_STEP_CONFINED);
	/* From here on there is no call but those of filter.c: the filter may forbid any other. */
	if (set_filter(job, channel) == 0)
		try_programs(plan, job->argv, job->env);
	filter_exit(plan);
}
