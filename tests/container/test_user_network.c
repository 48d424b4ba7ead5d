/* SPDX-License-Identifier: MIT */
/* The host's network without privileges, through pasta(1). */
#include "host.h"
#include "network_support.h"
#include "outside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOMEBODY = 54321 };

/*
 * With the pasta of 2023, who is called must not speak first (it does not acknowledge the container's SYN, ACK until
 * there is more to tell), and what is sent just before the end is lost at times: so who asks begins and ends the talk.
 */
static const char listen_8000[] = "exec busybox nc -ll -p 8000 -e /bin/sh -c 'echo hello; cat'";
static const char ask_outside[] =
	"rm -f /tmp/end; mkfifo /tmp/end; busybox nc -w 20 192.0.2.2 7000 </tmp/end 2>/dev/null | "
	"{ exec 3>/tmp/end; read answer && echo $answer || echo nobody; }";

/* How many processes of pasta there are on the machine that are not another test's: those of our network namespace. */
static int count_pastas(void)
{
	char own[64] = "", path[300], link[64], name[32];
	int count = 0;
	assert_true(readlink("/proc/self/ns/net", own, sizeof(own) - 1) > 0);
	DIR *dir = opendir("/proc");
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		if (strcmp(link, own))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
		name[n < 0 ? 0 : n] = '\0';
		close(fd);
		count += !strncmp(name, "pasta", 5) || !strncmp(name, "viso-network", 12);
	}
	closedir(dir);
	return count;
}

static void assert_no_pasta(void)
{
	await_that(count_pastas() == 0);
}

static struct box *user_open(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_USER);
	skip_without(access("/usr/bin/pasta", X_OK) == 0, "pasta(1) of passt");
	skip_without(access("/dev/net/tun", F_OK) == 0, "/dev/net/tun");
	network_speaks_first = true;
	return box;
}

static void test_to_the_outside(void **state)
{
	struct box *box = user_open(state);
	/* The server sees the host, as with NAT. */
	assert_prints(box, shell(ask_outside), "::ffff:192.0.2.1\n");
	assert_prints(box, shell("ip -o addr show lo | grep -c -e 127.0.0.1/8 -e ::1/128"), "2\n");
	assert_no_pasta();
	network_assert_clean();
}

static void test_addresses(void **state)
{
	struct box *box = user_open(state);
	char text[256];
	viso_process *process = network_spawn(box, "exec busybox sleep 100");
	int n = viso_process_addresses(process, text, sizeof(text));
	assert_int_equal(n, strlen(text));
	assert_non_null(strstr(text, "192.0.2.1/24\n"));
	assert_true(count_pastas() > 0);
	/* Not to be seen by the container. */
	viso_process_unref(process);
	assert_prints(box, shell("cat /proc/[0-9]*/comm | grep -c -e pasta -e viso-network; true"), "0\n");
}

static void test_given_address(void **state)
{
	struct box *box = user_open(state);
	char text[256];
	assert_ok(viso_container_add_address(box->container, "10.5.0.2/24"));
	assert_ok(viso_container_set_gateway(box->container, "10.5.0.1"));
	viso_process *process = network_spawn(box, "exec busybox sleep 100");
	assert_true(viso_process_addresses(process, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "10.5.0.2/24\n"));
	viso_process_unref(process);
	assert_prints(box, shell(ask_outside), "::ffff:192.0.2.1\n");
	assert_no_pasta();
}

static void test_forwarded_port(void **state)
{
	struct box *box = user_open(state);
	char text[64];
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 8090, 8000));
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, "192.0.2.1", 8091, 8000));
	viso_process *server = network_spawn(box, listen_8000);
	network_await_listener(true, "192.0.2.1", 8090, "hello\n");
	network_await_listener(true, "192.0.2.1", 8091, "hello\n");
	viso_process_unref(server);
	assert_no_pasta();
	assert_string_equal(network_ask(true, "192.0.2.1", 8090, text, sizeof(text)), "");
}

/* Nothing else shows among the processes of an instance, and all goes with it. */
static void test_instance(void **state)
{
	struct box *box = user_open(state);
	char text[256];
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 0);
	assert_prints(box, shell(ask_outside), "::ffff:192.0.2.1\n");
	viso_process *process = network_spawn(box, "exec busybox sleep 100");
	assert_true(viso_process_addresses(process, text, sizeof(text)) > 0);
	assert_int_equal(viso_sandbox_pids(box->sandbox, NULL, 0), 1);
	viso_process_unref(process);
	assert_true(count_pastas() > 0);
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_no_pasta();
	network_assert_clean();
}

static _Noreturn void serve_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(8092), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	char byte;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 8) < 0)
		_exit(1);
	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd))
		(void)!write(fd, "host\n", 5 * (read(fd, &byte, 1) == 1));
	_exit(0);
}

