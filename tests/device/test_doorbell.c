/* SPDX-License-Identifier: MIT */
/* The doorbell of a computer, with the test in the place of a guest's system. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "guest/device/doorbell.h"
#include "ports.h"

enum { PORT = 0x610, ADDRESS = 0xd0100000, HIGH = 1 << 20, REGION = 8192, PATIENCE_MS = 30000 };
enum { NUMBER = 5, QUEUED = 6, OTHER = 7, LASTING = 9 };

static struct {
	uint8_t low[REGION], high[REGION];
	viso_guest *guest;
	struct doorbell *doorbell;
	struct viso_doorbell_pages *pages;
	struct line line;
	int outside, left; /* handlers that run, and ran */
	viso_hypercall *kept;
	uint64_t args[6];
	int calls;
} all;

static void leave(void)
{
	all.outside++;
	all.left++;
}

static void back(void)
{
	all.outside--;
}

static int64_t take_arguments(viso_hypercall *hypercall, void *data)
{
	all.calls++;
	assert_int_equal(all.outside, 1);
	for (unsigned i = 0; i < 6; i++)
		assert_ok(viso_hypercall_argument(hypercall, i, &all.args[i]));
	return 1000 + viso_hypercall_number(hypercall);
}

static int64_t put_off(viso_hypercall *hypercall, void *data)
{
	all.calls++;
	all.kept = viso_hypercall_ref(hypercall);
	assert_ok(viso_hypercall_defer(hypercall));
	assert_fails(viso_hypercall_defer(hypercall), EALREADY, VISO_STAGE_GUEST, "defer");
	return 1;
}

/* It is put off, and made again by a clone, whose end it outlasts. */
static int64_t outlast(viso_hypercall *hypercall, void *data)
{
	if (all.calls == 0)
		return put_off(hypercall, data);
	all.calls++;
	doorbell_close(all.doorbell);
	doorbell_unref(all.doorbell);
	all.doorbell = NULL;
	return 0;
}

static struct doorbell *make_doorbell(unsigned poll_us)
{
	const struct ram ram = {.count = 2, .regions = {{0, REGION, all.low}, {HIGH, REGION, all.high}}};
	const struct doorbell_setting setting = {.ram = &ram,
						 .address = ADDRESS,
						 .port = PORT,
						 .line = 3,
						 .interrupt = line_of(&all.line),
						 .processor = {leave, back},
						 .poll_us = poll_us,
						 .guest = all.guest};
	return doorbell_new(&setting);
}

static int set_up(void **state)
{
	memset(&all, 0, sizeof(all));
	ports = (struct bus){0};
	all.guest = viso_guest_new();
	assert_ok(viso_guest_set_hypercall_handler(all.guest, NUMBER, take_arguments, NULL, NULL));
	assert_ok(viso_guest_set_hypercall_handler(all.guest, OTHER, put_off, NULL, NULL));
	assert_ok(viso_guest_queue_hypercall(all.guest, QUEUED));
	assert_ok(viso_guest_set_hypercall_handler(all.guest, LASTING, outlast, NULL, NULL));
	all.doorbell = make_doorbell(0);
	assert_non_null(all.doorbell);
	all.pages = doorbell_pages(all.doorbell);
	assert_true(bus_add(&ports, PORT, DOORBELL_PORTS, &doorbell_ops, all.doorbell));
	return 0;
}

static int tear_down(void **state)
{
	viso_hypercall_unref(all.kept);
	if (all.doorbell)
		doorbell_close(all.doorbell);
	doorbell_unref(all.doorbell);
	viso_guest_unref(all.guest);
	return 0;
}

static struct viso_doorbell_call *submit(unsigned block, uint32_t number)
{
	struct viso_doorbell_call *call = &all.pages->calls[block];
	call->number = number;
	call->value = -1;
	call->state = VISO_CALL_SUBMITTED;
	return call;
}

static struct viso_doorbell_call *make_call(unsigned block, uint32_t number)
{
	struct viso_doorbell_call *call = submit(block, number);
	out8(PORT, (uint8_t)block);
	return call;
}

