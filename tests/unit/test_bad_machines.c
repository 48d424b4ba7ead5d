/* SPDX-License-Identifier: MIT */
/* NULL handles and other NULL where there must be something, for what a machine tells of its layers. */
#include "bad_calls.h"

static void test_layers(void **state)
{
	REFUSED_NULL(viso_machine_new_from(NULL));
	REFUSED(viso_machine_inside(NULL, VISO_LAYER_HYPERVISOR));
	REFUSED(viso_machine_layer_count(NULL));
	REFUSED(viso_machine_refuted_count(NULL));
	REFUSED_NULL(viso_machine_layer_id(NULL, 0));
	REFUSED_NULL(viso_machine_layer_name(NULL, 0));
	REFUSED(viso_machine_layer_kind(NULL, 0));
	REFUSED(viso_machine_layer_role(NULL, 0));
	REFUSED(viso_machine_layer_confidence(NULL, 0));
	REFUSED(viso_machine_evidence_count(NULL, 0));
	REFUSED_NULL(viso_machine_evidence_source(NULL, 0, 0));
	REFUSED_NULL(viso_machine_evidence_value(NULL, 0, 0));
	REFUSED(viso_machine_evidence_side(NULL, 0, 0));
	REFUSED(viso_machine_evidence_error(NULL, 0, 0));
	assert_int_equal(bad_calls_failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_layers, bad_calls_set_up),
	};
	return cmocka_run_group_tests_name("bad_machines", tests, NULL, NULL);
}
