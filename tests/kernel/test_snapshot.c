/* SPDX-License-Identifier: MIT */
/*
 * Computers that are frozen, and their clones: small images, which kvm_pvm emulates. With the argument "contained" all
 * of them run in containers.
 */
#include "kernel_support.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* As lib/guest/snapshot/saved.h has it. */
enum { STATE_SIZE = 48, SUM = 64, HEAD = 96, PATIENCE_MS = 60000 };

static bool is_contained;

static void place(viso_guest *guest)
{
	if (is_contained)
		assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
}

static viso_guest *new_guest(void)
{
	viso_guest *guest = viso_guest_new();
	assert_non_null(guest);
	place(guest);
	return guest;
}

static int set_up(void **state)
{
	int r = kernel_setup(state);
	if (r == 0)
		place(((struct kernel_fixture *)*state)->guest);
	return r;
}

/*
 * Says A and a random moment later, for each byte that comes, the one before it ('m' before the first): until q, when
 * it switches the computer off.
 */
static void set_echo(struct kernel_fixture *fixture)
{
	set_code(fixture, 0xc6, 0x06, 0x00, 0x90, 'm', /* movb $'m', 0x9000 */
		 PUT('A'),                             /* */
		 0xba, 0xfd, 0x03, 0xec,               /* 11: inb the line status */
		 0xa8, 0x01, 0x74, 0xf8,               /* until there is a byte */
		 0xba, 0xf8, 0x03, 0xec,               /* which is read */
		 0x3c, 'q', 0x74, 0x0c,                /* q: to the end */
		 0x8a, 0x26, 0x00, 0x90,               /* mov 0x9000, %ah */
		 0xa2, 0x00, 0x90,                     /* mov %al, 0x9000 */
		 0x86, 0xc4, 0xee,                     /* out %ah */
		 0xeb, 0xe4,                           /* again */
		 POWER_OFF, HALT);
}

struct computer {
	viso_guest *guest;
	viso_process *process;
	int to, from;
};

static void boot(struct computer *computer, viso_guest *guest)
{
	struct kernel_fixture fixture = {.guest = guest};
	computer->guest = guest;
	computer->process = kernel_boot_with_pipes(&fixture, &computer->to, &computer->from);
}

static void say(const struct computer *computer, const char *text)
{
	assert_int_equal(write(computer->to, text, strlen(text)), strlen(text));
}

static void hear(const struct computer *computer, const char *text)
{
	char got[64] = "";
	size_t size = 0;
	for (ssize_t n; size < strlen(text) && (n = read(computer->from, got + size, strlen(text) - size)) > 0;)
		size += (size_t)n;
	assert_string_equal(got, text);
}

static void finish(struct computer *computer)
{
	say(computer, "q");
	assert_switched_off(kernel_wait(computer->process), NULL);
	close(computer->to);
	close(computer->from);
}

static viso_snapshot *freeze(viso_guest *guest)
{
	viso_snapshot *snapshot = NULL;
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	return snapshot;
}

static viso_guest *clone_of(viso_snapshot *snapshot)
{
	viso_guest *guest = NULL;
	assert_ok(viso_snapshot_clone(snapshot, &guest));
	return guest;
}

/* A snapshot of the guest, which has said A and heard nothing, and goes on. */
static viso_snapshot *freeze_echo(struct kernel_fixture *fixture, struct computer *original)
{
	need_kvm();
	set_echo(fixture);
	boot(original, fixture->guest);
	hear(original, "A");
	return freeze(fixture->guest);
}

static void test_clones_go_on_from_there(void **state)
{
	enum { CLONES = 8 };
	struct kernel_fixture *fixture = *state;
	struct computer original, clones[CLONES];
	viso_snapshot *snapshot = freeze_echo(fixture, &original);
	say(&original, "xy");
	hear(&original, "mx");
	for (int i = 0; i < CLONES; i++)
		boot(&clones[i], clone_of(snapshot));
	viso_snapshot_unref(snapshot);
	for (int i = 0; i < CLONES; i++)
		say(&clones[i], (const char[]){(char)('a' + i), '1', '\0'});
	for (int i = 0; i < CLONES; i++)
		hear(&clones[i], (const char[]){'m', (char)('a' + i), '\0'});
	/* It has written to some pages. */
	int64_t used = viso_process_usage(clones[0].process, VISO_USAGE_MEMORY);
	assert_true(used > 0 && used < 1 << 20);
	say(&original, "z");
	hear(&original, "y");
	finish(&original);
	for (int i = 0; i < CLONES; i++) {
		finish(&clones[i]);
		viso_guest_unref(clones[i].guest);
	}
}

