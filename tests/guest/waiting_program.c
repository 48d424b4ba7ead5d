/* SPDX-License-Identifier: MIT */
/*
 * A program that is frozen with pipes, sockets, events and timers in use, and with threads that wait in all ways. Its
 * functions tell what is not as it was, a bit for each.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

/* linux/futex.h, which musl has not. */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_CMP_REQUEUE = 4 };

static int text[2], text_again, ended, full[2], counter, semaphore, memory;
static int stream[2], messages[2], carrier[2], own[2];
static int waits, edges, outer;

static void make_pipes(void)
{
	char rest[8], block[4096] = {0};
	pipe2(text, O_NONBLOCK);
	write(text[1], "hello world", 11);
	read(text[0], rest, 6);
	text_again = dup(text[0]);
	int ends[2];
	pipe(ends);
	write(ends[1], "end", 3);
	close(ends[1]);
	ended = ends[0];
	pipe2(full, O_NONBLOCK);
	fcntl(full[1], F_SETPIPE_SZ, 131072);
	while (write(full[1], block, sizeof(block)) > 0)
		;
	counter = eventfd(7, EFD_NONBLOCK);
	semaphore = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE);
	memory = (int)syscall(SYS_memfd_create, "memory", 0);
	write(memory, "remembered", 10);
}

static void send_file(int by, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *message = CMSG_FIRSTHDR(&header);
	message->cmsg_level = SOL_SOCKET;
	message->cmsg_type = SCM_RIGHTS;
	message->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(message), &fd, sizeof(int));
	sendmsg(by, &header, 0);
}

static int receive_file(int by)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {&byte, 1};
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	if (recvmsg(by, &header, MSG_DONTWAIT) != 1 || byte != 'f' || !CMSG_FIRSTHDR(&header))
		return -1;
	int fd;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
	return fd;
}

static void make_sockets(void)
{
	int ends[2];
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stream);
	write(stream[0], "to the right", 12);
	write(stream[1], "to the left", 11);
	shutdown(stream[1], SHUT_WR);
	socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, messages);
	write(messages[0], "first", 5);
	write(messages[0], "second", 6);
	/* What lies on its way alone: one end of a pipe, and an epoll that has something to tell. */
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, carrier);
	pipe(ends);
	write(ends[1], "on its way", 10);
	send_file(carrier[0], ends[0]);
	send_file(carrier[0], counter);
	close(ends[0]);
	close(ends[1]);
	/* In its own queue: nobody but itself has it. */
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, own);
	send_file(own[0], own[1]);
	send_file(own[0], own[0]);
}

static void watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void make_epolls(void)
{
	struct epoll_event event;
	waits = epoll_create1(0);
	watch(waits, text[0], EPOLLIN, 1);
	watch(waits, counter, EPOLLIN, 2);
	watch(waits, full[1], EPOLLOUT, 4);
	watch(waits, messages[1], EPOLLIN | EPOLLONESHOT, 8);
	edges = epoll_create1(0);
	watch(edges, counter, EPOLLIN | EPOLLET, 16);
	epoll_wait(edges, &event, 1, 0);
	outer = epoll_create1(0);
	watch(outer, waits, EPOLLIN, 32);
}

static bool reads(int fd, const char *wanted)
{
	char buffer[32] = {0};
	return read(fd, buffer, sizeof(buffer) - 1) == (ssize_t)strlen(wanted) && strcmp(buffer, wanted) == 0;
}

static uint64_t told_by(int epoll)
{
	struct epoll_event events[8];
	uint64_t told = 0;
	int count = epoll_wait(epoll, events, 8, 0);
	for (int i = 0; i < count; i++)
		told += events[i].data.u64;
	return told;
}

static uint64_t check_epolls(void)
{
	const uint64_t one = 1;
	uint64_t wrong = 0;
	wrong |= (told_by(waits) != 1 + 2 + 8) << 0;
	wrong |= (told_by(waits) != 1 + 2) << 1;
	wrong |= (told_by(outer) != 32) << 2;
	wrong |= (told_by(edges) != 0) << 3;
	write(counter, &one, sizeof(one));
	wrong |= (told_by(edges) != 16) << 4;
	return wrong;
}

