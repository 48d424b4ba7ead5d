/* SPDX-License-Identifier: MIT */
/* Network interfaces: frames to and from each kind of backend, a tap in a network of the test's own among them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"
#include "guest/device/virtio/backend.h"
#include "guest/device/virtio/net.h"
#include "support.h"

enum { RECEIVE = 0, TRANSMIT = 1 };

static const uint8_t mac[NET_MAC_SIZE] = {0x02, 1, 2, 3, 4, 5};

static const struct rate unlimited[THROTTLE_KINDS];

static void begin_limited(struct driver *driver, int fd, uint64_t features, const struct rate rates[THROTTLE_KINDS])
{
	struct virtio *net;
	driver_open(driver);
	assert_int_equal(virtio_net_new(&driver->ram, driver_interrupt(driver), &driver->loop, fd, mac, rates, &net),
			 0);
	driver_take(driver, net);
	driver_begin(driver, features, 2);
}

static void begin(struct driver *driver, int fd, uint64_t features)
{
	begin_limited(driver, fd, features, unlimited);
}

static int begin_with_sockets(struct driver *driver, int type, uint64_t features)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
	begin(driver, ends[0], features);
	return ends[1];
}

/* A frame of that size behind an empty header; where it is. */
static struct part frame(struct driver *driver, uint32_t size, uint8_t value)
{
	struct part part = {driver_room(driver, FRAME_HEADER + size), FRAME_HEADER + size, false};
	memset(driver_at(driver, part.address), 0, FRAME_HEADER);
	memset((uint8_t *)driver_at(driver, part.address) + FRAME_HEADER, value, size);
	return part;
}

