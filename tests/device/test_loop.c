/* SPDX-License-Identifier: MIT */
/* The thread of devices, as the scheduler sees it. */
#include "guest/device/loop.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support.h"

enum { WATCH_LIMIT_S = 50 };

struct seen {
	int fd;
	int policy;
	sem_t is_seen;
};

static void look(void *data, uint64_t number, uint32_t events)
{
	struct seen *seen = data;
	eventfd_t count;
	if (eventfd_read(seen->fd, &count) < 0)
		return;
	seen->policy = sched_getscheduler(0);
	sem_post(&seen->is_seen);
}

static int set_policy(int policy)
{
	const struct sched_param param = {.sched_priority = policy == SCHED_FIFO ? 1 : 0};
	return sched_setscheduler(0, policy, &param);
}

/* Of the thread of a loop that a thread of this policy starts; -1 where that may not be. */
static void *policy_of_loop(void *data)
{
	int *policy = data;
	struct seen seen = {.policy = -1};
	struct loop loop;
	if (set_policy(*policy) < 0) {
		*policy = -1;
		return NULL;
	}
	seen.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sem_init(&seen.is_seen, 0, 0);
	loop_init(&loop);
	int handler = loop_add(&loop, look, &seen);
	assert_int_equal(loop_start(&loop), 0);
	assert_int_equal(loop_watch(&loop, handler, 0, seen.fd, EPOLLIN), 0);
	assert_int_equal(eventfd_write(seen.fd, 1), 0);
	while (sem_wait(&seen.is_seen) < 0)
		;
	loop_stop(&loop);
	loop_release(&loop);
	close(seen.fd);
	sem_destroy(&seen.is_seen);
	*policy = seen.policy;
	return NULL;
}

static int policy_after(int policy)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, policy_of_loop, &policy), 0);
	pthread_join(thread, NULL);
	return policy;
}

static void it_does_not_preempt_whoever_notifies(void **state)
{
	skip_without(policy_after(SCHED_BATCH) == SCHED_BATCH, "sched_setscheduler(2)");
	assert_int_equal(policy_after(SCHED_OTHER), SCHED_BATCH);
}

static void a_policy_of_the_hosts_own_stays(void **state)
{
	int policy = policy_after(SCHED_FIFO);
	skip_without(policy >= 0, "real-time priority");
	assert_int_equal(policy, SCHED_FIFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_does_not_preempt_whoever_notifies),
		cmocka_unit_test(a_policy_of_the_hosts_own_stays),
	};
	support_time_limit(WATCH_LIMIT_S);
	return cmocka_run_group_tests_name("device-loop", tests, NULL, NULL);
}
