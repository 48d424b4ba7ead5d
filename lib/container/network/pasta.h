/* SPDX-License-Identifier: MIT */
/* VISO_NETWORK_USER: how pasta(1) is called. */
#ifndef NETWORK_PASTA_H
#define NETWORK_PASTA_H

#include "container/network.h"

/* Writes path and arguments into the plan. 0; -EOPNOTSUPP where it is not installed; with the error set. */
int pasta_add(struct launch_request *request, const struct container_network *network);

#endif
