/* SPDX-License-Identifier: MIT */
/*
 * doorbell: an operating system in a virtual computer calls the host program, and is called by it. doorbell.py and
 * doorbell.lua do the same.
 *
 *   doorbell [KERNEL]
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <virtiso.h>

enum { HYPERCALL_PRICE = 1, PATIENCE_MS = 30000 };

/* price(name, size): the address is a physical one; what the guest says is not trusted. */
static int64_t answer_price(viso_hypercall *call, void *userdata)
{
	uint64_t name, size;
	char thing[64] = {0};
	if (viso_hypercall_argument(call, 0, &name) < 0 || viso_hypercall_argument(call, 1, &size) < 0 ||
	    size >= sizeof(thing))
		return -EINVAL;
	if (viso_hypercall_read(call, name, thing, (size_t)size) < 0)
		return -EFAULT;
	(void)userdata;
	return !strcmp(thing, "apples") ? 3 : -ENOENT;
}

/* The guest's system has a function "add", one with bytes "upper", and takes "off" for an order. */
static int call_guest(viso_guest *guest)
{
	const uint64_t numbers[2] = {2, 3};
	uint64_t sum;
	char answer[16];
	int64_t size;

	if (viso_guest_call(guest, "add", numbers, 2, PATIENCE_MS, &sum) < 0)
		return -1;
	printf("2 + 3 = %llu\n", (unsigned long long)sum);
	size = viso_guest_call_bytes(guest, "upper", "hello", 5, answer, sizeof(answer), PATIENCE_MS);
	if (size < 0)
		return -1;
	printf("%.*s\n", (int)size, answer);
	size = viso_guest_request(guest, "off", 3, answer, sizeof(answer), PATIENCE_MS);
	if (size < 0)
		return -1;
	printf("%.*s\n", (int)size, answer);
	return 0;
}

int main(int argc, char **argv)
{
	const char *kernel = argc > 1 ? argv[1] : "build/examples/guest/bell";
	viso_guest *guest = viso_guest_new();
	viso_process *computer = NULL;
	viso_result *result = NULL;

	/* Without streams its output is captured. */
	if (viso_guest_set_kernel(guest, kernel) < 0 ||
	    viso_guest_set_hypercall_handler(guest, HYPERCALL_PRICE, answer_price, NULL, NULL) < 0 ||
	    viso_guest_boot(guest, NULL, &computer) < 0 || call_guest(guest) < 0 ||
	    viso_process_wait(computer, PATIENCE_MS, &result) < 0)
		fprintf(stderr, "doorbell: %s\n", viso_error_message());
	else
		printf("%s", viso_result_output(result, VISO_STDOUT, NULL));

	int status = viso_result_exit_code(result) == 0 ? 0 : 1;
	viso_result_unref(result);
	viso_process_unref(computer);
	viso_guest_unref(guest);
	return status;
}
