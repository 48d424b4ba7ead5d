/* SPDX-License-Identifier: MIT */
/*
 * Snapshots and clones of guests in containers: what serves them may end, be mute or lie, and reaches no other clone.
 * test_snapshot.c and test_frozen.c have what else they do.
 */
#include "contained_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/contained/message.h"

/* A guest that is frozen, and its standard input, by which all processes that serve it and its clones are found. */
struct frozen {
	viso_guest *guest;
	viso_snapshot *snapshot;
	char *input;
};

static viso_guest *ready(struct fixture *fixture, const char *input, uint64_t memory_max)
{
	viso_guest *guest = new_guest(fixture, memory_max);
	viso_command *command = new_command("/callee", "ready", NULL);
	assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
	set_input(command, input);
	return initialise(guest, command);
}

static struct frozen freeze(struct fixture *fixture)
{
	struct frozen frozen = {.input = make_file(fixture->base, "frozen-input", "")};
	frozen.guest = ready(fixture, frozen.input, 0);
	assert_int_equal(call(frozen.guest, "count", 0), 1);
	assert_ok(viso_guest_snapshot(frozen.guest, &frozen.snapshot));
	return frozen;
}

/* Those that are there, which are to be so many. */
static void find_servers(const char *input, pid_t *out, int wanted)
{
	pid_t found[16];
	int count = 0;
	DIR *proc = opendir("/proc");
	assert_non_null(proc);
	for (struct dirent *entry; (entry = readdir(proc)) && count < 16;)
		if (atoi(entry->d_name) > 0 && has_input(atoi(entry->d_name), input))
			found[count++] = atoi(entry->d_name);
	closedir(proc);
	assert_int_equal(count, wanted);
	memcpy(out, found, (size_t)count * sizeof(pid_t));
}

/* The process of the clone alone, of which it has just become the last one. */
static pid_t new_server(const char *input, const pid_t *others, int count)
{
	pid_t all[16];
	find_servers(input, all, count + 1);
	for (int i = 0; i <= count; i++) {
		bool is_other = false;
		for (int k = 0; k < count; k++)
			is_other = is_other || all[i] == others[k];
		if (!is_other)
			return all[i];
	}
	return 0;
}

static void release(struct frozen *frozen)
{
	pid_t none[1];
	viso_guest_unref(frozen->guest);
	viso_snapshot_unref(frozen->snapshot);
	find_servers(frozen->input, none, 0);
	unlink(frozen->input);
	free(frozen->input);
}

static void assert_poisoned(viso_guest *guest, viso_reason reason)
{
	viso_result *result;
	assert_fails(viso_guest_call(guest, "count", NULL, 0, 1000, NULL), EIO, VISO_STAGE_GUEST, "viso_guest_call");
	assert_ok(viso_guest_last_result(guest, &result));
	assert_reason(result, reason);
}

/* Each clone, and the guest itself, has a process of its own, which goes with it. */
static void test_processes(void **state)
{
	enum { CLONES = 3 };
	need_kvm();
	pid_t servers[CLONES + 1];
	viso_guest *clones[CLONES];
	struct frozen frozen = freeze(*state);
	find_servers(frozen.input, servers, 1);
	for (int i = 0; i < CLONES; i++) {
		clones[i] = clone_of(frozen.snapshot);
		servers[i + 1] = new_server(frozen.input, servers, i + 1);
	}
	assert_true(viso_snapshot_size(frozen.snapshot) > 4096);
	for (uint64_t n = 2; n < 5; n++) {
		assert_int_equal(call(frozen.guest, "count", 0), n);
		for (int i = 0; i < CLONES; i++)
			assert_int_equal(call(clones[i], "count", 0), n);
	}
	for (int i = 0; i < CLONES; i++) {
		viso_guest_unref(clones[i]);
		find_servers(frozen.input, servers, CLONES - i);
	}
	release(&frozen);
}

