/* SPDX-License-Identifier: MIT */
/* Sockets between guest and host: a driver that speaks vsock, and unix sockets of this machine. */
#include <errno.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver.h"
#include "guest/device/virtio/vsock.h"
#include "support.h"

enum { RECEIVE = 0, TRANSMIT = 1, CID = 42, BUFFERS = 8, ROOM = 4096, BUFFER = 64 << 10 };

struct bench {
	struct driver driver;
	char *directory;
	char path[200];
	int listener; /* of port 7 of the host */
	uint64_t buffers[BUFFERS];
	uint16_t heads[BUFFERS];
};

static int open_unix(const char *path, bool listens)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listens) {
		assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(fd, 8), 0);
	} else {
		assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	}
	return fd;
}

static void add_buffer(struct bench *bench, int i)
{
	const struct part part = {bench->buffers[i], ROOM, true};
	bench->heads[i] = driver_add(&bench->driver, RECEIVE, &part, 1);
}

static int set_up(void **state)
{
	static struct bench bench;
	struct virtio *vsock;
	char path[256];
	bench.directory = support_temporary_directory();
	snprintf(bench.path, sizeof(bench.path), "%s/v", bench.directory);
	snprintf(path, sizeof(path), "%s_7", bench.path);
	bench.listener = open_unix(path, true);
	driver_open(&bench.driver);
	assert_int_equal(virtio_vsock_new(&bench.driver.ram, driver_interrupt(&bench.driver), &bench.driver.loop, CID,
					  bench.path, open_unix(bench.path, true), &vsock),
			 0);
	driver_take(&bench.driver, vsock);
	driver_begin(&bench.driver, 0, 3);
	for (int i = 0; i < BUFFERS; i++) {
		bench.buffers[i] = driver_room(&bench.driver, ROOM);
		add_buffer(&bench, i);
	}
	driver_kick(&bench.driver, RECEIVE);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	driver_close(&bench->driver);
	close(bench->listener);
	support_remove_tree(bench->directory);
	free(bench->directory);
	return 0;
}

static void send_packet(struct bench *bench, struct virtio_vsock_hdr header, const void *data, uint32_t size)
{
	struct driver *driver = &bench->driver;
	uint64_t room = driver->next_free;
	header.src_cid = header.src_cid ? header.src_cid : CID;
	header.dst_cid = header.dst_cid ? header.dst_cid : 2;
	header.type = header.type ? header.type : VIRTIO_VSOCK_TYPE_STREAM;
	header.buf_alloc = header.buf_alloc ? header.buf_alloc : BUFFER;
	struct part parts[2] = {{driver_put(driver, &header, sizeof(header)), sizeof(header), false}};
	parts[1] = (struct part){driver_put(driver, data, size), size, false};
	driver_do(driver, TRANSMIT, parts, size ? 2 : 1);
	driver->next_free = room;
}

static void send_op(struct bench *bench, uint16_t op, uint32_t guest_port, uint32_t host_port)
{
	send_packet(bench, (struct virtio_vsock_hdr){.op = op, .src_port = guest_port, .dst_port = host_port}, "", 0);
}

/* The next packet of the device, with its data where there is any; its buffer is the device's again. */
static struct virtio_vsock_hdr next_packet(struct bench *bench, char *data)
{
	struct virtio_vsock_hdr header;
	uint16_t head;
	uint32_t length;
	assert_true(driver_wait(&bench->driver, RECEIVE, &head, &length));
	int i = 0;
	while (bench->heads[i] != head)
		i++;
	const uint8_t *bytes = driver_at(&bench->driver, bench->buffers[i]);
	memcpy(&header, bytes, sizeof(header));
	assert_int_equal(length, sizeof(header) + header.len);
	assert_int_equal(header.src_cid, 2);
	assert_int_equal(header.dst_cid, CID);
	if (data)
		memcpy(data, bytes + sizeof(header), header.len);
	add_buffer(bench, i);
	driver_kick(&bench->driver, RECEIVE);
	return header;
}

static void assert_op(struct bench *bench, uint16_t op, uint32_t guest_port, uint32_t host_port)
{
	struct virtio_vsock_hdr header = next_packet(bench, NULL);
	assert_int_equal(header.op, op);
	assert_int_equal(header.dst_port, guest_port);
	assert_int_equal(header.src_port, host_port);
}

static void assert_no_packet(struct bench *bench)
{
	driver_run_loop(&bench->driver);
	assert_false(driver_is_used(&bench->driver, RECEIVE));
}

