/* SPDX-License-Identifier: MIT */
#include "launch/request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "launch/launched.h"
#include "launch/launcher.h"

enum { FIRST_CAPACITY = 8192 };
_Static_assert((int)PLAN_ADDED_MAX == (int)COMMAND_FDS_MAX, "what a command takes fits into a plan");

/* Room for `size` bytes at the end; its offset, or 0 without memory. */
static plan_offset reserve(struct launch_request *request, size_t size)
{
	struct plan *plan = request->plan;
	size_t used = plan->head.size;
	if (request->error)
		return 0;
	if (size > PLAN_SIZE_MAX - used) {
		request->error = error_fail(VISO_STAGE_LAUNCHER, E2BIG, "plan",
					    "the settings are longer than a start can take: %d bytes", PLAN_SIZE_MAX);
		return 0;
	}
	if (used + size > request->capacity) {
		size_t capacity = request->capacity;
		while (used + size > capacity)
			capacity *= 2;
		plan = realloc(plan, capacity);
		if (!plan) {
			request->error = error_memory();
			return 0;
		}
		request->plan = plan;
		request->capacity = capacity;
	}
	plan->head.size = (uint32_t)(used + size);
	return (plan_offset)used;
}

plan_offset request_add_bytes(struct launch_request *request, const void *data, size_t size)
{
	reserve(request, -request->plan->head.size & 7);
	plan_offset offset = reserve(request, size);
	if (offset)
		memcpy((char *)request->plan + offset, data, size);
	return offset;
}

plan_offset request_add_room(struct launch_request *request, size_t size)
{
	return reserve(request, size);
}

plan_offset request_add_string(struct launch_request *request, const char *string)
{
	size_t size = strlen(string) + 1;
	plan_offset offset = reserve(request, size);
	if (offset)
		memcpy((char *)request->plan + offset, string, size);
	return offset;
}

static struct plan_strings add_strings(struct launch_request *request, const struct strings *list)
{
	struct plan_strings added = {.count = (uint32_t)list->count};
	added.first = request->plan->head.size;
	for (size_t i = 0; i < list->count; i++)
		request_add_string(request, list->items[i]);
	return added;
}

uint32_t request_add_fd(struct launch_request *request, int fd)
{
	if (request->fd_count == PLAN_FDS_MAX - 1) { /* the last is for the memfd of a long plan */
		if (!request->error)
			request->error =
				error_fail(VISO_STAGE_LAUNCHER, E2BIG, "fds",
					   "more files, mounts and namespaces than a start can take: %d", PLAN_FDS_MAX);
		return 0;
	}
	request->fds[request->fd_count] = fd;
	return (uint32_t)request->fd_count++;
}

uint32_t request_add_own_fd(struct launch_request *request, int fd)
{
	uint32_t index = request_add_fd(request, fd);
	if (request->owned_count == PLAN_FDS_MAX)
		close_fd(fd);
	else
		request->owned[request->owned_count++] = fd;
	return index;
}

static void own_fd(struct launch_request *request, int fd)
{
	request->owned[request->owned_count++] = fd;
}

/* A fd of the host for the program's fd `number`. A directory would let a jail climb out by fchdir(2). */
static int check_fd(int fd, int number)
{
	static const char *const names[] = {"stdin", "stdout", "stderr"};
	char other[16];
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "fstat", NULL);
	if (!S_ISDIR(st.st_mode) && !(flags & O_PATH))
		return 0;
	snprintf(other, sizeof(other), "fd %d", number);
	return error_fail(VISO_STAGE_STDIO, EISDIR, number < 3 ? names[number] : other,
			  "fd %d is a directory or an O_PATH fd and cannot be handed in as fd %d: it would lead out of "
			  "the sandbox",
			  fd, number);
}

/* A stream that leads to an fd of the host. */
static int add_stream_fd(struct launch_request *request, int stream, int fd)
{
	int r = check_fd(fd, stream);
	if (r < 0)
		return r;
	request->plan->streams[stream].kind = PLAN_STREAM_FD;
	request->plan->streams[stream].fd = (uint32_t)request->fd_count;
	request->fds[request->fd_count++] = fd;
	return 0;
}

static int add_pipe(struct launch_request *request, int stream)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "pipe2", NULL);
	int program_end = stream == 0 ? ends[0] : ends[1];
	own_fd(request, program_end);
	request->host_ends[stream] = fd_above_streams(stream == 0 ? ends[1] : ends[0]);
	if (request->host_ends[stream] < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "pipe2", NULL);
	return add_stream_fd(request, stream, program_end);
}

static int add_input(struct launch_request *request, int memfd)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_fail(VISO_STAGE_STDIO, errno, path, NULL);
	own_fd(request, fd);
	return add_stream_fd(request, 0, fd);
}

