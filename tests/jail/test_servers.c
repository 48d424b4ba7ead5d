/* SPDX-License-Identifier: MIT */
/* nginx in a jail, serving a file of its root. */
#include "host.h"
#include "programs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PORT = 8080, ATTEMPTS = 2000, ATTEMPT_US = 5000 };

/* Debian's own settings want to write in directories of root; these want /work only. */
static void configure(struct box *box, const char *listen)
{
	static const char page[] = "served from a jail\n";
	char settings[2048];
	int size =
		snprintf(settings, sizeof(settings),
			 "daemon off; pid /work/pid; error_log stderr; worker_processes 2;\n"
			 "events {}\n"
			 "http { include /etc/nginx/mime.types; access_log off;\n"
			 "client_body_temp_path /work/body; proxy_temp_path /work/proxy; fastcgi_temp_path /work/f;\n"
			 "uwsgi_temp_path /work/u; scgi_temp_path /work/s;\n"
			 "server { listen %s; root /site; } }\n",
			 listen);
	assert_ok(viso_root_add_data(box->root, "/site/page.txt", page, sizeof(page) - 1, 0644));
	assert_ok(viso_root_add_data(box->root, "/site/nginx.conf", settings, (size_t)size, 0644));
}

static viso_process *start(struct box *box)
{
	return box_spawn(box, command_of((const char *[]){"nginx", "-e", "stderr", "-c", "/site/nginx.conf", NULL}));
}

static int connect_once(const struct sockaddr *address, socklen_t size)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, address, size) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Connects as soon as somebody listens; fails the test where the server ends before. */
static int connect_to(viso_process *process, const struct sockaddr *address, socklen_t size)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int fd = connect_once(address, size);
		if (fd >= 0)
			return fd;
		viso_result *result = NULL;
		if (viso_process_wait(process, 0, &result) >= 0) {
			print_error("nginx %s: %s\n", viso_result_describe(result),
				    viso_result_output(result, VISO_STDERR, NULL));
			fail();
		}
		usleep(ATTEMPT_US);
	}
	fail_msg("nothing listens: %s", strerror(errno));
	return -1;
}

static void assert_serves(viso_process *process, const struct sockaddr *address, socklen_t size)
{
	static const char request[] = "GET /page.txt HTTP/1.0\r\n\r\n";
	char answer[4096];
	size_t length = 0;
	int fd = connect_to(process, address, size);
	assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
	for (ssize_t n; (n = read(fd, answer + length, sizeof(answer) - 1 - length)) > 0;)
		length += (size_t)n;
	answer[length] = '\0';
	close(fd);
	assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
	assert_non_null(strstr(answer, "Content-Type: text/plain\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\nserved from a jail\n"));
}

static void stop(viso_process *process)
{
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ended(box_wait(process), VISO_REASON_EXITED, 0, 0);
	viso_process_unref(process);
}

/* The jail has no network: a socket in the tree is where both sides meet. */
static void test_nginx_at_a_socket_in_the_tree(void **state)
{
	struct box *box = jail_of("nginx", NULL);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	configure(box, "unix:/work/socket");
	viso_process *process = start(box);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/work/socket", viso_root_path(box->root));
	assert_serves(process, (struct sockaddr *)&address, sizeof(address));
	stop(process);
}

/* Brings the loopback device of this network namespace up. */
static void loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void host_with_network(void *argument)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	loopback_up();
	struct box *box = jail_of("nginx", NULL);
	assert_ok(viso_jail_set_network(box->jail, VISO_NETWORK_HOST));
	configure(box, "127.0.0.1:8080");
	viso_process *process = start(box);
	assert_serves(process, (struct sockaddr *)&address, sizeof(address));
	stop(process);
	programs_teardown(NULL);
}

static void test_nginx_at_a_port(void **state)
{
	skip_without_strength(VISO_ISOLATION_JAIL);
	skip_without_program("nginx");
	skip_without(geteuid() == 0, "root, for a network namespace");
	in_a_host(host_with_network, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_nginx_at_a_socket_in_the_tree, programs_teardown),
		cmocka_unit_test(test_nginx_at_a_port),
	};
	return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
