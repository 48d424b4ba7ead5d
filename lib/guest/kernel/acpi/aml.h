/* SPDX-License-Identifier: MIT */
/* The bytes in which ACPI describes devices (ACPI 6.5, chapters 6.4 and 20). */
#ifndef GUEST_KERNEL_ACPI_AML_H
#define GUEST_KERNEL_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *data;
	size_t size, max;
	bool is_full; /* something was left out */
};

void aml_bytes(struct aml *aml, const void *data, size_t size);

/* Objects that contain others: what follows is in it, until aml_end() with what these return. */
size_t aml_scope(struct aml *aml, const char *name);
size_t aml_device(struct aml *aml, const char *name);
size_t aml_method(struct aml *aml, const char *name, unsigned arguments);
size_t aml_package(struct aml *aml, unsigned elements);
void aml_end(struct aml *aml, size_t begin);

/* `name` has four characters, after a backslash where it is at the root. */
void aml_name(struct aml *aml, const char *name);
void aml_integer(struct aml *aml, uint64_t value);
void aml_string(struct aml *aml, const char *text);
void aml_notify(struct aml *aml, const char *object, unsigned value);

/* Named values; the first one's follows. */
void aml_begin_name(struct aml *aml, const char *name);
void aml_name_integer(struct aml *aml, const char *name, uint64_t value);
void aml_name_string(struct aml *aml, const char *name, const char *text);
/* "PNP0501", say. */
void aml_name_id(struct aml *aml, const char *name, const char *id);

/* A resource template: a named buffer that is filled by what follows, until aml_resources_end(). */
size_t aml_resources(struct aml *aml, const char *name);
void aml_resources_end(struct aml *aml, size_t begin);
void aml_memory(struct aml *aml, uint32_t base, uint32_t size);
void aml_ports(struct aml *aml, uint16_t base, uint8_t count);
void aml_line(struct aml *aml, uint32_t line, bool is_edge); /* active high, not shared */
/* What a bridge hands on; `kind` is 0 memory, 1 ports, 2 bus numbers. */
void aml_range_16(struct aml *aml, uint8_t kind, uint16_t first, uint16_t last);
void aml_range_32(struct aml *aml, uint8_t kind, uint32_t first, uint32_t last);

#endif
