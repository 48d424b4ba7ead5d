/* SPDX-License-Identifier: MIT */
/**
 * @file machine_drivers.h
 * What a guest makes of its hypervisor: drivers and tools of VirtualBox, Hyper-V, VMware, virtio and Xen, paravirtual features of KVM,
 * hypercalls.
 *
 * All of it is found out when it is first asked for, from files and CPUID alone: no module is loaded, no program is executed. Kernel
 * modules are those of the kernel, so in a container they are the host's; programs are those that are seen from here.
 */
#ifndef VIRTISO_MACHINE_DRIVERS_H
#define VIRTISO_MACHINE_DRIVERS_H

#include <stddef.h>

#include <virtiso/attributes.h>
#include <virtiso/machine.h>

VISO_BEGIN_DECLS

/** Drivers and tools that belong together ("guest additions"). */
typedef enum viso_family {
	VISO_FAMILY_VIRTIO = 0,     /**< virtio and KVM: qemu-guest-agent, spice-vdagent, viso-agent */
	VISO_FAMILY_VIRTUALBOX = 1, /**< VirtualBox Guest Additions */
	VISO_FAMILY_HYPERV = 2,     /**< Hyper-V Integration Services */
	VISO_FAMILY_VMWARE = 3,     /**< VMware Tools */
	VISO_FAMILY_XEN = 4,        /**< Xen's frontends and guest utilities */
	VISO_FAMILY_ENUM_WIDTH_ = 0x7fffffff /**< not a family; fixes the width of the type */
} viso_family;

/** What became of something that was looked for: that it could not be read is not that it is not there. */
typedef enum viso_answer {
	VISO_ANSWER_NO = 0,      /**< certainly not */
	VISO_ANSWER_YES = 1,     /**< certainly */
	VISO_ANSWER_UNKNOWN = 2, /**< it could not be found out */
	VISO_ANSWER_ENUM_WIDTH_ = 0x7fffffff /**< not an answer; fixes the width of the type */
} viso_answer;

/** How it stands with a kernel module. */
typedef enum viso_driver_state {
	VISO_DRIVER_NOT_APPLICABLE = 0, /**< nothing here needs it */
	VISO_DRIVER_LOADED = 1,         /**< loaded as a module */
	VISO_DRIVER_BUILT_IN = 2,       /**< a part of the kernel */
	VISO_DRIVER_AVAILABLE = 3,      /**< its file is there; it is not loaded */
	VISO_DRIVER_MISSING = 4,        /**< it is needed, and nowhere */
	VISO_DRIVER_UNKNOWN = 5,        /**< it could not be found out */
	VISO_DRIVER_ENUM_WIDTH_ = 0x7fffffff /**< not a state; fixes the width of the type */
} viso_driver_state;

/** What is known about a program of the guest tools, each by itself. */
typedef enum viso_tool_aspect {
	VISO_TOOL_INSTALLED = 0, /**< its file is there */
	VISO_TOOL_RUNNING = 1,   /**< a process of this name runs; NO for what is no service */
	VISO_TOOL_CHANNEL = 2,   /**< the device by which it would reach the hypervisor is there */
	VISO_TOOL_ENUM_WIDTH_ = 0x7fffffff /**< not an aspect; fixes the width of the type */
} viso_tool_aspect;

/** How a program or kernel here would call its hypervisor. */
typedef enum viso_hypercall_way {
	VISO_HYPERCALL_WAY_NONE = 0,       /**< there is no hypervisor that answers */
	VISO_HYPERCALL_WAY_LIBVIRTISO = 1, /**< a guest of this library: viso_hypercall() of <virtiso/hypercall.h>, by any program; or <virtiso/doorbell.h>, by a kernel and root */
	VISO_HYPERCALL_WAY_KVM = 2,        /**< VMCALL or VMMCALL, by the kernel */
	VISO_HYPERCALL_WAY_HYPERV = 3,     /**< the hypercall page of Hyper-V, by the kernel */
	VISO_HYPERCALL_WAY_XEN = 4,        /**< the hypercall page of Xen, by the kernel; /dev/xen/privcmd for privileged programs */
	VISO_HYPERCALL_WAY_VMWARE = 5,     /**< the I/O port 0x5658, by any program */
	VISO_HYPERCALL_WAY_UNKNOWN = 6,    /**< it could not be found out */
	VISO_HYPERCALL_WAY_ENUM_WIDTH_ = 0x7fffffff /**< not a way; fixes the width of the type */
} viso_hypercall_way;

