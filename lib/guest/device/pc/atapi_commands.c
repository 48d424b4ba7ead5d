/* SPDX-License-Identifier: MIT */
/* The packets that a CD-ROM takes (SPC-3, SBC-2, MMC-3): those of a disc with one track of data. */
#include <string.h>

#include "guest/device/pc/atapi.h"

enum {
	TEST_READY = 0x00,
	REQUEST_SENSE = 0x03,
	INQUIRY = 0x12,
	MODE_SENSE_6 = 0x1a,
	START_STOP = 0x1b,
	PREVENT_REMOVAL = 0x1e,
	READ_CAPACITY = 0x25,
	READ_10 = 0x28,
	SEEK = 0x2b,
	READ_TOC = 0x43,
	GET_CONFIGURATION = 0x46,
	GET_EVENT = 0x4a,
	MODE_SENSE_10 = 0x5a,
	READ_12 = 0xa8,
};

enum { EVENT_NONE, EVENT_NEW_MEDIUM = 2, EVENT_REMOVAL = 3 };

/* A command of its drive, as it is carried out. */
struct run {
	struct ata_channel *channel;
	struct ata_drive *drive;
	const uint8_t *packet;
};

static uint32_t big(const uint8_t *at, unsigned size)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < size; i++)
		value = value << 8 | at[i];
	return value;
}

