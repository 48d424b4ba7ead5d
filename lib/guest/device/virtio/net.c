/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/net.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "guest/device/virtio/backend.h"

_Static_assert(sizeof(struct virtio_net_hdr_v1) == FRAME_HEADER, "the header of virtio 1.2, 5.1.6");

enum {
	QUEUE_SIZE = 256,
	RECEIVE = 0,
	TRANSMIT = 1,
	FRAMES_AT_ONCE = 64, /* then others of the loop have their turn */
	BACKEND_FD = 0,
	TIMER_FD = 1, /* numbers of virtio_watch() */
};

struct net {
	struct virtio virtio; /* first, see release() */
	struct backend backend;
	struct throttle throttles[2]; /* of each direction, by its queue */
	int timer;                    /* for frames that have to wait; -1 where there are no limits */
	uint64_t waits_until[2];      /* by the timer; 0: nothing waits */
	uint32_t events;              /* that the loop watches for */
	bool is_blocked;              /* the backend takes nothing now */
	uint32_t size;                /* of a frame that found no buffer in the guest; 0: there is none */
	uint8_t frame[FRAME_ROOM];
};

static struct net *net_of(struct virtio *virtio)
{
	return (struct net *)virtio;
}

static void set_timer(struct net *net)
{
	uint64_t first = net->waits_until[RECEIVE], second = net->waits_until[TRANSMIT];
	uint64_t until = first && (first < second || !second) ? first : second;
	const struct itimerspec time = {
		.it_value = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)}};
	timerfd_settime(net->timer, TFD_TIMER_ABSTIME, &time, NULL);
}

/* Where it may not, the timer tells when. */
static bool may_begin(struct net *net, unsigned direction)
{
	if (net->timer < 0)
		return true;
	uint64_t time = throttle_now(), wait = throttle_wait(&net->throttles[direction], time);
	net->waits_until[direction] = wait ? time + wait : 0;
	if (wait)
		set_timer(net);
	return wait == 0;
}

static void has_begun(struct net *net, unsigned direction, uint32_t size)
{
	if (net->timer >= 0)
		throttle_take(&net->throttles[direction], size - FRAME_HEADER, throttle_now());
}

static void watch(struct net *net)
{
	struct virtio *virtio = &net->virtio;
	uint32_t events = 0;
	if (net->backend.fd < 0)
		return;
	if (virtio_is_active(virtio)) {
		if (queue_waiting(&virtio->queues[RECEIVE]) > 0 && net->size == 0 && !net->waits_until[RECEIVE])
			events |= EPOLLIN;
		if (net->is_blocked || net->backend.output_size > 0)
			events |= EPOLLOUT;
	}
	if (events == net->events)
		return;
	if (events == 0)
		loop_forget(virtio->loop, net->backend.fd);
	else if (!virtio_watch(virtio, BACKEND_FD, net->backend.fd, events))
		events = 0;
	net->events = events;
}

/* The cable is out, and stays out. */
static void has_ended(struct net *net)
{
	const uint16_t status = 0;
	loop_forget(net->virtio.loop, net->backend.fd);
	backend_release(&net->backend);
	net->events = 0;
	net->is_blocked = false;
	memcpy(net->virtio.config + offsetof(struct virtio_net_config, status), &status, sizeof(status));
	virtio_config_changed(&net->virtio);
}

static bool transmit(struct virtio *virtio, unsigned index, struct chain *chain)
{
	struct net *net = net_of(virtio);
	uint64_t size = chain->readable_bytes;
	/* What can be no frame is lost. */
	if (net->backend.fd >= 0 && size >= FRAME_HEADER && size <= FRAME_ROOM) {
		if (!may_begin(net, TRANSMIT))
			return false;
		int r = backend_send(&net->backend, chain->segments, chain->readable, (uint32_t)size);
		if (r == -EAGAIN) {
			net->is_blocked = true;
			return false;
		}
		if (r < 0)
			has_ended(net);
		has_begun(net, TRANSMIT, (uint32_t)size);
	}
	queue_push(&virtio->queues[index], chain->head, 0);
	return true;
}

/*
 * Puts the frame into the next buffers. Without VIRTIO_NET_F_MRG_RXBUF it has to fit into one, else it is cut, and no
 * frame any more (5.1.6.4 has the driver see to that). False where there are not enough buffers: it stays.
 */
