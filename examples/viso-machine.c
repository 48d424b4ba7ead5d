/* SPDX-License-Identifier: MIT */
/* viso-machine: what of libvirtiso works on this host for this user, and why something does not. */
#include <stdio.h>
#include <virtiso.h>

int main(void)
{
	viso_machine *machine = viso_machine_new();
	if (!machine) {
		fprintf(stderr, "viso-machine: %s\n", viso_error_message());
		return 1;
	}
	const char *name;
	for (int feature = 0; (name = viso_feature_name((viso_feature)feature)); feature++) {
		int works = viso_machine_feature(machine, (viso_feature)feature);
		printf("%-18s %-4s %s\n", name, works > 0 ? "yes" : "no",
		       viso_machine_detail(machine, (viso_feature)feature));
	}
	viso_machine_unref(machine);
	return 0;
}
