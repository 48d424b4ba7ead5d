/* SPDX-License-Identifier: MIT */
#include "network_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORT = 7000 };

static pid_t outside;
static int outside_namespace = -1;
static bool ready;
bool network_speaks_first;

static const char *run(const char *command)
{
	static char output[16384];
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	size_t size = fread(output, 1, sizeof(output) - 1, pipe);
	output[size] = '\0';
	pclose(pipe);
	return output;
}

const char *network_command(const char *format, ...)
{
	char command[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return run(command);
}

static int listen_outside(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int on = 1, listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 64) < 0)
		_exit(1);
	return listener;
}

/* Tells each that connects his address. */
static _Noreturn void serve_outside(int listener)
{
	for (;;) {
		struct sockaddr_in6 peer;
		socklen_t size = sizeof(peer);
		char text[INET6_ADDRSTRLEN + 1];
		int fd = accept(listener, (struct sockaddr *)&peer, &size);
		if (fd < 0)
			continue;
		inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof(text));
		strcat(text, "\n");
		(void)!write(fd, text, strlen(text));
		close(fd);
	}
}

static void start_outside(void)
{
	int told[2];
	char byte;
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	outside = fork();
	if (outside == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0)
			_exit(1);
		int listener = listen_outside();
		(void)!write(told[1], "", 1);
		serve_outside(listener);
	}
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/net", outside);
	outside_namespace = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(outside_namespace >= 0);
}

int network_group_setup(void **state)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return 0;
	start_outside();
	network_command("ip link set lo up; ip link add cable type veth peer name eth0 netns %d && "
			"ip addr add 192.0.2.1/24 dev cable && ip -6 addr add 2001:db8::1/64 dev cable nodad && "
			"ip link set cable up && ip route add default via 192.0.2.2 && "
			"ip -6 route add default via 2001:db8::2",
			outside);
	network_command("nsenter --net=/proc/%d/ns/net sh -c 'ip link set lo up; ip addr add 192.0.2.2/24 dev eth0; "
			"ip -6 addr add 2001:db8::2/64 dev eth0 nodad; ip link set eth0 up'",
			outside);
	ready = strstr(network_command("ip -o addr show cable"), "192.0.2.1") != NULL;
	network_set_forwarding(true);
	return 0;
}

int network_group_teardown(void **state)
{
	if (outside > 0) {
		kill(outside, SIGKILL);
		waitpid(outside, NULL, 0);
		close(outside_namespace);
	}
	return box_group_teardown(state);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
}

void network_set_forwarding(bool on)
{
	write_file("/proc/sys/net/ipv4/ip_forward", on ? "1" : "0");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", on ? "1" : "0");
}

struct box *network_open(void **state, viso_network network)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, for a network namespace of the test's own");
	skip_without(ready, "ip(8) of iproute2, and veth interfaces");
	network_set_forwarding(true);
	assert_ok(viso_container_set_network(box->container, network));
	return box;
}

static int connect_to(const char *address, int port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	bool six = inet_pton(AF_INET6, address, &in6.sin6_addr) == 1;
	assert_true(six || inet_pton(AF_INET, address, &in.sin_addr) == 1);
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 2};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	int r = connect(fd, six ? (struct sockaddr *)&in6 : (struct sockaddr *)&in, six ? sizeof(in6) : sizeof(in));
	if (r == 0)
		return fd;
	close(fd);
	return -1;
}

const char *network_ask(bool from_outside, const char *address, int port, char *text, size_t size)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char buffer[256];
		if (from_outside && setns(outside_namespace, CLONE_NEWNET) < 0)
			_exit(1);
		int fd = connect_to(address, port);
		ssize_t n;
		if (fd >= 0 && network_speaks_first)
			(void)!write(fd, "\n", 1);
		while (fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) > 0) {
			(void)!write(ends[1], buffer, (size_t)n);
			if (buffer[n - 1] == '\n')
				break;
		}
		_exit(0);
	}
	close(ends[1]);
	size_t length = 0;
	ssize_t n;
	while ((n = read(ends[0], text + length, size - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	close(ends[0]);
	waitpid(pid, NULL, 0);
	return text;
}

void network_assert_clean(void)
{
	char left[16384] = "";
	for (int i = 0; i < 1000; i++) {
		snprintf(left, sizeof(left), "%s",
			 network_command("ip -o link | grep -v -e ' lo:' -e ' cable@' -e ' other'"));
		snprintf(left + strlen(left), sizeof(left) - strlen(left), "%s", network_command("nft list tables"));
		if (!*left)
			return;
		usleep(20000);
	}
	fail_msg("left behind: %s", left);
}

viso_process *network_spawn(struct box *box, const char *script)
{
	viso_command *command = shell(script);
	return box_spawn(box, command);
}

void network_await_listener(bool from_outside, const char *address, int port, const char *expected)
{
	char text[256] = "";
	for (int i = 0; i < 400 && strcmp(text, expected); i++) {
		network_ask(from_outside, address, port, text, sizeof(text));
		if (strcmp(text, expected))
			usleep(50000);
	}
	assert_string_equal(text, expected);
}