static void test_a_paused_computer_is_frozen_and_stays_paused(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct computer original, clone;
	need_kvm();
	set_echo(fixture);
	boot(&original, fixture->guest);
	hear(&original, "A");
	assert_int_equal(viso_sandbox_pause(viso_guest_sandbox(fixture->guest)), 1);
	viso_snapshot *snapshot = freeze(fixture->guest);
	say(&original, "x");
	boot(&clone, clone_of(snapshot));
	say(&clone, "a");
	hear(&clone, "m");
	finish(&clone);
	assert_int_equal(viso_sandbox_resume(viso_guest_sandbox(fixture->guest)), 1);
	hear(&original, "m");
	finish(&original);
	viso_guest_unref(clone.guest);
	viso_snapshot_unref(snapshot);
}

static void test_a_clone_is_frozen_like_any_other(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct computer original, clone, grandchild;
	viso_snapshot *first = freeze_echo(fixture, &original);
	boot(&clone, clone_of(first));
	say(&clone, "a");
	hear(&clone, "m");
	viso_snapshot *second = freeze(clone.guest);
	viso_snapshot_unref(first);
	finish(&clone);
	viso_guest_unref(clone.guest);
	assert_true(viso_snapshot_size(second) > 0);
	boot(&grandchild, clone_of(second));
	say(&grandchild, "b");
	hear(&grandchild, "a");
	finish(&grandchild);
	viso_guest_unref(grandchild.guest);
	viso_snapshot_unref(second);
	finish(&original);
}

static void test_a_clone_that_has_ended_begins_again(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct computer original, clone;
	viso_snapshot *snapshot = freeze_echo(fixture, &original);
	assert_fails(viso_guest_reset(fixture->guest), EOPNOTSUPP, VISO_STAGE_GUEST, "viso_guest_reset");
	boot(&clone, clone_of(snapshot));
	for (int i = 0; i < 2; i++) {
		say(&clone, "ab");
		hear(&clone, "ma");
		assert_fails(viso_guest_reset(clone.guest), EBUSY, VISO_STAGE_GUEST, "viso_guest_reset");
		finish(&clone);
		assert_ok(viso_guest_reset(clone.guest));
		boot(&clone, clone.guest);
	}
	finish(&clone);
	viso_guest_unref(clone.guest);
	viso_snapshot_unref(snapshot);
	finish(&original);
}

static void test_several_processors_are_frozen(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct computer original, clone;
	assert_ok(viso_guest_set_processors(fixture->guest, 3));
	viso_snapshot *snapshot = freeze_echo(fixture, &original);
	boot(&clone, clone_of(snapshot));
	say(&clone, "ab");
	hear(&clone, "ma");
	finish(&clone);
	finish(&original);
	viso_guest_unref(clone.guest);
	viso_snapshot_unref(snapshot);
}

static int socket_pair(int *out_other)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*out_other = ends[1];
	return ends[0];
}

static void set_devices_program(struct kernel_fixture *fixture)
{
	const char *path = getenv("VISO_TEST_VIRTIO_PROGRAM");
	assert_non_null(path);
	need_kvm();
	assert_ok(viso_guest_set_flat_image(fixture->guest, path, CODE));
}

static char *make_disk(const struct kernel_fixture *fixture, const char *name)
{
	unsigned char bytes[64][512];
	for (int i = 0; i < 64; i++)
		memset(bytes[i], i, 512);
	return kernel_write(fixture, name, bytes, sizeof(bytes));
}

static unsigned char byte_of(const char *path, off_t offset)
{
	unsigned char byte = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	close(fd);
	return byte;
}

/* A snapshot of a guest that drives its devices, or waits at its port; which is killed. */
static viso_snapshot *freeze_devices(struct kernel_fixture *fixture, int pause_us)
{
	int host, guest = socket_pair(&host);
	set_devices_program(fixture);
	assert_ok(viso_guest_add_port(fixture->guest, "org.example.0", guest));
	close(guest);
	viso_process *process = kernel_boot(fixture, NULL);
	usleep((useconds_t)pause_us);
	viso_snapshot *snapshot = freeze(fixture->guest);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	close(host);
	return snapshot;
}

