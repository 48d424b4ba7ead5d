/* SPDX-License-Identifier: MIT */
/* Ports of a virtio console: what a driver does with them, and what a bad one tries. */
#include <errno.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"
#include "guest/device/virtio/console.h"
#include "support.h"

enum { CONTROL_RECEIVE = 2, CONTROL_TRANSMIT = 3, AGENT_RECEIVE = 4, AGENT_TRANSMIT = 5, QUEUES = 6 };

struct bench {
	struct driver driver;
	int console, agent; /* the host's ends */
};

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
	assert_int_equal(virtio_console_add(console, NULL, socket_pair(&bench.console)), 0);
	assert_int_equal(virtio_console_add(console, "org.libvirtiso.agent.0", socket_pair(&bench.agent)), 0);
	driver_take(&bench.driver, console);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	driver_close(&bench->driver);
	close(bench->console);
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

static void ports_are_named_and_carry_both_ways(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	uint16_t head;
	uint32_t length;
	greet(driver);
	assert_written(driver, 1, "to the console", bench->console);
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
	assert_written(&bench->driver, 1, "plain", bench->console);
	assert_int_equal(send(bench->console, "input", 5, 0), 5);
	const struct part part = {driver_room(&bench->driver, 8), 8, true};
	assert_int_equal(driver_do(&bench->driver, 0, &part, 1), 5);
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
	assert_written(driver, 1, "still here", bench->console);

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

static void a_console_that_nobody_reads_loses_output(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	greet(driver);
	const struct part part = {driver_room(driver, 64 << 10), 64 << 10, false};
	for (int i = 0; i < 12; i++)
		driver_do(driver, 1, &part, 1);
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
	send_control(driver, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	const struct part part = {driver_room(driver, 8), 8, true};
	driver_add(driver, 0, &part, 1);
	driver_kick(driver, 0);
	driver_make_available(driver, AGENT_TRANSMIT, 999);
	driver_kick(driver, AGENT_TRANSMIT);
	assert_true(driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(send(bench->console, "hello", 5, 0), 5);
	int rounds = 0;
	while (loop_run_once(&driver->loop, 0))
		assert_true(rounds++ < 100);
	assert_false(driver_is_used(driver, 0));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ports_are_named_and_carry_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_multiport_there_is_one_console, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_that_is_slow_keeps_the_guest_waiting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_console_that_nobody_reads_loses_output, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_guest_hears_of_the_hosts_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(messages_without_a_buffer_come_when_there_is_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_messages_do_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reset_amid_a_transfer_begins_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_device_lets_the_loop_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_and_fds_are_checked, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("virtio-console", tests, NULL, NULL);
}
