/* SPDX-License-Identifier: MIT */
/* A program that asks the host, as `argv[1]` tells. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

enum { ADD = 1, FILL = 2, LENGTH = 3, WILD = 4, DEFERRED = 5, QUEUED = 6, OTHER = 7 };

__attribute__((used)) uint64_t ask_in_call(uint64_t number, uint64_t a)
{
	return (uint64_t)viso_hypercall((unsigned)number, a, 0, 0);
}

static int fail(const char *what, int64_t value)
{
	printf("%s gave %lld\n", what, (long long)value);
	return 1;
}

#define EXPECT(call, value)                                                                                            \
	do {                                                                                                           \
		int64_t result_ = (call);                                                                              \
		if (result_ != (value))                                                                                \
			return fail(#call, result_);                                                                   \
	} while (0)

static int plain(void)
{
	char text[20000] = "";
	EXPECT(viso_hypercall6(ADD, 1, 2, 3, 4, 5, 6), 21);
	EXPECT(viso_hypercall(FILL, (uintptr_t)text, 19999, 'x'), 0);
	EXPECT((int64_t)strlen(text), 19999);
	EXPECT(viso_hypercall(LENGTH, (uintptr_t) "twelve bytes", 12, 0), 12);
	for (int i = 0; i < 500; i++)
		EXPECT(viso_hypercall(ADD, (uint64_t)i, 1, 0), i + 1);
	EXPECT(viso_hypercall(999, 0, 0, 0), -ENOSYS);
	EXPECT(viso_hypercall(0x7fffffff, 0, 0, 0), -ENOSYS);
	EXPECT(viso_generation(), 0);
	return 0;
}

/* Memory that it has not, that it may not write, and that wraps around. */
static int wild(void)
{
	char *read_only = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(viso_hypercall(FILL, (uintptr_t)read_only, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, 0, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, ~0ull - 5, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, 0xffff800000000000ull, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, 0x2000, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(LENGTH, 0x1000, 10, 0), -EFAULT);
	munmap(read_only + 4096, 4096);
	EXPECT(viso_hypercall(LENGTH, (uintptr_t)read_only + 4090, 12, 0), -EFAULT);
	EXPECT(viso_hypercall(LENGTH, (uintptr_t)read_only, 1ull << 40, 0), -EMSGSIZE);
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	unsigned number = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	if (!strcmp(how, "plain"))
		return plain();
	if (!strcmp(how, "wild"))
		return wild();
	if (!strcmp(how, "ready"))
		return (int)viso_ready();
	if (!strcmp(how, "ask")) {
		int64_t value = viso_hypercall(number, (uintptr_t) "question", 8, 0);
		printf("%lld\n", (long long)value);
		return 0;
	}
	return 9;
}
