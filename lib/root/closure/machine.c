/* SPDX-License-Identifier: MIT */
/* The flags are those of sysdeps/generic/ldconfig.h and the machines' readelflib.c in glibc. */
#include "root/closure/machine.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

/* Newer than the elf.h of Debian 11. */
enum { MACHINE_LOONGARCH = 258 };

/* FLAG_ELF_LIBC6, and above it the machine's own flag. */
enum { FLAG_LIBC6 = 0x0003 };

static uint32_t mips_flags(const struct elf_kind *kind)
{
	bool nan2008 = kind->flags & EF_MIPS_NAN2008;
	if (kind->size == ELFCLASS64)
		return nan2008 ? 0x0e00 : 0x0700;
	if (kind->flags & EF_MIPS_ABI2)
		return nan2008 ? 0x0d00 : 0x0600;
	return nan2008 ? 0x0c00 : 0;
}

uint32_t machine_cache_flags(const struct elf_kind *kind)
{
	const bool wide = kind->size == ELFCLASS64;
	switch (kind->machine) {
	case EM_X86_64:
		return FLAG_LIBC6 | (wide ? 0x0300 : 0x0800);
	case EM_AARCH64:
		return FLAG_LIBC6 | 0x0a00;
	case EM_ARM:
		if (kind->flags & EF_ARM_ABI_FLOAT_HARD)
			return FLAG_LIBC6 | 0x0900;
		return FLAG_LIBC6 | (kind->flags & EF_ARM_ABI_FLOAT_SOFT ? 0x0b00 : 0);
	case EM_RISCV:
		return FLAG_LIBC6 | ((kind->flags & EF_RISCV_FLOAT_ABI) == EF_RISCV_FLOAT_ABI_DOUBLE ? 0x1000 : 0x0f00);
	case MACHINE_LOONGARCH:
		return FLAG_LIBC6 | ((kind->flags & 7) == 3 ? 0x1200 : 0x1100);
	case EM_S390:
		return FLAG_LIBC6 | (wide ? 0x0400 : 0);
	case EM_PPC64:
		return FLAG_LIBC6 | 0x0500;
	case EM_SPARCV9:
		return FLAG_LIBC6 | 0x0100;
	case EM_IA_64:
		return FLAG_LIBC6 | 0x0200;
	case EM_MIPS:
		return FLAG_LIBC6 | mips_flags(kind);
	default:
		return FLAG_LIBC6;
	}
}

const char *const *machine_platforms(const struct elf_kind *kind)
{
	static const char *const x86_64[] = {"x86_64", "haswell", "xeon_phi", NULL};
	static const char *const i386[] = {"i686", "i586", "i486", "i386", NULL};
	static const char *const aarch64[] = {"aarch64", NULL};
	static const char *const arm[] = {"v7l", "v8l", "v6l", NULL};
	static const char *const power[] = {"power8", "power9", "power10", NULL};
	static const char *const none[] = {"", NULL};
	switch (kind->machine) {
	case EM_X86_64:
		return x86_64;
	case EM_386:
		return i386;
	case EM_AARCH64:
		return aarch64;
	case EM_ARM:
		return arm;
	case EM_PPC64:
		return power;
	default:
		return none;
	}
}
