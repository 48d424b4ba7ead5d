/* SPDX-License-Identifier: MIT */
/* Stand-ins: each is deleted when the real function is written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_container_set_parent_interface(viso_container *container, const char *interface)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_address(viso_container *container, const char *address)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_gateway(viso_container *container, const char *gateway)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_dns_server(viso_container *container, const char *server)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_nat(viso_container *container, int enabled)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_forward_port(viso_container *container, viso_protocol protocol, const char *host_address, unsigned host_port, unsigned port)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_process_addresses(viso_process *process, char *buffer, size_t size)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}
