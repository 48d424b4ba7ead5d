/* SPDX-License-Identifier: MIT */
/* Guests that are frozen, cloned and reset. */
#include "guest_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const programs[] = {"/frozen-static", "/frozen-dynamic"};

/* What clones take of this process is of no account for those that others serve. */
static void need_clones_here(void)
{
	skip_without(!getenv("VISO_TEST_CONTAINED"), "a guest that is served in this process");
}

static viso_snapshot *frozen(struct fixture *fixture, const char *program, viso_guest **out_guest)
{
	viso_snapshot *snapshot = NULL;
	*out_guest = initialised(fixture, program, "plain", 0);
	assert_ok(viso_guest_snapshot(*out_guest, &snapshot));
	assert_non_null(snapshot);
	return snapshot;
}

/* Where a secret is found without a reset: everywhere. */
enum { ALL_PLACES = (1 << 23) - 1, REGISTERS = 7 };

static void test_nothing_is_left(void **state)
{
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		viso_guest *guest;
		viso_snapshot *snapshot = frozen(*state, programs[i], &guest);
		viso_guest *clone = clone_of(snapshot);
		/* The attack is good: all places but what calls may not keep, and but what the processor lacks. */
		assert_int_equal(call(clone, "find_secret", 0), 0);
		assert_ok(viso_guest_reset(clone));
		call(clone, "leave_secret", 0);
		uint64_t found = call(clone, "find_secret", 0);
		assert_int_equal((found | REGISTERS) & ~(1ull << 11 | 1ull << 12),
				 ALL_PLACES & ~(1ull << 11 | 1ull << 12));
		for (int round = 0; round < 20; round++) {
			assert_ok(viso_guest_reset(clone));
			assert_int_equal(call(clone, "find_secret", 0), 0);
			assert_ok(viso_guest_reset(clone));
			call(clone, "leave_secret", 0);
		}
		/* The guest that was frozen, and new clones, have seen none of it. */
		assert_int_equal(call(guest, "find_secret", 0), 0);
		viso_guest *other = clone_of(snapshot);
		assert_int_equal(call(other, "find_secret", 0), 0);
		viso_guest_unref(other);
		viso_guest_unref(clone);
		viso_guest_unref(guest);
		viso_snapshot_unref(snapshot);
	}
}

/* Whatever changes alone is seen to have changed, and is reset. */
static void test_single_changes(void **state)
{
	enum { CHANGES = 12, MEMORY_ONLY = 13 };
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		viso_guest *guest;
		viso_snapshot *snapshot = frozen(*state, programs[i], &guest);
		uint64_t all = 0;
		for (uint64_t change = 0; change < CHANGES; change++) {
			assert_int_equal(call(guest, "change_one", change), 0);
			all |= call(guest, "find_change", 0);
			assert_ok(viso_guest_reset(guest));
			assert_int_equal(call(guest, "change_one", change), 0);
			assert_ok(viso_guest_reset(guest));
			assert_int_equal(call(guest, "find_change", 0), 0);
			/* Looking is a change, too. */
			assert_ok(viso_guest_reset(guest));
			assert_int_equal(call(guest, "change_one", MEMORY_ONLY), 0);
			assert_ok(viso_guest_reset(guest));
			assert_int_equal(call(guest, "find_secret", 0), 0);
			assert_ok(viso_guest_reset(guest));
		}
		assert_int_equal(all, (1 << CHANGES) - 1);
		viso_snapshot_unref(snapshot);
		viso_guest_unref(guest);
	}
}

