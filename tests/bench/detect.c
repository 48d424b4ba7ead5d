/* SPDX-License-Identifier: MIT */
/* bench-detect N: the time of finding out all layers around this program, N times. */
#include <virtiso.h>

#include "bench.h"

static int64_t once(void)
{
	int64_t begin = bench_now();
	viso_machine *machine = viso_machine_new();
	int count = viso_machine_layer_count(machine);
	viso_machine_unref(machine);
	int64_t end = bench_now();
	if (count < 0) {
		fprintf(stderr, "bench-detect: %s\n", viso_error_message());
		exit(1);
	}
	return end - begin;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: bench-detect N\n", stderr);
		return 2;
	}
	int count = bench_count(argv[1]);
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	if (!ns)
		return 1;
	for (int i = 0; i < count; i++)
		ns[i] = once();
	bench_print(ns, count);
	free(ns);
	return 0;
}