/* The guest connects to port 7 of the host; the host's end. */
static int connect_guest(struct bench *bench, uint32_t guest_port)
{
	send_op(bench, VIRTIO_VSOCK_OP_REQUEST, guest_port, 7);
	assert_op(bench, VIRTIO_VSOCK_OP_RESPONSE, guest_port, 7);
	int fd = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void the_guest_connects_to_the_host(void **state)
{
	struct bench *bench = *state;
	char data[ROOM], got[64] = {0};
	int fd = connect_guest(bench, 1000);
	send_packet(bench,
		    (struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_RW, .src_port = 1000, .dst_port = 7, .len = 5},
		    "hello", 5);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 5);
	assert_string_equal(got, "hello");
	assert_int_equal(send(fd, "answer", 6, 0), 6);
	struct virtio_vsock_hdr header = next_packet(bench, data);
	assert_int_equal(header.op, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(header.len, 6);
	assert_memory_equal(data, "answer", 6);
	assert_int_equal(header.fwd_cnt, 5);
	/* The guest ends it: the host sees the end, the guest hears that all is over. */
	send_packet(
		bench,
		(struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_SHUTDOWN, .src_port = 1000, .dst_port = 7, .flags = 3},
		"", 0);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1000, 7);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 0);
	close(fd);
}

static void the_host_connects_to_the_guest(void **state)
{
	struct bench *bench = *state;
	char got[64] = {0}, data[ROOM];
	int fd = open_unix(bench->path, false);
	/* The line in two, and data right behind it. */
	assert_int_equal(send(fd, "CONN", 4, 0), 4);
	assert_no_packet(bench);
	assert_int_equal(send(fd, "ECT 55\nearly", 12, 0), 12);
	struct virtio_vsock_hdr header = next_packet(bench, NULL);
	assert_int_equal(header.op, VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(header.dst_port, 55);
	uint32_t host_port = header.src_port;
	send_op(bench, VIRTIO_VSOCK_OP_RESPONSE, 55, host_port);
	driver_run_loop(&bench->driver);
	assert_true(recv(fd, got, sizeof(got), MSG_DONTWAIT) > 0);
	char expected[64];
	snprintf(expected, sizeof(expected), "OK %u\n", host_port);
	assert_string_equal(got, expected);
	header = next_packet(bench, data);
	assert_int_equal(header.len, 5);
	assert_memory_equal(data, "early", 5);
	/* The host's end. */
	close(fd);
	header = next_packet(bench, NULL);
	assert_int_equal(header.op, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_true(header.flags & VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_op(bench, VIRTIO_VSOCK_OP_RST, 55, host_port);
	assert_no_packet(bench);
}

static void who_does_not_say_where_to_is_sent_away(void **state)
{
	struct bench *bench = *state;
	static const char *const lines[] = {"HELLO 7\n",
					    "CONNECT\n",
					    "CONNECT x\n",
					    "CONNECT -1\n",
					    "CONNECT 4294967296\n",
					    "CONNECT 7 \n",
					    "\n",
					    "CONNECT 00000000000000000000000000000000000000001\n"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char got[8];
		int fd = open_unix(bench->path, false);
		assert_int_equal(send(fd, lines[i], strlen(lines[i]), 0), (ssize_t)strlen(lines[i]));
		assert_no_packet(bench);
		assert_true(recv(fd, got, sizeof(got), MSG_DONTWAIT) <= 0 && errno != EAGAIN);
		errno = 0;
		close(fd);
	}
}

static void nobody_is_there(void **state)
{
	struct bench *bench = *state;
	char got[8];
	/* On the host. */
	send_op(bench, VIRTIO_VSOCK_OP_REQUEST, 1000, 8);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1000, 8);
	/* In the guest. */
	int fd = open_unix(bench->path, false);
	assert_int_equal(send(fd, "CONNECT 9\n", 10, 0), 10);
	struct virtio_vsock_hdr header = next_packet(bench, NULL);
	send_op(bench, VIRTIO_VSOCK_OP_RST, 9, header.src_port);
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 0);
	close(fd);
	/* What belongs to no connection; but an end is not answered. */
	send_op(bench, VIRTIO_VSOCK_OP_RW, 1, 2);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1, 2);
	send_op(bench, VIRTIO_VSOCK_OP_RST, 1, 2);
	assert_no_packet(bench);
}