static viso_process *boot_with_port(viso_guest *guest, int *out_host)
{
	struct kernel_fixture fixture = {.guest = guest};
	int end = socket_pair(out_host);
	assert_ok(viso_guest_add_port(guest, "org.example.0", end));
	close(end);
	return kernel_boot(&fixture, NULL);
}

/* The end of what it says: whatever came before the snapshot was said by the other one. */
static void assert_ends_with(viso_process *process, const char *text)
{
	viso_result *result = kernel_wait(process);
	size_t size = 0;
	const char *output = viso_result_output(result, VISO_STDOUT, &size);
	size_t common = size < strlen(text) ? size : strlen(text);
	if (viso_result_reason(result) != VISO_REASON_EXITED ||
	    memcmp(output + size - common, text + strlen(text) - common, common) != 0)
		fail_msg("%s, after \"%s\"", viso_result_describe(result), output);
	viso_result_unref(result);
}

/* At any moment: before the port is there, amid its first words, while the guest waits at it. */
static void test_devices_go_on_with_what_they_are_given(void **state)
{
	struct kernel_fixture *fixture = *state;
	const int pauses[] = {0, 20000, 200000};
	char *disk = make_disk(fixture, "disk");
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_DISCARD_WRITES));
	for (int i = 0; i < 3; i++) {
		char got[16] = "";
		int host;
		if (i > 0) {
			viso_guest_unref(fixture->guest);
			fixture->guest = new_guest();
			assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_DISCARD_WRITES));
		}
		viso_snapshot *snapshot = freeze_devices(fixture, pauses[i]);
		viso_guest *clone = clone_of(snapshot);
		viso_process *process = boot_with_port(clone, &host);
		assert_int_equal(write(host, "HELLO", 5), 5);
		assert_ends_with(process, "rng 00000020 random interrupt\n"
					  "block 00000040 read 00000000 01010101 write 00000000 flush 00000000\n"
					  "port org.example.0 00000005 echoed\nend\n");
		assert_int_equal(recv(host, got, sizeof(got), MSG_DONTWAIT), 5);
		assert_string_equal(got, "hello");
		close(host);
		viso_guest_unref(clone);
		viso_snapshot_unref(snapshot);
	}
	assert_int_equal(byte_of(disk, 2 * 512), 2);
	free(disk);
}

static void test_a_disk_that_is_written_is_given_anew(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture, "disk"), *copy = make_disk(fixture, "copy");
	viso_process *process = NULL;
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	viso_snapshot *snapshot = freeze_devices(fixture, 0);
	viso_guest *clone = clone_of(snapshot);
	assert_fails(viso_guest_boot(clone, NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "disk");
	assert_null(process);
	assert_ok(viso_guest_add_disk(clone, copy, 0));
	assert_fails(viso_guest_add_disk(clone, copy, 0), ENOSPC, VISO_STAGE_ARGUMENT, "viso_guest_add_disk");
	int host;
	process = boot_with_port(clone, &host);
	assert_int_equal(write(host, "HELLO", 5), 5);
	assert_ends_with(process, "flush 00000000\nport org.example.0 00000005 echoed\nend\n");
	close(host);
	/* The next one would find it as this one has left it. */
	assert_fails(viso_guest_boot(clone, NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "copy");
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	free(disk);
	free(copy);
}

static void test_a_disk_of_another_size_is_refused(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture, "disk"), *other = kernel_write(fixture, "other", disk, 0);
	viso_process *process = NULL;
	assert_int_equal(truncate(other, 1024), 0);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	viso_snapshot *snapshot = freeze_devices(fixture, 0);
	viso_guest *clone = clone_of(snapshot);
	assert_ok(viso_guest_add_disk(clone, other, 0));
	assert_fails(viso_guest_boot(clone, NULL, &process), EINVAL, VISO_STAGE_GUEST, "disk");
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	free(disk);
	free(other);
}

