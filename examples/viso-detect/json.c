/* SPDX-License-Identifier: MIT */
/* For programs: one object, as schema.json describes it. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "detect.h"

enum { SCHEMA = 1 };

typedef struct json_object json;

static void add_string(json *object, const char *key, const char *value)
{
	json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

static void add_answer(json *object, const char *key, int answer)
{
	add_string(object, key, viso_answer_name((viso_answer)answer));
}

static json *evidence_of(const viso_machine *machine, int layer)
{
	static const char *const sides[] = {"unread", "for", "against"};
	json *list = json_object_new_array();
	for (int i = 0; i < viso_machine_evidence_count(machine, layer); i++) {
		json *item = json_object_new_object();
		int error = viso_machine_evidence_error(machine, layer, i);
		add_string(item, "side", sides[viso_machine_evidence_side(machine, layer, i)]);
		add_string(item, "source", viso_machine_evidence_source(machine, layer, i));
		add_string(item, "value", viso_machine_evidence_value(machine, layer, i));
		if (error)
			json_object_object_add(item, "errno", json_object_new_int(error));
		json_object_array_add(list, item);
	}
	return list;
}

static json *layers_of(const viso_machine *machine, int begin, int end)
{
	json *list = json_object_new_array();
	for (int i = begin; i < end; i++) {
		json *item = json_object_new_object();
		add_string(item, "id", viso_machine_layer_id(machine, i));
		add_string(item, "name", viso_machine_layer_name(machine, i));
		add_string(item, "kind", viso_layer_kind_name((viso_layer_kind)viso_machine_layer_kind(machine, i)));
		add_string(item, "role", viso_layer_role_name((viso_layer_role)viso_machine_layer_role(machine, i)));
		add_string(item, "confidence",
			   viso_confidence_name((viso_confidence)viso_machine_layer_confidence(machine, i)));
		json_object_object_add(item, "evidence", evidence_of(machine, i));
		json_object_array_add(list, item);
	}
	return list;
}

static json *families_of(const viso_machine *machine)
{
	json *object = json_object_new_object();
	const char *name;
	for (int i = 0; (name = viso_family_name((viso_family)i)); i++)
		add_answer(object, name, viso_machine_family(machine, (viso_family)i));
	return object;
}

static json *devices_of(const viso_machine *machine, int driver)
{
	json *list = json_object_new_array();
	for (int i = 0; i < viso_machine_driver_device_count(machine, driver); i++) {
		json *item = json_object_new_object();
		add_string(item, "name", viso_machine_driver_device(machine, driver, i));
		add_string(item, "alias", viso_machine_driver_device_alias(machine, driver, i));
		add_string(item, "bound", viso_machine_driver_bound(machine, driver, i));
		json_object_array_add(list, item);
	}
	return list;
}

static json *drivers_of(const viso_machine *machine)
{
	json *list = json_object_new_array();
	for (int i = 0; i < viso_machine_driver_count(machine); i++) {
		json *item = json_object_new_object(), *evidence = json_object_new_array();
		for (int j = 0; j < viso_machine_driver_evidence_count(machine, i); j++)
			json_object_array_add(evidence,
					      json_object_new_string(viso_machine_driver_evidence(machine, i, j)));
		add_string(item, "name", viso_machine_driver_name(machine, i));
		add_string(item, "family", viso_family_name((viso_family)viso_machine_driver_family(machine, i)));
		add_string(item, "state",
			   viso_driver_state_name((viso_driver_state)viso_machine_driver_state(machine, i)));
		add_string(item, "detail", viso_machine_driver_detail(machine, i));
		add_string(item, "package", viso_machine_driver_package(machine, i));
		json_object_object_add(item, "devices", devices_of(machine, i));
		json_object_object_add(item, "evidence", evidence);
		json_object_array_add(list, item);
	}
	return list;
}

static json *tools_of(const viso_machine *machine)
{
	static const char *const aspects[] = {"installed", "running", "channel"};
	json *list = json_object_new_array();
	for (int i = 0; i < viso_machine_tool_count(machine); i++) {
		json *item = json_object_new_object(), *evidence = json_object_new_object();
		add_string(item, "name", viso_machine_tool_name(machine, i));
		add_string(item, "family", viso_family_name((viso_family)viso_machine_tool_family(machine, i)));
		for (int aspect = 0; aspect <= VISO_TOOL_CHANNEL; aspect++) {
			add_answer(item, aspects[aspect], viso_machine_tool(machine, i, (viso_tool_aspect)aspect));
			add_string(evidence, aspects[aspect],
				   viso_machine_tool_evidence(machine, i, (viso_tool_aspect)aspect));
		}
		add_string(item, "package", viso_machine_tool_package(machine, i));
		json_object_object_add(item, "evidence", evidence);
		json_object_array_add(list, item);
	}
	return list;
}

static json *paravirtual_of(const viso_machine *machine)
{
	json *list = json_object_new_array();
	for (int i = 0; i < viso_machine_paravirtual_count(machine); i++) {
		json *item = json_object_new_object();
		add_string(item, "name", viso_machine_paravirtual_name(machine, i));
		add_answer(item, "offered", viso_machine_paravirtual_offered(machine, i));
		add_answer(item, "used", viso_machine_paravirtual_used(machine, i));
		add_string(item, "detail", viso_machine_paravirtual_detail(machine, i));
		json_object_array_add(list, item);
	}
	return list;
}

static json *hypercall_of(const viso_machine *machine)
{
	json *object = json_object_new_object();
	add_string(object, "way", viso_hypercall_way_name((viso_hypercall_way)viso_machine_hypercall(machine)));
	add_string(object, "detail", viso_machine_hypercall_detail(machine));
	return object;
}

static json *features_of(const viso_machine *machine)
{
	json *list = json_object_new_array();
	const char *name;
	for (int i = 0; (name = viso_feature_name((viso_feature)i)); i++) {
		json *item = json_object_new_object();
		add_string(item, "name", name);
		json_object_object_add(item, "works",
				       json_object_new_boolean(viso_machine_feature(machine, (viso_feature)i) == 1));
		add_string(item, "detail", viso_machine_detail(machine, (viso_feature)i));
		json_object_array_add(list, item);
	}
	return list;
}

int print_json(const viso_machine *machine)
{
	int layers = viso_machine_layer_count(machine);
	if (viso_machine_driver_state(machine, 0) < 0 || viso_machine_tool(machine, 0, VISO_TOOL_RUNNING) < 0 ||
	    viso_machine_hypercall(machine) < 0)
		return -1;
	int works = viso_machine_feature(machine, VISO_FEATURE_JAIL);
	if (works < 0 && works != -EOPNOTSUPP)
		return -1;
	json *object = json_object_new_object();
	json_object_object_add(object, "schema", json_object_new_int(SCHEMA));
	json_object_object_add(object, "layers", layers_of(machine, 0, layers));
	json_object_object_add(object, "refuted",
			       layers_of(machine, layers, layers + viso_machine_refuted_count(machine)));
	json_object_object_add(object, "families", families_of(machine));
	json_object_object_add(object, "drivers", drivers_of(machine));
	json_object_object_add(object, "tools", tools_of(machine));
	json_object_object_add(object, "paravirtual", paravirtual_of(machine));
	json_object_object_add(object, "hypercall", hypercall_of(machine));
	/* Of a captured machine nothing can be tried. */
	if (works >= 0)
		json_object_object_add(object, "features", features_of(machine));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return 0;
}
