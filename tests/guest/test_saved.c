/* SPDX-License-Identifier: MIT */
/*
 * Snapshots in files: saved here, loaded here and in other processes, which are this program with arguments; and files
 * that are not what was saved.
 */
#include "saved_support.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const programs[] = {"/frozen-static", "/frozen-dynamic"};

static void assert_load(struct fixture *fixture, const char *path, int expected)
{
	viso_snapshot *snapshot = (viso_snapshot *)fixture;
	int r = saved_load(fixture, path, &snapshot);
	if (r != expected)
		print_error("%d, not %d: %s\n", r, expected, viso_error_message());
	assert_int_equal(r, expected);
	assert_ptr_equal(snapshot, fixture);
}

/* Saves a program that has called a function. */
static const char *save(struct fixture *fixture, const char *program, const char *symbol)
{
	const char *path = saved_path(fixture);
	viso_guest *guest = initialised(fixture, program, "plain", 0);
	if (symbol)
		call(guest, symbol, 0);
	viso_snapshot *snapshot = saved_freeze(guest);
	assert_ok(viso_snapshot_save(snapshot, path));
	viso_snapshot_unref(snapshot);
	return path;
}

static void test_another_process(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		const char *path = save(fixture, programs[i], "count");
		struct stat st;
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		/* It has counted to two. */
		assert_int_equal(saved_call_there(path, fixture->root_path, "count"), 3);
		assert_int_equal(saved_call_there(path, fixture->root_path, "read_shared"), 0);
		path = save(fixture, programs[i], "open_shared");
		assert_int_equal(saved_call_there(path, fixture->root_path, "read_shared"), '1');
		path = save(fixture, programs[i], NULL);
		assert_int_equal(saved_call_there(path, fixture->root_path, "find_secret"), 0);
		assert_int_equal(saved_call_there(path, fixture->root_path, "mix_writers"), 0);
	}
}

static void test_clones_and_resets(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		viso_snapshot *snapshot, *other;
		const char *path = save(fixture, programs[i], NULL);
		assert_ok(saved_load(fixture, path, &snapshot));
		/* Twice at once, and the file is gone. */
		assert_ok(saved_load(fixture, path, &other));
		assert_int_equal(unlink(path), 0);
		viso_guest *clones[] = {clone_of(snapshot), clone_of(snapshot), clone_of(other)};
		for (int round = 0; round < 3; round++)
			for (size_t clone = 0; clone < 3; clone++) {
				assert_int_equal(call(clones[clone], "find_secret", 0), 0);
				assert_ok(viso_guest_reset(clones[clone]));
				call(clones[clone], "leave_secret", 0);
				assert_ok(viso_guest_reset(clones[clone]));
			}
		assert_int_equal(call(clones[0], "count", 0), 2);
		assert_int_equal(call(clones[1], "count", 0), 2);
		assert_true(viso_snapshot_size(snapshot) > 0);
		for (size_t clone = 0; clone < 3; clone++)
			viso_guest_unref(clones[clone]);
		viso_snapshot_unref(snapshot);
		viso_snapshot_unref(other);
	}
}

/* What was loaded can be frozen, saved and loaded anew; files in memory lie in several layers then. */
static void test_generations(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_snapshot *snapshot;
	const char *path = save(fixture, "/frozen-dynamic", "open_shared");
	for (uint64_t i = 0; i < 4; i++) {
		assert_ok(saved_load(fixture, path, &snapshot));
		viso_guest *guest = clone_of(snapshot);
		assert_int_equal(call(guest, "count", 0), 2 + i);
		assert_int_equal(call(guest, "read_shared", i % 2), i ? 'a' + i - 1 : '1');
		assert_int_equal(call(guest, "write_shared", 'a' + i), 1);
		viso_snapshot_unref(snapshot);
		snapshot = saved_freeze(guest);
		assert_ok(viso_snapshot_save(snapshot, path));
		viso_snapshot_unref(snapshot);
	}
}

static const char python_program[] = "import json, math, re, tempfile, random\n"
				     "kept = tempfile.TemporaryFile()\n"
				     "kept.write(b'kept'); kept.flush()\n"
				     "with open('/dev/virtiso', 'r+b', buffering=0) as port:\n"
				     "    while True:\n"
				     "        port.write(json.dumps(eval(port.read(65536))).encode())\n";

