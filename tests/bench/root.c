/* SPDX-License-Identifier: MIT */
/*
 * The time that roots take, through the library. The program is that of VISO_BENCH_PROGRAM, or /usr/bin/python3; roots
 * are built below TMPDIR.
 *
 *   bench-root build N          from a new handle to the built root, in a directory of the library's own
 *   bench-root build-kept N     the same in a named directory, with its record
 *   bench-root update N         an update of such a one with nothing to do
 *   bench-root store N STORE DIRECTORY   no times: builds roots 1 to N in DIRECTORY that share STORE
 *   bench-root list             no times: what a built root contains, for floor_copy and peers
 */
#include <fts.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso.h>

#include "bench.h"

static const char *program = "/usr/bin/python3";

static void check(int r)
{
	if (r < 0) {
		fprintf(stderr, "bench-root: %s\n", viso_error_message());
		exit(1);
	}
}

static void *must(void *pointer)
{
	if (!pointer) {
		fprintf(stderr, "bench-root: out of memory\n");
		exit(1);
	}
	return pointer;
}

/* Everything that is measured: the closure of the program is looked for each time. */
static viso_root *plan(const char *path, const char *store)
{
	viso_root *root = must(viso_root_new());
	check(viso_root_add_program(root, program));
	if (path)
		check(viso_root_set_path(root, path));
	if (store)
		check(viso_root_set_store(root, store));
	return root;
}

/* FTS_NOCHDIR: the path of each entry leads to it. */
static FTS *walk(const char *path, int (*order)(const FTSENT **, const FTSENT **))
{
	char *const paths[] = {(char *)path, NULL};
	return must(fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, order));
}

static void remove_tree(const char *path)
{
	FTS *tree = walk(path, NULL);
	for (const FTSENT *entry; (entry = fts_read(tree));)
		if (entry->fts_info == FTS_DP)
			rmdir(entry->fts_accpath);
		else if (entry->fts_info != FTS_D)
			unlink(entry->fts_accpath);
	fts_close(tree);
}

static int64_t build(void)
{
	int64_t begin = bench_now();
	viso_root *root = plan(NULL, NULL);
	check(viso_root_build(root));
	int64_t end = bench_now();
	viso_root_unref(root);
	return end - begin;
}

static char *kept_path(void)
{
	char *path;
	const char *base = getenv("TMPDIR");
	return asprintf(&path, "%s/kept-%d", base ? base : "/tmp", (int)getpid()) < 0 ? must(NULL) : path;
}

static int64_t build_kept(void)
{
	char *path = kept_path();
	int64_t begin = bench_now();
	viso_root *root = plan(path, NULL);
	check(viso_root_build(root));
	int64_t end = bench_now();
	viso_root_unref(root);
	remove_tree(path);
	free(path);
	return end - begin;
}

static int64_t update_once(const char *path)
{
	int64_t begin = bench_now();
	viso_root *root = plan(path, NULL);
	int changes = viso_root_update(root);
	int64_t end = bench_now();
	check(changes);
	viso_root_unref(root);
	return end - begin;
}

static int64_t update(void)
{
	static char *path;
	if (!path) {
		path = kept_path();
		update_once(path);
	}
	return update_once(path);
}

static void make_shared(int count, const char *store, const char *directory)
{
	for (int i = 1; i <= count; i++) {
		char *path = NULL;
		if (asprintf(&path, "%s/%d", directory, i) < 0)
			must(NULL);
		if (access(path, F_OK) < 0) {
			viso_root *root = plan(path, store);
			check(viso_root_build(root));
			viso_root_unref(root);
		}
		free(path);
	}
}

/* As the library makes it: what lies in one directory together, directories before what lies in them. */
static int by_name(const FTSENT **a, const FTSENT **b)
{
	bool first = S_ISDIR((*a)->fts_statp->st_mode), second = S_ISDIR((*b)->fts_statp->st_mode);
	return first == second ? strcmp((*a)->fts_name, (*b)->fts_name) : first - second;
}

/* Lines `D PATH`, `F PATH`, `L PATH`, paths in the root. What is not the host's at this path is left out. */
static void list(void)
{
	viso_root *root = plan(NULL, NULL);
	check(viso_root_build(root));
	const char *base = viso_root_path(root);
	FTS *tree = walk(base, by_name);
	for (const FTSENT *entry; (entry = fts_read(tree));) {
		struct stat st;
		const char *path = entry->fts_path + strlen(base);
		if (!*path || strchr(path, '\n'))
			continue;
		if (entry->fts_info == FTS_D)
			printf("D %s\n", path);
		else if (entry->fts_info == FTS_SL || entry->fts_info == FTS_SLNONE)
			printf("L %s\n", path);
		else if (entry->fts_info == FTS_F && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
			 st.st_size == entry->fts_statp->st_size)
			printf("F %s\n", path);
	}
	fts_close(tree);
	viso_root_unref(root);
}

static int measure(int64_t (*once)(void), int count)
{
	int64_t *ns = must(calloc((size_t)count, sizeof(*ns)));
	for (int i = 0; i < count; i++)
		ns[i] = once();
	bench_print(ns, count);
	free(ns);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int64_t (*once)(void);
	} modes[] = {{"build", build}, {"build-kept", build_kept}, {"update", update}};
	if (getenv("VISO_BENCH_PROGRAM"))
		program = getenv("VISO_BENCH_PROGRAM");
	for (size_t i = 0; argc == 3 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			return measure(modes[i].once, bench_count(argv[2]));
	if (argc == 2 && !strcmp(argv[1], "list")) {
		list();
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "store")) {
		make_shared(bench_count(argv[2]), argv[3], argv[4]);
		return 0;
	}
	fputs("usage: bench-root build|build-kept|update N | store N STORE DIRECTORY | list\n", stderr);
	return 2;
}