/* Neither its loopback nor what listens there. */
static void test_not_to_the_host(void **state)
{
	struct box *box = user_open(state);
	pid_t server = fork();
	if (server == 0)
		serve_loopback();
	network_await_listener(false, "127.0.0.1", 8092, "host\n");
	assert_prints(
		box,
		shell("for a in 127.0.0.1 $(ip route | busybox awk '/default/ {print $3}'); do echo | busybox nc -w 2 "
		      "$a 8092 2>/dev/null; done; echo done"),
		"done\n");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	assert_no_pasta();
}

static void test_port_is_taken(void **state)
{
	struct box *box = user_open(state);
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 8093, 8000));
	viso_process *server = network_spawn(box, listen_8000);
	assert_start_fails(box, shell("true"), EADDRINUSE, VISO_STAGE_NETWORK, "8093");
	viso_process_unref(server);
	assert_no_pasta();
}

static void hold_a_container(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_USER));
	network_spawn(box, listen_8000);
	ready_tell(argument, "up");
	pause();
}

static void test_host_is_killed(void **state)
{
	user_open(state);
	struct ready_pipe ready;
	char line[16];
	ready_init(&ready);
	pid_t host = host_start(hold_a_container, &ready);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	assert_true(count_pastas() > 0);
	host_kill(host);
	ready_close(&ready);
	assert_no_pasta();
	network_assert_clean();
}

static int parent_of(int pid)
{
	return (int)outside_stat(pid, 4);
}

/* Worker and main at once: nobody is left to clean up but the kernel. */
static void test_launcher_is_killed(void **state)
{
	struct box *box = user_open(state);
	viso_process *process = network_spawn(box, listen_8000);
	assert_true(count_pastas() > 0);
	int worker = parent_of(parent_of(viso_process_pid(process)));
	int launcher = parent_of(worker);
	char name[64];
	assert_string_equal(outside_read(worker, "comm", name, sizeof(name)), "viso-worker\n");
	assert_string_equal(outside_read(launcher, "comm", name, sizeof(name)), "viso-launcher\n");
	assert_int_equal(kill(launcher, SIGSTOP), 0);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(kill(launcher, SIGKILL), 0);
	assert_fails(viso_process_wait(process, 20000, NULL), EPIPE, VISO_STAGE_LAUNCHER, "launcher");
	viso_process_unref(process);
	assert_no_pasta();
}

/* As udev would have it: the tun device is for everybody, here in a mount namespace of this process. */
static bool lend_tun(void)
{
	struct stat st;
	umask(0);
	bool ok = stat("/dev/net/tun", &st) == 0 && S_ISCHR(st.st_mode) && unshare(CLONE_NEWNS) == 0 &&
		  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		  mount("tmpfs", "/dev/net", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755") == 0 &&
		  mknod("/dev/net/tun", S_IFCHR | 0666, st.st_rdev) == 0;
	umask(022);
	return ok;
}

static void run_as_somebody(void *argument)
{
	struct stat st;
	bool open_to_all = stat("/dev/net/tun", &st) == 0 && (st.st_mode & 06) == 06;
	if (!open_to_all && !lend_tun())
		_exit(77);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setresgid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
	assert_int_equal(setresuid(SOMEBODY, SOMEBODY, SOMEBODY), 0);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_USER));
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 8094, 8000));
	assert_prints(box, shell(ask_outside), "::ffff:192.0.2.1\n");
	char text[256];
	viso_process *server = network_spawn(box, listen_8000);
	network_await_listener(false, "192.0.2.1", 8094, "hello\n");
	assert_true(viso_process_addresses(server, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "192.0.2.1/24\n"));
	viso_process_unref(server);
	box_close(box);
}

static void test_ordinary_user(void **state)
{
	user_open(state);
	pid_t host = host_start(run_as_somebody, NULL);
	int status;
	assert_int_equal(waitpid(host, &status, 0), host);
	skip_without(!WIFEXITED(status) || WEXITSTATUS(status) != 77, "a tun device that ordinary users may open");
	assert_int_equal(status, 0);
	assert_no_pasta();
}

/* Started as an ordinary user: where there is a network, and the device is for everybody. */
static void test_as_this_user(void **state)
{
	struct box *box = box_open(state);
	skip_without(access("/usr/bin/pasta", X_OK) == 0, "pasta(1) of passt");
	skip_without(geteuid() == 0 || access("/dev/net/tun", R_OK | W_OK) == 0,
		     "a tun device that ordinary users may open");
	skip_without(*network_command("ip route show default"), "a default route");
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_USER));
	assert_prints(box, shell("ip -o link show eth0 | grep -c UP"), "1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_to_the_outside),     AT_CONTAINER(test_addresses),
		AT_CONTAINER(test_given_address),      AT_CONTAINER(test_forwarded_port),
		AT_CONTAINER(test_instance),           AT_CONTAINER(test_not_to_the_host),
		AT_CONTAINER(test_port_is_taken),      AT_CONTAINER(test_host_is_killed),
		AT_CONTAINER(test_launcher_is_killed), AT_CONTAINER(test_ordinary_user),
		AT_CONTAINER(test_as_this_user),
	};
	return cmocka_run_group_tests_name("container-user-network", tests, network_group_setup,
					   network_group_teardown);
}
