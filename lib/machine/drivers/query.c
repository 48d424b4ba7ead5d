/* SPDX-License-Identifier: MIT */
/*
 * The public calls about drivers, tools and features. What they tell is found out when the first of its kind is asked
 * for, and published as the features of machine.c are.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "machine/drivers/paravirtual.h"
#include "machine/drivers/tools.h"
#include "machine/machine.h"

/* To be seen from outside a machine never changes. */
static viso_machine *changeable(const viso_machine *machine)
{
	return (viso_machine *)machine;
}

static const struct machine_drivers *get_drivers(const viso_machine *machine)
{
	struct machine_drivers *there = atomic_load(&machine->drivers), *made;
	int saved = errno;
	if (there)
		return there;
	struct provider provider = machine->provider;
	made = machine_drivers_new(&provider);
	if (made && provider.is_out_of_memory) {
		machine_drivers_free(made);
		made = NULL;
	}
	errno = saved;
	if (!made) {
		error_memory();
		return NULL;
	}
	if (atomic_compare_exchange_strong(&changeable(machine)->drivers, &there, made))
		return made;
	machine_drivers_free(made);
	return there;
}

static const struct tool *get_tools(const viso_machine *machine)
{
	struct tool *there = atomic_load(&machine->tools), *made;
	int saved = errno;
	if (there)
		return there;
	const struct machine_drivers *drivers = get_drivers(machine);
	if (!drivers)
		return NULL;
	struct provider provider = machine->provider;
	made = tools_new(&provider, drivers);
	if (made && provider.is_out_of_memory) {
		tools_free(made);
		made = NULL;
	}
	errno = saved;
	if (!made) {
		error_memory();
		return NULL;
	}
	if (atomic_compare_exchange_strong(&changeable(machine)->tools, &there, made))
		return made;
	tools_free(made);
	return there;
}

static const struct paravirtual *get_paravirtual(const viso_machine *machine)
{
	struct paravirtual *there = atomic_load(&machine->paravirtual), *made;
	int saved = errno;
	if (there)
		return there;
	struct provider provider = machine->provider;
	made = paravirtual_new(&provider);
	if (made && provider.is_out_of_memory) {
		free(made);
		made = NULL;
	}
	errno = saved;
	if (!made) {
		error_memory();
		return NULL;
	}
	if (atomic_compare_exchange_strong(&changeable(machine)->paravirtual, &there, made))
		return made;
	free(made);
	return there;
}

void machine_release_drivers(viso_machine *machine)
{
	machine_drivers_free(machine->drivers);
	tools_free(machine->tools);
	free(machine->paravirtual);
}

/* The checks of arguments. 0 or -EINVAL. */
static int check(const viso_machine *machine, int number, size_t count, const char *what, const char *function)
{
	if (!machine)
		return error_argument(function, "the machine is NULL");
	return number >= 0 && (size_t)number < count ? 0 : error_argument(function, what);
}

static int check_driver(const viso_machine *machine, int driver, const char *function)
{
	return check(machine, driver, module_count, "no such driver", function);
}

static int check_tool(const viso_machine *machine, int tool, const char *function)
{
	return check(machine, tool, tool_kind_count, "no such tool", function);
}

static int check_feature(const viso_machine *machine, int feature, const char *function)
{
	return check(machine, 0, paravirtual_name(feature) ? 1 : 0, "no such paravirtual feature", function);
}

int viso_machine_family(const viso_machine *machine, viso_family family)
{
	if (check(machine, (int)family, FAMILIES, "no such family", __func__) < 0)
		return -EINVAL;
	const struct machine_drivers *drivers = get_drivers(machine);
	return drivers ? (int)drivers->families[family] : -ENOMEM;
}

int viso_machine_driver_count(const viso_machine *machine)
{
	return check(machine, 0, 1, "", __func__) < 0 ? -EINVAL : (int)module_count;
}

const char *viso_machine_driver_name(const viso_machine *machine, int driver)
{
	return check_driver(machine, driver, __func__) < 0 ? NULL : modules[driver].name;
}

int viso_machine_driver_family(const viso_machine *machine, int driver)
{
	return check_driver(machine, driver, __func__) < 0 ? -EINVAL : (int)modules[driver].family;
}

static const struct driver *get_driver(const viso_machine *machine, int driver, const char *function)
{
	if (check_driver(machine, driver, function) < 0)
		return NULL;
	const struct machine_drivers *drivers = get_drivers(machine);
	return drivers ? &drivers->drivers[driver] : NULL;
}

int viso_machine_driver_state(const viso_machine *machine, int driver)
{
	const struct driver *found = get_driver(machine, driver, __func__);
	return found ? (int)found->state : -viso_error_number();
}

const char *viso_machine_driver_detail(const viso_machine *machine, int driver)
{
	const struct driver *found = get_driver(machine, driver, __func__);
	return found ? found->detail : NULL;
}

const char *viso_machine_driver_package(const viso_machine *machine, int driver)
{
	const struct driver *found = get_driver(machine, driver, __func__);
	return found ? found->package : NULL;
}

int viso_machine_driver_evidence_count(const viso_machine *machine, int driver)
{
	const struct driver *found = get_driver(machine, driver, __func__);
	return found ? (int)found->evidence.count : -viso_error_number();
}