static int add_streams(struct launch_request *request, const viso_command *command)
{
	int r = 0;
	for (int i = 0; i < 3 && r == 0; i++) {
		const struct stdio_setting *setting = &command->stdio[i];
		switch (setting->kind) {
		case STDIO_INHERIT:
			/* Where the host runs without this stream, so does the program. */
			if (fd_is_inheritable(i))
				r = add_stream_fd(request, i, i);
			else
				request->plan->streams[i].kind = PLAN_STREAM_NULL;
			break;
		case STDIO_FD:
			r = add_stream_fd(request, i, setting->fd);
			break;
		case STDIO_PIPE:
			r = add_pipe(request, i);
			break;
		case STDIO_INPUT:
			r = add_input(request, setting->fd);
			break;
		case STDIO_STDOUT:
			request->plan->streams[i].kind = PLAN_STREAM_STDOUT;
			break;
		case STDIO_CAPTURE:
			request->plan->streams[i].kind = PLAN_STREAM_CAPTURE;
			request->plan->streams[i].max = setting->max;
			break;
		case STDIO_NULL:
			request->plan->streams[i].kind = PLAN_STREAM_NULL;
		}
	}
	return r;
}

/*
 * That of a jail is one of the host's, which is opened here: in an instance the launcher sees nothing but the root. A
 * container's comes from its own devpts (program/terminal.c).
 */
