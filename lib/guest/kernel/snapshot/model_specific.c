/* SPDX-License-Identifier: MIT */
#include "guest/kernel/snapshot/model_specific.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/cleanup.h"
#include "core/error.h"

enum { REGISTERS_MAX = 1024, MSR_TSC = 0x10, MSR_TSC_DEADLINE = 0x6e0 };

struct registers {
	struct kvm_msrs header;
	struct kvm_msr_entry entries[REGISTERS_MAX];
};

struct index_list {
	struct kvm_msr_list header;
	uint32_t indices[REGISTERS_MAX];
};

/* Which ones this host's KVM keeps. */
static int list_all(struct index_list *out)
{
	_cleanup_close_ int kvm = vm_open_kvm();
	if (kvm < 0)
		return kvm;
	out->header.nmsrs = REGISTERS_MAX;
	return ioctl(kvm, KVM_GET_MSR_INDEX_LIST, out) < 0 ? vm_fail("KVM_GET_MSR_INDEX_LIST") : 0;
}

/* The entries from `*at` on, as many as KVM takes at once, with the next of them then; false at the end. */
static bool some(int fd, unsigned long request, struct registers *all, uint32_t *at, uint32_t *out_done)
{
	_cleanup_free_ struct registers *part = malloc(sizeof(*part));
	uint32_t count = all->header.nmsrs - *at;
	*out_done = 0;
	if (!part || !count)
		return false;
	memset(&part->header, 0, sizeof(part->header));
	part->header.nmsrs = count;
	memcpy(part->entries, all->entries + *at, count * sizeof(part->entries[0]));
	int done = ioctl(fd, request, part);
	*out_done = done < 0 ? 0 : (uint32_t)done > count ? count : (uint32_t)done;
	memcpy(all->entries + *at, part->entries, *out_done * sizeof(part->entries[0]));
	*at += *out_done;
	return true;
}

/* KVM stops at one that the processor does not have: those are left out. */
static void read_all(int fd, struct registers *registers)
{
	uint32_t done;
	for (uint32_t at = 0; some(fd, KVM_GET_MSRS, registers, &at, &done);) {
		if (at == registers->header.nmsrs)
			break;
		registers->header.nmsrs--;
		memmove(registers->entries + at, registers->entries + at + 1,
			(registers->header.nmsrs - at) * sizeof(registers->entries[0]));
	}
}

static struct kvm_msr_entry *find(struct registers *registers, uint32_t index)
{
	for (uint32_t i = 0; i < registers->header.nmsrs; i++)
		if (registers->entries[i].index == index)
			return &registers->entries[i];
	return NULL;
}

int model_specific_save(const struct machine_cpu *processor, struct state_writer *out)
{
	_cleanup_free_ struct index_list *list = calloc(1, sizeof(*list));
	_cleanup_free_ struct registers *registers = calloc(1, sizeof(*registers));
	if (!list || !registers)
		return error_memory();
	int r = list_all(list);
	if (r < 0)
		return r;
	registers->header.nmsrs = list->header.nmsrs;
	for (uint32_t i = 0; i < list->header.nmsrs; i++)
		registers->entries[i].index = list->indices[i];
	read_all(processor->vm.vcpu_fd, registers);
	state_put_number(out, registers->header.nmsrs);
	state_put(out, registers->entries, registers->header.nmsrs * sizeof(registers->entries[0]));
	return 0;
}

/* The time-stamp counter first, and what is due by it last (api.rst, KVM_SET_MSRS does them in order). */
static unsigned turn_of(uint32_t index)
{
	return index == MSR_TSC ? 0 : index == MSR_TSC_DEADLINE ? 2 : 1;
}

/* Only what is known here, and is not as it is already: registers that cannot be written are always the same. */
static int choose(struct registers *wanted, struct registers *present, struct registers *out)
{
	for (unsigned turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < wanted->header.nmsrs; i++) {
			const struct kvm_msr_entry *entry = &wanted->entries[i];
			const struct kvm_msr_entry *own = find(present, entry->index);
			if (turn_of(entry->index) != turn)
				continue;
			if (!own)
				return state_damaged("model-specific registers");
			if (own->data != entry->data || turn != 1)
				out->entries[out->header.nmsrs++] =
					(struct kvm_msr_entry){.index = entry->index, .data = entry->data};
		}
	}
	return 0;
}

static int write_all(int fd, struct registers *registers)
{
	uint32_t done;
	char object[24];
	for (uint32_t at = 0; at < registers->header.nmsrs && some(fd, KVM_SET_MSRS, registers, &at, &done);) {
		const struct kvm_msr_entry *entry = &registers->entries[at];
		if (at == registers->header.nmsrs)
			break;
		/* A deadline of 0 is none; without the local APIC's mode for it KVM takes none. */
		if (entry->index == MSR_TSC_DEADLINE && entry->data == 0) {
			at++;
			continue;
		}
		snprintf(object, sizeof(object), "MSR 0x%x", entry->index);
		return error_fail(VISO_STAGE_KVM, EINVAL, object,
				  "the processor does not take 0x%llx, which the snapshot has in its register 0x%x",
				  (unsigned long long)entry->data, entry->index);
	}
	return 0;
}

static int get_wanted(struct state_reader *in, struct registers *out)
{
	uint64_t count;
	if (!state_get_number(in, REGISTERS_MAX, &count) ||
	    !state_get(in, out->entries, count * sizeof(out->entries[0])))
		return state_damaged("model-specific registers");
	out->header.nmsrs = (uint32_t)count;
	return 0;
}

int model_specific_load(const struct machine_cpu *processor, struct state_reader *in)
{
	_cleanup_free_ struct registers *wanted = calloc(1, sizeof(*wanted)), *present = calloc(1, sizeof(*present)),
					*chosen = calloc(1, sizeof(*chosen));
	if (!wanted || !present || !chosen)
		return error_memory();
	int r = get_wanted(in, wanted);
	if (r < 0)
		return r;
	memcpy(present, wanted, sizeof(*present));
	read_all(processor->vm.vcpu_fd, present);
	r = choose(wanted, present, chosen);
	return r < 0 ? r : write_all(processor->vm.vcpu_fd, chosen);
}