static void test_python(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(access("/usr/bin/python3", X_OK) == 0, "python3");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/usr/bin/python3"));
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	viso_command *command = new_command("/usr/bin/python3", "-c", python_program, NULL);
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	viso_snapshot *snapshot = saved_freeze(guest);
	assert_ok(viso_snapshot_save(snapshot, saved_path(fixture)));
	viso_snapshot_unref(snapshot);
	viso_root_unref(root);
	const char *const questions[][2] = {
		{"[math.factorial(5), re.sub('a', 'b', 'aa')]", "[120, \"bb\"]"},
		{"[kept.seek(0), kept.read().decode()]", "[0, \"kept\"]"},
		{"len(open('/proc/self/maps').read()) > 1000", "true"},
	};
	/* In a root that the other process makes for itself. */
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		assert_int_equal(saved_run_other((const char *const[]){"test", "ask", saved_path(fixture),
								       questions[i][0], questions[i][1], NULL}),
				 0);
}

/* What cannot be saved is named, and leaves nothing. */
static void test_refusals(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	const char *path = saved_path(fixture);
	unlink(path);
	/* What it waits for would be /dev/null, which is always ready. */
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	viso_command *command = new_command("/waiting-static", "stdin", NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, ends[0]));
	viso_snapshot *snapshot = saved_freeze(initialise(new_guest(fixture, 0), command));
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(viso_snapshot_save(snapshot, path), -EOPNOTSUPP);
	assert_non_null(strstr(viso_error_message(), "epoll"));
	assert_int_equal(access(path, F_OK), -1);
	viso_snapshot_unref(snapshot);

	viso_guest *guest = new_guest(fixture, 0);
	command = new_command("/frozen-static", "plain", NULL);
	assert_ok(viso_command_add_fd(command, STDIN_FILENO, 7));
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	snapshot = saved_freeze(guest);
	assert_int_equal(viso_snapshot_save(snapshot, path), -EOPNOTSUPP);
	assert_string_equal(viso_error_object(), "fd 7");
	viso_snapshot_unref(snapshot);

	snapshot = saved_freeze(initialised(fixture, "/frozen-static", "plain", 0));
	assert_int_equal(viso_snapshot_save(snapshot, NULL), -EINVAL);
	assert_int_equal(viso_snapshot_save(NULL, path), -EINVAL);
	assert_int_equal(viso_snapshot_save(snapshot, "/no/such/directory/x"), -ENOENT);
	assert_int_equal(viso_snapshot_save(snapshot, "/etc/passwd/x"), -ENOTDIR);
	assert_int_equal(viso_snapshot_save(snapshot, fixture->base), -EISDIR);
	assert_int_equal(viso_snapshot_save(snapshot, "/proc/x"), -ENOENT);
	viso_snapshot_unref(snapshot);

	assert_load(fixture, path, -ENOENT);
	assert_load(fixture, "/dev/null", -EINVAL);
	assert_load(fixture, fixture->base, -EINVAL);
	save(fixture, "/frozen-static", NULL);
	assert_int_equal(viso_snapshot_load(path, fixture->guest, NULL), -EINVAL);
	assert_int_equal(viso_snapshot_load(path, NULL, &snapshot), -EINVAL);
	assert_int_equal(viso_snapshot_load(NULL, fixture->guest, &snapshot), -EINVAL);

	guest = initialised(fixture, "/frozen-static", "plain", 0);
	assert_int_equal(viso_snapshot_load(path, guest, &snapshot), -EBUSY);
	viso_guest_unref(guest);
	guest = new_guest(fixture, 64 << 20);
	assert_int_equal(viso_snapshot_load(path, guest, &snapshot), -EINVAL);
	assert_non_null(strstr(viso_error_message(), "memory limit"));
	viso_guest_unref(guest);
	guest = new_guest(fixture, 0);
	assert_ok(viso_guest_add_file(guest, "/added", "x", 1, 0644));
	assert_int_equal(viso_snapshot_load(path, guest, &snapshot), -EINVAL);
	viso_guest_unref(guest);
}

/* Others who could shorten the file while it is mapped could end this process. */
static void test_files_of_others(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	const char *path = save(fixture, "/frozen-static", NULL);
	assert_int_equal(chmod(path, 0620), 0);
	assert_load(fixture, path, -EACCES);
	assert_int_equal(chmod(path, 0644), 0);
	viso_snapshot *snapshot;
	assert_ok(saved_load(fixture, path, &snapshot));
	viso_snapshot_unref(snapshot);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_load(fixture, path, -EACCES);
	}
}

__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
	char *command;
	va_list args;
	va_start(args, format);
	assert_true(vasprintf(&command, format, args) > 0);
	va_end(args);
	int status = system(command);
	free(command);
	return status;
}

static void copy_file(const char *from, const char *to)
{
	assert_int_equal(shell("cp -p %s %s.new && mv %s.new %s", from, to, to, to), 0);
}

