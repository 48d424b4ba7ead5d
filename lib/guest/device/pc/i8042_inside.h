/* SPDX-License-Identifier: MIT */
/* What the files of the keyboard controller share. The lock is held. */
#ifndef GUEST_DEVICE_PC_I8042_INSIDE_H
#define GUEST_DEVICE_PC_I8042_INSIDE_H

#include "guest/device/pc/i8042.h"

/* A byte that the device says, as soon as the guest has taken those before it. More than it can keep are lost. */
void i8042_answer(struct i8042_device *device, uint8_t byte);

/* A byte that the guest says to a device: a command, or its argument. */
void i8042_tell_keyboard(struct i8042 *i8042, uint8_t byte);
void i8042_tell_mouse(struct i8042 *i8042, uint8_t byte);

/* Which may change what the interrupt lines say. */
void i8042_set_configuration(struct i8042 *i8042, uint8_t value);

#endif
