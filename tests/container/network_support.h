/* SPDX-License-Identifier: MIT */
/*
 * A network namespace of the test program's own, so that nothing is made on the machine, and an outside that it reaches
 * by a cable:
 *
 *	containers -- host (192.0.2.1, 2001:db8::1) -- outside (192.0.2.2, 2001:db8::2), TCP port 7000: tells who asks
 */
#ifndef TEST_NETWORK_SUPPORT_H
#define TEST_NETWORK_SUPPORT_H

#include "box.h"

/* For cmocka_run_group_tests(). Without root it does nothing, and the tests skip by network_open(). */
int network_group_setup(void **state);
int network_group_teardown(void **state);

/* As box_open(), with that network; skips without the facilities. */
struct box *network_open(void **state, viso_network network);

/* Makes containers' packets pass through the host, or not. */
void network_set_forwarding(bool on);

/* The line, or what there is, that is read from a TCP port, asked from outside or from the host; "" where it cannot be
 * reached. */
extern bool network_speaks_first; /* an empty line is sent before */
const char *network_ask(bool outside, const char *address, int port, char *text, size_t size);

/* The output of a shell command in the namespace of the host; static. */
const char *network_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits until the host has no interface but those of the test, and no nftables table. */
void network_assert_clean(void);

/* A command of the container that goes on, until it is released. */
viso_process *network_spawn(struct box *box, const char *script);

/* Waits until the container listens at TCP port 80. */
void network_await_listener(bool outside, const char *address, int port, const char *expected);

#endif
