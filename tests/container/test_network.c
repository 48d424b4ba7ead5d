/* SPDX-License-Identifier: MIT */
/* The network of a container: what is refused, loopback, name servers, macvlan and ipvlan. */
#include "network_support.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_container *c = box->container;
	assert_int_equal(viso_container_set_network(NULL, VISO_NETWORK_BRIDGE), -EINVAL);
	assert_int_equal(viso_container_set_network(c, (viso_network)6), -EINVAL);
	assert_int_equal(viso_container_set_network(c, (viso_network)-1), -EINVAL);
	static const char *const bad_names[] = {"", "a/b", "a b", ".", "..", "sixteen-bytes-16", "a:b", "a\n"};
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
		assert_int_equal(viso_container_set_parent_interface(c, bad_names[i]), -EINVAL);
	assert_int_equal(viso_container_set_parent_interface(c, NULL), -EINVAL);
	static const char *const bad_addresses[] = {
		"",           "10.0.0.2",    "10.0.0.2/0",    "10.0.0.2/33", "10.0.0/24",
		"0.0.0.0/0",  "224.0.0.1/4", "10.0.0.2/24/3", "fd00::1/129", "::/64",
		"ff02::1/64", "10.0.0.2/ 8", "10.0.0.2/-1",   "name/24"};
	for (size_t i = 0; i < sizeof(bad_addresses) / sizeof(bad_addresses[0]); i++)
		assert_fails(viso_container_add_address(c, bad_addresses[i]), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_int_equal(viso_container_add_address(c, NULL), -EINVAL);
	assert_int_equal(viso_container_set_gateway(c, "10.0.0.1/24"), -EINVAL);
	assert_int_equal(viso_container_set_gateway(c, NULL), -EINVAL);
	assert_int_equal(viso_container_set_nat(c, 2), -EINVAL);
	assert_int_equal(viso_container_forward_port(c, (viso_protocol)1, NULL, 80, 80), -EINVAL);
	assert_int_equal(viso_container_forward_port(c, VISO_PROTOCOL_TCP, NULL, 0, 80), -EINVAL);
	assert_int_equal(viso_container_forward_port(c, VISO_PROTOCOL_TCP, NULL, 80, 65536), -EINVAL);
	assert_int_equal(viso_container_forward_port(c, VISO_PROTOCOL_TCP, "localhost", 80, 80), -EINVAL);
	assert_ok(viso_container_forward_port(c, VISO_PROTOCOL_TCP, "192.0.2.1", 80, 80));
	assert_ok(viso_container_forward_port(c, VISO_PROTOCOL_UDP, NULL, 80, 80));
	assert_ok(viso_container_forward_port(c, VISO_PROTOCOL_TCP, "192.0.2.7", 80, 80));
	assert_fails(viso_container_forward_port(c, VISO_PROTOCOL_TCP, NULL, 80, 81), EADDRINUSE, VISO_STAGE_ARGUMENT,
		     "port 80");
	for (int i = 0; i < 3; i++)
		assert_ok(viso_container_add_dns_server(c, "192.0.2.53"));
	assert_fails(viso_container_add_dns_server(c, "192.0.2.53"), E2BIG, VISO_STAGE_ARGUMENT, "192.0.2.53");
	assert_int_equal(viso_container_add_dns_server(c, "dns.example"), -EINVAL);
	assert_int_equal(viso_process_addresses(NULL, NULL, 0), -EINVAL);
}

static void assert_conflict(struct box *box, const char *setting)
{
	assert_start_fails(box, shell("true"), EINVAL, VISO_STAGE_ARGUMENT, setting);
	box_close(box);
}

static struct box *another(viso_network network)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_network(box->container, network));
	return box;
}

/* What would do nothing is an error that names the setter. */
static void test_conflicts(void **state)
{
	box_open(state);
	struct box *box = another(VISO_NETWORK_NONE);
	assert_ok(viso_container_add_address(box->container, "10.0.0.2/24"));
	assert_conflict(box, "viso_container_add_address");
	box = another(VISO_NETWORK_HOST);
	assert_ok(viso_container_set_gateway(box->container, "10.0.0.1"));
	assert_conflict(box, "viso_container_set_gateway");
	box = another(VISO_NETWORK_USER);
	assert_ok(viso_container_set_parent_interface(box->container, "cable"));
	assert_conflict(box, "viso_container_set_parent_interface");
	box = another(VISO_NETWORK_MACVLAN);
	assert_conflict(box, "viso_container_set_parent_interface");
	box = another(VISO_NETWORK_MACVLAN);
	assert_ok(viso_container_set_parent_interface(box->container, "cable"));
	assert_ok(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 80, 80));
	assert_conflict(box, "viso_container_forward_port");
	box = another(VISO_NETWORK_USER);
	assert_ok(viso_container_set_nat(box->container, 1));
	assert_conflict(box, "viso_container_set_nat");
}

