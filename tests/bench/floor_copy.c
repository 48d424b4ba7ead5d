/* SPDX-License-Identifier: MIT */
/*
 * The floor of root/python3: the same directories, files and links as in a list that `bench-root list` wrote, by the
 * fewest calls: reflink where that works, else copy_file_range(2), for small files and where that does not work either
 * read(2) and write(2): the way of VISO_COPY_AUTO, with buffers of the same size.
 *
 *   floor_copy N LIST DIRECTORY
 *
 * DIRECTORY is made and removed again for each repetition.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

enum { SMALL = 64 << 10, BUFFER = 256 << 10 };

struct entry {
	char type;
	char *path;   /* in the root and on the host */
	char *source; /* FILE: without links; LINK: its text */
	size_t name;  /* where in `path` the last component begins */
};

static struct entry *entries;
static size_t count;
static int clones = 1;
static int ranges = 1;
static char buffer[BUFFER];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void add(const char *line)
{
	char text[PATH_MAX] = "";
	entries = realloc(entries, (count + 1) * sizeof(*entries));
	struct entry *entry = &entries[count];
	*entry = (struct entry){.type = line[0], .path = strdup(line + 2)};
	if (entry->type == 'L' && readlink(entry->path, text, sizeof(text) - 1) < 0)
		return; /* the library's own */
	entry->source = entry->type == 'F' ? realpath(entry->path, NULL) : strdup(text);
	entry->name = (size_t)(strrchr(entry->path, '/') - entry->path) + 1;
	count++;
}

static void read_list(const char *path)
{
	char line[PATH_MAX + 8];
	FILE *file = fopen(path, "re");
	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		add(line);
	}
	fclose(file);
}

/* What does not work for one file works for none of this run. */
static int is_unsupported(void)
{
	return errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOTTY;
}

static void copy_by_buffer(int source, int target, const char *from)
{
	ssize_t n;
	while ((n = read(source, buffer, sizeof(buffer))) > 0)
		if (write(target, buffer, (size_t)n) != n)
			die(from);
	if (n < 0)
		die(from);
}

static int copy_by_range(int source, int target, off_t size, const char *from)
{
	ssize_t n = 1;
	for (off_t left = size; left > 0 && n > 0; left -= n)
		n = copy_file_range(source, NULL, target, NULL, (size_t)left, 0);
	if (n < 0 && !is_unsupported())
		die(from);
	return n >= 0;
}

static void copy(const char *from, int parent, const char *name)
{
	struct stat st;
	int source = open(from, O_RDONLY | O_CLOEXEC);
	int target = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (source < 0 || target < 0 || fstat(source, &st) < 0)
		die(from);
	if (clones && ioctl(target, FICLONE, source) < 0) {
		if (!is_unsupported())
			die(from);
		clones = 0;
	}
	if (!clones && ranges && st.st_size > SMALL)
		ranges = copy_by_range(source, target, st.st_size, from);
	if (!clones && (!ranges || st.st_size <= SMALL))
		copy_by_buffer(source, target, from);
	close(source);
	close(target);
}

/* The list has what lies in one directory together, so that one is open at a time. */
static void make_all(int root)
{
	const struct entry *before = NULL;
	int parent = -1;
	for (size_t i = 0; i < count; i++) {
		const struct entry *entry = &entries[i];
		char path[PATH_MAX];
		if (!before || before->name != entry->name || memcmp(before->path, entry->path, entry->name)) {
			memcpy(path, entry->path + 1, entry->name - 1);
			path[entry->name - 1] = '\0';
			if (parent >= 0)
				close(parent);
			parent = openat(root, path[0] ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (parent < 0)
				die(path);
		}
		before = entry;
		const char *name = entry->path + entry->name;
		if (entry->type == 'D' ? mkdirat(parent, name, 0755) < 0
				       : entry->type == 'L' && symlinkat(entry->source, parent, name) < 0)
			die(entry->path);
		if (entry->type == 'F')
			copy(entry->source, parent, name);
	}
	close(parent);
}

static void remove_tree(const char *path)
{
	char *const paths[] = {(char *)path, NULL};
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	for (const FTSENT *entry; (entry = fts_read(tree));)
		if (entry->fts_info == FTS_DP)
			rmdir(entry->fts_accpath);
		else if (entry->fts_info != FTS_D)
			unlink(entry->fts_accpath);
	fts_close(tree);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: floor_copy N LIST DIRECTORY\n", stderr);
		return 2;
	}
	int runs = bench_count(argv[1]);
	int64_t *ns = calloc((size_t)runs, sizeof(*ns));
	read_list(argv[2]);
	for (int i = 0; ns && i < runs; i++) {
		int64_t begin = bench_now();
		if (mkdir(argv[3], 0755) < 0)
			die(argv[3]);
		int root = open(argv[3], O_PATH | O_DIRECTORY | O_CLOEXEC);
		make_all(root);
		close(root);
		ns[i] = bench_now() - begin;
		remove_tree(argv[3]);
	}
	bench_print(ns, runs);
	return 0;
}
