/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/rtc.h"

#include <string.h>
#include <time.h>

/* Registers. */
enum {
	SECONDS = 0,
	SECONDS_ALARM = 1,
	MINUTES = 2,
	MINUTES_ALARM = 3,
	HOURS = 4,
	HOURS_ALARM = 5,
	DAY_OF_WEEK = 6,
	DAY_OF_MONTH = 7,
	MONTH = 8,
	YEAR = 9,
	A = 10,
	B = 11,
	C = 12,
	D = 13,
	CENTURY = 0x32,
};

enum {
	A_UPDATING = 0x80,
	B_SET = 0x80, /* the time stands still, and is set */
	B_PERIODIC = 0x40,
	B_ALARM = 0x20,
	B_UPDATED = 0x10,
	B_BINARY = 0x04,
	B_24_HOURS = 0x02,
	C_REQUEST = 0x80,
	C_EVENTS = 0x70, /* as in B */
	D_VALID = 0x80,
	ANY = 0xc0, /* an alarm at each */
};

enum { SECOND = 1000000000, UPDATE = 244000 /* nanoseconds before the new second */ };

static int64_t time_of(const struct rtc *rtc)
{
	return rtc->now() + rtc->offset;
}

/* Rounded down, also before 1970. */
static int64_t second_of(int64_t time)
{
	return time / SECOND - (time % SECOND < 0);
}

void rtc_init(struct rtc *rtc, const struct interrupt *line, int64_t (*now)(void))
{
	*rtc = (struct rtc){.line = *line, .now = now};
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->memory[A] = 0x26; /* 32768 Hz, 1024 periods a second */
	rtc->memory[B] = B_24_HOURS;
	rtc->memory[D] = D_VALID;
	rtc->seen = time_of(rtc);
}

void rtc_release(struct rtc *rtc)
{
	pthread_mutex_destroy(&rtc->lock);
}

/* Conventions of the PC AT; those from 0x34 on are read by SeaBIOS (src/hw/rtc.h there). */
void rtc_describe(struct rtc *rtc, const struct rtc_equipment *equipment)
{
	uint8_t *memory = rtc->memory;
	uint64_t extended = equipment->low_memory > 1 << 20 ? (equipment->low_memory - (1 << 20)) >> 10 : 0;
	uint64_t above = equipment->low_memory > 16 << 20 ? (equipment->low_memory - (16 << 20)) >> 16 : 0;
	memory[0x12] = (uint8_t)((equipment->disks > 0 ? 0xf0 : 0) | (equipment->disks > 1 ? 0x0f : 0));
	memory[0x14] = 0x06; /* a keyboard, a coprocessor, a VGA */
	bus_put(&memory[0x15], 2, 640);
	bus_put(&memory[0x17], 2, extended < 0xffff ? extended : 0xffff);
	memory[0x19] = equipment->disks > 0 ? 47 : 0;
	memory[0x1a] = equipment->disks > 1 ? 47 : 0;
	bus_put(&memory[0x30], 2, extended < 0xffff ? extended : 0xffff);
	bus_put(&memory[0x34], 2, above < 0xffff ? above : 0xffff);
	memory[0x38] = 0x01; /* a floppy's boot sector needs no signature; there is no third device to boot from */
	memory[0x3d] = 0x32; /* it boots from the first hard disk, else from a CD */
	bus_put(&memory[0x5b], 3, equipment->high_memory >> 16);
	memory[0x5f] = (uint8_t)(equipment->processors - 1);
}

static uint8_t encode(const struct rtc *rtc, int value)
{
	return rtc->memory[B] & B_BINARY ? (uint8_t)value : (uint8_t)(value / 10 << 4 | value % 10);
}

