/* SPDX-License-Identifier: MIT */
#include "root/closure/uses.h"

#include <stdint.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned use;
} names[] = {
	{"getpwnam", USES_NSS},         {"getpwnam_r", USES_NSS},        {"getpwuid", USES_NSS},
	{"getpwuid_r", USES_NSS},       {"getpwent", USES_NSS},          {"getpwent_r", USES_NSS},
	{"getgrnam", USES_NSS},         {"getgrnam_r", USES_NSS},        {"getgrgid", USES_NSS},
	{"getgrgid_r", USES_NSS},       {"getgrent", USES_NSS},          {"getgrent_r", USES_NSS},
	{"getspnam", USES_NSS},         {"getspnam_r", USES_NSS},        {"initgroups", USES_NSS},
	{"getgrouplist", USES_NSS},     {"getaddrinfo", USES_NSS},       {"getaddrinfo_a", USES_NSS},
	{"getnameinfo", USES_NSS},      {"gethostbyname", USES_NSS},     {"gethostbyname_r", USES_NSS},
	{"gethostbyname2", USES_NSS},   {"gethostbyname2_r", USES_NSS},  {"gethostbyaddr", USES_NSS},
	{"gethostbyaddr_r", USES_NSS},  {"getservbyname", USES_NSS},     {"getservbyname_r", USES_NSS},
	{"getservbyport", USES_NSS},    {"getservbyport_r", USES_NSS},   {"getprotobyname", USES_NSS},
	{"getprotobyname_r", USES_NSS}, {"getprotobynumber", USES_NSS},  {"getprotobynumber_r", USES_NSS},
	{"getnetbyname", USES_NSS},     {"getnetbyname_r", USES_NSS},    {"innetgr", USES_NSS},
	{"iconv_open", USES_ICONV},     {"setlocale", USES_LOCALE},      {"newlocale", USES_LOCALE},
	{"localtime", USES_TIMEZONE},   {"localtime_r", USES_TIMEZONE},  {"mktime", USES_TIMEZONE},
	{"tzset", USES_TIMEZONE},       {"pthread_exit", USES_UNWINDER}, {"pthread_cancel", USES_UNWINDER},
	{"thrd_exit", USES_UNWINDER},   {"backtrace", USES_UNWINDER},
};

enum { NAMES = sizeof(names) / sizeof(names[0]), SHORTEST = 5 };

/* The C library and its loader have all these names since they export them. */
static bool is_c_library(const struct object *object)
{
	static const char *const sonames[] = {"libc.so.", "ld-linux", "ld64.", "libnss_", "libresolv.", "libpthread."};
	const char *soname = object->elf.soname;
	for (size_t i = 0; soname && i < sizeof(sonames) / sizeof(sonames[0]); i++)
		if (!strncmp(soname, sonames[i], strlen(sonames[i])))
			return true;
	return false;
}

/* A name can also be the end of a longer one: linkers share ends. */
static unsigned use_of(const char *string, size_t length, const unsigned char *lengths)
{
	unsigned uses = 0;
	for (size_t i = 0; i < NAMES; i++) {
		size_t name_length = lengths[i];
		if (length >= name_length && string[length - 1] == names[i].name[name_length - 1] &&
		    !memcmp(string + length - name_length, names[i].name, name_length))
			uses |= names[i].use;
	}
	return uses;
}

/* Nearly all strings are told from all names by their ends: the last four bytes, as an index into a table of bits. */
enum { FILTER = 1024 };

static unsigned filter_index(const char *end)
{
	uint32_t last;
	memcpy(&last, end - sizeof(last), sizeof(last));
	return last * 2654435761u >> 22;
}

static unsigned find_uses(const struct elf *elf)
{
	unsigned char lengths[NAMES];
	bool filter[FILTER] = {false};
	unsigned uses = 0;
	for (size_t i = 0; i < NAMES; i++) {
		lengths[i] = (unsigned char)strlen(names[i].name);
		filter[filter_index(names[i].name + lengths[i])] = true;
	}
	for (size_t at = 0; at < elf->strings_size;) {
		size_t length = strlen(elf->strings + at);
		if (length >= SHORTEST && filter[filter_index(elf->strings + at + length)])
			uses |= use_of(elf->strings + at, length, lengths);
		at += length + 1;
	}
	return uses;
}

unsigned closure_uses(const struct closure *closure)
{
	unsigned uses = 0;
	for (size_t i = 0; i < closure->objects.count; i++) {
		struct object *object = closure->objects.items[i];
		if (!object->uses_known)
			object->uses = is_c_library(object) ? 0 : find_uses(&object->elf);
		object->uses_known = true;
		uses |= object->uses;
	}
	return uses;
}
