/* SPDX-License-Identifier: MIT */
/* bench-closure N PROGRAM: the time of finding the loader and libraries of an ELF program, with nothing known before.
 */
#include <string.h>

#include "bench.h"
#include "core/error.h"
#include "root/closure/closure.h"
#include "root/source.h"

static int64_t once(const char *program)
{
	struct source source;
	struct manifest manifest = {.source = &source};
	struct closure closure;
	int64_t begin = bench_now();
	source_init(&source);
	manifest_mark(&manifest);
	closure_init(&closure, &manifest);
	int r = closure_add_program(&closure, program);
	closure_clear(&closure);
	int64_t end = bench_now();
	if (r < 0 || manifest.count < 3) {
		fprintf(stderr, "bench-closure: %s\n", viso_error_message());
		exit(1);
	}
	manifest_clear(&manifest);
	source_clear(&source);
	return end - begin;
}

int main(int argc, char **argv)
{
	char path[4096];
	if (argc != 3 || !realpath(argv[2], path)) {
		fputs("usage: bench-closure N PROGRAM\n", stderr);
		return 2;
	}
	int count = bench_count(argv[1]);
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	if (!ns)
		return 1;
	for (int i = 0; i < count; i++)
		ns[i] = once(path);
	bench_print(ns, count);
	free(ns);
	return 0;
}
