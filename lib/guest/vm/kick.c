/* SPDX-License-Identifier: MIT */
#include "guest/vm/kick.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/hot.h"
#include "core/own_process.h"
#include "guest/contact/hypercalls.h"
#include "guest/vm/vm.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/*
 * A signal that programs hardly use and whose default action is nothing, so that a host program would not be harmed if
 * one ever came through. Ours carries the address of its struct kick; any other is the host program's and is given
 * back.
 */
enum { KICK_SIGNAL = SIGURG, KERNEL_SIGSET_SIZE = 8 };

/* As often as by the watch: once a time is over, the signal is repeated. */
static const int64_t repeat_ns = WATCH_REPEAT_NS;

/* A guest that is called so often with a time limit is likely to be called again: the watch looks after it. */
enum { TIMED_RUNS = 16 };

static const int64_t second_ns = 1000000000;

HOT int64_t clock_now(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * second_ns + time.tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / second_ns, .tv_nsec = ns % second_ns};
}

static void tell_time(struct watched *watched);

void kick_init(struct kick *kick)
{
	*kick = (struct kick){.stop_fd = -1, .alarm = INT64_MAX, .watched.tell = tell_time};
	atomic_init(&kick->watched.deadline, INT64_MAX);
	pthread_mutex_init(&kick->lock, NULL);
}

void kick_release(struct kick *kick)
{
	watch_remove(&kick->watched);
	kick->stop_fd = close_fd(kick->stop_fd);
	pthread_mutex_destroy(&kick->lock);
}

static const unsigned long long killed = 1ull << (SIGKILL - 1);

static void send_signal(struct kick *kick, pid_t thread)
{
	siginfo_t info = {.si_code = SI_QUEUE};
	atomic_store(&kick->is_woken, true);
	info.si_pid = own_process();
	info.si_uid = getuid();
	info.si_value.sival_ptr = kick;
	syscall(SYS_rt_tgsigqueueinfo, own_process(), thread, KICK_SIGNAL, &info);
}

/*
 * No wake-up is lost: the flag is there before the eventfd and before the signal (both are barriers). The thread
 * makes the eventfd, looks at the flag and waits, and the eventfd ends the wait; and KVM_RUN takes the signal when it
 * begins, as it would immediate_exit.
 *
 * The thread begins and leaves without the lock. It takes its number away first and then looks for wakers, and who
 * wakes it is counted before it looks at the number: so the thread sees whoever has seen it, and waits for the lock.
 */
static void wake(struct kick *kick)
{
	atomic_fetch_add(&kick->wakers, 1);
	pthread_mutex_lock(&kick->lock);
	if (kick->stop_fd >= 0)
		eventfd_write(kick->stop_fd, 1);
	pid_t thread = atomic_load(&kick->thread);
	if (thread)
		send_signal(kick, thread);
	atomic_fetch_sub(&kick->wakers, 1);
	pthread_mutex_unlock(&kick->lock);
}

static void tell_time(struct watched *watched)
{
	wake((struct kick *)((char *)watched - offsetof(struct kick, watched)));
}

void kick_stop(struct kick *kick, int signal)
{
	atomic_fetch_or(&kick->signals, 1ull << (signal - 1));
	wake(kick);
}

void kick_pause(struct kick *kick)
{
	atomic_store(&kick->is_paused, true);
	wake(kick);
}

void kick_unpause(struct kick *kick)
{
	atomic_store(&kick->is_paused, false);
}

uint64_t kick_take_signals(struct kick *kick)
{
	return atomic_fetch_and(&kick->signals, killed) & ~killed;
}

void kick_forget(struct kick *kick)
{
	atomic_store(&kick->signals, 0);
	kick->alarm = INT64_MAX;
}

static bool is_ours(const struct kick *kick, const siginfo_t *info)
{
	return (info->si_code == SI_TIMER || info->si_code == SI_QUEUE) && info->si_value.sival_ptr == kick;
}

/* The guests that the calling thread runs, one from a handler of another. */
static _Thread_local struct kick *innermost;