/* As if the program had got the better of the process: writes over all of the snapshot that it has. */
static int spoil(pid_t server)
{
	char path[64], line[512];
	int spoilt = 0;
	struct victim victim = seize_in(server, SYS_recvmsg);
	snprintf(path, sizeof(path), "/proc/%d/maps", server);
	FILE *maps = fopen(path, "re");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long begin, end;
		if (!strstr(line, "viso-snapshot") || sscanf(line, "%lx-%lx", &begin, &end) != 2)
			continue;
		for (unsigned long at = begin; at < end; at += 4096, spoilt++)
			for (unsigned long word = 0; word < 4096; word += 512)
				assert_int_equal(ptrace(PTRACE_POKEDATA, server, (void *)(at + word), (void *)-1L), 0);
	}
	fclose(maps);
	release_victim(&victim);
	return spoilt;
}

static void test_a_breach_stays_where_it_is(void **state)
{
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	pid_t servers[3];
	struct frozen frozen = freeze(*state);
	find_servers(frozen.input, servers, 1);
	viso_guest *sibling = clone_of(frozen.snapshot);
	servers[1] = new_server(frozen.input, servers, 1);
	viso_guest *taken = clone_of(frozen.snapshot);
	servers[2] = new_server(frozen.input, servers, 2);
	assert_true(spoil(servers[2]) > 10);
	/* The attack is effective: there the program is no more what it was. */
	uint64_t value = 0;
	assert_true(viso_guest_call(taken, "count", NULL, 0, 20000, &value) < 0 || value != 2);
	assert_int_equal(call(sibling, "count", 0), 2);
	assert_int_equal(call(frozen.guest, "count", 0), 2);
	viso_guest *other = clone_of(frozen.snapshot);
	assert_int_equal(call(other, "count", 0), 2);
	viso_guest_unref(other);
	viso_guest_unref(taken);
	viso_guest_unref(sibling);
	release(&frozen);
}

/* No fd of what all clones have in common is left in their processes. */
static void test_fds_of_the_process(void **state)
{
	need_kvm();
	pid_t servers[2];
	struct frozen frozen = freeze(*state);
	find_servers(frozen.input, servers, 1);
	for (int fd = 0; fd < 64; fd++) {
		char path[64], link[256];
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", servers[0], fd);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		assert_null(strstr(link, "viso-snapshot"));
	}
	release(&frozen);
}

