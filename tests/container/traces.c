/* SPDX-License-Identifier: MIT */
/*
 * Runs in a container:
 *
 *   traces leave   leaves a trace of every kind that it can, among them a process that stays, and says which
 *   traces find    says which traces of the one above there are
 *
 * A line for each: its name. What it may not do, it leaves out.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/in6.h>
#include <linux/sockios.h>
#include <mqueue.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { KEY = 0x7669736f, PORT = 4242, VALUE = 4242 };

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return done;
}

static const char *read_file(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int count_lines(const char *text)
{
	int lines = 0;
	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static bool leave_tmp(void)
{
	return write_file("/tmp/trace", "here");
}

static bool find_tmp(void)
{
	return access("/tmp/trace", F_OK) == 0;
}

static bool leave_shm(void)
{
	return write_file("/dev/shm/trace", "here");
}

static bool find_shm(void)
{
	return access("/dev/shm/trace", F_OK) == 0;
}

static bool leave_dev(void)
{
	return mkdir("/dev/trace", 0755) == 0;
}

static bool find_dev(void)
{
	return access("/dev/trace", F_OK) == 0;
}

static bool leave_dev_mode(void)
{
	return chmod("/dev", 0711) == 0;
}

static bool find_dev_mode(void)
{
	struct stat st;
	return stat("/dev", &st) == 0 && (st.st_mode & 0777) != 0755;
}

/* By a process that stays. */
static bool leave_lock(void)
{
	int fd = open("/dev", O_RDONLY | O_DIRECTORY);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static bool find_lock(void)
{
	int fd = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static bool leave_terminal(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0;
}

static bool find_terminal(void)
{
	return access("/dev/pts/0", F_OK) == 0;
}

static bool leave_shared_memory(void)
{
	return shmget(KEY, 4096, IPC_CREAT | 0666) >= 0;
}

static bool find_shared_memory(void)
{
	return shmget(KEY, 0, 0) >= 0;
}

static bool leave_messages(void)
{
	return msgget(KEY, IPC_CREAT | 0666) >= 0;
}

static bool find_messages(void)
{
	return msgget(KEY, 0) >= 0;
}

static bool leave_semaphores(void)
{
	return semget(KEY, 1, IPC_CREAT | 0666) >= 0;
}

static bool find_semaphores(void)
{
	return semget(KEY, 0, 0) >= 0;
}

static bool leave_message_queue(void)
{
	return mq_open("/trace", O_CREAT | O_RDWR, 0666, NULL) >= 0;
}

static bool find_message_queue(void)
{
	return mq_open("/trace", O_RDONLY) >= 0;
}

static int abstract_socket(int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0trace"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return call(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 6) < 0 ? -1 : fd;
}

static bool leave_abstract_socket(void)
{
	int fd = abstract_socket(bind);
	return fd >= 0 && listen(fd, 5) == 0;
}

static bool find_abstract_socket(void)
{
	return abstract_socket(connect) >= 0;
}

/* In its own queue, so that the kernel's collector has to find it (unix(7)). */
static bool leave_socket_in_flight(void)
{
	int pair[2];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0flight"};
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0 ||
	    bind(pair[0], (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 7) < 0)
		return false;
	struct iovec iov = {.iov_base = "", .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &pair[0], sizeof(int));
	bool sent = sendmsg(pair[1], &message, 0) == 1;
	close(pair[0]);
	close(pair[1]);
	return sent;
}

static bool find_socket_in_flight(void)
{
	return strstr(read_file("/proc/net/unix"), "@flight");
}

static int inet_socket(int type, const char *to, int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	inet_pton(AF_INET, to, &address.sin_addr);
	int fd = socket(AF_INET, type, 0);
	return call(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

static bool leave_port(void)
{
	int fd = inet_socket(SOCK_STREAM, "127.0.0.1", bind);
	return fd >= 0 && listen(fd, 5) == 0;
}

static bool find_port(void)
{
	return inet_socket(SOCK_STREAM, "127.0.0.1", connect) >= 0;
}

/* The side that closes first waits: a minute. */
static bool leave_connection(void)
{
	int fd = inet_socket(SOCK_STREAM, "127.0.0.1", connect);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool find_connection(void)
{
	/* More than the header, and what may listen there. */
	return count_lines(read_file("/proc/net/tcp")) > 2;
}

/* What find_port() itself has tried comes later. */
static bool find_packets(void)
{
	const char *lo = strstr(read_file("/proc/net/dev"), "lo:");
	return lo && strtoull(lo + 3, NULL, 10) > 0;
}

static bool leave_refused_packet(void)
{
	return inet_socket(SOCK_DGRAM, "192.0.2.1", connect) < 0;
}

static bool find_refused_packet(void)
{
	const char *ip = strstr(read_file("/proc/net/snmp"), "\nIp: ");
	/* "Ip: " and the values of Forwarding to OutDiscards; then OutNoRoutes. */
	for (int i = 0; ip && i < 12; i++)
		ip = strchr(ip + 1, ' ');
	return ip && atoi(ip + 1) > 0;
}

static bool leave_flow_label(void)
{
	struct in6_flowlabel_req request = {
		.flr_label = htonl(0x12345),
		.flr_action = IPV6_FL_A_GET,
		.flr_share = IPV6_FL_S_ANY,
		.flr_flags = IPV6_FL_F_CREATE,
		.flr_linger = 60,
		.flr_expires = 60,
		.flr_dst = IN6ADDR_LOOPBACK_INIT,
	};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	bool made = setsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, &request, sizeof(request)) == 0;
	close(fd);
	return made;
}

static bool find_flow_label(void)
{
	return count_lines(read_file("/proc/net/ip6_flowlabel")) > 1;
}

static bool leave_address(void)
{
	struct ifreq request = {.ifr_name = "lo:1"};
	struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
	address->sin_family = AF_INET;
	inet_pton(AF_INET, "198.51.100.7", &address->sin_addr);
	return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFADDR, &request) == 0;
}

static bool find_address(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	inet_pton(AF_INET, "198.51.100.7", &address.sin_addr);
	return bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool leave_network_parameter(void)
{
	return write_file("/proc/sys/net/ipv4/ip_default_ttl", "42");
}

static bool find_network_parameter(void)
{
	return atoi(read_file("/proc/sys/net/ipv4/ip_default_ttl")) == 42;
}

static bool leave_ipc_parameter(void)
{
	return write_file("/proc/sys/kernel/msgmax", "4242");
}

static bool find_ipc_parameter(void)
{
	return atoi(read_file("/proc/sys/kernel/msgmax")) == VALUE;
}

static bool leave_user_parameter(void)
{
	return write_file("/proc/sys/user/max_pid_namespaces", "4242");
}

static bool find_user_parameter(void)
{
	return atoi(read_file("/proc/sys/user/max_pid_namespaces")) == VALUE;
}

static bool leave_hostname(void)
{
	return sethostname("trace", 5) == 0;
}

static bool find_hostname(void)
{
	struct utsname names;
	return uname(&names) == 0 && !strcmp(names.nodename, "trace");
}

static bool leave_mount(void)
{
	return mount("none", "/etc", "tmpfs", 0, NULL) == 0 && write_file("/etc/trace", "here");
}

static bool find_mount(void)
{
	return access("/etc/trace", F_OK) == 0;
}

static bool has_process(const char *name)
{
	DIR *proc = opendir("/proc");
	bool found = false;
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		char path[300];
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (atoi(entry->d_name) > 0 && !strncmp(read_file(path), name, strlen(name)))
			found = true;
	}
	if (proc)
		closedir(proc);
	return found;
}

static bool leave_process(void)
{
	return prctl(PR_SET_NAME, "trace-left") == 0;
}

static bool find_process(void)
{
	return has_process("trace-left");
}

/* Where a mount can be taken off, there may be something beneath: another /proc, /dev/pts, /dev/shm or /tmp. */
static bool find_beneath(void)
{
	struct stat st;
	int fd;
	if (umount2("/tmp", MNT_DETACH) < 0 || umount2("/dev/shm", MNT_DETACH) < 0 ||
	    umount2("/dev/pts", MNT_DETACH) < 0 || umount2("/proc", MNT_DETACH) < 0)
		return false;
	DIR *proc = opendir("/proc");
	bool found = find_tmp() || find_shm() || find_terminal() || (fd = open("/dev/pts/ptmx", O_RDWR)) >= 0;
	for (struct dirent *entry; proc && (entry = readdir(proc));)
		if (atoi(entry->d_name) > 0)
			found = true;
	return found || stat("/proc/self/", &st) == 0;
}

/* In the order of finding: what makes traces of its own comes after what looks for these. */
static const struct {
	const char *name;
	bool (*leave)(void);
	bool (*find)(void);
} traces[] = {
	{"packets", NULL, find_packets},
	{"refused packet", leave_refused_packet, find_refused_packet},
	{"tmp", leave_tmp, find_tmp},
	{"shm", leave_shm, find_shm},
	{"dev", leave_dev, find_dev},
	{"dev mode", leave_dev_mode, find_dev_mode},
	{"lock", leave_lock, find_lock},
	{"terminal", leave_terminal, find_terminal},
	{"shared memory", leave_shared_memory, find_shared_memory},
	{"messages", leave_messages, find_messages},
	{"semaphores", leave_semaphores, find_semaphores},
	{"message queue", leave_message_queue, find_message_queue},
	{"abstract socket", leave_abstract_socket, find_abstract_socket},
	{"socket in flight", leave_socket_in_flight, find_socket_in_flight},
	{"port", leave_port, find_port},
	{"connection", leave_connection, find_connection},
	{"flow label", leave_flow_label, find_flow_label},
	{"address", leave_address, find_address},
	{"network parameter", leave_network_parameter, find_network_parameter},
	{"ipc parameter", leave_ipc_parameter, find_ipc_parameter},
	{"user parameter", leave_user_parameter, find_user_parameter},
	{"hostname", leave_hostname, find_hostname},
	{"mount", leave_mount, find_mount},
	{"process", leave_process, find_process},
	{"beneath", NULL, find_beneath},
};
enum { TRACES = sizeof(traces) / sizeof(traces[0]) };

/* All in one process, which stays. */
static void leave(void)
{
	int done[2];
	char byte;
	if (pipe(done) < 0)
		exit(1);
	if (fork() == 0) {
		setsid();
		for (int i = 0; i < TRACES; i++)
			if (traces[i].leave && traces[i].leave())
				printf("%s\n", traces[i].name);
		fflush(stdout);
		close(0);
		close(1);
		close(2);
		close(done[0]);
		close(done[1]);
		for (;;)
			pause();
	}
	close(done[1]);
	while (read(done[0], &byte, 1) > 0)
		;
}

/* One kind only, or all. */
static void leave_only(const char *name)
{
	for (int i = 0; i < TRACES; i++)
		if (!strcmp(traces[i].name, name) && traces[i].leave && traces[i].leave())
			printf("%s\n", name);
}

/* Which namespaces and file systems these are. */
static void identify(void)
{
	struct stat network, dev;
	if (stat("/proc/self/ns/net", &network) == 0 && stat("/dev", &dev) == 0)
		printf("%lu %lu\n", (unsigned long)network.st_ino, (unsigned long)dev.st_dev);
}

int main(int argc, char **argv)
{
	bool both = argc == 2 && !strcmp(argv[1], "both");
	if (argc == 3 && !strcmp(argv[1], "leave"))
		leave_only(argv[2]);
	else if (argc == 2 && (both || !strcmp(argv[1], "leave")))
		leave();
	if (both)
		printf("found:\n");
	if (both || (argc == 2 && !strcmp(argv[1], "find")))
		for (int i = 0; i < TRACES; i++)
			if (traces[i].find())
				printf("%s\n", traces[i].name);
	if (argc == 2 && !strcmp(argv[1], "identify"))
		identify();
	return 0;
}
