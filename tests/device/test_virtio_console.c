/* SPDX-License-Identifier: MIT */
/* Ports of a virtio console: what a driver does with them, and what a bad one tries. */
#include <errno.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"
#include "guest/device/virtio/console.h"
#include "support.h"

enum { CONTROL_RECEIVE = 2, CONTROL_TRANSMIT = 3, AGENT_RECEIVE = 4, AGENT_TRANSMIT = 5, QUEUES = 6 };

struct bench {
	struct driver driver;
	int agent; /* the host's end */
	char written[64 << 10];
	size_t size, max; /* of what the console has written, and may write */
	int rooms;        /* how often it has told that there is room for input */
};

static size_t send_line(void *data, const void *bytes, size_t size)
{
	struct bench *bench = data;
	size_t room = bench->max - bench->size, taken = size < room ? size : room;
	memcpy(bench->written + bench->size, bytes, taken);
	bench->size += taken;
	return taken;
}

static void count_room(void *data)
{
	struct bench *bench = data;
	bench->rooms++;
}

static int socket_pair(int *out_ours)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*out_ours = ends[0];
	return ends[1];
}

static int set_up(void **state)
{
	static struct bench bench;
	struct virtio *console;
	driver_open(&bench.driver);
	assert_int_equal(
		virtio_console_new(&bench.driver.ram, driver_interrupt(&bench.driver), &bench.driver.loop, &console),
		0);
	bench.size = bench.rooms = 0;
	bench.max = sizeof(bench.written);
	virtio_console_set_line(
		console,
		&(struct console_line){
			.send = send_line, .has_room = count_room, .data = &bench, .columns = 132, .rows = 43});
	assert_int_equal(virtio_console_add(console, "org.libvirtiso.agent.0", socket_pair(&bench.agent)), 0);
	driver_take(&bench.driver, console);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	driver_close(&bench->driver);
	close(bench->agent);
	return 0;
}

static void send_control(struct driver *driver, uint32_t id, uint16_t event, uint16_t value)
{
	const struct virtio_console_control control = {.id = id, .event = event, .value = value};
	const struct part part = {driver_put(driver, &control, sizeof(control)), sizeof(control), false};
	driver_do(driver, CONTROL_TRANSMIT, &part, 1);
}

/* A buffer for a message of the device; where it is. */
static uint64_t add_control_buffer(struct driver *driver)
{
	const struct part part = {driver_room(driver, 64), 64, true};
	driver_add(driver, CONTROL_RECEIVE, &part, 1);
	return part.address;
}

/* The device's next message, which must be in that buffer. */
static void assert_control(struct driver *driver, uint64_t buffer, uint32_t id, uint16_t event, uint16_t value,
			   const char *name)
{
	struct virtio_console_control control;
	uint16_t head;
	uint32_t length;
	assert_true(driver_wait(driver, CONTROL_RECEIVE, &head, &length));
	assert_int_equal(length, sizeof(control) + (name ? strlen(name) + 1 : 0));
	memcpy(&control, driver_at(driver, buffer), sizeof(control));
	assert_int_equal(control.id, id);
	assert_int_equal(control.event, event);
	assert_int_equal(control.value, value);
	if (name)
		assert_string_equal((char *)driver_at(driver, buffer) + sizeof(control), name);
}