static void the_guest_may_send_what_the_host_has_room_for(void **state)
{
	struct bench *bench = *state;
	static char piece[16 << 10];
	int fd = connect_guest(bench, 1000);
	uint32_t sent = 0;
	/* Until the socket and the device's buffer are full: never more than it may. */
	uint32_t allowed = BUFFER;
	for (int i = 0; i < 100 && sent + sizeof(piece) <= allowed; i++) {
		memset(piece, i, sizeof(piece));
		send_packet(bench,
			    (struct virtio_vsock_hdr){
				    .op = VIRTIO_VSOCK_OP_RW, .src_port = 1000, .dst_port = 7, .len = sizeof(piece)},
			    piece, sizeof(piece));
		sent += sizeof(piece);
		driver_run_loop(&bench->driver);
		while (driver_is_used(&bench->driver, RECEIVE)) {
			struct virtio_vsock_hdr header = next_packet(bench, NULL);
			assert_int_equal(header.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			allowed = header.fwd_cnt + header.buf_alloc;
		}
	}
	assert_true(sent > BUFFER);
	uint32_t total = 0;
	char got[5000];
	while (total < sent) {
		ssize_t size = recv(fd, got, sizeof(got), MSG_DONTWAIT);
		driver_run_loop(&bench->driver);
		if (size < 0)
			continue;
		for (ssize_t i = 0; i < size; i++)
			assert_int_equal((uint8_t)got[i], (uint8_t)((total + (uint32_t)i) / sizeof(piece)));
		total += (uint32_t)size;
	}
	close(fd);
}

static void a_guest_that_sends_more_is_cut(void **state)
{
	struct bench *bench = *state;
	static char piece[32 << 10];
	int fd = connect_guest(bench, 1000);
	struct virtio_vsock_hdr header;
	int i = 0;
	do {
		send_packet(bench,
			    (struct virtio_vsock_hdr){
				    .op = VIRTIO_VSOCK_OP_RW, .src_port = 1000, .dst_port = 7, .len = sizeof(piece)},
			    piece, sizeof(piece));
		header.op = VIRTIO_VSOCK_OP_INVALID;
		while (driver_is_used(&bench->driver, RECEIVE) && header.op != VIRTIO_VSOCK_OP_RST)
			header = next_packet(bench, NULL);
	} while (header.op != VIRTIO_VSOCK_OP_RST && i++ < 50);
	assert_int_equal(header.op, VIRTIO_VSOCK_OP_RST);
	close(fd);
	/* And one whose packet is shorter than it says. */
	fd = connect_guest(bench, 1001);
	send_packet(bench,
		    (struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_RW, .src_port = 1001, .dst_port = 7, .len = 6},
		    "hello", 5);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1001, 7);
	close(fd);
}

static void the_host_sends_what_the_guest_has_room_for(void **state)
{
	struct bench *bench = *state;
	char bytes[3000], data[ROOM];
	send_packet(bench,
		    (struct virtio_vsock_hdr){
			    .op = VIRTIO_VSOCK_OP_REQUEST, .src_port = 1000, .dst_port = 7, .buf_alloc = 1000},
		    "", 0);
	assert_op(bench, VIRTIO_VSOCK_OP_RESPONSE, 1000, 7);
	int fd = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(next_packet(bench, data).len, 1000);
	assert_no_packet(bench);
	send_packet(bench,
		    (struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
					      .src_port = 1000,
					      .dst_port = 7,
					      .buf_alloc = 1000,
					      .fwd_cnt = 600},
		    "", 0);
	assert_int_equal(next_packet(bench, data).len, 600);
	assert_no_packet(bench);
	/* Nonsense is no credit. */
	send_packet(bench,
		    (struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
					      .src_port = 1000,
					      .dst_port = 7,
					      .buf_alloc = 1000,
					      .fwd_cnt = 99999},
		    "", 0);
	assert_no_packet(bench);
	send_op(bench, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 1000, 7);
	assert_op(bench, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 1000, 7);
	close(fd);
}

static void half_an_end_is_half_an_end(void **state)
{
	struct bench *bench = *state;
	char got[8], data[ROOM];
	int fd = connect_guest(bench, 1000);
	send_packet(bench,
		    (struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_SHUTDOWN,
					      .src_port = 1000,
					      .dst_port = 7,
					      .flags = VIRTIO_VSOCK_SHUTDOWN_SEND},
		    "", 0);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 0);
	assert_int_equal(send(fd, "still", 5, 0), 5);
	assert_int_equal(next_packet(bench, data).len, 5);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_op(bench, VIRTIO_VSOCK_OP_SHUTDOWN, 1000, 7);
	close(fd);
}

