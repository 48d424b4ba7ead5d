/* SPDX-License-Identifier: MIT */
/* A worker: takes one request at a time from the host program and sees it through to its end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <virtiso/container_namespaces.h>
#include <virtiso/sandbox.h>

#include "launch/owns_ids.h"
#include "launcher.h"

enum { IDLE_WORKERS_MAX = 16 };

struct worker worker;

static volatile sig_atomic_t busy, ending;
static bool held_instance;

/* An idle worker ends with main, or by its order; one that has a command ends that first. */
static void on_launcher_death(int number)
{
	ending = 1;
	if (!busy)
		_exit(1);
}

/* The worker ends when main has ended: without it nobody would clean up. */
static void follow_launcher(void)
{
	/* Before, so that the pid is not one that was given anew. A signal is sound here: main has one thread. */
	struct sigaction action = {.sa_handler = on_launcher_death};
	sigaction(SIGUSR1, &action, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() != worker.launcher_pid)
		_exit(1);
}

void launcher_goes_on(void)
{
	syscall(SYS_pidfd_send_signal, worker.launcher, SIGCONT, NULL, 0);
}

char *make_child_stack(void)
{
	char *stack =
		mmap(NULL, CHILD_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	return stack == MAP_FAILED ? NULL : stack + CHILD_STACK_SIZE;
}

static void worker_init(struct start_page *page)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "viso-worker");
	follow_launcher();
	/* What a jail leaves behind comes to the worker, which ends it. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	worker.requests = LAUNCHER_FD_REQUESTS;
	worker.host = LAUNCHER_FD_HOST;
	worker.pid = getpid();
	worker.self = (int)syscall(SYS_pidfd_open, worker.pid, 0);
	worker.null_fd = 0; /* main made 0, 1 and 2 the null device */
	worker.own_root = -1;
	worker.uid = geteuid();
	worker.gid = getegid();
	worker.owns_ids = owns_all_ids();
	worker.first_id = worker.owns_ids ? id_range_reserve() : 0;
	worker.page = page;
	worker.child_stack = make_child_stack();
	if (worker.self < 0 || !worker.child_stack)
		_exit(1);
}

/*
 * Takes the next message and its fds, from the channel that was kept where it is not negative. The number of bytes; 0
 * when the host program is gone, or has closed that channel.
 */
