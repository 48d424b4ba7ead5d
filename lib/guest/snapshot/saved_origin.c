/* SPDX-License-Identifier: MIT */
/* By which build of the library, and on what processor, a snapshot was saved. */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <virtiso/version.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/snapshot/saved.h"
#include "guest/x86_64/cpuid.h"

/* The linker's note of what it linked: of the library, or of the program that it is a part of. */
struct build_note {
	uintptr_t address; /* in the object that is looked for */
	const uint8_t *id;
	size_t size;
};

static void find_note(const uint8_t *at, size_t size, struct build_note *out)
{
	ElfW(Nhdr) note;
	while (size >= sizeof(note)) {
		memcpy(&note, at, sizeof(note));
		size_t name = (note.n_namesz + 3u) & ~3u, description = (note.n_descsz + 3u) & ~3u;
		if (name + description > size - sizeof(note))
			return;
		const uint8_t *text = at + sizeof(note);
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(text, "GNU", 4)) {
			out->id = text + name;
			out->size = note.n_descsz;
			return;
		}
		at += sizeof(note) + name + description;
		size -= sizeof(note) + name + description;
	}
}

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct build_note *note = data;
	bool is_ours = false;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_LOAD &&
		    note->address - (info->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
			is_ours = true;
	}
	for (int i = 0; is_ours && !note->id && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_NOTE)
			find_note((const uint8_t *)(uintptr_t)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz,
				  note);
	}
	return is_ours;
}

void saved_build(uint8_t out[SAVED_SUM])
{
	struct build_note note = {.address = (uintptr_t)saved_build};
	/* Where there is no such note, at least what is written as it is must be the same. */
	const uint64_t shape[] = {(uint64_t)viso_version(),     sizeof(struct program), sizeof(struct task),
				  sizeof(struct address_space), sizeof(struct area),    sizeof(struct stay),
				  sizeof(struct mount),         sizeof(struct file),    sizeof(struct memory_node)};
	dl_iterate_phdr(look_at_object, &note);
	const struct saved_part parts[] = {{shape, sizeof(shape)}, {note.id, note.size}};
	saved_sum(parts, note.id ? 2 : 1, out);
}

enum { EAX, EBX, ECX, EDX };

/* The leaves that tell by bits what there is: whatever a program has found there at its start it may use for ever. */
static const struct {
	uint32_t function, index;
	int reg;
} leaves[] = {
	{0x1, 0, ECX},        {0x1, 0, EDX},        {0x7, 0, EBX},        {0x7, 0, ECX},
	{0x7, 0, EDX},        {0x7, 1, EAX},        {0x7, 1, EDX},        {0xd, 1, EAX},
	{0x80000001, 0, ECX}, {0x80000001, 0, EDX}, {0x80000008, 0, EBX}, {0x80000021, 0, EAX},
};

enum { LEAVES = sizeof(leaves) / sizeof(leaves[0]), COMPONENTS = 64 };

/* As /proc/cpuinfo names them; of the others the place is told. */
static const struct {
	uint32_t function;
	int reg;
	int bit;
	const char *name;
} names[] = {
	{0x1, ECX, 0, "sse3"},      {0x1, ECX, 1, "pclmulqdq"},  {0x1, ECX, 9, "ssse3"},
	{0x1, ECX, 12, "fma"},      {0x1, ECX, 19, "sse4_1"},    {0x1, ECX, 20, "sse4_2"},
	{0x1, ECX, 22, "movbe"},    {0x1, ECX, 23, "popcnt"},    {0x1, ECX, 25, "aes"},
	{0x1, ECX, 26, "xsave"},    {0x1, ECX, 28, "avx"},       {0x1, ECX, 29, "f16c"},
	{0x1, ECX, 30, "rdrand"},   {0x7, EBX, 0, "fsgsbase"},   {0x7, EBX, 3, "bmi1"},
	{0x7, EBX, 5, "avx2"},      {0x7, EBX, 8, "bmi2"},       {0x7, EBX, 9, "erms"},
	{0x7, EBX, 16, "avx512f"},  {0x7, EBX, 17, "avx512dq"},  {0x7, EBX, 18, "rdseed"},
	{0x7, EBX, 19, "adx"},      {0x7, EBX, 29, "sha_ni"},    {0x7, EBX, 30, "avx512bw"},
	{0x7, EBX, 31, "avx512vl"}, {0x80000001, ECX, 5, "abm"}, {0x80000001, ECX, 6, "sse4a"},
};

