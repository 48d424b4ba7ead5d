/* SPDX-License-Identifier: MIT */
/* As test_bad_handles.c, for what is known about a machine: layers, drivers, tools, features. */
#include "bad_calls.h"

static void test_no_machine(void **state)
{
	REFUSED_NULL(viso_machine_new_from(NULL));
	REFUSED(viso_machine_capture(NULL));
	REFUSED(viso_machine_family(NULL, (viso_family)0));
	REFUSED(viso_machine_driver_count(NULL));
	REFUSED_NULL(viso_machine_driver_name(NULL, 0));
	REFUSED(viso_machine_driver_family(NULL, 0));
	REFUSED(viso_machine_driver_state(NULL, 0));
	REFUSED_NULL(viso_machine_driver_detail(NULL, 0));
	REFUSED_NULL(viso_machine_driver_package(NULL, 0));
	REFUSED(viso_machine_driver_evidence_count(NULL, 0));
	REFUSED_NULL(viso_machine_driver_evidence(NULL, 0, 0));
	REFUSED(viso_machine_driver_device_count(NULL, 0));
	REFUSED_NULL(viso_machine_driver_device(NULL, 0, 0));
	REFUSED_NULL(viso_machine_driver_device_alias(NULL, 0, 0));
	REFUSED_NULL(viso_machine_driver_bound(NULL, 0, 0));
	REFUSED(viso_machine_tool_count(NULL));
	REFUSED_NULL(viso_machine_tool_name(NULL, 0));
	REFUSED(viso_machine_tool_family(NULL, 0));
	REFUSED(viso_machine_tool(NULL, 0, (viso_tool_aspect)0));
	REFUSED_NULL(viso_machine_tool_evidence(NULL, 0, (viso_tool_aspect)0));
	REFUSED_NULL(viso_machine_tool_package(NULL, 0));
	REFUSED(viso_machine_paravirtual_count(NULL));
	REFUSED_NULL(viso_machine_paravirtual_name(NULL, 0));
	REFUSED(viso_machine_paravirtual_offered(NULL, 0));
	REFUSED(viso_machine_paravirtual_used(NULL, 0));
	REFUSED_NULL(viso_machine_paravirtual_detail(NULL, 0));
	REFUSED(viso_machine_hypercall(NULL));
	REFUSED_NULL(viso_machine_hypercall_detail(NULL));
	REFUSED(viso_machine_inside(NULL, (viso_layer_kind)0));
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

static void test_numbers_of_nothing(void **state)
{
	viso_machine *machine = viso_machine_new();
	assert_non_null(machine);
	REFUSED(viso_machine_family(machine, (viso_family)-1));
	REFUSED(viso_machine_family(machine, (viso_family)100000));
	REFUSED_NULL(viso_machine_driver_name(machine, -1));
	REFUSED_NULL(viso_machine_driver_name(machine, 100000));
	REFUSED(viso_machine_driver_family(machine, -1));
	REFUSED(viso_machine_driver_family(machine, 100000));
	REFUSED(viso_machine_driver_state(machine, -1));
	REFUSED(viso_machine_driver_state(machine, 100000));
	REFUSED_NULL(viso_machine_driver_detail(machine, -1));
	REFUSED_NULL(viso_machine_driver_detail(machine, 100000));
	REFUSED_NULL(viso_machine_driver_package(machine, -1));
	REFUSED_NULL(viso_machine_driver_package(machine, 100000));
	REFUSED(viso_machine_driver_evidence_count(machine, -1));
	REFUSED(viso_machine_driver_evidence_count(machine, 100000));
	REFUSED_NULL(viso_machine_driver_evidence(machine, -1, 0));
	REFUSED_NULL(viso_machine_driver_evidence(machine, 100000, 0));
	REFUSED_NULL(viso_machine_driver_evidence(machine, 0, -1));
	REFUSED_NULL(viso_machine_driver_evidence(machine, 0, 100000));
	REFUSED(viso_machine_driver_device_count(machine, -1));
	REFUSED(viso_machine_driver_device_count(machine, 100000));
	REFUSED_NULL(viso_machine_driver_device(machine, -1, 0));
	REFUSED_NULL(viso_machine_driver_device(machine, 100000, 0));
	REFUSED_NULL(viso_machine_driver_device(machine, 0, -1));
	REFUSED_NULL(viso_machine_driver_device(machine, 0, 100000));
	REFUSED_NULL(viso_machine_driver_device_alias(machine, -1, 0));
	REFUSED_NULL(viso_machine_driver_device_alias(machine, 100000, 0));
	REFUSED_NULL(viso_machine_driver_device_alias(machine, 0, -1));
	REFUSED_NULL(viso_machine_driver_device_alias(machine, 0, 100000));
	REFUSED_NULL(viso_machine_driver_bound(machine, -1, 0));
	REFUSED_NULL(viso_machine_driver_bound(machine, 100000, 0));
	REFUSED_NULL(viso_machine_driver_bound(machine, 0, -1));
	REFUSED_NULL(viso_machine_driver_bound(machine, 0, 100000));
	REFUSED_NULL(viso_machine_tool_name(machine, -1));
	REFUSED_NULL(viso_machine_tool_name(machine, 100000));
	REFUSED(viso_machine_tool_family(machine, -1));
	REFUSED(viso_machine_tool_family(machine, 100000));
	REFUSED(viso_machine_tool(machine, -1, (viso_tool_aspect)0));
	REFUSED(viso_machine_tool(machine, 100000, (viso_tool_aspect)0));
	REFUSED(viso_machine_tool(machine, 0, (viso_tool_aspect)-1));
	REFUSED(viso_machine_tool(machine, 0, (viso_tool_aspect)100000));
	REFUSED_NULL(viso_machine_tool_evidence(machine, -1, (viso_tool_aspect)0));
	REFUSED_NULL(viso_machine_tool_evidence(machine, 100000, (viso_tool_aspect)0));
	REFUSED_NULL(viso_machine_tool_evidence(machine, 0, (viso_tool_aspect)-1));
	REFUSED_NULL(viso_machine_tool_evidence(machine, 0, (viso_tool_aspect)100000));
	REFUSED_NULL(viso_machine_tool_package(machine, -1));
	REFUSED_NULL(viso_machine_tool_package(machine, 100000));
	REFUSED_NULL(viso_machine_paravirtual_name(machine, -1));
	REFUSED_NULL(viso_machine_paravirtual_name(machine, 100000));
	REFUSED(viso_machine_paravirtual_offered(machine, -1));
	REFUSED(viso_machine_paravirtual_offered(machine, 100000));
	REFUSED(viso_machine_paravirtual_used(machine, -1));
	REFUSED(viso_machine_paravirtual_used(machine, 100000));
	REFUSED_NULL(viso_machine_paravirtual_detail(machine, -1));
	REFUSED_NULL(viso_machine_paravirtual_detail(machine, 100000));
	REFUSED(viso_machine_inside(machine, (viso_layer_kind)-1));
	REFUSED(viso_machine_inside(machine, (viso_layer_kind)100000));
	REFUSED_NULL(viso_machine_layer_id(machine, -1));
	REFUSED_NULL(viso_machine_layer_id(machine, 100000));
	REFUSED_NULL(viso_machine_layer_name(machine, -1));
	REFUSED_NULL(viso_machine_layer_name(machine, 100000));
	REFUSED(viso_machine_layer_kind(machine, -1));
	REFUSED(viso_machine_layer_kind(machine, 100000));
	REFUSED(viso_machine_layer_role(machine, -1));
	REFUSED(viso_machine_layer_role(machine, 100000));
	REFUSED(viso_machine_layer_confidence(machine, -1));
	REFUSED(viso_machine_layer_confidence(machine, 100000));
	REFUSED(viso_machine_evidence_count(machine, -1));
	REFUSED(viso_machine_evidence_count(machine, 100000));
	REFUSED_NULL(viso_machine_evidence_source(machine, -1, 0));
	REFUSED_NULL(viso_machine_evidence_source(machine, 100000, 0));
	REFUSED_NULL(viso_machine_evidence_source(machine, 0, -1));
	REFUSED_NULL(viso_machine_evidence_source(machine, 0, 100000));
	REFUSED_NULL(viso_machine_evidence_value(machine, -1, 0));
	REFUSED_NULL(viso_machine_evidence_value(machine, 100000, 0));
	REFUSED_NULL(viso_machine_evidence_value(machine, 0, -1));
	REFUSED_NULL(viso_machine_evidence_value(machine, 0, 100000));
	REFUSED(viso_machine_evidence_side(machine, -1, 0));
	REFUSED(viso_machine_evidence_side(machine, 100000, 0));
	REFUSED(viso_machine_evidence_side(machine, 0, -1));
	REFUSED(viso_machine_evidence_side(machine, 0, 100000));
	REFUSED(viso_machine_evidence_error(machine, -1, 0));
	REFUSED(viso_machine_evidence_error(machine, 100000, 0));
	REFUSED(viso_machine_evidence_error(machine, 0, -1));
	REFUSED(viso_machine_evidence_error(machine, 0, 100000));
	viso_machine_unref(machine);
	assert_int_equal(bad_calls_failures, 0);
}

static void test_names_of_nothing(void **state)
{
	HARMLESS(viso_family_name((viso_family)-1) == NULL);
	HARMLESS(viso_family_name((viso_family)1000) == NULL);
	HARMLESS(viso_driver_state_name((viso_driver_state)-1) == NULL);
	HARMLESS(viso_driver_state_name((viso_driver_state)1000) == NULL);
	HARMLESS(viso_answer_name((viso_answer)-1) == NULL);
	HARMLESS(viso_answer_name((viso_answer)1000) == NULL);
	HARMLESS(viso_hypercall_way_name((viso_hypercall_way)-1) == NULL);
	HARMLESS(viso_hypercall_way_name((viso_hypercall_way)1000) == NULL);
	HARMLESS(viso_layer_kind_name((viso_layer_kind)-1) == NULL);
	HARMLESS(viso_layer_kind_name((viso_layer_kind)1000) == NULL);
	HARMLESS(viso_layer_role_name((viso_layer_role)-1) == NULL);
	HARMLESS(viso_layer_role_name((viso_layer_role)1000) == NULL);
	HARMLESS(viso_confidence_name((viso_confidence)-1) == NULL);
	HARMLESS(viso_confidence_name((viso_confidence)1000) == NULL);
	assert_int_equal(bad_calls_failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_machine, bad_calls_set_up),
		cmocka_unit_test_setup(test_numbers_of_nothing, bad_calls_set_up),
		cmocka_unit_test_setup(test_names_of_nothing, bad_calls_set_up),
	};
	return cmocka_run_group_tests_name("bad machines", tests, NULL, NULL);
}