/* The guest waits at a port that has been closed, and is told. */
static void test_what_is_not_given_is_closed(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_snapshot *snapshot = freeze_devices(fixture, 200000);
	viso_guest *clone = clone_of(snapshot);
	struct kernel_fixture other = {.guest = clone};
	viso_process *process = kernel_boot(&other, NULL);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	int host, end = socket_pair(&host);
	assert_fails(viso_guest_add_port(clone, "org.example.0", end), EBUSY, VISO_STAGE_ARGUMENT,
		     "viso_guest_add_port");
	assert_ok(viso_guest_reset(clone));
	assert_fails(viso_guest_add_port(clone, "org.example.1", end), ENOSPC, VISO_STAGE_ARGUMENT,
		     "viso_guest_add_port");
	assert_fails(viso_guest_add_network(clone, end, NULL), ENOSPC, VISO_STAGE_ARGUMENT, "viso_guest_add_network");
	assert_fails(viso_guest_set_vsock(clone, 3, "/tmp/v"), ENOSPC, VISO_STAGE_ARGUMENT, "viso_guest_set_vsock");
	assert_fails(viso_guest_set_processors(clone, 2), EBUSY, VISO_STAGE_ARGUMENT, "viso_guest_set_processors");
	close(host);
	close(end);
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
}

/* What it wants to know the price of (examples/guest/bell.c), by the host's queue. */
static viso_hypercall *next_question(viso_guest *guest, const char *thing)
{
	viso_hypercall *hypercall = NULL;
	uint64_t address, length;
	char text[16] = "";
	assert_ok(viso_guest_next_hypercall(guest, PATIENCE_MS, &hypercall));
	assert_ok(viso_hypercall_argument(hypercall, 0, &address));
	assert_ok(viso_hypercall_argument(hypercall, 1, &length));
	assert_true(length < sizeof(text));
	assert_ok(viso_hypercall_read(hypercall, address, text, (size_t)length));
	assert_string_equal(text, thing);
	return hypercall;
}

static void tell(viso_hypercall *hypercall, int64_t price)
{
	assert_ok(viso_hypercall_answer(hypercall, price));
	viso_hypercall_unref(hypercall);
}

/* The end of it: one more question, a call by the host, and off. */
static void ask_and_end(viso_guest *guest, viso_process *process, const char *output)
{
	const uint64_t numbers[2] = {2, 3};
	uint64_t sum = 0;
	char answer[8];
	tell(next_question(guest, "gold"), 9);
	assert_ok(viso_guest_call(guest, "add", numbers, 2, PATIENCE_MS, &sum));
	assert_int_equal(sum, 5);
	assert_int_equal(viso_guest_request(guest, "off", 3, answer, sizeof(answer), PATIENCE_MS), 3);
	assert_switched_off(kernel_wait(process), output);
}

/* A call that waits for the host's answer is made once more in the clone, which asks and is asked for itself. */
static void test_calls_are_made_once_more(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	assert_ok(viso_guest_set_kernel(fixture->guest, BELL));
	assert_ok(viso_guest_queue_hypercall(fixture->guest, 1));
	viso_process *process = kernel_boot(fixture, NULL);
	viso_hypercall *question = next_question(fixture->guest, "apples");
	viso_snapshot *snapshot = freeze(fixture->guest);
	struct kernel_fixture other = {.guest = clone_of(snapshot)};
	viso_process *clone = kernel_boot(&other, NULL);
	tell(next_question(other.guest, "apples"), 4);
	tell(question, 5);
	ask_and_end(fixture->guest, process, "apples: 5\ngold: 9\n");
	ask_and_end(other.guest, clone, "apples: 4\ngold: 9\n");
	viso_guest_unref(other.guest);
	viso_snapshot_unref(snapshot);
}

static int64_t hold(viso_hypercall *hypercall, void *data)
{
	sem_t *semaphores = data;
	sem_post(&semaphores[0]);
	sem_wait(&semaphores[1]);
	return 7;
}