/* Those of outer guests are as good as taken: they look for themselves when the handler is done. */
static bool is_of_outer(const siginfo_t *info)
{
	for (const struct kick *outer = innermost ? innermost->outer : NULL; outer; outer = outer->outer)
		if (is_ours(outer, info))
			return true;
	return false;
}

/* Takes the pending kicks off the thread. */
static void drain(struct kick *kick)
{
	const struct timespec now = {0};
	siginfo_t info;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	while (sigtimedwait(&set, &info, &now) > 0)
		if (!is_ours(kick, &info) && !is_of_outer(&info))
			kick->foreign = info;
}

HOT static enum stop stop_reason_at(const struct kick *kick, int64_t now)
{
	unsigned long long signals = atomic_load(&kick->signals);
	if (signals & killed)
		return STOP_KILLED;
	if (now >= kick->deadline)
		return STOP_TIMED_OUT;
	if (kick->cpu_deadline != INT64_MAX && clock_now(CLOCK_THREAD_CPUTIME_ID) >= kick->cpu_deadline)
		return STOP_CPU_TIME;
	if (atomic_load(&kick->is_paused))
		return STOP_PAUSED;
	if (signals)
		return STOP_SIGNALLED;
	return now >= kick->alarm ? STOP_ALARM : STOP_NONE;
}

static enum stop stop_reason(const struct kick *kick)
{
	bool is_timed = kick->deadline != INT64_MAX || kick->alarm != INT64_MAX;
	return stop_reason_at(kick, is_timed ? clock_now(CLOCK_MONOTONIC) : 0);
}

enum stop kick_check(struct kick *kick)
{
	drain(kick);
	return stop_reason(kick);
}

bool kick_is_due(const struct kick *kick)
{
	return stop_reason(kick) != STOP_NONE;
}

bool kick_must_end(const struct kick *kick)
{
	enum stop reason = stop_reason(kick);
	return reason == STOP_KILLED || reason == STOP_TIMED_OUT || reason == STOP_CPU_TIME;
}

HOT bool kick_is_due_at(const struct kick *kick, int64_t now)
{
	return stop_reason_at(kick, now) != STOP_NONE;
}

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long to wait at once: without a fd for the stop it is looked for again and again. */
static int64_t longest_wait(const struct kick *kick)
{
	return kick->stop_fd < 0 ? repeat_ns / 10 : INT64_MAX;
}

static void make_stop_fd(struct kick *kick)
{
	if (kick->stop_fd >= 0)
		return;
	int fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	pthread_mutex_lock(&kick->lock);
	kick->stop_fd = fd;
	pthread_mutex_unlock(&kick->lock);
}

int kick_wait(struct kick *kick, struct pollfd *fds, int count, int64_t until)
{
	int64_t end = earliest(until, earliest(kick->deadline, kick->alarm));
	make_stop_fd(kick);
	const int64_t longest = longest_wait(kick);
	fds[count] = (struct pollfd){.fd = kick->stop_fd, .events = POLLIN};
	/* Even where a fd is ready: the caller may come again and again, since a terminal can be ready for less than is
	 * asked. */
	while (!kick_is_due(kick)) {
		int64_t left = earliest(longest, end == INT64_MAX ? end : end - clock_now(CLOCK_MONOTONIC));
		struct timespec timeout = to_timespec(left > 0 ? left : 0);
		gate_unlock(kick->gate);
		int64_t begin = clock_now(CLOCK_MONOTONIC);
		int n = ppoll(fds, (nfds_t)count + 1, left == INT64_MAX ? NULL : &timeout, NULL);
		int error = errno;
		kick->waited += clock_now(CLOCK_MONOTONIC) - begin;
		gate_lock(kick->gate);
		errno = error;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[count].revents) {
			/* The reason may have been dealt with before: then this is a wake-up of the past. */
			eventfd_t wakeups;
			eventfd_read(kick->stop_fd, &wakeups);
			n--;
		}
		if (n > 0 && !kick_is_due(kick))
			return n;
		if (clock_now(CLOCK_MONOTONIC) >= until)
			return kick_is_due(kick) ? -EINTR : 0;
	}
	return -EINTR;
}

