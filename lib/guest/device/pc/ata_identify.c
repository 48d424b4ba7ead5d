/* SPDX-License-Identifier: MIT */
/* What a disk says about itself (ATA8-ACS, 7.16). */
#include <stdio.h>
#include <string.h>

#include "guest/device/pc/ata_inside.h"

/* Texts have two characters a word, the first one in the upper half, and blanks behind. */
static void put_text(uint16_t *words, int count, const char *text)
{
	char padded[48];
	snprintf(padded, sizeof(padded), "%-40s", text);
	for (int i = 0; i < count; i++)
		words[i] = (uint16_t)((uint8_t)padded[2 * i] << 8 | (uint8_t)padded[2 * i + 1]);
}

/* The geometry of programs that know no other: of the first 8 GB. */
static void put_geometry(uint16_t words[256], const struct ata_drive *drive, uint64_t sectors)
{
	uint64_t cylinders = sectors / (16 * 63);
	words[1] = (uint16_t)(cylinders < 16383 ? cylinders : 16383);
	words[3] = 16;
	words[6] = 63;
	uint64_t current = sectors / ((uint64_t)drive->heads * drive->sectors);
	words[54] = (uint16_t)(current < 65535 ? current : 65535);
	words[55] = drive->heads;
	words[56] = drive->sectors;
	uint32_t capacity = (uint32_t)words[54] * words[55] * words[56];
	words[57] = (uint16_t)capacity;
	words[58] = (uint16_t)(capacity >> 16);
}

static void put_capacity(uint16_t words[256], uint64_t sectors)
{
	uint32_t small = sectors < 0x0fffffff ? (uint32_t)sectors : 0x0fffffff;
	words[60] = (uint16_t)small;
	words[61] = (uint16_t)(small >> 16);
	for (int i = 0; i < 4; i++)
		words[100 + i] = (uint16_t)(sectors >> (16 * i));
}

static void put_commands(uint16_t words[256], const struct ata_drive *drive)
{
	words[82] = 0x0020; /* write cache */
	words[83] = 0x7400; /* FLUSH CACHE (EXT), 48-bit addresses */
	words[84] = 0x4000;
	words[85] = drive->is_write_cached ? 0x0020 : 0;
	words[86] = 0x3400;
	words[87] = 0x4000;
}

/* What all drives say alike. */
static void put_common(uint16_t words[256], const struct ata_drive *drive, const char *model)
{
	char text[24];
	snprintf(text, sizeof(text), "%08u", drive->number + 1);
	put_text(&words[10], 10, text);
	put_text(&words[23], 4, "1.0");
	put_text(&words[27], 20, model);
	words[48] = 0x0001; /* 32 bits at the data port */
	words[49] = 0x0f00; /* IORDY, LBA, DMA */
	words[50] = 0x4000;
	words[51] = words[52] = 0x0200;
	words[53] = 0x0003; /* words 54 to 58 and 64 to 70 hold */
	words[63] = 0x0007; /* multiword DMA, and which mode of it is set */
	if ((drive->mode & 0xf8) == 0x20)
		words[63] |= (uint16_t)(0x0100 << (drive->mode & 7));
	words[64] = 0x0003;
	words[65] = words[66] = words[67] = words[68] = 120;
	words[80] = 0x00f0; /* ATA-4 to ATA/ATAPI-7 */
}

static void put_words(uint8_t data[DISK_SECTOR], const uint16_t words[256])
{
	for (int i = 0; i < 256; i++)
		bus_put(&data[2 * i], 2, words[i]);
}

void ata_identify(const struct ata_drive *drive, uint8_t data[DISK_SECTOR])
{
	uint16_t words[256] = {0};
	uint64_t sectors = disk_size(drive->disk) / DISK_SECTOR;
	put_common(words, drive, "FIXED DISK");
	words[0] = 0x0040; /* fixed */
	words[47] = 0x8000 | ATA_MULTIPLE_MAX;
	put_geometry(words, drive, sectors);
	words[59] = drive->multiple ? 0x0100 | drive->multiple : 0;
	put_capacity(words, sectors);
	put_commands(words, drive);
	put_words(data, words);
}

void atapi_identify(const struct ata_drive *drive, uint8_t data[DISK_SECTOR])
{
	uint16_t words[256] = {0};
	put_common(words, drive, "CD-ROM DRIVE");
	words[0] = 0x85c0;              /* a CD-ROM, removable; takes packets of 12 bytes at once */
	words[82] = words[85] = 0x0210; /* PACKET, DEVICE RESET */
	words[83] = words[84] = words[87] = 0x4000;
	put_words(data, words);
}
