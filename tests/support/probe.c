/* SPDX-License-Identifier: MIT */
/*
 * What the tests run inside a sandbox: a static program that shows what it was given and does one small thing, by its
 * first argument. It needs no /proc and no library, so that it runs at each strength.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char *argument(char **argv, const char *otherwise)
{
	return argv[2] ? argv[2] : otherwise;
}

static int show_strings(char **strings)
{
	for (; *strings; strings++)
		fwrite(*strings, 1, strlen(*strings) + 1, stdout);
	return 0;
}

static int show_args(char **argv)
{
	return show_strings(argv + 2);
}

static int show_argv0(char **argv)
{
	puts(argv[0]);
	return 0;
}

static int show_count(char **argv)
{
	int count = 0;
	size_t bytes = 0;
	for (; argv[count]; count++)
		bytes += strlen(argv[count]) + 1;
	printf("%d %zu\n", count, bytes);
	return 0;
}

static int show_env(char **argv)
{
	return show_strings(environ);
}

static int show_cwd(char **argv)
{
	char path[4096];
	puts(getcwd(path, sizeof(path)) ? path : strerror(errno));
	return 0;
}

/* Real, effective, saved uid; the same of gid; groups. */
static int show_ids(char **argv)
{
	uid_t u[3];
	gid_t g[3], groups[128];
	getresuid(&u[0], &u[1], &u[2]);
	getresgid(&g[0], &g[1], &g[2]);
	int count = getgroups(128, groups);
	printf("%u %u %u %u %u %u", u[0], u[1], u[2], g[0], g[1], g[2]);
	for (int i = 0; i < count; i++)
		printf("%c%u", i ? ',' : ' ', groups[i]);
	putchar('\n');
	return 0;
}

static int show_fds(char **argv)
{
	for (int fd = 0; fd < 70000; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	putchar('\n');
	return 0;
}

/* Soft and hard limit by RLIMIT_ number; -1 for none. */
static int show_rlimit(char **argv)
{
	struct rlimit limit;
	getrlimit(atoi(argument(argv, "0")), &limit);
	printf("%lld %lld\n", (long long)limit.rlim_cur, (long long)limit.rlim_max);
	return 0;
}

/* What no program should find otherwise: blocked and ignored signals, umask, session, terminal. */
static int show_inherited(char **argv)
{
	sigset_t blocked;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int i = 1; i < 32; i++) {
		struct sigaction action;
		if (sigismember(&blocked, i) == 1)
			printf("blocked %d\n", i);
		if (sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
			printf("not default %d\n", i);
	}
	if (getsid(0) != getpid())
		puts("no session of its own");
	int tty = open("/dev/tty", O_RDWR);
	if (tty >= 0)
		puts("controlling terminal");
	printf("umask %03o\n", umask(0));
	return 0;
}

/* Seconds of the monotonic and of the boot-time clock. */
static int show_clocks(char **argv)
{
	struct timespec monotonic, boot;
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	printf("%lld %lld\n", (long long)monotonic.tv_sec, (long long)boot.tv_sec);
	return 0;
}

static int do_exit(char **argv)
{
	return atoi(argument(argv, "0"));
}

static int do_raise(char **argv)
{
	raise(atoi(argument(argv, "6")));
	return 99;
}

static int do_spin(char **argv)
{
	for (volatile unsigned long i = 0;; i++)
		;
	return 0;
}

static int do_sleep(char **argv)
{
	if (!argv[2])
		for (;;)
			pause();
	long ms = atol(argv[2]);
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	nanosleep(&time, NULL);
	return 0;
}

/* From standard input or the fd that is named. */
static int do_cat(char **argv)
{
	static char buffer[65536];
	ssize_t n;
	while ((n = read(atoi(argument(argv, "0")), buffer, sizeof(buffer))) > 0)
		if (write(1, buffer, (size_t)n) != n)
			return 2;
	return n < 0 ? 1 : 0;
}

/* N bytes, a to z over and over, on fd 1 or the one that is named. */
static int do_write(char **argv)
{
	size_t left = strtoul(argument(argv, "0"), NULL, 10);
	int fd = argv[2] && argv[3] ? atoi(argv[3]) : 1;
	char buffer[26 * 256];
	for (size_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = (char)('a' + i % 26);
	while (left) {
		ssize_t n = write(fd, buffer, left < sizeof(buffer) ? left : sizeof(buffer));
		if (n <= 0)
			return 1;
		left -= (size_t)n;
	}
	return 0;
}

static int do_print(char **argv)
{
	fputs("out\n", stdout);
	fflush(stdout);
	fputs("err\n", stderr);
	return 0;
}

static int do_eat(char **argv)
{
	size_t size = strtoul(argument(argv, "0"), NULL, 10);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 3;
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	puts("eaten");
	return 0;
}

/* How many children can live at once, up to N. */
static int do_fork(char **argv)
{
	int wanted = atoi(argument(argv, "1")), made = 0, error = 0;
	for (; made < wanted; made++) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		if (pid < 0) {
			error = errno;
			break;
		}
	}
	printf("%d %s\n", made, error == EAGAIN ? "EAGAIN" : error ? strerror(error) : "all");
	return 0;
}

/* Leaves N children, each in a session of its own and with the streams still open, and ends. */
static int do_background(char **argv)
{
	for (int i = atoi(argument(argv, "1")); i > 0; i--)
		if (fork() == 0) {
			setsid();
			if (fork() == 0)
				for (;;)
					pause();
			_exit(0);
		}
	/* Only then all of them are there, whatever room is left for others. */
	while (wait(NULL) > 0)
		;
	puts("left");
	return 0;
}

/* Has so many children, each of whose forks takes long: there are many pages to be copied. */
static int do_slow_forks(char **argv)
{
	const size_t size = 48 << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, size, MADV_NOHUGEPAGE);
	memset(memory, 1, size);
	for (int i = atoi(argument(argv, "1")); i > 0; i--)
		if (fork() == 0)
			break;
	for (;;)
		pause();
}

