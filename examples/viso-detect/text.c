/* SPDX-License-Identifier: MIT */
/* For people: what is here, and by what one knows; of drivers and tools those only that are of use here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "detect.h"

static void print_evidence(const viso_machine *machine, int layer)
{
	static const char *const sides[] = {"not read", "for", "against"};
	for (int i = 0; i < viso_machine_evidence_count(machine, layer); i++) {
		int side = viso_machine_evidence_side(machine, layer, i);
		int error = viso_machine_evidence_error(machine, layer, i);
		const char *value = viso_machine_evidence_value(machine, layer, i);
		printf("    %-8s  %s%s%s%s\n", sides[side < 0 ? 0 : side],
		       viso_machine_evidence_source(machine, layer, i), *value || error ? ": " : "", value,
		       error ? strerror(error) : "");
	}
}

/* What is not there has no role, and the confidence is that in its absence. */
static void print_layer(const viso_machine *machine, int layer, int is_refuted)
{
	int confidence = viso_machine_layer_confidence(machine, layer);
	printf("  %s: ", viso_layer_kind_name((viso_layer_kind)viso_machine_layer_kind(machine, layer)));
	if (confidence == VISO_CONFIDENCE_UNKNOWN)
		puts("unknown");
	else if (is_refuted)
		printf("%s (%s), absence %s\n", viso_machine_layer_name(machine, layer),
		       viso_machine_layer_id(machine, layer), viso_confidence_name((viso_confidence)confidence));
	else
		printf("%s (%s), as %s, %s\n", viso_machine_layer_name(machine, layer),
		       viso_machine_layer_id(machine, layer),
		       viso_layer_role_name((viso_layer_role)viso_machine_layer_role(machine, layer)),
		       viso_confidence_name((viso_confidence)confidence));
	print_evidence(machine, layer);
}

static void print_layers(const viso_machine *machine)
{
	int count = viso_machine_layer_count(machine), refuted = viso_machine_refuted_count(machine);
	puts(count ? "Layers, from the outermost:" : "Layers: none, this is a bare machine.");
	for (int i = 0; i < count; i++)
		print_layer(machine, i, 0);
	if (refuted)
		puts("Not so, or not found:");
	for (int i = count; i < count + refuted; i++)
		print_layer(machine, i, 1);
}

static int family_is_here(const viso_machine *machine, int family)
{
	return viso_machine_family(machine, (viso_family)family) == VISO_ANSWER_YES;
}

/* Where nothing can be read, that goes for all drivers: those of other families are no more than counted then. */
static void print_drivers(const viso_machine *machine)
{
	int unknown = 0;
	puts("Drivers of use here:");
	for (int i = 0; i < viso_machine_driver_count(machine); i++) {
		int state = viso_machine_driver_state(machine, i);
		if (state <= VISO_DRIVER_NOT_APPLICABLE)
			continue;
		if (state == VISO_DRIVER_UNKNOWN && !family_is_here(machine, viso_machine_driver_family(machine, i))) {
			unknown++;
			continue;
		}
		printf("  %-26s  %-9s  %s\n", viso_machine_driver_name(machine, i),
		       viso_driver_state_name((viso_driver_state)state), viso_machine_driver_detail(machine, i));
		if (*viso_machine_driver_package(machine, i))
			printf("    package   %s\n", viso_machine_driver_package(machine, i));
		for (int j = 0; j < viso_machine_driver_evidence_count(machine, i); j++)
			printf("    %s\n", viso_machine_driver_evidence(machine, i, j));
	}
	if (unknown)
		printf("  Of %d more it could not be found out; --json has them.\n", unknown);
}

static int is_of_use(const viso_machine *machine, int tool)
{
	return family_is_here(machine, viso_machine_tool_family(machine, tool)) ||
	       viso_machine_tool(machine, tool, VISO_TOOL_INSTALLED) == VISO_ANSWER_YES ||
	       viso_machine_tool(machine, tool, VISO_TOOL_CHANNEL) == VISO_ANSWER_YES;
}

static void print_tools(const viso_machine *machine)
{
	puts("Guest tools:                   installed  running    channel");
	for (int i = 0; i < viso_machine_tool_count(machine); i++) {
		if (!is_of_use(machine, i))
			continue;
		printf("  %-26s", viso_machine_tool_name(machine, i));
		for (int aspect = 0; aspect <= VISO_TOOL_CHANNEL; aspect++)
			printf("   %-8s",
			       viso_answer_name((viso_answer)viso_machine_tool(machine, i, (viso_tool_aspect)aspect)));
		if (*viso_machine_tool_package(machine, i))
			printf("   package %s", viso_machine_tool_package(machine, i));
		putchar('\n');
	}
}

static void print_paravirtual(const viso_machine *machine)
{
	printf("Hypercalls: %s. %s\n", viso_hypercall_way_name((viso_hypercall_way)viso_machine_hypercall(machine)),
	       viso_machine_hypercall_detail(machine));
	if (viso_machine_paravirtual_offered(machine, 0) == VISO_ANSWER_NO)
		return;
	puts("Features of KVM:                                offered    used");
	for (int i = 0; i < viso_machine_paravirtual_count(machine); i++)
		printf("  %-44s  %-9s  %-7s  %s\n", viso_machine_paravirtual_name(machine, i),
		       viso_answer_name((viso_answer)viso_machine_paravirtual_offered(machine, i)),
		       viso_answer_name((viso_answer)viso_machine_paravirtual_used(machine, i)),
		       viso_machine_paravirtual_detail(machine, i));
}

int print_features(const viso_machine *machine)
{
	const char *name;
	for (int feature = 0; (name = viso_feature_name((viso_feature)feature)); feature++) {
		int works = viso_machine_feature(machine, (viso_feature)feature);
		if (works < 0)
			return -1;
		printf("%-18s %-4s %s\n", name, works ? "yes" : "no",
		       viso_machine_detail(machine, (viso_feature)feature));
	}
	return 0;
}

int print_text(const viso_machine *machine)
{
	if (viso_machine_driver_state(machine, 0) < 0 || viso_machine_tool(machine, 0, VISO_TOOL_RUNNING) < 0 ||
	    viso_machine_hypercall(machine) < 0)
		return -1;
	print_layers(machine);
	print_drivers(machine);
	print_tools(machine);
	print_paravirtual(machine);
	/* Of a captured machine nothing can be tried. */
	if (viso_machine_feature(machine, VISO_FEATURE_JAIL) == -EOPNOTSUPP)
		return 0;
	puts("What of libvirtiso works here:");
	return print_features(machine);
}
