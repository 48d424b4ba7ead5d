/* SPDX-License-Identifier: MIT */
/* Chains as drivers build them, and as a hostile one does. */
#include <string.h>

#include "driver.h"
#include "guest/device/virtio/rng.h"
#include "support.h"

/* A driver's memory with one queue of 8 that no device looks at: the test does. */
struct bench {
	struct driver driver;
	struct virtqueue queue;
	struct chain chain;
};

enum { SIZE = 8 };

static void enable(struct bench *bench, bool has_event_index, bool has_indirect)
{
	struct driver_queue *ours = &bench->driver.queues[0];
	bench->queue = (struct virtqueue){.size = SIZE, .size_max = SIZE};
	memset(bench->driver.low, 0, LOW_SIZE);
	*ours = (struct driver_queue){.size = SIZE, .table = 0x1000, .available = 0x2000, .used = 0x3000};
	bench->queue.descriptors = ours->table;
	bench->queue.driver = ours->available;
	bench->queue.device = ours->used;
	assert_true(queue_enable(&bench->queue, &bench->driver.ram, has_event_index, has_indirect));
}

static int set_up(void **state)
{
	static struct bench bench;
	struct virtio *rng;
	driver_open(&bench.driver);
	assert_int_equal(virtio_rng_new(&bench.driver.ram, driver_interrupt(&bench.driver), &bench.driver.loop, &rng),
			 0);
	driver_take(&bench.driver, rng);
	enable(&bench, false, true);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	driver_close(&bench->driver);
	return 0;
}

static bool pop(struct bench *bench, uint16_t head)
{
	driver_make_available(&bench->driver, 0, head);
	return queue_pop(&bench->queue, &bench->chain);
}

static void assert_broken(struct bench *bench, uint16_t head, const char *what)
{
	if (pop(bench, head) || !bench->queue.is_broken)
		fail_msg("%s was taken", what);
	/* And nothing more comes, whatever is made available. */
	driver_descriptor(&bench->driver, 0, 0, 0x4000, 16, 0, 0);
	assert_false(pop(bench, 0));
	enable(bench, false, true);
}

