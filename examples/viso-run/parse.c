/* SPDX-License-Identifier: MIT */
/* The texts of the command line: sizes, times, numbers, networks, users. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* "65536", "64K", "256M", "1G" */
int parse_size(const char *option, const char *text, uint64_t *out_bytes)
{
	static const char suffixes[] = "KMG";
	char *end;
	errno = 0;
	uint64_t number = strtoull(text, &end, 10);
	const char *suffix = *end ? strchr(suffixes, *end) : NULL;
	int shift = suffix ? 10 * (int)(suffix - suffixes + 1) : 0;

	if (errno || *text < '0' || *text > '9' || end[suffix != NULL] || number == 0 || number > UINT64_MAX >> shift)
		return fail_option(option, text, "a size such as 256M");
	*out_bytes = number << shift;
	return 0;
}

int parse_seconds(const char *option, const char *text, uint64_t *out_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.001 && seconds <= 1e9))
		return fail_option(option, text, "a number of seconds such as 2.5");
	*out_ms = (uint64_t)(seconds * 1000);
	return 0;
}

int parse_number(const char *option, const char *text, uint64_t most, uint64_t *out_number)
{
	char *end;
	errno = 0;
	uint64_t number = strtoull(text, &end, 10);

	if (errno || *text < '0' || *text > '9' || *end || number > most)
		return fail_option(option, text, "a number");
	*out_number = number;
	return 0;
}

int parse_network(const char *text, viso_network *out_network)
{
	static const char *const names[] = {"none", "host", "bridge", "macvlan", "ipvlan", "user"};

	for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (!strcmp(text, names[i])) {
			*out_network = (viso_network)i;
			return 0;
		}
	return fail_option("net", text, "none, host, bridge, macvlan, ipvlan or user");
}

/* "1000" or "1000:100" */
int parse_user(const char *text, unsigned *out_uid, unsigned *out_gid)
{
	char extra;
	int count = sscanf(text, "%u:%u%c", out_uid, out_gid, &extra);

	if (count < 1 || count > 2)
		return fail_option("user", text, "numbers UID or UID:GID");
	if (count == 1)
		*out_gid = *out_uid;
	return 0;
}

void cut(char *text, char separator, char *parts[3])
{
	for (int i = 0; i < 3; i++) {
		parts[i] = text;
		text = text ? strchr(text, separator) : NULL;
		if (text)
			*text++ = '\0';
	}
}
