/* SPDX-License-Identifier: MIT */
/* A program that is frozen when it is ready. Its functions leave a secret wherever a call can, and look for it. */
#include <fcntl.h>
#include <immintrin.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

#define SECRET 0x5ec2e75ec2e75ec2ull

static uint64_t data = 1, zeroed;
static __thread uint64_t of_thread;
static uint64_t *heap, *area, *late, *read_only;
static char pages[64][4096];
/* Of four pages the last byte of the second is 1. The first ones have been written to, if only with zeroes. */
enum { SPARSE = 4 * 4096, SPARSE_ONE = 2 * 4096 - 1 };
static char *sparse;
static int fd;

static void *map(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

uint64_t leave_secret(void)
{
	uint64_t on_stack[512];
	for (int i = 0; i < 512; i++)
		((volatile uint64_t *)on_stack)[i] = SECRET;
	data = zeroed = of_thread = *heap = *area = SECRET;
	late[1000] = SECRET;
	mprotect(read_only, 4096, PROT_READ | PROT_WRITE);
	*read_only = SECRET;
	uint64_t *more = sbrk(65536), *mapped = map(1 << 20);
	*more = SECRET;
	mapped[5] = SECRET;
	memset(pages, 0x5e, sizeof(pages));
	munmap(area + 512, 4096);
	mmap(area + 512, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	lseek(fd, 5, SEEK_SET);
	open("/fruit", O_RDONLY);
	dup2(fd, 50);
	close(2);
	chdir("/dir");
	umask(0777);
	sigset_t set;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGTERM, SIG_IGN);
	struct rlimit limit = {20, 20};
	setrlimit(RLIMIT_NOFILE, &limit);
	const uint64_t secret = SECRET;
	__asm__ volatile("movq %0, %%xmm7" : : "r"(secret) : "xmm7");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vmovq %0, %%xmm9\n\tvinsertf128 $1, %%xmm9, %%ymm9, %%ymm9" : : "r"(secret) : "xmm9");
	return 0;
}

static volatile uint64_t handled;

static void handle(int signal)
{
	handled = (uint64_t)signal;
}

/* Changes one thing of the process, each a different one. */
uint64_t change_one(uint64_t which)
{
	const struct rlimit limit = {20, 20};
	const struct itimerval timer = {.it_value.tv_sec = 100};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	switch (which) {
	case 0:
		return open("/fruit", O_RDONLY) < 0;
	case 1:
		return close(2) < 0;
	case 2:
		return lseek(fd, 5, SEEK_SET) < 0;
	case 3:
		return chdir("/dir") < 0;
	case 4:
		return umask(0777) != 022;
	case 5:
		return signal(SIGTERM, SIG_IGN) == SIG_ERR;
	case 6:
		return sigprocmask(SIG_BLOCK, &set, NULL) < 0;
	case 7:
		return setrlimit(RLIMIT_NOFILE, &limit) < 0;
	case 8:
		return close(open("/tmp/left", O_WRONLY | O_CREAT, 0600)) < 0;
	case 9:
		return setitimer(ITIMER_REAL, &timer, NULL) < 0;
	case 10:
		return prctl(PR_SET_NAME, "changed") < 0;
	case 11:
		return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0;
	default:
		/* Of the memory alone, but for the registers. */
		return sbrk(8192) == (void *)-1 || map(8192) == MAP_FAILED ||
		       mprotect(read_only, 4096, PROT_READ | PROT_WRITE);
	}
}

/* A bit for each thing that change_one() has changed. */
uint64_t find_change(void)
{
	char cwd[64], name[16] = "";
	struct rlimit limit;
	struct itimerval timer;
	sigset_t set;
	uint64_t found = (uint64_t)(fcntl(fd + 1, F_GETFD) >= 0) | (uint64_t)(fcntl(2, F_GETFD) < 0) << 1;
	found |= (uint64_t)(lseek(fd, 0, SEEK_CUR) != 2) << 2;
	found |= (uint64_t)(!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/") != 0) << 3;
	found |= (uint64_t)(umask(022) != 022) << 4 | (uint64_t)(signal(SIGTERM, SIG_DFL) != SIG_DFL) << 5;
	sigprocmask(SIG_BLOCK, NULL, &set);
	getrlimit(RLIMIT_NOFILE, &limit);
	getitimer(ITIMER_REAL, &timer);
	prctl(PR_GET_NAME, name);
	found |= (uint64_t)sigismember(&set, SIGUSR1) << 6 | (uint64_t)(limit.rlim_cur == 20) << 7;
	found |= (uint64_t)(access("/tmp/left", F_OK) == 0) << 8 | (uint64_t)(timer.it_value.tv_sec != 0) << 9;
	found |= (uint64_t)(strcmp(name, "changed") == 0) << 10 | (uint64_t)(fcntl(fd, F_GETFD) != 0) << 11;
	return found;
}

/* Handles a signal of the host's, or a fault. */
uint64_t handle_signals(void)
{
	signal(SIGUSR1, handle);
	signal(SIGUSR2, handle);
	return 0;
}

uint64_t count_signals(void)
{
	return handled;
}

static int shared_files[2];

/* One file, open twice, through which functions and snapshots write and read by turns. */
uint64_t open_shared(void)
{
	for (int i = 0; i < 2; i++)
		shared_files[i] = open("/tmp/shared", O_RDWR | O_CREAT, 0600);
	return (uint64_t)pwrite(shared_files[0], "1", 1, 0);
}

uint64_t write_shared(uint64_t byte)
{
	return (uint64_t)pwrite(shared_files[0], &byte, 1, 0);
}

uint64_t read_shared(uint64_t which)
{
	char byte = 0;
	return pread(shared_files[which], &byte, 1, 0) == 1 ? (uint64_t)byte : 0;
}

/* The same by a mapping that is gone when the call returns: no call is made but mmap(2) and munmap(2). */
uint64_t write_mapped(uint64_t byte)
{
	char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared_files[0], 0);
	if (mapped == MAP_FAILED)
		return 1;
	*mapped = (char)byte;
	return (uint64_t)munmap(mapped, 4096);
}

/* A bit for each place that has changed. */
uint64_t find_secret(void)
{
	uint64_t found = 0, low = 0, high = 0;
	__asm__ volatile("movq %%xmm7, %0" : "=r"(low));
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vextractf128 $1, %%ymm9, %%xmm6\n\tvmovq %%xmm6, %0" : "=r"(high) : : "xmm6");
	found |= (low == SECRET) << 0 | (high == SECRET) << 1;
	uint64_t on_stack[512];
	for (int i = 0; i < 512; i++)
		if (((volatile uint64_t *)on_stack)[i] == SECRET)
			found |= 1 << 2;
	found |= (data != 1) << 3 | (zeroed != 0) << 4 | (of_thread != 7) << 5 | (*heap != 2) << 6 | (*area != 3) << 7;
	found |= (late[1000] != 0) << 8 | (*read_only != 4) << 9 | (pages[60][0] != 0) << 10;
	uint64_t *end = sbrk(0);
	uint64_t *more = sbrk(65536);
	found |= (more != end || *more != 0) << 11;
	uint64_t *mapped = map(1 << 20);
	found |= (mapped[5] != 0) << 12 | (area[512] != 5) << 13;
	found |= (lseek(fd, 0, SEEK_CUR) != 2) << 14 | (fcntl(50, F_GETFD) != -1) << 15 | (fcntl(2, F_GETFD) < 0) << 16;
	char cwd[64];
	found |= (!getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/") != 0) << 17 | (umask(022) != 022) << 18;
	sigset_t set;
	sigprocmask(SIG_BLOCK, NULL, &set);
	found |= sigismember(&set, SIGUSR1) << 19 | (signal(SIGTERM, SIG_DFL) != SIG_DFL) << 20;
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	return found | (uint64_t)(limit.rlim_cur == 20) << 21 | (uint64_t)(open("/fruit", O_RDONLY) != fd + 1) << 22;
}

uint64_t count(void)
{
	return ++data;
}

uint64_t crash(void)
{
	leave_secret();
	return *(volatile uint64_t *)16;
}

uint64_t hang(void)
{
	leave_secret();
	for (;;)
		__asm__ volatile("pause");
}

uint64_t leave(void)
{
	leave_secret();
	_exit(3);
}

uint64_t eat(void)
{
	for (;;)
		memset(map(1 << 20), 1, 1 << 20);
}

/* Both ends of writing to the same page: the host's, by a system call, and the program's own. */
uint64_t mix_writers(void)
{
	struct stat st;
	for (int i = 0; i < 64; i++) {
		volatile char *page = pages[i];
		if (page[100])
			return 1;
		if (i % 2)
			page[100] = 1;
		if (fstat(fd, (struct stat *)(pages[i] + 1024)) < 0)
			return 2;
		memcpy(&st, pages[i] + 1024, sizeof(st));
		if (st.st_size != 15)
			return 3;
		page[100] = 2;
		if (fstat(fd, (struct stat *)(pages[i] + 2048)) < 0 ||
		    memcmp(pages[i] + 1024, pages[i] + 2048, sizeof(st)) != 0)
			return 4;
	}
	return 0;
}

uint64_t generation(void)
{
	return (uint64_t)viso_generation();
}

uint64_t random_number(void)
{
	uint64_t number = 0;
	syscall(SYS_getrandom, &number, sizeof(number), 0);
	return number;
}

uint64_t dirty(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		pages[i % 64][i] = (char)n;
	return n;
}

/* How many bytes are not as they were; then all are something else. */
uint64_t fill_sparse(void)
{
	uint64_t changed = 0;
	for (int i = 0; i < SPARSE; i++)
		changed += sparse[i] != (i == SPARSE_ONE);
	memset(sparse, 9, SPARSE);
	return changed;
}

uint64_t say(void)
{
	return write(1, "more\n", 5) != 5;
}

/* Another program in the place of this one: nobody is left to return to the host. */
uint64_t execute(void)
{
	char *const argv[] = {"/frozen-static", NULL};
	execv(argv[0], argv);
	return 1;
}

/* What lay in the ring before: its memory has the same address each time. */
uint64_t use_ring(uint64_t value)
{
	struct viso_ring *ring = viso_ring_open();
	if (!ring)
		return UINT64_MAX;
	uint64_t old = ring->asks[9].args[0];
	ring->asks[9].args[0] = value;
	return old;
}

static volatile int has_child;
static int until_exec[2];

/* The child has the memory until the other thread has executed something, which closes the pipe. */
static void *leave_child_behind(void *data)
{
	if (vfork() == 0) {
		char byte;
		close(until_exec[1]);
		has_child = 1;
		_exit((int)read(until_exec[0], &byte, 1));
	}
	return NULL;
}

/* Executes itself while a child still has the memory. */
static void move(char *path)
{
	pthread_t thread;
	pipe2(until_exec, O_CLOEXEC);
	pthread_create(&thread, NULL, leave_child_behind, NULL);
	while (!has_child)
		usleep(1000);
	execl(path, path, "moved", NULL);
}

static uint64_t *mapped_shared;

uint64_t map_shared(uint64_t value)
{
	if (!mapped_shared) {
		mapped_shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		return 0;
	}
	uint64_t old = *mapped_shared;
	*mapped_shared = value;
	return old;
}

/* A child sees what its parent writes, and the parent what the child does. */
uint64_t share_with_child(void)
{
	volatile uint64_t *shared = mapped_shared;
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 2000 && *shared != 9; i++)
			usleep(1000);
		*shared = *shared == 9 ? 10 : 11;
		_exit(0);
	}
	*shared = 9;
	waitpid(child, NULL, 0);
	return *shared;
}

