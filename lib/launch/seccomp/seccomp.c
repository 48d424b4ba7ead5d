/* SPDX-License-Identifier: MIT */
/*
 * A filter is made of parts, of which the first that has something to say about a call decides:
 *
 *   the architecture    i386 and x32 calls end the program, whatever the profile is
 *   the pass            what the launcher itself calls behind the filter; only where a part below could forbid it
 *   the caller's rules  rules.c
 *   the profile         default.c, the rules of a loaded one, or one answer for all calls
 */
#include "launch/seccomp/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/file_limit.h"
#include "launch/seccomp/filter.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "name the AUDIT_ARCH of this processor"
#endif

enum { CACHED_MAX = 256, PASS_WORDS = 4 };

/*
 * Filters are made once: libseccomp takes about a millisecond for one. The list only grows, at its head and without a
 * lock, since a thread that is not there after a fork could hold one for ever; from a number on it stays as it is.
 */
struct filter {
	struct filter *next;
	void *key; /* all that it was made from */
	size_t key_size;
	size_t count;
	size_t pass; /* the index of the first instruction that compares with the pass; 0 for none */
	bool notifies;
	struct sock_filter instructions[];
};

static _Atomic(struct filter *) cache;
static atomic_uint cached;

int instructions_add(struct instructions *to, const struct sock_filter *items, size_t count)
{
	if (to->count + count > BPF_MAXINSNS)
		return -E2BIG;
	memcpy(to->items + to->count, items, count * sizeof(items[0]));
	to->count += count;
	return 0;
}

scmp_filter_ctx part_new(uint32_t default_action)
{
	scmp_filter_ctx ctx = seccomp_init(default_action);
	/* A binary tree: loading and running it takes a third of the time of a list. */
	if (ctx && (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
		    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)) {
		seccomp_release(ctx);
		return NULL;
	}
	return ctx;
}

/* Where the part from `first` on says nothing, the filter goes on behind it. */
static void let_next_part_decide(struct instructions *filter, size_t first)
{
	for (size_t i = first; i < filter->count; i++)
		if (filter->items[i].code == (BPF_RET | BPF_K) && filter->items[i].k == ASK_NEXT)
			filter->items[i] =
				(struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(filter->count - i - 1));
}

/* A limit on the host's files holds for this one, too, and would end the host by a signal. */
static int export_within_limit(scmp_filter_ctx ctx, int fd)
{
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	int r = seccomp_export_bpf(ctx, fd);
	file_limit_end(&guard);
	return r == -ECANCELED ? -EFBIG : r; /* of what write(2) gave it */
}

/* libseccomp 2.5 exports to a fd only. */
int instructions_add_part(struct instructions *to, scmp_filter_ctx ctx)
{
	struct stat st;
	size_t first = to->count;
	_cleanup_close_ int fd = memfd_create("viso-seccomp", MFD_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	int r = export_within_limit(ctx, fd);
	if (r < 0 || fstat(fd, &st) < 0)
		return r < 0 ? r : -errno;
	if ((size_t)st.st_size > (BPF_MAXINSNS - first) * sizeof(to->items[0]))
		return -E2BIG;
	if (pread(fd, to->items + first, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	to->count += (size_t)st.st_size / sizeof(to->items[0]);
	let_next_part_decide(to, first);
	return 0;
}

static int add_architecture(struct instructions *to)
{
	static const struct sock_filter check[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* -1 is what a tracer sets for "skip"; the x32 calls have bit 30 set. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	return instructions_add(to, check, sizeof(check) / sizeof(check[0]));
}

#define ARGUMENT_WORD(argument, word)                                                                                  \
	(offsetof(struct seccomp_data, args) + 8 * (argument) + 4 * (word)) /* little endian, as all that we know */

/*
 * The launcher's own calls: the send of the listener, the execution of the program, and the exit where that fails. Only
 * for them arguments are loaded, so that the kernel can still tell which calls are always allowed and need not run the
 * filter for these (seccomp_cache_prepare() in kernel/seccomp.c).
 */
static int add_pass(struct instructions *to, size_t *out_index)
{
	static const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 2 * PASS_WORDS + 1),
	};
	static const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	int r = instructions_add(to, head, sizeof(head) / sizeof(head[0]));
	*out_index = to->count;
	for (unsigned i = 0; i < PASS_WORDS && r == 0; i++) {
		const struct sock_filter compare[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT_WORD(3 + i / 2, i % 2)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint8_t)(2 * (PASS_WORDS - 1 - i) + 1)),
		};
		r = instructions_add(to, compare, 2);
	}
	return r < 0 ? r : instructions_add(to, &allow, 1);
}