/* It ends while it is asked to save its guest, or before; and the clone's, which a reset replaces. */
static void test_a_process_that_ends(void **state)
{
	need_kvm();
	pid_t servers[2];
	viso_snapshot *snapshot;
	char *input = make_file(((struct fixture *)*state)->base, "ends-input", "");
	viso_guest *guest = ready(*state, input, 0);
	find_servers(input, servers, 1);
	skip_without(kill(servers[0], SIGKILL) == 0, "the right to kill the contained process");
	assert_fails(viso_guest_snapshot(guest, &snapshot), EFAULT, VISO_STAGE_GUEST, "viso_guest_snapshot");
	assert_poisoned(guest, VISO_REASON_GUEST_FAULT);
	assert_fails(viso_guest_reset(guest), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_reset");
	viso_guest_unref(guest);
	unlink(input);
	free(input);

	struct frozen frozen = freeze(*state);
	for (int round = 0; round < 3; round++) {
		find_servers(frozen.input, servers, 1);
		assert_int_equal(call(frozen.guest, "count", 0), 2);
		assert_int_equal(kill(servers[0], SIGKILL), 0);
		if (round < 2) {
			assert_int_equal(viso_guest_call(frozen.guest, "count", NULL, 0, 20000, NULL), -EFAULT);
			assert_poisoned(frozen.guest, VISO_REASON_GUEST_FAULT);
		}
		assert_ok(viso_guest_reset(frozen.guest));
	}
	assert_int_equal(call(frozen.guest, "count", 0), 2);
	release(&frozen);
}

static void *freeze_in_thread(void *data)
{
	viso_snapshot *snapshot = NULL;
	int *result = malloc(sizeof(*result));
	*result = viso_guest_snapshot(data, &snapshot);
	viso_snapshot_unref(snapshot);
	return result;
}

static void test_a_process_that_is_mute(void **state)
{
	need_kvm();
	pid_t servers[1];
	pthread_t thread;
	void *result;
	char *input = make_file(((struct fixture *)*state)->base, "mute-input", "");
	viso_guest *guest = ready(*state, input, 0);
	find_servers(input, servers, 1);
	skip_without(kill(servers[0], SIGSTOP) == 0, "the right to stop the contained process");
	assert_int_equal(pthread_create(&thread, NULL, freeze_in_thread, guest), 0);
	while (viso_guest_cancel(guest) == 0)
		support_pause();
	pthread_join(thread, &result);
	assert_int_equal(*(int *)result, -ECANCELED);
	free(result);
	assert_poisoned(guest, VISO_REASON_KILLED);
	viso_guest_unref(guest);
	unlink(input);
	free(input);

	/* One that is reset gets another process. */
	struct frozen frozen = freeze(*state);
	find_servers(frozen.input, servers, 1);
	assert_int_equal(call(frozen.guest, "count", 0), 2);
	assert_int_equal(kill(servers[0], SIGSTOP), 0);
	assert_ok(viso_guest_reset(frozen.guest));
	assert_int_equal(call(frozen.guest, "count", 0), 2);
	assert_false(is_server(servers[0]));
	release(&frozen);
}

/* What serves the guest says so before it is asked to save it. */
struct lie {
	uint64_t offset; /* of a piece */
	uint32_t kind;   /* of an event; EVENT_KINDS for none */
	uint32_t size;
	uint64_t value; /* of the return; none where it is 0 and there is no error */
	int error;
	int expected;
};

static void tell(const struct lie *lie, pid_t server)
{
	struct {
		struct contained_event event;
		char data[64];
	} piece = {.event = {.magic = CONTAINED_EVENT_MAGIC, .kind = lie->kind, .size = lie->size}};
	const struct contained_return returned = {
		.magic = CONTAINED_RETURN_MAGIC,
		.serial = 1,
		.value = lie->value,
		.error = lie->error,
		.stage = VISO_STAGE_GUEST,
	};
	struct victim victim = seize_in(server, SYS_recvmsg);
	/* Beyond what it has on its stack. */
	victim.stack = (victim.regs.rsp - 65536) & ~0xfull;
	piece.event.args[0] = lie->offset;
	size_t size = sizeof(piece.event) + lie->size;
	if (lie->kind < EVENT_KINDS)
		assert_int_equal(say(&victim, CONTAINED_SOCKET, &piece, size), size);
	if (lie->value || lie->error)
		assert_int_equal(say(&victim, CONTAINED_SOCKET, &returned, sizeof(returned)), sizeof(returned));
	release_victim(&victim);
}

static void test_lies(void **state)
{
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	static const struct lie lies[] = {
		{.kind = EVENT_SNAPSHOT, .size = 8, .offset = 1ull << 40, .expected = EFAULT},     /* too far */
		{.kind = EVENT_SNAPSHOT, .size = 8, .offset = UINT64_MAX - 3, .expected = EFAULT}, /* wraps around */
		{.kind = EVENT_SNAPSHOT, .size = 0, .offset = 0, .expected = EFAULT},              /* nothing */
		{.kind = EVENT_SNAPSHOT, .size = 8, .offset = 0, .value = 4, .expected = EFAULT},  /* more than that */
		{.kind = EVENT_KINDS, .value = UINT64_MAX, .expected = EFAULT},                    /* too large */
		{.kind = EVENT_KINDS, .error = EBUSY, .expected = EFAULT}, /* what the host alone may say */
		{.kind = EVENT_HYPERCALL, .expected = EFAULT},             /* nobody runs who would ask */
		{.kind = EVENT_CONNECT, .size = 8, .expected = EFAULT},    /* likewise */
		{.kind = EVENT_CORE_OPEN, .expected = EFAULT},             /* likewise */
		{.kind = EVENT_KINDS, .error = EOPNOTSUPP, .expected = EOPNOTSUPP},
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		pid_t servers[1];
		viso_snapshot *snapshot;
		char *input = make_file(((struct fixture *)*state)->base, "lies-input", "");
		viso_guest *guest = ready(*state, input, 0);
		find_servers(input, servers, 1);
		tell(&lies[i], servers[0]);
		assert_fails(viso_guest_snapshot(guest, &snapshot), lies[i].expected, VISO_STAGE_GUEST, "");
		if (lies[i].expected == EFAULT)
			assert_poisoned(guest, VISO_REASON_GUEST_FAULT);
		viso_guest_unref(guest);
		unlink(input);
		free(input);
	}
}

/* A snapshot of nonsense is found to be none by the clone's process, which is all that it reaches. */
static void test_nonsense(void **state)
{
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	static const struct lie sizes[] = {
		{.kind = EVENT_SNAPSHOT, .size = 8, .value = 8},
		{.kind = EVENT_SNAPSHOT, .size = 64, .value = 1 << 20},
		{.kind = EVENT_KINDS, .value = 64 << 20},
	};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pid_t servers[1];
		viso_snapshot *snapshot;
		char *input = make_file(((struct fixture *)*state)->base, "nonsense-input", "");
		viso_guest *guest = ready(*state, input, 0);
		find_servers(input, servers, 1);
		tell(&sizes[i], servers[0]);
		assert_int_equal(viso_guest_snapshot(guest, &snapshot), -EINVAL);
		find_servers(input, servers, 1);
		viso_guest_unref(guest);
		find_servers(input, servers, 0);
		unlink(input);
		free(input);
	}
}