static int decode(const struct rtc *rtc, uint8_t value)
{
	return rtc->memory[B] & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct rtc *rtc, int hour)
{
	if (rtc->memory[B] & B_24_HOURS)
		return encode(rtc, hour);
	return (uint8_t)(encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
}

static int decode_hour(const struct rtc *rtc, uint8_t value)
{
	if (rtc->memory[B] & B_24_HOURS)
		return decode(rtc, value);
	return decode(rtc, value & 0x7f) % 12 + (value & 0x80 ? 12 : 0);
}

/* The time registers, of a second. */
static void show(struct rtc *rtc, int64_t second)
{
	time_t time = (time_t)second;
	struct tm parts;
	if (!gmtime_r(&time, &parts))
		return;
	rtc->memory[SECONDS] = encode(rtc, parts.tm_sec);
	rtc->memory[MINUTES] = encode(rtc, parts.tm_min);
	rtc->memory[HOURS] = encode_hour(rtc, parts.tm_hour);
	rtc->memory[DAY_OF_WEEK] = encode(rtc, parts.tm_wday + 1);
	rtc->memory[DAY_OF_MONTH] = encode(rtc, parts.tm_mday);
	rtc->memory[MONTH] = encode(rtc, parts.tm_mon + 1);
	rtc->memory[YEAR] = encode(rtc, (parts.tm_year + 1900) % 100);
	int century = (parts.tm_year + 1900) / 100;
	rtc->memory[CENTURY] = (uint8_t)(century / 10 << 4 | century % 10); /* in BCD, always */
}

/* The guest has set the registers: its clock differs from the host's from now on. */
static void take(struct rtc *rtc)
{
	struct tm parts = {
		.tm_sec = decode(rtc, rtc->memory[SECONDS]),
		.tm_min = decode(rtc, rtc->memory[MINUTES]),
		.tm_hour = decode_hour(rtc, rtc->memory[HOURS]),
		.tm_mday = decode(rtc, rtc->memory[DAY_OF_MONTH]),
		.tm_mon = decode(rtc, rtc->memory[MONTH]) - 1,
		.tm_year = decode(rtc, rtc->memory[YEAR]) +
			   ((rtc->memory[CENTURY] >> 4) * 10 + (rtc->memory[CENTURY] & 15)) * 100 - 1900,
	};
	/* Bytes make no year that nanoseconds do not reach, but for centuries that are none. */
	if (parts.tm_year < -100 || parts.tm_year > 300)
		parts.tm_year = 100 + decode(rtc, rtc->memory[YEAR]) % 100;
	rtc->offset = (int64_t)timegm(&parts) * SECOND - rtc->now();
	rtc->seen = time_of(rtc);
}

static bool alarm_matches(const struct rtc *rtc, uint8_t alarm, uint8_t value)
{
	return (rtc->memory[alarm] & ANY) == ANY || rtc->memory[alarm] == value;
}

/* Whether the alarm is in one of the seconds after the one and up to the other. A day has them all. */
static bool is_alarm_between(const struct rtc *rtc, int64_t after, int64_t last)
{
	if (last - after > 86400)
		after = last - 86400;
	for (int64_t second = after + 1; second <= last; second++) {
		int of_day = (int)((second % 86400 + 86400) % 86400);
		if (alarm_matches(rtc, SECONDS_ALARM, encode(rtc, of_day % 60)) &&
		    alarm_matches(rtc, MINUTES_ALARM, encode(rtc, of_day / 60 % 60)) &&
		    alarm_matches(rtc, HOURS_ALARM, encode_hour(rtc, of_day / 3600)))
			return true;
	}
	return false;
}

/* Nanoseconds; 0: none. The two fastest rates are those of slower ones: the datasheet's table 5. */
static int64_t period_of(const struct rtc *rtc)
{
	int rate = rtc->memory[A] & 15;
	if (rate == 0 || (rtc->memory[A] & 0x70) != 0x20)
		return 0;
	if (rate <= 2)
		rate += 7;
	return (int64_t)SECOND * (1 << (rate - 1)) / 32768;
}

static void update_line(struct rtc *rtc)
{
	uint8_t *c = &rtc->memory[C];
	*c &= (uint8_t)~C_REQUEST;
	if (*c & rtc->memory[B] & C_EVENTS)
		*c |= C_REQUEST;
	interrupt_set(&rtc->line, *c & C_REQUEST);
}

/* Accounts for what has happened since the last time. */
static void catch_up(struct rtc *rtc)
{
	int64_t time = time_of(rtc), period = period_of(rtc);
	if (time < rtc->seen)
		rtc->seen = time; /* the host's clock was set back */
	if (period && time / period != rtc->seen / period)
		rtc->memory[C] |= B_PERIODIC;
	int64_t before = second_of(rtc->seen), second = second_of(time);
	rtc->seen = time;
	if (second != before && !(rtc->memory[B] & B_SET)) {
		rtc->memory[C] |= B_UPDATED;
		if (is_alarm_between(rtc, before, second))
			rtc->memory[C] |= B_ALARM;
	}
	update_line(rtc);
}

int64_t rtc_wait(struct rtc *rtc)
{
	int64_t wait = INT64_MAX;
	pthread_mutex_lock(&rtc->lock);
	int64_t time = time_of(rtc), period = period_of(rtc);
	uint8_t wanted = (uint8_t)(rtc->memory[B] & ~rtc->memory[C]);
	if (wanted & (B_ALARM | B_UPDATED) && !(rtc->memory[B] & B_SET))
		wait = (second_of(time) + 1) * SECOND - time;
	if (wanted & B_PERIODIC && period) {
		int64_t rest = period - (time % period + period) % period;
		wait = rest < wait ? rest : wait;
	}
	pthread_mutex_unlock(&rtc->lock);
	return wait;
}

void rtc_advance(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

static bool is_time(uint8_t index)
{
	return index == SECONDS || index == MINUTES || index == HOURS || (index >= DAY_OF_WEEK && index <= YEAR) ||
	       index == CENTURY;
}

static uint8_t read_register(struct rtc *rtc)
{
	uint8_t index = rtc->index, value;
	int64_t time = time_of(rtc);
	catch_up(rtc);
	if (is_time(index) && !(rtc->memory[B] & B_SET))
		show(rtc, second_of(time));
	value = rtc->memory[index];
	if (index == A && !(rtc->memory[B] & B_SET) && (second_of(time) + 1) * SECOND - time <= UPDATE)
		value |= A_UPDATING;
	if (index == C) {
		rtc->memory[C] = 0;
		update_line(rtc);
	}
	return value;
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool was_set = rtc->memory[B] & B_SET;
	if (!was_set && value & B_SET) {
		show(rtc, second_of(time_of(rtc)));
		value &= (uint8_t)~B_UPDATED;
	}
	rtc->memory[B] = value;
	if (was_set && !(value & B_SET))
		take(rtc);
}

static void write_register(struct rtc *rtc, uint8_t value)
{
	uint8_t index = rtc->index;
	catch_up(rtc);
	if (index == A) {
		rtc->memory[A] = value & 0x7f;
	} else if (index == B) {
		write_b(rtc, value);
	} else if (is_time(index) && !(rtc->memory[B] & B_SET)) {
		show(rtc, second_of(time_of(rtc)));
		rtc->memory[index] = value;
		take(rtc);
	} else if (index != C && index != D) {
		rtc->memory[index] = value;
	}
	update_line(rtc);
}

static void rtc_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct rtc *rtc = device;
	if (offset != 1 || size != 1)
		return;
	pthread_mutex_lock(&rtc->lock);
	*(uint8_t *)data = read_register(rtc);
	bool may_have_more = rtc->index == C;
	pthread_mutex_unlock(&rtc->lock);
	if (may_have_more)
		pc_wake(&rtc->wake);
}

static void write_byte(struct rtc *rtc, uint64_t offset, uint8_t value)
{
	if (offset == 0)
		rtc->index = value & (RTC_MEMORY - 1); /* bit 7 holds non-maskable interrupts back: there are none */
	else
		write_register(rtc, value);
}

static void rtc_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct rtc *rtc = device;
	const uint8_t *bytes = data;
	pthread_mutex_lock(&rtc->lock);
	for (unsigned i = 0; i < size; i++)
		write_byte(rtc, offset + i, bytes[i]);
	pthread_mutex_unlock(&rtc->lock);
	if (offset + size > 1)
		pc_wake(&rtc->wake);
}

