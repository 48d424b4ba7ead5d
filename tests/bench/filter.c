/* SPDX-License-Identifier: MIT */
/*
 * bench-filter jail|container: writes the seccomp filter that the library loads by default, so that the floor drivers
 * load the same one.
 */
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/seccomp.h"

enum { CAPACITY = 1 << 16 };

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	viso_isolation isolation = strcmp(argv[1], "jail") == 0 ? VISO_ISOLATION_JAIL : VISO_ISOLATION_CONTAINER;
	struct launch_request request = {.plan = calloc(1, CAPACITY), .capacity = CAPACITY};
	if (!request.plan)
		return 1;
	request.plan->head.size = sizeof(*request.plan);
	if (seccomp_add(&request, isolation, VISO_NETWORK_NONE, 0) < 0)
		return 1;
	size_t count = request.plan->filter_count;
	const char *filter = (const char *)request.plan + request.plan->filter;
	size_t written = fwrite(filter, sizeof(struct sock_filter), count, stdout);
	free(request.plan);
	return written == count ? 0 : 1;
}
