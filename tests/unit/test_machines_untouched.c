/* SPDX-License-Identifier: MIT */
/* What a machine tells of its layers; what untouched means is in untouched.h. */
#include "untouched.h"

#include <stdlib.h>

static void read_layers(viso_machine *machine)
{
	const int last = viso_machine_layer_count(machine) + viso_machine_refuted_count(machine) - 1;
	UNTOUCHED(viso_machine_inside(machine, VISO_LAYER_MONITOR), > -200);
	UNTOUCHED(viso_machine_layer_count(machine), >= 0);
	UNTOUCHED(viso_machine_refuted_count(machine), >= 0);
	UNTOUCHED(viso_machine_layer_id(machine, last), != NULL);
	UNTOUCHED(viso_machine_layer_name(machine, last), != NULL);
	UNTOUCHED(viso_machine_layer_kind(machine, last), >= 0);
	UNTOUCHED(viso_machine_layer_role(machine, last), >= 0);
	UNTOUCHED(viso_machine_layer_confidence(machine, last), >= 0);
	UNTOUCHED(viso_machine_evidence_count(machine, last), > 0);
	UNTOUCHED(viso_machine_evidence_source(machine, last, 0), != NULL);
	UNTOUCHED(viso_machine_evidence_value(machine, last, 0), != NULL);
	UNTOUCHED(viso_machine_evidence_side(machine, last, 0), >= 0);
	UNTOUCHED(viso_machine_evidence_error(machine, last, 0), >= 0);
}

static void test_layers(void **state)
{
	char *directory = support_temporary_directory();
	untouched_begin();
	viso_machine *machine = NULL;
	UNTOUCHED((machine = viso_machine_new()), != NULL);
	read_layers(machine);
	UNTOUCHED(viso_machine_unref(machine), == NULL);
	UNTOUCHED((machine = viso_machine_new_from(directory)), != NULL);
	read_layers(machine);
	UNTOUCHED(viso_machine_unref(machine), == NULL);
	UNTOUCHED(viso_layer_kind_name(VISO_LAYER_CHROOT), != NULL);
	UNTOUCHED(viso_layer_role_name(VISO_ROLE_DOM0), != NULL);
	UNTOUCHED(viso_confidence_name(VISO_CONFIDENCE_LIKELY), != NULL);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layers),
	};
	return cmocka_run_group_tests_name("machines_untouched", tests, untouched_peculiar_host, NULL);
}
