/* SPDX-License-Identifier: MIT */
/* Programs that map files with MAP_SHARED. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* linux/futex.h, which is not there for musl. */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 };

enum { PAGE = 4096, PAGES = 20 };

static char *map(int fd, int protection, size_t size, off_t offset)
{
	char *memory = mmap(NULL, size, protection, MAP_SHARED, fd, offset);
	check(memory != MAP_FAILED);
	return memory;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags, 0644);
	check(fd >= 0);
	return fd;
}

/* Mappings, read(2) and write(2) of one file, by several fds, all see the same. */
static int map_coherently(int argc, char **argv)
{
	char buffer[PAGE];
	int fd = open_file(argv[2], O_RDWR | O_CREAT | O_TRUNC), other = open_file(argv[2], O_RDWR);
	check(ftruncate(fd, PAGES * PAGE) == 0);
	char *one = map(fd, PROT_READ | PROT_WRITE, PAGES * PAGE, 0);
	char *two = map(other, PROT_READ | PROT_WRITE, PAGE, 3 * PAGE);
	const char *reader = map(open_file(argv[2], O_RDONLY), PROT_READ, PAGES * PAGE, 0);

	memcpy(one + 3 * PAGE + 7, "from one", 8);
	check(memcmp(two + 7, "from one", 8) == 0 && memcmp(reader + 3 * PAGE + 7, "from one", 8) == 0);
	check(pread(other, buffer, 8, 3 * PAGE + 7) == 8 && memcmp(buffer, "from one", 8) == 0);
	memcpy(two + 20, "from two", 8);
	check(memcmp(one + 3 * PAGE + 20, "from two", 8) == 0);

	/* Beside what is not written back yet. */
	memcpy(one + 5 * PAGE, "kept", 4);
	check(pwrite(other, "written", 7, 5 * PAGE + 100) == 7);
	check(memcmp(one + 5 * PAGE, "kept", 4) == 0 && memcmp(one + 5 * PAGE + 100, "written", 7) == 0);
	check(memcmp(reader + 5 * PAGE + 100, "written", 7) == 0);
	/* And where the mapping has no page yet; and where the file stands. */
	check(lseek(other, 9 * PAGE, SEEK_SET) == 9 * PAGE && write(other, "late", 4) == 4);
	check(memcmp(reader + 9 * PAGE, "late", 4) == 0);
	memcpy(one + 9 * PAGE + 4, "more", 4);
	check(read(other, buffer, 4) == 4 && memcmp(buffer, "more", 4) == 0);
	int appended = open_file(argv[2], O_WRONLY | O_APPEND);
	check(write(appended, "tail", 4) == 4);
	/* A private mapping begins with what the file has. */
	char *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 9 * PAGE);
	check(memcmp(own, "latemore", 8) == 0);
	own[0] = 'L';
	check(one[9 * PAGE] == 'l');

	char *mine = mremap(one, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
	check(mine != MAP_FAILED && memcmp(mine + PAGES * PAGE, "tail", 4) == 0 && !strcmp(mine + 5 * PAGE, "kept"));
	check(msync(mine, PAGES * PAGE, MS_SYNC) == 0 && munmap(mine, 2 * PAGES * PAGE) == 0);
	check(mprotect((char *)reader, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	check(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, open_file(argv[2], O_RDONLY), 0) == MAP_FAILED &&
	      errno == EACCES);
	puts("done");
	return 0;
}

static sigjmp_buf faulted;

static void jump(int signal)
{
	siglongjmp(faulted, signal);
}

static int signal_at(volatile char *address)
{
	int signal = sigsetjmp(faulted, 1);
	if (!signal)
		*address = 1;
	return signal;
}

/* Beyond the end there is SIGBUS, wherever the end goes. */
static int map_beyond(int argc, char **argv)
{
	char buffer[8];
	int fd = open_file(argv[2], O_RDWR | O_CREAT | O_TRUNC);
	signal(SIGBUS, jump);
	check(ftruncate(fd, 2 * PAGE + 10) == 0);
	char *memory = map(fd, PROT_READ | PROT_WRITE, 8 * PAGE, 0);
	memset(memory, 'x', 3 * PAGE);
	check(signal_at(memory + 3 * PAGE) == SIGBUS);
	check(ftruncate(fd, 4 * PAGE) == 0);
	/* What was written behind the end has never been of the file. */
	check(memory[2 * PAGE + 9] == 'x' && memory[2 * PAGE + 10] == 0 && signal_at(memory + 3 * PAGE) == 0);
	check(pread(fd, buffer, 2, 2 * PAGE + 9) == 2 && memcmp(buffer, "x", 2) == 0);
	check(ftruncate(fd, PAGE + 1) == 0 && signal_at(memory + 2 * PAGE) == SIGBUS && memory[PAGE] == 'x' &&
	      memory[PAGE + 1] == 0);
	check(truncate(argv[2], 100) == 0 && signal_at(memory + PAGE) == SIGBUS);
	check(open_file(argv[2], O_WRONLY | O_TRUNC) >= 0 && signal_at(memory) == SIGBUS);
	check(write(fd, &(char[1]){1}, 1) == 1 && signal_at(memory) == 0);
	check(fallocate(fd, 0, 0, 2 * PAGE) == 0 && signal_at(memory + PAGE) == 0);
	check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE) == 0 && memory[PAGE] == 0);
	puts("done");
	return 0;
}