static uint64_t check_sockets(void)
{
	uint64_t wrong = 0;
	wrong |= !reads(stream[1], "to the right") << 0;
	wrong |= !reads(stream[0], "to the left") << 1;
	wrong |= !reads(stream[0], "") << 2;
	wrong |= (write(stream[1], "x", 1) != -1 || errno != EPIPE) << 3;
	wrong |= !reads(messages[1], "first") << 4;
	wrong |= !reads(messages[1], "second") << 5;
	int end = receive_file(carrier[1]), same = receive_file(carrier[1]);
	wrong |= !reads(end, "on its way") << 6;
	wrong |= !reads(end, "") << 7;
	uint64_t value = 0;
	wrong |= (read(same, &value, sizeof(value)) != sizeof(value) || value != 8) << 8;
	wrong |= (read(counter, &value, sizeof(value)) != -1 || errno != EAGAIN) << 9;
	int second = receive_file(own[1]), first = receive_file(own[1]);
	write(first, "round", 5);
	return wrong | (uint64_t)!reads(second, "round") << 10;
}

static uint64_t check_pipes(void)
{
	char block[4096];
	uint64_t wrong = 0, value = 0;
	wrong |= !reads(text_again, "world") << 0;
	wrong |= (read(text[0], block, 1) != -1 || errno != EAGAIN) << 1;
	write(text[1], "more", 4);
	wrong |= !reads(text[0], "more") << 2;
	wrong |= !reads(ended, "end") << 3;
	wrong |= !reads(ended, "") << 4;
	wrong |= (write(full[1], block, 1) != -1 || errno != EAGAIN) << 5;
	wrong |= (fcntl(full[1], F_GETPIPE_SZ) != 131072) << 6;
	for (int i = 0; i < 32; i++)
		wrong |= (read(full[0], block, sizeof(block)) != sizeof(block)) << 7;
	wrong |= (read(full[0], block, 1) != -1 || errno != EAGAIN) << 8;
	wrong |= (read(semaphore, &value, sizeof(value)) != sizeof(value) || value != 1) << 9;
	wrong |= (lseek(memory, 0, SEEK_CUR) != 10 || lseek(memory, 0, SEEK_SET) != 0) << 10;
	return wrong | (uint64_t)!reads(memory, "remembered") << 11;
}

/* Nothing is as it was after it. */
uint64_t check_files(void)
{
	signal(SIGPIPE, SIG_IGN);
	return check_epolls() | check_sockets() << 8 | check_pipes() << 24;
}

/* Makes pipes of its own over the places of the others. */
uint64_t spoil_files(void)
{
	static const int *const all[] = {text, full, stream, messages, carrier, own};
	char block[65536];
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (int j = 0; j < 2; j++) {
			fcntl(all[i][j], F_SETFL, O_NONBLOCK);
			write(all[i][j], "spoilt", 6);
			read(all[i][j], block, i == 2 ? 3 : sizeof(block));
		}
	const uint64_t value = 40;
	write(counter, &value, sizeof(value));
	write(semaphore, &value, sizeof(value));
	pwrite(memory, "forgotten!", 10, 0);
	epoll_ctl(waits, EPOLL_CTL_DEL, text[0], NULL);
	close(edges);
	close(own[0]);
	dup2(text[1], ended);
	pipe2(own, O_NONBLOCK);
	return 0;
}

enum waiter { CONDITION, WORD, PIPE, EVENT, SOCKET, SIGNAL, SPINNER, WAITERS };

static pthread_t threads[WAITERS], sleeper;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned round_number;
static _Atomic unsigned seen[WAITERS];
static uint32_t word = 5;
static int pipe_ends[2], event, pair[2], pair_epoll;
static volatile uint64_t spins;
static volatile uint32_t spin_round;
static _Atomic unsigned spoilt_registers;
static __thread unsigned own_number;
static volatile _Atomic int64_t left_ns = -1;
static char signal_stack[65536];
static _Atomic bool on_signal_stack, sleeps;
static volatile sig_atomic_t alarms;