static void test_changed_library(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char library[300], kept[300];
	viso_snapshot *snapshot;
	snprintf(library, sizeof(library), "%s/lib/x86_64-linux-gnu/libc.so.6", fixture->root_path);
	snprintf(kept, sizeof(kept), "%s/kept", fixture->base);
	copy_file(library, kept);
	const char *path = save(fixture, "/frozen-dynamic", NULL);

	/* Another file with the same contents will do. */
	copy_file(kept, library);
	assert_ok(saved_load(fixture, path, &snapshot));
	viso_snapshot_unref(snapshot);

	assert_int_equal(shell("printf x | dd of=%s bs=1 seek=1000000 conv=notrunc status=none", library), 0);
	assert_load(fixture, path, -ESTALE);
	assert_non_null(strstr(viso_error_message(), "libc.so.6"));
	assert_int_equal(truncate(library, 1000), 0);
	assert_load(fixture, path, -ESTALE);
	assert_int_equal(unlink(library), 0);
	assert_load(fixture, path, -ENOENT);
	copy_file(kept, library);
}

static void change_byte(const char *path, long offset, uint8_t mask)
{
	uint8_t byte;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= mask;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

enum { FORGERIES = 40 };

static void test_damage(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	const char *path = save(fixture, "/frozen-static", NULL);
	for (long at = 0; at < HEAD; at++) {
		bool is_other = at >= VERSION && at < STATE_SIZE && !(at >= PAGE_SIZE && at < BUILD);
		change_byte(path, at, 0x40);
		assert_load(fixture, path, is_other ? -EPROTO : -EINVAL);
		change_byte(path, at, 0x40);
	}
	for (long at = HEAD; at < HEAD + 3000; at += 97) {
		change_byte(path, at, 1);
		assert_load(fixture, path, -EINVAL);
		change_byte(path, at, 1);
	}
	struct stat st;
	viso_snapshot *snapshot;
	assert_ok(saved_load(fixture, path, &snapshot));
	viso_snapshot_unref(snapshot);
	assert_int_equal(stat(path, &st), 0);
	const off_t sizes[] = {st.st_size + 1, st.st_size - 1, st.st_size - 4096, 4096, HEAD + 1, HEAD, HEAD - 1, 1, 0};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(truncate(path, sizes[i]), 0);
		assert_load(fixture, path, -EINVAL);
	}
}

/* Whatever such a file says, it either is refused or makes a guest, which may do nonsense. */
static void use_forged(struct fixture *fixture, const char *path, int *loaded)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	uint64_t value, argument = 0;
	int r = saved_load(fixture, path, &snapshot);
	if (r < 0) {
		assert_int_equal(viso_error_number(), -r);
		assert_true(r == -EINVAL || r == -ENOEXEC || r == -ESTALE || r == -ENOENT || r == -EACCES);
		return;
	}
	++*loaded;
	r = viso_snapshot_clone(snapshot, &clone);
	for (int i = 0; r == 0 && i < 2; i++) {
		r = viso_guest_call(clone, i ? "mix_writers" : "find_secret", &argument, 1, 100, &value);
		if (r < 0)
			r = viso_guest_reset(clone);
	}
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
}

static void test_forged(void **state)
{
	struct fixture *fixture = *state;
	struct stat st;
	int loaded = 0;
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		const char *path = save(fixture, programs[i], "open_shared");
		assert_int_equal(stat(path, &st), 0);
		size_t size = (size_t)st.st_size;
		uint8_t *good = malloc(size), *file = malloc(size);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(fd, good, size), size);
		close(fd);
		uint64_t state_size;
		memcpy(&state_size, good + STATE_SIZE, sizeof(state_size));
		srand(1);
		int before = loaded;
		for (int round = 0; round < FORGERIES; round++) {
			memcpy(file, good, size);
			if (round > 0)
				saved_change_some(file + HEAD, state_size);
			saved_write_forged(path, file, size);
			use_forged(fixture, path, &loaded);
			assert_true(round > 0 || loaded > before);
		}
		free(good);
		free(file);
	}
	/* The forgery is good: some of them were taken. */
	assert_true(loaded > 10);
}

static uint8_t *state_of(struct fixture *fixture, viso_guest *guest, size_t *out_size)
{
	struct stat st;
	viso_snapshot *snapshot = saved_freeze(guest);
	assert_ok(viso_snapshot_save(snapshot, saved_path(fixture)));
	viso_snapshot_unref(snapshot);
	int fd = open(saved_path(fixture), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	uint8_t *file = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, file, (size_t)st.st_size), st.st_size);
	close(fd);
	*out_size = (size_t)st.st_size;
	return file;
}

/*
 * Whatever a call has left in memory, registers, files or anything else that is saved: a reset leaves the file of a
 * clone that has done nothing, but for moments, which are others in each.
 */
