/* SPDX-License-Identifier: MIT */
/* Containers on a bridge: they reach each other, and nothing is left of it. */
#include "host.h"
#include "network_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char listen_8000[] = "exec busybox nc -ll -p 8000 -e /bin/echo hello";

static const char *addresses_of(viso_process *process)
{
	static char buffer[2][256];
	static int which;
	char *text = buffer[which++ % 2];
	assert_true(viso_process_addresses(process, text, sizeof(buffer[0])) > 0);
	return text;
}

/* The first address without its prefix length. */
static void plain_address(viso_process *process, char address[64])
{
	snprintf(address, 64, "%s", addresses_of(process));
	address[strcspn(address, "/")] = '\0';
}

static void test_two_containers(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	char address[64], script[256];
	viso_process *server = network_spawn(box, listen_8000);
	plain_address(server, address);
	assert_int_equal(strncmp(address, "10.88.", 6), 0);
	network_await_listener(false, address, 8000, "hello\n");
	snprintf(script, sizeof(script), "busybox nc -w 20 %s 8000 </dev/null", address);
	/* Another start of the same container has an address of its own. */
	assert_prints(box, shell(script), "hello\n");
	assert_prints(box, shell("ip route | busybox awk '/default/ {print $3}'"), "10.88.0.1\n");
	assert_prints(box, shell("ip -o addr show lo | grep -c -e 127.0.0.1/8 -e ::1/128"), "2\n");
	assert_non_null(strstr(network_command("ip -o addr show viso0"), "10.88.0.1/16"));
	/* Another container, too. */
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(other->container, VISO_NETWORK_BRIDGE));
	assert_prints(other, shell(script), "hello\n");
	box_close(other);
	viso_process_unref(server);
	network_assert_clean();
}

static void test_without_a_bridge_they_do_not(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	char address[64], script[256];
	viso_process *server = network_spawn(box, listen_8000);
	plain_address(server, address);
	network_await_listener(false, address, 8000, "hello\n");
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	snprintf(script, sizeof(script), "busybox nc -w 20 %s 8000 </dev/null 2>/dev/null || echo no", address);
	assert_prints(other, shell(script), "no\n");
	box_close(other);
	viso_process_unref(server);
}

static void test_given_addresses(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	assert_ok(viso_container_set_parent_interface(box->container, "mine0"));
	assert_ok(viso_container_add_address(box->container, "10.7.0.5/24"));
	assert_ok(viso_container_add_address(box->container, "fd00:7::5/64"));
	viso_process *server = network_spawn(box, "exec busybox nc -ll -p 8000 -e /bin/echo hello");
	assert_string_equal(addresses_of(server), "10.7.0.5/24\nfd00:7::5/64\n");
	network_await_listener(false, "10.7.0.5", 8000, "hello\n");
	network_await_listener(false, "fd00:7::5", 8000, "hello\n");
	assert_non_null(strstr(network_command("ip -o addr show mine0"), "10.7.0.1/24"));
	assert_non_null(strstr(network_command("ip -o addr show mine0"), "fd00:7::1/64"));
	/* Nobody else can have it as long as it is there. */
	assert_start_fails(box, shell("true"), EADDRINUSE, VISO_STAGE_NETWORK, "10.7.0.5");
	network_await_listener(false, "10.7.0.5", 8000, "hello\n");
	viso_process_unref(server);
	assert_prints(box, shell("ip -6 route | grep -c 'default via fd00:7::1'"), "1\n");
	network_assert_clean();
}

/* All commands of an instance have one interface. */
static void test_instance(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	char address[64];
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_process *server = network_spawn(box, listen_8000);
	plain_address(server, address);
	network_await_listener(false, address, 8000, "hello\n");
	assert_prints(box, shell("busybox nc -w 20 127.0.0.1 8000 </dev/null"), "hello\n");
	assert_prints(box, shell("ip -o link show eth0 | grep -c UP"), "1\n");
	viso_process_unref(server);
	assert_non_null(strstr(network_command("ip -o link"), "viso0"));
	assert_ok(viso_sandbox_close(box->sandbox));
	network_assert_clean();
}

static void test_failed_instance(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	assert_ok(viso_container_set_gateway(box->container, "198.51.100.1"));
	assert_fails(viso_sandbox_start(box->sandbox), ENETUNREACH, VISO_STAGE_NETWORK, "198.51.100.1");
	network_assert_clean();
}

/* A bridge of the host's own stays, and has its addresses only. */
static void test_bridge_of_the_host(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	network_command(
		"ip link add other0 type bridge && ip addr add 172.30.0.1/24 dev other0 && ip link set other0 up");
	assert_ok(viso_container_set_parent_interface(box->container, "other0"));
	viso_process *server = network_spawn(box, listen_8000);
	char address[64];
	plain_address(server, address);
	assert_int_equal(strncmp(address, "172.30.0.", 9), 0);
	network_await_listener(false, address, 8000, "hello\n");
	viso_process_unref(server);
	assert_non_null(strstr(network_command("ip -o addr show other0"), "172.30.0.1/24"));
	network_assert_clean();
	network_command("ip link del other0");
}

static void test_no_bridge(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	assert_ok(viso_container_set_parent_interface(box->container, "cable"));
	assert_start_fails(box, shell("true"), ENOTSUP, VISO_STAGE_NETWORK, "cable");
	network_assert_clean();
}