static void test_the_first_page_tells(void **state)
{
	const struct viso_doorbell_head *head = &all.pages->head;
	assert_memory_equal(head->magic, VISO_DOORBELL_MAGIC, 8);
	assert_int_equal(head->version, VISO_DOORBELL_VERSION);
	assert_int_equal(head->size, sizeof(*all.pages));
	assert_int_equal(head->address, ADDRESS);
	assert_int_equal(head->port, PORT);
	assert_int_equal(head->line, 3);
	assert_int_equal(head->calls + head->call_size * head->call_count, head->requests);
	assert_int_equal(head->requests + head->request_size * head->request_count, head->size);
	assert_int_equal(in8(PORT), VISO_DOORBELL_VERSION);
}

static void test_a_call_is_answered(void **state)
{
	struct viso_doorbell_call *call = &all.pages->calls[63];
	for (uint64_t i = 0; i < 6; i++)
		call->args[i] = UINT64_MAX - i;
	make_call(63, NUMBER);
	assert_int_equal(call->state, VISO_CALL_DONE);
	assert_int_equal(call->value, 1000 + NUMBER);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(all.args[i], UINT64_MAX - i);
	assert_int_equal(all.line.edges, 0);
	assert_int_equal(all.left, 1);
	assert_int_equal(all.outside, 0);
	/* One that nobody serves. */
	for (uint32_t number = 8; number; number <<= 1) {
		assert_int_equal(make_call(0, number)->value, -ENOSYS);
		assert_int_equal(all.pages->calls[0].state, VISO_CALL_DONE);
	}
}

static void test_what_is_no_call_is_none(void **state)
{
	struct viso_doorbell_call *call = submit(1, NUMBER);
	for (uint32_t state_of_call = 0; state_of_call < 300; state_of_call++) {
		call->state = state_of_call;
		if (state_of_call != VISO_CALL_SUBMITTED)
			out8(PORT, 1);
		assert_int_equal(call->state, state_of_call);
	}
	call->state = VISO_CALL_SUBMITTED;
	out8(PORT, 2);
	out8(PORT, VISO_DOORBELL_CALL_COUNT);
	out8(PORT, VISO_DOORBELL_REQUEST);
	out8(PORT, VISO_DOORBELL_REQUEST + VISO_DOORBELL_REQUEST_COUNT);
	out(PORT, 2, 0x101);
	assert_int_equal(all.calls, 0);
	submit(2, NUMBER);
	out8(PORT, VISO_DOORBELL_ALL);
	assert_int_equal(all.calls, 2);
}

/* Whether `size` bytes there can be read, written and read back. */
static bool is_memory(viso_hypercall *hypercall, uint64_t address, size_t size)
{
	static uint8_t bytes[2 * REGION], again[2 * REGION];
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 7 + size);
	int r = viso_hypercall_write(hypercall, address, bytes, size);
	assert_int_equal(viso_hypercall_read(hypercall, address, again, size), r);
	assert_true(r == 0 || r == -EFAULT);
	if (r == 0)
		assert_memory_equal(bytes, again, size);
	return r == 0;
}

static int64_t look_at_memory(viso_hypercall *hypercall, void *data)
{
	assert_true(is_memory(hypercall, 0, REGION));
	assert_true(is_memory(hypercall, HIGH + 1, REGION - 1));
	assert_false(is_memory(hypercall, 1, REGION));
	assert_false(is_memory(hypercall, REGION, 1));
	assert_false(is_memory(hypercall, UINT64_MAX, 2));
	assert_false(is_memory(hypercall, UINT64_MAX - 1, REGION));
	assert_true(is_memory(hypercall, ADDRESS + 4096 + 128, VISO_DOORBELL_CALL_BYTES));
	assert_true(is_memory(hypercall, ADDRESS + DOORBELL_SIZE - 1, 1));
	assert_false(is_memory(hypercall, ADDRESS + DOORBELL_SIZE - 1, 2));
	assert_false(is_memory(hypercall, ADDRESS + DOORBELL_SIZE, 1));
	assert_false(is_memory(hypercall, ADDRESS - 1, 2));
	assert_int_equal(viso_hypercall_read(hypercall, 0, NULL, SIZE_MAX), -EINVAL);
	assert_int_equal(viso_hypercall_read(hypercall, 0, all.args, SIZE_MAX), -EFAULT);
	assert_int_equal(viso_hypercall_read(hypercall, ADDRESS, all.args, SIZE_MAX), -EFAULT);
	return 77;
}

