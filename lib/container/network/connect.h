/* SPDX-License-Identifier: MIT */
/* The part of a container's network that is made from outside of it. */
#ifndef NETWORK_CONNECT_H
#define NETWORK_CONNECT_H

#include "container/network.h"
#include "sandbox/process.h"

/*
 * For one start of a container with an interface of its own; the settings stay the container's, and are frozen. NULL
 * without memory, and where the library was built without this, with the error set.
 */
struct process_network *network_connection_new(const struct container_network *settings, viso_network kind);

#endif
