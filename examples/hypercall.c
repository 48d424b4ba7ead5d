/* SPDX-License-Identifier: MIT */
/*
 * hypercall: a program in a guest asks, the host program answers. hypercall.py and hypercall.lua do the same.
 *
 *   hypercall [PROGRAM]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso.h>

enum { HYPERCALL_PRICE = 1 };

struct price {
	const char *thing;
	int price;
};

static const struct price prices[] = {{"apples", 3}, {"pears", 4}};

/* price(name, size): what the guest says is not trusted. */
static int64_t answer_price(viso_hypercall *call, void *userdata)
{
	uint64_t name, size;
	char thing[64] = {0};
	if (viso_hypercall_argument(call, 0, &name) < 0 || viso_hypercall_argument(call, 1, &size) < 0 ||
	    size >= sizeof(thing))
		return -EINVAL;
	if (viso_hypercall_read(call, name, thing, (size_t)size) < 0)
		return -EFAULT;
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++)
		if (!strcmp(thing, prices[i].thing))
			return prices[i].price;
	(void)userdata;
	return -ENOENT;
}

int main(int argc, char **argv)
{
	char *program = realpath(argc > 1 ? argv[1] : "build/examples/guest/asks", NULL);
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	viso_command *command = viso_command_new("/asks");
	viso_result *result = NULL;

	if (!program)
		fprintf(stderr, "usage: hypercall [PROGRAM]\n");
	else if (viso_root_add_file(root, program, "/asks") < 0 || viso_guest_set_root(guest, root) < 0 ||
		 viso_guest_set_hypercall_handler(guest, HYPERCALL_PRICE, answer_price, NULL, NULL) < 0 ||
		 viso_command_set_timeout_ms(command, 10000) < 0 ||
		 viso_sandbox_run(viso_guest_sandbox(guest), command, &result) < 0)
		fprintf(stderr, "hypercall: %s\n", viso_error_message());

	int status = viso_result_exit_code(result) == 0 ? 0 : 1;
	viso_result_unref(result);
	viso_command_unref(command);
	viso_guest_unref(guest);
	viso_root_unref(root);
	free(program);
	return status;
}