/* Forks without end, each parent ending at once, in N chains, for at most so many seconds, or five. */
static int do_run_away(char **argv)
{
	time_t end = time(NULL) + (argv[2] && argv[3] ? atoi(argv[3]) : 5);
	for (int i = atoi(argument(argv, "1")); i > 0; i--)
		if (fork() == 0) {
			setsid();
			while (time(NULL) < end)
				if (fork() > 0)
					_exit(0);
			_exit(0);
		}
	puts("left");
	return 0;
}

static int spin_in_thread(void *argument)
{
	return do_spin(NULL);
}

/* For the rest its process looks as if it had ended: the state is that of its first thread (proc_pid_stat(5)). */
static int do_headless(char **argv)
{
	static char stack[65536];
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	if (clone(spin_in_thread, stack + sizeof(stack), flags, NULL) < 0)
		return 1;
	return (int)syscall(SYS_exit, 0);
}

/* Traces another process, and does nothing about it. */
static int do_trace(char **argv)
{
	if (ptrace(PTRACE_SEIZE, atoi(argument(argv, "1")), NULL, NULL) < 0)
		return errno;
	puts("traced");
	fflush(stdout);
	return do_spin(NULL);
}

/* Stops whatever it may, for so many ms. */
static int do_stop(char **argv)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long end = now.tv_sec * 1000 + now.tv_nsec / 1000000 + atol(argument(argv, "1000"));
	do {
		kill(-1, SIGSTOP);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < end);
	return 0;
}

static void on_signal(int number)
{
	static const char text[] = "caught\n";
	(void)!write(1, text, sizeof(text) - 1);
	_exit(40 + number % 60);
}

static int do_trap(char **argv)
{
	signal(atoi(argument(argv, "15")), on_signal);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
	return 0;
}

/* Uses N ms of CPU time, touches a MiB, writes to no file: for the figures of a result. */
static int do_work(char **argv)
{
	static volatile char memory[1 << 20];
	clock_t end = clock() + atol(argument(argv, "50")) * (CLOCKS_PER_SEC / 1000);
	for (size_t i = 0; i < sizeof(memory); i += 4096)
		memory[i] = 1;
	while (clock() < end)
		;
	return 0;
}

/* Makes a socket of this family and, where a port is named, binds it on the loopback address. */
static int do_socket(char **argv)
{
	int fd = socket(atoi(argument(argv, "1")), SOCK_STREAM, 0);
	int r = fd;
	if (fd >= 0 && argv[3]) {
		struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	}
	puts(r < 0 ? strerror(errno) : "made");
	return 0;
}