/* A timer that kicks the calling thread. */
static int make_timer(struct kick *kick, clockid_t clock, timer_t *out)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK_SIGNAL};
	event.sigev_value.sival_ptr = kick;
	event.sigev_notify_thread_id = kick->thread;
	return timer_create(clock, &event, out) < 0 ? -errno : 0;
}

/* Repeated too: the wake-up may have been dropped because another one was pending. */
static void arm_alarm(struct kick *kick)
{
	struct itimerspec setting = {{0}};
	if (kick->alarm != INT64_MAX) {
		setting.it_value = to_timespec(kick->alarm > 0 ? kick->alarm : 1);
		setting.it_interval = to_timespec(repeat_ns);
		if (!kick->has_alarm_timer)
			kick->has_alarm_timer = make_timer(kick, CLOCK_MONOTONIC, &kick->alarm_timer) == 0;
	}
	if (kick->has_alarm_timer)
		timer_settime(kick->alarm_timer, TIMER_ABSTIME, &setting, NULL);
}

void kick_set_alarm(struct kick *kick, int64_t when)
{
	if (when == kick->alarm)
		return;
	kick->alarm = when;
	arm_alarm(kick);
}

HOT static int add_timer(struct kick *kick, clockid_t clock, int64_t end)
{
	if (end == INT64_MAX)
		return 0;
	int r = make_timer(kick, clock, &kick->timers[kick->timer_count]);
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, "timer_create", NULL);
	kick->timer_count++;
	struct itimerspec setting = {.it_value = to_timespec(end), .it_interval = to_timespec(repeat_ns)};
	if (timer_settime(kick->timers[kick->timer_count - 1], TIMER_ABSTIME, &setting, NULL) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "timer_settime", NULL);
	return 0;
}

HOT static int limit_time(struct kick *kick)
{
	if (kick->limited_runs < TIMED_RUNS && kick->deadline != INT64_MAX)
		kick->limited_runs++;
	else if (kick->deadline == INT64_MAX || watch_begin(&kick->watched, kick->deadline))
		return 0;
	else
		kick->limited_runs = 0; /* to ask takes longer than a timer: not each time */
	return add_timer(kick, CLOCK_MONOTONIC, kick->deadline);
}

int kick_set_slices(struct kick *kick, bool on)
{
	int r = kick->has_slice_timer ? 0 : make_timer(kick, CLOCK_MONOTONIC, &kick->slice_timer);
	if (r < 0)
		return r;
	kick->has_slice_timer = true;
	const struct timespec slice = to_timespec(on ? KICK_SLICE_NS : 0);
	const struct itimerspec setting = {.it_value = slice, .it_interval = slice};
	return timer_settime(kick->slice_timer, 0, &setting, NULL) < 0 ? -errno : 0;
}

static uint64_t bit_of(int signal)
{
	return 1ull << (signal - 1);
}

/* The kernel's own form: the C library's takes longer to make than to set. */
HOT static void set_mask(int how, uint64_t mask, uint64_t *out_old)
{
	syscall(SYS_rt_sigprocmask, how, &mask, out_old, KERNEL_SIGSET_SIZE);
}

HOT static int set_vcpu_mask(struct vm *vm, uint64_t mask)
{
	if (vm->signal_mask == mask)
		return 0;
	struct {
		struct kvm_signal_mask header;
		uint8_t set[KERNEL_SIGSET_SIZE];
	} setting = {.header.len = KERNEL_SIGSET_SIZE};
	const uint64_t run = mask & ~bit_of(KICK_SIGNAL);
	memcpy(setting.header.sigset, &run, KERNEL_SIGSET_SIZE);
	if (ioctl(vm->vcpu_fd, KVM_SET_SIGNAL_MASK, &setting) < 0)
		return vm_fail("KVM_SET_SIGNAL_MASK");
	vm->signal_mask = mask;
	return 0;
}