static int add_answer(struct instructions *to, uint32_t action)
{
	const struct sock_filter answer = BPF_STMT(BPF_RET | BPF_K, action);
	return instructions_add(to, &answer, 1);
}

static int add_profile(struct instructions *to, const struct seccomp_wish *wish)
{
	int r;
	switch (wish->profile) {
	case VISO_SECCOMP_ALLOW:
		return add_answer(to, SECCOMP_RET_ALLOW);
	case VISO_SECCOMP_DENY:
		return add_answer(to, SECCOMP_RET_ERRNO | EPERM);
	case VISO_SECCOMP_KILL:
		return add_answer(to, SECCOMP_RET_KILL_PROCESS);
	case SECCOMP_LOADED:
		r = rules_add(to, wish->loaded);
		return r < 0 ? r : add_answer(to, rule_action(wish->action, wish->error));
	default:
		return default_profile_add(to, wish);
	}
}

/* The default profile by itself forbids none of the launcher's calls. */
static bool needs_pass(const struct seccomp_wish *wish)
{
	return wish->profile != VISO_SECCOMP_DEFAULT || (wish->rules && wish->rules->count);
}

static int assemble(struct instructions *to, const struct seccomp_wish *wish, size_t *out_pass)
{
	int r = add_architecture(to);
	if (r == 0 && needs_pass(wish))
		r = add_pass(to, out_pass);
	if (r == 0 && wish->rules)
		r = rules_add(to, wish->rules);
	return r < 0 ? r : add_profile(to, wish);
}

static bool notifies(const struct seccomp_wish *wish)
{
	return (wish->rules && seccomp_rules_notify(wish->rules)) ||
	       (wish->profile == SECCOMP_LOADED && seccomp_rules_notify(wish->loaded));
}

/* NULL with errno. */
static struct filter *make_filter(const struct seccomp_wish *wish)
{
	size_t pass = 0;
	_cleanup_free_ struct instructions *made = calloc(1, sizeof(*made));
	int r = made ? assemble(made, wish, &pass) : -ENOMEM;
	struct filter *filter = NULL;
	if (r == 0) {
		filter = calloc(1, sizeof(*filter) + made->count * sizeof(made->items[0]));
		r = -ENOMEM;
	}
	if (!filter) {
		errno = -r;
		return NULL;
	}
	filter->count = made->count;
	filter->pass = pass;
	filter->notifies = notifies(wish);
	memcpy(filter->instructions, made->items, made->count * sizeof(made->items[0]));
	return filter;
}

static size_t rules_size(const struct seccomp_rules *rules)
{
	return rules ? rules->count * sizeof(rules->items[0]) : 0;
}

/* All that decides about the filter, as bytes. NULL without memory. */
static void *make_key(const struct seccomp_wish *wish, size_t *out_size)
{
	const struct seccomp_rules *loaded = wish->profile == SECCOMP_LOADED ? wish->loaded : NULL;
	const uint64_t head[] = {
		wish->isolation, wish->network, wish->capabilities, wish->profile,
		wish->action,    wish->error,   rules_size(loaded),
	};
	*out_size = sizeof(head) + rules_size(loaded) + rules_size(wish->rules);
	char *key = malloc(*out_size);
	if (!key)
		return NULL;
	memcpy(key, head, sizeof(head));
	if (rules_size(loaded))
		memcpy(key + sizeof(head), loaded->items, rules_size(loaded));
	if (rules_size(wish->rules))
		memcpy(key + sizeof(head) + rules_size(loaded), wish->rules->items, rules_size(wish->rules));
	return key;
}

