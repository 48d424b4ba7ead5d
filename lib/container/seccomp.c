/* SPDX-License-Identifier: MIT */
/* Which system calls programs may make: profile and rules. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"

enum { PROFILE_SIZE_MAX = 1 << 20, ERRNO_MAX = 4095 };

static int check_seccomp_setter(viso_container *container, const char *function)
{
	int r = container_check_setter(container, function);
	if (r == 0 && !seccomp_is_built())
		r = error_fail(VISO_STAGE_SECCOMP, EOPNOTSUPP, function,
			       "%s: the library was built without seccomp; build it with -Dseccomp=enabled", function);
	return r;
}

static void forget_loaded(struct container_security *security)
{
	if (security->profile == SECCOMP_LOADED)
		oci_profile_release(&security->loaded);
}

int viso_container_set_seccomp_profile(viso_container *container, viso_seccomp_profile profile)
{
	int r = check_seccomp_setter(container, __func__);
	if (r < 0)
		return r;
	if ((unsigned)profile > VISO_SECCOMP_NONE)
		return error_argument(__func__, "no such profile");
	forget_loaded(&container->security);
	container->security.profile = profile;
	return 0;
}

static int add_rule(viso_container *container, const char *name, struct seccomp_rule *rule, const char *function)
{
	int r = check_seccomp_setter(container, function);
	if (r < 0)
		return r;
	if (!name)
		return error_argument(function, "the name of the system call is NULL");
	if (rule->action > VISO_SYSCALL_KILL)
		return error_argument(function, "no such action");
	if (rule->action == VISO_SYSCALL_ERROR ? rule->error < 1 || rule->error > ERRNO_MAX : rule->error != 0)
		return error_argument(function, "the errno is 1 to 4095 with VISO_SYSCALL_ERROR, else 0");
	int number = seccomp_number(name);
	if (number == -ENOENT)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, name,
				  "%s: there is no system call '%s'; see syscalls(2)", function, name);
	if (number < 0) /* another processor's */
		return 0;
	rule->number = number;
	return seccomp_rules_add(&container->security.rules, rule);
}

int viso_container_add_syscall_rule(viso_container *container, const char *name, viso_syscall_action action, int error)
{
	struct seccomp_rule rule = {.action = action, .error = (uint32_t)error};
	return add_rule(container, name, &rule, __func__);
}

int viso_container_add_syscall_rule_if(viso_container *container, const char *name, unsigned argument, uint64_t mask,
				       uint64_t value, viso_syscall_action action, int error)
{
	struct seccomp_rule rule = {.action = action, .error = (uint32_t)error, .condition_count = 1};
	if (argument >= SECCOMP_ARGUMENTS)
		return error_argument(__func__, "an argument is a number from 0 to 5");
	if (value & ~mask)
		return error_argument(__func__, "the value has bits that the mask has not: no call could fulfil it");
	rule.conditions[0] = (struct seccomp_condition){
		.argument = argument, .compare = COMPARE_MASKED, .value = value, .other = mask};
	return add_rule(container, name, &rule, __func__);
}

/* 0 and the text, with a NUL behind it; or a negative errno with the error set. */
static int read_profile(const char *path, char **out_text, size_t *out_size)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_SECCOMP, errno, path, "the seccomp profile %s cannot be opened: %s", path,
				  strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return error_fail(VISO_STAGE_SECCOMP, EINVAL, path, "the seccomp profile %s is no regular file", path);
	_cleanup_free_ char *text = malloc(PROFILE_SIZE_MAX + 1);
	size_t size = 0;
	ssize_t n = 1;
	if (!text)
		return error_memory();
	while (size <= PROFILE_SIZE_MAX && (n = read(fd, text + size, PROFILE_SIZE_MAX + 1 - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		return error_fail(VISO_STAGE_SECCOMP, errno, path, "the seccomp profile %s cannot be read: %s", path,
				  strerrordesc_np(errno));
	if (size > PROFILE_SIZE_MAX)
		return error_fail(VISO_STAGE_SECCOMP, EFBIG, path, "the seccomp profile %s is larger than %d bytes",
				  path, PROFILE_SIZE_MAX);
	text[size] = '\0';
	*out_text = TAKE_PTR(text);
	*out_size = size;
	return 0;
}

void security_take_profile(viso_container *container, struct oci_profile *profile)
{
	forget_loaded(&container->security);
	container->security.profile = SECCOMP_LOADED;
	container->security.loaded = *profile;
}

int viso_container_load_seccomp(viso_container *container, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	struct oci_profile profile;
	int r = check_seccomp_setter(container, __func__);
	if (r < 0)
		return r;
	if (!path)
		return error_argument(__func__, "the path is NULL");
	r = read_profile(path, &text, &size);
	if (r == 0)
		r = oci_profile_parse(text, size, path, &profile);
	if (r == 0)
		security_take_profile(container, &profile);
	return r;
}

static int check_together(const struct launch_request *request, const struct container_security *security,
			  const struct seccomp_rules *loaded)
{
	static const char profile_setter[] = "viso_container_set_seccomp_profile";
	if (security->profile == VISO_SECCOMP_NONE && security->rules.count)
		return error_fail(VISO_STAGE_SECCOMP, EINVAL, profile_setter,
				  "%s: VISO_SECCOMP_NONE is no filter, but there are rules; take VISO_SECCOMP_ALLOW",
				  profile_setter);
	if (!(request->plan->flags & (PLAN_REPORT_START | PLAN_INSTANCE)) &&
	    (seccomp_rules_notify(&security->rules) || seccomp_rules_notify(loaded)))
		return error_fail(VISO_STAGE_SECCOMP, EINVAL, "viso_sandbox_run",
				  "viso_sandbox_run: nobody could answer the calls with VISO_SYSCALL_NOTIFY; use "
				  "viso_sandbox_spawn()");
	return 0;
}

static void cleanup_rules(struct seccomp_rules *rules)
{
	seccomp_rules_release(rules);
}

int security_add_seccomp(struct launch_request *request, const viso_container *container)
{
	const struct container_security *security = &container->security;
	_cleanup_(cleanup_rules) struct seccomp_rules loaded = {0};
	struct seccomp_wish wish = {
		.isolation = VISO_ISOLATION_CONTAINER,
		.network = container->sandbox.network,
		/* All that outlasts an execve(2) is in the bounding set. */
		.capabilities = security->capabilities.bounding,
		.profile = security->profile,
		.loaded = &loaded,
		.rules = &security->rules,
	};
	int r = 0;
	if (security->profile == SECCOMP_LOADED) {
		r = oci_profile_rules(&security->loaded, wish.capabilities, &loaded);
		wish.flags = security->loaded.flags;
		wish.action = security->loaded.action;
		wish.error = security->loaded.error;
	}
	if (r == 0)
		r = check_together(request, security, &loaded);
	return r < 0 ? r : seccomp_add(request, &wish);
}