static void wait_for_condition(void)
{
	pthread_mutex_lock(&lock);
	unsigned before = seen[CONDITION];
	while (round_number == before)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void wait_for_event(void)
{
	uint64_t value;
	struct pollfd fds = {.fd = event, .events = POLLIN};
	poll(&fds, 1, -1);
	read(event, &value, sizeof(value));
}

static void wait_for_socket(void)
{
	char byte;
	struct epoll_event told;
	epoll_wait(pair_epoll, &told, 1, -1);
	recv(pair[0], &byte, 1, 0);
}

/* Its registers are those of no system call when it is interrupted. */
static void spin(void)
{
	const uint64_t wanted = 0x5afe5afe5afe5afeull;
	uint32_t before = seen[SPINNER];
	uint64_t found = 0;
	__asm__ volatile("movq %[wanted], %%xmm7\n"
			 "1: incq %[spins]\n"
			 "movq %%xmm7, %[found]\n"
			 "cmpq %[wanted], %[found]\n"
			 "jne 2f\n"
			 "cmpl %[before], %[round]\n"
			 "je 1b\n"
			 "2:\n"
			 : [found] "+r"(found), [spins] "+m"(spins)
			 : [wanted] "r"(wanted), [before] "r"(before), [round] "m"(spin_round)
			 : "xmm7", "cc", "memory");
	spoilt_registers += found != wanted;
}

static void wait_once(enum waiter which)
{
	char byte;
	int signal;
	sigset_t set;
	switch (which) {
	case CONDITION:
		wait_for_condition();
		break;
	case WORD:
		/* Who wakes it changes nothing: it must be among those that wait. */
		while (syscall(SYS_futex, &word, FUTEX_WAIT, 5, NULL) != 0)
			;
		break;
	case PIPE:
		read(pipe_ends[0], &byte, 1);
		break;
	case EVENT:
		wait_for_event();
		break;
	case SOCKET:
		wait_for_socket();
		break;
	case SIGNAL:
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigwait(&set, &signal);
		break;
	default:
		spin();
	}
}

static void *wait_again_and_again(void *data)
{
	enum waiter which = (enum waiter)(uintptr_t)data;
	own_number = 100 + which;
	for (;;) {
		wait_once(which);
		if (own_number != 100 + which)
			return NULL;
		seen[which]++;
	}
}

static void take_signal(int number)
{
	char here;
	on_signal_stack = &here >= signal_stack && &here < signal_stack + sizeof(signal_stack);
}

/* Long: it is to be interrupted. */
static void *sleep_long(void *data)
{
	const stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	struct timespec time = {.tv_sec = 3600}, left;
	sigaltstack(&stack, NULL);
	sleeps = true;
	if (nanosleep(&time, &left) < 0 && errno == EINTR)
		left_ns = left.tv_sec * 1000000000 + left.tv_nsec;
	return (void *)77;
}

static void count_alarm(int number)
{
	alarms++;
}

/* Moving it from a word to the same word tells that it waits. */
static void await_word_waiter(void)
{
	while (syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 0, 1, &word, 5) != 1)
		usleep(1000);
}

static void begin_threads(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	struct sigaction action = {.sa_handler = take_signal, .sa_flags = SA_ONSTACK};
	sigaction(SIGUSR1, &action, NULL);
	pipe(pipe_ends);
	event = eventfd(0, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pair_epoll = epoll_create1(0);
	watch(pair_epoll, pair[0], EPOLLIN, 1);
	for (uintptr_t i = 0; i < WAITERS; i++)
		pthread_create(&threads[i], NULL, wait_again_and_again, (void *)i);
	pthread_create(&sleeper, NULL, sleep_long, NULL);
	while (!sleeps)
		usleep(1000);
	usleep(50000);
	await_word_waiter();
}

/* Which threads do not go on. */
uint64_t poke(void)
{
	const uint64_t one = 1;
	unsigned before[WAITERS];
	for (int i = 0; i < WAITERS; i++)
		before[i] = seen[i];
	/* Before any other thread runs. */
	uint64_t wrong = (uint64_t)(syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, NULL) != 1) << 8;
	pthread_mutex_lock(&lock);
	round_number++;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	write(pipe_ends[1], "x", 1);
	write(event, &one, sizeof(one));
	send(pair[1], "x", 1, 0);
	pthread_kill(threads[SIGNAL], SIGUSR2);
	spin_round++;
	for (int i = 0; i < WAITERS; i++)
		for (int tries = 0; seen[i] == before[i] && tries < 2000; tries++)
			usleep(1000);
	for (int i = 0; i < WAITERS; i++)
		wrong |= (uint64_t)(seen[i] != before[i] + 1) << i;
	await_word_waiter();
	return wrong | (uint64_t)(spoilt_registers != 0) << 9;
}

