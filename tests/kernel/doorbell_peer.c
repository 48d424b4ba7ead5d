/* SPDX-License-Identifier: MIT */
/*
 * In a guest, in user space of Linux: meets its like in the host's handler, asks for a price, and serves the host until
 * it is told "off".
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define VISO_DOORBELL_LINUX
#include <virtiso/doorbell.h>

enum { HYPERCALL_PRICE = 1, HYPERCALL_MEET = 2, HYPERCALL_LATER = 3, PATIENCE_MS = 60000 };

static int serve(const struct viso_doorbell *bell, struct viso_doorbell_request *request)
{
	if (request->kind == VISO_REQUEST_CALL) {
		int is_add = !strcmp(request->name, "add");
		viso_doorbell_answer(bell, request, (int64_t)(request->args[0] + request->args[1]), 0,
				     is_add ? 0 : ENOENT);
		return 1;
	}
	/* Once it is answered, the slot may have another one. */
	int goes_on = memcmp(request->request, "off", 3) != 0;
	memcpy(request->answer, request->request, request->request_size);
	viso_doorbell_answer(bell, request, 0, request->request_size, 0);
	return goes_on;
}

static void move_to(int processor)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		perror("sched_setaffinity");
}

static int64_t ask_to_meet(const struct viso_doorbell *bell)
{
	return viso_doorbell_call6(bell, HYPERCALL_MEET, 0, 0, 0, 0, 0, 0);
}

/* Two processors are in the host at once. What has not moved yet could not: its processor waits. */
static void meet(const struct viso_doorbell *bell)
{
	int status = -1, has_moved[2];
	char byte = 0;
	if (pipe(has_moved) < 0)
		perror("pipe");
	move_to(0);
	pid_t child = fork();
	if (child == 0) {
		move_to(1);
		_exit(write(has_moved[1], &byte, 1) == 1 && ask_to_meet(bell) == 42 ? 0 : 1);
	}
	if (read(has_moved[0], &byte, 1) != 1)
		perror("read");
	int64_t r = ask_to_meet(bell);
	waitpid(child, &status, 0);
	printf("met %lld %d\n", (long long)r, status);
}

int main(void)
{
	char answer[32] = {0};
	struct viso_doorbell bell;
	struct viso_doorbell_request *request;
	int r = viso_doorbell_open(&bell);
	if (r < 0) {
		printf("doorbell: %s\n", strerror(-r));
		return 1;
	}
	meet(&bell);
	printf("later %lld\n", (long long)viso_doorbell_call6(&bell, HYPERCALL_LATER, 0, 0, 0, 0, 0, 0));
	r = (int)viso_doorbell_call_bytes(&bell, HYPERCALL_PRICE, "apples", 6, answer, sizeof(answer));
	printf("price %d %s\n", r, answer);
	/* A page of the kernel's, which the host can read, is not this program's to name; nothing is at the end of all.
	 */
	printf("nowhere %lld\n", (long long)viso_doorbell_call6(&bell, HYPERCALL_PRICE, ~0ull, 4, 0, 0, 0, 0));
	do
		request = viso_doorbell_wait(&bell, PATIENCE_MS);
	while (request && serve(&bell, request));
	viso_doorbell_close(&bell);
	printf("end\n");
	return 0;
}