/* A signal of the host's that reaches the guest between calls, and is handled in the next one. */
static void test_signals_between_calls(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-dynamic", "plain", 0);
	viso_snapshot *snapshot;
	call(guest, "handle_signals", 0);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	assert_int_equal(viso_sandbox_signal(viso_guest_sandbox(guest), SIGUSR1), 1);
	assert_int_equal(call(guest, "count_signals", 0), SIGUSR1);
	assert_ok(viso_guest_reset(guest));
	assert_int_equal(call(guest, "count_signals", 0), 0);
	assert_int_equal(viso_sandbox_signal(viso_guest_sandbox(guest), SIGUSR2), 1);
	assert_ok(viso_guest_reset(guest));
	assert_int_equal(call(guest, "count_signals", 0), 0);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* The machine of a clone that is gone serves the next one, which finds nothing of it. */
static void test_machines_are_used_again(void **state)
{
	enum { CLONES = 7 };
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		viso_guest *guest, *clones[CLONES];
		viso_snapshot *snapshot = frozen(*state, programs[i], &guest);
		uint64_t generations[3] = {0};
		for (int round = 0; round < 3; round++) {
			for (int n = 0; n < CLONES; n++)
				clones[n] = clone_of(snapshot);
			assert_int_equal(call(clones[0], "find_secret", 0), 0);
			for (int n = 1; n < CLONES; n++)
				assert_int_equal(call(clones[n], "count", 0), 2);
			generations[round] = call(clones[CLONES - 1], "generation", 0);
			for (int n = 0; n < CLONES; n++) {
				call(clones[n], "leave_secret", 0);
				viso_guest_unref(clones[n]);
			}
		}
		assert_true(generations[0] != generations[1] && generations[1] != generations[2]);
		/* One that has ended is not among them; the last one outlives the snapshot. */
		viso_guest *last = clone_of(snapshot);
		assert_int_equal(viso_guest_call(last, "crash", NULL, 0, 20000, NULL), -EFAULT);
		viso_guest_unref(last);
		last = clone_of(snapshot);
		assert_int_equal(call(last, "find_secret", 0), 0);
		viso_snapshot_unref(snapshot);
		viso_guest_unref(guest);
		viso_guest_unref(last);
	}
}

static void test_clones_are_apart(void **state)
{
	need_kvm();
	viso_guest *guest, *clones[20];
	viso_snapshot *snapshot = frozen(*state, "/frozen-dynamic", &guest);
	assert_true(viso_snapshot_size(snapshot) > 65536);
	for (int i = 0; i < 20; i++)
		clones[i] = clone_of(snapshot);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	for (int round = 1; round <= 5; round++)
		for (int i = 0; i < 20; i++)
			for (int n = 0; n <= i; n++)
				assert_int_equal(call(clones[i], "count", 0), 1 + (round - 1) * (i + 1) + n + 1);
	assert_true(call(clones[0], "generation", 0) != call(clones[1], "generation", 0));
	assert_true(call(clones[0], "random_number", 0) != call(clones[1], "random_number", 0));
	uint64_t before = call(clones[0], "generation", 0);
	assert_ok(viso_guest_reset(clones[0]));
	assert_true(before != 0 && before != call(clones[0], "generation", 0));
	for (int i = 0; i < 20; i++)
		viso_guest_unref(clones[i]);
}

static void test_after_a_bad_end(void **state)
{
	static const struct {
		const char *symbol;
		int error;
	} ends[] = {{"crash", EFAULT}, {"hang", ETIMEDOUT}, {"leave", ESRCH}, {"eat", ENOMEM}};
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-dynamic", "plain", 16u << 20);
	viso_snapshot *snapshot;
	viso_result *result;
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(viso_guest_call(guest, ends[i].symbol, NULL, 0,
							 ends[i].error == ETIMEDOUT ? 200 : 8000, NULL),
					 -ends[i].error);
			assert_int_equal(viso_guest_call(guest, "count", NULL, 0, 300, NULL), -EIO);
			assert_ok(viso_guest_last_result(guest, &result));
			viso_result_unref(result);
			assert_ok(viso_guest_reset(guest));
			assert_int_equal(viso_guest_last_result(guest, &result), -ENODATA);
			assert_int_equal(call(guest, "find_secret", 0), 0);
			assert_ok(viso_guest_reset(guest));
		}
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* A page that was all zeroes is not taken for one that was nearly so. */
static void test_sparse_pages(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *snapshot = frozen(*state, "/frozen-static", &guest);
	viso_guest *clone = clone_of(snapshot);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(call(clone, "fill_sparse", 0), 0);
		assert_int_equal(call(clone, "fill_sparse", 0), 4 * 4096);
		assert_ok(viso_guest_reset(clone));
	}
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

