/* SPDX-License-Identifier: MIT */
/*
 * The init of a container: sets up what is inside, starts the program, reaps what is orphaned, and ends with the
 * program. Its end is the end of the pid namespace, so the kernel leaves nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <virtiso/container_namespaces.h>

#include "launcher.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/*
 * Those that were chosen. Else, as root: ids 0 to 65535 of the container are a range of the host that is nobody's; as
 * an ordinary user: one id of the container is the caller's own.
 */
int container_write_maps(const struct job *job)
{
	char task[16];
	snprintf(task, sizeof(task), "%d", job->pid);
	if (plan_owns_namespace(job->plan, VISO_NAMESPACE_USER) && idmap_write(job, task) < 0)
		return -1;
	note_step(VISO_STEP_IDS); /* the init goes on at once */
	atomic_store(&worker.page->maps_written, 1);
	syscall(SYS_futex, &worker.page->maps_written, FUTEX_WAKE, 1, NULL, NULL, 0);
	return 0;
}

/*
 * They take the worker less time than waking us up on another processor would; where it has not even got there, the
 * processor is better left to it.
 */
void container_wait_for_maps(void)
{
	enum { TURNS = 64 };
	for (int i = 0; i < TURNS && !atomic_load(&worker.page->maps_written); i++)
		sched_yield();
	while (!atomic_load(&worker.page->maps_written))
		syscall(SYS_futex, &worker.page->maps_written, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* Nobody else would end the init; its parent's pid is not to be seen in here. */
void container_end_with_worker(void)
{
	struct pollfd parent = {.fd = worker.self, .events = POLLIN};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&parent, 1, 0) > 0)
		_exit(127);
}

/* Root's, or where the namespace has no such id, the program's. */
static int take_id(long set, uint32_t otherwise)
{
	if (syscall(set, 0, 0, 0) == 0)
		return 0;
	return errno == EINVAL ? (int)syscall(set, otherwise, otherwise, otherwise) : -1;
}

/* Inside a range the init takes the container's uid 0: what it makes must belong to an id that the namespace knows. */
int container_take_inner_root(const struct plan *plan)
{
	bool chosen = plan->namespaces.uids.count || plan->namespaces.joined[VISO_NAMESPACE_USER];
	if (!worker.owns_ids && !chosen)
		return 0;
	if (take_id(SYS_setresgid, plan->gid) < 0 || take_id(SYS_setresuid, plan->uid) < 0)
		return fail(VISO_STAGE_USER_NAMESPACE, 0, "setresuid");
	container_end_with_worker(); /* a change of uid takes it back (prctl(2)) */
	return 0;
}

/*
 * So that the program can open /dev/stdout, whatever id of the container it has. Root's worker has seen to that, but
 * for a user namespace whose ids it does not know; where it is not possible, only opening anew is not.
 */
void container_give_captures(const struct job *job)
{
	const struct plan *plan = job->plan;
	if (!plan->namespaces.uids.count && !plan->namespaces.joined[VISO_NAMESPACE_USER])
		return;
	for (int i = 1; i < 3; i++)
		if (job->capture_write[i] >= 0)
			(void)!fchown(job->capture_write[i], plan->uid, plan->gid);
}

static int set_names(const struct plan *plan)
{
	const char *hostname = plan_string(plan, plan->namespaces.hostname);
	const char *domainname = plan_string(plan, plan->namespaces.domainname);
	if (plan->namespaces.hostname && sethostname(hostname, strlen(hostname)) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "sethostname");
	if (plan->namespaces.domainname && setdomainname(domainname, strlen(domainname)) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "setdomainname");
	return 0;
}

/*
 * The init stays where it is; the program enters the time namespace. By the host's /proc, and before a change of uid
 * takes the file from us.
 */
static int move_clocks(const struct plan *plan)
{
	const char *offsets = plan_string(plan, plan->namespaces.clock_offsets);
	if (!plan->namespaces.clock_offsets)
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return fail(VISO_STAGE_NAMESPACE, errno == EINVAL ? EOPNOTSUPP : errno, "time");
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, offsets, strlen(offsets));
	int saved = errno;
	close_quietly(fd);
	errno = saved;
	return n < 0 ? fail(VISO_STAGE_NAMESPACE, 0, "timens_offsets") : 0;
}