/* Writing for the guest may cause these in the host's thread; they are the guest's. */
static const int write_signals[2] = {SIGPIPE, SIGXFSZ};

/* What is blocked then. */
HOT static uint64_t block_signals(struct kick *kick)
{
	const uint64_t written = bit_of(SIGPIPE) | bit_of(SIGXFSZ), block = written | bit_of(KICK_SIGNAL);
	sigset_t pending;
	set_mask(SIG_BLOCK, block, &kick->old_mask);
	/* What was not blocked was not pending. */
	bool may_be_pending = kick->old_mask & written;
	if (may_be_pending)
		sigpending(&pending);
	for (int i = 0; i < 2; i++)
		kick->old_pending[i] = may_be_pending && sigismember(&pending, write_signals[i]) == 1;
	return kick->old_mask | block;
}

/* Takes off the thread what the guest has caused. */
static void take_signals(struct kick *kick)
{
	const struct timespec now = {0};
	sigset_t pending;
	sigpending(&pending);
	if (sigismember(&pending, KICK_SIGNAL))
		drain(kick);
	for (int i = 0; i < 2; i++) {
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, write_signals[i]);
		if (sigismember(&pending, write_signals[i]) && !kick->old_pending[i])
			sigtimedwait(&set, NULL, &now);
	}
}

HOT int kick_enter(struct kick *kick, struct vm *vm, int64_t deadline, int64_t cpu_limit)
{
	/* A variable of the thread's is looked up by a call of the loader: once for both ends. */
	kick->place = &innermost;
	kick->outer = *kick->place;
	*kick->place = kick;
	uint64_t blocked = block_signals(kick);
	atomic_store(&kick->thread, own_thread());
	kick->deadline = deadline ? deadline : INT64_MAX;
	kick->cpu_deadline = cpu_limit ? clock_now(CLOCK_THREAD_CPUTIME_ID) + cpu_limit : INT64_MAX;
	int r = set_vcpu_mask(vm, blocked);
	if (r == 0)
		r = limit_time(kick);
	if (r == 0)
		r = add_timer(kick, CLOCK_THREAD_CPUTIME_ID, kick->cpu_deadline);
	if (r < 0) {
		kick_leave(kick, false);
		return r;
	}
	if (kick->alarm != INT64_MAX)
		arm_alarm(kick);
	return 0;
}

HOT static bool delete_timers(struct kick *kick)
{
	bool any = kick->timer_count > 0 || kick->has_alarm_timer || kick->has_slice_timer;
	while (kick->timer_count > 0)
		timer_delete(kick->timers[--kick->timer_count]);
	if (kick->has_alarm_timer)
		timer_delete(kick->alarm_timer);
	kick->has_alarm_timer = false;
	if (kick->has_slice_timer)
		timer_delete(kick->slice_timer);
	kick->has_slice_timer = false;
	return any;
}

/* From now on nobody sends this thread a signal. Whether somebody has since it began. */
HOT static bool leave_thread(struct kick *kick)
{
	if (kick->watched.watch)
		watch_end(&kick->watched);
	atomic_store(&kick->thread, 0);
	if (kick->stop_fd >= 0 || atomic_load(&kick->wakers)) {
		pthread_mutex_lock(&kick->lock);
		kick->stop_fd = close_fd(kick->stop_fd);
		pthread_mutex_unlock(&kick->lock);
	}
	bool is_woken = atomic_load(&kick->is_woken);
	if (is_woken)
		atomic_store(&kick->is_woken, false);
	return delete_timers(kick) || is_woken;
}

HOT void kick_leave(struct kick *kick, bool has_written)
{
	if (leave_thread(kick) || has_written)
		take_signals(kick);
	*kick->place = kick->outer;
	if (kick->foreign.si_signo)
		syscall(SYS_rt_sigqueueinfo, own_process(), KICK_SIGNAL, &kick->foreign);
	kick->foreign.si_signo = 0;
	set_mask(SIG_SETMASK, kick->old_mask, NULL);
}