/* Its processor is amid an instruction. */
static void test_a_handler_must_have_returned(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_snapshot *snapshot = NULL;
	sem_t semaphores[2];
	need_kvm();
	sem_init(&semaphores[0], 0, 0);
	sem_init(&semaphores[1], 0, 0);
	assert_ok(viso_guest_set_kernel(fixture->guest, BELL));
	assert_ok(viso_guest_set_hypercall_handler(fixture->guest, 1, hold, semaphores, NULL));
	viso_process *process = kernel_boot(fixture, NULL);
	sem_wait(&semaphores[0]);
	assert_fails(viso_guest_snapshot(fixture->guest, &snapshot), EBUSY, VISO_STAGE_GUEST, "computer");
	assert_null(snapshot);
	sem_post(&semaphores[1]);
	sem_post(&semaphores[1]);
	char answer[8];
	assert_int_equal(viso_guest_request(fixture->guest, "off", 3, answer, sizeof(answer), PATIENCE_MS), 3);
	assert_switched_off(kernel_wait(process), "apples: 7\ngold: 7\n");
}

/* A contained one does not wait for its handler: what that says counts for the original, and the clone asks anew. */
static void test_a_handler_may_be_at_it(void **state)
{
	struct kernel_fixture *fixture = *state;
	sem_t semaphores[2];
	char answer[8];
	need_kvm();
	sem_init(&semaphores[0], 0, 0);
	sem_init(&semaphores[1], 0, 0);
	assert_ok(viso_guest_set_kernel(fixture->guest, BELL));
	assert_ok(viso_guest_set_hypercall_handler(fixture->guest, 1, hold, semaphores, NULL));
	viso_process *process = kernel_boot(fixture, NULL);
	sem_wait(&semaphores[0]);
	viso_snapshot *snapshot = freeze(fixture->guest);
	struct kernel_fixture other = {.guest = clone_of(snapshot)};
	viso_process *clone = kernel_boot(&other, NULL);
	sem_wait(&semaphores[0]);
	for (int i = 0; i < 4; i++)
		sem_post(&semaphores[1]);
	assert_int_equal(viso_guest_request(fixture->guest, "off", 3, answer, sizeof(answer), PATIENCE_MS), 3);
	assert_switched_off(kernel_wait(process), "apples: 7\ngold: 7\n");
	assert_int_equal(viso_guest_request(other.guest, "off", 3, answer, sizeof(answer), PATIENCE_MS), 3);
	assert_switched_off(kernel_wait(clone), "apples: 7\ngold: 7\n");
	viso_guest_unref(other.guest);
	viso_snapshot_unref(snapshot);
}

static void test_snapshots_leave_nothing(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct computer original, clone;
	viso_snapshot *snapshot = freeze_echo(fixture, &original);
	viso_snapshot_unref(snapshot);
	const int fds = support_count_fds();
	snapshot = freeze(fixture->guest);
	boot(&clone, clone_of(snapshot));
	say(&clone, "a");
	hear(&clone, "m");
	assert_ok(viso_process_kill(clone.process));
	assert_ended(kernel_wait(clone.process), VISO_REASON_KILLED);
	close(clone.to);
	close(clone.from);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(clone.guest);
	assert_int_equal(support_count_fds(), fds);
	finish(&original);
}

static void test_only_what_runs_is_frozen(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_snapshot *snapshot = NULL;
	need_kvm();
	set_code(fixture, POWER_OFF, HALT);
	assert_fails(viso_guest_snapshot(fixture->guest, &snapshot), ESRCH, VISO_STAGE_GUEST, "viso_guest_snapshot");
	assert_switched_off(kernel_run(fixture), "");
	assert_fails(viso_guest_snapshot(fixture->guest, &snapshot), ESRCH, VISO_STAGE_GUEST, "viso_guest_snapshot");
	assert_null(snapshot);
}

static char *path_of(const struct kernel_fixture *fixture, const char *name)
{
	char *path;
	assert_true(asprintf(&path, "%s/%s", fixture->directory, name) > 0);
	return path;
}

/* This program again, in a new process: loads the file, and has a clone say what it knows. */
static int be_other(char **arguments)
{
	struct computer clone;
	viso_guest *guest = new_guest();
	viso_snapshot *snapshot = NULL;
	alarm(110);
	assert_ok(viso_guest_set_flat_image(guest, arguments[1], CODE));
	assert_ok(viso_snapshot_load(arguments[0], guest, &snapshot));
	boot(&clone, clone_of(snapshot));
	say(&clone, "ab");
	hear(&clone, "ka");
	finish(&clone);
	viso_guest_unref(clone.guest);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	return 0;
}