/* What needs neither mounts nor network: control groups, names, clocks, ids. */
static int set_up(const struct job *job)
{
	const struct plan *plan = job->plan;
	if (cgroups_enter(job->cgroups, true) < 0)
		return -1;
	if (has_cgroups(job->cgroups) && plan_owns_namespace(plan, VISO_NAMESPACE_CGROUP) &&
	    unshare(CLONE_NEWCGROUP) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "cgroup");
	if (set_names(plan) < 0 || move_clocks(plan) < 0)
		return -1;
	/* The program's, in the time that the worker takes for the maps: the init itself executes
	 * nothing but hooks of the host in its namespaces, which have their rights. */
	if (!hooks_any(plan, VISO_HOOK_CREATE_CONTAINER)) {
		if (limit_bounding_set(plan) < 0)
			return -1;
		worker.bounding_set_done = true;
	}
	container_wait_for_maps();
	if (container_take_inner_root(plan) < 0)
		return -1;
	container_give_captures(job);
	return sysctls_prepare(plan);
}

/*
 * A network namespace takes as long as all the mounts together, so a helper makes those meanwhile: it has the same
 * mount namespace, and pivot_root moves the init along with it, or the init goes into what is stacked.
 */
static int enter_root_and_network(struct job *job)
{
	int status;
	if (mounts_need_network(job->plan) || job->plan->hooks.count)
		return network_make(job) < 0 || hooks_before_root(job) < 0 ? -1 : mounts_enter(job);
	pid_t helper = fork();
	if (helper == 0)
		_exit(mounts_enter(job) < 0);
	if (helper < 0)
		return fail(VISO_STAGE_CLONE, 0, "fork");
	int r = network_make(job);
	note_step(VISO_STEP_NETWORK);
	while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return fail(VISO_STAGE_MOUNT, ECHILD, "helper"); /* unless it has noted why */
	note_step(VISO_STEP_MOUNTS);
	return r < 0 ? -1 : hollow_enter_root(job);
}

/* Most of it was there when the init was cloned. */
static int complete_prepared(const struct job *job)
{
	if (!job->has_network && network_make(job) < 0)
		return -1;
	note_step(VISO_STEP_NETWORK);
	if (mounts_add_own_parts(job) < 0)
		return -1;
	note_step(VISO_STEP_MOUNTS);
	return 0;
}

int container_program(void *argument)
{
	struct job *job = argument;
	/* In an instance each program enters them itself, so that the attendant does not count; else the init has done
	 * it. */
	if (worker.instance && cgroups_enter(job->cgroups, true) < 0)
		_exit(127);
	exec_program(job);
	_exit(127);
}

void container_reap_until(pid_t program)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, __WALL)) != program)
		if (pid < 0 && errno != EINTR)
			return;
	worker.page->status = status;
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	add_usage(&worker.page->usage, &usage);
	atomic_store(&worker.page->program_ended, 1);
}

/* Everything up to the point where a program can be started. */
static void set_up_all(struct job *job)
{
	container_end_with_worker();
	prctl(PR_SET_NAME, "viso-init");
	if (job->plan->namespaces.joined[VISO_NAMESPACE_PID])
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (set_up(job) < 0 || (job->has_template ? complete_prepared(job) : enter_root_and_network(job)) < 0 ||
	    sysctls_write(job->plan) < 0)
		_exit(127);
	if (job->plan->terminal.columns || (job->plan->flags & PLAN_INSTANCE))
		terminal_find_pts(job, AT_FDCWD);
	if (hooks_before_program(job) < 0)
		_exit(127);
	atomic_store(&worker.page->set_up, 1);
}

/* Of the one command of a container that has no instance. */
static _Noreturn void run_program(struct job *job)
{
	bool reaps_alone = job->plan->namespaces.joined[VISO_NAMESPACE_PID] != 0;
	/* Its memory is a copy of the worker's, and until they are closed it has fds of the host: nothing of that is
	 * for the program, whatever its capabilities. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* A child with our memory would stay in our time namespace (copy_namespaces() in kernel/nsproxy.c). */
	int memory = job->plan->namespaces.clock_offsets ? 0 : CLONE_VM;
	if (reaps_alone)
		job->program_parent = getpid();
	pid_t program = clone(container_program, worker.child_stack, memory | CLONE_VFORK | SIGCHLD, job);
	if (program < 0)
		fail(VISO_STAGE_CLONE, 0, "clone");
	if (worker.page->failure.error)
		_exit(127);
	/* The init keeps no fd: neither the host's streams nor the end of `ready`, whose closing says that the program
	 * runs. */
	close_between(0, ~0u);
	container_reap_until(program);
	if (reaps_alone)
		members_end_children(job->plan);
	_exit(0);
}

_Noreturn void container_init(struct job *job)
{
	set_up_all(job);
	if (job->plan->flags & PLAN_INSTANCE)
		instance_stay(job);
	run_program(job);
}
