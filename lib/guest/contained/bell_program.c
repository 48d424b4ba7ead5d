/* SPDX-License-Identifier: MIT */
#include "guest/contained/bell_program.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/error.h"
#include "guest/contained/computer_message.h"
#include "guest/contained/message.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/machine.h"

/* One at a time. */
static struct {
	struct contained_request request;
	uint8_t data[CONTAINED_PIECE];
} message;

static int interrupt(struct machine *machine, void *data)
{
	const struct interrupt line = machine_interrupt(machine, LAYOUT_DOORBELL_LINE);
	interrupt_pulse(&line);
	return 0;
}

static int access_memory(struct machine *machine, void *data)
{
	const struct contained_request *request = &message.request;
	bool is_done = request->kind == REQUEST_READ
			       ? ram_read(&machine->ram, request->address, message.data, request->size)
			       : ram_write(&machine->ram, request->address, message.data, request->size);
	return is_done ? 0 : -EFAULT;
}

static void respond(int r)
{
	const struct contained_request *request = &message.request;
	size_t size = r == 0 && request->kind == REQUEST_READ ? request->size : 0;
	struct contained_response response = {request->serial, -r, (uint32_t)size};
	struct iovec parts[2] = {{&response, sizeof(response)}, {message.data, size}};
	const struct msghdr out = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
	while (sendmsg(COMPUTER_LINK, &out, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* The machine cannot end meanwhile. */
static void serve(viso_guest *guest)
{
	if (message.request.kind == REQUEST_SIGNAL)
		(void)!kernel_use_machine(guest, __func__, interrupt, NULL);
	else
		respond(kernel_use_machine(guest, __func__, access_memory, NULL));
}

static void *listen_to_host(void *guest)
{
	ssize_t n;
	while ((n = recv(COMPUTER_LINK, &message, sizeof(message), 0)) != 0)
		if (n >= (ssize_t)sizeof(message.request) && message.request.size <= CONTAINED_PIECE)
			serve(guest);
		else if (n < 0 && errno != EINTR)
			break;
	return NULL;
}

int bell_program_start(viso_guest *guest)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, listen_to_host, guest);
	return r ? error_fail(VISO_STAGE_GUEST, r, "pthread_create", NULL) : 0;
}
