/* SPDX-License-Identifier: MIT */
/*
 * A Linux guest on the host's network, through passt(1): it takes its addresses from there, fetches from a server
 * outside, and is a server itself. It needs a KVM that runs ring 0: here in the rig.
 *
 *	guest -- passt, in the host (192.0.2.1, 2001:db8::1) -- outside (192.0.2.2, 2001:db8::2)
 */
#include "kernel_support.h"

#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "initramfs.h"

enum { BODY_SIZE = 1 << 20, PATIENCE_MS = 600000, WATCHDOG_SECONDS = 800, SUM = 32 };

static const char *const modules[] = {
	"virtio", "virtio_ring", "virtio_mmio", "failover", "net_failover", "virtio_net",
};

/* The MTU, too, is what passt says: frames of up to 64 KiB. */
static const char script[] =
	"for m in virtio_ring virtio virtio_mmio failover net_failover virtio_net; do insmod /modules/$m.ko; done\n"
	"cat >/bin/configure <<'end'\n"
	"#!/bin/sh\n"
	"test $1 = bound || exit 0\n"
	"ip link set eth0 mtu $mtu; ip addr add $ip/$mask dev eth0; ip route add default via $router\n"
	"end\n"
	"chmod 755 /bin/configure; ip link set lo up; ip link set eth0 up\n"
	"udhcpc -i eth0 -n -q -t 20 -s /bin/configure 2>/dev/null\n"
	"echo address $(ip -o -4 addr show eth0 | awk '{print $4}') mtu $(cat /sys/class/net/eth0/mtu)\n"
	"echo fetched $(wget -q -O - http://192.0.2.2:7000/body | md5sum)\n"
	"for i in $(seq 300); do ip -6 addr show dev eth0 scope global | grep inet6 | grep -qv tentative && break; "
	"usleep 100000; done\n"
	"echo by six $(wget -q -O - http://[2001:db8::2]:7000/body | md5sum)\n"
	"mkdir /www; dd if=/dev/urandom of=/www/body bs=64k count=16 2>/dev/null\n"
	"echo serves $(md5sum </www/body); httpd -p 8000 -h /www\n"
	"while test $(cat /sys/class/net/eth0/carrier) = 1; do usleep 100000; done; echo the cable is out\n"
	"poweroff -f\n";

/* The output of a shell command in the network of the host, or outside of it; static. */
static const char *command(pid_t outside, const char *text)
{
	static char output[4096];
	char entered[1024];
	snprintf(entered, sizeof(entered), outside ? "nsenter --net=/proc/%d/ns/net sh -c '%s'" : "%.0d%s",
		 (int)outside, text);
	FILE *pipe = popen(entered, "re");
	assert_non_null(pipe);
	size_t size = fread(output, 1, sizeof(output) - 1, pipe);
	output[size] = '\0';
	pclose(pipe);
	return output;
}

/* A process with a network of its own, in which it is a server of the directory. */
static pid_t start_outside(const char *directory)
{
	int told[2];
	char byte;
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(told[1], "", 1) != 1)
			_exit(1);
		execlp("busybox", "busybox", "httpd", "-f", "-p", "7000", "-h", directory, NULL);
		_exit(127);
	}
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	return pid;
}

/* In a network namespace of this process. */
static void connect_outside(pid_t outside)
{
	char text[512];
	snprintf(text, sizeof(text),
		 "ip link set lo up; ip link add cable type veth peer name eth0 netns %d && "
		 "ip addr add 192.0.2.1/24 dev cable && ip -6 addr add 2001:db8::1/64 dev cable nodad && "
		 "ip link set cable up && ip route add default via 192.0.2.2 && "
		 "ip -6 route add default via 2001:db8::2",
		 (int)outside);
	command(0, text);
	command(outside, "ip link set lo up; ip addr add 192.0.2.2/24 dev eth0; "
			 "ip -6 addr add 2001:db8::2/64 dev eth0 nodad; ip link set eth0 up");
	skip_without(strstr(command(0, "ip -o addr show cable"), "2001:db8::1"), "ip(8) of iproute2, and veth");
}

static pid_t start_passt(int fd)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", fd);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fcntl(fd, F_SETFD, 0);
		execlp("passt", "passt", "--foreground", "--quiet", "--no-map-gw", "--fd", number, "-t", "8080:8000",
		       NULL);
		_exit(127);
	}
	return pid;
}