static int run_other(const char *path, const char *image)
{
	const char *const arguments[] = {"test", path, image, is_contained ? "contained" : NULL, NULL};
	pid_t pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", (char *const *)arguments);
		_exit(100);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

/* The file of a snapshot of a guest that has heard k. */
static char *save_echo(struct kernel_fixture *fixture)
{
	struct computer original;
	need_kvm();
	set_echo(fixture);
	boot(&original, fixture->guest);
	hear(&original, "A");
	say(&original, "k");
	hear(&original, "m");
	viso_snapshot *snapshot = freeze(fixture->guest);
	char *path = path_of(fixture, "saved");
	assert_ok(viso_snapshot_save(snapshot, path));
	viso_snapshot_unref(snapshot);
	finish(&original);
	return path;
}

static void test_a_file_is_loaded_by_another_process(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct stat st;
	char *path = save_echo(fixture);
	assert_int_equal(stat(path, &st), 0);
	/* What was not written to is not in it. */
	assert_true(st.st_blocks * 512 < 8 << 20);
	assert_int_equal(run_other(path, fixture->image), 0);
	free(path);
}

static int load(const struct kernel_fixture *fixture, const char *path)
{
	viso_guest *guest = new_guest();
	viso_snapshot *snapshot = NULL;
	assert_ok(viso_guest_set_flat_image(guest, fixture->image, CODE));
	int r = viso_snapshot_load(path, guest, &snapshot);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	return r;
}

static void test_other_guests_are_refused(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *path = save_echo(fixture);
	viso_snapshot *snapshot = NULL;
	viso_guest *program = viso_guest_new(), *other = new_guest();
	assert_fails(viso_snapshot_load(path, program, &snapshot), EINVAL, VISO_STAGE_ARGUMENT, "saved");
	assert_ok(viso_guest_set_flat_image(other, fixture->image, CODE));
	assert_ok(viso_guest_set_processors(other, 2));
	assert_fails(viso_snapshot_load(path, other, &snapshot), EINVAL, VISO_STAGE_ARGUMENT, "guest");
	viso_guest_unref(other);
	other = viso_guest_new();
	assert_ok(viso_guest_set_flat_image(other, fixture->image, CODE));
	assert_ok(viso_guest_set_placement(other, is_contained ? VISO_PLACEMENT_THREAD : VISO_PLACEMENT_CONTAINED));
	assert_fails(viso_snapshot_load(path, other, &snapshot), EINVAL, VISO_STAGE_ARGUMENT, "placement");
	viso_guest_unref(other);
	/* Other devices are seen when the clone is switched on. */
	other = new_guest();
	assert_ok(viso_guest_set_flat_image(other, fixture->image, CODE));
	assert_ok(viso_guest_add_disk(other, path, VISO_DISK_DISCARD_WRITES));
	assert_ok(viso_snapshot_load(path, other, &snapshot));
	viso_guest *clone = clone_of(snapshot);
	viso_process *process = NULL;
	assert_fails(viso_guest_boot(clone, NULL, &process), EINVAL, VISO_STAGE_GUEST, "devices");
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(program);
	viso_guest_unref(other);
	free(path);
}

static uint8_t *read_file(const char *path, size_t *out_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	uint64_t state_size;
	assert_int_equal(pread(fd, &state_size, sizeof(state_size), STATE_SIZE), sizeof(state_size));
	*out_size = HEAD + state_size;
	uint8_t *data = malloc(*out_size);
	assert_non_null(data);
	assert_int_equal(pread(fd, data, *out_size, 0), *out_size);
	close(fd);
	return data;
}

static void write_begin(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, data, size, 0), size);
	close(fd);
}

/* With the right checksum, as somebody would make it who wants to do harm. */
static void write_forged(const char *path, uint8_t *data, size_t size)
{
	struct sha256_ctx sum;
	memset(data + SUM, 0, SHA256_DIGEST_SIZE);
	sha256_init(&sum);
	sha256_update(&sum, size, data);
	sha256_digest(&sum, SHA256_DIGEST_SIZE, data + SUM);
	write_begin(path, data, size);
}