static bool deliver(struct net *net)
{
	struct virtio *virtio = &net->virtio;
	struct virtqueue *queue = &virtio->queues[RECEIVE];
	bool is_mergeable = virtio_has(virtio, VIRTIO_NET_F_MRG_RXBUF);
	struct iovec buffers[sizeof(uint16_t)]; /* where their number belongs, in the first one's header */
	unsigned buffers_parts = 0;
	uint16_t count = 0;
	struct chain chain;
	for (uint32_t done = 0; done < net->size && (count == 0 || is_mergeable); count++) {
		if (count == QUEUE_SIZE || !virtio_pop(virtio, queue, &chain)) {
			queue_unpop(queue, count);
			return false;
		}
		if (count == 0)
			buffers_parts = chain_writable(&chain, offsetof(struct virtio_net_hdr_v1, num_buffers),
						       sizeof(count), buffers, sizeof(count));
		uint32_t written = (uint32_t)chain_write(&chain, 0, net->frame + done, net->size - done);
		queue_put(queue, count, chain.head, written);
		done += written;
	}
	for (unsigned i = 0, byte = 0; i < buffers_parts; i++)
		for (size_t j = 0; j < buffers[i].iov_len; j++, byte++)
			((uint8_t *)buffers[i].iov_base)[j] = (uint8_t)(count >> (8 * byte));
	queue_show(queue, count);
	net->size = 0;
	return true;
}

static void receive(struct net *net)
{
	struct virtqueue *queue = &net->virtio.queues[RECEIVE];
	for (int i = 0; i < FRAMES_AT_ONCE && net->backend.fd >= 0 && queue_waiting(queue) > 0; i++) {
		if (net->size == 0 && !may_begin(net, RECEIVE))
			break;
		if (net->size == 0) {
			ssize_t got = backend_receive(&net->backend, net->frame);
			if (got == -EPIPE)
				has_ended(net);
			if (got <= 0)
				break;
			net->size = (uint32_t)got;
			has_begun(net, RECEIVE, net->size);
		}
		if (!deliver(net))
			break;
	}
	virtio_signal(&net->virtio, queue);
}

/*
 * Receives what there is buffers for. The driver is to tell of more only where that is waited for: else each refill
 * would cost an exit.
 */
static void receive_and_listen(struct net *net)
{
	struct virtqueue *queue = &net->virtio.queues[RECEIVE];
	for (unsigned before;;) {
		receive(net);
		before = queue_waiting(queue);
		if (before > 0 && net->size == 0) {
			queue_silence(queue);
			return;
		}
		queue_listen(queue);
		/* For a frame that found too few there may be enough by now. */
		if (net->size == 0 || queue_waiting(queue) <= before)
			return;
	}
}

static void notify(struct virtio *virtio, unsigned index)
{
	struct net *net = net_of(virtio);
	if (index == TRANSMIT && !net->is_blocked)
		virtio_serve(virtio, index, transmit);
	/* Where no frame waits, the loop looks whether there is one to put into the new buffers. */
	if (index == RECEIVE && net->size > 0)
		receive_and_listen(net);
	else if (index == RECEIVE && queue_waiting(&virtio->queues[RECEIVE]) > 0)
		queue_silence(&virtio->queues[RECEIVE]);
	else if (index == RECEIVE)
		queue_listen(&virtio->queues[RECEIVE]);
	watch(net);
}

/* What had to wait may begin. */
static void time_has_come(struct net *net)
{
	struct virtio *virtio = &net->virtio;
	uint64_t count;
	if (read(net->timer, &count, sizeof(count)) < 0)
		return;
	net->waits_until[RECEIVE] = net->waits_until[TRANSMIT] = 0;
	if (!virtio_is_active(virtio))
		return; /* when it goes on, the queues are looked at */
	if (!net->is_blocked)
		virtio_serve(virtio, TRANSMIT, transmit);
	receive_and_listen(net);
}