static void the_driver_finds_address_and_link(void **state)
{
	static struct driver driver;
	uint8_t got[NET_MAC_SIZE];
	uint16_t status;
	int other = begin_with_sockets(&driver, SOCK_SEQPACKET, BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS));
	for (unsigned i = 0; i < NET_MAC_SIZE; i++)
		bus_read(&driver.bus, DRIVER_BASE + VIRTIO_MMIO_CONFIG + i, &got[i], 1);
	assert_memory_equal(got, mac, sizeof(mac));
	bus_read(&driver.bus, DRIVER_BASE + VIRTIO_MMIO_CONFIG + NET_MAC_SIZE, &status, sizeof(status));
	assert_int_equal(status, VIRTIO_NET_S_LINK_UP);
	uint32_t generation = driver_get(&driver, VIRTIO_MMIO_CONFIG_GENERATION);
	/* The other end goes. */
	const struct part room = {driver_room(&driver, 2048), 2048, true};
	driver_add(&driver, RECEIVE, &room, 1);
	driver_kick(&driver, RECEIVE);
	close(other);
	driver_run_loop(&driver);
	bus_read(&driver.bus, DRIVER_BASE + VIRTIO_MMIO_CONFIG + NET_MAC_SIZE, &status, sizeof(status));
	assert_int_equal(status, 0);
	assert_int_not_equal(driver_get(&driver, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_true(driver_get(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	/* What is sent now is lost. */
	const struct part lost = frame(&driver, 60, 1);
	driver_do(&driver, TRANSMIT, &lost, 1);
	driver_close(&driver);
}

static void messages_are_frames(void **state)
{
	static struct driver driver;
	uint8_t got[2048];
	uint16_t head;
	uint32_t length;
	int other = begin_with_sockets(&driver, SOCK_DGRAM, 0);
	struct part parts[2] = {frame(&driver, 60, 7)};
	/* The header in a segment of its own, and then across two. */
	parts[1] = (struct part){parts[0].address + FRAME_HEADER, 60, false};
	parts[0].length = FRAME_HEADER;
	driver_do(&driver, TRANSMIT, parts, 2);
	assert_int_equal(recv(other, got, sizeof(got), MSG_DONTWAIT), 60);
	assert_int_equal(got[0], 7);
	parts[0].length = 5;
	parts[1] = (struct part){parts[0].address + 5, FRAME_HEADER - 5 + 60, false};
	driver_do(&driver, TRANSMIT, parts, 2);
	assert_int_equal(recv(other, got, sizeof(got), MSG_DONTWAIT), 60);

	const struct part room = {driver_room(&driver, 2048), 2048, true};
	memset(got, 9, 100);
	assert_int_equal(send(other, got, 100, 0), 100);
	driver_run_loop(&driver);
	assert_int_equal(driver_do(&driver, RECEIVE, &room, 1), FRAME_HEADER + 100);
	struct virtio_net_hdr_v1 header;
	memcpy(&header, driver_at(&driver, room.address), sizeof(header));
	assert_int_equal(header.num_buffers, 1);
	assert_int_equal(*((uint8_t *)driver_at(&driver, room.address) + FRAME_HEADER + 99), 9);
	/* One that came before there was room. */
	assert_int_equal(send(other, got, 70, 0), 70);
	driver_run_loop(&driver);
	assert_false(driver_is_used(&driver, RECEIVE));
	driver_add(&driver, RECEIVE, &room, 1);
	driver_kick(&driver, RECEIVE);
	assert_true(driver_wait(&driver, RECEIVE, &head, &length));
	assert_int_equal(length, FRAME_HEADER + 70);
	driver_close(&driver);
	close(other);
}

/* Who sends one to the other end must not be able to pull the cable out for good. */
static void an_empty_message_is_no_end(void **state)
{
	static struct driver driver;
	uint16_t head;
	uint32_t length;
	char bytes[70] = {0};
	int other = begin_with_sockets(&driver, SOCK_DGRAM, BIT(VIRTIO_NET_F_STATUS));
	for (int i = 0; i < 2; i++) {
		const struct part room = {driver_room(&driver, 2048), 2048, true};
		driver_add(&driver, RECEIVE, &room, 1);
	}
	driver_kick(&driver, RECEIVE);
	assert_int_equal(send(other, bytes, 0, 0), 0);
	assert_int_equal(send(other, bytes, 0, 0), 0);
	assert_int_equal(send(other, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_true(driver_wait(&driver, RECEIVE, &head, &length));
	assert_int_equal(length, FRAME_HEADER + sizeof(bytes));
	assert_false(driver_get(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	driver_close(&driver);
	close(other);
}

static void large_frames_come_in_several_buffers(void **state)
{
	static struct driver driver;
	static uint8_t bytes[3000];
	int other = begin_with_sockets(&driver, SOCK_SEQPACKET, BIT(VIRTIO_NET_F_MRG_RXBUF));
	struct part rooms[3];
	uint16_t head;
	uint32_t length;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i % 253);
	for (int i = 0; i < 3; i++) {
		rooms[i] = (struct part){driver_room(&driver, 1024), 1024, true};
		if (i < 2)
			driver_add(&driver, RECEIVE, &rooms[i], 1);
	}
	driver_kick(&driver, RECEIVE);
	assert_int_equal(send(other, bytes, sizeof(bytes), 0), sizeof(bytes));
	driver_run_loop(&driver);
	/* Two are not enough, and none is used. */
	assert_false(driver_is_used(&driver, RECEIVE));
	driver_add(&driver, RECEIVE, &rooms[2], 1);
	driver_kick(&driver, RECEIVE);
	uint8_t got[3 * 1024];
	for (int i = 0; i < 3; i++) {
		assert_true(driver_wait(&driver, RECEIVE, &head, &length));
		assert_int_equal(length, i < 2 ? 1024 : FRAME_HEADER + 3000 - 2048);
		memcpy(got + 1024 * (size_t)i, driver_at(&driver, rooms[i].address), 1024);
	}
	assert_memory_equal(got + FRAME_HEADER, bytes, sizeof(bytes));
	assert_int_equal(((struct virtio_net_hdr_v1 *)got)->num_buffers, 3);
	driver_close(&driver);
	close(other);
}

static void a_stream_has_lengths_before_its_frames(void **state)
{
	static struct driver driver;
	uint8_t got[256];
	uint32_t length;
	int other = begin_with_sockets(&driver, SOCK_STREAM, 0);
	const struct part part = frame(&driver, 60, 7);
	driver_do(&driver, TRANSMIT, &part, 1);
	driver_do(&driver, TRANSMIT, &part, 1);
	assert_int_equal(recv(other, got, sizeof(got), MSG_DONTWAIT), 128);
	memcpy(&length, got + 64, sizeof(length));
	assert_int_equal(ntohl(length), 60);
	assert_int_equal(got[68], 7);

	/* Two frames, byte by byte. */
	const struct part room = {driver_room(&driver, 2048), 2048, true};
	driver_add(&driver, RECEIVE, &room, 1);
	driver_add(&driver, RECEIVE, &room, 1);
	driver_kick(&driver, RECEIVE);
	length = htonl(20);
	memcpy(got, &length, sizeof(length));
	memset(got + 4, 3, 20);
	for (int i = 0; i < 48; i++) {
		assert_int_equal(send(other, got + i % 24, 1, 0), 1);
		driver_run_loop(&driver);
	}
	for (int i = 0; i < 2; i++) {
		uint16_t head;
		assert_true(driver_wait(&driver, RECEIVE, &head, &length));
		assert_int_equal(length, FRAME_HEADER + 20);
	}
	driver_close(&driver);
	close(other);
}

static void a_stream_of_something_else_is_cut(void **state)
{
	const uint32_t lengths[] = {0, htonl(FRAME_MAX + 1), UINT32_MAX};
	for (size_t i = 0; i < 3; i++) {
		static struct driver driver;
		uint16_t status;
		int other = begin_with_sockets(&driver, SOCK_STREAM, 0);
		const struct part room = {driver_room(&driver, 2048), 2048, true};
		driver_add(&driver, RECEIVE, &room, 1);
		driver_kick(&driver, RECEIVE);
		assert_int_equal(send(other, &lengths[i], 4, 0), 4);
		driver_run_loop(&driver);
		bus_read(&driver.bus, DRIVER_BASE + VIRTIO_MMIO_CONFIG + NET_MAC_SIZE, &status, sizeof(status));
		assert_int_equal(status, 0);
		driver_close(&driver);
		close(other);
	}
}

static void a_slow_stream_gets_every_frame_whole(void **state)
{
	static struct driver driver;
	static uint8_t got[64 << 10];
	enum { FRAMES = 14, SIZE = 60000 };
	int other = begin_with_sockets(&driver, SOCK_STREAM, 0);
	const struct part part = frame(&driver, SIZE, 5);
	for (int i = 0; i < FRAMES; i++)
		driver_add(&driver, TRANSMIT, &part, 1);
	driver_kick(&driver, TRANSMIT);
	assert_true(driver.device->queues[TRANSMIT].next_used < FRAMES);
	size_t total = 0;
	while (total < (size_t)FRAMES * (4 + SIZE)) {
		ssize_t size = recv(other, got, sizeof(got), MSG_DONTWAIT);
		driver_run_loop(&driver);
		if (size < 0 && errno == EAGAIN)
			continue;
		assert_true(size > 0);
		for (ssize_t i = 0; i < size; i++) {
			size_t place = (total + (size_t)i) % (4 + SIZE);
			const uint32_t length = htonl(SIZE);
			assert_int_equal(got[i], place < 4 ? ((const uint8_t *)&length)[place] : 5);
		}
		total += (size_t)size;
	}
	assert_int_equal(driver.device->queues[TRANSMIT].next_used, FRAMES);
	driver_close(&driver);
	close(other);
}

static void what_can_be_no_frame_is_lost(void **state)
{
	static struct driver driver;
	uint8_t got[64];
	int other = begin_with_sockets(&driver, SOCK_SEQPACKET, 0);
	const struct part parts[] = {
		{driver_room(&driver, 16), FRAME_HEADER - 1, false},
		{driver_room(&driver, 16), FRAME_HEADER, false},
		{HIGH_BASE, FRAME_ROOM + 1, false},
		{HIGH_BASE, 64, true},
	};
	for (int i = 0; i < 4; i++)
		driver_do(&driver, TRANSMIT, &parts[i], 1);
	assert_int_equal(recv(other, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	/* A receive buffer without room, or for reading only, takes nothing and hurts nobody. */
	const struct part none = {HIGH_BASE, 64, false};
	driver_add(&driver, RECEIVE, &none, 1);
	assert_int_equal(send(other, got, 60, 0), 60);
	driver_kick(&driver, RECEIVE);
	driver_run_loop(&driver);
	driver_close(&driver);
	close(other);
}

static void other_fds_are_refused(void **state)
{
	static struct driver driver;
	struct virtio *net;
	int ends[2];
	driver_open(&driver);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(
		virtio_net_new(&driver.ram, driver_interrupt(&driver), &driver.loop, ends[0], mac, unlimited, &net),
		-EINVAL);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	close(ends[1]);
	assert_int_equal(virtio_net_new(&driver.ram, driver_interrupt(&driver), &driver.loop,
					socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), mac, unlimited, &net),
			 0);
	driver_take(&driver, net);
	driver_close(&driver);
}

static int open_tap(short flags)
{
	struct ifreq request = {.ifr_flags = flags, .ifr_name = "tap0"};
	int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	skip_without(tap >= 0, "/dev/net/tun");
	assert_int_equal(ioctl(tap, TUNSETIFF, &request), 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	return tap;
}

/* Sees what comes out of the tap on the host's side. */
static int open_packet(void)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("tap0")};
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void try_tap(short flags)
{
	static struct driver driver;
	uint8_t got[2048];
	skip_without(unshare(CLONE_NEWNET) == 0, "root");
	int tap = open_tap(flags);
	int packet = open_packet();
	begin(&driver, tap, BIT(VIRTIO_NET_F_MAC));
	assert_int_equal(!!(driver_features(&driver) & BIT(VIRTIO_NET_F_CSUM)), !!(flags & IFF_VNET_HDR));
	const struct part part = frame(&driver, 60, 0x88);
	driver_do(&driver, TRANSMIT, &part, 1);
	ssize_t size;
	/* The kernel has packets of its own there, for IPv6. */
	do
		size = recv(packet, got, sizeof(got), 0);
	while (size > 0 && got[0] != 0x88);
	assert_int_equal(size, 60);

	const struct part room = {driver_room(&driver, 2048), 2048, true};
	memset(got, 0x66, 60);
	assert_int_equal(send(packet, got, 60, 0), 60);
	uint8_t *host = driver_at(&driver, room.address);
	do
		assert_true(driver_do(&driver, RECEIVE, &room, 1) >= FRAME_HEADER);
	while (host[FRAME_HEADER] != 0x66);
	driver_close(&driver);
	close(packet);
}

static void a_tap_carries_both_ways(void **state)
{
	try_tap(IFF_TAP | IFF_NO_PI);
}

static void a_tap_with_headers_has_offloads(void **state)
{
	try_tap(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
}

static void a_tun_is_no_tap(void **state)
{
	static struct driver driver;
	struct virtio *net;
	skip_without(unshare(CLONE_NEWNET) == 0, "root");
	driver_open(&driver);
	assert_int_equal(virtio_net_new(&driver.ram, driver_interrupt(&driver), &driver.loop,
					open_tap(IFF_TUN | IFF_NO_PI), mac, unlimited, &net),
			 -EINVAL);
	loop_release(&driver.loop);
}

/* passt(1) on the other end of the cable; it answers for every address but the guest's. */
static pid_t start_passt(int fd)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", fd);
	pid_t child = fork();
	if (child == 0) {
		fcntl(fd, F_SETFD, 0);
		execlp("passt", "passt", "-f", "-q", "-1", "-4", "-a", "10.9.8.7", "-n", "24", "-g", "10.9.8.1", "-F",
		       number, NULL);
		_exit(127);
	}
	assert_true(child > 0);
	return child;
}

static void passt_answers(void **state)
{
	static struct driver driver;
	/* Who has 10.9.8.1? 10.9.8.7 asks. */
	static const uint8_t question[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 2, 3, 4,  5, 8, 6,
					     0,    1,    8,    0,    6,    4,    0, 1, 2, 1, 2,  3, 4, 5,
					     10,   9,    8,    7,    0,    0,    0, 0, 0, 0, 10, 9, 8, 1};
	skip_without(access("/usr/bin/passt", X_OK) == 0, "passt");
	int ends[2];
	uint16_t head;
	uint32_t length;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid_t child = start_passt(ends[1]);
	close(ends[1]);
	begin(&driver, ends[0], BIT(VIRTIO_NET_F_MAC));
	const struct part part = frame(&driver, sizeof(question), 0);
	memcpy((uint8_t *)driver_at(&driver, part.address) + FRAME_HEADER, question, sizeof(question));
	const struct part room = {driver_room(&driver, 2048), 2048, true};
	const uint8_t *answer = (const uint8_t *)driver_at(&driver, room.address) + FRAME_HEADER;
	driver_do(&driver, TRANSMIT, &part, 1);
	driver_add(&driver, RECEIVE, &room, 1);
	driver_kick(&driver, RECEIVE);
	bool is_answered = driver_wait(&driver, RECEIVE, &head, &length) && length >= FRAME_HEADER + sizeof(question) &&
			   answer[13] == 6 && answer[21] == 2 && memcmp(answer + 28, question + 38, 4) == 0;
	driver_close(&driver);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_true(is_answered);
}

/* Each notification is an exit: while there are buffers enough, nobody waits for more. */
static void buffers_are_asked_for_when_there_are_none(void **state)
{
	static struct driver driver;
	uint16_t head;
	uint32_t length;
	for (int round = 0; round < 2; round++) {
		bool has_index = round == 1;
		int other = begin_with_sockets(&driver, SOCK_SEQPACKET, has_index ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0);
		const struct part room = {driver_room(&driver, 2048), 2048, true};
		const uint16_t *used = driver_at(&driver, driver.queues[RECEIVE].used);
		const uint16_t *event = used + 2 + 4 * driver.queues[RECEIVE].size;
		for (int i = 0; i < 3; i++)
			driver_add(&driver, RECEIVE, &room, 1);
		driver_kick(&driver, RECEIVE);
		for (int i = 0; i < 3; i++) {
			/* Not yet: the first one that it would be told of is gone by long ago. */
			assert_int_equal(has_index ? *event : *used, has_index ? 0 : VRING_USED_F_NO_NOTIFY);
			assert_int_equal(send(other, "a frame", 7, 0), 7);
			assert_true(driver_wait(&driver, RECEIVE, &head, &length));
		}
		assert_int_equal(has_index ? *event : *used, has_index ? 3 : 0);
		driver_close(&driver);
		close(other);
	}
}

/* Whether a frame comes to the host's end while the loop runs, within so many milliseconds. */
static bool comes(struct driver *driver, int other, int milliseconds)
{
	uint8_t bytes[100];
	for (int i = 0; i <= milliseconds; i++) {
		driver_run_loop(driver);
		if (recv(other, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			return true;
		usleep(1000);
	}
	return false;
}

static void frames_keep_to_their_rate(void **state)
{
	static struct driver driver;
	int ends[2];
	uint16_t head;
	uint32_t length;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	begin_limited(&driver, ends[0], 0, (struct rate[THROTTLE_KINDS]){{0}, {50, 2}});
	uint64_t from = throttle_now();
	for (int i = 0; i < 5; i++) {
		const struct part part = frame(&driver, 60, (uint8_t)i);
		driver_add(&driver, TRANSMIT, &part, 1);
	}
	driver_kick(&driver, TRANSMIT);
	for (int i = 0; i < 5; i++) {
		assert_true(comes(&driver, ends[1], 5000));
		assert_true(driver_wait(&driver, TRANSMIT, &head, &length));
	}
	assert_true(throttle_now() - from >= 3 * UINT64_C(20000000));
	/* Into the guest, while it stands still amid them. */
	from = throttle_now();
	for (int i = 0; i < 5; i++) {
		const struct part room = {driver_room(&driver, 2048), 2048, true};
		driver_add(&driver, RECEIVE, &room, 1);
		assert_int_equal(send(ends[1], "a frame of 20 bytes.", 20, 0), 20);
	}
	driver_kick(&driver, RECEIVE);
	for (int i = 0; i < 5; i++) {
		assert_true(driver_wait(&driver, RECEIVE, &head, &length));
		virtio_pause(driver.device);
		driver_run_loop(&driver);
		assert_int_equal(virtio_start(driver.device), 0);
	}
	assert_true(throttle_now() - from >= 3 * UINT64_C(20000000));
	driver_close(&driver);
	close(ends[1]);
}

static void frames_that_wait_go_with_the_device(void **state)
{
	static struct driver driver;
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	begin_limited(&driver, ends[0], 0, (struct rate[THROTTLE_KINDS]){{1, 1}, {0}});
	for (int i = 0; i < 2; i++) {
		const struct part part = frame(&driver, 1000, 1);
		driver_add(&driver, TRANSMIT, &part, 1);
	}
	driver_kick(&driver, TRANSMIT);
	assert_true(comes(&driver, ends[1], 5000));
	assert_false(comes(&driver, ends[1], 20));
	driver_begin(&driver, 0, 2);
	assert_false(comes(&driver, ends[1], 20));
	driver_close(&driver);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_driver_finds_address_and_link),
		cmocka_unit_test(messages_are_frames),
		cmocka_unit_test(an_empty_message_is_no_end),
		cmocka_unit_test(large_frames_come_in_several_buffers),
		cmocka_unit_test(a_stream_has_lengths_before_its_frames),
		cmocka_unit_test(a_stream_of_something_else_is_cut),
		cmocka_unit_test(a_slow_stream_gets_every_frame_whole),
		cmocka_unit_test(what_can_be_no_frame_is_lost),
		cmocka_unit_test(buffers_are_asked_for_when_there_are_none),
		cmocka_unit_test(frames_keep_to_their_rate),
		cmocka_unit_test(frames_that_wait_go_with_the_device),
		cmocka_unit_test(other_fds_are_refused),
		cmocka_unit_test(passt_answers),
		cmocka_unit_test(a_tap_carries_both_ways),
		cmocka_unit_test(a_tap_with_headers_has_offloads),
		cmocka_unit_test(a_tun_is_no_tap),
	};
	return cmocka_run_group_tests_name("virtio-net", tests, NULL, NULL);
}
