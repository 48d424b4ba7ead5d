/* SPDX-License-Identifier: MIT */
/**
 * @file machine_layers.h
 * Where a program runs: the layers around it, from the outermost to the innermost, each with its evidence.
 *
 * A machine has layers 0 to viso_machine_layer_count() - 1. What was suspected and refuted, or looked for and not found,
 * has the numbers after those, viso_machine_refuted_count() of them, with the evidence against it. Where something could
 * not be read and nothing else decides, there is a layer with the id "unknown": that is not the same as none.
 *
 * Hypervisors and containers can lie about all of this: it is for choosing drivers and settings, not for trusting.
 */
#ifndef VIRTISO_MACHINE_LAYERS_H
#define VIRTISO_MACHINE_LAYERS_H

#include <virtiso/attributes.h>
#include <virtiso/machine.h>

VISO_BEGIN_DECLS

/** What a layer is; in the order of the stack. */
typedef enum viso_layer_kind {
	VISO_LAYER_HYPERVISOR = 0,   /**< what divides the processor: kvm, xen, microsoft … */
	VISO_LAYER_MONITOR = 1,      /**< the program that makes the machine's devices: qemu, firecracker … */
	VISO_LAYER_CLOUD = 2,        /**< who rents the machine out or manages it: amazon, google, openstack … */
	VISO_LAYER_CONFIDENTIAL = 3, /**< what keeps the layers before it out of memory: sev-snp, tdx … */
	VISO_LAYER_CONTAINER = 4,    /**< docker, lxc, wsl … */
	VISO_LAYER_CHROOT = 5,       /**< another root directory than the machine's or the container's */
	VISO_LAYER_KIND_ENUM_WIDTH_ = 0x7fffffff /**< not a kind; fixes the width of the type */
} viso_layer_kind;

/** On which side of a layer this program runs. */
typedef enum viso_layer_role {
	VISO_ROLE_GUEST = 0,          /**< inside of it */
	VISO_ROLE_HOST = 1,           /**< it has guests here; or a whole machine of a cloud, without a hypervisor */
	VISO_ROLE_DOM0 = 2,           /**< Xen's privileged domain */
	VISO_ROLE_ROOT_PARTITION = 3, /**< Hyper-V's parent partition */
	VISO_ROLE_UNKNOWN = 4,        /**< what would tell could not be read */
	VISO_LAYER_ROLE_ENUM_WIDTH_ = 0x7fffffff /**< not a role; fixes the width of the type */
} viso_layer_role;

/** How far a layer is to be believed in. */
typedef enum viso_confidence {
	VISO_CONFIDENCE_UNKNOWN = 0,  /**< it could not be found out */
	VISO_CONFIDENCE_POSSIBLE = 1, /**< something points to it that may have another reason */
	VISO_CONFIDENCE_LIKELY = 2,   /**< no other reason is known, but it is not by itself a proof */
	VISO_CONFIDENCE_CERTAIN = 3,  /**< it says so itself */
	VISO_CONFIDENCE_ENUM_WIDTH_ = 0x7fffffff /**< not a confidence; fixes the width of the type */
} viso_confidence;

/** What a piece of evidence says. */
typedef enum viso_evidence_side {
	VISO_EVIDENCE_UNREAD = 0,  /**< nothing: it could not be read */
	VISO_EVIDENCE_FOR = 1,     /**< for the layer */
	VISO_EVIDENCE_AGAINST = 2, /**< against the layer */
	VISO_EVIDENCE_SIDE_ENUM_WIDTH_ = 0x7fffffff /**< not a side; fixes the width of the type */
} viso_evidence_side;

