/* SPDX-License-Identifier: MIT */
#include "guest/vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/kvm.h"
#include "guest/x86_64/cpuid.h"

static const char device[] = "/dev/kvm";

int vm_fail(const char *call)
{
	return error_fail(VISO_STAGE_KVM, errno, call, NULL);
}

static int given = -1;

void vm_give_kvm(int fd)
{
	given = fd;
}

int vm_open_kvm(void)
{
	_cleanup_close_ int fd = given >= 0 ? fcntl(given, F_DUPFD_CLOEXEC, 3)
					    : open(device, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return error_fail(
			VISO_STAGE_KVM, EACCES, device,
			"%s may not be opened by this user; add the user to the group that owns it (usually kvm)",
			device);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return error_fail(VISO_STAGE_KVM, errno, device, NULL);
	if (fd < 0)
		return error_fail(
			VISO_STAGE_KVM, ENODEV, device,
			"%s cannot be opened (%s); load the module kvm_intel or kvm_amd, and enable virtualisation "
			"in the firmware or, in a virtual machine, nested virtualisation",
			device, strerrordesc_np(errno));

	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return error_fail(
			VISO_STAGE_KVM, ENODEV, device,
			"%s is not the device of KVM; it may be masked by a container: pass the host's device in",
			device);
	if (ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) <= 0 ||
	    ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0)
		return error_fail(VISO_STAGE_KVM, ENODEV, device,
				  "the kernel's KVM is too old; 5.10 or later is needed");
	return TAKE_FD(fd);
}

const struct vm vm_none = {.vm_fd = -1, .vcpu_fd = -1};

/*
 * KVM makes a thread for each machine when a processor of it runs first, since Linux 6.14 as one of this process. Where
 * there can be none KVM_RUN gives EAGAIN each time, which it does for other reasons too: so it is found out before, by
 * running on without running (api.rst, immediate_exit).
 */
static int make_thread(const struct vm *vm)
{
	vm->run->immediate_exit = 1;
	int r = ioctl(vm->vcpu_fd, KVM_RUN, 0) < 0 ? errno : 0;
	vm->run->immediate_exit = 0;
	if (r == 0 || r == EINTR)
		return 0;
	if (r != EAGAIN)
		return error_fail(VISO_STAGE_KVM, r, "KVM_RUN", NULL);
	return error_fail(
		VISO_STAGE_KVM, EAGAIN, "KVM_RUN",
		"KVM can make no thread for a virtual machine; this user has as many processes and threads as "
		"RLIMIT_NPROC allows, or a control group with a limit (pids.max) is full");
}

int vm_open_processor(struct vm *vm, int kvm_fd, int vm_fd, unsigned index)
{
	vm->vcpu_fd = fd_above_streams(ioctl(vm_fd, KVM_CREATE_VCPU, index));
	if (vm->vcpu_fd < 0)
		return vm_fail("KVM_CREATE_VCPU");
	int size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return vm_fail("KVM_GET_VCPU_MMAP_SIZE");
	void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu_fd, 0);
	if (run == MAP_FAILED)
		return vm_fail("mmap of the vcpu");
	vm->run = run;
	vm->run_size = (size_t)size;
	return index == 0 ? make_thread(vm) : 0;
}

int vm_init(struct vm *vm, const struct processor **out_processor)
{
	*vm = vm_none;
	_cleanup_close_ int fd = vm_open_kvm();
	int r = fd < 0 ? fd : processor_get(fd, out_processor);
	if (r < 0)
		return r;
	vm->vm_fd = kvm_create_vm(fd);
	if (vm->vm_fd < 0)
		return vm_fail("KVM_CREATE_VM");
	return vm_open_processor(vm, fd, vm->vm_fd, 0);
}

void vm_release(struct vm *vm)
{
	if (vm->run)
		munmap(vm->run, vm->run_size);
	vm->run = NULL;
	vm->vcpu_fd = close_fd(vm->vcpu_fd);
	vm->vm_fd = close_fd(vm->vm_fd);
}