static void free_filter(struct filter *filter)
{
	if (filter)
		free(filter->key);
	free(filter);
}

/* False where there are too many already: then it is the caller's. */
static bool keep(struct filter *filter)
{
	if (atomic_fetch_add(&cached, 1) >= CACHED_MAX) {
		atomic_fetch_sub(&cached, 1);
		return false;
	}
	filter->next = atomic_load(&cache);
	while (!atomic_compare_exchange_weak(&cache, &filter->next, filter))
		;
	return true;
}

/*
 * Cached filters live as long as the process; now and then there is one more than needed, where two threads wanted the
 * first at the same time. NULL with errno.
 */
static const struct filter *find_filter(const struct seccomp_wish *wish, struct filter **out_owned)
{
	size_t size;
	_cleanup_free_ void *key = make_key(wish, &size);
	if (!key) {
		errno = ENOMEM;
		return NULL;
	}
	struct filter *filter = atomic_load(&cache);
	while (filter && (filter->key_size != size || memcmp(filter->key, key, size)))
		filter = filter->next;
	if (filter)
		return filter;
	filter = make_filter(wish);
	if (!filter)
		return NULL;
	filter->key = TAKE_PTR(key);
	filter->key_size = size;
	if (!keep(filter))
		*out_owned = filter;
	return filter;
}

/* A new pass for each start, written into the request's copy of the filter. */
static int add_new_pass(struct plan *plan, const struct filter *filter)
{
	struct sock_filter *compare = (struct sock_filter *)((char *)plan + plan->security.filter) + filter->pass;
	uint32_t words[PASS_WORDS];
	if (getrandom(words, sizeof(words), 0) != sizeof(words))
		return error_fail(VISO_STAGE_SECCOMP, errno, "getrandom", NULL);
	for (int i = 0; i < PASS_WORDS; i++)
		compare[2 * i + 1].k = words[i];
	memcpy(plan->security.pass, words, sizeof(words));
	plan->security.flags |= PLAN_FILTER_HAS_PASS;
	return 0;
}

static void cleanup_filter(struct filter **filter)
{
	free_filter(*filter);
}

static int fail_make(int error)
{
	if (error == ENOMEM)
		return error_memory();
	if (error == E2BIG)
		return error_fail(
			VISO_STAGE_SECCOMP, E2BIG, "seccomp",
			"the rules make a seccomp filter longer than the %d instructions that the kernel takes",
			BPF_MAXINSNS);
	return error_fail(VISO_STAGE_SECCOMP, error, "seccomp", "the seccomp filter cannot be made: %s",
			  strerrordesc_np(error));
}

int seccomp_add(struct launch_request *request, const struct seccomp_wish *wish)
{
	_cleanup_(cleanup_filter) struct filter *owned = NULL;
	if (wish->profile == VISO_SECCOMP_NONE)
		return 0;
	const struct filter *filter = find_filter(wish, &owned);
	if (!filter)
		return fail_make(errno);
	plan_offset offset =
		request_add_bytes(request, filter->instructions, filter->count * sizeof(filter->instructions[0]));
	struct plan_security *security = &request->plan->security;
	security->filter = offset;
	security->filter_count = (uint32_t)filter->count;
	security->filter_flags = wish->flags;
	security->flags |= filter->notifies ? PLAN_FILTER_NOTIFIES : 0;
	if (!request->error && filter->pass)
		return add_new_pass(request->plan, filter);
	return request->error;
}

bool seccomp_is_built(void)
{
	return true;
}
