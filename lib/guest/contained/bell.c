/* SPDX-License-Identifier: MIT */
#include "guest/contained/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/file_limit.h"
#include "core/memfd.h"
#include "guest/contained/computer_message.h"
#include "guest/contained/link.h"
#include "guest/device/doorbell.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/snapshot/computer.h"
#include "guest/thread.h"

/*
 * CALLERS_MAX: so many handlers run at once, where so many processors ask. A guest that rings so often for nothing is
 * heard a little later each time: else it would have a processor of the host's for itself, which none of its limits
 * counts.
 */
enum { CALLERS_MAX = 8, LISTENER = 0, THREADS_MAX = CALLERS_MAX + 1, VAIN_RINGS = 16, REST_MS = 2 };

struct bell_thread {
	struct bell *bell; /* a reference */
	pthread_t thread;
	bool has_thread;
	bool is_outside; /* runs a handler of the host program's */
	bool has_finished;
};

struct bell {
	atomic_uint references;
	struct doorbell *doorbell;   /* a reference */
	struct contained_link *link; /* likewise */
	int ring;                    /* the other process has it, too, and may read it or not */
	int wake;                    /* an eventfd of our own */
	int end;
	unsigned callers; /* 0: nobody has a handler */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct bell_thread threads[THREADS_MAX];
	unsigned to_call; /* how many callers are to look */
	bool is_ended;
};

static _Thread_local struct bell_thread *own;

static void set(bool *what, bool value)
{
	pthread_mutex_lock(&own->bell->lock);
	*what = value;
	pthread_cond_broadcast(&own->bell->changed);
	pthread_mutex_unlock(&own->bell->lock);
}

static void leave(void)
{
	set(&own->is_outside, true);
}

static void back(void)
{
	set(&own->is_outside, false);
}

/* With the doorbell's lock, from any thread. */
static void set_line(void *data, unsigned line, bool level)
{
	if (level)
		link_interrupt(data);
}

static int access_memory(void *data, uint64_t address, void *buffer, size_t size, bool writes)
{
	return link_access(data, address, buffer, size, writes);
}

static void release_link(void *data)
{
	link_unref(data);
}

static int fail(const char *what)
{
	return error_fail(VISO_STAGE_GUEST, errno, what, NULL);
}

/* A memory file counts for RLIMIT_FSIZE, which comes with a signal (setrlimit(2)). */
static int fill_pages(int fd)
{
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	int r = fallocate(fd, 0, 0, DOORBELL_SIZE) < 0 ? fail("fallocate") : 0;
	file_limit_end(&guard);
	return r;
}

/* All of its memory is there, and its end cannot be taken away: whoever reads beyond that gets SIGBUS. */
static int open_pages(void)
{
	_cleanup_close_ int fd = memfd_with("viso-doorbell", 0, NULL, 0);
	if (fd < 0)
		return error_fail(VISO_STAGE_GUEST, -fd, "memfd_create", NULL);
	int r = fill_pages(fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return fail("fcntl");
	return TAKE_FD(fd);
}

static int make_doorbell(struct bell *bell, viso_guest *guest, int pages)
{
	const struct doorbell_apart apart = {
		.pages = pages,
		.access = access_memory,
		.release = release_link,
		.data = bell->link,
	};
	const struct doorbell_setting setting = {
		.address = LAYOUT_DOORBELL,
		.port = LAYOUT_DOORBELL_PORT,
		.line = LAYOUT_DOORBELL_LINE,
		.interrupt = {.set = set_line, .data = bell->link},
		.processor = {.leave = leave, .back = back},
		.apart = &apart,
		.guest = guest,
	};
	bell->doorbell = doorbell_new(&setting);
	if (!bell->doorbell)
		return error_memory();
	link_ref(bell->link);
	return 0;
}

static int open_link(struct bell *bell, int *out_theirs)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail("socketpair");
	*out_theirs = ends[1];
	bell->link = link_new(ends[0]);
	return bell->link ? 0 : -ENOMEM;
}

