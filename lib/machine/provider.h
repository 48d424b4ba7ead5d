/* SPDX-License-Identifier: MIT */
/*
 * Where facts about a machine come from: this machine, a captured directory, or what a test makes up. Every fact is a
 * value or the negative errno of why there is none: -ENOENT means that the machine does not have it; anything else that
 * it could not be read, and then nothing may be concluded from its absence.
 *
 * A captured directory has files where the machine has them (proc/, sys/, etc/, run/, dev/, lib/modules/ and so on;
 * devices and sockets as empty files), and these, of lines of text:
 *
 *   cpuid   LEAF SUBLEAF: EAX EBX ECX EDX, all in hexadecimal
 *   msr     NUMBER: VALUE, both in hexadecimal
 *   uname   system, node, release, version and machine, each on a line
 *   ns      NAME: INODE, the namespaces of the process that wrote it, as in /proc/self/ns
 *   root    1 where / is the root of a mount (STATX_ATTR_MOUNT_ROOT), or 0
 *   errors  ERRNO NAME, for what could not be read: an absolute path of the machine, `cpuid`, `msr`, `uname`, `ns/`
 * with the name of a namespace, or `root`: EACCES /proc/1/environ
 *
 * Whatever lies in it may be made by an enemy: no link leads out of it, nothing but regular files is opened, and
 * everything is bounded.
 */
#ifndef MACHINE_PROVIDER_H
#define MACHINE_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/utsname.h>

#include "core/strings.h"

struct provider;

/* One processor's answer. */
struct cpuid_answer {
	uint32_t eax, ebx, ecx, edx;
};

/* How a kind of provider answers; the functions below check and bound. */
struct provider_calls {
	/* What open(2) would give, for reading, of regular files only; with O_PATH, of anything. A fd. */
	int (*open)(struct provider *provider, const char *path, int flags);
	ssize_t (*read_link)(struct provider *provider, const char *path, char *target, size_t size);
	int (*cpuid)(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out_answer);
	int (*msr)(struct provider *provider, uint32_t number, uint64_t *out_value);
	int (*uname)(struct provider *provider, struct utsname *out_name);
	int (*namespace)(struct provider *provider, const char *name, uint64_t *out_inode);
	int (*mount_root)(struct provider *provider);
};

struct provider {
	const struct provider_calls *calls;
	int root;              /* a captured directory; else -1 */
	void *wrapped;         /* what one that stands before another provider keeps */
	bool is_out_of_memory; /* once an answer was lost for want of memory; threads have copies of the provider */
};

/* This machine. Costs nothing. */
void provider_init(struct provider *provider);

/* A captured directory. 0 or a negative errno, without setting the error. */
int provider_init_captured(struct provider *provider, const char *directory);

void provider_release(struct provider *provider);

/* Whether the facts are this machine's, now. */
bool provider_is_live(const struct provider *provider);

/*
 * The first `size` - 1 bytes of a file, with a NUL behind them (others may be among them). Paths are absolute, as on
 * the machine. The number of bytes or a negative errno.
 */
ssize_t provider_read(struct provider *provider, const char *path, char *buffer, size_t size);

/* A whole file of at most `max` bytes with a NUL behind it, to be freed; -EFBIG where it is larger. 0 or an errno. */
int provider_read_all(struct provider *provider, const char *path, size_t max, char **out_text, size_t *out_size);

/* The first line of a file, without white space around it. 0 or a negative errno. */
int provider_read_line(struct provider *provider, const char *path, char *buffer, size_t size);

/* Where a symbolic link leads, with a NUL. 0, -EINVAL where it is none, -ENAMETOOLONG, or another negative errno. */
int provider_read_link(struct provider *provider, const char *path, char *target, size_t size);

/* The names in a directory without . and .., in no order. 0, -E2BIG beyond 65536 of them, or another negative errno. */
int provider_list(struct provider *provider, const char *path, struct strings *names);

/* Puts ? in the place of whatever is not ASCII's: texts of machines go to terminals, and into JSON. In no locale. */
void make_printable(char *text);

/* 1 where something is there, 0 where it is not, or a negative errno where that is not known. */
int provider_exists(struct provider *provider, const char *path);

/* -EOPNOTSUPP on other processors than x86, -ENOENT for a leaf that was not captured. 0 or a negative errno. */
int provider_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out_answer);

/* Of the first processor; needs root and the module msr. 0 or a negative errno. */
int provider_msr(struct provider *provider, uint32_t number, uint64_t *out_value);

int provider_uname(struct provider *provider, struct utsname *out_name);

/* The inode of a namespace of this process: pid, user, cgroup, ipc, uts, time, net, mnt. 0 or a negative errno. */
int provider_namespace(struct provider *provider, const char *name, uint64_t *out_inode);

/* 1 where / is the root of a mount, 0 where it is a directory in one, or a negative errno. */
int provider_mount_root(struct provider *provider);

#endif
