/* SPDX-License-Identifier: MIT */
/* A bundle that somebody else wrote: it is a container with a command, or an error that names its place. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/bundle/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_bundle: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bundle bundle = {.directory = "/"};
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	viso_error_clear();
	int r = bundle_parse(&bundle, text, size);
	free(text);
	if (r < 0)
		expect(r == -viso_error_number() && viso_error_message()[0], "a failure without its error");
	else
		expect(r == 0 && bundle.container && bundle.command, "a success without what it is about");
	bundle_release(&bundle);
	return 0;
}
