/* SPDX-License-Identifier: MIT */
/* What happens to the commands of a sandbox, by a socket that their launchers write to. */
#ifndef SANDBOX_EVENTS_H
#define SANDBOX_EVENTS_H

#include "sandbox/sandbox.h"

/* Before a start: gives the process its serial number and the place for its events, where there is one. */
void events_prepare(viso_sandbox *sandbox, viso_process *process);

void events_release(viso_sandbox *sandbox);

#endif
