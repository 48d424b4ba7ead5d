/* SPDX-License-Identifier: MIT */
/*
 * What the host refuses to the library: each allocation of each call on guests fails in turn, each call of KVM, and the
 * opening of /dev/kvm. The call says so or does without, nothing is left, and it works when it is made again.
 */
#include "guest_support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);

enum what { MEMORY, KVM, DEVICE };

/* Of the thread that is tested; -1 for never. */
static _Thread_local enum what refused;
static _Thread_local long seen, fail_at = -1;
static _Thread_local int refusal;

static bool fails(enum what what)
{
	if (what != refused || seen++ != fail_at)
		return false;
	errno = refusal;
	return true;
}

/* In place of glibc's, also for the libraries. */
void *malloc(size_t size)
{
	return fails(MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
	return fails(MEMORY) ? NULL : __libc_realloc(pointer, size);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) == KVMIO && fails(KVM))
		return -1;
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	unsigned mode = va_arg(args, unsigned);
	va_end(args);
	if (!strcmp(path, "/dev/kvm") && fails(DEVICE))
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static struct fixture *fixture;
static viso_root *root; /* of this process */
static viso_command *plain, *several, *ready, *serving;
static viso_guest *original;
static viso_snapshot *frozen; /* of `original` */

/* What has files of all kinds open, threads, processes. */
enum { MANY = 4 };
static const char *const many_names[MANY] = {"files", "threads", "family", "timers"};
static viso_snapshot *many[MANY];
static char saved[300], saved_many[MANY][300];

/* What a call works on; made anew for each attempt. */
struct subject {
	viso_guest *guest;
	viso_snapshot *snapshot;
	viso_guest *clone;
};

/* Beyond these it is KVM_RUN, again and again. */
enum { ALL_OF_KVM = 25, PROBE_ASKS = 7 };

static int64_t answer(viso_hypercall *hypercall, void *userdata)
{
	char text[8];
	uint64_t address;
	int r = viso_hypercall_argument(hypercall, 0, &address);
	if (r == 0 && address)
		r = viso_hypercall_read(hypercall, address, text, sizeof(text));
	return r < 0 ? r : 5;
}

static int new_one(struct subject *subject)
{
	viso_guest *guest = viso_guest_new();
	viso_guest_unref(guest);
	return guest ? 0 : -ENOMEM;
}

static int set(struct subject *subject)
{
	viso_guest *guest = subject->guest;
	int r = viso_guest_set_root(guest, root);
	if (r == 0)
		r = viso_guest_add_bind(guest, "/etc", "/bound", 0);
	if (r == 0)
		r = viso_guest_add_file(guest, "/added", "text", 4, 0444);
	if (r == 0)
		r = viso_guest_set_upper_discarded(guest, 1 << 20);
	if (r == 0)
		r = viso_guest_set_core_path(guest, "/tmp/no-core");
	return r < 0 ? r : viso_guest_set_hypercall_handler(guest, PROBE_ASKS, answer, NULL, NULL);
}

static int run_one(struct subject *subject)
{
	viso_result *result = NULL;
	int r = viso_sandbox_run(viso_guest_sandbox(subject->guest), plain, &result);
	viso_result_unref(result);
	return r;
}

/* Of several processes, with pipes between them. */
static int run_several(struct subject *subject)
{
	viso_result *result = NULL;
	int r = viso_sandbox_run(viso_guest_sandbox(subject->guest), several, &result);
	viso_result_unref(result);
	return r;
}

static int initialise_asker(struct subject *subject)
{
	return viso_guest_initialise(subject->guest, ready, NULL);
}

static int initialise_server(struct subject *subject)
{
	return viso_guest_initialise(subject->guest, serving, NULL);
}

static int call_subject(struct subject *subject)
{
	const uint64_t args[2] = {PROBE_ASKS};
	return viso_guest_call(subject->guest, "ask_in_call", args, 2, 5000, NULL);
}

static int request(struct subject *subject)
{
	char out[8];
	return (int)viso_guest_request(subject->guest, "abcd", 4, out, sizeof(out), 5000);
}

static int freeze(struct subject *subject)
{
	return viso_guest_snapshot(subject->guest, &subject->snapshot);
}

static int clone_it(struct subject *subject)
{
	return viso_snapshot_clone(frozen, &subject->clone);
}

static int clone_many(struct subject *subject, int which)
{
	viso_guest_unref(subject->clone);
	subject->clone = NULL;
	return viso_snapshot_clone(many[which], &subject->clone);
}

static int clone_files(struct subject *subject)
{
	return clone_many(subject, 0);
}

static int clone_threads(struct subject *subject)
{
	return clone_many(subject, 1);
}

static int clone_family(struct subject *subject)
{
	return clone_many(subject, 2);
}

static int clone_timers(struct subject *subject)
{
	return clone_many(subject, 3);
}