/* Of the same name as one of the C library, which is no good without arguments. */
uint64_t insque(void)
{
	return 77;
}

/*
 * Takes the right to execute the program away, so that a function is found in a library that has one of the same name:
 * by code elsewhere, which returns to the host itself.
 */
uint64_t hide_program(void)
{
	extern char __executable_start, etext;
	static const uint8_t code[] = {
		0xb8, 10,   0,    0, 0, 0x0f, 5,              /* mprotect() with the function's own arguments */
		0x89, 0xc7, 0xb8, 4, 4, 0x53, 0x56, 0x0f, 5}; /* and that is the value */
	uint64_t start = (uint64_t)&__executable_start, end = ((uint64_t)&etext + 4095) & ~4095ull;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(page, code, sizeof(code));
	return ((uint64_t(*)(uint64_t, uint64_t, uint64_t))page)(start, end - start, PROT_READ);
}

int main(int argc, char **argv)
{
	heap = malloc(8);
	area = map(4 * 4096);
	late = map(1 << 20);
	read_only = map(4096);
	sparse = map(SPARSE);
	memset(sparse, 0, SPARSE - 4096);
	sparse[SPARSE_ONE] = 1;
	*heap = 2;
	*area = 3;
	area[512] = 5;
	*read_only = 4;
	mprotect(read_only, 4096, PROT_READ);
	of_thread = 7;
	fd = open("/fruit", O_RDONLY);
	lseek(fd, 2, SEEK_SET);
	if (argc > 1 && strcmp(argv[1], "shared") == 0)
		map_shared(0);
	if (argc > 1 && strcmp(argv[1], "talk") == 0)
		say();
	if (argc > 1 && strcmp(argv[1], "move") == 0)
		move(argv[0]);
	if (argc > 1 && strcmp(argv[1], "moved") == 0)
		wait(NULL);
	return (int)-viso_ready();
}