/* What asks in the guest's name between its calls is a liar; the reset takes another process. */
static void test_lies_of_a_reset(void **state)
{
	need_kvm();
	skip_without(geteuid() == 0, "root, for ptrace(2) of the contained process");
	static const struct lie lies[] = {
		{.kind = EVENT_CORE_OPEN},
		{.kind = EVENT_SNAPSHOT, .size = 8},
		{.kind = EVENT_KINDS, .error = ENOMEM},
		{.kind = EVENT_KINDS, .error = ECANCELED},
	};
	pid_t servers[1];
	struct frozen frozen = freeze(*state);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		find_servers(frozen.input, servers, 1);
		tell(&lies[i], servers[0]);
		assert_ok(viso_guest_reset(frozen.guest));
		assert_false(is_server(servers[0]));
		assert_int_equal(call(frozen.guest, "count", 0), 2);
		assert_ok(viso_guest_reset(frozen.guest));
		/* That was the first call of a new process, and that is what it was. */
		find_servers(frozen.input, servers, 1);
	}
	release(&frozen);
}

/* What cannot be frozen is named, and the guest goes on as it is. */
static void test_refusals(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_snapshot *snapshot;
	char *path;
	viso_guest *guest = contained(fixture);
	viso_command *command = new_command("/callee", "ready", NULL);
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_ok(viso_command_add_fd(command, fd, 9));
	close(fd);
	initialise(guest, command);
	for (uint64_t n = 1; n < 4; n++) {
		assert_fails(viso_guest_snapshot(guest, &snapshot), EOPNOTSUPP, VISO_STAGE_GUEST, "fd 9");
		assert_int_equal(call(guest, "count", 0), n);
	}
	assert_fails(viso_guest_reset(guest), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_reset");
	viso_guest_unref(guest);

	struct frozen frozen = freeze(fixture);
	assert_true(asprintf(&path, "%s/saved", fixture->base) > 0);
	assert_fails(viso_snapshot_save(frozen.snapshot, path), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "viso_snapshot_save");
	assert_int_equal(access(path, F_OK), -1);
	guest = contained(fixture);
	assert_fails(viso_snapshot_load(path, guest, &snapshot), EOPNOTSUPP, VISO_STAGE_ARGUMENT, "viso_snapshot_load");
	viso_guest_unref(guest);
	free(path);
	release(&frozen);
}

/* A limit of the host program's raises no signal in it. */
static void test_file_size_limit(void **state)
{
	need_kvm();
	viso_snapshot *snapshot;
	struct rlimit old, low;
	viso_guest *guest = initialise(contained(*state), new_command("/callee", "ready", NULL));
	getrlimit(RLIMIT_FSIZE, &old);
	low = (struct rlimit){20000, old.rlim_max};
	setrlimit(RLIMIT_FSIZE, &low);
	int r = viso_guest_snapshot(guest, &snapshot);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(call(guest, "count", 0), 1);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	assert_int_equal(call(guest, "count", 0), 2);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

static int64_t answer_seven(viso_hypercall *hypercall, void *userdata)
{
	return 7;
}

static int64_t answer_eight(viso_hypercall *hypercall, void *userdata)
{
	return 8;
}

/* A clone's handlers are those of the guest, or what it is given before its first call. */
static void test_handlers(void **state)
{
	enum { ASKED = 1, QUEUED = 6 };
	need_kvm();
	viso_snapshot *snapshot;
	const uint64_t args[2] = {ASKED}, queued[2] = {QUEUED};
	uint64_t value;
	viso_hypercall *hypercall;
	viso_guest *guest = contained(*state);
	assert_ok(viso_guest_set_hypercall_handler(guest, ASKED, answer_seven, NULL, NULL));
	initialise(guest, new_command("/asker", "ready", NULL));
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	viso_guest *clones[3] = {clone_of(snapshot), clone_of(snapshot), clone_of(snapshot)};
	assert_ok(viso_guest_set_hypercall_handler(clones[1], ASKED, answer_eight, NULL, NULL));
	assert_ok(viso_guest_queue_hypercall(clones[2], QUEUED));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++) {
			assert_ok(viso_guest_call(clones[i], "ask_in_call", args, 2, 20000, &value));
			assert_int_equal(value, 7 + i);
			assert_ok(viso_guest_call(clones[i], "ask_in_call", queued, 2, 20000, &value));
			assert_int_equal((int64_t)value, -ENOSYS);
			assert_ok(viso_guest_reset(clones[i]));
		}
		/* Nobody takes it: it is gone with the reset. */
		assert_int_equal(viso_guest_call(clones[2], "ask_in_call", queued, 2, 100, NULL), -ETIMEDOUT);
		assert_ok(viso_guest_reset(clones[2]));
		assert_fails(viso_guest_next_hypercall(clones[2], 0, &hypercall), ETIMEDOUT, VISO_STAGE_GUEST, "");
		assert_ok(viso_guest_call(clones[2], "ask_in_call", args, 2, 20000, &value));
		assert_int_equal(value, 7);
	}
	assert_fails(viso_guest_set_hypercall_handler(clones[0], ASKED, answer_eight, NULL, NULL), EBUSY,
		     VISO_STAGE_ARGUMENT, "");
	for (int i = 0; i < 3; i++)
		viso_guest_unref(clones[i]);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* Streams that were handed in are those of the clones, too; and what the guest was shown they see. */
static void test_streams_and_files(void **state)
{
	static const char script[] = "while read -r line </dev/virtiso; do test $line = end && exit 0; "
				     "/bin/busybox cat /shown /given; echo $line; echo $line >&2; "
				     "echo done >/dev/virtiso; done";
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
	viso_snapshot *snapshot;
	int ends[2];
	char text[64] = "";
	char *shown = make_file(fixture->base, "shown", "shown\n");
	chmod(shown, 0644);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	viso_guest *guest = contained(fixture);
	assert_ok(viso_guest_add_bind(guest, shown, "/shown", 0));
	assert_ok(viso_guest_add_file(guest, "/given", "given\n", 6, 0444));
	viso_command *command = new_command("/bin/busybox", "sh", "-c", script, NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDERR, ends[1]));
	initialise(guest, command);
	close(ends[1]);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	viso_guest *clone = clone_of(snapshot);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	assert_int_equal(viso_guest_request(clone, "one\n", 4, text, sizeof(text), 20000), 5);
	assert_memory_equal(text, "done\n", 5);
	assert_int_equal(read(ends[0], text, sizeof(text)), 4);
	assert_memory_equal(text, "one\n", 4);
	assert_int_equal(viso_guest_request(clone, "end\n", 4, text, sizeof(text), 20000), -ESRCH);
	viso_result *result;
	assert_ok(viso_guest_last_result(clone, &result));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "shown\ngiven\none\n");
	viso_result_unref(result);
	viso_guest_unref(clone);
	/* Nobody has it any more. */
	assert_int_equal(read(ends[0], text, sizeof(text)), 0);
	close(ends[0]);
	unlink(shown);
	free(shown);
}