static int freeze_clone(struct subject *subject)
{
	return viso_guest_snapshot(subject->clone, &subject->snapshot);
}

static int save(struct subject *subject)
{
	return viso_snapshot_save(frozen, saved);
}

/* What has the most of everything: the others are part of it, or alike. */
static int save_family(struct subject *subject)
{
	return viso_snapshot_save(many[2], saved_many[2]);
}

static int load_files(struct subject *subject)
{
	return viso_snapshot_load(saved_many[0], subject->guest, &subject->snapshot);
}

static int load_family(struct subject *subject)
{
	return viso_snapshot_load(saved_many[2], subject->guest, &subject->snapshot);
}

static int load(struct subject *subject)
{
	return viso_snapshot_load(saved, subject->guest, &subject->snapshot);
}

static int use_clone(struct subject *subject)
{
	const uint64_t args[2] = {PROBE_ASKS};
	return viso_guest_call(subject->clone, "ask_in_call", args, 2, 5000, NULL);
}

static int make_used_clone(struct subject *subject)
{
	int r = clone_it(subject);
	return r < 0 ? r : use_clone(subject);
}

static int reset(struct subject *subject)
{
	return viso_guest_reset(subject->clone);
}

static int prepare(struct subject *subject)
{
	int r = viso_guest_prepare(2);
	fail_at = -1;
	return viso_guest_prepare(0) < 0 ? -EPROTO : r;
}

static const struct trial {
	const char *name;
	int (*before)(struct subject *subject); /* with all that it wants; may be NULL */
	int (*call)(struct subject *subject);
	bool sets;     /* keeps what it has done before it fails */
	bool starts;   /* opens /dev/kvm */
	int errors[6]; /* that it may give beside the one of the refusal: its program got that one and has ended */
} trials[] = {
	{"new", NULL, new_one, false, false, {0}},
	{"settings", NULL, set, true, false, {0}},
	{"run", set, run_one, false, true, {0}},
	{"run of several", set, run_several, false, true, {0}},
	{"initialise", set, initialise_asker, false, true, {ESRCH}},
	{"call", initialise_asker, call_subject, false, false, {ESRCH, EFAULT}},
	{"request", initialise_server, request, false, false, {ESRCH, EFAULT, EREMOTEIO}},
	{"snapshot", initialise_asker, freeze, false, false, {0}},
	{"clone", NULL, clone_it, false, true, {0}},
	{"call of a clone", clone_it, use_clone, false, false, {ESRCH, EFAULT}},
	{"reset", make_used_clone, reset, false, false, {0}},
	{"prepare", NULL, prepare, false, true, {0}},
	{"clone of files", NULL, clone_files, false, true, {0}},
	{"clone of threads", NULL, clone_threads, false, true, {0}},
	{"clone of processes", NULL, clone_family, false, true, {0}},
	{"clone of timers", NULL, clone_timers, false, true, {0}},
	{"snapshot of files", clone_files, freeze_clone, false, false, {0}},
	{"snapshot of threads", clone_threads, freeze_clone, false, false, {0}},
	{"snapshot of processes", clone_family, freeze_clone, false, false, {0}},
	{"save", NULL, save, false, true, {0}},
	{"save of processes", NULL, save_family, false, true, {0}},
	{"load", set, load, false, true, {0}},
	{"load of files", set, load_files, false, true, {0}},
	{"load of processes", set, load_family, false, true, {0}},
};
enum { TRIALS = sizeof(trials) / sizeof(trials[0]) };

static void make_subject(struct subject *subject)
{
	*subject = (struct subject){.guest = viso_guest_new()};
	assert_non_null(subject->guest);
}

static void release_subject(struct subject *subject)
{
	/* The machine of one that lives would be kept for the next clone, which then asks for nothing. */
	if (subject->clone)
		viso_sandbox_kill(viso_guest_sandbox(subject->clone));
	viso_guest_unref(subject->clone);
	viso_guest_unref(subject->guest);
	viso_snapshot_unref(subject->snapshot);
}

static void check_error(const struct trial *trial, int r, long n)
{
	bool known = r == -refusal || (refused == DEVICE && r == -EACCES) || (refused != MEMORY && r == -ENODEV) ||
		     (refusal == EINTR && r == -EIO);
	for (size_t i = 0; i < 6; i++)
		known |= trial->errors[i] && r == -trial->errors[i];
	if (!known || viso_error_number() != -r || !viso_error_message()[0])
		fail_msg("%s, refusal %ld (errno %d): %d, and error %d: %s", trial->name, n, refusal, r,
			 viso_error_number(), viso_error_message());
}