static int load(struct bell *bell, const struct computer_snapshot *computer)
{
	struct state_reader in = {.data = computer->bell.data, .left = computer->bell.size};
	int r = doorbell_load(bell->doorbell, &in);
	doorbell_pause(bell->doorbell);
	return r == 0 && in.left ? state_damaged("doorbell") : r;
}

static int fill(struct bell *bell, viso_guest *guest, viso_command *server)
{
	_cleanup_close_ int pages = open_pages(), theirs = -1;
	if (pages < 0)
		return pages;
	bell->ring = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	bell->wake = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (bell->ring < 0 || bell->wake < 0)
		return fail("eventfd");
	int r = open_link(bell, &theirs);
	if (r == 0)
		r = make_doorbell(bell, guest, pages);
	if (r == 0 && guest->kernel->origin)
		r = load(bell, computer_of(guest->kernel->origin));
	if (r == 0)
		r = viso_command_add_fd(server, pages, COMPUTER_PAGES);
	if (r == 0)
		r = viso_command_add_fd(server, bell->ring, COMPUTER_RING);
	return r == 0 ? viso_command_add_fd(server, theirs, COMPUTER_LINK) : r;
}

int bell_new(viso_guest *guest, viso_command *server, struct bell **out_bell)
{
	struct bell *bell = calloc(1, sizeof(*bell));
	if (!bell)
		return error_memory();
	const unsigned processors = guest->kernel->processors ? guest->kernel->processors : 1;
	atomic_init(&bell->references, 1);
	bell->ring = bell->wake = bell->end = -1;
	if (guest->hypercalls.handlers)
		bell->callers = processors < CALLERS_MAX ? processors : CALLERS_MAX;
	pthread_mutex_init(&bell->lock, NULL);
	pthread_cond_init(&bell->changed, NULL);
	int r = fill(bell, guest, server);
	if (r < 0) {
		bell_end(bell);
		bell_unref(bell);
		return r;
	}
	*out_bell = bell;
	return 0;
}

struct doorbell *bell_doorbell(const struct bell *bell)
{
	return bell->doorbell;
}

/* Each caller, once it is free, makes all calls that no other one has taken. */
static void hear_ring(struct bell *bell)
{
	doorbell_hear_answers(bell->doorbell);
	if (bell->callers == 0) {
		doorbell_make_calls(bell->doorbell);
		return;
	}
	unsigned count = doorbell_count_calls(bell->doorbell);
	pthread_mutex_lock(&bell->lock);
	bell->to_call = count < bell->callers ? count : bell->callers;
	pthread_cond_broadcast(&bell->changed);
	pthread_mutex_unlock(&bell->lock);
}

/* False at the end. Whoever shares `ring` may have read it first, and have made it one that waits. */
static bool await_ring(const struct bell *bell)
{
	struct pollfd fds[] = {{.fd = bell->ring, .events = POLLIN},
			       {.fd = bell->wake, .events = POLLIN},
			       {.fd = bell->end, .events = POLLIN}};
	uint64_t count;
	const struct iovec part = {&count, sizeof(count)};
	if (poll(fds, 3, -1) < 0)
		return errno == EINTR;
	(void)!preadv2(bell->ring, &part, 1, -1, RWF_NOWAIT);
	return !fds[1].revents && !fds[2].revents;
}

/* Those that ring at once are heard together, so one in vain may follow each that is not, but not many. */
static void rest(const struct bell *bell, unsigned *progress, unsigned *vain)
{
	struct pollfd fds[] = {{.fd = bell->wake, .events = POLLIN}, {.fd = bell->end, .events = POLLIN}};
	const unsigned now = doorbell_progress(bell->doorbell);
	*vain = now == *progress ? *vain + 1 : 0;
	*progress = now;
	if (*vain >= VAIN_RINGS)
		poll(fds, 2, REST_MS);
}