static long futex(int *word, int operation, int value)
{
	return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

/* Two processes that have opened a file by themselves, at other addresses, wait for each other in it. */
static int map_in_two(int argc, char **argv)
{
	enum { ROUNDS = 50 };
	int fd = open_file(argv[2], O_RDWR | O_CREAT | O_TRUNC);
	check(ftruncate(fd, PAGE) == 0);
	pid_t child = fork();
	int *word = (int *)map(child ? fd : open_file(argv[2], O_RDWR), PROT_READ | PROT_WRITE, PAGE, 0);
	for (int i = child ? 0 : 1; i < ROUNDS; i += 2) {
		for (int now; (now = __atomic_load_n(word, __ATOMIC_SEQ_CST)) != i;)
			futex(word, FUTEX_WAIT, now);
		__atomic_store_n(word, i + 1, __ATOMIC_SEQ_CST);
		futex(word, FUTEX_WAKE, 1);
	}
	if (!child)
		_exit(0);
	int status;
	check(waitpid(child, &status, 0) == child && status == 0);
	check(pread(fd, &status, sizeof(status), 0) == sizeof(status));
	printf("%d\n", status);
	return 0;
}

/* A page for each character of the text, with all of it behind the first. */
static int map_and_end(int argc, char **argv)
{
	int fd = open_file(argv[2], O_RDWR | O_CREAT);
	check(ftruncate(fd, PAGE) == 0);
	strcpy(map(fd, PROT_READ | PROT_WRITE, PAGE, 0), argv[3]);
	if (argc > 4)
		raise(SIGKILL);
	_exit(0);
}

/* As many pages of a file as are asked for get other contents, again and again. */
static int map_and_write(int argc, char **argv)
{
	size_t size = strtoul(argv[3], NULL, 0) * PAGE;
	int fd = open_file(argv[2], O_RDWR | O_CREAT), error = 0;
	check(ftruncate(fd, (off_t)size) == 0);
	char *memory = map(fd, PROT_READ | PROT_WRITE, size, 0);
	for (int i = 1; i <= atoi(argv[4]); i++) {
		memset(memory, i, size);
		error = msync(memory, size, MS_SYNC) < 0 ? errno : 0;
	}
	printf("%d\n", error);
	return 0;
}

/* A file in memory with no room for what is mapped. */
static int map_too_much(int argc, char **argv)
{
	size_t size = strtoul(argv[3], NULL, 0);
	int fd = open_file(argv[2], O_RDWR | O_CREAT);
	signal(SIGBUS, jump);
	check(ftruncate(fd, (off_t)size) == 0);
	char *memory = map(fd, PROT_READ | PROT_WRITE, size, 0);
	for (size_t at = 0; at < size; at += PAGE)
		if (signal_at(memory + at)) {
			puts("SIGBUS");
			return 0;
		}
	puts("done");
	return 0;
}

/* Answers each request with what it has mapped; one of some bytes writes them to the file before. */
static int map_and_answer(int argc, char **argv)
{
	enum { RECEIVE = 0x56530401, REPLY = 0x56530402 };
	char request[16];
	int fd = open_file(argv[2], O_RDWR | O_CREAT | O_TRUNC),
	    flags = strcmp(argv[3], "write") == 0 ? O_RDWR : O_RDONLY;
	check(write(fd, "before", 6) == 6);
	const char *memory = map(open_file(argv[2], flags), PROT_READ, PAGE, 0);
	check(memcmp(memory, "before", 6) == 0);
	for (long n; (n = syscall(RECEIVE, request, sizeof(request))) >= 0;) {
		check(pwrite(fd, request, (size_t)n, 0) == n);
		check(syscall(REPLY, memory, 6) == 0);
	}
	return 0;
}

const struct probe mapped_probes[] = {
	{"map-and-answer", map_and_answer}, {"map-coherently", map_coherently},
	{"map-beyond", map_beyond},         {"map-in-two", map_in_two},
	{"map-and-end", map_and_end},       {"map-and-write", map_and_write},
	{"map-too-much", map_too_much},     {0},
};