static void test_resets_are_exact(void **state)
{
	enum { CHANGES = 13, FRESH = 3, MOMENT = 8 };
	struct fixture *fixture = *state;
	uint8_t *fresh[FRESH];
	size_t size, size_now;
	need_kvm();
	viso_snapshot *snapshot = saved_freeze(initialised(fixture, "/frozen-static", "plain", 0));
	for (int i = 0; i < FRESH; i++)
		fresh[i] = state_of(fixture, clone_of(snapshot), &size);
	for (uint64_t round = 0; round <= CHANGES + 1; round++) {
		viso_guest *clone = clone_of(snapshot);
		if (round <= CHANGES)
			assert_int_equal(call(clone, round ? "change_one" : "leave_secret", round - 1), 0);
		if (round <= CHANGES)
			assert_ok(viso_guest_reset(clone));
		else
			assert_int_equal(call(clone, "leave_secret", 0), 0);
		uint8_t *now = state_of(fixture, clone, &size_now);
		int different = size_now != size;
		for (size_t i = HEAD; i < size && i < size_now; i++) {
			bool is_moment = false;
			for (size_t near = i - MOMENT; near < i + MOMENT && near < size; near++)
				is_moment |= fresh[0][near] != fresh[1][near] || fresh[0][near] != fresh[2][near];
			different += now[i] != fresh[0][i] && !is_moment;
		}
		/* Without a reset it is found. */
		assert_true(round <= CHANGES ? different == 0 : different > 0);
		free(now);
	}
	for (int i = 0; i < FRESH; i++)
		free(fresh[i]);
	viso_snapshot_unref(snapshot);
}

/* How the program waits for the host is at the end: its registers, RAX first, and where the bytes of calls are. */
static void test_forged_wait(void **state)
{
	enum { FROM_END = 200, RAX = 8, BUFFERS = 176, BUFFERS_SIZE = 184 };
	static const struct {
		int at;
		uint64_t value;
	} changes[] = {{RAX, SYS_exit_group}, {RAX, SYS_write}, {RAX, SYS_read}, {BUFFERS, 8}, {BUFFERS_SIZE, 8}};
	struct fixture *fixture = *state;
	struct stat st;
	need_kvm();
	const char *path = saved_path(fixture);
	viso_snapshot *snapshot = saved_freeze(initialised(fixture, "/callee", "serve", 0)), *loaded = NULL;
	assert_ok(viso_snapshot_save(snapshot, path));
	viso_snapshot_unref(snapshot);
	assert_int_equal(stat(path, &st), 0);
	size_t size = (size_t)st.st_size;
	uint8_t *good = malloc(size), *file = malloc(size);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, good, size), size);
	close(fd);
	uint64_t state_size;
	memcpy(&state_size, good + STATE_SIZE, sizeof(state_size));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(file, good, size);
		memcpy(file + HEAD + state_size - FROM_END + changes[i].at, &changes[i].value, 8);
		saved_write_forged(path, file, size);
		assert_int_equal(saved_load(fixture, path, &loaded), -EINVAL);
	}
	saved_write_forged(path, good, size);
	assert_ok(saved_load(fixture, path, &loaded));
	viso_snapshot_unref(loaded);
	free(good);
	free(file);
}

/* A full disk, and a limit whose signal would end the host, leave the old file and no other. */
static void test_no_room(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char directory[256], path[300];
	viso_snapshot *snapshot = saved_freeze(initialised(fixture, "/frozen-dynamic", "plain", 0));
	struct rlimit old, small = {1 << 16, RLIM_INFINITY};
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	int r = viso_snapshot_save(snapshot, saved_path(fixture));
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(r, -EFBIG);

	snprintf(directory, sizeof(directory), "%s/small", fixture->base);
	snprintf(path, sizeof(path), "%s/saved", directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	bool is_mounted = mount("none", directory, "tmpfs", 0, "size=64k") == 0;
	if (is_mounted) {
		assert_int_equal(shell("echo old >%s", path), 0);
		r = viso_snapshot_save(snapshot, path);
		int left = shell("test \"$(ls -A %s)\" = saved && test \"$(cat %s)\" = old", directory, path);
		umount2(directory, MNT_DETACH);
		assert_int_equal(r, -ENOSPC);
		assert_int_equal(left, 0);
	}
	viso_snapshot_unref(snapshot);
	skip_without(is_mounted, "a tmpfs of one's own");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_process),  cmocka_unit_test(test_clones_and_resets),
		cmocka_unit_test(test_generations),      cmocka_unit_test(test_python),
		cmocka_unit_test(test_refusals),         cmocka_unit_test(test_files_of_others),
		cmocka_unit_test(test_changed_library),  cmocka_unit_test(test_damage),
		cmocka_unit_test(test_forged),           cmocka_unit_test(test_forged_wait),
		cmocka_unit_test(test_resets_are_exact), cmocka_unit_test(test_no_room),
	};
	if (argc > 1)
		return saved_be_other(argc, argv);
	return cmocka_run_group_tests_name("guest saved snapshots", tests, fixture_setup, fixture_teardown);
}