static void ready(struct virtio *virtio, uint64_t number, uint32_t events)
{
	struct net *net = net_of(virtio);
	if (net->backend.fd < 0)
		return;
	if (number == TIMER_FD) {
		time_has_come(net);
		watch(net);
		return;
	}
	if (!virtio_is_active(virtio)) {
		/* It is broken, or about to stand still: nothing is watched then. */
		watch(net);
		return;
	}
	if ((net->events & EPOLLOUT) && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
		int r = backend_flush(&net->backend);
		net->is_blocked &= r == -EAGAIN;
		if (r == -EPIPE)
			has_ended(net);
		if (!net->is_blocked)
			virtio_serve(virtio, TRANSMIT, transmit);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive_and_listen(net);
	watch(net);
}

/* What the guest takes of offloads, for what the tap gives it. */
static void activate(struct virtio *virtio)
{
	struct net *net = net_of(virtio);
	unsigned offloads = 0;
	if (!net->backend.has_header || net->backend.fd < 0)
		return;
	if (virtio_has(virtio, VIRTIO_NET_F_GUEST_CSUM))
		offloads |= TUN_F_CSUM;
	if (offloads && virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO4))
		offloads |= TUN_F_TSO4;
	if (offloads && virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO6))
		offloads |= TUN_F_TSO6;
	/* Without them every frame is whole and has its sums; the worst is that the guest was to do without. */
	if (ioctl(net->backend.fd, TUNSETOFFLOAD, offloads) < 0 && offloads)
		(void)ioctl(net->backend.fd, TUNSETOFFLOAD, 0);
}

static void reset(struct virtio *virtio)
{
	struct net *net = net_of(virtio);
	net->size = 0;
	net->is_blocked = false;
	net->waits_until[RECEIVE] = net->waits_until[TRANSMIT] = 0;
	watch(net);
}

/* A frame that waited for a buffer is lost, as on any wire. Whether the cable is in is a matter of what is behind it
 * now, and the guest is told where that is not as it was. */
static int load(struct virtio *virtio, const uint8_t config[], struct state_reader *in)
{
	const unsigned place = offsetof(struct virtio_net_config, status);
	bool is_same = memcmp(virtio->config + place, config + place, sizeof(uint16_t)) == 0;
	memcpy(virtio->config + place, config + place, sizeof(uint16_t));
	if (!is_same)
		virtio_config_changed(virtio);
	activate(virtio);
	return 0;
}

static void release(struct virtio *virtio)
{
	struct net *net = net_of(virtio);
	backend_release(&net->backend);
	close_fd(net->timer);
	free(net);
}

static int limit(struct net *net, const struct rate rates[THROTTLE_KINDS])
{
	throttle_init(&net->throttles[RECEIVE], rates);
	throttle_init(&net->throttles[TRANSMIT], rates);
	if (!throttle_is_limited(&net->throttles[RECEIVE]))
		return 0;
	net->timer = fd_above_streams(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	if (net->timer < 0)
		return -errno;
	return virtio_watch(&net->virtio, TIMER_FD, net->timer, EPOLLIN) ? 0 : -ENOMEM;
}

int virtio_net_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, int fd,
		   const uint8_t mac[NET_MAC_SIZE], const struct rate rates[THROTTLE_KINDS], struct virtio **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_NET,
					      .activate = activate,
					      .notify = notify,
					      .ready = ready,
					      .reset = reset,
					      .load = load,
					      .release = release};
	struct net *net = calloc(1, sizeof(*net));
	if (!net) {
		close_fd(fd);
		return -ENOMEM;
	}
	net->timer = -1;
	uint64_t features = 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS | 1ULL << VIRTIO_NET_F_MRG_RXBUF;
	int r = 0;
	if (fd >= 0)
		r = backend_init(&net->backend, fd);
	else
		net->backend.fd = -1;
	if (net->backend.has_header || fd < 0)
		features |= 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
			    1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6 |
			    1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6;
	if (r == 0)
		r = virtio_init(&net->virtio, &ops, ram, interrupt, loop, features, 2, QUEUE_SIZE);
	if (r < 0) {
		backend_release(&net->backend);
		free(net);
		return r;
	}
	struct virtio_net_config config = {.status = fd >= 0 ? VIRTIO_NET_S_LINK_UP : 0};
	memcpy(config.mac, mac, NET_MAC_SIZE);
	net->virtio.config_size = offsetof(struct virtio_net_config, max_virtqueue_pairs);
	memcpy(net->virtio.config, &config, net->virtio.config_size);
	r = limit(net, rates);
	if (r < 0) {
		virtio_release(&net->virtio);
		return r;
	}
	*out = &net->virtio;
	return 0;
}

const struct traffic *virtio_net_traffic(const struct virtio *virtio)
{
	return &((const struct net *)virtio)->backend.traffic;
}
