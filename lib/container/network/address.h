/* SPDX-License-Identifier: MIT */
/* Addresses of IPv4 and IPv6. */
#ifndef NETWORK_ADDRESS_H
#define NETWORK_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDRESS_TEXT_MAX = 64 };

struct address {
	int family; /* AF_INET or AF_INET6; 0: none */
	unsigned prefix;
	uint8_t bytes[16]; /* in the order of the wire */
};

/* "10.0.0.2", or with `prefix` "10.0.0.2/24". False where it is none, or no host could have it. */
bool address_parse(const char *text, bool prefix, struct address *out);

/* The same text again. */
const char *address_format(const struct address *address, bool prefix, char text[ADDRESS_TEXT_MAX]);

size_t address_size(const struct address *address);
bool address_equal(const struct address *one, const struct address *other);

/* Whether the network of an address and its prefix has the other one. */
bool address_contains(const struct address *network, const struct address *other);

/* The address of that network with this number, from 1 on. */
struct address address_in(const struct address *network, uint32_t number);

/* How many numbers there are, at most 65535. */
uint32_t address_hosts(const struct address *network);

#endif