static void foreign_packets_are_refused(void **state)
{
	struct bench *bench = *state;
	send_packet(
		bench,
		(struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_REQUEST, .src_cid = 43, .src_port = 1, .dst_port = 7},
		"", 0);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1, 7);
	send_packet(
		bench,
		(struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_REQUEST, .dst_cid = 3, .src_port = 1, .dst_port = 7},
		"", 0);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1, 7);
	send_packet(bench,
		    (struct virtio_vsock_hdr){.op = VIRTIO_VSOCK_OP_REQUEST, .type = 2, .src_port = 1, .dst_port = 7},
		    "", 0);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1, 7);
	const struct part part = {bench->buffers[0], 20, false};
	driver_do(&bench->driver, TRANSMIT, &part, 1);
	assert_no_packet(bench);
	/* An operation that there is not, and one that comes too late. */
	int fd = connect_guest(bench, 1000);
	send_op(bench, 77, 1000, 7);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1000, 7);
	close(fd);
	fd = connect_guest(bench, 1001);
	send_op(bench, VIRTIO_VSOCK_OP_RESPONSE, 1001, 7);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 1001, 7);
	close(fd);
}

static void answers_wait_for_buffers_and_the_guest_for_them(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	/* All buffers are filled, and then thirty-two answers more wait. */
	int sent = 0;
	for (; sent < BUFFERS + 32; sent++)
		send_op(bench, VIRTIO_VSOCK_OP_RW, (uint32_t)sent, 1);
	const struct virtio_vsock_hdr header = {
		.src_cid = CID, .dst_cid = 2, .type = 1, .op = VIRTIO_VSOCK_OP_RW, .src_port = 999};
	const struct part part = {driver_put(driver, &header, sizeof(header)), sizeof(header), false};
	uint16_t head;
	uint32_t length;
	driver_add(driver, TRANSMIT, &part, 1);
	driver_kick(driver, TRANSMIT);
	assert_false(driver_is_used(driver, TRANSMIT));
	for (int i = 0; i < sent + 1; i++)
		assert_int_equal(next_packet(bench, NULL).op, VIRTIO_VSOCK_OP_RST);
	assert_true(driver_wait(driver, TRANSMIT, &head, &length));
	assert_no_packet(bench);
}

static void connections_are_as_many_as_there_may_be(void **state)
{
	struct bench *bench = *state;
	int fds[VSOCK_CONNECTIONS_MAX];
	for (uint32_t i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		fds[i] = connect_guest(bench, i);
	send_op(bench, VIRTIO_VSOCK_OP_REQUEST, 5000, 7);
	assert_op(bench, VIRTIO_VSOCK_OP_RST, 5000, 7);
	send_op(bench, VIRTIO_VSOCK_OP_RST, 3, 7);
	close(connect_guest(bench, 5001));
	/* A reset ends them all, for the host too. */
	driver_set(&bench->driver, VIRTIO_MMIO_STATUS, 0);
	char byte;
	for (uint32_t i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		if (i != 3)
			assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), 0);
		close(fds[i]);
	}
}

