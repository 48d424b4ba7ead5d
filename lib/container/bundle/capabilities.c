/* SPDX-License-Identifier: MIT */
/* "process.capabilities". */
#include "container/bundle/bundle.h"

static int add_all(struct bundle *bundle, const struct item *list, viso_capability_set set)
{
	int r = 0;
	for (size_t i = 0; i < json_object_array_length(list->json) && r == 0; i++) {
		const struct item item = {
			.parent = list, .index = i, .json = json_object_array_get_idx(list->json, i)};
		r = json_object_is_type(item.json, json_type_string)
			    ? item_result(&item, viso_container_add_capability_to(bundle->container, (unsigned)set,
										  item_string(&item)))
			    : item_fail_value(&item, "the name of a capability is wanted");
	}
	return r;
}

static int read_bounding(struct bundle *bundle, const struct item *item)
{
	return add_all(bundle, item, VISO_CAPABILITY_BOUNDING);
}

static int read_effective(struct bundle *bundle, const struct item *item)
{
	return add_all(bundle, item, VISO_CAPABILITY_EFFECTIVE);
}

static int read_inheritable(struct bundle *bundle, const struct item *item)
{
	return add_all(bundle, item, VISO_CAPABILITY_INHERITABLE);
}

static int read_permitted(struct bundle *bundle, const struct item *item)
{
	return add_all(bundle, item, VISO_CAPABILITY_PERMITTED);
}

static int read_ambient(struct bundle *bundle, const struct item *item)
{
	return add_all(bundle, item, VISO_CAPABILITY_AMBIENT);
}

int bundle_read_capabilities(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"bounding", json_type_array, read_bounding},	    {"effective", json_type_array, read_effective},
		{"inheritable", json_type_array, read_inheritable}, {"permitted", json_type_array, read_permitted},
		{"ambient", json_type_array, read_ambient},	    {NULL},
	};
	int r = item_read_members(bundle, item, members);
	/* Such files reckon with the kernel's own rules, by which uid 0 gets the bounding set at execve(2). */
	return r < 0 ? r : item_result(item, viso_container_set_securebits(bundle->container, 0));
}