static void a_chain_comes_as_it_was_built(void **state)
{
	struct bench *bench = *state;
	driver_descriptor(&bench->driver, 0, 3, 0x4000, 16, VRING_DESC_F_NEXT, 5);
	driver_descriptor(&bench->driver, 0, 5, HIGH_BASE, 32, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	driver_descriptor(&bench->driver, 0, 1, HIGH_BASE + HIGH_SIZE - 1, 1, VRING_DESC_F_WRITE, 77);
	assert_false(queue_pop(&bench->queue, &bench->chain));
	assert_true(pop(bench, 3));
	assert_int_equal(bench->chain.head, 3);
	assert_int_equal(bench->chain.readable, 1);
	assert_int_equal(bench->chain.writable, 2);
	assert_int_equal(bench->chain.readable_bytes, 16);
	assert_int_equal(bench->chain.writable_bytes, 33);
	assert_ptr_equal(bench->chain.segments[0].iov_base, bench->driver.low + 0x4000);
	assert_ptr_equal(bench->chain.segments[2].iov_base, bench->driver.high + HIGH_SIZE - 1);
	assert_false(queue_pop(&bench->queue, &bench->chain));
	queue_unpop(&bench->queue, 1);
	assert_true(queue_pop(&bench->queue, &bench->chain));
	assert_int_equal(bench->chain.head, 3);
}

static void bytes_go_across_segments(void **state)
{
	struct bench *bench = *state;
	char text[16] = {0};
	for (uint16_t i = 0; i < 4; i++)
		driver_descriptor(&bench->driver, 0, i, 0x4000 + 0x100U * i, 3,
				  VRING_DESC_F_NEXT | (i > 1 ? VRING_DESC_F_WRITE : 0), (uint16_t)(i + 1));
	driver_descriptor(&bench->driver, 0, 4, 0x5000, 0, VRING_DESC_F_WRITE, 0);
	memcpy(bench->driver.low + 0x4000, "abc", 3);
	memcpy(bench->driver.low + 0x4100, "def", 3);
	assert_true(pop(bench, 0));
	assert_int_equal(chain_read(&bench->chain, 1, text, 16), 5);
	assert_string_equal(text, "bcdef");
	assert_int_equal(chain_read(&bench->chain, 6, text, 16), 0);
	assert_int_equal(chain_read(&bench->chain, UINT64_MAX, text, 16), 0);
	assert_int_equal(chain_write(&bench->chain, 2, "123456", 6), 4);
	assert_memory_equal(bench->driver.low + 0x4200, "\0\0001", 3);
	assert_memory_equal(bench->driver.low + 0x4300, "234", 4);
}

static void hostile_chains_break_the_queue(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	assert_broken(bench, SIZE, "a head outside the table");
	assert_broken(bench, UINT16_MAX, "a head far outside");
	driver_descriptor(driver, 0, 0, 0x4000, 16, VRING_DESC_F_NEXT, 0);
	assert_broken(bench, 0, "a loop of one");
	driver_descriptor(driver, 0, 0, 0x4000, 16, VRING_DESC_F_NEXT, 1);
	driver_descriptor(driver, 0, 1, 0x4000, 16, VRING_DESC_F_NEXT, 0);
	assert_broken(bench, 0, "a loop of two");
	driver_descriptor(driver, 0, 0, 0x4000, 16, VRING_DESC_F_NEXT, SIZE);
	assert_broken(bench, 0, "a next one outside the table");
	driver_descriptor(driver, 0, 0, LOW_SIZE - 8, 16, 0, 0);
	assert_broken(bench, 0, "a buffer over the end of memory");
	driver_descriptor(driver, 0, 0, UINT64_MAX - 7, 16, 0, 0);
	assert_broken(bench, 0, "a buffer around the end of addresses");
	driver_descriptor(driver, 0, 0, HIGH_BASE - 8, 16, 0, 0);
	assert_broken(bench, 0, "a buffer that begins in a hole");
	driver_descriptor(driver, 0, 0, DRIVER_BASE, 4, 0, 0);
	assert_broken(bench, 0, "a buffer in registers");
	driver_descriptor(driver, 0, 0, 0, UINT32_MAX, 0, 0);
	assert_broken(bench, 0, "a buffer of 4 GiB");
	driver_descriptor(driver, 0, 0, 0x4000, 4, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	driver_descriptor(driver, 0, 1, 0x4000, 4, 0, 0);
	assert_broken(bench, 0, "a readable one behind a writable one");
	struct vring_avail *ring = driver_at(driver, driver->queues[0].available);
	ring->idx = SIZE + 1;
	assert_false(queue_pop(&bench->queue, &bench->chain));
	assert_true(bench->queue.is_broken);
}

static void put_indirect(struct bench *bench, uint64_t address, unsigned index, struct vring_desc descriptor)
{
	struct vring_desc *table = driver_at(&bench->driver, address);
	table[index] = descriptor;
}

static void indirect_tables_are_followed_once(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	put_indirect(bench, 0x6000, 0, (struct vring_desc){0x4000, 8, VRING_DESC_F_NEXT, 2});
	put_indirect(bench, 0x6000, 2, (struct vring_desc){0x5000, 8, VRING_DESC_F_WRITE, 0});
	driver_descriptor(driver, 0, 0, 0x6000, 48, VRING_DESC_F_INDIRECT, 0);
	assert_true(pop(bench, 0));
	assert_int_equal(bench->chain.readable_bytes, 8);
	assert_int_equal(bench->chain.writable_bytes, 8);
	/* Behind others, as 2.7.5.3.2 allows. */
	driver_descriptor(driver, 0, 1, 0x4100, 8, VRING_DESC_F_NEXT, 0);
	assert_true(pop(bench, 1));
	assert_int_equal(bench->chain.readable_bytes, 16);

	driver_descriptor(driver, 0, 0, 0x6000, 47, VRING_DESC_F_INDIRECT, 0);
	assert_broken(bench, 0, "a table of no whole descriptors");
	driver_descriptor(driver, 0, 0, 0x6000, 0, VRING_DESC_F_INDIRECT, 0);
	assert_broken(bench, 0, "an empty table");
	driver_descriptor(driver, 0, 0, 0x6000, 16 * (SIZE + 1), VRING_DESC_F_INDIRECT, 0);
	assert_broken(bench, 0, "a table that is longer than the queue");
	driver_descriptor(driver, 0, 0, LOW_SIZE - 16, 32, VRING_DESC_F_INDIRECT, 0);
	assert_broken(bench, 0, "a table over the end of memory");
	driver_descriptor(driver, 0, 0, 0x6000, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	assert_broken(bench, 0, "a table with a next one");
	put_indirect(bench, 0x6000, 0, (struct vring_desc){0x6000, 16, VRING_DESC_F_INDIRECT, 0});
	driver_descriptor(driver, 0, 0, 0x6000, 16, VRING_DESC_F_INDIRECT, 0);
	assert_broken(bench, 0, "a table in a table");
	put_indirect(bench, 0x6000, 0, (struct vring_desc){0x4000, 16, VRING_DESC_F_NEXT, 1});
	driver_descriptor(driver, 0, 0, 0x6000, 16, VRING_DESC_F_INDIRECT, 0);
	assert_broken(bench, 0, "a next one behind the table");
	enable(bench, false, false);
	put_indirect(bench, 0x6000, 0, (struct vring_desc){0x4000, 16, 0, 0});
	driver_descriptor(driver, 0, 0, 0x6000, 16, VRING_DESC_F_INDIRECT, 0);
	assert_broken(bench, 0, "a table that was not negotiated");
}

static void a_chain_is_no_longer_than_the_queue(void **state)
{
	struct bench *bench = *state;
	for (unsigned i = 0; i < SIZE; i++)
		put_indirect(bench, 0x6000, i,
			     (struct vring_desc){0x4000, 1, i + 1 < SIZE ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1)});
	driver_descriptor(&bench->driver, 0, 0, 0x6000, 16 * SIZE, VRING_DESC_F_INDIRECT, 0);
	assert_true(pop(bench, 0));
	assert_int_equal(bench->chain.readable, SIZE);
	driver_descriptor(&bench->driver, 0, 1, 0x4000, 1, VRING_DESC_F_NEXT, 0);
	assert_broken(bench, 1, "a chain of one more, by a table");
}

static void interrupts_are_asked_for_by_the_flag(void **state)
{
	struct bench *bench = *state;
	struct vring_avail *ring = driver_at(&bench->driver, bench->driver.queues[0].available);
	assert_false(queue_must_signal(&bench->queue));
	queue_push(&bench->queue, 0, 0);
	assert_true(queue_must_signal(&bench->queue));
	assert_false(queue_must_signal(&bench->queue));
	ring->flags = VRING_AVAIL_F_NO_INTERRUPT;
	queue_push(&bench->queue, 0, 0);
	assert_false(queue_must_signal(&bench->queue));
	struct vring_used *used = driver_at(&bench->driver, bench->driver.queues[0].used);
	queue_silence(&bench->queue);
	assert_int_equal(used->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(queue_listen(&bench->queue));
	assert_int_equal(used->flags, 0);
	driver_make_available(&bench->driver, 0, 0);
	assert_true(queue_listen(&bench->queue));
}

static void interrupts_are_asked_for_by_index(void **state)
{
	struct bench *bench = *state;
	enable(bench, true, true);
	struct vring_avail *ring = driver_at(&bench->driver, bench->driver.queues[0].available);
	struct vring_used *used = driver_at(&bench->driver, bench->driver.queues[0].used);
	uint16_t *used_event = &ring->ring[SIZE];
	*used_event = 2;
	queue_push(&bench->queue, 0, 0);
	queue_push(&bench->queue, 0, 0);
	assert_false(queue_must_signal(&bench->queue));
	queue_push(&bench->queue, 0, 0);
	assert_true(queue_must_signal(&bench->queue));
	queue_push(&bench->queue, 0, 0);
	assert_false(queue_must_signal(&bench->queue));
	/* Across the end of 16 bits. */
	*used_event = UINT16_MAX;
	for (unsigned i = 4; i < UINT16_MAX; i++)
		queue_push(&bench->queue, 0, 0);
	assert_false(queue_must_signal(&bench->queue));
	queue_push(&bench->queue, 0, 0);
	assert_int_equal(used->idx, 0);
	assert_true(queue_must_signal(&bench->queue));
	uint16_t *available_event = (uint16_t *)&used->ring[SIZE];
	driver_descriptor(&bench->driver, 0, 0, 0x4000, 1, 0, 0);
	assert_true(pop(bench, 0));
	assert_false(queue_listen(&bench->queue));
	assert_int_equal(*available_event, 1);
}

static void several_are_shown_at_once(void **state)
{
	struct bench *bench = *state;
	struct vring_used *used = driver_at(&bench->driver, bench->driver.queues[0].used);
	queue_put(&bench->queue, 0, 3, 10);
	queue_put(&bench->queue, 1, 4, 20);
	assert_int_equal(used->idx, 0);
	queue_show(&bench->queue, 2);
	assert_int_equal(used->idx, 2);
	assert_int_equal(used->ring[0].id, 3);
	assert_int_equal(used->ring[1].len, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_chain_comes_as_it_was_built, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_go_across_segments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_chains_break_the_queue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(indirect_tables_are_followed_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_chain_is_no_longer_than_the_queue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(interrupts_are_asked_for_by_the_flag, set_up, tear_down),
		cmocka_unit_test_setup_teardown(interrupts_are_asked_for_by_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_are_shown_at_once, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("virtio-queue", tests, NULL, NULL);
}
