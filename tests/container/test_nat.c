/* SPDX-License-Identifier: MIT */
/* NAT and forwarded ports of containers on a bridge. */
#include "host.h"
#include "network_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char listen_8000[] = "exec busybox nc -ll -p 8000 -e /bin/echo hello";
static const char ask_outside[] = "busybox nc -w 20 192.0.2.2 7000 </dev/null 2>/dev/null || echo nobody";
static const char ask_in_vain[] = "busybox nc -w 2 192.0.2.2 7000 </dev/null 2>/dev/null || echo nobody";

static struct box *nat_open(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_BRIDGE);
	skip_without(*network_command("nft --version 2>/dev/null"), "nft(8)");
	return box;
}

/* Without it, the answers find no way back; with it, the server sees the host. */
static void test_nat(void **state)
{
	struct box *box = nat_open(state);
	assert_prints(box, shell(ask_in_vain), "nobody\n");
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(other->container, VISO_NETWORK_BRIDGE));
	assert_ok(viso_container_set_nat(other->container, 1));
	assert_prints(other, shell(ask_outside), "::ffff:192.0.2.1\n");
	box_close(other);
	network_assert_clean();
}

static void test_nat_of_ipv6(void **state)
{
	struct box *box = nat_open(state);
	assert_ok(viso_container_add_address(box->container, "fd00:8::2/64"));
	assert_ok(viso_container_set_nat(box->container, 1));
	assert_prints(box, shell("busybox nc -w 20 2001:db8::2 7000 </dev/null"), "2001:db8::1\n");
	network_assert_clean();
}

static void test_forwarding_is_off(void **state)
{
	struct box *box = nat_open(state);
	network_set_forwarding(false);
	assert_ok(viso_container_set_nat(box->container, 1));
	assert_start_fails(box, shell("true"), EOPNOTSUPP, VISO_STAGE_NETWORK, "net.ipv4.ip_forward");
	assert_non_null(strstr(viso_error_message(), "net.ipv4.ip_forward=1"));
	network_set_forwarding(true);
	network_assert_clean();
}

static void test_forwarded_port(void **state)
{
	struct box *box = nat_open(state);
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 8080, 8000));
	char text[64];
	assert_string_equal(network_ask(true, "192.0.2.1", 8080, text, sizeof(text)), "");
	viso_process *server = network_spawn(box, listen_8000);
	network_await_listener(true, "192.0.2.1", 8080, "hello\n");
	/* The host itself, too, at its own address. */
	network_await_listener(false, "192.0.2.1", 8080, "hello\n");
	/* The port is taken, for other containers and programs alike. */
	assert_start_fails(box, shell("true"), EADDRINUSE, VISO_STAGE_NETWORK, "port 8080");
	network_await_listener(true, "192.0.2.1", 8080, "hello\n");
	viso_process_unref(server);
	assert_string_equal(network_ask(true, "192.0.2.1", 8080, text, sizeof(text)), "");
	network_assert_clean();
}

static void test_port_of_one_address(void **state)
{
	struct box *box = nat_open(state);
	char text[64];
	network_command("ip addr add 192.0.2.7/24 dev cable");
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, "192.0.2.7", 8081, 8000));
	viso_process *server = network_spawn(box, listen_8000);
	network_await_listener(true, "192.0.2.7", 8081, "hello\n");
	assert_string_equal(network_ask(true, "192.0.2.1", 8081, text, sizeof(text)), "");
	viso_process_unref(server);
	network_command("ip addr del 192.0.2.7/24 dev cable");
	network_assert_clean();
}

static void test_port_of_a_missing_address(void **state)
{
	struct box *box = nat_open(state);
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, "203.0.113.5", 8082, 8000));
	assert_start_fails(box, shell("true"), EADDRNOTAVAIL, VISO_STAGE_NETWORK, "port 8082");
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(other->container, VISO_NETWORK_BRIDGE));
	assert_ok(viso_container_forward_port(other->container, VISO_PROTOCOL_TCP, "2001:db8::1", 8082, 8000));
	assert_start_fails(other, shell("true"), EADDRNOTAVAIL, VISO_STAGE_NETWORK, "2001:db8::1");
	box_close(other);
	network_assert_clean();
}

static void test_port_of_ipv6(void **state)
{
	struct box *box = nat_open(state);
	assert_ok(viso_container_add_address(box->container, "10.9.0.2/24"));
	assert_ok(viso_container_add_address(box->container, "fd00:9::2/64"));
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 8083, 8000));
	viso_process *server = network_spawn(box, listen_8000);
	network_await_listener(true, "2001:db8::1", 8083, "hello\n");
	network_await_listener(true, "192.0.2.1", 8083, "hello\n");
	viso_process_unref(server);
	network_assert_clean();
}

/* The rules of one go, those of the other stay; and the table with the last. */
static void test_rules_come_and_go(void **state)
{
	struct box *box = nat_open(state);
	assert_ok(viso_container_set_nat(box->container, 1));
	viso_process *processes[3];
	for (int i = 0; i < 3; i++)
		processes[i] = network_spawn(box, "exec busybox sleep 100");
	assert_int_equal(atoi(network_command("nft list ruleset | grep -c masquerade")), 3);
	viso_process_unref(processes[1]);
	assert_int_equal(atoi(network_command("nft list ruleset | grep -c masquerade")), 2);
	/* It is the host program's alone. */
	assert_non_null(strstr(network_command("nft flush ruleset 2>&1; nft list ruleset"), "flags owner"));
	viso_process_unref(processes[0]);
	viso_process_unref(processes[2]);
	network_assert_clean();
}

static void hold_a_container(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_BRIDGE));
	assert_ok(viso_container_set_nat(box->container, 1));
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 8084, 8000));
	network_spawn(box, listen_8000);
	ready_tell(argument, "up");
	pause();
}

static void test_host_is_killed(void **state)
{
	nat_open(state);
	struct ready_pipe ready;
	char line[16];
	ready_init(&ready);
	pid_t host = host_start(hold_a_container, &ready);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	assert_non_null(strstr(network_command("nft list tables"), "virtiso-"));
	network_await_listener(true, "192.0.2.1", 8084, "hello\n");
	host_kill(host);
	ready_close(&ready);
	network_assert_clean();
}

/* A forked child of a host with a table has its own, and does not keep the parent's. */
static void run_in_fork(void *argument)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_BRIDGE));
	assert_ok(viso_container_set_nat(box->container, 1));
	assert_prints(box, shell(ask_outside), "::ffff:192.0.2.1\n");
	box_close(box);
}

static void test_fork(void **state)
{
	struct box *box = nat_open(state);
	assert_ok(viso_container_set_nat(box->container, 1));
	viso_process *process = network_spawn(box, "exec busybox sleep 100");
	in_a_host(run_in_fork, NULL);
	assert_int_equal(atoi(network_command("nft list ruleset | grep -c masquerade")), 1);
	assert_prints(box, shell(ask_outside), "::ffff:192.0.2.1\n");
	viso_process_unref(process);
	network_assert_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_nat),
		AT_CONTAINER(test_nat_of_ipv6),
		AT_CONTAINER(test_forwarding_is_off),
		AT_CONTAINER(test_forwarded_port),
		AT_CONTAINER(test_port_of_one_address),
		AT_CONTAINER(test_port_of_a_missing_address),
		AT_CONTAINER(test_port_of_ipv6),
		AT_CONTAINER(test_rules_come_and_go),
		AT_CONTAINER(test_host_is_killed),
		AT_CONTAINER(test_fork),
	};
	return cmocka_run_group_tests_name("container-nat", tests, network_group_setup, network_group_teardown);
}