/**
 * The name of a family, such as "VirtualBox". Families are numbered from 0 without gaps.
 *
 * @param family  a family
 * @return a static string; NULL beyond the last family.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_family_name(viso_family family);

/**
 * The name of a state of a driver, such as "built in".
 *
 * @param state  a state
 * @return a static string; NULL beyond the last state.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_driver_state_name(viso_driver_state state);

/**
 * The name of an answer: "no", "yes" or "unknown".
 *
 * @param answer  an answer
 * @return a static string; NULL beyond the last answer.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_answer_name(viso_answer answer);

/**
 * The name of a way to make hypercalls, such as "KVM".
 *
 * @param way  a way
 * @return a static string; NULL beyond the last way.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_hypercall_way_name(viso_hypercall_way way);

/**
 * Whether devices of a family are here, or its hypervisor is: whether its drivers and tools would be of use.
 *
 * @param machine  a machine
 * @param family   a family
 * @return a viso_answer; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_family(const viso_machine *machine, viso_family family);

/**
 * How many drivers (kernel modules) the library knows, those of no use here included.
 *
 * @param machine  a machine
 * @return the number; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_driver_count(const viso_machine *machine);

/**
 * The name of a driver's module, such as "virtio_net".
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @return a static string; NULL with EINVAL for a bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_driver_name(const viso_machine *machine, int driver);

/**
 * The family that a driver belongs to.
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @return a viso_family; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_driver_family(const viso_machine *machine, int driver);

/**
 * How it stands with a driver.
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @return a viso_driver_state; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_driver_state(const viso_machine *machine, int driver);

/**
 * What a driver is for, how it stands with it, and what would help where it is missing.
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @return a sentence, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_driver_detail(const viso_machine *machine, int driver);

/**
 * The package that brings a driver that is missing, for the distribution that runs here (by its os-release).
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @return words, borrowed, valid as long as the machine; empty where nothing is missing, or the package is not known;
 *         NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_driver_package(const viso_machine *machine, int driver);

/**
 * How many things the state of a driver was concluded from.
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @return the number; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_driver_evidence_count(const viso_machine *machine, int driver);

/**
 * One thing that the state of a driver was concluded from, as "SOURCE: VALUE": a file and what is in it, or the name of the errno where
 * it could not be read.
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @param evidence  the number of the evidence, from 0
 * @return a string, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_driver_evidence(const viso_machine *machine, int driver, int evidence);

/**
 * How many devices are here that a driver is for.
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @return the number; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_driver_device_count(const viso_machine *machine, int driver);

/**
 * A device that a driver is for, as "BUS/NAME", such as "virtio/virtio0".
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @param device   the number of the device, from 0
 * @return a string, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_driver_device(const viso_machine *machine, int driver, int device);

/**
 * What a device says that it is (its modalias), such as "virtio:d00000001v00001AF4".
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @param device   the number of the device, from 0
 * @return a string, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_driver_device_alias(const viso_machine *machine, int driver, int device);

/**
 * The driver that a device is bound to, as its bus names it: it may be another one, such as vfio-pci.
 *
 * @param machine  a machine
 * @param driver   its number, from 0
 * @param device   the number of the device, from 0
 * @return a string, borrowed, valid as long as the machine; empty where the device is bound to none, "?" where that could not be read;
 *         NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_driver_bound(const viso_machine *machine, int driver, int device);

/**
 * How many programs of guest tools the library knows, those of no use here included.
 *
 * @param machine  a machine
 * @return the number; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_tool_count(const viso_machine *machine);

/**
 * The name of a program, such as "qemu-ga".
 *
 * @param machine  a machine
 * @param tool     its number, from 0
 * @return a static string; NULL with EINVAL for a bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_tool_name(const viso_machine *machine, int tool);

/**
 * The family that a program belongs to.
 *
 * @param machine  a machine
 * @param tool     its number, from 0
 * @return a viso_family; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_tool_family(const viso_machine *machine, int tool);

/**
 * Whether a program is installed, runs, and has its channel to the hypervisor.
 *
 * @param machine  a machine
 * @param tool     its number, from 0
 * @param aspect   what of it
 * @return a viso_answer; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_tool(const viso_machine *machine, int tool, viso_tool_aspect aspect);

/**
 * How an answer about a program was found, as "SOURCE: VALUE".
 *
 * @param machine  a machine
 * @param tool     its number, from 0
 * @param aspect   what of it
 * @return a string, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_tool_evidence(const viso_machine *machine, int tool, viso_tool_aspect aspect);

/**
 * The package that brings a program that would be of use here and is not installed: it has a channel, or would have one with the driver
 * of its family.
 *
 * @param machine  a machine
 * @param tool     its number, from 0
 * @return words, borrowed, valid as long as the machine; empty where it is installed, runs or is of no use, or the package is not known;
 *         NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_tool_package(const viso_machine *machine, int tool);

/**
 * How many paravirtual features of KVM the library knows.
 *
 * @param machine  a machine
 * @return the number; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_paravirtual_count(const viso_machine *machine);

/**
 * The name of a paravirtual feature of KVM, such as "steal time".
 *
 * @param machine  a machine
 * @param feature  its number, from 0
 * @return a static string; NULL with EINVAL for a bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_paravirtual_name(const viso_machine *machine, int feature);

/**
 * Whether KVM offers a paravirtual feature.
 *
 * @param machine  a machine
 * @param feature  its number, from 0
 * @return a viso_answer; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_paravirtual_offered(const viso_machine *machine, int feature);

/**
 * Whether the kernel here uses a paravirtual feature. Of most of them nothing is seen from outside the kernel.
 *
 * @param machine  a machine
 * @param feature  its number, from 0
 * @return a viso_answer; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_paravirtual_used(const viso_machine *machine, int feature);

/**
 * What the answers about a paravirtual feature were concluded from.
 *
 * @param machine  a machine
 * @param feature  its number, from 0
 * @return a sentence, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_paravirtual_detail(const viso_machine *machine, int feature);

/**
 * How the hypervisor is called from here. A program that runs in a guest of this library learns so by
 * VISO_HYPERCALL_WAY_LIBVIRTISO.
 *
 * @param machine  a machine
 * @return a viso_hypercall_way; -EINVAL bad argument, -ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_hypercall(const viso_machine *machine);

/**
 * How it was found out how the hypervisor is called, and who may do it.
 *
 * @param machine  a machine
 * @return a sentence, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument, ENOMEM out of memory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_hypercall_detail(const viso_machine *machine);

VISO_END_DECLS

#endif
