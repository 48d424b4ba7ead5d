/* SPDX-License-Identifier: MIT */
/* What the kernel and programs have of the hypervisor beside devices: KVM's features, hypercalls. */
#ifndef MACHINE_DRIVERS_PARAVIRTUAL_H
#define MACHINE_DRIVERS_PARAVIRTUAL_H

#include "machine/drivers/drivers.h"

struct feature {
	viso_answer offered;
	viso_answer used;
	char detail[DETAIL_MAX];
};
struct paravirtual {
	viso_hypercall_way way;
	char way_detail[DETAIL_MAX];
	struct feature features[]; /* of as many as there are names */
};

/* The name of one of KVM's features, or NULL beyond the last. */
const char *paravirtual_name(int feature);

/* NULL for want of memory. To be freed. */
struct paravirtual *paravirtual_new(struct provider *provider);

/* How the hypervisor is called from here. 0 or -ENOMEM. */
int find_hypercall(struct provider *provider, viso_hypercall_way *out_way, char *detail, size_t size);

#endif
