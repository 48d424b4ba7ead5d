/* SPDX-License-Identifier: MIT */
/*
 * The init of a container: sets up what is inside, starts the program, reaps what is orphaned, and ends with the
 * program. Its end is the end of the pid namespace, so the kernel leaves nothing of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "launcher.h"

/*
 * As root: ids 0 to 65535 of the container are a range of the host that is nobody's. As an ordinary user: one id of the
 * container is the caller's own.
 */
int container_write_maps(const struct job *job)
{
	char task[16];
	snprintf(task, sizeof(task), "%d", job->pid);
	int r = worker.owns_ids ? idmap_write_range(task, job->host_uid)
				: idmap_write_one(task, job->plan, worker.uid, worker.gid);
	if (r < 0)
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

/* Inside a range the init takes the container's uid 0: what it makes must belong to an id that the namespace knows. */
int container_take_inner_root(void)
{
	if (!worker.owns_ids)
		return 0;
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		return fail(VISO_STAGE_USER_NAMESPACE, 0, "setresuid");
	container_end_with_worker(); /* a change of uid takes it back (prctl(2)) */
	return 0;
}

int container_bring_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
	int saved = errno;
	close_quietly(fd);
	errno = saved;
	return r < 0 ? fail(VISO_STAGE_NETWORK, 0, "lo") : 0;
}

static int make_network(const struct plan *plan)
{
	if (plan->flags & PLAN_HOST_NETWORK)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "network");
	return container_bring_loopback_up();
}

/* What needs neither mounts nor network: control groups, names, ids. */
static int set_up(const struct job *job)
{
	const struct plan *plan = job->plan;
	if (cgroups_enter(job->cgroups, true) < 0)
		return -1;
	if (has_cgroups(job->cgroups) && unshare(CLONE_NEWCGROUP) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "cgroup");
	const char *hostname = plan_string(plan, plan->namespaces.hostname);
	if (sethostname(hostname, strlen(hostname)) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "sethostname");
	/* The program's, in the time that the worker takes for the maps: the init itself executes nothing. */
	if (limit_bounding_set(plan) < 0)
		return -1;
	worker.bounding_set_done = true;
	container_wait_for_maps();
	return container_take_inner_root();
}

/*
 * A network namespace takes as long as all the mounts together, so a helper makes those meanwhile: it has the same
 * mount namespace, and pivot_root moves the init along with it.
 */
static int enter_root_and_network(const struct job *job)
{
	int status;
	pid_t helper = fork();
	if (helper == 0)
		_exit(mounts_enter(job) < 0);
	if (helper < 0)
		return fail(VISO_STAGE_CLONE, 0, "fork");
	int r = make_network(job->plan);
	note_step(VISO_STEP_NETWORK);
	while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return fail(VISO_STAGE_MOUNT, ECHILD, "helper"); /* unless it has noted why */
	note_step(VISO_STEP_MOUNTS);
	return r;
}

/* Most of it was there when the init was cloned. */
static int complete_prepared(const struct job *job)
{
	if (!job->has_network && make_network(job->plan) < 0)
		return -1;
	note_step(VISO_STEP_NETWORK);
	if (mounts_add_own_parts(job) < 0)
		return -1;
	note_step(VISO_STEP_MOUNTS);
	return 0;
}

static int program_child(void *argument)
{
	exec_program(argument);
	_exit(127);
}

/* Reaps until the program has ended; what it left running ends with the init. */
static void reap_until(pid_t program)
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

_Noreturn void container_init(struct job *job)
{
	container_end_with_worker();
	prctl(PR_SET_NAME, "viso-init");
	if (set_up(job) < 0 || (job->has_template ? complete_prepared(job) : enter_root_and_network(job)) < 0)
		_exit(127);
	atomic_store(&worker.page->set_up, 1);
	pid_t program = clone(program_child, worker.child_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, job);
	if (program < 0)
		fail(VISO_STAGE_CLONE, 0, "clone");
	if (worker.page->failure.error)
		_exit(127);
	/* The init keeps no fd: neither the host's streams nor the end of `ready`, whose closing says that the program
	 * runs. */
	syscall(SYS_close_range, 0u, ~0u, 0);
	/* Its memory is a copy of the worker's: nothing of it is for the program, whatever its capabilities. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	reap_until(program);
	_exit(0);
}