static char *kernel_path(const char *kernel)
{
	char *pattern;
	glob_t found;
	assert_true(asprintf(&pattern, "%s/boot/vmlinu*", kernel) > 0);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	free(pattern);
	char *path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static void prepare(struct kernel_fixture *fixture, const char *kernel)
{
	char *image = kernel_path(kernel), *initramfs;
	assert_true(asprintf(&initramfs, "%s/initramfs", fixture->directory) > 0);
	initramfs_write(initramfs, script);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		initramfs_add_module(initramfs, kernel, modules[i]);
	assert_ok(viso_guest_set_kernel(fixture->guest, image));
	assert_ok(viso_guest_set_initramfs(fixture->guest, initramfs));
	assert_ok(viso_guest_set_command_line(fixture->guest, KERNEL_LINE));
	free(image);
	free(initramfs);
}

/* Its sum, by md5sum(1). */
static void make_body(const struct kernel_fixture *fixture, char sum[SUM + 1])
{
	char text[400];
	uint32_t *words = calloc(1, BODY_SIZE);
	for (uint32_t i = 0; i < BODY_SIZE / sizeof(words[0]); i++)
		words[i] = i * 2654435761u;
	free(kernel_write(fixture, "body", words, BODY_SIZE));
	free(words);
	snprintf(text, sizeof(text), "md5sum <%s/body", fixture->directory);
	memcpy(sum, command(0, text), SUM);
	sum[SUM] = '\0';
}

/* What the guest serves, once it does. */
static void fetch(pid_t outside, const char *address, char sum[SUM + 1])
{
	static const char nothing[] = "d41d8cd98f00b204e9800998ecf8427e";
	char text[200];
	const int64_t deadline = (int64_t)time(NULL) + PATIENCE_MS / 1000;
	snprintf(text, sizeof(text), "timeout 60 busybox wget -q -O - http://%s:8080/body 2>/dev/null | md5sum",
		 address);
	do {
		memcpy(sum, command(outside, text), SUM);
		sum[SUM] = '\0';
	} while (strcmp(sum, nothing) == 0 && time(NULL) < deadline && usleep(100000) == 0);
}

static void assert_says(const char *output, const char *text, const char *sum)
{
	char expected[100];
	snprintf(expected, sizeof(expected), "%s%s", text, sum);
	if (!strstr(output, expected))
		fail_msg("not in the output: %s; it is\n%s", expected, output);
}

static viso_process *boot(struct kernel_fixture *fixture)
{
	viso_command *streams = viso_command_new("computer");
	assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(streams, 1 << 20));
	assert_ok(viso_command_set_timeout_ms(streams, PATIENCE_MS));
	viso_process *process = kernel_boot(fixture, streams);
	viso_command_unref(streams);
	return process;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_passt(void **state)
{
	struct kernel_fixture *fixture = *state;
	const char *kernel = getenv("VISO_TEST_KERNELS");
	char sum[SUM + 1], sums[2][SUM + 1];
	int ends[2];
	need_kernels();
	skip_without(kernel, "a kernel to boot (see tests/rig)");
	skip_without(access("/usr/bin/passt", X_OK) == 0, "passt");
	skip_without(unshare(CLONE_NEWNET) == 0, "root, for a network namespace of the test's own");
	alarm(WATCHDOG_SECONDS);
	prepare(fixture, kernel);
	make_body(fixture, sum);
	pid_t outside = start_outside(fixture->directory);
	connect_outside(outside);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid_t passt = start_passt(ends[1]);
	close(ends[1]);
	assert_ok(viso_guest_add_network(fixture->guest, ends[0], NULL));
	close(ends[0]);

	viso_process *process = boot(fixture);
	fetch(outside, "192.0.2.1", sums[0]);
	fetch(0, "127.0.0.1", sums[1]);
	end(passt);
	viso_result *result = kernel_wait(process);
	end(outside);
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	assert_says(output, "address 192.0.2.1/24 mtu 65520\r\n", "");
	assert_says(output, "fetched ", sum);
	assert_says(output, "by six ", sum);
	assert_says(output, "serves ", sums[0]);
	assert_says(output, "serves ", sums[1]);
	assert_says(output, "the cable is out\r\n", "");
	assert_switched_off(result, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_passt, kernel_setup, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
