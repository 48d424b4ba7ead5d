/* SPDX-License-Identifier: MIT */
/* uname(2): the processor's family, and the kernels that say what they are. */
#include <string.h>

#include "machine/layers/detection.h"

static const struct {
	const char *prefix;
	enum processor processor;
} machines[] = {
	{"x86_64", PROCESSOR_X86}, {"i386", PROCESSOR_X86},    {"i486", PROCESSOR_X86}, {"i586", PROCESSOR_X86},
	{"i686", PROCESSOR_X86},   {"aarch64", PROCESSOR_ARM}, {"arm", PROCESSOR_ARM},  {"ppc", PROCESSOR_POWER},
	{"s390", PROCESSOR_S390},  {"sparc", PROCESSOR_SPARC}, {"um", PROCESSOR_OTHER},
};

static enum processor find_processor(const char *machine)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (!strncmp(machine, machines[i].prefix, strlen(machines[i].prefix)))
			return machines[i].processor;
	return PROCESSOR_OTHER;
}

/*
 * WSL 1 calls itself 4.4.0-19041-Microsoft, WSL 2 5.15.90.1-microsoft-standard-WSL2; a kernel of one's own in WSL 2 may
 * be called anything.
 */
static void find_wsl(struct detection *detection)
{
	const char *release = detection->uname.release;
	if (!strstr(release, "Microsoft") && !strstr(release, "WSL"))
		return;
	say_for(detection, PRODUCT_WSL, VISO_CONFIDENCE_CERTAIN, "uname release", release);
	detection->layers->names[PRODUCT_WSL] = strstr(release, "Microsoft") && !strstr(release, "WSL2")
							? "Windows Subsystem for Linux 1"
							: "Windows Subsystem for Linux 2";
}

/* A program guest of this library where CPUID is the host's, as under kvm_pvm: what lib/guest/files shows it. */
static void find_own_guest(struct detection *detection)
{
	static const char device[] = "/dev/virtiso", version[] = "/proc/version";
	char line[256];
	if (!look_for(detection, VISO_LAYER_MONITOR, true, device) ||
	    look_at_line(detection, VISO_LAYER_MONITOR, true, version, line, sizeof(line)) < 0 ||
	    !strstr(line, "(virtiso)"))
		return;
	say_for(detection, PRODUCT_KVM, VISO_CONFIDENCE_LIKELY, version, line);
	say_for(detection, PRODUCT_LIBVIRTISO, VISO_CONFIDENCE_LIKELY, device, "");
}

void detect_kernel_name(struct detection *detection)
{
	/* The build time that every gVisor reports (pkg/sentry/kernel/kernel.go and
	 * pkg/sentry/syscalls/linux/linux64.go). */
	static const char gvisor[] = "#1 SMP Sun Jan 10 15:06:54 PST 2016";
	int r = provider_uname(detection->provider, &detection->uname);
	detection->processor = PROCESSOR_OTHER;
	find_own_guest(detection);
	if (r < 0) {
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, "uname", r);
		say_unread(detection, VISO_LAYER_CONTAINER, true, "uname", r);
#if defined(__x86_64__) || defined(__i386__)
		detection->processor = PROCESSOR_X86;
#endif
		return;
	}
	detection->processor = find_processor(detection->uname.machine);
	find_wsl(detection);
	if (!strcmp(detection->uname.version, gvisor))
		say_for(detection, PRODUCT_GVISOR, VISO_CONFIDENCE_CERTAIN, "uname version", detection->uname.version);
	if (strstr(detection->uname.version, "BrandZ virtual linux"))
		say_for(detection, PRODUCT_ILLUMOS_LX, VISO_CONFIDENCE_CERTAIN, "uname version",
			detection->uname.version);
}
