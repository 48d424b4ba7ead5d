/* SPDX-License-Identifier: MIT */
/*
 * The clock of a PC (Motorola MC146818A) with its memory, which firmware and old systems read the computer's equipment
 * from. It shows UTC, the host's; the guest may set it otherwise for itself.
 */
#ifndef GUEST_DEVICE_PC_RTC_H
#define GUEST_DEVICE_PC_RTC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/interrupt.h"
#include "guest/device/pc/wake.h"
#include "guest/device/state.h"

enum { RTC_PORTS = 0x70, RTC_PORT_COUNT = 2, RTC_MEMORY = 128, RTC_LINE = 8 };

struct rtc {
	pthread_mutex_t lock; /* guards all that follows */
	uint8_t index;
	uint8_t memory[RTC_MEMORY]; /* the registers, too, but for the time while it runs */
	int64_t offset;             /* of its time from the host's, nanoseconds */
	int64_t seen;               /* up to when its events are accounted for: its own time */
	int64_t (*now)(void);       /* nanoseconds since 1970 */
	struct interrupt line;
	struct pc_wake wake;
};

extern const struct bus_ops rtc_ops; /* for RTC_PORTS */

void rtc_init(struct rtc *rtc, const struct interrupt *line, int64_t (*now)(void));
void rtc_release(struct rtc *rtc);

/* What the memory tells of the computer, before the guest runs. */
struct rtc_equipment {
	uint64_t low_memory;  /* bytes below 4 GiB */
	uint64_t high_memory; /* bytes above */
	unsigned processors;
	unsigned disks;
};
void rtc_describe(struct rtc *rtc, const struct rtc_equipment *equipment);

/* How long until it has an interrupt to give, nanoseconds; INT64_MAX: it has not. And giving what is due. */
int64_t rtc_wait(struct rtc *rtc);
void rtc_advance(struct rtc *rtc);

/* For another one, of the same host's time or a later one. 0, or -EINVAL with the error set. */
void rtc_save(struct rtc *rtc, struct state_writer *out);
int rtc_load(struct rtc *rtc, struct state_reader *in);

#endif