/* Connects to an abstract name of unix sockets. */
static int do_abstract(char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *name = argument(argv, "");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strncpy(address.sun_path + 1, name, sizeof(address.sun_path) - 2);
	int r = connect(fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
	puts(r < 0 ? strerror(errno) : "reached");
	return 0;
}

/* Of standard input as a terminal: which streams are it, its size, whose it is, whether it is the controlling one. */
static int show_terminal(char **argv)
{
	struct winsize size = {0};
	struct stat st = {0};
	ioctl(0, TIOCGWINSZ, &size);
	fstat(0, &st);
	for (int i = 0; i < 3; i++)
		printf("%s ", isatty(i) ? "tty" : "none");
	printf("%ux%u %s %s %s\n", size.ws_col, size.ws_row, st.st_uid == getuid() ? "own" : "another's",
	       tcgetsid(0) == getpid() ? "controlling" : "not controlling",
	       tcgetpgrp(0) == getpid() ? "foreground" : "background");
	return 0;
}

/* A number; the address of a text, "s:text"; or that of zeros, "z". */
static unsigned long call_argument(const char *text)
{
	static char zeros[4096];
	if (!strncmp(text, "s:", 2))
		return (unsigned long)(text + 2);
	return !strcmp(text, "z") ? (unsigned long)zeros : strtoul(text, NULL, 0);
}

/* A system call by number and arguments; prints its value, or the errno below 0. */
static int do_call(char **argv)
{
	unsigned long arguments[6] = {0};
	long number = strtol(argument(argv, "-1"), NULL, 0);
	for (int i = 0; i < 6 && argv[2] && argv[3 + i]; i++)
		arguments[i] = call_argument(argv[3 + i]);
	long r = syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
	printf("%ld\n", r < 0 ? -errno : r);
	return 0;
}

/* A child by clone3(2) with these flags, such as a new namespace's, that ends at once. */
static int do_clone3(char **argv)
{
	uint64_t arguments[8] = {strtoul(argument(argv, "0"), NULL, 0), 0, 0, 0, SIGCHLD};
	long r = syscall(435, arguments, sizeof(arguments));
	if (r == 0)
		_exit(0);
	printf("%d\n", r < 0 ? -errno : 0);
	return 0;
}

/* An ioctl(2) with this number and a line feed on a new terminal, which becomes the controlling one. */
static int do_terminal(char **argv)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), zero = 0;
	int terminal = -1;
	if (master >= 0 && ioctl(master, TIOCSPTLCK, &zero) == 0)
		terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) < 0) {
		perror("terminal");
		return 1;
	}
	long r = syscall(SYS_ioctl, terminal, strtoul(argument(argv, "0"), NULL, 0), "\n");
	printf("%ld\n", r < 0 ? -errno : r);
	return 0;
}

#ifdef __x86_64__
/* By the gate of 32-bit programs; the numbers are those of i386. */
static int do_i386_call(char **argv)
{
	long r;
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(atol(argument(argv, "20"))), "b"(0), "c"(0), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	printf("%d\n", (int)r);
	return 0;
}
#endif

/* Whether a process is of the launcher's: by its name, until it executes a program. */
static int is_launcher(const char *pid)
{
	char path[64], name[64] = "";
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	int fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && !strncmp(name, "viso-", 5)) {
		close(fd);
		return 1;
	}
	close(fd);
	return 0;
}

/* What the link /proc/PID/exe says; "" where we may not know. */
static const char *exe_of(const char *pid)
{
	static char target[4096];
	char path[64];
	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return target;
}

static int opens(const char *pid, const char *file)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	close(fd);
	return fd >= 0;
}

/* Of a process that has ended and is not reaped these can be opened, but nothing is in them. */
static int reads(const char *pid, const char *file, off_t offset)
{
	char path[64], byte;
	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	int fd = open(path, O_RDONLY);
	int r = fd >= 0 && pread(fd, &byte, 1, offset) == 1;
	close(fd);
	return r;
}

/* By each way that there is into another process; how many work. */
static int enter(const char *pid)
{
	static char there[64];
	struct iovec local = {there, sizeof(there)}, remote = {(void *)0x400000, sizeof(there)};
	int works = 0, number = atoi(pid), status;
	works += reads(pid, "mem", 0x400000) + reads(pid, "maps", 0) + reads(pid, "environ", 0);
	works += opens(pid, "fd") + opens(pid, "root/.") + opens(pid, "cwd/.");
	works += process_vm_readv(number, &local, 1, &remote, 1, 0) >= 0;
	int pidfd = (int)syscall(SYS_pidfd_open, number, 0);
	int stolen = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
	works += stolen >= 0;
	close(stolen);
	close(pidfd);
	if (ptrace(PTRACE_SEIZE, number, 0, 0) == 0) {
		works++;
		ptrace(PTRACE_INTERRUPT, number, 0, 0);
		waitpid(number, &status, __WALL);
		ptrace(PTRACE_DETACH, number, 0, 0);
	}
	return works;
}