/* However much of its memory it uses, it can be frozen, also as a clone, which has it in common with others. */
static void test_much_memory(void **state)
{
	enum { PAGES = 3000 };
	need_kvm();
	viso_snapshot *first, *second;
	viso_guest *guest = new_guest(*state, 16u << 20);
	assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
	initialise(guest, new_command("/frozen-static", "plain", NULL));
	call(guest, "dirty", 64);
	assert_ok(viso_guest_snapshot(guest, &first));
	for (int round = 0; round < 2; round++) {
		assert_int_equal(viso_guest_call(guest, "eat", NULL, 0, 20000, NULL), -ENOMEM);
		assert_poisoned(guest, VISO_REASON_OUT_OF_MEMORY);
		assert_ok(viso_guest_reset(guest));
	}
	call(guest, "dirty", 64);
	assert_ok(viso_guest_snapshot(guest, &second));
	viso_snapshot_unref(first);
	viso_guest *clone = clone_of(second);
	assert_int_equal(call(clone, "count", 0), 2);
	viso_guest_unref(clone);
	viso_snapshot_unref(second);
	viso_guest_unref(guest);
}

/* No fd and no process stays, and a forked child cannot do anything with it. */
static void test_nothing_is_left(void **state)
{
	need_kvm();
	struct frozen frozen = freeze(*state);
	release(&frozen);
	int fds = support_count_fds(), status;
	for (int round = 0; round < 3; round++) {
		frozen = freeze(*state);
		viso_guest *clone = clone_of(frozen.snapshot), *other;
		pid_t child = fork();
		if (child == 0) {
			bool ok = viso_snapshot_clone(frozen.snapshot, &other) == -ECHILD &&
				  viso_guest_reset(clone) == -ECHILD &&
				  viso_guest_call(clone, "count", NULL, 0, 1000, NULL) == -ECHILD;
			viso_guest_unref(clone);
			viso_guest_unref(frozen.guest);
			viso_snapshot_unref(frozen.snapshot);
			_exit(!ok ? 1 : support_count_fds() > fds ? 2 : 0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		assert_int_equal(call(clone, "count", 0), 2);
		assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(clone)), 1);
		viso_guest_unref(clone);
		release(&frozen);
		assert_int_equal(support_count_fds(), fds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_a_breach_stays_where_it_is),
		cmocka_unit_test(test_fds_of_the_process),
		cmocka_unit_test(test_a_process_that_ends),
		cmocka_unit_test(test_a_process_that_is_mute),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_lies_of_a_reset),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_file_size_limit),
		cmocka_unit_test(test_handlers),
		cmocka_unit_test(test_streams_and_files),
		cmocka_unit_test(test_much_memory),
		cmocka_unit_test(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("clones of contained guests", tests, fixture_setup, fixture_teardown);
}
