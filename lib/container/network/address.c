/* SPDX-License-Identifier: MIT */
#include "container/network/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t address_size(const struct address *address)
{
	return address->family == AF_INET ? 4 : 16;
}

static unsigned bits(const struct address *address)
{
	return (unsigned)address_size(address) * 8;
}

/* Neither "any" nor multicast. */
static bool is_of_a_host(const struct address *address)
{
	static const uint8_t any[16];
	if (!memcmp(address->bytes, any, address_size(address)))
		return false;
	return address->family == AF_INET ? address->bytes[0] < 224 : address->bytes[0] != 0xff;
}

static bool parse_prefix(const char *text, struct address *out)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	unsigned long prefix = strtoul(text, &end, 10);
	if (*end || prefix < 1 || prefix > bits(out))
		return false;
	out->prefix = (unsigned)prefix;
	return true;
}

bool address_parse(const char *text, bool prefix, struct address *out)
{
	char copy[ADDRESS_TEXT_MAX];
	struct address address = {0};
	if (!text || strlen(text) >= sizeof(copy))
		return false;
	snprintf(copy, sizeof(copy), "%s", text);
	char *slash = strchr(copy, '/');
	if (prefix != (slash != NULL))
		return false;
	if (slash)
		*slash++ = '\0';
	if (inet_pton(AF_INET, copy, address.bytes) == 1)
		address.family = AF_INET;
	else if (inet_pton(AF_INET6, copy, address.bytes) == 1)
		address.family = AF_INET6;
	else
		return false;
	address.prefix = bits(&address);
	if (!is_of_a_host(&address) || (slash && !parse_prefix(slash, &address)))
		return false;
	*out = address;
	return true;
}

const char *address_format(const struct address *address, bool prefix, char text[ADDRESS_TEXT_MAX])
{
	inet_ntop(address->family, address->bytes, text, ADDRESS_TEXT_MAX);
	if (prefix)
		snprintf(text + strlen(text), ADDRESS_TEXT_MAX - strlen(text), "/%u", address->prefix);
	return text;
}

bool address_equal(const struct address *one, const struct address *other)
{
	return one->family == other->family && !memcmp(one->bytes, other->bytes, address_size(one));
}

bool address_contains(const struct address *network, const struct address *other)
{
	if (network->family != other->family)
		return false;
	unsigned whole = network->prefix / 8, rest = network->prefix % 8;
	if (memcmp(network->bytes, other->bytes, whole))
		return false;
	return !rest || !((network->bytes[whole] ^ other->bytes[whole]) >> (8 - rest));
}

struct address address_in(const struct address *network, uint32_t number)
{
	struct address address = *network;
	size_t size = address_size(network);
	for (size_t i = 0; i < size; i++) {
		unsigned before = (unsigned)i * 8;
		unsigned kept = network->prefix <= before       ? 0
				: network->prefix >= before + 8 ? 8
								: network->prefix - before;
		address.bytes[i] &= (uint8_t)(0xff00 >> kept);
	}
	for (size_t i = 0; i < 4 && number; i++, number >>= 8)
		address.bytes[size - 1 - i] |= (uint8_t)number;
	return address;
}

uint32_t address_hosts(const struct address *network)
{
	unsigned free_bits = bits(network) - network->prefix;
	if (free_bits < 2)
		return 0;
	/* The last one is that of broadcasts. */
	return free_bits >= 16 ? 65534 : (1u << free_bits) - 2;
}
