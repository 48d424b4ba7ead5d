/* SPDX-License-Identifier: MIT */
/* viso-agent as one of the agents that a computer may have. */
#include "core/cleanup.h"
#include "guest/agent/agent_ops.h"
#include "launch/copy/copy.h"

/* How often it is to say that it lives. */
enum { HEARTBEAT_MS = 2000 };

static int open_agent(int socket, const struct agent_watch *watch, void **out)
{
	struct agent *agent;
	int r = agent_new(socket, HEARTBEAT_MS, &agent);
	if (r < 0) {
		close_fd(watch->closed_fd);
		return r;
	}
	agent_set_watch(agent, watch);
	*out = agent;
	return 0;
}

static void close_agent(void *agent)
{
	agent_close(agent);
}

static void *ref(void *agent)
{
	return agent_ref(agent);
}

static void unref(void *agent)
{
	agent_unref(agent);
}

static bool was_heard(void *agent)
{
	return agent_silence_ms(agent) >= 0;
}

static void refresh(void *agent)
{
	agent_refresh(agent);
}

static int await(void *agent, int timeout_ms)
{
	return agent_await(agent, timeout_ms);
}

static int spawn(void *agent, const viso_command *command, viso_process *process)
{
	return agent_spawn(agent, command, process);
}

/* By a command of the sandbox, as into containers. */
static int copy_files_in(void *agent, viso_sandbox *sandbox, const char *source, const char *path)
{
	return copy_in(sandbox, source, path);
}

static int copy_files_out(void *agent, const char *path, const char *destination)
{
	return agent_copy_out(agent, path, destination);
}

static int shut_down(void *agent, viso_shutdown how, int timeout_ms)
{
	return agent_shut_down(agent, how == VISO_SHUTDOWN_REBOOT ? AGENT_REBOOT : AGENT_POWER_OFF, timeout_ms);
}

static int set_time(void *agent, int timeout_ms)
{
	return agent_set_time(agent, timeout_ms);
}

static int statistics(void *agent, int timeout_ms, uint64_t out[AGENT_STATISTIC_COUNT])
{
	return agent_statistics(agent, timeout_ms, out);
}

const struct agent_ops viso_agent_ops = {
	.port = AGENT_PORT_NAME,
	.open = open_agent,
	.close = close_agent,
	.ref = ref,
	.unref = unref,
	.was_heard = was_heard,
	.refresh = refresh,
	.await = await,
	.spawn = spawn,
	.copy_in = copy_files_in,
	.copy_out = copy_files_out,
	.shut_down = shut_down,
	.set_time = set_time,
	.statistics = statistics,
};