static void test_frozen(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, shell("echo ran"), "ran\n");
	assert_int_equal(viso_container_set_network(box->container, VISO_NETWORK_HOST), -EBUSY);
	assert_int_equal(viso_container_add_address(box->container, "10.0.0.2/24"), -EBUSY);
	assert_int_equal(viso_container_set_gateway(box->container, "10.0.0.1"), -EBUSY);
	assert_int_equal(viso_container_add_dns_server(box->container, "10.0.0.1"), -EBUSY);
	assert_int_equal(viso_container_set_nat(box->container, 1), -EBUSY);
	assert_int_equal(viso_container_set_parent_interface(box->container, "x"), -EBUSY);
	assert_int_equal(viso_container_forward_port(box->container, VISO_PROTOCOL_TCP, NULL, 80, 80), -EBUSY);
	viso_sandbox_close(box->sandbox);
	assert_int_equal(viso_container_set_nat(box->container, 1), -ESTALE);
}

/* Names of abstract unix sockets belong to the network namespace: the host's are reached with its network only. */
static void test_abstract_sockets(void **state)
{
	struct box *box = box_open(state);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];
	int length = snprintf(name, sizeof(name), "virtiso-test/%d", getpid());
	memcpy(address.sun_path + 1, name, (size_t)length);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
			 0);
	assert_int_equal(listen(listener, 8), 0);
	/* It can be reached: from here, and in the host's network where Landlock has no scopes (Linux 6.12). */
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
			 0);
	close(client);
	viso_machine *machine = viso_machine_new();
	bool scoped = viso_machine_feature(machine, VISO_FEATURE_LANDLOCK_SCOPE) == 1;
	viso_machine_unref(machine);
	struct box *sharing = another(VISO_NETWORK_HOST);
	assert_prints(sharing, probe("abstract", name, NULL), scoped ? "Operation not permitted\n" : "reached\n");
	box_close(sharing);
	assert_prints(box, probe("abstract", name, NULL), "Connection refused\n");
	if (geteuid() == 0 && *network_command("ip -o link show cable 2>/dev/null")) {
		struct box *bridged = another(VISO_NETWORK_BRIDGE);
		assert_prints(bridged, probe("abstract", name, NULL), "Connection refused\n");
		box_close(bridged);
	}
	close(listener);
}

static const char show_loopback[] = "ip -o addr show lo | grep -o -e 'inet6* [^ ]*'";

static void test_loopback(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, shell(show_loopback), "inet 127.0.0.1/8\ninet6 ::1/128\n");
	assert_prints(box, shell("ip -o link | busybox wc -l"), "1\n");
	char buffer[8] = "x";
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_process_addresses(process, buffer, sizeof(buffer)), 0);
	assert_string_equal(buffer, "");
	assert_int_equal(viso_process_addresses(process, NULL, 0), 0);
	assert_int_equal(viso_process_addresses(process, NULL, 1), -EINVAL);
	assert_ok(viso_process_kill(process));
	assert_ok(viso_process_wait(process, -1, NULL));
	assert_int_equal(viso_process_addresses(process, buffer, sizeof(buffer)), -ESRCH);
	viso_process_unref(process);
}

static void test_addresses_of_a_jail(void **state)
{
	struct box *box = box_open(state);
	char buffer[8];
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_fails(viso_process_addresses(process, buffer, sizeof(buffer)), EOPNOTSUPP, VISO_STAGE_NETWORK, "");
	viso_process_unref(process);
}

static struct box *box_with_resolv_conf(char **out_tree)
{
	*out_tree = box_new_tree();
	tree_write(*out_tree, "etc/resolv.conf", "nameserver 203.0.113.99\n", 0644);
	return box_new(VISO_ISOLATION_CONTAINER, *out_tree);
}

