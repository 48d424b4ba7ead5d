/* SPDX-License-Identifier: MIT */
/* "linux.resources.blockIO". */
#include "container/bundle/bundle.h"
#include "container/container.h"

static int read_weight(struct bundle *bundle, const struct item *item)
{
	int64_t weight;
	int r = item_number(item, 0, 1000, &weight);
	if (r < 0 || weight == 0)
		return r;
	if (weight < 10)
		return item_fail_value(item, "a weight is a number from 10 to 1000");
	/* To 1..10000 of version 2, in which the usual 500 of version 1 would not be the usual 100. */
	return item_result(item, viso_container_set_io_weight(bundle->container,
							      (unsigned)(1 + (weight - 10) * 9999 / 990)));
}

static int read_rate(struct bundle *bundle, const struct item *item, viso_io_rate rate)
{
	static const struct member members[] = {{"major", json_type_int, NULL, true},
						{"minor", json_type_int, NULL, true},
						{"rate", json_type_int, NULL, true},
						{NULL}};
	int64_t major = 0, minor = 0, per_second = 0;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "major", 0, (1 << 12) - 1, &major);
	if (r == 0)
		r = item_find_number(item, "minor", 0, (1 << 20) - 1, &minor);
	if (r == 0)
		r = item_find_number(item, "rate", 0, INT64_MAX, &per_second);
	return r < 0 ? r
		     : limits_set_io_max(&bundle->container->limits, (unsigned)major, (unsigned)minor, rate,
					 (uint64_t)per_second);
}

static int read_read_bytes(struct bundle *bundle, const struct item *item)
{
	return read_rate(bundle, item, VISO_IO_READ_BYTES);
}

static int read_write_bytes(struct bundle *bundle, const struct item *item)
{
	return read_rate(bundle, item, VISO_IO_WRITE_BYTES);
}

static int read_reads(struct bundle *bundle, const struct item *item)
{
	return read_rate(bundle, item, VISO_IO_READS);
}

static int read_writes(struct bundle *bundle, const struct item *item)
{
	return read_rate(bundle, item, VISO_IO_WRITES);
}

static int read_read_bytes_list(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_read_bytes);
}

static int read_write_bytes_list(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_write_bytes);
}

static int read_reads_list(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_reads);
}

static int read_writes_list(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_writes);
}

int bundle_read_block_io(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"weight", json_type_int, read_weight},
		{"leafWeight", json_type_int, item_refuse},
		{"weightDevice", json_type_array, item_refuse},
		{"throttleReadBpsDevice", json_type_array, read_read_bytes_list},
		{"throttleWriteBpsDevice", json_type_array, read_write_bytes_list},
		{"throttleReadIOPSDevice", json_type_array, read_reads_list},
		{"throttleWriteIOPSDevice", json_type_array, read_writes_list},
		{NULL},
	};
	return item_read_members(bundle, item, members);
}