static ssize_t receive(void *buffer, size_t size, struct job *job, int from, int kept)
{
	union {
		char bytes[CMSG_SPACE(PLAN_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = buffer, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;
	/* Without memory it is only for the moment: what we stand for has not ended. */
	while ((n = recvmsg(kept >= 0 ? kept : from, &message, MSG_CMSG_CLOEXEC)) < 0 &&
	       (errno == EINTR || errno == ENOMEM || errno == ENOBUFS))
		usleep(errno == EINTR ? 0 : 1000);
	if (n <= 0)
		return 0;
	job->fd_count = 0;
	job->kept = -1;
	if (kept >= 0 && (size_t)n >= sizeof(struct plan_head) && ((const struct plan_head *)buffer)->own_channel)
		job->kept = kept;
	else if (kept >= 0)
		job->fds[job->fd_count++] = kept;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS) {
		int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(job->fds + job->fd_count, CMSG_DATA(header), (size_t)count * sizeof(int));
		job->fd_count += count;
	}
	return n;
}

/* Finds the plan: in the message, or in the memfd that came last. 0 or an errno. */
static int find_plan(struct job *job, void *buffer, ssize_t received)
{
	const struct plan_head *head = buffer;
	if ((size_t)received < sizeof(*head) || head->fd_count < 2)
		return EPROTO;
	bool is_long = head->size != (uint32_t)received;
	/* Those for which the limit of open files leaves no room do not come (unix(7)). */
	if (head->fd_count + is_long > (uint32_t)job->fd_count)
		return EMFILE;
	job->plan = buffer;
	if (!is_long)
		return 0;
	if (head->fd_count + 1 != (uint32_t)job->fd_count)
		return EPROTO;
	void *map = mmap(NULL, head->size, PROT_READ, MAP_PRIVATE, job->fds[job->fd_count - 1], 0);
	if (map == MAP_FAILED)
		return errno;
	job->plan = map;
	job->plan_mapped = head->size;
	return 0;
}

static void close_fds(const int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

static int make_captures(struct job *job)
{
	for (int i = 0; i < 3; i++) {
		if (job->plan->streams[i].kind != PLAN_STREAM_CAPTURE)
			continue;
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return fail(VISO_STAGE_STDIO, 0, "pipe2");
		job->capture_read[i] = ends[0];
		job->capture_write[i] = ends[1];
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		/* So that a container's program can open /dev/stdout. */
		if (worker.owns_ids && job->plan->isolation == PLAN_CONTAINER &&
		    plan_owns_namespace(job->plan, VISO_NAMESPACE_USER))
			(void)!fchown(ends[1], idmap_outside(job, &job->plan->namespaces.uids, job->plan->uid),
				      idmap_outside(job, &job->plan->namespaces.gids, job->plan->gid));
	}
	return 0;
}

ssize_t receive_order(int channel, struct order *order, int *out_pipe)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = order, .iov_len = sizeof(*order)};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	*out_pipe = -1;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(out_pipe, CMSG_DATA(header), sizeof(int));
	return n;
}

static void choose_streams(struct job *job)
{
	for (int i = 0; i < 3; i++)
		switch (job->plan->streams[i].kind) {
		case PLAN_STREAM_FD:
			job->stream[i] = job->fds[job->plan->streams[i].fd];
			break;
		case PLAN_STREAM_STDOUT:
			job->stream[i] = job->stream[1];
			break;
		case PLAN_STREAM_CAPTURE:
			job->stream[i] = job->capture_write[i];
			break;
		default:
			job->stream[i] = worker.null_fd;
		}
}

/* Pointers to consecutive strings, NULL-terminated; in `small` where they fit. NULL without memory. */
static char **string_array(const struct plan *plan, struct plan_strings strings, char **small)
{
	char **array = strings.count < SMALL_ARRAY ? small : malloc((strings.count + 1) * sizeof(*array));
	if (!array)
		return NULL;
	const char *string = plan_string(plan, strings.first);
	for (uint32_t i = 0; i < strings.count; i++) {
		array[i] = (char *)string;
		string += strlen(string) + 1;
	}
	array[strings.count] = NULL;
	return array;
}

static int make_arrays(struct job *job)
{
	job->argv = string_array(job->plan, job->plan->argv, job->small_argv);
	job->env = string_array(job->plan, job->plan->env, job->small_env);
	return job->argv && job->env ? 0 : fail(VISO_STAGE_MEMORY, ENOMEM, "argv");
}

static int prepare(struct job *job)
{
	if (make_arrays(job) < 0 || make_captures(job) < 0 ||
	    (!pool_take_cgroups(job) && cgroups_make(job->plan, job->cgroups) < 0))
		return -1;
	if (job->plan->cgroups.count)
		note_step(VISO_STEP_CGROUPS);
	return 0;
}

static void job_init(struct job *job)
{
	job->plan_mapped = 0;
	job->argv = job->env = NULL;
	job->channel = job->fds[0];
	job->root = worker.own_root < 0 ? job->fds[1] : worker.own_root;
	job->proc = job->root_copy = job->pidfd = job->ready = job->ready_write = job->events = job->upper_lock = -1;
	job->pts = job->init_socket[0] = job->init_socket[1] = -1;
	job->program_parent = job->pid = 0;
	job->companion.pidfd = job->companion.ready = job->companion.complaints = -1;
	job->host_uid = worker.first_id;
	job->companion.pid = 0;
	job->launcher_gone = job->builds_template = job->has_template = job->in_hollow = job->has_network = false;
	job->hook_socket[0] = job->hook_socket[1] = -1;
	job->hooks_begun = false;
	job->hook_failure.error = 0;
	for (int i = 0; i < 3; i++)
		job->capture_read[i] = job->capture_write[i] = -1;
	memset(worker.page, 0, offsetof(struct start_page, spare));
	job->cgroups = worker.page->cgroups;
	cgroups_init(job->cgroups);
	if (worker.instance)
		instance_lend_cgroups(job->cgroups);
}

void close_start_fds(struct job *job)
{
	for (int i = 1; i < job->fd_count; i++)
		if (job->fds[i] != job->events)
			close(job->fds[i]);
	for (int i = 0; i < 3; i++)
		job->capture_write[i] = close_quietly(job->capture_write[i]);
	job->ready_write = close_quietly(job->ready_write);
	job->root_copy = close_quietly(job->root_copy);
	if (!worker.instance)
		job->pts = close_quietly(job->pts);
	job->fd_count = 1;
}

static void job_release(struct job *job)
{
	close_start_fds(job);
	for (int i = 0; i < 3; i++)
		close_quietly(job->capture_read[i]);
	close_quietly(job->pidfd);
	close_quietly(job->ready);
	close_quietly(job->events);
	if (job->argv != job->small_argv)
		free(job->argv);
	if (job->env != job->small_env)
		free(job->env);
	if (job->plan_mapped)
		munmap((void *)job->plan, job->plan_mapped);
}

static ssize_t send_with_fds(int channel, const struct report *report, const int *fds, int fd_count)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = (void *)report, .iov_len = sizeof(*report)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd_count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, (size_t)fd_count * sizeof(int));
	}
	return sendmsg(channel, &message, MSG_NOSIGNAL);
}