struct component {
	uint32_t size, offset;
};

struct saved_processor {
	uint32_t features[LEAVES];
	uint64_t xcr0;
	uint64_t cr4;
	uint64_t xstate_features;
	uint64_t xstate_size;
	struct component components[COMPONENTS]; /* of the area of XSAVE: where code that was compiled expects them */
};

static const struct kvm_cpuid_entry2 *find_leaf(const struct processor *processor, uint32_t function, uint32_t index)
{
	static const struct kvm_cpuid_entry2 none;
	const struct kvm_cpuid2 *cpuid = processor->cpuid;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return &none;
}

static void describe(const struct processor *processor, struct saved_processor *out)
{
	*out = (struct saved_processor){
		.xcr0 = processor->xcr0,
		.cr4 = processor->cr4,
		.xstate_features = processor->xstate_features,
		.xstate_size = processor->xstate_size,
	};
	for (int i = 0; i < LEAVES; i++) {
		const struct kvm_cpuid_entry2 *leaf = find_leaf(processor, leaves[i].function, leaves[i].index);
		const uint32_t values[] = {leaf->eax, leaf->ebx, leaf->ecx, leaf->edx};
		out->features[i] = values[leaves[i].reg];
	}
	for (uint32_t i = 2; i < COMPONENTS; i++) {
		const struct kvm_cpuid_entry2 *leaf = find_leaf(processor, 0xd, i);
		if (processor->xstate_features >> i & 1)
			out->components[i] = (struct component){leaf->eax, leaf->ebx};
	}
}

static int fail_feature(const char *feature)
{
	return error_fail(VISO_STAGE_GUEST, ENOEXEC, feature,
			  "the snapshot was saved on a processor with %s, which this one does not have or has in "
			  "another form; make it anew here",
			  feature);
}

static int fail_bit(int leaf, int bit)
{
	static const char *const registers[] = {"EAX", "EBX", "ECX", "EDX"};
	char text[64];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].function == leaves[leaf].function && leaves[leaf].index == 0 &&
		    names[i].reg == leaves[leaf].reg && names[i].bit == bit)
			return fail_feature(names[i].name);
	snprintf(text, sizeof(text), "bit %d of %s in CPUID leaf 0x%x.%u", bit, registers[leaves[leaf].reg],
		 leaves[leaf].function, leaves[leaf].index);
	return fail_feature(text);
}

void saved_put_processor(struct saved_writer *writer, const struct processor *processor)
{
	struct saved_processor saved;
	describe(processor, &saved);
	saved_put(writer, &saved, sizeof(saved));
}

int saved_get_processor(struct saved_reader *reader, const struct processor *processor)
{
	struct saved_processor saved, here;
	if (!saved_get(reader, &saved, sizeof(saved)))
		return saved_damaged("processor");
	describe(processor, &here);
	for (int i = 0; i < LEAVES; i++) {
		uint32_t missing = saved.features[i] & ~here.features[i];
		if (missing)
			return fail_bit(i, __builtin_ctz(missing));
	}
	if (saved.xcr0 != here.xcr0 || saved.xstate_features != here.xstate_features ||
	    saved.xstate_size != here.xstate_size ||
	    memcmp(saved.components, here.components, sizeof(here.components)) != 0)
		return fail_feature("another set of extended states (XCR0)");
	return saved.cr4 == here.cr4 ? 0 : fail_feature("other settings of CR4");
}