static void test_failed_start(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	int fds = support_count_fds();
	/* After the network was made. */
	viso_command *command = viso_command_new("/bin/nothere");
	assert_start_fails(box, command, ENOENT, VISO_STAGE_EXEC, "nothere");
	network_assert_clean();
	/* While it is made: the gateway is not in the network. */
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(other->container, VISO_NETWORK_BRIDGE));
	assert_ok(viso_container_set_gateway(other->container, "198.51.100.1"));
	assert_start_fails(other, shell("true"), ENETUNREACH, VISO_STAGE_NETWORK, "198.51.100.1");
	box_close(other);
	network_assert_clean();
	assert_true(support_count_fds() <= fds + 4); /* the launcher's sockets, channels that were kept */
}

/* All addresses of a network of eight: the bridge has one, six are left with the last of the broadcasts. */
static void test_addresses_run_out(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	network_command(
		"ip link add other1 type bridge && ip addr add 172.31.0.1/29 dev other1 && ip link set other1 up");
	assert_ok(viso_container_set_parent_interface(box->container, "other1"));
	viso_process *processes[5];
	for (int i = 0; i < 5; i++) {
		processes[i] = network_spawn(box, "exec busybox sleep 100");
		for (int k = 0; k < i; k++)
			assert_string_not_equal(addresses_of(processes[i]), addresses_of(processes[k]));
	}
	assert_start_fails(box, shell("true"), EADDRNOTAVAIL, VISO_STAGE_NETWORK, "bridge");
	viso_process_unref(processes[2]);
	/* It is free again at once. */
	assert_prints(box, shell("echo ran"), "ran\n");
	for (int i = 0; i < 5; i++)
		if (i != 2)
			viso_process_unref(processes[i]);
	network_assert_clean();
	network_command("ip link del other1");
}

enum { THREADS = 4, ROUNDS = 8 };

static void *start_many(void *argument)
{
	struct box *box = argument;
	for (int i = 0; i < ROUNDS; i++) {
		viso_command *command = shell("ip -o addr show eth0 | grep -q 10.88.");
		viso_result *result = NULL;
		int r = viso_sandbox_run(box->sandbox, command, &result);
		viso_command_unref(command);
		bool ok = r == 0 && viso_result_exit_code(result) == 0;
		if (!ok)
			print_error("%s\n", r < 0 ? viso_error_message() : viso_result_describe(result));
		viso_result_unref(result);
		if (!ok)
			return (void *)1;
	}
	return NULL;
}

static void many_at_once(struct box *box)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, start_many, box), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

/* The bridge comes and goes meanwhile. */
static void test_threads(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	many_at_once(box);
	network_assert_clean();
}

static void run_host(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_BRIDGE));
	many_at_once(box);
	box_close(box);
}

static void test_host_programs(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	pid_t hosts[2];
	for (int i = 0; i < 2; i++)
		hosts[i] = host_start(run_host, NULL);
	many_at_once(box);
	for (int i = 0; i < 2; i++)
		host_must_succeed(hosts[i]);
	network_assert_clean();
}

static void hold_a_container(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_BRIDGE));
	viso_process *process = network_spawn(box, listen_8000);
	ready_tell(argument, addresses_of(process));
	pause();
}

static void test_host_is_killed(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	struct ready_pipe ready;
	char line[256];
	ready_init(&ready);
	pid_t host = host_start(hold_a_container, &ready);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	/* The bridge of both stays as long as one of them is on it. */
	viso_process *process = network_spawn(box, listen_8000);
	host_kill(host);
	ready_close(&ready);
	char address[64];
	plain_address(process, address);
	for (int i = 0; i < 250 && atoi(network_command("ip -o link show master viso0 | wc -l")) > 1; i++)
		usleep(20000);
	network_await_listener(false, address, 8000, "hello\n");
	viso_process_unref(process);
	network_assert_clean();

	ready_init(&ready);
	host = host_start(hold_a_container, &ready);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	assert_non_null(strstr(network_command("ip -o link"), "viso0"));
	host_kill(host);
	ready_close(&ready);
	network_assert_clean();
}

static void start_for_ever(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_BRIDGE));
	ready_tell(argument, "go");
	for (;;) {
		viso_command *command = shell("true");
		assert_ok(viso_sandbox_run(box->sandbox, command, NULL));
		viso_command_unref(command);
	}
}

static void test_host_is_killed_at_some_point(void **state)
{
	network_open(state, VISO_NETWORK_BRIDGE);
	for (int i = 0; i < 20; i++) {
		struct ready_pipe ready;
		char line[16];
		ready_init(&ready);
		pid_t host = host_start(start_for_ever, &ready);
		assert_true(ready_wait(&ready, line, sizeof(line)));
		usleep((unsigned)(20000 + 7919 * i % 60000));
		host_kill(host);
		ready_close(&ready);
		network_assert_clean();
	}
}

/* The kernel would make "br0" of it. */
static void test_names_that_are_templates(void **state)
{
	static const char *const names[] = {"br%d", "%d", "a%", "50%s"};
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(viso_container_set_parent_interface(box->container, names[i]), -EINVAL);
	network_assert_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_two_containers),
		AT_CONTAINER(test_without_a_bridge_they_do_not),
		AT_CONTAINER(test_given_addresses),
		AT_CONTAINER(test_instance),
		AT_CONTAINER(test_failed_instance),
		AT_CONTAINER(test_bridge_of_the_host),
		AT_CONTAINER(test_no_bridge),
		AT_CONTAINER(test_failed_start),
		AT_CONTAINER(test_names_that_are_templates),
		AT_CONTAINER(test_addresses_run_out),
		AT_CONTAINER(test_threads),
		AT_CONTAINER(test_host_programs),
		AT_CONTAINER(test_host_is_killed),
		AT_CONTAINER(test_host_is_killed_at_some_point),
	};
	return cmocka_run_group_tests_name("container-bridge", tests, network_group_setup, network_group_teardown);
}
