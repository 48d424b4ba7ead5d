/* SPDX-License-Identifier: MIT */
/* /dev/kvm: may it be opened, is it the API that everybody means, does it make a virtual machine? */
#include "machine/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/kvm.h"
#include "machine/child.h"

enum { TIMEOUT_MS = 5000 };

struct kvm_try {
	enum { TRY_OPEN, TRY_VERSION, TRY_CREATE, TRY_DONE } reached;
	int error; /* at `reached`; 0 where the child did not come back */
	int version;
};

static void try_kvm(void *data)
{
	struct kvm_try *try = data;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		try->error = errno;
		return;
	}
	try->reached = TRY_VERSION;
	try->version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	if (try->version != KVM_API_VERSION) {
		try->error = try->version < 0 ? errno : EOPNOTSUPP;
		return;
	}
	try->reached = TRY_CREATE;
	if (kvm_create_vm(kvm) < 0) {
		try->error = errno;
		return;
	}
	try->reached = TRY_DONE;
}

const char *kvm_driver(void)
{
	static const char *const drivers[] = {"kvm_pvm", "kvm_intel", "kvm_amd"};
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/sys/module/%s", drivers[i]);
		if (access(path, F_OK) == 0)
			return drivers[i];
	}
	return "its driver is not known";
}

static void explain_permission(struct finding *finding, int error)
{
	struct stat st;
	if (error != EACCES || stat("/dev/kvm", &st) < 0)
		finding_fails(
			finding,
			"/dev/kvm may not be opened (%s): let the container or service around this process use the "
			"device (character 10:232).",
			strerrordesc_np(error));
	else if ((st.st_mode & 0060) == 0060 && st.st_gid != 0)
		finding_fails(finding,
			      "/dev/kvm is for the group with gid %u (mode %03o): make this user a member of it (on "
			      "Debian: adduser "
			      "USER kvm) and log in anew.",
			      st.st_gid, st.st_mode & 0777u);
	else
		finding_fails(finding,
			      "/dev/kvm is for uid %u and gid %u (mode %03o): give it to the group kvm with mode 660 "
			      "and make this "
			      "user a member.",
			      st.st_uid, st.st_gid, st.st_mode & 0777u);
}

static void explain_open(struct finding *finding, int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		explain_permission(finding, error);
		break;
	case ENOENT:
		if (access("/sys/module/kvm", F_OK) == 0)
			finding_fails(finding, "The kernel has KVM, but there is no /dev/kvm here: let the container "
					       "around this process "
					       "have the device (character 10:232).");
		else
			finding_fails(
				finding,
				"There is no /dev/kvm: load the module kvm_intel or kvm_amd; on a machine, switch "
				"virtualisation on in the firmware; in a virtual machine, ask for nested "
				"virtualisation.");
		break;
	case ENXIO:
	case ENODEV:
		finding_fails(finding, "/dev/kvm has no driver: load the module kvm_intel or kvm_amd.");
		break;
	default:
		finding_fails(finding, "/dev/kvm cannot be opened: %s.", strerrordesc_np(error));
	}
}

void probe_kvm(const struct finding *features, struct finding *finding)
{
	struct kvm_try try = {0};
	int r = child_run(&(struct child){.work = try_kvm, .data = &try, .timeout_ms = TIMEOUT_MS}, 0);

	if (r < 0)
		finding_fails(finding, "KVM could not be tried: clone: %s.", strerrordesc_np(-r));
	else if (try.reached == TRY_DONE)
		finding_works(finding, "/dev/kvm makes virtual machines (API version %d, %s).", try.version,
			      kvm_driver());
	else if (!try.error)
		finding_fails(finding, "/dev/kvm does not answer within %d ms.", TIMEOUT_MS);
	else if (try.reached == TRY_OPEN)
		explain_open(finding, try.error);
	else if (try.reached == TRY_VERSION)
		finding_fails(finding, "/dev/kvm is not KVM: its API version is %d instead of %d.", try.version,
			      KVM_API_VERSION);
	else if (try.error == EBUSY)
		finding_fails(finding,
			      "/dev/kvm makes no virtual machine: another hypervisor (VirtualBox, VMware) holds the "
			      "processor's virtualisation; end it.");
	else
		finding_fails(finding, "/dev/kvm makes no virtual machine: KVM_CREATE_VM: %s.",
			      strerrordesc_np(try.error));
}
