/* SPDX-License-Identifier: MIT */
/* The end of the guest. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/program/agent.h"

enum { FLUSH_MS = 1000, GRACE_MS = 2000, STEP_MS = 20 };

/* The host waits for the answer. */
static void flush_answer(void)
{
	for (int i = 0; i < FLUSH_MS / STEP_MS && agent.port >= 0 && agent.queue_begin < agent.queue_end; i++) {
		struct pollfd fd = {.fd = agent.port, .events = POLLOUT};
		poll(&fd, 1, STEP_MS);
		queue_flush();
	}
}

/* False where the time is over before all have ended. */
static bool await_children(int ms)
{
	for (int waited = 0;; waited += STEP_MS) {
		pid_t pid;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return true;
		if (waited >= ms)
			return false;
		poll(NULL, 0, STEP_MS);
	}
}

static void end_as_init(unsigned how)
{
	/* All but ourselves; attendants do not end by SIGTERM before their commands. */
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	if (!await_children(GRACE_MS)) {
		kill(-1, SIGKILL);
		await_children(GRACE_MS);
	}
	sync();
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	reboot(how == AGENT_REBOOT ? RB_AUTOBOOT : how == AGENT_HALT ? RB_HALT_SYSTEM : RB_POWER_OFF);
}

static void end_as_service(unsigned how)
{
	static char *const programs[] = {"/bin/systemctl", "/usr/bin/systemctl", "/sbin/shutdown",
					 "/usr/sbin/shutdown"};
	char *verb = how == AGENT_REBOOT ? "reboot" : how == AGENT_HALT ? "halt" : "poweroff";
	char *option = how == AGENT_REBOOT ? "-r" : how == AGENT_HALT ? "-H" : "-P";
	for (int i = 0; i < 4; i++) {
		char *const by_systemd[] = {programs[i], verb, NULL}, *const by_init[] = {programs[i], option, "now",
											  NULL};
		execv(programs[i], i < 2 ? by_systemd : by_init);
	}
}

void power_shut_down(unsigned how)
{
	flush_answer();
	if (agent.is_init)
		end_as_init(how);
	else
		end_as_service(how);
}