static void test_memory_is_what_can_be_reached(void **state)
{
	assert_ok(viso_guest_set_hypercall_handler(all.guest, 8, look_at_memory, NULL, NULL));
	assert_int_equal(make_call(3, 8)->value, 77);
}

static void test_an_answer_may_come_later(void **state)
{
	struct viso_doorbell_call *call = make_call(4, OTHER);
	assert_int_equal(call->state, VISO_CALL_TAKEN);
	/* A guest that does not wait is not heard. */
	make_call(4, OTHER);
	make_call(4, NUMBER);
	assert_int_equal(all.calls, 1);
	assert_int_equal(all.line.edges, 0);
	assert_true(is_memory(all.kept, 0, 8));
	assert_ok(viso_hypercall_answer(all.kept, 99));
	assert_int_equal(all.line.edges, 1);
	assert_int_equal(call->value, 99);
	assert_int_equal(call->state, VISO_CALL_DONE);
	assert_fails(viso_hypercall_answer(all.kept, 98), EALREADY, VISO_STAGE_GUEST, "answer");
	assert_fails(viso_hypercall_read(all.kept, 0, all.args, 1), EALREADY, VISO_STAGE_GUEST, "read");
	assert_int_equal(call->value, 99);
}

static void test_what_nobody_can_answer_is_refused(void **state)
{
	struct viso_doorbell_call *call = make_call(4, OTHER);
	all.kept = viso_hypercall_unref(all.kept);
	assert_int_equal(call->value, -ENOSYS);
	assert_int_equal(call->state, VISO_CALL_DONE);
	assert_int_equal(all.line.edges, 1);
}

static void test_calls_are_queued(void **state)
{
	viso_hypercall *hypercall;
	struct viso_doorbell_call *call = make_call(9, QUEUED);
	assert_int_equal(call->state, VISO_CALL_TAKEN);
	assert_ok(viso_guest_next_hypercall(all.guest, 0, &hypercall));
	assert_int_equal(viso_hypercall_number(hypercall), QUEUED);
	assert_ok(viso_hypercall_refuse(hypercall, ENOENT));
	assert_int_equal(call->value, -ENOENT);
	assert_int_equal(all.line.edges, 1);
	viso_hypercall_unref(hypercall);
}

static void test_the_end_lets_all_go(void **state)
{
	viso_hypercall *hypercall;
	make_call(9, QUEUED);
	make_call(10, OTHER);
	doorbell_close(all.doorbell);
	assert_fails(viso_guest_next_hypercall(all.guest, 0, &hypercall), ETIMEDOUT, VISO_STAGE_GUEST, "");
	assert_fails(viso_hypercall_answer(all.kept, 1), ESRCH, VISO_STAGE_GUEST, "");
	assert_fails(viso_hypercall_write(all.kept, 0, "", 1), ESRCH, VISO_STAGE_GUEST, "");
	assert_int_equal(all.pages->calls[10].state, VISO_CALL_TAKEN);
	make_call(11, NUMBER);
	assert_int_equal(all.calls, 1);
	assert_int_equal(all.line.edges, 0);
}

static void test_a_pause_keeps_what_comes(void **state)
{
	struct viso_doorbell_call *call = make_call(4, OTHER);
	doorbell_pause(all.doorbell);
	assert_fails(viso_hypercall_write(all.kept, 0, "x", 1), EAGAIN, VISO_STAGE_GUEST, "write");
	assert_ok(viso_hypercall_read(all.kept, 0, all.args, 8));
	assert_ok(viso_hypercall_answer(all.kept, 5));
	assert_int_equal(call->state, VISO_CALL_TAKEN);
	assert_int_equal(all.line.edges, 0);
	doorbell_resume(all.doorbell);
	assert_int_equal(call->state, VISO_CALL_DONE);
	assert_int_equal(call->value, 5);
	assert_int_equal(all.line.edges, 1);
}