const char *viso_machine_driver_evidence(const viso_machine *machine, int driver, int evidence)
{
	const struct driver *found = get_driver(machine, driver, __func__);
	if (!found || check(machine, evidence, found->evidence.count, "no such evidence", __func__) < 0)
		return NULL;
	return found->evidence.items[evidence];
}

int viso_machine_driver_device_count(const viso_machine *machine, int driver)
{
	const struct driver *found = get_driver(machine, driver, __func__);
	return found ? (int)found->device_count : -viso_error_number();
}

static const struct device *get_device(const viso_machine *machine, int driver, int device, const char *function)
{
	const struct driver *found = get_driver(machine, driver, function);
	if (!found || check(machine, device, found->device_count, "no such device", function) < 0)
		return NULL;
	return &get_drivers(machine)->devices.items[found->devices[device]];
}

const char *viso_machine_driver_device(const viso_machine *machine, int driver, int device)
{
	const struct device *found = get_device(machine, driver, device, __func__);
	return found ? found->name : NULL;
}

const char *viso_machine_driver_device_alias(const viso_machine *machine, int driver, int device)
{
	const struct device *found = get_device(machine, driver, device, __func__);
	return found ? found->alias : NULL;
}

const char *viso_machine_driver_bound(const viso_machine *machine, int driver, int device)
{
	const struct device *found = get_device(machine, driver, device, __func__);
	return found ? found->bound : NULL;
}

int viso_machine_tool_count(const viso_machine *machine)
{
	return check(machine, 0, 1, "", __func__) < 0 ? -EINVAL : (int)tool_kind_count;
}

const char *viso_machine_tool_name(const viso_machine *machine, int tool)
{
	return check_tool(machine, tool, __func__) < 0 ? NULL : tool_kinds[tool].name;
}

int viso_machine_tool_family(const viso_machine *machine, int tool)
{
	return check_tool(machine, tool, __func__) < 0 ? -EINVAL : (int)tool_kinds[tool].family;
}

static const struct tool_answer *get_aspect(const viso_machine *machine, int tool, viso_tool_aspect aspect,
					    const char *function)
{
	if (check_tool(machine, tool, function) < 0 ||
	    check(machine, (int)aspect, TOOL_ASPECTS, "no such aspect of a tool", function) < 0)
		return NULL;
	const struct tool *tools = get_tools(machine);
	return tools ? &tools[tool].aspects[aspect] : NULL;
}

int viso_machine_tool(const viso_machine *machine, int tool, viso_tool_aspect aspect)
{
	const struct tool_answer *found = get_aspect(machine, tool, aspect, __func__);
	return found ? (int)found->answer : -viso_error_number();
}

const char *viso_machine_tool_evidence(const viso_machine *machine, int tool, viso_tool_aspect aspect)
{
	const struct tool_answer *found = get_aspect(machine, tool, aspect, __func__);
	return found ? found->evidence : NULL;
}

const char *viso_machine_tool_package(const viso_machine *machine, int tool)
{
	const struct tool *tools = check_tool(machine, tool, __func__) < 0 ? NULL : get_tools(machine);
	return tools ? tools[tool].package : NULL;
}

int viso_machine_paravirtual_count(const viso_machine *machine)
{
	int count = 0;
	if (check(machine, 0, 1, "", __func__) < 0)
		return -EINVAL;
	while (paravirtual_name(count))
		count++;
	return count;
}

const char *viso_machine_paravirtual_name(const viso_machine *machine, int feature)
{
	return check_feature(machine, feature, __func__) < 0 ? NULL : paravirtual_name(feature);
}

static const struct feature *get_feature(const viso_machine *machine, int feature, const char *function)
{
	if (check_feature(machine, feature, function) < 0)
		return NULL;
	const struct paravirtual *paravirtual = get_paravirtual(machine);
	return paravirtual ? &paravirtual->features[feature] : NULL;
}

int viso_machine_paravirtual_offered(const viso_machine *machine, int feature)
{
	const struct feature *found = get_feature(machine, feature, __func__);
	return found ? (int)found->offered : -viso_error_number();
}

int viso_machine_paravirtual_used(const viso_machine *machine, int feature)
{
	const struct feature *found = get_feature(machine, feature, __func__);
	return found ? (int)found->used : -viso_error_number();
}

const char *viso_machine_paravirtual_detail(const viso_machine *machine, int feature)
{
	const struct feature *found = get_feature(machine, feature, __func__);
	return found ? found->detail : NULL;
}

int viso_machine_hypercall(const viso_machine *machine)
{
	if (check(machine, 0, 1, "", __func__) < 0)
		return -EINVAL;
	const struct paravirtual *paravirtual = get_paravirtual(machine);
	return paravirtual ? (int)paravirtual->way : -ENOMEM;
}

const char *viso_machine_hypercall_detail(const viso_machine *machine)
{
	if (check(machine, 0, 1, "", __func__) < 0)
		return NULL;
	const struct paravirtual *paravirtual = get_paravirtual(machine);
	return paravirtual ? paravirtual->way_detail : NULL;
}