static void send_report(int channel, struct report *report, const int *fds, int fd_count)
{
	memcpy(report->step_ns, worker.page->step_ns, sizeof(report->step_ns));
	/* ETOOMANYREFS: the user's fds under way are too many (unix(7)). The host learns at least that the command has
	 * ended; and where it cannot be told at all, that nobody will. */
	if (send_with_fds(channel, report, fds, fd_count) < 0 && send_with_fds(channel, report, NULL, 0) < 0)
		shutdown(channel, SHUT_RDWR);
}

int report_fd(int channel, enum report_fd_kind kind, int fd)
{
	const struct report report = {.kind = REPORT_FD, .fd_kind = kind};
	return send_with_fds(channel, &report, &fd, 1) < 0 ? fail(VISO_STAGE_LAUNCHER, 0, "sendmsg") : 0;
}

void report_started(struct job *job, int pid)
{
	struct report report = {.kind = REPORT_STARTED, .pid = pid, .failure = job->hook_failure};
	note_step(VISO_STEP_STARTED);
	send_report(job->channel, &report, NULL, 0);
	job->hook_failure.error = 0;
}

static void send_failure(int channel, viso_stage stage, int error, const char *object)
{
	struct report report = {.kind = REPORT_FAILED, .failure = {.stage = stage, .error = error}};
	strncpy(report.failure.object, object, sizeof(report.failure.object) - 1);
	send_report(channel, &report, NULL, 0);
}

/* Whether what the plan wants takes the bounding set that this worker has no longer. */
static bool is_for_another(const struct job *job)
{
	return ((job->plan->flags & PLAN_BARE) || job->plan->hooks.count) && worker.bounding_set_empty &&
	       !worker.instance;
}

