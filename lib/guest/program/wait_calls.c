/* SPDX-License-Identifier: MIT */
/* System calls that wait for children: for their ends, and for their being stopped and going on. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/pidfd.h"
#include "guest/program/processes.h"

static const unsigned wait_options = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WALL | __WCLONE;

/* P_PIDFD of linux/wait.h, which older C libraries lack. */
enum { WAIT_PIDFD = 3 };

struct choice {
	bool by_group;
	int id; /* 0 for any */
};

static bool is_chosen(const struct program *child, const struct program *parent, struct choice choice)
{
	if (child->parent != parent)
		return false;
	return choice.id == 0 || (choice.by_group ? child->group : child->pid) == choice.id;
}

static bool has_news(const struct program *child, unsigned options)
{
	if (child->is_zombie)
		return options & WEXITED;
	return !child->ended &&
	       ((child->tells_stop && (options & WSTOPPED)) || (child->tells_going_on && (options & WCONTINUED)));
}

/* A child of which there is something to tell. 0 where there is none yet and the call does not wait, or a negative
 * number. */
static int64_t find_news(struct program *program, struct choice choice, unsigned options, struct program **out)
{
	struct pollfd fds[1];
	bool is_any = false;
	for (struct program *child = program->instance->program.next; child; child = child->next) {
		if (!is_chosen(child, program, choice))
			continue;
		is_any = true;
		if (!has_news(child, options))
			continue;
		*out = child;
		return 1;
	}
	if (!is_any)
		return -ECHILD;
	if (options & WNOHANG)
		return 0;
	int r = task_wait_for(program, program);
	/* Woken, it looks again; there is no other end of this wait than a signal. */
	return r < 0 ? r : task_wait(program, fds, 0, INT64_MAX);
}

/* struct rusage of a child. 0 or -EFAULT. */
static int put_usage(struct program *program, const struct program *child, uint64_t address)
{
	int64_t us = (child->cpu_time + child->children_time) / 1000;
	const struct rusage usage = {.ru_utime = {.tv_sec = us / 1000000, .tv_usec = us % 1000000}};
	return address ? space_write(program->space, address, &usage, sizeof(usage)) : 0;
}

/* It has been told of the child. */
static void reap(struct program *program, struct program *child)
{
	child->tells_stop = child->tells_going_on = false;
	if (!child->is_zombie)
		return;
	program->children_time += child->cpu_time + child->children_time;
	process_forget(child);
}

int64_t call_wait4(struct program *program, const uint64_t args[6])
{
	int pid = (int)args[0];
	struct choice choice = {.id = pid};
	struct program *child;
	if ((unsigned)args[2] & ~wait_options)
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid == -1)
		choice.id = 0;
	else if (pid <= 0)
		choice = (struct choice){true, pid == 0 ? program->group : -pid};
	int64_t r = find_news(program, choice, (unsigned)args[2] | WEXITED, &child);
	if (r != 1)
		return r;
	const int status = process_status(child);
	r = child->pid;
	if ((args[1] && space_write(program->space, args[1], &status, sizeof(status)) < 0) ||
	    put_usage(program, child, args[3]) < 0)
		r = -EFAULT;
	reap(program, child);
	return r;
}

int64_t call_waitid(struct program *program, const uint64_t args[6])
{
	struct choice choice = {.by_group = args[0] == P_PGID, .id = (int)args[1]};
	struct program *child = NULL;
	unsigned options = (unsigned)args[3];
	if ((options & ~(wait_options | WEXITED | WSTOPPED | WNOWAIT)) ||
	    !(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	if (args[0] == WAIT_PIDFD) {
		struct program *chosen;
		int error = pidfd_find(program, (int)args[1], &chosen);
		if (error < 0)
			return error == -ESRCH ? -ECHILD : error;
		choice.id = chosen->pid;
	}
	if (args[0] > WAIT_PIDFD || (args[0] == P_PID && choice.id <= 0) || choice.id < 0)
		return -EINVAL;
	if (args[0] == P_ALL)
		choice.id = 0;
	else if (args[0] == P_PGID && choice.id == 0)
		choice.id = program->group;
	int64_t r = find_news(program, choice, options, &child);
	if (r < 0)
		return r;
	const siginfo_t info = r == 1 ? process_describe(child) : (siginfo_t){0};
	bool is_written = !args[2] || space_write(program->space, args[2], &info, sizeof(info)) == 0;
	if (r == 1 && put_usage(program, child, args[4]) < 0)
		is_written = false;
	if (r == 1 && !(options & WNOWAIT))
		reap(program, child);
	return is_written ? 0 : -EFAULT;
}