/* A driver: it answers all that comes until it is told to end. */
struct driver {
	pthread_t thread;
	bool ends;
	bool rings, polls;
	uint32_t size, error; /* of its answers */
	int served;
};

static void serve(struct driver *driver, unsigned index)
{
	struct viso_doorbell_request *request = &all.pages->requests[index];
	uint32_t posted = VISO_REQUEST_POSTED;
	if (!__atomic_compare_exchange_n(&request->state, &posted, (uint32_t)VISO_REQUEST_TAKEN, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	request->value = (int64_t)(request->args[0] * 10 + request->args[1]);
	memset(request->answer, request->request[0] ? request->request[0] : 'n', sizeof(request->answer));
	memcpy(request->answer, request->name, strlen(request->name));
	request->answer_size = driver->size;
	request->error = driver->error;
	driver->served++;
	__atomic_store_n(&request->state, (uint32_t)VISO_REQUEST_ANSWERED, __ATOMIC_SEQ_CST);
	if (driver->polls && __atomic_load_n(&all.pages->head.host_polls, __ATOMIC_SEQ_CST) >> index & 1)
		return;
	if (driver->rings)
		out8(PORT, (uint8_t)(VISO_DOORBELL_REQUEST + index));
}

static void *drive(void *data)
{
	struct driver *driver = data;
	while (!__atomic_load_n(&driver->ends, __ATOMIC_ACQUIRE)) {
		for (unsigned i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++)
			serve(driver, i);
		sched_yield();
	}
	return NULL;
}

static void driver_start(struct driver *driver)
{
	driver->ends = false;
	assert_int_equal(pthread_create(&driver->thread, NULL, drive, driver), 0);
}

static void driver_end(struct driver *driver)
{
	__atomic_store_n(&driver->ends, true, __ATOMIC_RELEASE);
	pthread_join(driver->thread, NULL);
}

static int64_t ask(const char *text, void *to, size_t max, int timeout_ms)
{
	const struct doorbell_request request = {
		.in = text, .in_size = strlen(text), .out = to, .out_max = max, .timeout_ms = timeout_ms};
	return doorbell_ask(all.doorbell, &request, "test");
}

static int64_t call(const char *name, uint64_t a, uint64_t b, uint64_t *to)
{
	const struct doorbell_request request = {
		.kind = VISO_REQUEST_CALL, .name = name, .args = {a, b}, .timeout_ms = PATIENCE_MS, .number = to};
	return doorbell_ask(all.doorbell, &request, "test");
}

static void test_requests_are_answered(void **state)
{
	char answer[16];
	uint64_t value = 0;
	struct driver driver = {.rings = true, .size = 3};
	driver_start(&driver);
	assert_int_equal(ask("x", answer, sizeof(answer), PATIENCE_MS), 3);
	assert_memory_equal(answer, "xxx", 3);
	assert_int_equal(call("f", 4, 2, &value), 0);
	assert_int_equal(value, 42);
	const struct doorbell_request named = {.kind = VISO_REQUEST_CALL_BYTES,
					       .name = "name",
					       .out = answer,
					       .out_max = sizeof(answer),
					       .timeout_ms = -1};
	assert_int_equal(doorbell_ask(all.doorbell, &named, "test"), 3);
	assert_memory_equal(answer, "nam", 3);
	driver_end(&driver);
	assert_int_equal(all.line.edges, 3);
	assert_int_equal(all.pages->head.posted, 3);
	assert_false(doorbell_cancel(all.doorbell));
}

/* Both look all the time: there is neither interrupt nor, mostly, ringing, and an answer is never missed. */
static void test_requests_go_by_looking(void **state)
{
	enum { POLL_US = 500, TIMES = 200 };
	struct driver driver = {.rings = true, .polls = true, .size = 3};
	char answer[16];
	uint64_t value = 0;
	doorbell_close(all.doorbell);
	doorbell_unref(all.doorbell);
	all.doorbell = make_doorbell(POLL_US);
	assert_non_null(all.doorbell);
	all.pages = doorbell_pages(all.doorbell);
	ports = (struct bus){0};
	assert_true(bus_add(&ports, PORT, DOORBELL_PORTS, &doorbell_ops, all.doorbell));
	all.pages->head.guest_polls = 1;
	driver_start(&driver);
	for (unsigned i = 0; i < TIMES; i++) {
		assert_int_equal(call("f", i, 1, &value), 0);
		assert_int_equal(value, i * 10 + 1);
		assert_int_equal(ask("x", answer, sizeof(answer), -1), 3);
	}
	driver_end(&driver);
	assert_int_equal(all.line.edges, 0);
	assert_int_equal(all.pages->head.host_polls, 0);
	/* A guest that does not look is called. */
	all.pages->head.guest_polls = 0;
	assert_int_equal(ask("x", NULL, 0, 1), -ETIMEDOUT);
	assert_int_equal(all.line.edges, 1);
	assert_int_equal(all.pages->head.host_polls, 0);
}

static void test_bad_answers_are_refused(void **state)
{
	static char room[VISO_DOORBELL_REQUEST_BYTES + 100], text[VISO_DOORBELL_REQUEST_BYTES + 2];
	struct driver driver = {.rings = true, .size = VISO_DOORBELL_REQUEST_BYTES};
	driver_start(&driver);
	assert_int_equal(ask("x", room, sizeof(room), PATIENCE_MS), VISO_DOORBELL_REQUEST_BYTES);
	assert_fails(ask("x", room, 10, PATIENCE_MS), EMSGSIZE, VISO_STAGE_GUEST, "test");
	driver_end(&driver);
	driver.size = VISO_DOORBELL_REQUEST_BYTES + 1;
	driver_start(&driver);
	assert_fails(ask("x", room, sizeof(room), PATIENCE_MS), EMSGSIZE, VISO_STAGE_GUEST, "test");
	assert_ok(call("f", 4, 2, NULL));
	driver_end(&driver);
	driver.error = ENOENT;
	driver_start(&driver);
	assert_fails(call("f", 1, 1, NULL), ENOENT, VISO_STAGE_GUEST, "f");
	assert_fails(ask("x", room, sizeof(room), PATIENCE_MS), EREMOTEIO, VISO_STAGE_GUEST, "test");
	driver_end(&driver);
	memset(text, 'x', sizeof(text) - 1);
	assert_fails(ask(text, room, sizeof(room), PATIENCE_MS), EMSGSIZE, VISO_STAGE_GUEST, "test");
}

static void test_nobody_answers(void **state)
{
	char answer[16];
	assert_fails(ask("x", answer, sizeof(answer), 1), ETIMEDOUT, VISO_STAGE_GUEST, "test");
	assert_non_null(strstr(viso_error_message(), "driver"));
	/* A driver that comes later does not find it. */
	for (unsigned i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++)
		assert_int_equal(all.pages->requests[i].state, VISO_REQUEST_FREE);
	/* One that does not ring is heard at the deadline. */
	struct driver driver = {.size = 2};
	driver_start(&driver);
	int64_t r;
	do
		r = ask("y", answer, sizeof(answer), 50);
	while (r == -ETIMEDOUT);
	assert_int_equal(r, 2);
	driver_end(&driver);
}

/* The guest takes what there is, and does nothing about it. */
static void *take_and_keep(void *data)
{
	bool *ends = data;
	while (!__atomic_load_n(ends, __ATOMIC_ACQUIRE)) {
		for (unsigned i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++) {
			uint32_t posted = VISO_REQUEST_POSTED;
			__atomic_compare_exchange_n(&all.pages->requests[i].state, &posted,
						    (uint32_t)VISO_REQUEST_TAKEN, false, __ATOMIC_ACQ_REL,
						    __ATOMIC_RELAXED);
		}
		sched_yield();
	}
	return NULL;
}

static void test_what_was_given_up_is_not_answered(void **state)
{
	pthread_t thread;
	bool ends = false;
	char answer[16];
	assert_int_equal(pthread_create(&thread, NULL, take_and_keep, &ends), 0);
	for (int i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++) {
		/* Long enough for the other thread to see it, however busy this machine is. */
		int64_t r;
		do
			r = ask("old", answer, sizeof(answer), 50);
		while (r == -ETIMEDOUT && strstr(viso_error_message(), "driver"));
		assert_int_equal(r, -ETIMEDOUT);
	}
	__atomic_store_n(&ends, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_fails(ask("x", answer, sizeof(answer), PATIENCE_MS), EBUSY, VISO_STAGE_GUEST, "test");
	/* A late answer makes room, and goes to nobody. */
	all.pages->requests[7].state = VISO_REQUEST_ANSWERED;
	out8(PORT, VISO_DOORBELL_REQUEST + 7);
	struct driver driver = {.rings = true, .size = 1};
	driver_start(&driver);
	assert_int_equal(ask("z", answer, sizeof(answer), PATIENCE_MS), 1);
	assert_int_equal(answer[0], 'z');
	driver_end(&driver);
}

static void *ask_in_thread(void *data)
{
	char answer[16];
	*(int64_t *)data = ask("x", answer, sizeof(answer), -1);
	return NULL;
}

static void await_posted(uint32_t count)
{
	while (__atomic_load_n(&all.pages->head.posted, __ATOMIC_ACQUIRE) < count)
		sched_yield();
}

static void test_waiting_ends(void **state)
{
	pthread_t threads[2];
	int64_t r[2] = {0};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, ask_in_thread, &r[i]), 0);
		await_posted((uint32_t)i + 1);
	}
	/* It waits as soon as the lock is free after the post. */
	assert_true(doorbell_cancel(all.doorbell));
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(r[i], -ECANCELED);
	}
	assert_int_equal(pthread_create(&threads[0], NULL, ask_in_thread, &r[0]), 0);
	await_posted(3);
	doorbell_close(all.doorbell);
	pthread_join(threads[0], NULL);
	assert_int_equal(r[0], -ESRCH);
	assert_int_equal(ask("x", NULL, 0, -1), -ESRCH);
}

