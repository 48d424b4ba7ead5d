/* SPDX-License-Identifier: MIT */
/*
 * KVM's own counts (Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD). The fd is opened anew each time: to keep one for
 * each processor would be worth more than the figures are, and to open it from another thread would wait for KVM_RUN.
 */
#include "guest/kernel/exits.h"

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/cleanup.h"

enum { STATISTICS_MAX = 32 << 10 };

static const char *const names[EXIT_KINDS] = {
	[EXIT_KVM] = "exits",
	[EXIT_HALT] = "halt_exits",
	[EXIT_HYPERCALL] = "hypercalls",
	[EXIT_WINDOW] = "irq_window_exits",
	[EXIT_INTERRUPTS] = "irq_injections",
};

/* Everything that the fd has to say at once: header, descriptions, figures. */
struct statistics {
	size_t size;
	_Alignas(8) uint8_t data[STATISTICS_MAX];
};

static const void *part_of(const struct statistics *all, uint64_t offset, size_t size)
{
	return offset <= all->size && size <= all->size - offset ? all->data + offset : NULL;
}

static void take(struct exits *exits, const char *name, uint64_t value)
{
	for (enum exit_kind kind = 0; kind < EXIT_KINDS; kind++)
		if (names[kind] && strcmp(name, names[kind]) == 0)
			atomic_store_explicit(&exits->counts[kind], value, memory_order_relaxed);
}

static void take_all(struct exits *exits, const struct statistics *all)
{
	const struct kvm_stats_header *header = part_of(all, 0, sizeof(*header));
	size_t size = header ? sizeof(struct kvm_stats_desc) + header->name_size : 0;
	for (uint32_t i = 0; header && i < header->num_desc; i++) {
		const struct kvm_stats_desc *entry = part_of(all, header->desc_offset + (uint64_t)i * size, size);
		const uint64_t *value =
			entry ? part_of(all, (uint64_t)header->data_offset + entry->offset, sizeof(*value)) : NULL;
		if (value)
			take(exits, entry->name, *value);
	}
}

void exits_look(struct exits *exits, int vcpu_fd)
{
	struct statistics all;
	_cleanup_close_ int fd = ioctl(vcpu_fd, KVM_GET_STATS_FD, NULL);
	ssize_t size = fd < 0 ? -1 : pread(fd, all.data, sizeof(all.data), 0);
	if (size <= 0)
		return;
	all.size = (size_t)size;
	take_all(exits, &all);
	atomic_store(&exits->is_kvm_known, true);
}