static void test_name_servers(void **state)
{
	box_open(state);
	char *tree;
	struct box *box = box_with_resolv_conf(&tree);
	assert_ok(viso_container_add_dns_server(box->container, "192.0.2.53"));
	assert_ok(viso_container_add_dns_server(box->container, "2001:db8::53"));
	assert_prints(box, shell("cat /etc/resolv.conf"), "nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
	/* It is nobody's to change, and where it came from is gone. */
	assert_prints(box,
		      shell("echo x 2>/dev/null >/etc/resolv.conf || echo no; busybox ls -A /tmp; grep -c ' /tmp ' "
			    "/proc/self/mounts"),
		      "no\n1\n");
	box_close(box);
	/* The root's own is as it was. */
	box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_prints(box, shell("cat /etc/resolv.conf"), "nameserver 203.0.113.99\n");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

static void test_name_servers_without_the_file(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_dns_server(box->container, "192.0.2.53"));
	assert_prints(box, shell("cat /etc/resolv.conf; touch /etc/x 2>&1 | grep -c Read-only"),
		      "nameserver 192.0.2.53\n1\n");
	char *file = tree_path(box_tree(), "etc/resolv.conf");
	assert_int_equal(access(file, F_OK), -1);
	free(file);
}

/* A link would lead to a file of the host. */
static void test_name_servers_by_a_link(void **state)
{
	box_open(state);
	char *tree = box_new_tree();
	tree_link("../../../../../../etc/hostname", tree, "etc/resolv.conf");
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_ok(viso_container_add_dns_server(box->container, "192.0.2.53"));
	assert_start_fails(box, shell("true"), ELOOP, VISO_STAGE_MOUNT, "/etc/resolv.conf");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

static void test_macvlan(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_MACVLAN);
	char buffer[64];
	assert_ok(viso_container_set_parent_interface(box->container, "cable"));
	assert_ok(viso_container_add_address(box->container, "192.0.2.10/24"));
	assert_ok(viso_container_add_address(box->container, "2001:db8::10/64"));
	assert_ok(viso_container_set_gateway(box->container, "192.0.2.2"));
	viso_process *process = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_process_addresses(process, buffer, sizeof(buffer)), 30);
	assert_string_equal(buffer, "192.0.2.10/24\n2001:db8::10/64\n");
	assert_int_equal(viso_process_addresses(process, buffer, 4), 30);
	assert_string_equal(buffer, "192");
	viso_process_unref(process);
	/* The server sees the container itself. */
	assert_prints(box, shell("busybox nc -w 20 192.0.2.2 7000 </dev/null"), "::ffff:192.0.2.10\n");
	assert_prints(box, shell("busybox nc -w 20 2001:db8::2 7000 </dev/null"), "2001:db8::10\n");
	assert_prints(box, shell("ip route | busybox awk '/default/ {print $3}'; ip -o link | busybox wc -l"),
		      "192.0.2.2\n2\n");
	assert_prints(box, shell(show_loopback), "inet 127.0.0.1/8\ninet6 ::1/128\n");
	network_assert_clean();
}

static void test_ipvlan(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_IPVLAN);
	assert_ok(viso_container_set_parent_interface(box->container, "cable"));
	assert_ok(viso_container_add_address(box->container, "192.0.2.11/24"));
	viso_command *command = shell("busybox nc -w 20 192.0.2.2 7000 </dev/null");
	int r = viso_sandbox_run(box->sandbox, command, NULL);
	if (r == -EOPNOTSUPP) {
		assert_non_null(strstr(viso_error_message(), "ipvlan"));
		viso_command_unref(command);
		network_assert_clean();
		skip_without(false, "ipvlan in the kernel");
	}
	assert_ok(r);
	assert_prints(box, command, "::ffff:192.0.2.11\n");
	network_assert_clean();
}

static void test_missing_parent(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_MACVLAN);
	assert_ok(viso_container_set_parent_interface(box->container, "nothere0"));
	assert_start_fails(box, shell("true"), ENODEV, VISO_STAGE_NETWORK, "nothere0");
	network_assert_clean();
}

static void test_gateway_out_of_reach(void **state)
{
	struct box *box = network_open(state, VISO_NETWORK_MACVLAN);
	assert_ok(viso_container_set_parent_interface(box->container, "cable"));
	assert_ok(viso_container_add_address(box->container, "192.0.2.10/24"));
	assert_ok(viso_container_set_gateway(box->container, "198.51.100.1"));
	assert_start_fails(box, shell("true"), ENETUNREACH, VISO_STAGE_NETWORK, "198.51.100.1");
	network_assert_clean();
}

/* Rights over the host's interfaces are root's. */
static void test_ordinary_user(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() != 0, "an ordinary user");
	assert_ok(viso_container_set_network(box->container, VISO_NETWORK_BRIDGE));
	assert_start_fails(box, shell("true"), EPERM, VISO_STAGE_NETWORK, "");
	assert_non_null(strstr(viso_error_message(), "VISO_NETWORK_USER"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_arguments),
		AT_CONTAINER(test_conflicts),
		AT_CONTAINER(test_frozen),
		AT_CONTAINER(test_loopback),
		AT_CONTAINER(test_abstract_sockets),
		AT_JAIL(test_addresses_of_a_jail),
		AT_CONTAINER(test_name_servers),
		AT_CONTAINER(test_name_servers_without_the_file),
		AT_CONTAINER(test_name_servers_by_a_link),
		AT_CONTAINER(test_macvlan),
		AT_CONTAINER(test_ipvlan),
		AT_CONTAINER(test_missing_parent),
		AT_CONTAINER(test_gateway_out_of_reach),
		AT_CONTAINER(test_ordinary_user),
	};
	return cmocka_run_group_tests_name("container-network", tests, network_group_setup, network_group_teardown);
}