/* It must work now; but for a guest that is poisoned, which a clone gets over by a reset. */
static void check_again(const struct trial *trial, struct subject *subject, long n)
{
	int r = trial->call(subject);
	if (r == -EIO && subject->clone && (r = viso_guest_reset(subject->clone)) == 0)
		r = use_clone(subject);
	if (r == -EIO && subject->guest && viso_guest_last_result(subject->guest, &(viso_result *){NULL}) == 0)
		return;
	if (r < 0)
		fail_msg("%s, refusal %ld (errno %d): tried again: %d: %s", trial->name, n, refusal, r,
			 viso_error_message());
}

/* True where so much was asked for. */
static bool try_once(const struct trial *trial, long n)
{
	struct subject subject;
	make_subject(&subject);
	if (trial->before && trial->before != set)
		assert_ok(set(&subject));
	if (trial->before)
		assert_ok(trial->before(&subject));
	int fds = support_count_fds();
	seen = 0;
	fail_at = n;
	int r = trial->call(&subject);
	bool was_refused = seen > n;
	fail_at = -1;
	if (r < 0) {
		check_error(trial, r, n);
		if (!trial->sets)
			assert_int_equal(support_count_fds(), fds);
		check_again(trial, &subject, n);
	}
	release_subject(&subject);
	return was_refused;
}

static void set_up_host(void)
{
	root = viso_root_new();
	assert_ok(viso_root_use_directory(root, fixture->root_path));
	plain = new_command("/probe", "exit", "3", NULL);
	/* Where one of them is not there another waits for it. */
	several = new_command("/probe", "orphans", NULL);
	assert_ok(viso_command_set_timeout_ms(several, 200));
	ready = new_command("/asker", "ready", NULL);
	serving = new_command("/callee", "serve", NULL);
	struct subject subject;
	make_subject(&subject);
	assert_ok(set(&subject));
	assert_ok(initialise_asker(&subject));
	original = subject.guest;
	assert_ok(viso_guest_snapshot(original, &frozen));
	snprintf(saved, sizeof(saved), "%s/saved", fixture->base);
	assert_ok(viso_snapshot_save(frozen, saved));
	for (int i = 0; i < MANY; i++) {
		viso_command *command = new_command("/waiting-dynamic", many_names[i], NULL);
		make_subject(&subject);
		assert_ok(set(&subject));
		assert_ok(viso_guest_initialise(subject.guest, command, NULL));
		assert_ok(viso_guest_snapshot(subject.guest, &many[i]));
		snprintf(saved_many[i], sizeof(saved_many[i]), "%s/%s", fixture->base, many_names[i]);
		assert_ok(viso_snapshot_save(many[i], saved_many[i]));
		viso_guest_unref(subject.guest);
		viso_command_unref(command);
	}
}

struct progress {
	int error;
	long at, most;
};

static void attempt_all(const struct trial *trial, enum what what, const int *errors, struct progress *progress)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	support_time_limit(100);
	set_up_host();
	refused = what;
	/* A snapshot keeps the machine of a clone that is gone. */
	try_once(trial, -1);
	const int fds = support_count_fds();
	for (; *errors; errors++) {
		progress->error = refusal = *errors;
		for (progress->at = 0; try_once(trial, progress->at);
		     progress->at += refused == KVM && progress->at > ALL_OF_KVM ? 9 : 1)
			;
		if (progress->at > progress->most)
			progress->most = progress->at;
	}
	assert_int_equal(support_count_fds(), fds);
}

/* In a host of its own: a crash is a failure of this one only, and says at which refusal. */
static bool survives(const struct trial *trial, enum what what, const int *errors, struct progress *progress)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		attempt_all(trial, what, errors, progress);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		print_error("%s, errno %d, refusal %ld: ended with status %#x\n", trial->name, progress->error,
			    progress->at, (unsigned)status);
	print_message("# %s: %ld refusals\n", trial->name, progress->most);
	return status == 0;
}

static void try_all(enum what what, const int *errors)
{
	need_kvm();
	support_time_limit(0);
	struct progress *progress =
		mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(progress, MAP_FAILED);
	int failed = 0;
	for (size_t i = 0; i < TRIALS; i++) {
		*progress = (struct progress){0};
		if (what != DEVICE || trials[i].starts)
			failed += !survives(&trials[i], what, errors, progress);
	}
	munmap(progress, sizeof(*progress));
	assert_int_equal(failed, 0);
}

static void test_memory(void **state)
{
	fixture = *state;
	try_all(MEMORY, (const int[]){ENOMEM, 0});
}

static void test_kvm(void **state)
{
	fixture = *state;
	try_all(KVM, (const int[]){EINTR, EAGAIN, EFAULT, ENOMEM, EIO, 0});
}

/* As where the device goes between two starts, and comes back. */
static void test_device(void **state)
{
	fixture = *state;
	try_all(DEVICE, (const int[]){ENOENT, EACCES, EMFILE, ENXIO, EBUSY, 0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_kvm),
		cmocka_unit_test(test_device),
	};
	return cmocka_run_group_tests_name("guest refusals", tests, fixture_setup, fixture_teardown);
}