/* Ends a sleep, by a handler on a stack of the thread's own, and the thread: milliseconds that were left. */
uint64_t interrupt_sleep(void)
{
	void *value = NULL;
	/* The first one may have come before the sleep. */
	while (left_ns < 0) {
		pthread_kill(sleeper, SIGUSR1);
		usleep(1000);
	}
	pthread_join(sleeper, &value);
	return value == (void *)77 && on_signal_stack ? (uint64_t)left_ns / 1000000 : 0;
}

static timer_t timer;
static int timer_files[2];

static void begin_timers(void)
{
	const struct itimerspec setting = {.it_value.tv_sec = 3600};
	const struct itimerval interval = {.it_value.tv_sec = 3600};
	struct itimerspec absolute = {0};
	setitimer(ITIMER_REAL, &interval, NULL);
	struct sigevent none = {.sigev_notify = SIGEV_NONE};
	timer_create(CLOCK_MONOTONIC, &none, &timer);
	timer_settime(timer, 0, &setting, NULL);
	for (int i = 0; i < 2; i++)
		timer_files[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timerfd_settime(timer_files[0], 0, &setting, NULL);
	clock_gettime(CLOCK_MONOTONIC, &absolute.it_value);
	absolute.it_value.tv_sec += 3600;
	timerfd_settime(timer_files[1], TFD_TIMER_ABSTIME, &absolute, NULL);
}

/* How many milliseconds are left of a timer; the last one is of a moment. */
uint64_t time_left(uint64_t which)
{
	struct itimerspec setting = {0};
	struct itimerval interval;
	switch (which) {
	case 0:
		getitimer(ITIMER_REAL, &interval);
		return (uint64_t)(interval.it_value.tv_sec * 1000 + interval.it_value.tv_usec / 1000);
	case 1:
		timer_gettime(timer, &setting);
		break;
	default:
		timerfd_gettime(timer_files[which - 2], &setting);
	}
	return (uint64_t)(setting.it_value.tv_sec * 1000 + setting.it_value.tv_nsec / 1000000);
}

/* An alarm that was set before. */
uint64_t await_alarm(void)
{
	while (!alarms)
		usleep(1000);
	return (uint64_t)alarms;
}

/* A signal that was sent and blocked before. */
uint64_t take_pending(void)
{
	sigset_t set;
	on_signal_stack = false;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	signal(SIGUSR1, count_alarm);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return (uint64_t)alarms;
}

/* Of one process: the others have changed theirs. */
static int private_number = 1;
static uint32_t *shared_word;
static int asked[2], answered[2];
static pid_t asker, adder, leaver;

static void answer_by_pipe(void)
{
	int number;
	private_number = 1000;
	while (read(asked[0], &number, sizeof(number)) == sizeof(number)) {
		number += ++private_number;
		write(answered[1], &number, sizeof(number));
	}
	_exit(3);
}

/* Waits for a word that all of them share, and answers with another. */
static void add_to_shared(void)
{
	for (uint32_t before = 0;; before++) {
		while (shared_word[0] == before)
			syscall(SYS_futex, &shared_word[0], FUTEX_WAIT, before, NULL);
		shared_word[1] += 10;
	}
}

static pid_t child(void (*function)(void))
{
	pid_t pid = fork();
	if (pid == 0)
		function();
	return pid;
}

static void leave(void)
{
	_exit(7);
}

static void begin_family(void)
{
	shared_word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pipe(asked);
	pipe(answered);
	asker = child(answer_by_pipe);
	adder = child(add_to_shared);
	leaver = child(leave);
	siginfo_t info;
	waitid(P_PID, (id_t)leaver, &info, WEXITED | WNOWAIT);
	private_number = 2;
	usleep(50000);
}

/* What of its children is not as it should be, when it asks them for the first time. */
uint64_t ask_family(void)
{
	int number = 5, status = 0;
	uint64_t wrong = 0;
	write(asked[1], &number, sizeof(number));
	wrong |= (read(answered[0], &number, sizeof(number)) != sizeof(number) || number != 1006) << 0;
	private_number++;
	write(asked[1], &number, sizeof(number));
	wrong |= (read(answered[0], &number, sizeof(number)) != sizeof(number) || number != 2008) << 1;
	wrong |= (private_number != 3) << 2;
	shared_word[0]++;
	syscall(SYS_futex, &shared_word[0], FUTEX_WAKE, 1, NULL);
	for (int tries = 0; ((volatile uint32_t *)shared_word)[1] != 10 && tries < 2000; tries++)
		usleep(1000);
	wrong |= (shared_word[1] != 10) << 3;
	wrong |= (waitpid(leaver, &status, WNOHANG) != leaver || WEXITSTATUS(status) != 7) << 4;
	close(asked[1]);
	kill(asker, SIGTERM);
	wrong |= (waitpid(asker, &status, 0) != asker || WTERMSIG(status) != SIGTERM) << 5;
	kill(adder, SIGKILL);
	wrong |= (waitpid(adder, &status, 0) != adder) << 6;
	return wrong | (uint64_t)(waitpid(-1, &status, WNOHANG) != -1 || errno != ECHILD) << 7;
}

static int connection;

/* A connection to the host's side, of which clones have no part. */
uint64_t connection_state(void)
{
	char buffer[16];
	signal(SIGPIPE, SIG_IGN);
	struct pollfd fds = {.fd = connection, .events = POLLIN | POLLOUT};
	uint64_t state = (uint64_t)(poll(&fds, 1, 1000) == 1 && (fds.revents & POLLHUP)) << 0;
	state |= (uint64_t)(read(connection, buffer, sizeof(buffer)) == 0) << 1;
	return state | (uint64_t)(write(connection, "x", 1) < 0 && errno == EPIPE) << 2;
}

uint64_t read_given(void)
{
	char byte = 0;
	return read(0, &byte, 1) == 1 ? (uint64_t)byte : 0;
}

static void connect_out(void)
{
	struct sockaddr address = {.sa_family = AF_UNIX, .sa_data = "/peer"};
	connection = socket(AF_UNIX, SOCK_STREAM, 0);
	connect(connection, &address, sizeof(address));
	write(connection, "hello", 5);
}

static void begin(const char *what)
{
	sigset_t set;
	if (strcmp(what, "files") == 0) {
		make_pipes();
		make_sockets();
		make_epolls();
	} else if (strcmp(what, "threads") == 0 || strcmp(what, "elsewhere") == 0) {
		begin_threads();
	} else if (strcmp(what, "family") == 0) {
		begin_family();
	} else if (strcmp(what, "timers") == 0) {
		begin_timers();
	} else if (strcmp(what, "alarm") == 0) {
		const struct itimerval soon = {.it_value.tv_usec = 300000};
		signal(SIGALRM, count_alarm);
		setitimer(ITIMER_REAL, &soon, NULL);
	} else if (strcmp(what, "pending") == 0) {
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
		pthread_kill(pthread_self(), SIGUSR1);
	} else if (strcmp(what, "connected") == 0) {
		connect_out();
	} else if (strcmp(what, "stdin") == 0) {
		watch(epoll_create1(0), 0, EPOLLIN, 1);
	}
}

static void *be_ready(void *data)
{
	return (void *)(intptr_t)-viso_ready();
}

int main(int argc, char **argv)
{
	pthread_t other;
	void *value;
	if (argc > 1)
		begin(argv[1]);
	if (argc == 1 || strcmp(argv[1], "elsewhere") != 0)
		return (int)-viso_ready();
	pthread_create(&other, NULL, be_ready, NULL);
	pthread_join(other, &value);
	return (int)(intptr_t)value;
}