static void finish(struct bell *bell)
{
	set(&own->has_finished, true);
	bell_unref(bell);
}

static void *listen_to_guest(void *data)
{
	own = data;
	struct bell *bell = own->bell;
	unsigned progress = 0, vain = 0;
	while (await_ring(bell)) {
		hear_ring(bell);
		rest(bell, &progress, &vain);
	}
	doorbell_close(bell->doorbell);
	finish(bell);
	return NULL;
}

/* False at the end. */
static bool await_call(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	while (bell->to_call == 0 && !bell->is_ended)
		pthread_cond_wait(&bell->changed, &bell->lock);
	bool goes_on = !bell->is_ended;
	bell->to_call -= goes_on;
	pthread_mutex_unlock(&bell->lock);
	return goes_on;
}

static void *make_calls(void *data)
{
	own = data;
	struct bell *bell = own->bell;
	while (await_call(bell))
		doorbell_make_calls(bell->doorbell);
	finish(bell);
	return NULL;
}

static int start_thread(struct bell *bell, unsigned index)
{
	struct bell_thread *thread = &bell->threads[index];
	thread->bell = bell;
	atomic_fetch_add(&bell->references, 1);
	int r = thread_start(&thread->thread, index == LISTENER ? listen_to_guest : make_calls, thread);
	thread->has_thread = r == 0;
	if (r == 0)
		return 0;
	bell_unref(bell);
	return error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL);
}

int bell_start(struct bell *bell, int end)
{
	int r = 0;
	bell->end = fcntl(end, F_DUPFD_CLOEXEC, 3);
	if (bell->end < 0)
		return fail("dup");
	link_start(bell->link, bell->end);
	for (unsigned i = 0; i <= bell->callers && r == 0; i++)
		r = start_thread(bell, i);
	return r;
}

void bell_go_on(struct bell *bell)
{
	doorbell_submit_again(bell->doorbell);
	eventfd_write(bell->ring, 1);
}

/* One that begins a handler now is waited for no longer. */
static void end_thread(struct bell *bell, struct bell_thread *thread)
{
	if (!thread->has_thread)
		return;
	pthread_mutex_lock(&bell->lock);
	while (!thread->has_finished && !thread->is_outside)
		pthread_cond_wait(&bell->changed, &bell->lock);
	bool is_left = !thread->has_finished;
	pthread_mutex_unlock(&bell->lock);
	if (is_left)
		pthread_detach(thread->thread);
	else
		pthread_join(thread->thread, NULL);
}

void bell_end(struct bell *bell)
{
	/* First of all, since another thread may be at the rest. */
	if (bell->doorbell)
		doorbell_close(bell->doorbell);
	pthread_mutex_lock(&bell->lock);
	bool was_ended = bell->is_ended;
	bell->is_ended = true;
	pthread_cond_broadcast(&bell->changed);
	pthread_mutex_unlock(&bell->lock);
	if (was_ended)
		return;
	eventfd_write(bell->wake, 1);
	for (unsigned i = 0; i < THREADS_MAX; i++)
		end_thread(bell, &bell->threads[i]);
	if (bell->link)
		link_close(link_ref(bell->link));
}

static void close_fds(struct bell *bell)
{
	close_fd(bell->ring);
	close_fd(bell->wake);
	close_fd(bell->end);
}

void bell_unref(struct bell *bell)
{
	if (!bell || atomic_fetch_sub(&bell->references, 1) != 1)
		return;
	doorbell_unref(bell->doorbell);
	if (bell->link)
		link_unref(bell->link);
	close_fds(bell);
	pthread_cond_destroy(&bell->changed);
	pthread_mutex_destroy(&bell->lock);
	free(bell);
}

/* Its threads, with their references, are not in the child, and one of them may have had a lock. */
void bell_forget(struct bell *bell)
{
	doorbell_forget(bell->doorbell);
	link_forget(bell->link);
	close_fds(bell);
	free(bell);
}