static int add_terminal(struct launch_request *request, const viso_command *command)
{
	int unlocked = 0;
	request->plan->terminal.columns = command->terminal.columns;
	request->plan->terminal.rows = command->terminal.rows;
	if (request->plan->isolation != PLAN_JAIL)
		return 0;
	request->terminal = fd_above_streams(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (request->terminal < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "/dev/ptmx", "a terminal cannot be had: /dev/ptmx: %s",
				  strerrordesc_np(errno));
	int peer = -1;
	if (ioctl(request->terminal, TIOCSPTLCK, &unlocked) == 0)
		peer = ioctl(request->terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (peer < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "TIOCGPTPEER", NULL);
	own_fd(request, peer);
	return add_stream_fd(request, 0, peer);
}

static int add_fds(struct launch_request *request, const viso_command *command)
{
	for (size_t i = 0; i < command->added_count; i++) {
		const struct added_fd *added = &command->added[i];
		int r = check_fd(added->fd, added->number);
		if (r < 0)
			return r;
		struct plan *plan = request->plan;
		plan->added[plan->added_count].number = (uint32_t)added->number;
		plan->added[plan->added_count++].fd = (uint32_t)request->fd_count;
		request->fds[request->fd_count++] = added->fd;
	}
	return 0;
}

static void add_rlimits(struct plan *plan, const viso_command *command)
{
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		if (command->has_rlimit[i]) {
			plan->rlimits[plan->rlimit_count].resource = (uint32_t)command_rlimit_number((viso_rlimit)i);
			plan->rlimits[plan->rlimit_count].value = command->rlimit[i];
			plan->rlimits[plan->rlimit_count++].hard = command->rlimit_hard[i];
		}
	/* For processes that the launcher does not watch one by one. */
	if (command->cpu_time_ms && !command->has_rlimit[VISO_RLIMIT_CPU]) {
		plan->rlimits[plan->rlimit_count].resource = RLIMIT_CPU;
		plan->rlimits[plan->rlimit_count].value = (command->cpu_time_ms + 999) / 1000;
		plan->rlimits[plan->rlimit_count].hard = plan->rlimits[plan->rlimit_count].value;
		plan->rlimit_count++;
	}
}

/* What the group may have at once: in a container its init as well, which is not one of the program's processes. */
static uint64_t processes_limit(const viso_sandbox *sandbox, enum plan_isolation isolation)
{
	const uint64_t most = 4 << 20; /* the kernel takes no more (PID_MAX_LIMIT) */
	uint64_t limit = sandbox->processes_max;
	if (limit && isolation == PLAN_CONTAINER)
		limit++;
	return limit < most ? limit : most;
}

static void add_identity(struct plan *plan, const viso_command *command)
{
	plan->uid = command->has_user ? command->uid : COMMAND_DEFAULT_ID;
	plan->gid = command->has_user ? command->gid : COMMAND_DEFAULT_ID;
	if (command->has_user)
		plan->flags |= PLAN_HAS_USER;
	plan->group_count = (uint32_t)command->group_count;
	for (size_t i = 0; i < command->group_count; i++)
		plan->groups[i] = command->groups[i];
}

static uint64_t ms_to_ns(uint64_t ms)
{
	return ms > UINT64_MAX / 1000000 ? UINT64_MAX : ms * 1000000;
}

static int add_programs(struct launch_request *request, const viso_command *command)
{
	struct strings candidates = {0};
	int r = command_program_candidates(command, &candidates);
	if (r == 0)
		request->plan->programs = add_strings(request, &candidates);
	strings_clear(&candidates);
	return r < 0 ? error_memory() : 0;
}

static int begin(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox,
		 int root_fd)
{
	*request =
		(struct launch_request){.fds = {-1, root_fd}, .fd_count = 2, .host_ends = {-1, -1, -1}, .terminal = -1};
	request->plan = malloc(FIRST_CAPACITY);
	if (!request->plan)
		return error_memory();
	request->capacity = FIRST_CAPACITY;

	memset(request->plan, 0, sizeof(*request->plan));
	struct plan *plan = request->plan;
	plan->head.size = sizeof(*plan);
	plan->isolation = isolation;
	plan->flags = sandbox->network == VISO_NETWORK_HOST ? PLAN_HOST_NETWORK : 0;
	plan->uid = plan->gid = COMMAND_DEFAULT_ID;
	plan->memory_max = sandbox->memory_max;
	return 0;
}

static void add_attributes(struct launch_request *request, const struct command_attributes *attributes)
{
	struct plan_attributes *plan = &request->plan->attributes;
	plan->set = (attributes->has_oom_score_adj ? PLAN_OOM_SCORE_ADJ : 0) | (attributes->has_nice ? PLAN_NICE : 0) |
		    (attributes->has_scheduler ? PLAN_SCHEDULER : 0) | (attributes->has_umask ? PLAN_UMASK : 0);
	plan->oom_score_adj = attributes->oom_score_adj;
	plan->nice = attributes->nice;
	plan->policy = attributes->policy;
	plan->priority = attributes->priority;
	plan->umask = attributes->umask;
	if (!attributes->cpu_words)
		return;
	size_t size = attributes->cpu_words * sizeof(*attributes->cpus);
	plan_offset cpus = request_add_bytes(request, attributes->cpus, size);
	request->plan->attributes.cpus = cpus;
	request->plan->attributes.cpus_size = (uint32_t)size;
}

static int add_command(struct launch_request *request, const viso_command *command, bool to_end)
{
	struct plan *plan = request->plan;
	plan->flags |= to_end ? 0 : PLAN_REPORT_START;
	plan->flags |= command->receives_files ? PLAN_RECEIVE : 0;
	plan->timeout_ns = ms_to_ns(command->timeout_ms);
	plan->cpu_time_ns = ms_to_ns(command->cpu_time_ms);
	add_identity(plan, command);
	add_rlimits(plan, command);
	int r = command->terminal.columns ? add_terminal(request, command) : add_streams(request, command);
	if (r == 0)
		r = add_fds(request, command);
	if (r < 0)
		return r;

	/* From here on the plan may move. */
	struct plan_strings argv = add_strings(request, &command->argv);
	struct plan_strings env = add_strings(request, &command->env);
	plan_offset cwd = request_add_string(request, command->cwd);
	request->plan->argv = argv;
	request->plan->env = env;
	request->plan->cwd = cwd;
	add_attributes(request, &command->attributes);
	r = add_programs(request, command);
	return r < 0 ? r : request->error;
}

/* With a limit of memory there is no swap, unless the container says otherwise (lib/container/limits.c). */
static int add_memory_max(struct cgroup_limits *limits, uint64_t bytes)
{
	int r = cgroup_limits_add_number(limits, "memory", 0, "memory.limit_in_bytes", "memory.max", bytes);
	/* Where swap is not accounted there is no such file. In version 1 it is that of memory and swap together. */
	return r < 0 ? r
		     : cgroup_limits_add(limits, "memory", PLAN_WRITE_OPTIONAL, "memory.memsw.limit_in_bytes",
					 limits->items[limits->count - 1].version[0].value, "memory.swap.max", "0");
}

static int add_limits(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox)
{
	uint64_t processes = processes_limit(sandbox, isolation);
	int r = sandbox->memory_max ? add_memory_max(&request->limits, sandbox->memory_max) : 0;
	return r < 0 || !processes
		       ? r
		       : cgroup_limits_add_number(&request->limits, "pids", 0, "pids.max", "pids.max", processes);
}

int request_init(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox,
		 const viso_command *command, int root_fd, bool to_end)
{
	int r = begin(request, isolation, sandbox, root_fd);
	if (r == 0)
		r = add_command(request, command, to_end);
	return r < 0 ? r : add_limits(request, isolation, sandbox);
}

int request_init_instance(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox,
			  int root_fd)
{
	int r = begin(request, isolation, sandbox, root_fd);
	if (r < 0)
		return r;
	request->plan->flags |= PLAN_INSTANCE;
	return add_limits(request, isolation, sandbox);
}

/* Its offsets are from the beginning, so they hold where it is the beginning of another one. */
static int begin_with(struct launch_request *request, const struct plan *base)
{
	uint32_t size = base->head.size;
	reserve(request, size - sizeof(*base));
	if (request->error)
		return request->error;
	memcpy(request->plan, base, size);
	request->plan->head.size = size;
	request->plan->flags &= ~(uint32_t)(PLAN_INSTANCE | PLAN_DETACHED);
	request->plan->cgroups = (struct plan_cgroups){0}; /* the instance's, which are there */
	request->plan->hooks = (struct plan_hooks){0};     /* likewise */
	return 0;
}

int request_init_in_instance(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox,
			     const viso_command *command, int root_fd, bool to_end, const struct plan *base)
{
	int r = begin(request, isolation, sandbox, root_fd);
	if (r == 0 && base)
		r = begin_with(request, base);
	return r < 0 ? r : add_command(request, command, to_end);
}

void request_release(struct launch_request *request)
{
	for (int i = 0; i < request->owned_count; i++)
		close_fd(request->owned[i]);
	for (int i = 0; i < 3; i++)
		close_fd(request->host_ends[i]);
	close_fd(request->terminal);
	cgroup_limits_clear(&request->limits);
	free(request->plan);
}

/* Over a channel that was kept, if there is one: that channel, or -1. */
static int send_to_kept_worker(struct launch_request *request)
{
	int channel;
	while ((channel = launcher_take_channel()) >= 0) {
		request->fds[0] = channel;
		if (launcher_send_over_channel(request->plan, request->fds, request->fd_count) == 0)
			return channel;
		close_fd(channel);
	}
	return -1;
}

/* Over a new channel: the host's end of it, or a negative errno with the error set. */
static int send_with_new_channel(struct launch_request *request, int instance)
{
	int channel[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	channel[0] = fd_above_streams(channel[0]);
	if (channel[0] < 0) {
		close_fd(channel[1]);
		return error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	}
	request->fds[0] = channel[1];
	int r = instance < 0 ? launcher_send(request->plan, request->fds, request->fd_count)
			     : launcher_send_to_instance(instance, request->plan, request->fds, request->fd_count);
	close_fd(channel[1]);
	if (r < 0) {
		close_fd(channel[0]);
		return r;
	}
	return channel[0];
}

void request_note_sent(viso_process *process)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	process->step_ns[VISO_STEP_SENT] = time.tv_sec * 1000000000 + time.tv_nsec;
}

void request_hand_over(struct launch_request *request, viso_process *process, int channel, bool keep)
{
	launched_init(process, channel,
		      (viso_isolation)(request->plan->isolation == PLAN_JAIL ? VISO_ISOLATION_JAIL
									     : VISO_ISOLATION_CONTAINER),
		      keep);
	for (int i = 0; i < 3; i++)
		process->stream[i] = TAKE_FD(request->host_ends[i]);
	process->terminal = TAKE_FD(request->terminal);
}

/* Where what happens to the command is told. */
static void add_events(struct launch_request *request, const viso_process *process)
{
	if (process->events < 0)
		return;
	request->plan->cgroups.events_fd = request_add_fd(request, process->events);
	request->plan->cgroups.serial = process->serial;
}

int request_complete(struct launch_request *request, viso_process *process, bool in_instance)
{
	if (request->complete)
		return 0;
	int r = in_instance ? 0 : cgroup_add_to_plan(request);
	if (process)
		add_events(request, process);
	request->complete = true;
	return r < 0 ? r : request->error;
}

static int send_with_channel(struct launch_request *request, int instance, viso_process *process)
{
	int r = request_complete(request, process, instance >= 0);
	if (r < 0)
		return r;
	/* Where the start is reported, the channel becomes the caller's to poll. */
	bool keep = instance < 0 && !(request->plan->flags & (PLAN_REPORT_START | PLAN_INSTANCE));
	if (keep)
		request->plan->flags |= PLAN_KEEP_CHANNEL;
	request->plan->head.fd_count = (uint32_t)request->fd_count;
	request_note_sent(process);
	/* Taken in any case: else all workers could wait at kept channels, and none for what comes otherwise. */
	int channel = instance < 0 ? send_to_kept_worker(request) : -1;
	if (channel < 0)
		channel = send_with_new_channel(request, instance);
	if (channel < 0)
		return channel;
	request_hand_over(request, process, channel, keep);
	return 0;
}

int request_send(struct launch_request *request, viso_process *process)
{
	return send_with_channel(request, -1, process);
}

int request_send_to_instance(struct launch_request *request, int socket, viso_process *process)
{
	int r = send_with_channel(request, socket, process);
	if (r == 0)
		launched_in_instance(process);
	return r;
}
