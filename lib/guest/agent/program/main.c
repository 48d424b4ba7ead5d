/* SPDX-License-Identifier: MIT */
/*
 * viso-agent [--port PATH | --fd NUMBER] [--service]
 *
 * As process 1 it is the guest's init. With --service it is in charge of the guest as well (shut-down, clock); else it
 * runs commands only.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest/agent/program/agent.h"

/*
 * A frame of which nothing more has come in so many looks in a row is one of a session that is over. Looks and not
 * time: that runs on while a virtual machine is stopped.
 */
enum { LOOK_MS = 400, LOOKS = 4, PORT_MS = 100 };

struct agent agent;

int64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void on_child(int signal)
{
}

/* Ends of attendants, which have told theirs, and of orphans. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Numbers below 3 must not be those of ports and pipes. */
static void fill_streams(void)
{
	int ends[2], fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd < 3)
		;
	if (fd >= 3)
		close(fd);
	/* No device: something that is at its end. */
	while (fcntl(2, F_GETFD) < 0 && pipe(ends) == 0)
		;
}

static void prepare_signals(void)
{
	struct sigaction action = {.sa_handler = on_child};
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigaction(SIGCHLD, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Between two looks only. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int64_t wait_ms(void)
{
	int64_t wait = -1;
	if (agent.port < 0)
		wait = PORT_MS;
	else if (agent.has_session && frames_is_amid(&agent.reader))
		wait = LOOK_MS;
	if (agent.has_session && agent.heartbeat_ms) {
		int64_t left = agent.next_heartbeat - now_ms();
		left = left < 0 ? 0 : left;
		wait = wait < 0 || left < wait ? left : wait;
	}
	return wait;
}

static void beat(void)
{
	if (!agent.has_session || !agent.heartbeat_ms || now_ms() < agent.next_heartbeat)
		return;
	if (!queue_is_full())
		say(AGENT_HEARTBEAT, 0, NULL, 0);
	agent.next_heartbeat = now_ms() + agent.heartbeat_ms;
}

static void look_for_stall(int ready)
{
	if (ready != 0 || !agent.has_session || !frames_is_amid(&agent.reader))
		agent.quiet = 0;
	else if (++agent.quiet >= LOOKS)
		session_end();
}

static void serve_once(void)
{
	static struct pollfd fds[1 + AGENT_COMMANDS_MAX * COMMAND_POLLS];
	sigset_t none;
	sigemptyset(&none);
	bool reads = !queue_is_full();
	fds[0] = (struct pollfd){.fd = agent.port};
	fds[0].events = (short)((reads ? POLLIN : 0) | (agent.queue_begin < agent.queue_end ? POLLOUT : 0));
	nfds_t count = commands_poll(fds + 1);
	int64_t wait = wait_ms();
	const struct timespec time = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
	int ready = ppoll(fds, count + 1, wait < 0 ? NULL : &time, &none);
	reap();
	if (ready < 0)
		return;
	look_for_stall(ready);
	if (fds[0].revents & POLLOUT)
		queue_flush();
	if (reads && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)))
		session_read();
	if (!reads && (fds[0].revents & POLLERR))
		session_lose_host();
	else if (!reads)
		session_take_all();
	commands_serve(fds + 1, count);
	beat();
	queue_flush();
}

static void parse_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--port") && i + 1 < argc) {
			agent.path = argv[++i];
		} else if (!strcmp(argv[i], "--fd") && i + 1 < argc) {
			agent.port = atoi(argv[++i]);
			agent.is_given = true;
		} else if (!strcmp(argv[i], "--service")) {
			agent.is_in_charge = true;
		} else if (!agent.is_init) {
			/* The kernel gives its init whatever it did not understand itself. */
			fprintf(stderr, "usage: viso-agent [--port PATH | --fd NUMBER] [--service]\n");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	agent.port = -1;
	agent.is_init = getpid() == 1;
	parse_arguments(argc, argv);
	agent.is_in_charge |= agent.is_init;
	prepare_signals();
	char method[STOCK_METHOD_MAX];
	bool is_stock = agent.is_init && stock_is_wanted(method);
	if (agent.is_init)
		init_start();
	fill_streams();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	umask(022);
	if (chdir("/") < 0)
		return 1;
	if (is_stock)
		stock_run(method);
	if (agent.is_given)
		fcntl(agent.port, F_SETFL, fcntl(agent.port, F_GETFL) | O_NONBLOCK);
	if (agent.is_given)
		fcntl(agent.port, F_SETFD, FD_CLOEXEC);
	frames_init(&agent.reader, 0, AGENT_HELLO);
	session_end();
	while (!agent.shutdown) {
		port_open();
		serve_once();
	}
	power_shut_down(agent.shutdown);
	return 1;
}
