/* SPDX-License-Identifier: MIT */
/* A program for the tests of the processor. Returns 0 where all was as it should be, else says what was not. */
#ifndef PROCESSOR_H
#define PROCESSOR_H

int attack_by_instructions(void);
int attack_by_interrupts(void);
int attack_by_ports(void);
int attack_by_far_jumps(void);
int attack_by_flags(void);

#endif