static int is_before(const struct timespec *end)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec);
}

/* For N ms, tries to get into all other processes: how many of the launcher's were seen, how often that worked, and how
 * often it did for others. */
static int do_spy(char **argv)
{
	struct timespec end;
	long seen = 0, entered = 0, others = 0, init = 0;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atol(argument(argv, "1000")) / 1000;
	do {
		DIR *proc = opendir("/proc");
		for (struct dirent *entry; proc && (entry = readdir(proc));) {
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || atoi(entry->d_name) == getpid())
				continue;
			int launcher = is_launcher(entry->d_name), first = !strcmp(entry->d_name, "1");
			int works = enter(entry->d_name);
			const char *exe = exe_of(entry->d_name);
			/* It may have executed its program meanwhile, which gets its name a moment later. */
			launcher = launcher && is_launcher(entry->d_name) && (!works || !exe[0]);
			if (strstr(exe, "viso-launcher"))
				entered++;
			seen += launcher && !first;
			init += first;
			if (launcher && works)
				fprintf(stderr, "%s: %d ways\n", entry->d_name, works);
			if (launcher)
				entered += works;
			else
				others += works > 0;
		}
		if (proc)
			closedir(proc);
	} while (is_before(&end));
	printf("%s %s entered %ld others %s\n", seen ? "seen" : "unseen", init ? "init" : "none", entered,
	       others ? "yes" : "no");
	return 0;
}

/* For N ms, opens whatever any process executes for writing where it is not a file of this root, and says what came of
 * it. A file that is named need be written once only; it is kept open until then, since it may run no more. */
static int do_overwrite(char **argv)
{
	struct timespec end;
	const char *name = argv[2] ? argv[3] : NULL;
	long found = 0, written = 0;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atol(argument(argv, "1000")) / 1000;
	do {
		DIR *proc = opendir("/proc");
		for (struct dirent *entry; proc && (entry = readdir(proc));) {
			char path[300];
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
			    !strstr(exe_of(entry->d_name), name ? name : "viso-launcher"))
				continue;
			snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);
			int fd = open(path, O_RDONLY);
			found += fd >= 0;
			char again[64];
			snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
			for (int i = 0; fd >= 0 && (i < 100 || (name && !written && is_before(&end))); i++) {
				int writable = open(i % 2 ? again : path, O_WRONLY | (i % 100 < 90 ? 0 : O_TRUNC));
				written += writable >= 0 && write(writable, "#!", 2) == 2;
				close(writable);
				usleep(10000);
			}
			close(fd);
		}
		if (proc)
			closedir(proc);
	} while (!(written && name) && is_before(&end));
	printf("%s written %ld\n", found ? "found" : "not found", written);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} verbs[] = {
	{"args", show_args},
	{"argv0", show_argv0},
	{"count", show_count},
	{"env", show_env},
	{"cwd", show_cwd},
	{"ids", show_ids},
	{"fds", show_fds},
	{"rlimit", show_rlimit},
	{"exit", do_exit},
	{"raise", do_raise},
	{"inherited", show_inherited},
	{"spin", do_spin},
	{"sleep", do_sleep},
	{"cat", do_cat},
	{"write", do_write},
	{"print", do_print},
	{"eat", do_eat},
	{"fork", do_fork},
	{"background", do_background},
	{"slow-forks", do_slow_forks},
	{"clocks", show_clocks},
	{"run-away", do_run_away},
	{"headless", do_headless},
	{"stop", do_stop},
	{"trace", do_trace},
	{"trap", do_trap},
	{"work", do_work},
	{"socket", do_socket},
	{"abstract", do_abstract},
	{"call", do_call},
	{"clone3", do_clone3},
	{"terminal", do_terminal},
	{"own-terminal", show_terminal},
	{"spy", do_spy},
	{"overwrite", do_overwrite},
#ifdef __x86_64__
	{"i386", do_i386_call},
#endif
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argv);
	fprintf(stderr, "probe: what?\n");
	return 98;
}