static void test_a_pause_keeps_requests(void **state)
{
	char answer[16];
	pthread_t thread;
	int64_t r = 0;
	doorbell_pause(all.doorbell);
	assert_fails(ask("x", answer, sizeof(answer), 1), ETIMEDOUT, VISO_STAGE_GUEST, "test");
	assert_int_equal(all.pages->head.posted, 0);
	assert_int_equal(pthread_create(&thread, NULL, ask_in_thread, &r), 0);
	struct driver driver = {.rings = true, .size = 1};
	doorbell_resume(all.doorbell);
	driver_start(&driver);
	pthread_join(thread, NULL);
	driver_end(&driver);
	assert_int_equal(r, 1);
}

static void test_a_call_that_is_made_again_may_outlast_the_computer(void **state)
{
	struct state_writer saved = {0};
	assert_int_equal(make_call(0, LASTING)->state, VISO_CALL_TAKEN);
	doorbell_pause(all.doorbell);
	doorbell_save(all.doorbell, &saved);
	doorbell_close(all.doorbell);
	doorbell_unref(all.doorbell);
	all.doorbell = make_doorbell(0);
	assert_non_null(all.doorbell);
	struct state_reader in = {.data = saved.data, .left = saved.size};
	assert_int_equal(doorbell_load(all.doorbell, &in), 0);
	state_release(&saved);
	/* AddressSanitizer sees what is touched afterwards. */
	doorbell_ring_again(all.doorbell);
	assert_int_equal(all.calls, 2);
	assert_int_equal(all.outside, 0);
	assert_null(all.doorbell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_first_page_tells, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_call_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_call_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memory_is_what_can_be_reached, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_answer_may_come_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_nobody_can_answer_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_calls_are_queued, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_end_lets_all_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_pause_keeps_what_comes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_requests_are_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_requests_go_by_looking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_answers_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_was_given_up_is_not_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waiting_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_pause_keeps_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_call_that_is_made_again_may_outlast_the_computer, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
