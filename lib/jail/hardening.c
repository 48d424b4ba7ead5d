/* SPDX-License-Identifier: MIT */
/* How much of the hardening this kernel and this build reach, and what is demanded. */
#include <errno.h>
#include <stdio.h>

#include "core/error.h"
#include "jail/jail.h"
#include "launch/landlock.h"
#include "launch/seccomp/seccomp.h"

const char *viso_hardening_name(viso_hardening level)
{
	static const char *const names[] = {
		[VISO_HARDENING_NONE] = "none",
		[VISO_HARDENING_PRIVILEGES] = "privileges",
		[VISO_HARDENING_FILES] = "files",
		[VISO_HARDENING_SCOPES] = "scopes",
	};
	return (unsigned)level <= VISO_HARDENING_SCOPES ? names[level] : NULL;
}

/* `landlock` is what landlock_query() says. */
static viso_hardening reached(const viso_jail *jail, int landlock)
{
	if (jail->bare || !seccomp_is_built())
		return VISO_HARDENING_NONE;
	if (landlock <= 0)
		return VISO_HARDENING_PRIVILEGES;
	return landlock < LANDLOCK_ABI_SCOPES ? VISO_HARDENING_FILES : VISO_HARDENING_SCOPES;
}

/* Why it is no more than that. */
static const char *explain(int landlock, char *text, size_t size)
{
	if (!seccomp_is_built())
		return "the library was built without seccomp; build it with -Dseccomp=enabled";
	if (landlock == -ENOSYS)
		return "the kernel has no Landlock; it needs Linux 5.13, built with CONFIG_SECURITY_LANDLOCK";
	if (landlock == -EOPNOTSUPP)
		return "the kernel has Landlock, but it is off; add landlock to the boot parameter lsm=";
	if (landlock < 0)
		return "a seccomp filter around this process refuses landlock_create_ruleset; allow it there";
	snprintf(text, size, "Landlock here is ABI %d; scopes need ABI %d, which Linux 6.12 brings", landlock,
		 LANDLOCK_ABI_SCOPES);
	return text;
}

int hardening_check(const viso_jail *jail)
{
	char text[128];
	if (jail->demanded == VISO_HARDENING_NONE)
		return 0;
	int landlock = landlock_query();
	viso_hardening level = reached(jail, landlock);
	if (level >= jail->demanded)
		return 0;
	const char *wanted = viso_hardening_name(jail->demanded);
	return error_fail(seccomp_is_built() ? VISO_STAGE_LANDLOCK : VISO_STAGE_SECCOMP, EOPNOTSUPP, wanted,
			  "the jail demands the hardening level '%s', and only '%s' is reached: %s", wanted,
			  viso_hardening_name(level), explain(landlock, text, sizeof(text)));
}

int viso_jail_set_hardening(viso_jail *jail, int enabled)
{
	int r = sandbox_check_setter(jail ? &jail->sandbox : NULL, __func__);
	if (r < 0)
		return r;
	if (!enabled && jail->demanded > VISO_HARDENING_NONE)
		return error_argument(__func__, "a level of hardening was demanded");
	jail->bare = !enabled;
	return 0;
}

int viso_jail_demand_hardening(viso_jail *jail, viso_hardening level)
{
	int r = sandbox_check_setter(jail ? &jail->sandbox : NULL, __func__);
	if (r < 0)
		return r;
	if (!viso_hardening_name(level))
		return error_argument(__func__, "no such level");
	if (level > VISO_HARDENING_NONE && jail->bare)
		return error_argument(__func__, "the hardening is switched off");
	jail->demanded = level;
	return 0;
}

int viso_jail_hardening(viso_jail *jail)
{
	int r = handle_check(jail ? &jail->sandbox.handle : NULL, __func__);
	return r < 0 ? r : (int)reached(jail, landlock_query());
}