static void put_big(uint8_t *at, unsigned size, uint32_t value)
{
	for (unsigned i = size; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

static void succeed(const struct run *run)
{
	ata_succeed(run->channel, run->drive);
}

static void fail(const struct run *run, uint8_t code)
{
	atapi_fail(run->channel, run->drive, SENSE_ILLEGAL, code, 0);
}

static void reply(const struct run *run, const uint8_t *data, unsigned size, uint32_t room)
{
	atapi_reply(run->channel, run->drive, data, size, room);
}

static uint32_t sectors_of(const struct run *run)
{
	uint64_t sectors = disk_size(run->drive->disk) / ATA_CD_SECTOR;
	return sectors < UINT32_MAX ? (uint32_t)sectors : UINT32_MAX;
}

static void request_sense(const struct run *run)
{
	struct ata_cd *cd = &run->drive->cd;
	uint8_t data[18] = {0x70, [2] = cd->sense, [7] = 10, [12] = cd->code, [13] = cd->qualifier};
	cd->sense = cd->code = cd->qualifier = 0;
	reply(run, data, sizeof(data), run->packet[4]);
}

static void inquire(const struct run *run)
{
	uint8_t data[36] = {0x05, 0x80, 0, 0x21, sizeof(data) - 5};
	if (run->packet[1] & 1) /* pages of vital data: there are none */
		return fail(run, CODE_INVALID_FIELD);
	memcpy(data + 8, "ATAPI   CD-ROM DRIVE    1.0 ", 28);
	reply(run, data, sizeof(data), big(run->packet + 3, 2));
}

/* Of error recovery, and of what it can do (MMC-3, 6.3.11). */
static unsigned put_pages(const struct ata_cd *cd, unsigned page, bool is_changeable, uint8_t *at)
{
	enum { RECOVERY = 0x01, CAPABILITIES = 0x2a, ALL = 0x3f };
	const uint8_t recovery[8] = {RECOVERY, 6, 0, 5};
	uint8_t capabilities[20] = {CAPABILITIES, 18, 0x0b, 0, 0, 0, 0x29};
	unsigned size = 0;
	capabilities[6] |= cd->is_locked ? 0x02 : 0;
	put_big(&capabilities[8], 2, 4234); /* kB/s: 24 times as fast as it plays */
	put_big(&capabilities[12], 2, 128); /* kB of buffer */
	put_big(&capabilities[14], 2, 4234);
	if (page == RECOVERY || page == ALL) {
		memcpy(at, recovery, is_changeable ? 2 : sizeof(recovery));
		size += sizeof(recovery);
	}
	if (page == CAPABILITIES || page == ALL) {
		memcpy(at + size, capabilities, is_changeable ? 2 : sizeof(capabilities));
		size += sizeof(capabilities);
	}
	return size;
}

static void sense_mode(const struct run *run)
{
	enum { CHANGEABLE = 1, SAVED = 3 };
	bool is_long = run->packet[0] == MODE_SENSE_10;
	unsigned head = is_long ? 8 : 4, control = run->packet[2] >> 6;
	uint8_t data[ATAPI_REPLY_MAX] = {0};
	if (control == SAVED)
		return fail(run, CODE_NO_SAVED_PARAMETERS);
	unsigned size = put_pages(&run->drive->cd, run->packet[2] & 0x3f, control == CHANGEABLE, data + head);
	if (size == 0)
		return fail(run, CODE_INVALID_FIELD);
	size += head;
	put_big(data, is_long ? 2 : 1, size - (is_long ? 2 : 1));
	data[is_long ? 2 : 1] = run->drive->cd.is_out ? 0x71 : 0x01; /* no disc, or one with data */
	reply(run, data, size, is_long ? big(run->packet + 7, 2) : run->packet[4]);
}

static void move_tray(const struct run *run)
{
	enum { START = 1, LOAD_OR_EJECT = 2, POWER = 0xf0 };
	struct ata_cd *cd = &run->drive->cd;
	uint8_t what = run->packet[4];
	bool is_out = !(what & START);
	if (what & POWER || !(what & LOAD_OR_EJECT) || is_out == cd->is_out)
		return succeed(run);
	if (is_out && cd->is_locked)
		return atapi_fail(run->channel, run->drive, SENSE_ILLEGAL, CODE_REMOVAL, QUALIFIER_PREVENTED);
	cd->is_out = is_out;
	cd->is_changed = !is_out;
	cd->event = is_out ? EVENT_REMOVAL : EVENT_NEW_MEDIUM;
	succeed(run);
}

static void prevent_removal(const struct run *run)
{
	run->drive->cd.is_locked = run->packet[4] & 1;
	succeed(run);
}

static void read_capacity(const struct run *run)
{
	uint8_t data[8];
	put_big(data, 4, sectors_of(run) - 1);
	put_big(data + 4, 4, ATA_CD_SECTOR);
	reply(run, data, sizeof(data), sizeof(data));
}

static void read_sectors(const struct run *run)
{
	uint32_t sector = big(run->packet + 2, 4), all = sectors_of(run);
	uint32_t count = run->packet[0] == READ_12 ? big(run->packet + 6, 4) : big(run->packet + 7, 2);
	if (sector >= all || count > all - sector)
		return fail(run, CODE_NO_SUCH_SECTOR);
	if (count > ATAPI_SECTORS_MAX)
		return fail(run, CODE_INVALID_FIELD);
	atapi_read(run->channel, run->drive, sector, count);
}

static void seek(const struct run *run)
{
	if (big(run->packet + 2, 4) >= sectors_of(run))
		return fail(run, CODE_NO_SUCH_SECTOR);
	succeed(run);
}

/* As a number, or as minutes, seconds and frames, which count from two seconds before. */
static void put_address(uint8_t *at, bool is_time, uint32_t sector)
{
	enum { FRAMES = 75, BEFORE = 150 };
	if (!is_time)
		return put_big(at, 4, sector);
	uint64_t frame = (uint64_t)sector + BEFORE, minutes = frame / FRAMES / 60;
	at[0] = 0;
	at[1] = (uint8_t)(minutes < 255 ? minutes : 255);
	at[2] = (uint8_t)(frame / FRAMES % 60);
	at[3] = (uint8_t)(frame % FRAMES);
}

static void put_track(uint8_t *at, uint8_t track, bool is_time, uint32_t sector)
{
	at[1] = 0x14; /* data, with positions in its subchannel */
	at[2] = track;
	put_address(at + 4, is_time, sector);
}

static void read_contents(const struct run *run)
{
	enum { TRACKS, SESSIONS, LEAD_OUT = 0xaa };
	bool is_time = run->packet[1] & 2;
	/* Where drives of before MMC had it, too. */
	unsigned format = run->packet[2] & 15 ? run->packet[2] & 15 : run->packet[9] >> 6;
	uint8_t data[20] = {0, 0, 1, 1}, first = run->packet[6];
	unsigned size = 4;
	if (format > SESSIONS || (format == TRACKS && first > 1 && first != LEAD_OUT))
		return fail(run, CODE_INVALID_FIELD);
	if (format == SESSIONS || first <= 1) {
		put_track(data + size, 1, is_time, 0);
		size += 8;
	}
	if (format == TRACKS) {
		put_track(data + size, LEAD_OUT, is_time, sectors_of(run));
		size += 8;
	}
	put_big(data, 2, size - 2);
	reply(run, data, size, big(run->packet + 7, 2));
}

/* What is larger than any CD is a DVD. */
static unsigned profile_of(const struct run *run)
{
	enum { CD = 0x08, DVD = 0x10, CD_SECTORS = 100 * 60 * 75 };
	return run->drive->cd.is_out ? 0 : sectors_of(run) <= CD_SECTORS ? CD : DVD;
}

static void get_configuration(const struct run *run)
{
	enum { ONE = 2 };
	unsigned profile = profile_of(run), first = big(run->packet + 2, 2), size = 8;
	const uint8_t features[][12] = {
		{0, 0, 0x03, 8, 0, 0x10, profile == 0x10, 0, 0, 0x08, profile == 0x08, 0}, /* profiles */
		{0, 1, 0x03, 4, 0, 0, 0, 2},                                               /* core: of ATAPI */
		{0, 3, 0x03, 4, 0x29},                                                     /* a tray that it moves */
	};
	uint8_t data[64] = {0};
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		unsigned number = features[i][1];
		if (number < first || ((run->packet[1] & 3) == ONE && number != first))
			continue;
		memcpy(data + size, features[i], 4u + features[i][3]);
		size += 4u + features[i][3];
	}
	put_big(data, 4, size - 4);
	put_big(data + 6, 2, profile);
	reply(run, data, size, big(run->packet + 7, 2));
}

/* That of the medium is the only kind. */
static void get_event(const struct run *run)
{
	enum { POLLED = 1, MEDIUM = 4, NO_SUCH = 0x80, IS_OPEN = 1, IS_IN = 2 };
	struct ata_cd *cd = &run->drive->cd;
	uint8_t data[8] = {0, 6, MEDIUM, 1 << MEDIUM, cd->event, cd->is_out ? IS_OPEN : IS_IN};
	if (!(run->packet[1] & POLLED))
		return fail(run, CODE_INVALID_FIELD);
	if (!(run->packet[4] & 1 << MEDIUM)) {
		data[1] = 2;
		data[2] = NO_SUCH;
		return reply(run, data, 4, big(run->packet + 7, 2));
	}
	cd->event = EVENT_NONE;
	reply(run, data, sizeof(data), big(run->packet + 7, 2));
}

enum needs {
	NEEDS_DISC = 1,
	IS_ALWAYS_HEARD = 2, /* also where the guest is to be told first that there is another disc */
	KEEPS_SENSE = 4,
};

static const struct handler {
	uint8_t number;
	unsigned needs; /* of these */
	void (*run)(const struct run *run);
} handlers[] = {
	{TEST_READY, NEEDS_DISC, succeed},
	{REQUEST_SENSE, IS_ALWAYS_HEARD | KEEPS_SENSE, request_sense},
	{INQUIRY, IS_ALWAYS_HEARD, inquire},
	{MODE_SENSE_6, 0, sense_mode},
	{START_STOP, 0, move_tray},
	{PREVENT_REMOVAL, 0, prevent_removal},
	{READ_CAPACITY, NEEDS_DISC, read_capacity},
	{READ_10, NEEDS_DISC, read_sectors},
	{SEEK, NEEDS_DISC, seek},
	{READ_TOC, NEEDS_DISC, read_contents},
	{GET_CONFIGURATION, IS_ALWAYS_HEARD, get_configuration},
	{GET_EVENT, IS_ALWAYS_HEARD, get_event},
	{MODE_SENSE_10, 0, sense_mode},
	{READ_12, NEEDS_DISC, read_sectors},
};

static const struct handler *find(uint8_t number)
{
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].number == number)
			return &handlers[i];
	return NULL;
}

void atapi_run(struct ata_channel *channel, struct ata_drive *drive, const uint8_t packet[ATAPI_PACKET])
{
	const struct run run = {channel, drive, packet};
	const struct handler *handler = find(packet[0]);
	struct ata_cd *cd = &drive->cd;
	if (!handler || !(handler->needs & KEEPS_SENSE))
		cd->sense = cd->code = cd->qualifier = 0;
	if (!handler)
		return fail(&run, CODE_NO_SUCH_COMMAND);
	if (cd->is_changed && !(handler->needs & IS_ALWAYS_HEARD)) {
		cd->is_changed = false;
		return atapi_fail(channel, drive, SENSE_ATTENTION, CODE_MEDIUM_CHANGED, 0);
	}
	if (cd->is_out && handler->needs & NEEDS_DISC)
		return atapi_fail(channel, drive, SENSE_NOT_READY, CODE_NO_MEDIUM, QUALIFIER_OPEN);
	handler->run(&run);
}