const struct bus_ops rtc_ops = {.read = rtc_read, .write = rtc_write};

struct rtc_state {
	int64_t offset, seen;
	uint64_t index;
	uint8_t memory[RTC_MEMORY];
};

void rtc_save(struct rtc *rtc, struct state_writer *out)
{
	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	struct rtc_state state = {.offset = rtc->offset, .seen = rtc->seen, .index = rtc->index};
	memcpy(state.memory, rtc->memory, sizeof(state.memory));
	pthread_mutex_unlock(&rtc->lock);
	state_put(out, &state, sizeof(state));
}

/* No guest sets it to a year before 1800 or after 2200; see take(). */
static bool is_reached(const struct rtc *rtc, int64_t offset)
{
	const int64_t first = INT64_C(-5364662400), last = INT64_C(7289654400);
	__int128 second = ((__int128)rtc->now() + offset) / SECOND;
	return second >= first && second <= last;
}

int rtc_load(struct rtc *rtc, struct state_reader *in)
{
	struct rtc_state state;
	if (!state_get(in, &state, sizeof(state)) || state.index >= RTC_MEMORY || !is_reached(rtc, state.offset))
		return state_damaged("clock");
	pthread_mutex_lock(&rtc->lock);
	rtc->offset = state.offset;
	rtc->seen = state.seen;
	rtc->index = (uint8_t)state.index;
	memcpy(rtc->memory, state.memory, sizeof(state.memory));
	catch_up(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return 0;
}
