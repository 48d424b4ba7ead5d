/* SPDX-License-Identifier: MIT */
/*
 * Writes the default seccomp filter of a strength to standard output, for the floor drivers: they are static and
 * without libseccomp, and are to load the same filter as the library.
 *
 *   dump_filter jail|container
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch/seccomp/seccomp.h"

int main(int argc, char **argv)
{
	struct launch_request request = {.capacity = 65536};
	if (argc != 2 || !(request.plan = calloc(1, request.capacity)))
		return 2;
	request.plan->head.size = sizeof(*request.plan);
	struct seccomp_wish wish = {.network = VISO_NETWORK_NONE};
	wish.isolation = strcmp(argv[1], "jail") ? VISO_ISOLATION_CONTAINER : VISO_ISOLATION_JAIL;
	if (seccomp_add(&request, &wish) < 0)
		return 1;
	const char *filter = (const char *)request.plan + request.plan->security.filter;
	size_t written = fwrite(filter, 8, request.plan->security.filter_count, stdout);
	free(request.plan);
	return written ? 0 : 1;
}
