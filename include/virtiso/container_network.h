/* SPDX-License-Identifier: MIT */
/**
 * @file container_network.h
 * What a container can reach by network. By default it is nothing but a loopback interface of its own.
 */
#ifndef VIRTISO_CONTAINER_NETWORK_H
#define VIRTISO_CONTAINER_NETWORK_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/container.h>
#include <stddef.h>
#include <virtiso/process.h>
#include <virtiso/sandbox.h>

VISO_BEGIN_DECLS

/** A protocol of viso_container_forward_port(). */
typedef enum viso_protocol {
	VISO_PROTOCOL_TCP = 6,  /**< TCP */
	VISO_PROTOCOL_UDP = 17, /**< UDP */
	VISO_PROTOCOL_ENUM_WIDTH_ = 0x7fffffff /**< not a protocol; fixes the width of the type */
} viso_protocol;

/**
 * Choose what the container can reach by network. The default is VISO_NETWORK_NONE: a network namespace with a loopback
 * interface.
 *
 * Interfaces are made by the host program, in the network namespace of the thread that starts the command, without entering
 * the container's; that needs CAP_NET_ADMIN. VISO_NETWORK_USER needs no privileges, but pasta of the package passt and a
 * /dev/net/tun that the caller may open. What cannot be made lets a start fail with stage VISO_STAGE_NETWORK: -EPERM without
 * the rights, -ENODEV, -EOPNOTSUPP what the kernel, the host or the build lacks, -EADDRINUSE and -EADDRNOTAVAIL for addresses
 * and ports, -ENETUNREACH a gateway out of reach, and what the kernel or pasta says. Settings of this header that the chosen
 * network has no use for let it fail with -EINVAL, and name the setter.
 *
 * Whatever the network, 127.0.0.1 and ::1 are those of the container, but with VISO_NETWORK_HOST. All interfaces, bridges and
 * rules go with the command, and also when the host program is killed.
 *
 * @param container    a container that has not run anything
 * @param network      what it can reach
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 * See: pasta(1), network_namespaces(7)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_network(viso_container *container, viso_network network);

/**
 * Name what the container's interface, which is "eth0" inside, is attached to: with VISO_NETWORK_BRIDGE a bridge, which is made
 * where it is not there and removed with the last container that the library attached to it, whichever host program that is
 * of; a bridge that others made is left as it is. With VISO_NETWORK_MACVLAN and VISO_NETWORK_IPVLAN an existing interface of
 * the host, without which no such container starts.
 *
 * @param container  a container that has not run anything
 * @param interface  1 to 15 bytes; the default bridge is "viso0"
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_parent_interface(viso_container *container, const char *interface);

/**
 * Give the container's interface an address. Several calls add up, to at most 16; with VISO_NETWORK_USER one of IPv4 and one of
 * IPv6.
 *
 * Without any, each command on a bridge has the next free address of the bridge's IPv4 network, which is 10.88.0.0/16, or the
 * next that the host does not have, where the library makes the bridge. With some, the library's bridge gets an address in each
 * of their networks: the gateway that was set, or the first. An interface by macvlan or ipvlan has no address without this
 * call. With VISO_NETWORK_USER it has those of the host without it.
 *
 * Two commands of a bridge cannot have the same first address at a time: the second start fails with -EADDRINUSE.
 *
 * @param container  a container that has not run anything
 * @param address    IPv4 or IPv6 with the length of its prefix, such as "10.0.0.2/24"
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_address(viso_container *container, const char *address);

/**
 * Set the default route. Without this call it is the address of the bridge where that is the library's.
 *
 * @param container  a container that has not run anything
 * @param gateway    IPv4 or IPv6 address; one of each can be set
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_gateway(viso_container *container, const char *gateway);

/**
 * Add a name server; the container then has an /etc/resolv.conf of its own, which is read-only. Where the root has
 * no file of that name, it is made for the container, as the target of every mount; a symbolic link is refused (-ELOOP).
 *
 * @param container  a container that has not run anything
 * @param server     IPv4 or IPv6 address
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -E2BIG more than 3 (resolv.conf(5)).
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: resolv.conf(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_dns_server(viso_container *container, const char *server);

/**
 * Say whether connections of the container to the outside go out with an address of the host (NAT), by an nftables table that
 * goes with the host program (Linux 5.12). With VISO_NETWORK_BRIDGE only. The host must pass packets on: where the sysctl
 * net.ipv4.ip_forward, or for addresses of IPv6 net.ipv6.conf.all.forwarding, is off, a start fails with -EOPNOTSUPP, and does
 * not change it. Firewall rules of the host hold for these packets as for others.
 *
 * @param container  a container that has not run anything
 * @param enabled    0 or 1; the default is 0
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -EOPNOTSUPP the library was built without
 *         libmnl.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: nft(8)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_nat(viso_container *container, int enabled);

/**
 * Let connections to a port of the host reach the container; with VISO_NETWORK_BRIDGE (by NAT, with the conditions of
 * viso_container_set_nat()) and VISO_NETWORK_USER. Several calls add up, to at most 128. The port is the command's as long as
 * it runs: where another program or container has it, a start fails with -EADDRINUSE. With a bridge, it is reached from outside
 * and from the host at its own addresses, not at 127.0.0.1 and not from containers of the same bridge.
 *
 * To listen at a port below 1024, a program in the container needs
 * viso_container_add_capability() with "net_bind_service".
 *
 * @param container     a container that has not run anything
 * @param protocol      TCP or UDP
 * @param host_address  IPv4 or IPv6 address of the host to listen at; NULL for all
 * @param host_port     1 to 65535
 * @param port          of the container, 1 to 65535
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -EADDRINUSE.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_forward_port(viso_container *container, viso_protocol protocol,
							     const char *host_address, unsigned host_port, unsigned port);

/**
 * The addresses that the container's interface has, one to a line, such as "10.88.0.2/16".
 *
 * @param process  a running command of a container
 * @param buffer   where the text is put, with a NUL at its end; cut where it does not fit; may be NULL where `size` is 0
 * @param size     of the buffer in bytes
 * @return the length of the whole text, which may be more than fits; 0 without an interface; -EINVAL, -ESRCH it has ended,
 *         -EOPNOTSUPP a jail or guest, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_process_addresses(viso_process *process, char *buffer, size_t size);

VISO_END_DECLS

#endif
