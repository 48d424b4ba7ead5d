/* SPDX-License-Identifier: MIT */
/* A program linked with the library that tells where it is, and makes a hypercall where it is in a guest of the
 * library. */
#include <stdio.h>
#include <virtiso/hypercall.h>
#include <virtiso/machine_drivers.h>
#include <virtiso/machine_layers.h>

int main(void)
{
	viso_machine *machine = viso_machine_new();
	if (!machine)
		return 1;
	for (int i = 0; i < viso_machine_layer_count(machine); i++)
		printf("layer: %s\n", viso_machine_layer_id(machine, i));
	int way = viso_machine_hypercall(machine);
	printf("way: %s\n", viso_hypercall_way_name((viso_hypercall_way)way));
	printf("detail: %s\n", viso_machine_hypercall_detail(machine));
	for (int i = 0; i < viso_machine_driver_count(machine); i++)
		if (viso_machine_driver_state(machine, i) == VISO_DRIVER_MISSING)
			printf("missing: %s\n", viso_machine_driver_name(machine, i));
	if (way == VISO_HYPERCALL_WAY_LIBVIRTISO)
		printf("answer: %lld\n", (long long)viso_hypercall(7, 40, 2, 0));
	viso_machine_unref(machine);
	return 0;
}