/* Whoever may connect could keep all others out, and the guest in, by doing nothing. */
static void those_who_say_nothing_give_way(void **state)
{
	struct bench *bench = *state;
	int silent[VSOCK_CONNECTIONS_MAX];
	char byte;
	for (int i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		silent[i] = open_unix(bench->path, false);
		assert_no_packet(bench);
	}
	/* To the guest. */
	int fd = open_unix(bench->path, false);
	assert_int_equal(send(fd, "CONNECT 9\n", 10, 0), 10);
	struct virtio_vsock_hdr header = next_packet(bench, NULL);
	assert_int_equal(header.op, VIRTIO_VSOCK_OP_REQUEST);
	send_op(bench, VIRTIO_VSOCK_OP_RESPONSE, 9, header.src_port);
	/* From it. */
	int other = connect_guest(bench, 5000);
	/* The first ones have gone, those that came last may still speak, and who has spoken stays. */
	assert_int_equal(recv(silent[0], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(silent[VSOCK_CONNECTIONS_MAX - 1], &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 'O');
	for (int i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
		close(silent[i]);
	close(fd);
	close(other);
}

/* The device itself is there for as long as somebody has its computer. */
static void connections_end_with_the_computer(void **state)
{
	struct bench *bench = *state;
	char byte;
	int fd = connect_guest(bench, 1), greeting = open_unix(bench->path, false);
	assert_no_packet(bench);
	int waiting = open_unix(bench->path, false);
	virtio_stop(bench->driver.device);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(greeting, &byte, 1, MSG_DONTWAIT), 0);
	assert_true(recv(waiting, &byte, 1, MSG_DONTWAIT) <= 0 && errno != EAGAIN);
	driver_run_loop(&bench->driver);
	close(fd);
	close(greeting);
	close(waiting);
}

/* Another device in the place of this one, with what that was, and nothing of the host behind it. */
static void replace_device(struct bench *bench)
{
	struct driver *driver = &bench->driver;
	struct state_writer saved = {0};
	struct virtio *other;
	virtio_pause(driver->device);
	assert_int_equal(virtio_save(driver->device, &saved), 0);
	virtio_stop(driver->device);
	virtio_release(driver->device);
	assert_int_equal(
		virtio_vsock_new(&driver->ram, driver_interrupt(driver), &driver->loop, CID + 1, NULL, -1, &other), 0);
	struct state_reader in = {.data = saved.data, .left = saved.size};
	assert_int_equal(virtio_load(other, &in), 0);
	assert_int_equal(in.left, 0);
	state_release(&saved);
	driver->bus.count = 0;
	driver_take(driver, other);
}

static void connections_are_not_gone_on_with(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	const struct part event = {driver_room(driver, sizeof(struct virtio_vsock_event)),
				   sizeof(struct virtio_vsock_event), true};
	uint16_t head;
	uint32_t length;
	char byte;
	int host = connect_guest(bench, 1000);
	driver_add(driver, 2, &event, 1);
	replace_device(bench);
	assert_int_equal(recv(host, &byte, 1, 0), 0);
	close(host);
	assert_true(driver_wait(driver, 2, &head, &length));
	assert_int_equal(length, sizeof(struct virtio_vsock_event));
	assert_int_equal(*(uint32_t *)driver_at(driver, event.address), VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	/* It has another address, which the guest asks for when it hears that. */
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_CONFIG), CID + 1);
}

/* As a second processor would add them, see test_virtio_console.c. */
static void buffers_without_end_do_not_hold_the_host(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	driver_begin(driver, 0, 3);
	struct virtqueue *queue = &driver->device->queues[RECEIVE];
	const struct part small = {driver_room(driver, 8), 8, true};
	driver_add(driver, RECEIVE, &small, 1);
	queue->used = driver_at(driver, queue->driver);
	queue->next_used = 1;
	alarm(60);
	send_op(bench, VIRTIO_VSOCK_OP_RW, 1000, 9);
	alarm(0);
}

/* One with room for a header alone takes no data, and does the connection no harm. */
static void buffers_without_room_for_data_are_skipped(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	char data[ROOM];
	uint16_t head;
	uint32_t length;
	driver_begin(driver, 0, 3);
	const struct part header = {driver_room(driver, sizeof(struct virtio_vsock_hdr)),
				    sizeof(struct virtio_vsock_hdr), true};
	add_buffer(bench, 0);
	driver_add(driver, RECEIVE, &header, 1);
	add_buffer(bench, 1);
	driver_kick(driver, RECEIVE);
	int fd = connect_guest(bench, 1000);
	assert_int_equal(send(fd, "answer", 6, 0), 6);
	assert_true(driver_wait(driver, RECEIVE, &head, &length));
	assert_int_equal(length, 0);
	assert_int_equal(next_packet(bench, data).op, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(data, "answer", 6);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_guest_connects_to_the_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_host_connects_to_the_guest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_does_not_say_where_to_is_sent_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_guest_may_send_what_the_host_has_room_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_that_sends_more_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_host_sends_what_the_guest_has_room_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(half_an_end_is_half_an_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(foreign_packets_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_wait_for_buffers_and_the_guest_for_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_are_as_many_as_there_may_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(those_who_say_nothing_give_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_end_with_the_computer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(connections_are_not_gone_on_with, set_up, tear_down),
		cmocka_unit_test_setup_teardown(buffers_without_end_do_not_hold_the_host, set_up, tear_down),
		cmocka_unit_test_setup_teardown(buffers_without_room_for_data_are_skipped, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("virtio-vsock", tests, NULL, NULL);
}
