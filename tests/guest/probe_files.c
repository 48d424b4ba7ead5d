/* SPDX-License-Identifier: MIT */
/* Runs inside a guest: changes files in every way, and checks what comes of it. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

/* <linux/falloc.h> and <linux/fs.h>, which musl has not. */
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#endif

#undef assert
#define assert(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);                      \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)
#define fails(call, error) assert((call) < 0 && errno == (error))

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static int has(const char *path, const char *text)
{
	char buffer[256] = "";
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, buffer, sizeof(buffer) - 1);
	close(fd);
	return n == (ssize_t)strlen(text) && !memcmp(buffer, text, (size_t)n);
}

static int count(const char *path)
{
	int n = 0;
	DIR *dir = opendir(path);
	assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void check_open_flags(void)
{
	struct stat st;
	put("a", "12345");
	fails(open("a", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	fails(open("none", O_RDONLY), ENOENT);
	fails(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fails(open("a/", O_RDONLY), ENOTDIR);
	fails(open("new/", O_WRONLY | O_CREAT, 0600), EISDIR);
	fails(open(".", O_WRONLY), EISDIR);
	int fd = open("a", O_WRONLY | O_APPEND);
	assert(write(fd, "67", 2) == 2 && lseek(fd, 0, SEEK_CUR) == 7);
	fails(read(fd, &st, 1), EBADF);
	close(fd);
	assert(has("a", "1234567"));
	put("a", "x");
	assert(has("a", "x"));
	umask(027);
	fd = open("b", O_RDWR | O_CREAT, 0666);
	assert(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0640 && st.st_uid == getuid());
	close(fd);
	assert(symlink("c", "dangling") == 0);
	put("dangling", "through");
	assert(has("c", "through"));
	fails(open("dangling", O_RDONLY | O_NOFOLLOW), ELOOP);
	fails(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
	assert(symlink("loop", "loop") == 0);
	fails(open("loop", O_RDONLY), ELOOP);
	assert(!unlink("a") && !unlink("b") && !unlink("c") && !unlink("dangling") && !unlink("loop"));
}

static void check_contents(void)
{
	char buffer[16];
	struct stat st;
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	assert(pwrite(fd, "end", 3, 100000) == 3 && fstat(fd, &st) == 0 && st.st_size == 100003);
	assert(pread(fd, buffer, 4, 50000) == 4 && !memcmp(buffer, "\0\0\0\0", 4));
	assert(pread(fd, buffer, 16, 99998) == 5 && !memcmp(buffer, "\0\0end", 5));
	assert(ftruncate(fd, 100001) == 0 && ftruncate(fd, 100003) == 0);
	assert(pread(fd, buffer, 16, 100000) == 3 && !memcmp(buffer, "e\0\0", 3));
	const struct iovec pieces[] = {{"ab", 2}, {"cde", 3}};
	assert(lseek(fd, 4094, SEEK_SET) == 4094 && writev(fd, pieces, 2) == 5);
	assert(pread(fd, buffer, 5, 4094) == 5 && !memcmp(buffer, "abcde", 5));
	assert(lseek(fd, -1, SEEK_END) == 100002);
	fails(lseek(fd, -1, SEEK_SET), EINVAL);
	fails(ftruncate(fd, -1), EINVAL);
	char *map = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
	assert(map != MAP_FAILED && !memcmp(map + 4094, "abcde", 5) && munmap(map, 8192) == 0);
	assert(unlink("f") == 0 && fstat(fd, &st) == 0 && st.st_nlink == 0);
	assert(pwrite(fd, "z", 1, 0) == 1 && pread(fd, buffer, 1, 0) == 1 && buffer[0] == 'z');
	assert(close(fd) == 0 && access("f", F_OK) < 0);
	put("g", "0123456789");
	int in = open("g", O_RDONLY), out = open("h", O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert(syscall(SYS_copy_file_range, in, NULL, out, NULL, 100l, 0) == 10 && has("h", "0123456789"));
	close(in);
	close(out);
	assert(truncate("h", 3) == 0 && has("h", "012") && !unlink("g") && !unlink("h"));
}

static void check_names(void)
{
	struct stat st, other;
	char longest[300];
	assert(mkdir("d", 0750) == 0 && stat("d", &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0750);
	fails(mkdir("d", 0755), EEXIST);
	fails(mkdir("d/", 0755), EEXIST);
	fails(mkdir("no/d", 0755), ENOENT);
	put("d/a", "a");
	fails(rmdir("d"), ENOTEMPTY);
	fails(rmdir("d/a"), ENOTDIR);
	fails(unlink("d"), EISDIR);
	fails(rmdir("d/."), EINVAL);
	fails(rmdir("/"), EBUSY);
	assert(link("d/a", "d/b") == 0 && stat("d/a", &st) == 0 && stat("d/b", &other) == 0);
	assert(st.st_nlink == 2 && st.st_ino == other.st_ino && st.st_dev == other.st_dev);
	fails(link("d", "e"), EPERM);
	fails(link("d/a", "d/b"), EEXIST);
	assert(rename("d/a", "d/b") == 0 && has("d/a", "a") && has("d/b", "a"));
	assert(unlink("d/a") == 0 && stat("d/b", &st) == 0 && st.st_nlink == 1);
	put("d/c", "c");
	assert(rename("d/b", "d/c") == 0 && has("d/c", "a") && access("d/b", F_OK) < 0 && count("d") == 1);
	put("d/x", "x");
	assert(syscall(SYS_renameat2, AT_FDCWD, "d/x", AT_FDCWD, "d/c", RENAME_NOREPLACE) < 0 && errno == EEXIST);
	assert(syscall(SYS_renameat2, AT_FDCWD, "d/x", AT_FDCWD, "d/c", RENAME_EXCHANGE) == 0);
	assert(has("d/x", "a") && has("d/c", "x"));
	assert(mkdir("e", 0700) == 0 && mkdir("e/f", 0700) == 0);
	fails(rename("e", "e/f/g"), EINVAL);
	fails(rename("d/x", "e"), EISDIR);
	fails(rename("e", "d/x"), ENOTDIR);
	fails(rename("e", "d"), ENOTEMPTY);
	assert(rename("e", "d/e") == 0 && access("d/e/f", F_OK) == 0 && access("e", F_OK) < 0);
	memset(longest, 'n', sizeof(longest));
	longest[255] = '\0';
	put(longest, "long");
	assert(unlink(longest) == 0);
	longest[255] = 'n';
	longest[256] = '\0';
	fails(open(longest, O_WRONLY | O_CREAT, 0600), ENAMETOOLONG);
	assert(!rmdir("d/e/f") && !rmdir("d/e") && !unlink("d/x") && !unlink("d/c") && !rmdir("d"));
}

static void check_attributes(void)
{
	struct stat st;
	put("a", "a");
	const struct timespec times[2] = {{1000, 5}, {2000, 6}};
	assert(chmod("a", 0604) == 0 && utimensat(AT_FDCWD, "a", times, 0) == 0 && stat("a", &st) == 0);
	assert((st.st_mode & 0777) == 0604 && st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000);
	assert(chown("a", getuid(), getgid()) == 0 && chown("a", (uid_t)-1, (gid_t)-1) == 0);
	fails(chown("a", 12345, (gid_t)-1), EPERM);
	int fd = open("a", O_RDWR);
	assert(fchmod(fd, 0600) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600 && close(fd) == 0);
	assert(symlink("a", "s") == 0 && lstat("s", &st) == 0 && S_ISLNK(st.st_mode) && st.st_size == 1);
	assert(!unlink("a") && !unlink("s"));
	fails(mknod("fifo", S_IFIFO | 0600, 0), EPERM);
	fails(mknod("dev", S_IFCHR | 0600, 1 << 8 | 3), EPERM);
}

static void check_directories(void)
{
	char name[32], buffer[128];
	assert(mkdir("list", 0700) == 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "list/%d", i);
		put(name, "");
	}
	assert(count("list") == 500);
	/* Small buffers, and removing while reading. */
	int fd = open("list", O_RDONLY | O_DIRECTORY), seen = 0;
	fails(syscall(SYS_getdents64, fd, buffer, 20), EINVAL);
	for (long n; (n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0;)
		for (long at = 0; at < n; at += *(uint16_t *)(buffer + at + 16)) {
			const char *entry = buffer + at + 19;
			seen++;
			if (entry[0] != '.')
				assert(unlinkat(fd, entry, 0) == 0);
		}
	assert(seen == 502 && close(fd) == 0 && rmdir("list") == 0);
}

static int run_all(const char *directory)
{
	struct stat st;
	assert(chdir(directory) == 0 && mkdir("work", 0700) == 0 && chdir("work") == 0);
	umask(022);
	check_open_flags();
	umask(0);
	check_contents();
	check_names();
	check_attributes();
	check_directories();
	int fd = open(".", O_RDWR | O_TMPFILE, 0600);
	if (fd >= 0) {
		char name[64];
		assert(write(fd, "t", 1) == 1 && count(".") == 0);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		assert(linkat(AT_FDCWD, name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 && has("named", "t"));
		assert(unlink("named") == 0 && close(fd) == 0);
	} else {
		assert(errno == EOPNOTSUPP);
	}
	assert(stat(".", &st) == 0 && count(".") == 0 && chdir("..") == 0 && rmdir("work") == 0);
	puts("done");
	return 0;
}

/* Over the files that the tests' root has. */
static int run_layers(const char *directory)
{
	struct stat st;
	assert(chdir(directory) == 0);
	int old = open("fruit", O_RDONLY);
	char buffer[16];
	assert(old >= 0 && has("fruit", "pear\napple\nfig\n"));
	int fd = open("fruit", O_WRONLY | O_APPEND);
	assert(fd >= 0 && write(fd, "kiwi\n", 5) == 5 && close(fd) == 0 && has("fruit", "pear\napple\nfig\nkiwi\n"));
	assert(read(old, buffer, 4) == 4 && !memcmp(buffer, "pear", 4) && close(old) == 0);
	put("fruit", "pear\napple\nfig\n");
	int names = count(".");
	assert(rename("table", "moved") == 0 && count(".") == names && access("table", F_OK) < 0);
	assert(has("moved", "a 1\nb 2\n") && rename("moved", "table") == 0 && has("table", "a 1\nb 2\n"));
	assert(unlink("table") == 0 && access("table", F_OK) < 0 && count(".") == names - 1);
	put("table", "a 1\nb 2\n");
	assert(count(".") == names && chmod("dir", 0700) == 0 && stat("dir", &st) == 0 && (st.st_mode & 0777) == 0700);
	assert(chmod("dir", 0755) == 0 && count("dir/sub") == 1);
	fails(rename("dir", "elsewhere"), EXDEV);
	fails(rmdir("dir/sub"), ENOTEMPTY);
	assert(unlink("dir/sub/link") == 0 && count("dir/sub") == 0 && rmdir("dir/sub") == 0 && count("dir") == 0);
	assert(mkdir("dir/sub", 0755) == 0 && count("dir/sub") == 0 && symlink("/fruit", "dir/sub/link") == 0);
	assert(access("dir/sub/link", R_OK) == 0);
	fails(unlink("dev"), EISDIR);
	fails(rmdir("tmp"), EBUSY);
	fails(rename("tmp", "temporary"), EBUSY);
	fails(rename("fruit", "tmp/fruit"), EXDEV);
	puts("done");
	return 0;
}

/* Writes until it must not. */
static int run_fill(const char *path)
{
	static char piece[64 << 10];
	uint64_t total = 0;
	memset(piece, 'x', sizeof(piece));
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert(fd >= 0);
	for (ssize_t n; (n = write(fd, piece, sizeof(piece))) > 0;)
		total += (uint64_t)n;
	/* In MiB, and no more than so many. */
	uint64_t mib = (total + (1 << 19)) >> 20;
	/* Where no byte more may be written, nothing can be printed either. */
	if (errno == EDQUOT)
		return (int)mib;
	printf("%s %d\n", errno == ENOSPC ? "ENOSPC" : strerror(errno), (int)mib);
	return 0;
}

static int run_sparse(const char *path)
{
	char byte = 1;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert(fd >= 0 && ftruncate(fd, 1ll << 43) == 0 && pread(fd, &byte, 1, 1ll << 42) == 1 && byte == 0);
	assert(pwrite(fd, "x", 1, (1ll << 43) - 1) == 1 && lseek(fd, 0, SEEK_DATA) == (1ll << 43) - 4096);
	assert(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1ll << 43) == 0);
	fails(ftruncate(fd, 1ll << 50), EFBIG);
	fails(lseek(fd, 0, SEEK_DATA), ENXIO);
	puts("done");
	return 0;
}

static int run_names(const char *path)
{
	char name[300];
	for (int i = 0; i < 1000000; i++) {
		snprintf(name, sizeof(name), "%s/%0200d", path, i);
		int fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd < 0) {
			puts(errno == ENOSPC ? "ENOSPC" : strerror(errno));
			return 0;
		}
		close(fd);
	}
	return 1;
}

/* An empty directory that hides one of a lower layer changes places with another. */
static int run_exchange(const char *path)
{
	char other[256];
	snprintf(other, sizeof(other), "%s-other", path);
	assert(count(path) == 0 && mkdir(other, 0755) == 0);
	assert(syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE) == 0);
	assert(count(path) == 0 && count(other) == 0);
	assert(syscall(SYS_renameat2, AT_FDCWD, other, AT_FDCWD, path, RENAME_EXCHANGE) == 0);
	assert(count(path) == 0 && rmdir(other) == 0);
	puts("done");
	return 0;
}

/* Links whose targets are as long as can be. */
static int run_links(const char *directory)
{
	char target[4000], name[32];
	int count = 0;
	assert(chdir(directory) == 0);
	memset(target, 'x', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	do
		snprintf(name, sizeof(name), "l%d", count++);
	while (symlink(target, name) == 0);
	assert(errno == ENOSPC && count > 1000);
	puts(count < 4200 ? "done" : "too many");
	return 0;
}

/* Long texts of /proc, of which many are open at once. */
static int run_texts(const char *path)
{
	enum { PAGES = 40000, FILES = 100 };
	char *pages = mmap(NULL, PAGES * 4096ul, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(pages != MAP_FAILED);
	for (int i = 0; i < PAGES; i += 2)
		assert(mprotect(pages + i * 4096l, 4096, PROT_NONE) == 0);
	int fd = -1, count = 0;
	while (count < FILES && (fd = open(path, O_RDONLY)) >= 0)
		count++;
	assert(fd < 0 && errno == ENOMEM && count > 10);
	for (int i = 3; i < 3 + count; i++)
		close(i);
	assert(open(path, O_RDONLY) >= 0);
	puts("done");
	return 0;
}

/* An offset of a directory that would be too large. */
static int run_directory_offset(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	assert(fd >= 0 && lseek(fd, INT64_MAX, SEEK_SET) == INT64_MAX);
	fails(lseek(fd, INT64_MAX, SEEK_CUR), EINVAL);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	puts("done");
	return 0;
}

static int run_copy_up(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDWR);
	assert(fd < 0);
	const char *name = errno == ENOSPC ? "ENOSPC" : strerror(errno);
	assert(stat(path, &st) == 0 && access(path, R_OK) == 0);
	printf("%s %lld\n", name, (long long)st.st_size);
	return 0;
}

static volatile sig_atomic_t alarms;

static void count_alarm(int signal)
{
	alarms++;
}

static void count_alarms_each_ms(void)
{
	const struct sigaction action = {.sa_handler = count_alarm, .sa_flags = SA_RESTART};
	const struct itimerval each_ms = {{0, 1000}, {0, 1000}};
	assert(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &each_ms, NULL) == 0);
}

/* However often a timer goes off meanwhile: open(2), read(2) and write(2) of files are not interrupted by that. */
static int run_copy_up_with_timer(const char *path)
{
	struct stat st;
	count_alarms_each_ms();
	while (!alarms)
		;
	int fd = open(path, O_RDWR);
	assert(fd >= 0 && fstat(fd, &st) == 0);
	char *data = malloc((size_t)st.st_size);
	assert(data && read(fd, data, (size_t)st.st_size) == st.st_size);
	assert(pwrite(fd, data, (size_t)st.st_size, 0) == st.st_size);
	puts("done");
	return 0;
}

static int run_copy_up_refused(const char *path)
{
	int fd = open(path, O_RDWR);
	puts(fd >= 0 ? "opened" : errno == EDQUOT ? "EDQUOT" : strerror(errno));
	return access(path, R_OK) == 0 ? 0 : 1;
}

/* What is open for reading is opened for writing by its name in /proc. */
static int run_reopen(const char *path)
{
	char name[64];
	int fd = open(path, O_RDONLY);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	int writable = open(name, O_WRONLY);
	assert(fd >= 0 && writable >= 0 && write(writable, "overwritten", 11) == 11);
	assert(open(name, O_RDONLY) >= 0 && open(name, O_WRONLY | O_TRUNC) < 0 && errno == ENOENT);
	fd = open(path, O_RDONLY);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	assert(open(name, O_WRONLY | O_TRUNC) >= 0 && has(path, ""));
	puts("done");
	return 0;
}

static int run_locks(const char *directory)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
	assert(chdir(directory) == 0);
	int a = open("l", O_RDWR | O_CREAT, 0600), b = open("l", O_RDWR);
	/* A process does not meet its own locks; open files do. */
	assert(fcntl(a, F_SETLK, &lock) == 0 && fcntl(b, F_SETLK, &lock) == 0);
	assert(flock(a, LOCK_EX) == 0);
	fails(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	assert(flock(a, LOCK_UN) == 0 && flock(b, LOCK_SH | LOCK_NB) == 0 && flock(a, LOCK_SH | LOCK_NB) == 0);
	lock.l_pid = 0;
	assert(close(b) == 0);
	b = open("l", O_RDWR);
	assert(fcntl(a, F_OFD_SETLK, &lock) == 0);
	fails(fcntl(b, F_OFD_SETLK, &lock), EAGAIN);
	struct flock asked = lock;
	assert(fcntl(b, F_OFD_GETLK, &asked) == 0 && asked.l_type == F_WRLCK && asked.l_start == 10 &&
	       asked.l_len == 10 && asked.l_pid == -1);
	/* The middle of it is given back. */
	struct flock part = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 13, .l_len = 2};
	assert(fcntl(a, F_OFD_SETLK, &part) == 0);
	part.l_type = F_WRLCK;
	assert(fcntl(b, F_OFD_SETLK, &part) == 0);
	part.l_len = 3;
	fails(fcntl(b, F_OFD_SETLK, &part), EAGAIN);
	assert(close(a) == 0 && fcntl(b, F_OFD_SETLK, &part) == 0);
	part.l_start = -1;
	fails(fcntl(b, F_OFD_SETLK, &part), EINVAL);
	/* While there are locks, fds that are not open. */
	assert(syscall(SYS_close_range, b + 1, 1000, 0) == 0 && fcntl(b, F_GETFD) >= 0);
	puts("done");
	return 0;
}

/* Makes, writes and removes a file whose directory another process exchanges meanwhile. */
static int run_hammer(const char *path)
{
	for (int i = 0; i < 1500; i++) {
		int fd = open(path, O_RDWR | O_CREAT, 0600);
		if (fd >= 0) {
			assert(write(fd, "x", 1) == 1);
			close(fd);
		}
		rename(path, path);
		unlink(path);
	}
	puts("done");
	return 0;
}

static int run_paths(const char *directory)
{
	static char path[8192];
	assert(chdir(directory) == 0);
	fails(open("", O_RDONLY), ENOENT);
	memset(path, 'a', 5000);
	fails(open(path, O_RDONLY), ENAMETOOLONG);
	for (int i = 0; i < 2047; i++)
		memcpy(path + 2 * i, "./", 3);
	assert(open(path, O_RDONLY | O_DIRECTORY) >= 0);
	for (int i = 0; i < 1300; i++)
		memcpy(path + 3 * i, "../", 4);
	assert(open(path, O_RDONLY | O_DIRECTORY) >= 0);
	/* A deep tree: bounded by the length of its path. */
	int depth = 0;
	while (mkdir("d", 0700) == 0 && chdir("d") == 0)
		depth++;
	assert(errno == ENAMETOOLONG && depth > 2000);
	/* The worst: down and up again, as often as one path can say. */
	assert(chdir(directory) == 0);
	strcpy(path, "");
	for (int i = 0; i < 900; i++)
		strcat(path, "d/");
	for (int i = 0; i < 300; i++)
		strcat(path, "../d/");
	assert(open(path, O_RDONLY) < 0 && errno == ELOOP);
	/* Links that double: 2 to the power of 40 names, if anybody followed them all. */
	for (int i = 0; i < 41; i++) {
		char name[32], target[64];
		snprintf(name, sizeof(name), "l%d", i);
		snprintf(target, sizeof(target), "l%d/../l%d", i - 1, i - 1);
		assert(symlink(i ? target : directory, name) == 0);
	}
	fails(open("l40", O_RDONLY), ELOOP);
	fails(open("/proc/self/fd/99999999999999999999", O_RDONLY), ENOENT);
	fails(open("/proc/self/fd/-1", O_RDONLY), ENOENT);
	fails(open("/proc/self/fd/0/x", O_RDONLY), ENOTDIR);
	fails(open("/proc/self/cwd/../../../../../etc/shadow", O_RDONLY), ENOENT);
	fails(symlink("", "x"), ENOENT);
	fails(syscall(SYS_openat, 12345, "x", O_RDONLY), EBADF);
	fails(syscall(SYS_renameat2, AT_FDCWD, "l0", AT_FDCWD, "l1", 0xff), EINVAL);
	fails(syscall(SYS_getdents64, 0, path, 10), ENOTDIR);
	puts("done");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *path);
	} probes[] = {{"all", run_all},
		      {"layers", run_layers},
		      {"fill", run_fill},
		      {"sparse", run_sparse},
		      {"names", run_names},
		      {"copy-up", run_copy_up},
		      {"locks", run_locks},
		      {"hammer", run_hammer},
		      {"paths", run_paths},
		      {"reopen", run_reopen},
		      {"exchange", run_exchange},
		      {"links", run_links},
		      {"texts", run_texts},
		      {"directory-offset", run_directory_offset},
		      {"copy-up-with-timer", run_copy_up_with_timer},
		      {"copy-up-refused", run_copy_up_refused}};
	for (size_t i = 0; argc == 3 && i < sizeof(probes) / sizeof(probes[0]); i++)
		if (!strcmp(argv[1], probes[i].name))
			return probes[i].run(argv[2]);
	return 111;
}
