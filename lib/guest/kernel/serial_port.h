/* SPDX-License-Identifier: MIT */
/* A second serial port (COM2, ttyS1) that leads to a socket of the host's: what computers without virtio have for an
 * agent. */
#ifndef GUEST_KERNEL_SERIAL_PORT_H
#define GUEST_KERNEL_SERIAL_PORT_H

#include "guest/kernel/machine.h"

/* A copy of `fd`, of a stream socket, is the port's. 0 or a negative errno with the error set. */
int serial_port_add(struct machine *machine, int fd);

#endif