/* As Linux' driver does it. */
static void greet(struct driver *driver)
{
	uint64_t buffers[8];
	driver_begin(driver, BIT(VIRTIO_CONSOLE_F_MULTIPORT), QUEUES);
	for (int i = 0; i < 8; i++)
		buffers[i] = add_control_buffer(driver);
	driver_kick(driver, CONTROL_RECEIVE);
	send_control(driver, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_control(driver, buffers[0], 0, VIRTIO_CONSOLE_PORT_ADD, 1, NULL);
	assert_control(driver, buffers[1], 1, VIRTIO_CONSOLE_PORT_ADD, 1, NULL);
	send_control(driver, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_control(driver, buffers[2], 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, NULL);
	assert_control(driver, buffers[3], 0, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL);
	send_control(driver, 1, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_control(driver, buffers[4], 1, VIRTIO_CONSOLE_PORT_NAME, 1, "org.libvirtiso.agent.0");
	assert_control(driver, buffers[5], 1, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL);
}

static void assert_written(struct driver *driver, unsigned queue, const char *text, int fd)
{
	char got[64] = {0};
	const struct part part = {driver_put(driver, text, strlen(text)), (uint32_t)strlen(text), false};
	driver_do(driver, queue, &part, 1);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), (ssize_t)strlen(text));
	assert_string_equal(got, text);
}

static void assert_printed(struct bench *bench, const char *text)
{
	struct driver *driver = &bench->driver;
	const struct part part = {driver_put(driver, text, strlen(text)), (uint32_t)strlen(text), false};
	size_t before = bench->size;
	driver_do(driver, 1, &part, 1);
	assert_int_equal(bench->size - before, strlen(text));
	assert_memory_equal(bench->written + before, text, strlen(text));
}

static void ports_are_named_and_carry_both_ways(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	uint16_t head;
	uint32_t length;
	greet(driver);
	assert_printed(bench, "to the console");
	assert_written(driver, AGENT_TRANSMIT, "to the agent", bench->agent);

	/* What the host writes waits until the guest has the port open. */
	assert_int_equal(send(bench->agent, "hello guest", 11, 0), 11);
	const struct part part = {driver_room(driver, 8), 8, true};
	driver_add(driver, AGENT_RECEIVE, &part, 1);
	driver_kick(driver, AGENT_RECEIVE);
	driver_run_loop(driver);
	assert_false(driver_is_used(driver, AGENT_RECEIVE));
	send_control(driver, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_true(driver_wait(driver, AGENT_RECEIVE, &head, &length));
	assert_int_equal(length, 8);
	assert_memory_equal(driver_at(driver, part.address), "hello gu", 8);
	assert_int_equal(driver_do(driver, AGENT_RECEIVE, &part, 1), 3);
	assert_memory_equal(driver_at(driver, part.address), "est", 3);
}

static void without_multiport_there_is_one_console(void **state)
{
	struct bench *bench = *state;
	driver_begin(&bench->driver, 0, 2);
	struct driver *driver = &bench->driver;
	uint16_t size[2], head;
	uint32_t length;
	assert_printed(bench, "plain");
	assert_int_equal(virtio_console_room(driver->device), 0);
	const struct part part = {driver_room(driver, 8), 8, true};
	driver_add(driver, 0, &part, 1);
	driver_add(driver, 0, &part, 1);
	bench->rooms = 0;
	driver_kick(driver, 0);
	assert_int_equal(bench->rooms, 1);
	assert_int_equal(virtio_console_room(driver->device), 8);
	assert_int_equal(virtio_console_receive(driver->device, "input that is long", 18), 16);
	assert_true(driver_wait(driver, 0, &head, &length));
	assert_int_equal(length, 8);
	assert_memory_equal(driver_at(driver, part.address), "at is lo", 8);
	/* The window, for drivers that look there. */
	bus_read(&driver->bus, DRIVER_BASE + VIRTIO_MMIO_CONFIG, size, sizeof(size));
	assert_int_equal(size[0], 132);
	assert_int_equal(size[1], 43);
}

static void a_reader_that_is_slow_keeps_the_guest_waiting(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	enum { PIECE = 64 << 10, PIECES = 12 };
	greet(driver);
	uint8_t *bytes = driver_at(driver, driver_room(driver, PIECE));
	uint64_t address = (uint64_t)(bytes - driver->low);
	for (size_t i = 0; i < PIECE; i++)
		bytes[i] = (uint8_t)(i % 251);
	const struct part part = {address, PIECE, false};
	for (int i = 0; i < PIECES; i++)
		driver_add(driver, AGENT_TRANSMIT, &part, 1);
	driver_kick(driver, AGENT_TRANSMIT);
	driver_run_loop(driver);
	uint16_t used = driver->device->queues[AGENT_TRANSMIT].next_used;
	assert_true(used < PIECES);
	/* Other ports go on meanwhile. */
	assert_printed(bench, "still here");

	size_t total = 0;
	uint8_t got[8192];
	while (total < (size_t)PIECE * PIECES) {
		ssize_t size = recv(bench->agent, got, sizeof(got), MSG_DONTWAIT);
		driver_run_loop(driver);
		if (size < 0 && errno == EAGAIN)
			continue;
		assert_true(size > 0);
		for (ssize_t i = 0; i < size; i++)
			assert_int_equal(got[i], (total + (size_t)i) % PIECE % 251);
		total += (size_t)size;
	}
	assert_int_equal(driver->device->queues[AGENT_TRANSMIT].next_used, PIECES);
}

static void a_console_waits_for_its_line(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	greet(driver);
	bench->max = 10;
	const char text[] = "twenty bytes of text";
	const struct part parts[] = {{driver_put(driver, text, 20), 8, false}, {driver->next_free - 64 + 8, 12, false}};
	driver_add(driver, 1, parts, 2);
	driver_add(driver, 1, parts, 2);
	driver_kick(driver, 1);
	driver_kick(driver, 1);
	assert_false(driver_is_used(driver, 1));
	assert_int_equal(bench->size, 10);
	bench->max = 25;
	virtio_console_resume(driver->device);
	assert_int_equal(bench->size, 25);
	bench->max = 40;
	virtio_console_resume(driver->device);
	assert_int_equal(driver->device->queues[1].next_used, 2);
	assert_memory_equal(bench->written, "twenty bytes of texttwenty bytes of text", 40);
	virtio_console_resume(driver->device);
	/* While the guest stands still nothing of it is done. */
	driver_add(driver, 1, parts, 2);
	driver_kick(driver, 1);
	virtio_pause(driver->device);
	bench->max = 60;
	virtio_console_resume(driver->device);
	assert_int_equal(virtio_console_room(driver->device), 0);
	assert_int_equal(virtio_console_receive(driver->device, "x", 1), 0);
	assert_int_equal(bench->size, 40);
	assert_int_equal(virtio_start(driver->device), 0);
	assert_int_equal(bench->size, 60);
}

static void a_window_is_told_of_where_that_was_agreed_upon(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	driver_begin(driver, BIT(VIRTIO_CONSOLE_F_MULTIPORT) | BIT(VIRTIO_CONSOLE_F_SIZE), QUEUES);
	uint64_t buffers[3];
	uint16_t head;
	uint32_t length;
	for (int i = 0; i < 3; i++)
		buffers[i] = add_control_buffer(driver);
	driver_kick(driver, CONTROL_RECEIVE);
	send_control(driver, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_control(driver, buffers[0], 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1, NULL);
	assert_true(driver_wait(driver, CONTROL_RECEIVE, &head, &length));
	assert_int_equal(length, sizeof(struct virtio_console_control) + 4);
	struct {
		struct virtio_console_control control;
		uint16_t rows, columns;
	} message;
	memcpy(&message, driver_at(driver, buffers[1]), sizeof(message));
	assert_int_equal(message.control.event, VIRTIO_CONSOLE_RESIZE);
	assert_int_equal(message.rows, 43);
	assert_int_equal(message.columns, 132);
	assert_control(driver, buffers[2], 0, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL);
	/* Input waits until the guest has it open. */
	const struct part part = {driver_room(driver, 8), 8, true};
	driver_add(driver, 0, &part, 1);
	driver_kick(driver, 0);
	assert_int_equal(virtio_console_receive(driver->device, "x", 1), 0);
	bench->rooms = 0;
	send_control(driver, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(bench->rooms, 1);
	assert_int_equal(virtio_console_receive(driver->device, "x", 1), 1);
}

static void the_guest_hears_of_the_hosts_end(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	greet(driver);
	/* The two buffers that greet() left. */
	send_control(driver, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	const struct part part = {driver_room(driver, 8), 8, true};
	driver_add(driver, AGENT_RECEIVE, &part, 1);
	driver_kick(driver, AGENT_RECEIVE);
	shutdown(bench->agent, SHUT_RDWR);
	uint16_t head;
	uint32_t length;
	assert_true(driver_wait(driver, CONTROL_RECEIVE, &head, &length));
	struct vring_desc *table = driver_at(driver, driver->queues[CONTROL_RECEIVE].table);
	struct virtio_console_control control;
	memcpy(&control, driver_at(driver, table[head].addr), sizeof(control));
	assert_int_equal(control.id, 1);
	assert_int_equal(control.event, VIRTIO_CONSOLE_PORT_OPEN);
	assert_int_equal(control.value, 0);
	/* What the guest writes there now is lost, and does not wait. */
	const struct part more = {part.address, 8, false};
	driver_do(driver, AGENT_TRANSMIT, &more, 1);
}

/* The device itself is there for as long as somebody has its computer. */
static void the_host_hears_of_the_computers_end(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	char byte;
	eventfd_t told;
	int closed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(virtio_console_watch(driver->device, "org.libvirtiso.agent.0", dup(closed)), 0);
	greet(driver);
	send_control(driver, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_written(driver, AGENT_TRANSMIT, "said", bench->agent);
	const struct part part = {driver_room(driver, 8), 8, true};
	driver_add(driver, AGENT_RECEIVE, &part, 1);
	driver_kick(driver, AGENT_RECEIVE);
	assert_int_equal(recv(bench->agent, &byte, 1, MSG_DONTWAIT), -1);
	virtio_stop(driver->device);
	assert_int_equal(recv(bench->agent, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(eventfd_read(closed, &told), 0);
	driver_run_loop(driver);
	close(closed);
}

static void messages_without_a_buffer_come_when_there_is_one(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	driver_begin(driver, BIT(VIRTIO_CONSOLE_F_MULTIPORT), QUEUES);
	for (int i = 0; i < 100; i++)
		send_control(driver, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_false(driver_is_used(driver, CONTROL_RECEIVE));
	uint64_t first = add_control_buffer(driver), second = add_control_buffer(driver);
	add_control_buffer(driver);
	driver_kick(driver, CONTROL_RECEIVE);
	assert_control(driver, first, 0, VIRTIO_CONSOLE_PORT_ADD, 1, NULL);
	assert_control(driver, second, 1, VIRTIO_CONSOLE_PORT_ADD, 1, NULL);
	/* A hundred times the same is said once. */
	assert_false(driver_is_used(driver, CONTROL_RECEIVE));
}

static void bad_messages_do_nothing(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	greet(driver);
	for (uint32_t id = 0; id < 12; id += 2)
		for (uint16_t event = 8; event < 12; event++)
			send_control(driver, id, event, 1);
	send_control(driver, 7, VIRTIO_CONSOLE_PORT_READY, 1);
	send_control(driver, UINT32_MAX, VIRTIO_CONSOLE_PORT_OPEN, 1);
	const struct part part = {driver_room(driver, 4), 4, false};
	driver_do(driver, CONTROL_TRANSMIT, &part, 1);
	assert_false(driver_is_used(driver, CONTROL_RECEIVE));
	assert_false(driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void a_reset_amid_a_transfer_begins_anew(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	greet(driver);
	const struct part part = {driver_room(driver, 64 << 10), 64 << 10, false};
	for (int i = 0; i < 12; i++)
		driver_add(driver, AGENT_TRANSMIT, &part, 1);
	driver_kick(driver, AGENT_TRANSMIT);
	driver_set(driver, VIRTIO_MMIO_STATUS, 0);
	char got[4096];
	while (recv(bench->agent, got, sizeof(got), MSG_DONTWAIT) > 0)
		;
	driver_run_loop(driver);
	driver->next_free = 0x1000;
	greet(driver);
	assert_written(driver, AGENT_TRANSMIT, "again", bench->agent);
}

static void a_broken_device_lets_the_loop_rest(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	greet(driver);
	send_control(driver, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
	const struct part part = {driver_room(driver, 8), 8, true};
	driver_add(driver, AGENT_RECEIVE, &part, 1);
	driver_kick(driver, AGENT_RECEIVE);
	driver_make_available(driver, AGENT_TRANSMIT, 999);
	driver_kick(driver, AGENT_TRANSMIT);
	assert_true(driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(send(bench->agent, "hello", 5, 0), 5);
	assert_int_equal(virtio_console_receive(driver->device, "hello", 5), 0);
	int rounds = 0;
	while (loop_run_once(&driver->loop, 0))
		assert_true(rounds++ < 100);
	assert_false(driver_is_used(driver, AGENT_RECEIVE));
}

static void names_and_fds_are_checked(void **state)
{
	struct bench *bench = *state;
	struct virtio *console = bench->driver.device;
	int other, ends[2];
	char too_long[CONSOLE_NAME_MAX + 1];
	memset(too_long, 'a', sizeof(too_long));
	too_long[CONSOLE_NAME_MAX] = '\0';
	const char *const bad[] = {"", "a b", "a/b", "a\n", "\x80", too_long};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(virtio_console_add(console, bad[i], socket_pair(&other)), -EINVAL);
		close(other);
	}
	assert_int_equal(virtio_console_add(console, "org.libvirtiso.agent.0", socket_pair(&other)), -EEXIST);
	close(other);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(virtio_console_add(console, "pipe", ends[1]), -ENOTSOCK);
	close(ends[0]);
	for (int i = 2; i < CONSOLE_PORTS_MAX; i++) {
		const char name[] = {'p', (char)('0' + i), '\0'};
		assert_int_equal(virtio_console_add(console, name, socket_pair(&other)), 0);
		close(other);
	}
	assert_int_equal(virtio_console_add(console, "more", socket_pair(&other)), -ENOSPC);
	close(other);
}

/*
 * In the place of a second processor that adds them as fast as they are taken: the device's own index is the driver's,
 * and ahead by one.
 */
static void buffers_without_end_do_not_hold_the_host(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	driver_begin(driver, 0, 2);
	struct virtqueue *queue = &driver->device->queues[0];
	const struct part nothing = {driver_room(driver, 8), 0, true};
	driver_add(driver, 0, &nothing, 1);
	queue->used = driver_at(driver, queue->driver);
	queue->next_used = 1;
	alarm(60);
	assert_int_equal(virtio_console_receive(driver->device, "input", 5), 0);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ports_are_named_and_carry_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_multiport_there_is_one_console, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_that_is_slow_keeps_the_guest_waiting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_console_waits_for_its_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_window_is_told_of_where_that_was_agreed_upon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_guest_hears_of_the_hosts_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_host_hears_of_the_computers_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(messages_without_a_buffer_come_when_there_is_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_messages_do_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reset_amid_a_transfer_begins_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_device_lets_the_loop_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(buffers_without_end_do_not_hold_the_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_and_fds_are_checked, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("virtio-console", tests, NULL, NULL);
}
