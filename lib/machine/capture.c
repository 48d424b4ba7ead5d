/* SPDX-License-Identifier: MIT */
/*
 * Capturing a machine: a provider that answers as this machine does, and writes down what it answers. All that the
 * detection knows is asked once; so a captured directory has exactly what a replay will ask for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <virtiso/machine_drivers.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/remove_tree.h"
#include "core/transfer.h"
#include "machine/machine.h"

enum { FILE_MAX = 16 << 20, FACT_SIZE = 512 };

/* The files of lines: provider.h. */
enum fact { FACT_CPUID, FACT_MSR, FACT_UNAME, FACT_NS, FACT_ROOT, FACT_ERRORS, FACTS };
static const char *const fact_names[FACTS] = {"cpuid", "msr", "uname", "ns", "root", "errors"};

struct recording {
	struct provider machine;
	int directory;
	int failed; /* the first errno of writing, negative */
	struct strings facts[FACTS];
};

static struct recording *recording_of(struct provider *provider)
{
	return (struct recording *)provider->wrapped;
}

static void fail(struct recording *recording, int error)
{
	if (error < 0 && !recording->failed)
		recording->failed = error;
}

static void add_fact(struct recording *recording, enum fact fact, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void add_fact(struct recording *recording, enum fact fact, const char *format, ...)
{
	struct strings *facts = &recording->facts[fact];
	char line[FACT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (size_t i = 0; i < facts->count; i++)
		if (!strcmp(facts->items[i], line))
			return;
	fail(recording, strings_add(facts, line));
}

static void note_error(struct recording *recording, int error, const char *name)
{
	if (error != -ENOENT && error != -ENOTDIR)
		add_fact(recording, FACT_ERRORS, "%s %s", strerrorname_np(-error) ?: "EIO", name);
}

/* Within the directory; of links, which are made here too, none is followed. A fd or a negative errno. */
static int open_record(struct recording *recording, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	path += strspn(path, "/");
	long fd = syscall(SYS_openat2, recording->directory, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* The directory that a path lies in, made where it is not there. A fd or a negative errno. */
static int open_parent(struct recording *recording, const char *path, const char **out_name)
{
	int fd = open_record(recording, "/", O_PATH | O_DIRECTORY);
	path += strspn(path, "/");
	for (const char *slash; fd >= 0 && (slash = strchr(path, '/')); path = slash + strspn(slash, "/")) {
		_cleanup_close_ int outer = fd;
		char name[256];
		if ((size_t)(slash - path) >= sizeof(name))
			return -ENAMETOOLONG;
		snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
		if (mkdirat(outer, name, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(outer, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	*out_name = path;
	return fd < 0 ? -errno : fd;
}

static void record_directory(struct recording *recording, const char *path)
{
	const char *name;
	_cleanup_close_ int parent = open_parent(recording, path, &name);
	if (parent < 0)
		fail(recording, parent);
	else if (*name && mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		fail(recording, -errno);
}

/*
 * With these bytes; with NULL it is empty, unless it is there. Always a new file: where others may write to the
 * directory, what bears its name may be a pipe that nobody reads, or a link to a file that is not to be lost.
 */
static void record_file(struct recording *recording, const char *path, const char *bytes, size_t size)
{
	const char *name;
	_cleanup_close_ int parent = open_parent(recording, path, &name);
	if (parent < 0) {
		fail(recording, parent);
		return;
	}
	if (bytes && unlinkat(parent, name, 0) < 0 && errno != ENOENT) {
		fail(recording, -errno);
		return;
	}
	_cleanup_close_ int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		fail(recording, write_whole(fd, bytes, bytes ? size : 0));
	else if (bytes || errno != EEXIST)
		fail(recording, -errno);
}

/* An environment holds secrets: of it there stays what detection looks at. The size that is left. */
static size_t censor(const char *path, char *bytes, size_t size)
{
	static const char *const kept[] = {"container=", "KUBERNETES_SERVICE_HOST="};
	size_t length = strlen(path), left = 0;
	if (length < 8 || strcmp(path + length - 8, "/environ"))
		return size;
	for (size_t at = 0, next; at < size; at = next) {
		next = at + strnlen(bytes + at, size - at) + 1;
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			if (!strncmp(bytes + at, kept[i], strlen(kept[i])) && next <= size) {
				memmove(bytes + left, bytes + at, next - at);
				left += next - at;
				break;
			}
	}
	return left;
}

static void record_content(struct recording *recording, const char *path)
{
	_cleanup_free_ char *bytes = NULL;
	size_t size;
	int r = provider_read_all(&recording->machine, path, FILE_MAX, &bytes, &size);
	if (r == -ENOMEM)
		fail(recording, r);
	else if (r < 0)
		note_error(recording, r, path);
	else
		record_file(recording, path, bytes, censor(path, bytes, size));
}

/* Directories within it are to be seen in the copy too, and in /sys files. */
static void record_names(struct recording *recording, const char *path)
{
	_cleanup_(strings_clear) struct strings names = {0};
	record_directory(recording, path);
	fail(recording, provider_list(&recording->machine, path, &names) == -ENOMEM ? -ENOMEM : 0);
	for (size_t i = 0; i < names.count; i++) {
		struct stat status;
		char name[4096];
		if (snprintf(name, sizeof(name), "%s/%s", path, names.items[i]) >= (int)sizeof(name) ||
		    stat(name, &status) < 0)
			continue;
		if (S_ISDIR(status.st_mode))
			record_directory(recording, name);
		else if (!strncmp(name, "/sys/", 5))
			record_file(recording, name, NULL, 0);
	}
}

static int recording_open(struct provider *provider, const char *path, int flags)
{
	struct recording *recording = recording_of(provider);
	struct stat status;
	int fd = recording->machine.calls->open(&recording->machine, path, flags);
	if (fd < 0)
		note_error(recording, fd, path);
	else if (flags & O_DIRECTORY)
		record_names(recording, path);
	else if (!(flags & O_PATH))
		record_content(recording, path);
	else if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
		record_directory(recording, path);
	else
		record_file(recording, path, NULL, 0);
	return fd;
}

static ssize_t recording_read_link(struct provider *provider, const char *path, char *target, size_t size)
{
	struct recording *recording = recording_of(provider);
	const char *name;
	char text[4096];
	ssize_t n = recording->machine.calls->read_link(&recording->machine, path, target, size);
	if (n < 0)
		note_error(recording, (int)n, path);
	if (n < 0 || (size_t)n >= sizeof(text))
		return n;
	memcpy(text, target, (size_t)n);
	text[n] = '\0';
	_cleanup_close_ int parent = open_parent(recording, path, &name);
	if (parent < 0)
		fail(recording, parent);
	else if (symlinkat(text, parent, name) < 0 && errno != EEXIST)
		fail(recording, -errno);
	return n;
}

static int recording_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out)
{
	struct recording *recording = recording_of(provider);
	int r = recording->machine.calls->cpuid(&recording->machine, leaf, subleaf, out);
	if (r < 0)
		note_error(recording, r, "cpuid");
	else
		add_fact(recording, FACT_CPUID, "%08x %x: %08x %08x %08x %08x", leaf, subleaf, out->eax, out->ebx,
			 out->ecx, out->edx);
	return r;
}

static int recording_msr(struct provider *provider, uint32_t number, uint64_t *out_value)
{
	struct recording *recording = recording_of(provider);
	int r = recording->machine.calls->msr(&recording->machine, number, out_value);
	if (r < 0)
		note_error(recording, r, "msr");
	else
		add_fact(recording, FACT_MSR, "%08x: %016llx", number, (unsigned long long)*out_value);
	return r;
}

/* A line for each; the name of a machine may be anything (sethostname(2)), or nothing. */
static void add_uname(struct recording *recording, const struct utsname *name)
{
	struct utsname copy = *name;
	char *const fields[] = {copy.sysname, copy.nodename, copy.release, copy.version, copy.machine};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		make_printable(fields[i]);
		if (!fields[i][0])
			strcpy(fields[i], "?");
	}
	add_fact(recording, FACT_UNAME, "%s\n%s\n%s\n%s\n%s", copy.sysname, copy.nodename, copy.release, copy.version,
		 copy.machine);
}

static int recording_uname(struct provider *provider, struct utsname *out)
{
	struct recording *recording = recording_of(provider);
	int r = recording->machine.calls->uname(&recording->machine, out);
	if (r < 0)
		note_error(recording, r, "uname");
	else
		add_uname(recording, out);
	return r;
}

static int recording_namespace(struct provider *provider, const char *name, uint64_t *out_inode)
{
	struct recording *recording = recording_of(provider);
	char fact[64];
	int r = recording->machine.calls->namespace(&recording->machine, name, out_inode);
	snprintf(fact, sizeof(fact), "ns/%s", name);
	if (r < 0)
		note_error(recording, r, fact);
	else
		add_fact(recording, FACT_NS, "%s: %llu", name, (unsigned long long)*out_inode);
	return r;
}

static int recording_mount_root(struct provider *provider)
{
	struct recording *recording = recording_of(provider);
	int r = recording->machine.calls->mount_root(&recording->machine);
	if (r < 0)
		note_error(recording, r, "root");
	else
		add_fact(recording, FACT_ROOT, "%d", r);
	return r;
}

static const struct provider_calls calls = {
	.open = recording_open,
	.read_link = recording_read_link,
	.cpuid = recording_cpuid,
	.msr = recording_msr,
	.uname = recording_uname,
	.namespace = recording_namespace,
	.mount_root = recording_mount_root,
};

/* Asks for all that there is. 0 or -ENOMEM. */
static int ask_everything(struct recording *recording)
{
	viso_machine machine = {.provider = {.calls = &calls, .root = -1, .wrapped = recording}};
	int r = layers_detect(&machine.layers, &machine.provider);
	if (r == 0 && (viso_machine_tool(&machine, 0, VISO_TOOL_RUNNING) < 0 || viso_machine_hypercall(&machine) < 0))
		r = -ENOMEM;
	layers_release(&machine.layers);
	machine_release_drivers(&machine);
	return r;
}

static void record_facts(struct recording *recording)
{
	for (size_t i = 0; i < FACTS; i++) {
		_cleanup_free_ char *text = NULL;
		size_t size;
		FILE *file = recording->facts[i].count ? open_memstream(&text, &size) : NULL;
		for (size_t j = 0; file && j < recording->facts[i].count; j++)
			fprintf(file, "%s\n", recording->facts[i].items[j]);
		if (file && fclose(file) == 0)
			record_file(recording, fact_names[i], text, size);
		else if (recording->facts[i].count)
			fail(recording, -ENOMEM);
	}
}

/* An empty one. A fd or a negative errno. */
static int open_directory(const char *directory)
{
	_cleanup_close_ int fd = fd_above_streams(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir) {
		int r = -errno;
		close_fd(copy);
		return r;
	}
	errno = 0;
	for (struct dirent *entry; (entry = readdir(dir)); errno = 0)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return -ENOTEMPTY;
	return errno ? -errno : TAKE_FD(fd);
}

/* 0 or a negative errno; then nothing is left in the directory. */
static int record(struct recording *recording)
{
	provider_init(&recording->machine);
	int r = ask_everything(recording);
	record_facts(recording);
	r = r < 0 ? r : recording->failed;
	if (r < 0)
		remove_contents(recording->directory);
	close_fd(recording->directory);
	for (size_t i = 0; i < FACTS; i++)
		strings_clear(&recording->facts[i]);
	return r;
}

static int capture(const char *directory)
{
	bool is_new = mkdir(directory, 0700) == 0;
	struct recording recording = {.directory = is_new || errno == EEXIST ? open_directory(directory) : -errno};
	int r = recording.directory;
	if (r >= 0)
		r = record(&recording);
	if (r < 0 && is_new)
		rmdir(directory);
	if (r == -ENOTEMPTY)
		return error_fail(VISO_STAGE_MACHINE, ENOTEMPTY, directory,
				  "%s: a machine is captured into a new or empty directory", directory);
	if (r == -ENOMEM)
		return error_memory();
	return r < 0 ? error_fail(VISO_STAGE_MACHINE, -r, directory, "no machine can be captured into \"%s\": %s",
				  directory, strerrordesc_np(-r))
		     : 0;
}

int viso_machine_capture(const char *directory)
{
	if (!directory)
		return error_argument(__func__, "the directory is NULL");
	int saved = errno, r = capture(directory);
	errno = saved;
	return r;
}