/* The message as it came, the channel included where that was kept. 0, or -1 with the failure noted. */
static int send_to_another(const struct job *job, void *buffer, ssize_t received)
{
	union {
		char bytes[CMSG_SPACE((1 + PLAN_FDS_MAX) * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	size_t size = (size_t)job->fd_count * sizeof(int);
	struct iovec iov = {.iov_base = buffer, .iov_len = (size_t)received};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(size)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(header), job->fds, size);
	ssize_t n;
	while ((n = sendmsg(worker.other_worker, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n < 0 ? fail(VISO_STAGE_LAUNCHER, 0, "sendmsg") : 0;
}

static int give_away(struct job *job)
{
	job_release(job);
	return close_quietly(job->channel);
}

/* After the report, so that the host finds the end when it hears of it. */
static void tell_end(const struct job *job)
{
	const struct group_events events = {.socket = job->events, .serial = job->plan->cgroups.serial};
	events_tell(&events, VISO_EVENT_ENDED);
}

/* The channel, where the host keeps it for its next plan; else -1. */
static int serve(void *buffer, ssize_t received, struct job *job)
{
	struct report report = {.kind = REPORT_ENDED};
	int capture_fd[2] = {-1, -1};

	if (job->fd_count < 2) {
		close_fds(job->fds, job->fd_count);
		return job->kept;
	}
	job_init(job);
	note_step(VISO_STEP_RECEIVED);
	int error = find_plan(job, buffer, received);
	if (error)
		fail(VISO_STAGE_LAUNCHER, error, "plan");
	else if (is_for_another(job) && send_to_another(job, buffer, received) == 0)
		return give_away(job);
	else if (!is_for_another(job) && prepare(job) == 0) {
		choose_streams(job);
		if (job->plan->cgroups.events_fd)
			job->events = job->fds[job->plan->cgroups.events_fd];
		job->start_ns = now_ns();
		if (worker.owns_ids && job->plan->isolation == PLAN_JAIL && !(job->plan->flags & PLAN_BARE))
			empty_own_bounding_set();
		if (job->plan->pool.flags & POOL_PREPARE) {
			pool_prepare(job);
		} else if (job->plan->flags & PLAN_INSTANCE) {
			held_instance = true;
			instance_hold(job);
		} else if (start_job(job) == 0) {
			close_start_fds(job);
			supervise(job, &report, capture_fd);
		}
	}
	if (!job->has_template && !worker.instance) /* those of an instance are lent */
		cgroups_remove(job->cgroups);
	job->upper_lock = close_quietly(job->upper_lock);
	if (job->hooks_begun)
		hooks_after(job, VISO_HOOK_POSTSTOP);
	report.failure = job->hook_failure;
	note_step(VISO_STEP_ENDED);
	if (worker.page->failure.error) {
		report.kind = REPORT_FAILED;
		report.failure = worker.page->failure;
	}
	int fds[2], count = 0;
	for (int i = 0; i < 2; i++) {
		report.end.output_fd[i] = capture_fd[i] >= 0;
		if (capture_fd[i] >= 0)
			fds[count++] = capture_fd[i];
	}
	/* Nothing is left now that anybody could see; the host need not wait until our fds are closed. */
	if (!job->launcher_gone)
		send_report(job->channel, &report, fds, count);
	if (job->events >= 0 && report.kind == REPORT_ENDED)
		tell_end(job);
	if (report.kind != REPORT_ENDED || !(job->plan->flags & PLAN_KEEP_CHANNEL))
		job->channel = close_quietly(job->channel);
	if (job->has_template)
		pool_make_ready(job);
	job_release(job);
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return job->kept < 0 ? job->channel : job->kept;
}

/*
 * For the command that has ended; the host sent it before it had read the end.
 */
static void drop_late_order(const struct job *job)
{
	for (int i = 1; i < job->fd_count; i++)
		close(job->fds[i]);
}

static void count_as_busy(struct launcher_shared *shared, struct start_page *page, int wake_main)
{
	if (atomic_fetch_sub(&shared->idle_workers, 1) == 1) {
		uint64_t one = 1;
		(void)!write(wake_main, &one, sizeof(one));
	}
	atomic_store(&page->idle, 0);
}

static union {
	struct plan_head head;
	uint64_t align;
	char bytes[PLAN_INLINE_MAX];
} buffer;
static struct job job;

_Noreturn void worker_serve_instance(void)
{
	for (;;) {
		ssize_t received = receive(&buffer, sizeof(buffer), &job, worker.requests, -1);
		if (received == 0)
			_exit(0);
		pid_t pid = fork();
		if (pid == 0) {
			if (instance_enter_worker() == 0)
				serve(&buffer, received, &job);
			_exit(0);
		}
		worker_let_go(pid < 0 ? errno : 0);
	}
}

ssize_t worker_take_in(int socket)
{
	return receive(&buffer, sizeof(buffer), &job, socket, -1);
}

void worker_let_go(int error)
{
	if (error && job.fd_count > 0)
		send_failure(job.fds[0], VISO_STAGE_CLONE, error, "fork");
	close_fds(job.fds, job.fd_count);
}

/* Its end is main's, too, which somebody may have stopped. */
static _Noreturn void end_without_requests(void)
{
	if (!worker.instance)
		launcher_goes_on();
	_exit(0);
}

/* Page and counter change in an order in which main, where the worker is killed in between, counts one idle worker too
 * few, never one too many: then it would make no new one. */
static _Noreturn void serve_all(struct launcher_shared *shared, struct start_page *page, int wake_main,
				ssize_t received)
{
	for (int kept = -1;; received = 0) {
		bool idle = received == 0 && kept < 0;
		if (received == 0)
			received = receive(&buffer, sizeof(buffer), &job, worker.requests, kept);
		busy = 1;
		if (received == 0 && kept < 0)
			end_without_requests();
		if (idle)
			count_as_busy(shared, page, wake_main);
		if (received == 0) {
			/* Whoever closed its end may wait until nothing is left. */
			pool_release();
			kept = close_quietly(kept);
		} else if (kept < 0 || received != sizeof(struct order)) {
			kept = serve(&buffer, received, &job);
		} else {
			drop_late_order(&job);
		}
		busy = 0;
		/* Its ids may be wanted again, by whoever restores what it held. */
		if (held_instance)
			_exit(0);
		if (ending || getppid() != worker.launcher_pid)
			_exit(1);
		if (kept >= 0)
			continue;
		atomic_store(&page->idle, 1);
		if (atomic_fetch_add(&shared->idle_workers, 1) >= IDLE_WORKERS_MAX) {
			atomic_fetch_sub(&shared->idle_workers, 1);
			atomic_store(&page->idle, 0);
			_exit(0);
		}
	}
}

_Noreturn void worker_main(struct launcher_shared *shared, struct start_page *page, int wake_main, ssize_t received)
{
	worker_init(page);
	hollow_ask_by(shared, wake_main);
	serve_all(shared, page, wake_main, received);
}

enum { NOT_A_WORKER = 3, TRIES = 3 };

static struct {
	struct launcher_shared *shared;
	int wake, signals;
} serving;

int worker_prepare_serving(void)
{
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	serving.shared = mmap(NULL, sizeof(*serving.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (serving.shared == MAP_FAILED)
		return fail(VISO_STAGE_MEMORY, 0, "mmap");
	serving.wake = eventfd(0, EFD_CLOEXEC);
	serving.signals = signalfd(-1, &child, SFD_CLOEXEC);
	if (serving.wake < 0 || serving.signals < 0)
		return fail(VISO_STAGE_LAUNCHER, 0, "signalfd");
	sigprocmask(SIG_BLOCK, &child, NULL);
	return 0;
}

/* One of ours was killed: the zygote ends, and with it the instance. How many could not be made. */
static int reap_workers(void)
{
	int status;
	int unmade = 0;
	while (waitpid(-1, &status, WNOHANG | __WALL) > 0) {
		if (WIFSIGNALED(status))
			_exit(1);
		unmade += WEXITSTATUS(status) == NOT_A_WORKER;
	}
	return unmade;
}

static bool add_ready_worker(void)
{
	atomic_fetch_add(&serving.shared->idle_workers, 1);
	pid_t pid = fork();
	if (pid == 0) {
		if (instance_enter_worker() < 0) {
			atomic_fetch_sub(&serving.shared->idle_workers, 1);
			_exit(NOT_A_WORKER);
		}
		atomic_store(&worker.page->idle, 1);
		serve_all(serving.shared, worker.page, serving.wake, 0);
	}
	if (pid < 0)
		atomic_fetch_sub(&serving.shared->idle_workers, 1);
	return pid > 0;
}

/* A plan for which there is no worker now: its sender must not wait for ever. */
static void refuse_next_plan(void)
{
	if (worker_take_in(worker.requests) == 0)
		_exit(0);
	worker_let_go(EAGAIN);
}

_Noreturn void worker_keep_serving_instance(void)
{
	struct pollfd polls[] = {{.fd = serving.wake, .events = POLLIN},
				 {.fd = serving.signals, .events = POLLIN},
				 {.fd = -1, .events = POLLIN}};
	int failures = 0;
	for (;;) {
		uint64_t count;
		struct signalfd_siginfo info;
		while (failures < TRIES && atomic_load(&serving.shared->idle_workers) < 1)
			failures += !add_ready_worker();
		polls[2].fd = failures < TRIES ? -1 : worker.requests;
		int n = poll(polls, 3, failures < TRIES ? -1 : 50);
		if (n < 0)
			continue;
		if (polls[0].revents)
			(void)!read(serving.wake, &count, sizeof(count));
		if (polls[1].revents)
			(void)!read(serving.signals, &info, sizeof(info));
		if (polls[2].revents)
			refuse_next_plan();
		/* One more is tried in any case, now and then. */
		if (failures >= TRIES || polls[0].revents)
			failures = polls[0].revents ? 0 : TRIES - 1;
		failures += reap_workers();
	}
}