/**
 * Whether this program runs inside of a layer of a kind: as its guest, not as its host, dom0 or root partition.
 *
 * @param machine  a machine
 * @param kind     a kind of layer
 * @return 1 it does, at least possibly; 0 it does not; -ENODATA that could not be found out; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_inside(const viso_machine *machine, viso_layer_kind kind);

/**
 * The number of layers.
 *
 * @param machine  a machine
 * @return how many there are, 0 where the program runs on a bare machine, and that is known; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_layer_count(const viso_machine *machine);

/**
 * The number of what was suspected or looked for and is not there; it has the numbers after those of the layers.
 *
 * @param machine  a machine
 * @return how many there are; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_refuted_count(const viso_machine *machine);

/**
 * The id of a layer: a word in lower case that stays the same, that of systemd-detect-virt(1) where it has one.
 *
 * @param machine  a machine
 * @param layer    the number of a layer
 * @return a static string, such as "kvm" or "docker"; "vm-other" or "container-other" for one without a name of its own,
 *         "unknown" where it could not be found out; NULL with EINVAL for a bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_layer_id(const viso_machine *machine, int layer);

/**
 * The name of a layer for people.
 *
 * @param machine  a machine
 * @param layer    the number of a layer
 * @return a static string, such as "Firecracker"; NULL with EINVAL for a bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_layer_name(const viso_machine *machine, int layer);

/**
 * What a layer is.
 *
 * @param machine  a machine
 * @param layer    the number of a layer
 * @return a viso_layer_kind; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_layer_kind(const viso_machine *machine, int layer);

/**
 * On which side of a layer this program runs.
 *
 * @param machine  a machine
 * @param layer    the number of a layer
 * @return a viso_layer_role: VISO_ROLE_UNKNOWN for a layer with the id "unknown", without meaning for what was refuted;
 *         -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_layer_role(const viso_machine *machine, int layer);

/**
 * How far a layer is to be believed in.
 *
 * @param machine  a machine
 * @param layer    the number of a layer
 * @return a viso_confidence: of the layer where it is one, of its absence where it was refuted; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_layer_confidence(const viso_machine *machine, int layer);

/**
 * The number of pieces of evidence for and against a layer.
 *
 * @param machine  a machine
 * @param layer    the number of a layer
 * @return how many there are; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_evidence_count(const viso_machine *machine, int layer);

/**
 * Where a piece of evidence comes from.
 *
 * @param machine   a machine
 * @param layer     the number of a layer
 * @param evidence  the number of a piece of its evidence
 * @return a path, or "cpuid 0x40000000", "msr 0xc0010131", "uname release", "ns pid", "statx /"; borrowed, valid as long
 *         as the machine; NULL with EINVAL for a bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_evidence_source(const viso_machine *machine, int layer, int evidence);

/**
 * What was read there.
 *
 * @param machine   a machine
 * @param layer     the number of a layer
 * @param evidence  the number of a piece of its evidence
 * @return the value as it was found, or what matters of it, with ? for what cannot be printed; empty where only the
 *         presence matters or it could not be read; borrowed, valid as long as the machine; NULL with EINVAL for a bad
 *         argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_machine_evidence_value(const viso_machine *machine, int layer, int evidence);

/**
 * For or against.
 *
 * @param machine   a machine
 * @param layer     the number of a layer
 * @param evidence  the number of a piece of its evidence
 * @return a viso_evidence_side; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_evidence_side(const viso_machine *machine, int layer, int evidence);

/**
 * Why it could not be read.
 *
 * @param machine   a machine
 * @param layer     the number of a layer
 * @param evidence  the number of a piece of its evidence
 * @return a positive errno, such as EACCES; 0 where it was read; -EINVAL bad argument. Of a captured machine also ENOENT
 *         it was not captured, EBADMSG it is no regular file or does not have the format that viso_machine_new_from()
 *         tells, EXDEV a link leads out of the directory.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_evidence_error(const viso_machine *machine, int layer, int evidence);

/**
 * The name of a kind, such as "hypervisor".
 *
 * @param kind  a kind of layer; they are numbered from 0 without gaps
 * @return a static string; NULL beyond the last one.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_layer_kind_name(viso_layer_kind kind);

/**
 * The name of a role, such as "guest".
 *
 * @param role  a role; they are numbered from 0 without gaps
 * @return a static string; NULL beyond the last one.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_layer_role_name(viso_layer_role role);

/**
 * The name of a confidence, such as "certain".
 *
 * @param confidence  a confidence; they are numbered from 0 without gaps
 * @return a static string; NULL beyond the last one.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC const char *viso_confidence_name(viso_confidence confidence);

VISO_END_DECLS

#endif