static void test_damaged_files_are_refused(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *path = save_echo(fixture);
	size_t size;
	struct stat st;
	uint8_t *good = read_file(path, &size);
	for (size_t at = 0; at < HEAD; at += 4) {
		uint8_t bad[HEAD];
		memcpy(bad, good, HEAD);
		bad[at] ^= 1;
		write_begin(path, bad, HEAD);
		assert_int_equal(load(fixture, path) < 0, 1);
	}
	write_begin(path, good, size);
	assert_int_equal(load(fixture, path), 0);
	assert_int_equal(stat(path, &st), 0);
	const off_t sizes[] = {st.st_size - 4096, st.st_size / 2, (off_t)size - 1, HEAD, HEAD - 1, 0};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(truncate(path, sizes[i]), 0);
		assert_int_equal(load(fixture, path), -EINVAL);
	}
	free(good);
	free(path);
}

/* Whatever it says: it is refused, or the clone does what a guest can do, and can be killed. */
static void try_forged(struct kernel_fixture *fixture, const char *path)
{
	viso_guest *guest = new_guest(), *clone = NULL;
	viso_snapshot *snapshot = NULL;
	viso_process *process = NULL;
	assert_ok(viso_guest_set_flat_image(guest, fixture->image, CODE));
	if (viso_snapshot_load(path, guest, &snapshot) == 0) {
		assert_ok(viso_snapshot_clone(snapshot, &clone));
		if (viso_guest_boot(clone, NULL, &process) == 0) {
			assert_ok(viso_process_kill(process));
			viso_result_unref(kernel_wait(process));
		}
	}
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

static void test_forged_files_do_no_harm(void **state)
{
	static const uint64_t values[] = {0, 1, 0xff, 0x1000, 0xffffffff, INT64_MAX, UINT64_MAX, 1ull << 47};
	struct kernel_fixture *fixture = *state;
	char *path = save_echo(fixture);
	size_t size;
	uint8_t *good = read_file(path, &size), *bad = malloc(size);
	assert_non_null(bad);
	srand(1);
	/* A container takes its time. */
	for (int i = 0; i < (is_contained ? 25 : 150); i++) {
		memcpy(bad, good, size);
		size_t at = HEAD + (size_t)rand() % (size - HEAD - 8);
		if (i % 2)
			memcpy(bad + (at & ~(size_t)7), &values[rand() % 8], 8);
		else
			bad[at] ^= (uint8_t)(1 << rand() % 8);
		write_forged(path, bad, size);
		try_forged(fixture, path);
	}
	free(bad);
	free(good);
	free(path);
}

/* A snapshot is a file in memory, and the signal of such a limit would end the host program. */
static void test_a_limit_of_file_sizes_is_no_signal(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_snapshot *snapshot = NULL;
	struct rlimit old, small = {1000, RLIM_INFINITY};
	need_kvm();
	set_code(fixture, FOR_EVER);
	viso_process *process = kernel_boot(fixture, NULL);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int r = viso_guest_snapshot(fixture->guest, &snapshot);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_fails(r, EFBIG, VISO_STAGE_MEMORY, "memory");
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, kernel_teardown)

int main(int argc, char **argv)
{
	is_contained = argc > 1 && strcmp(argv[argc - 1], "contained") == 0;
	if (argc >= 3)
		return be_other(argv + 1);
	const struct CMUnitTest tests[] = {
		is_contained ? (struct CMUnitTest)TEST(test_a_handler_may_be_at_it)
			     : (struct CMUnitTest)TEST(test_a_handler_must_have_returned),
		TEST(test_clones_go_on_from_there),
		TEST(test_a_paused_computer_is_frozen_and_stays_paused),
		TEST(test_a_clone_is_frozen_like_any_other),
		TEST(test_a_clone_that_has_ended_begins_again),
		TEST(test_several_processors_are_frozen),
		TEST(test_devices_go_on_with_what_they_are_given),
		TEST(test_a_disk_that_is_written_is_given_anew),
		TEST(test_a_disk_of_another_size_is_refused),
		TEST(test_what_is_not_given_is_closed),
		TEST(test_calls_are_made_once_more),
		TEST(test_snapshots_leave_nothing),
		TEST(test_only_what_runs_is_frozen),
		TEST(test_a_limit_of_file_sizes_is_no_signal),
		TEST(test_a_file_is_loaded_by_another_process),
		TEST(test_other_guests_are_refused),
		TEST(test_damaged_files_are_refused),
		TEST(test_forged_files_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
