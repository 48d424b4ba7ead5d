/* SPDX-License-Identifier: MIT */
/* Finding out about a machine leaves the host program as it was; see untouched.h. */
#include "untouched.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *base;

static void write_file(const char *path, const char *text)
{
	char whole[512];
	snprintf(whole, sizeof(whole), "%s/%s", base, path);
	for (char *slash = whole + strlen(base) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		mkdir(whole, 0755);
	}
	FILE *file = fopen(whole, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A machine that has one of everything. */
static void make_machine(void)
{
	write_file("captured/cpuid",
		   "1 0: 0 0 80000000 0\n40000000 0: 40000001 4b4d564b 564b4d56 4d\n40000001 0: 1 0 0 0\n");
	write_file("captured/uname", "Linux\nguest\n6.1.0\n#1\nx86_64\n");
	write_file("captured/sys/bus/pci/devices/0000:00:01.0/modalias",
		   "pci:v00001AF4d00001041sv00001AF4sd00001041bc02sc00i00\n");
	write_file("captured/proc/modules", "virtio_pci 1 0 - Live 0x0\n");
}

static void test_this_machine(void **state)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/new", base);
	untouched_begin();
	viso_machine *machine = NULL;
	UNTOUCHED(viso_machine_capture(path), == 0);
	UNTOUCHED((machine = viso_machine_new()), != NULL);
	UNTOUCHED(viso_machine_driver_state(machine, 0), >= 0);
	UNTOUCHED(viso_machine_tool(machine, 0, VISO_TOOL_RUNNING), >= 0);
	UNTOUCHED(viso_machine_hypercall(machine), >= 0);
	for (int feature = 0; viso_feature_name((viso_feature)feature); feature++)
		UNTOUCHED(viso_machine_feature(machine, (viso_feature)feature), >= 0);
	UNTOUCHED(viso_machine_unref(machine), == NULL);
	untouched_end();
}

static void test_a_captured_machine(void **state)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/captured", base);
	untouched_begin();
	viso_machine *machine = NULL;
	UNTOUCHED((machine = viso_machine_new_from(path)), != NULL);
	UNTOUCHED(viso_family_name((viso_family)0), != NULL);
	UNTOUCHED(viso_driver_state_name((viso_driver_state)0), != NULL);
	UNTOUCHED(viso_answer_name((viso_answer)0), != NULL);
	UNTOUCHED(viso_hypercall_way_name((viso_hypercall_way)0), != NULL);
	UNTOUCHED(viso_machine_family(machine, (viso_family)0), >= 0);
	UNTOUCHED(viso_machine_driver_count(machine), >= 0);
	UNTOUCHED(viso_machine_driver_name(machine, 0), != NULL);
	UNTOUCHED(viso_machine_driver_family(machine, 0), >= 0);
	UNTOUCHED(viso_machine_driver_state(machine, 0), >= 0);
	UNTOUCHED(viso_machine_driver_detail(machine, 0), != NULL);
	UNTOUCHED(viso_machine_driver_package(machine, 0), != NULL);
	UNTOUCHED(viso_machine_driver_evidence_count(machine, 0), >= 0);
	UNTOUCHED(viso_machine_driver_evidence(machine, 0, 0), != NULL);
	UNTOUCHED(viso_machine_driver_device_count(machine, 0), >= 0);
	UNTOUCHED(viso_machine_driver_device(machine, 0, 0), != NULL);
	UNTOUCHED(viso_machine_driver_device_alias(machine, 0, 0), != NULL);
	UNTOUCHED(viso_machine_driver_bound(machine, 0, 0), != NULL);
	UNTOUCHED(viso_machine_tool_count(machine), >= 0);
	UNTOUCHED(viso_machine_tool_name(machine, 0), != NULL);
	UNTOUCHED(viso_machine_tool_family(machine, 0), >= 0);
	UNTOUCHED(viso_machine_tool(machine, 0, (viso_tool_aspect)0), >= 0);
	UNTOUCHED(viso_machine_tool_evidence(machine, 0, (viso_tool_aspect)0), != NULL);
	UNTOUCHED(viso_machine_tool_package(machine, 0), != NULL);
	UNTOUCHED(viso_machine_paravirtual_count(machine), >= 0);
	UNTOUCHED(viso_machine_paravirtual_name(machine, 0), != NULL);
	UNTOUCHED(viso_machine_paravirtual_offered(machine, 0), >= 0);
	UNTOUCHED(viso_machine_paravirtual_used(machine, 0), >= 0);
	UNTOUCHED(viso_machine_paravirtual_detail(machine, 0), != NULL);
	UNTOUCHED(viso_machine_hypercall(machine), >= 0);
	UNTOUCHED(viso_machine_hypercall_detail(machine), != NULL);
	UNTOUCHED(viso_machine_inside(machine, (viso_layer_kind)0), >= 0);
	UNTOUCHED(viso_machine_layer_count(machine), >= 0);
	UNTOUCHED(viso_machine_refuted_count(machine), >= 0);
	UNTOUCHED(viso_machine_layer_id(machine, 0), != NULL);
	UNTOUCHED(viso_machine_layer_name(machine, 0), != NULL);
	UNTOUCHED(viso_machine_layer_kind(machine, 0), >= 0);
	UNTOUCHED(viso_machine_layer_role(machine, 0), >= 0);
	UNTOUCHED(viso_machine_layer_confidence(machine, 0), >= 0);
	UNTOUCHED(viso_machine_evidence_count(machine, 0), >= 0);
	UNTOUCHED(viso_machine_evidence_source(machine, 0, 0), != NULL);
	UNTOUCHED(viso_machine_evidence_value(machine, 0, 0), != NULL);
	UNTOUCHED(viso_machine_evidence_side(machine, 0, 0), >= 0);
	UNTOUCHED(viso_machine_evidence_error(machine, 0, 0), >= 0);
	UNTOUCHED(viso_layer_kind_name((viso_layer_kind)0), != NULL);
	UNTOUCHED(viso_layer_role_name((viso_layer_role)0), != NULL);
	UNTOUCHED(viso_confidence_name((viso_confidence)0), != NULL);
	UNTOUCHED(viso_machine_unref(machine), == NULL);
	untouched_end();
}

static int set_up(void **state)
{
	base = support_temporary_directory();
	make_machine();
	return untouched_peculiar_host(state);
}

static int tear_down(void **state)
{
	support_remove_tree(base);
	free(base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_this_machine),
		cmocka_unit_test(test_a_captured_machine),
	};
	return cmocka_run_group_tests_name("machines untouched", tests, set_up, tear_down);
}