static void test_host_and_guest_write(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *snapshot = frozen(*state, "/frozen-static", &guest);
	for (int i = 0; i < 5; i++) {
		viso_guest *clone = clone_of(snapshot);
		assert_int_equal(call(clone, "mix_writers", 0), 0);
		assert_ok(viso_guest_reset(clone));
		assert_int_equal(call(clone, "mix_writers", 0), 0);
		viso_guest_unref(clone);
	}
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

static void test_shared_memory(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-static", "shared", 0);
	viso_snapshot *snapshot;
	assert_int_equal(call(guest, "map_shared", 5), 0);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	viso_guest *clone = clone_of(snapshot);
	assert_int_equal(call(clone, "map_shared", 6), 5);
	assert_int_equal(call(guest, "map_shared", 7), 5);
	assert_int_equal(call(clone, "map_shared", 8), 6);
	assert_ok(viso_guest_reset(clone));
	assert_int_equal(call(clone, "map_shared", 8), 5);
	assert_ok(viso_guest_reset(clone));
	assert_int_equal(call(clone, "share_with_child", 0), 10);
	assert_int_equal(call(guest, "share_with_child", 0), 10);
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* A clone can be frozen again, with what it has done since. */
static void test_snapshots_of_clones(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *first = frozen(*state, "/frozen-dynamic", &guest), *second;
	assert_int_equal(call(guest, "count", 0), 2);
	call(guest, "dirty", 64);
	assert_ok(viso_guest_snapshot(guest, &second));
	viso_snapshot_unref(first);
	viso_guest *clone = clone_of(second);
	assert_int_equal(call(clone, "count", 0), 3);
	assert_int_equal(call(clone, "count", 0), 4);
	assert_int_equal(call(guest, "count", 0), 3);
	assert_ok(viso_guest_reset(clone));
	assert_ok(viso_guest_reset(guest));
	assert_int_equal(call(clone, "count", 0), 3);
	assert_int_equal(call(guest, "count", 0), 3);
	viso_snapshot_unref(second);
	viso_guest_unref(clone);
	viso_guest_unref(guest);
}

/* A file that is open twice stays one file, however often it is frozen and written to by only one of the two. */
static void test_files_that_are_open_twice(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-dynamic", "plain", 0);
	viso_snapshot *snapshots[3];
	assert_int_equal(call(guest, "open_shared", 0), 1);
	assert_ok(viso_guest_snapshot(guest, &snapshots[0]));
	assert_int_equal(call(guest, "write_shared", '2'), 1);
	assert_ok(viso_guest_snapshot(guest, &snapshots[1]));
	assert_ok(viso_guest_snapshot(guest, &snapshots[2]));
	viso_guest *clone = clone_of(snapshots[1]), *old = clone_of(snapshots[0]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(call(guest, "read_shared", i), '2');
		assert_int_equal(call(clone, "read_shared", i), '2');
		assert_int_equal(call(old, "read_shared", i), '1');
	}
	for (int i = 0; i < 3; i++)
		viso_snapshot_unref(snapshots[i]);
	viso_guest_unref(old);
	viso_guest_unref(clone);
	viso_guest_unref(guest);
}

/* A file that was written to through a mapping is what it was, after a reset and in the next clone. */
static void test_mappings_that_are_gone(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-dynamic", "plain", 0), *clone;
	viso_snapshot *snapshot;
	assert_int_equal(call(guest, "open_shared", 0), 1);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	assert_int_equal(call(guest, "write_mapped", '2'), 0);
	assert_int_equal(call(guest, "read_shared", 0), '2');
	assert_ok(viso_guest_reset(guest));
	assert_int_equal(call(guest, "write_mapped", '3'), 0);
	assert_ok(viso_guest_reset(guest));
	assert_int_equal(call(guest, "read_shared", 0), '1');
	clone = clone_of(snapshot);
	assert_int_equal(call(clone, "write_mapped", '4'), 0);
	viso_guest_unref(clone);
	clone = clone_of(snapshot);
	assert_int_equal(call(clone, "read_shared", 0), '1');
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* What a name stood for in a program that had changed itself is forgotten with the change. */
static void test_names_of_a_changed_program(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *snapshot = frozen(*state, "/frozen-dynamic", &guest);
	for (int round = 0; round < 2; round++) {
		viso_guest *clone = clone_of(snapshot);
		assert_int_equal(call(clone, "hide_program", 0), 0);
		assert_int_equal(viso_guest_call(clone, "insque", NULL, 0, 20000, NULL), -EFAULT);
		assert_ok(viso_guest_reset(clone));
		assert_int_equal(call(clone, "insque", 0), 77);
		/* What was found before stays. */
		assert_int_equal(call(clone, "hide_program", 0), 0);
		assert_ok(viso_guest_reset(clone));
		assert_int_equal(call(clone, "insque", 0), 77);
		viso_guest_unref(clone);
	}
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* Each snapshot of what was written is one more layer of files, of which there are some: of others it is none. */
static void test_many_generations(void **state)
{
	enum { MORE_THAN_LAYERS = 16 };
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-dynamic", "plain", 0);
	viso_snapshot *snapshot;
	struct rlimit old, few;
	getrlimit(RLIMIT_NOFILE, &old);
	for (int i = 0; i < MORE_THAN_LAYERS; i++) {
		few = (struct rlimit){(rlim_t)support_count_fds() + 1, old.rlim_max};
		setrlimit(RLIMIT_NOFILE, &few);
		int r = viso_guest_snapshot(guest, &snapshot);
		setrlimit(RLIMIT_NOFILE, &old);
		assert_int_equal(r, -EMFILE);
	}
	for (int i = 0; i < MORE_THAN_LAYERS; i++) {
		assert_ok(viso_guest_snapshot(guest, &snapshot));
		viso_snapshot_unref(snapshot);
	}
	assert_int_equal(call(guest, "open_shared", 0), 1);
	int made = 0, r = 0;
	for (; made < MORE_THAN_LAYERS && (r = viso_guest_snapshot(guest, &snapshot)) == 0; made++) {
		viso_snapshot_unref(snapshot);
		assert_int_equal(call(guest, "write_shared", 'a' + made), 1);
		assert_ok(viso_guest_reset(guest));
		assert_int_equal(call(guest, "read_shared", 0), made ? 'a' + made - 1 : '1');
		assert_int_equal(call(guest, "write_shared", 'a' + made), 1);
	}
	assert_in_range(made, 8, MORE_THAN_LAYERS - 1);
	assert_int_equal(r, -EOPNOTSUPP);
	assert_non_null(strstr(viso_error_message(), "too often"));
	viso_guest_unref(guest);
}

static void *use_clones(void *data)
{
	for (int i = 0; i < 15; i++) {
		viso_guest *clone = clone_of(data);
		for (int j = 0; j < 5; j++) {
			call(clone, "dirty", 64);
			assert_int_equal(call(clone, "count", 0), 2);
			assert_ok(viso_guest_reset(clone));
		}
		viso_guest_unref(clone);
	}
	return NULL;
}

static void test_threads(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *snapshot = frozen(*state, "/frozen-dynamic", &guest);
	pthread_t threads[4];
	assert_ok(viso_guest_prepare(8));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_clones, snapshot), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_ok(viso_guest_prepare(0));
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

/* Without those that KVM has for a virtual machine that has run ("kvm-nx-lpage-recovery", Linux 6.13). */
static int is_own(const struct dirent *entry)
{
	char path[300], name[32] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
	close(fd);
	return n > 0 && strncmp(name, "kvm", 3) != 0;
}

/* One that has been joined may still be counted for a moment. */
static int count_threads(void)
{
	struct dirent **names;
	int count = scandir("/proc/self/task", &names, is_own, NULL);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return count;
}

/* Each virtual machine has two fds and no memory yet. */
static void await_fds(int wanted)
{
	await_that(support_count_fds() == wanted);
}

/* What is taken from those that are ready is made anew, until they are given back. */
static void test_the_pool_is_refilled(void **state)
{
	need_kvm();
	need_clones_here();
	viso_guest *guest, *clones[3];
	viso_snapshot *snapshot = frozen(*state, "/frozen-static", &guest);
	clones[0] = clone_of(snapshot);
	int threads = count_threads(), fds = support_count_fds();
	clones[1] = clone_of(snapshot);
	int each = support_count_fds() - fds;
	assert_true(each > 0);
	fds += each;
	assert_ok(viso_guest_prepare(4));
	int full = support_count_fds() - fds;
	await_that(count_threads() == threads);
	for (int round = 0; round < 3; round++) {
		clones[2] = clone_of(snapshot);
		assert_int_equal(call(clones[2], "count", 0), 2);
		await_fds(fds + full + each);
		await_that(count_threads() == threads + 1);
		assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(clones[2])), 1);
		viso_guest_unref(clones[2]);
		await_fds(fds + full);
	}
	/* Fewer, and more. */
	assert_ok(viso_guest_prepare(2));
	await_fds(fds + full / 2);
	assert_ok(viso_guest_prepare(4));
	await_fds(fds + full);
	assert_ok(viso_guest_prepare(0));
	assert_int_equal(support_count_fds(), fds);
	await_that(count_threads() == threads);
	viso_guest_unref(clones[0]);
	viso_guest_unref(clones[1]);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

/* So that it is not used again by a clone. */
static void end_clone(viso_guest *clone)
{
	assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(clone)), 1);
	viso_guest_unref(clone);
}

static void *make_clone(void *data)
{
	return clone_of(data);
}

/* Also while one is being made: it is not kept beyond what is wanted now. */
static void test_the_pool_shrinks_while_it_is_refilled(void **state)
{
	enum { ROUNDS = 40 };
	need_kvm();
	need_clones_here();
	viso_guest *guest;
	viso_snapshot *snapshot = frozen(*state, "/frozen-static", &guest);
	end_clone(clone_of(snapshot));
	int fds = support_count_fds();
	for (int round = 0; round < ROUNDS; round++) {
		assert_ok(viso_guest_prepare(2));
		int each = (support_count_fds() - fds) / 2;
		pthread_t thread;
		void *clone;
		assert_int_equal(pthread_create(&thread, NULL, make_clone, snapshot), 0);
		for (volatile int i = rand() % 3000000; i > 0; i--)
			;
		assert_ok(viso_guest_prepare(1));
		pthread_join(thread, &clone);
		end_clone(clone);
		await_fds(fds + each);
		/* With the thread what it was about to keep is there as well. */
		assert_ok(viso_guest_prepare(2));
		await_fds(fds + 2 * each);
		assert_ok(viso_guest_prepare(0));
		assert_int_equal(support_count_fds(), fds);
	}
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

/* Where none can be made, the next start that finds none ready tells, and things go on once it can be done again. */
static void test_a_pool_that_cannot_be_refilled(void **state)
{
	enum { COUNT = 8 };
	need_kvm();
	need_clones_here();
	viso_guest *guest, *clones[COUNT];
	viso_snapshot *snapshot = frozen(*state, "/frozen-static", &guest);
	struct rlimit old, low;
	getrlimit(RLIMIT_NOFILE, &old);
	assert_ok(viso_guest_prepare(2));
	low = old;
	low.rlim_cur = (rlim_t)dup(0);
	close((int)low.rlim_cur);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	int made = 0, r = 0;
	/* A clone of one that is ready may want a fd beside: then even that fails. */
	while (made < COUNT && (r = viso_snapshot_clone(snapshot, &clones[made])) == 0)
		made++;
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(viso_error_number(), EMFILE);
	while (made < COUNT) {
		clones[made] = clone_of(snapshot);
		assert_int_equal(call(clones[made++], "count", 0), 2);
	}
	int most = support_count_fds();
	assert_ok(viso_guest_prepare(0));
	assert_true(support_count_fds() <= most);
	for (int i = 0; i < made; i++)
		viso_guest_unref(clones[i]);
	/* More than there can be: those that there were before stay. */
	assert_ok(viso_guest_prepare(1));
	int before = support_count_fds();
	setrlimit(RLIMIT_NOFILE, &low);
	r = viso_guest_prepare(1000);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(support_count_fds(), before);
	assert_ok(viso_guest_prepare(0));
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

static void test_after_a_fork(void **state)
{
	need_kvm();
	viso_guest *guest, *clone;
	viso_snapshot *snapshot = frozen(*state, "/frozen-static", &guest);
	assert_ok(viso_guest_prepare(2));
	/* The thread that refills, which the child has not, may be at work. */
	viso_guest_unref(clone_of(snapshot));
	pid_t child = fork();
	if (child == 0) {
		alarm(20);
		bool ok = viso_snapshot_clone(snapshot, &clone) == -ECHILD && viso_guest_reset(guest) == -ECHILD &&
			  viso_snapshot_size(snapshot) == -ECHILD;
		viso_guest_unref(guest);
		viso_snapshot_unref(snapshot);
		/* What the parent has ready is of no use here. */
		viso_guest *own = new_guest(*state, 0);
		(void)own;
		_exit(ok && viso_guest_prepare(1) == 0 && viso_guest_prepare(0) == 0 ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(viso_guest_prepare(0));
	clone = clone_of(snapshot);
	assert_int_equal(call(clone, "count", 0), 2);
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

/* The output so far is the guest's; each clone has its own. */
static void test_output(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-static", "talk", 0);
	viso_snapshot *snapshot;
	assert_int_equal(call(guest, "say", 0), 0);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	viso_guest *guests[2] = {guest, clone_of(snapshot)};
	for (int i = 0; i < 2; i++) {
		viso_result *result;
		assert_int_equal(call(guests[i], "say", 0), 0);
		assert_int_equal(viso_guest_call(guests[i], "leave", NULL, 0, 20000, NULL), -ESRCH);
		assert_ok(viso_guest_last_result(guests[i], &result));
		assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "more\n");
		viso_result_unref(result);
		viso_guest_unref(guests[i]);
	}
	viso_snapshot_unref(snapshot);
}

/* Another program has other memory: all of it comes back, and not only what the pages of the program's files hold. */
static void test_after_another_program(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-static", "plain", 0);
	viso_snapshot *snapshot;
	assert_int_equal(call(guest, "count", 0), 2);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(viso_guest_call(guest, "execute", NULL, 0, 20000, NULL), -ESRCH);
		assert_ok(viso_guest_reset(guest));
		assert_int_equal(call(guest, "count", 0), 3);
	}
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

static void test_ring(void **state)
{
	need_kvm();
	need_clones_here();
	viso_guest *guest = new_guest(*state, 0);
	viso_snapshot *snapshot;
	assert_ok(viso_guest_set_ring(guest, 1));
	viso_command *command = new_command("/frozen-static", NULL);
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	for (int i = 1; i < 4; i++) {
		assert_int_equal(call(guest, "use_ring", 17), 0);
		assert_ok(viso_guest_reset(guest));
	}
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* A reset that fails leaves a guest that has ended, which can be reset later. */
static void test_reset_without_fds(void **state)
{
	need_kvm();
	need_clones_here();
	viso_guest *guest;
	viso_snapshot *snapshot = frozen(*state, "/frozen-static", &guest);
	struct rlimit limit, none;
	/* So that its files are copied again. */
	assert_int_equal(call(guest, "change_one", 3), 0);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){3, limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	int r = viso_guest_reset(guest);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(viso_guest_call(guest, "count", NULL, 0, 300, NULL), -EIO);
	assert_ok(viso_guest_reset(guest));
	assert_int_equal(call(guest, "count", 0), 2);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

static void test_memory_of_another_process(void **state)
{
	need_kvm();
	viso_guest *guest = initialised(*state, "/frozen-static", "move", 0);
	viso_snapshot *snapshot;
	assert_int_equal(viso_guest_snapshot(guest, &snapshot), -EOPNOTSUPP);
	assert_int_equal(call(guest, "count", 0), 2);
	viso_guest_unref(guest);
}

static void test_refusals(void **state)
{
	need_kvm();
	viso_guest *guest = new_guest(*state, 0), *clone = guest;
	viso_snapshot *snapshot = (viso_snapshot *)state;
	assert_int_equal(viso_guest_snapshot(guest, &snapshot), -EINVAL);
	assert_int_equal(viso_guest_reset(guest), -EINVAL);
	assert_int_equal(viso_guest_snapshot(guest, NULL), -EINVAL);
	assert_int_equal(viso_guest_snapshot(NULL, &snapshot), -EINVAL);
	assert_ptr_equal(snapshot, state);
	assert_int_equal(viso_snapshot_clone(NULL, &clone), -EINVAL);
	assert_ptr_equal(clone, guest);
	assert_int_equal(viso_snapshot_size(NULL), -EINVAL);
	assert_int_equal(viso_guest_prepare(10001), -EINVAL);
	assert_null(viso_snapshot_unref(NULL));
	viso_guest_unref(guest);

	guest = initialised(*state, "/frozen-static", "plain", 0);
	assert_int_equal(viso_guest_reset(guest), -EINVAL);
	assert_int_equal(viso_guest_call(guest, "crash", NULL, 0, 20000, NULL), -EFAULT);
	assert_int_equal(viso_guest_snapshot(guest, &snapshot), -EIO);
	viso_guest_unref(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_single_changes),
		cmocka_unit_test(test_signals_between_calls),
		cmocka_unit_test(test_machines_are_used_again),
		cmocka_unit_test(test_clones_are_apart),
		cmocka_unit_test(test_after_a_bad_end),
		cmocka_unit_test(test_sparse_pages),
		cmocka_unit_test(test_host_and_guest_write),
		cmocka_unit_test(test_shared_memory),
		cmocka_unit_test(test_snapshots_of_clones),
		cmocka_unit_test(test_files_that_are_open_twice),
		cmocka_unit_test(test_mappings_that_are_gone),
		cmocka_unit_test(test_names_of_a_changed_program),
		cmocka_unit_test(test_many_generations),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_the_pool_is_refilled),
		cmocka_unit_test(test_the_pool_shrinks_while_it_is_refilled),
		cmocka_unit_test(test_a_pool_that_cannot_be_refilled),
		cmocka_unit_test(test_after_a_fork),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_after_another_program),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_memory_of_another_process),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_reset_without_fds),
	};
	return cmocka_run_group_tests_name("guest snapshot", tests, fixture_setup, fixture_teardown);
}
