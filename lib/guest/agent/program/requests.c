/* SPDX-License-Identifier: MIT */
/* What the host asks of the guest as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"

static void answer(uint32_t id, int error, const void *data, size_t size)
{
	uint8_t frame[AGENT_PAYLOAD_MAX];
	struct packer packer = {.data = frame, .room = sizeof(frame)};
	pack_u32(&packer, (uint32_t)error);
	pack_bytes(&packer, data, size);
	say(AGENT_ANSWER, id, frame, packer.used);
}

/* As much as there is, up to `room`. */
static size_t read_file(const char *path, char *text, size_t room)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n;
	while (fd >= 0 && size < room && (n = read(fd, text + size, room - size)) > 0)
		size += (size_t)n;
	return size;
}

static uint64_t available_memory(void)
{
	char text[4096];
	text[read_file("/proc/meminfo", text, sizeof(text) - 1)] = '\0';
	const char *line = strstr(text, "MemAvailable:");
	return line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024 : 0;
}

static void answer_statistics(uint32_t id)
{
	uint8_t data[1 + 8 * AGENT_STATISTIC_COUNT];
	struct packer packer = {.data = data, .room = sizeof(data)};
	struct sysinfo info;
	struct timespec now;
	sysinfo(&info);
	clock_gettime(CLOCK_REALTIME, &now);
	const uint64_t figures[AGENT_STATISTIC_COUNT] = {
		[AGENT_STATISTIC_MEMORY_TOTAL] = (uint64_t)info.totalram * info.mem_unit,
		[AGENT_STATISTIC_MEMORY_FREE] = (uint64_t)info.freeram * info.mem_unit,
		[AGENT_STATISTIC_MEMORY_AVAILABLE] = available_memory(),
		[AGENT_STATISTIC_SWAP_TOTAL] = (uint64_t)info.totalswap * info.mem_unit,
		[AGENT_STATISTIC_SWAP_FREE] = (uint64_t)info.freeswap * info.mem_unit,
		[AGENT_STATISTIC_LOAD_1] = (uint64_t)info.loads[0] * 1000 >> SI_LOAD_SHIFT,
		[AGENT_STATISTIC_LOAD_5] = (uint64_t)info.loads[1] * 1000 >> SI_LOAD_SHIFT,
		[AGENT_STATISTIC_LOAD_15] = (uint64_t)info.loads[2] * 1000 >> SI_LOAD_SHIFT,
		[AGENT_STATISTIC_PROCESSES] = info.procs,
		[AGENT_STATISTIC_UPTIME_MS] = (uint64_t)now_ms(),
		[AGENT_STATISTIC_TIME_NS] = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
		[AGENT_STATISTIC_COMMANDS] = commands_count(),
	};
	pack_u8(&packer, AGENT_STATISTIC_COUNT);
	for (int i = 0; i < AGENT_STATISTIC_COUNT; i++)
		pack_u64(&packer, figures[i]);
	answer(id, 0, data, packer.used);
}

static void answer_mounts(uint32_t id)
{
	char text[AGENT_PAYLOAD_MAX - 4];
	answer(id, 0, text, read_file("/proc/mounts", text, sizeof(text)));
}

static int set_time(uint64_t ns)
{
	const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
	return clock_settime(CLOCK_REALTIME, &time) < 0 ? errno : 0;
}

static int add_entropy(const uint8_t *bytes, size_t size)
{
	struct {
		struct rand_pool_info info;
		uint32_t room[AGENT_ENTROPY_MAX / 4];
	} pool = {.info = {.entropy_count = (int)(8 * size), .buf_size = (int)size}};
	if (!size || size > AGENT_ENTROPY_MAX)
		return EINVAL;
	memcpy(pool.room, bytes, size);
	_cleanup_close_ int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0)
		return errno;
	/* At once, or a clone would go on for minutes with what its sisters have (random(4)). */
	ioctl(fd, RNDRESEEDCRNG);
	return 0;
}

/* Of all file systems that lie on a device. What is frozen twice is frozen once: EBUSY. */
static int freeze(bool thaws, uint32_t *out_count)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	int error = mounts ? 0 : errno;
	*out_count = 0;
	for (struct mntent *entry; mounts && (entry = getmntent(mounts));) {
		if (strncmp(entry->mnt_fsname, "/dev/", 5) != 0)
			continue;
		_cleanup_close_ int fd = open(entry->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (ioctl(fd, thaws ? FITHAW : FIFREEZE, 0) == 0)
			++*out_count;
		else if (!thaws && errno != EOPNOTSUPP && errno != EBUSY && errno != ENOTTY)
			error = errno;
	}
	if (mounts)
		endmntent(mounts);
	return error;
}

static void answer_freeze(uint32_t id, bool thaws)
{
	uint8_t data[4];
	struct packer packer = {.data = data, .room = sizeof(data)};
	uint32_t count;
	int error = freeze(thaws, &count);
	if (error && !thaws)
		freeze(true, &count);
	pack_u32(&packer, count);
	answer(id, error, data, sizeof(data));
}

static int begin_shutdown(unsigned how)
{
	if (how < AGENT_POWER_OFF || how > AGENT_HALT)
		return EINVAL;
	agent.shutdown = how;
	return 0;
}

static void change(uint32_t id, unsigned kind, struct unpacker *arguments)
{
	int error = EOPNOTSUPP;
	if (!agent.is_in_charge)
		/* A test, or one agent of several: the machine is not ours. */
		error = EPERM;
	else if (kind == AGENT_REQUEST_SET_TIME)
		error = set_time(unpack_u64(arguments));
	else if (kind == AGENT_REQUEST_ENTROPY)
		error = add_entropy(arguments->data, arguments->left);
	else if (kind == AGENT_REQUEST_SHUTDOWN)
		error = begin_shutdown(unpack_u8(arguments));
	else if (kind == AGENT_REQUEST_HOSTNAME)
		error = sethostname((const char *)arguments->data, arguments->left) < 0 ? errno : 0;
	answer(id, error, NULL, 0);
}

void request_take(uint32_t id, struct unpacker *arguments)
{
	unsigned kind = unpack_u8(arguments);
	switch (kind) {
	case AGENT_REQUEST_STATISTICS:
		answer_statistics(id);
		break;
	case AGENT_REQUEST_MOUNTS:
		answer_mounts(id);
		break;
	case AGENT_REQUEST_SYNC:
		sync();
		answer(id, 0, NULL, 0);
		break;
	case AGENT_REQUEST_FREEZE:
	case AGENT_REQUEST_THAW:
		if (agent.is_in_charge)
			answer_freeze(id, kind == AGENT_REQUEST_THAW);
		else
			answer(id, EPERM, NULL, 0);
		break;
	default:
		change(id, kind, arguments);
	}
}
