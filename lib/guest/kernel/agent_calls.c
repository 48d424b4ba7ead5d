/* SPDX-License-Identifier: MIT */
/* The public calls to the agent of a computer. */
#include <errno.h>
#include <time.h>
#include <unistd.h>
#include <virtiso/guest_agent.h>

#include "core/error.h"
#include "guest/agent/agent_ops.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"

enum { LOOK_US = 2000 };

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A reference to an agent that has answered. 0 or a negative errno with the error set. */
static int find(viso_guest *guest, int timeout_ms, const char *function, void **out_agent)
{
	int r = sandbox_check_use(guest ? &guest->sandbox : NULL, function);
	if (r < 0)
		return r;
	if (timeout_ms < 1)
		return error_argument(function, "the time-out is less than a millisecond");
	void *agent = NULL;
	r = tools_agent(guest, function, &agent);
	if (r == 0)
		r = guest->kernel->tools.ops->await(agent, timeout_ms);
	if (r < 0 && agent)
		guest->kernel->tools.ops->unref(agent);
	if (r == 0)
		*out_agent = agent;
	return r;
}

static int await_end(viso_guest *guest, int64_t until, int timeout_ms)
{
	while (tools_computer_runs(guest->kernel)) {
		if (now_ms() >= until)
			return error_fail(VISO_STAGE_GUEST, ETIMEDOUT, "viso_guest_shut_down",
					  "the computer still runs after %d ms; viso_sandbox_close() switches it off",
					  timeout_ms);
		usleep(LOOK_US);
	}
	return 0;
}

int viso_guest_shut_down(viso_guest *guest, viso_shutdown how, int timeout_ms)
{
	int64_t until = now_ms() + timeout_ms;
	void *agent = NULL;
	if (how != VISO_SHUTDOWN_POWER_OFF && how != VISO_SHUTDOWN_REBOOT)
		return error_argument(__func__, "no such way to end");
	int r = find(guest, timeout_ms, __func__, &agent);
	if (r < 0)
		return r;
	r = guest->kernel->tools.ops->shut_down(agent, how, timeout_ms);
	guest->kernel->tools.ops->unref(agent);
	return r < 0 ? r : await_end(guest, until, timeout_ms);
}

int viso_guest_set_clock(viso_guest *guest, int timeout_ms)
{
	void *agent = NULL;
	int r = find(guest, timeout_ms, __func__, &agent);
	if (r < 0)
		return r;
	r = guest->kernel->tools.ops->set_time(agent, timeout_ms);
	guest->kernel->tools.ops->unref(agent);
	return r;
}

/* Both are numbered alike. */
_Static_assert((int)VISO_STATISTIC_COMMANDS == (int)AGENT_STATISTIC_COMMANDS &&
		       (int)VISO_STATISTIC_LOAD_1 == (int)AGENT_STATISTIC_LOAD_1,
	       "statistics");

int64_t viso_guest_statistic(viso_guest *guest, viso_statistic statistic, int timeout_ms)
{
	uint64_t figures[AGENT_STATISTIC_COUNT];
	void *agent = NULL;
	if ((unsigned)statistic >= AGENT_STATISTIC_COUNT)
		return error_argument(__func__, "no such figure");
	int r = find(guest, timeout_ms, __func__, &agent);
	if (r < 0)
		return r;
	r = guest->kernel->tools.ops->statistics(agent, timeout_ms, figures);
	guest->kernel->tools.ops->unref(agent);
	if (r < 0)
		return r;
	return figures[statistic] > INT64_MAX ? INT64_MAX : (int64_t)figures[statistic];
}
