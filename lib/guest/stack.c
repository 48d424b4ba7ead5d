/* SPDX-License-Identifier: MIT */
/* See: getauxval(3); System V ABI, AMD64 supplement, "Process Initialization"; create_elf_tables() of fs/binfmt_elf.c.
 */
#include "guest/stack.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "guest/memory/fault.h"
#include "guest/program/program.h"

/* AT_HWCAP2 and AT_EXECFN are in all headers that we build with; this one is young. */
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum { CLOCK_TICKS = 100, STRING_MAX = 128 << 10, TOTAL_MAX = 6 << 20, STACK_START = 132 << 10 };

static const char platform[] = "x86_64";

/* The stack is built in a copy that ends at `top`, from both sides of it. */
struct builder {
	uint8_t *data;
	uint64_t start; /* guest address of data[0] */
	size_t words;   /* filled from the front */
	size_t strings; /* offset of the next string */
};

static void put_word(struct builder *builder, uint64_t word)
{
	memcpy(builder->data + builder->words * sizeof(word), &word, sizeof(word));
	builder->words++;
}

static uint64_t put_bytes(struct builder *builder, const void *data, size_t size)
{
	uint64_t address = builder->start + builder->strings;
	memcpy(builder->data + builder->strings, data, size);
	builder->strings += size;
	return address;
}

static void put_list(struct builder *builder, const struct strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		put_word(builder, put_bytes(builder, list->items[i], strlen(list->items[i]) + 1));
	put_word(builder, 0);
}

static void put_auxiliary(struct builder *builder, const struct stack_setting *setting)
{
	const struct elf_image *program = setting->program;
	uint64_t path = put_bytes(builder, setting->path, strlen(setting->path) + 1);
	uint64_t name = put_bytes(builder, platform, sizeof(platform));
	uint64_t random = put_bytes(builder, setting->random, sizeof(setting->random));
	const uint64_t entries[][2] = {
		{AT_HWCAP, setting->hwcap},
		{AT_PAGESZ, GUEST_PAGE},
		{AT_CLKTCK, CLOCK_TICKS},
		{AT_PHDR, program->headers},
		{AT_PHENT, sizeof(Elf64_Phdr)},
		{AT_PHNUM, program->header_count},
		{AT_BASE, setting->interpreter_base},
		{AT_FLAGS, 0},
		{AT_ENTRY, program->entry},
		{AT_UID, setting->uid},
		{AT_EUID, setting->uid},
		{AT_GID, setting->gid},
		{AT_EGID, setting->gid},
		{AT_SECURE, 0},
		{AT_RANDOM, random},
		{AT_HWCAP2, setting->hwcap2},
		{AT_MINSIGSTKSZ, setting->signal_stack},
		{AT_EXECFN, path},
		{AT_PLATFORM, name},
		{AT_NULL, 0},
	};
	_Static_assert(sizeof(entries) / sizeof(entries[0]) <= STACK_AUXILIARY,
		       "the auxiliary vector outgrew its room");
	memcpy(setting->out_auxiliary, entries, sizeof(entries));
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		put_word(builder, entries[i][0]);
		put_word(builder, entries[i][1]);
	}
}

/* As execve(2): each string up to 32 pages; all with their pointers up to a quarter of the stack, and 6 MiB. */
static int check_size(const struct stack_setting *setting, uint64_t stack_limit)
{
	const struct strings *lists[] = {setting->argv, setting->env};
	uint64_t total = 0;
	for (int i = 0; i < 2; i++) {
		total += lists[i]->bytes + (lists[i]->count + 1) * sizeof(uint64_t);
		for (size_t j = 0; j < lists[i]->count; j++)
			if (strlen(lists[i]->items[j]) >= STRING_MAX)
				return -E2BIG;
	}
	uint64_t max = stack_limit / 4 < TOTAL_MAX ? stack_limit / 4 : TOTAL_MAX;
	return total > (max < STRING_MAX ? STRING_MAX : max) ? -E2BIG : 0;
}

static int map_stack(struct address_space *space, uint64_t top, uint64_t needed, bool executable)
{
	uint64_t size = needed + STACK_START;
	struct area stack = {
		.start = (top - size) & ~(GUEST_PAGE - 1),
		.end = top,
		.protection = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0),
		.grows_down = true,
	};
	return space_map(space, &stack);
}

int stack_build(struct address_space *space, const struct stack_setting *setting, uint64_t top,
		struct program_image *out_image, uint64_t *out_pointer)
{
	int r = check_size(setting, space->stack_limit);
	if (r < 0)
		return r;
	size_t words = 1 + setting->argv->count + 1 + setting->env->count + 1 + 2 * STACK_AUXILIARY;
	size_t strings = setting->argv->bytes + setting->env->bytes + strlen(setting->path) + 1 + sizeof(platform) +
			 sizeof(setting->random);
	/* The stack pointer is aligned to 16; the last 8 bytes stay empty, as on Linux. */
	size_t size = (words * sizeof(uint64_t) + strings + 8 + 15) & ~(size_t)15;
	_cleanup_free_ uint8_t *data = calloc(1, size);
	if (!data)
		return -ENOMEM;

	struct builder builder = {.data = data, .start = top - size, .strings = words * sizeof(uint64_t)};
	put_word(&builder, setting->argv->count);
	out_image->arguments = builder.start + builder.strings;
	put_list(&builder, setting->argv);
	out_image->arguments_end = builder.start + builder.strings;
	put_list(&builder, setting->env);
	out_image->environment_end = builder.start + builder.strings;
	out_image->auxiliary = builder.start + builder.words * sizeof(uint64_t);
	put_auxiliary(&builder, setting);
	out_image->auxiliary_end = builder.start + builder.words * sizeof(uint64_t);

	r = map_stack(space, top, size, setting->program->executable_stack);
	if (r < 0)
		return r;
	*out_pointer = builder.start;
	return space_write(space, builder.start, data, size);
}
