/* SPDX-License-Identifier: MIT */
/* Giving pages to the guest's areas when they are touched, by the guest or by the host on its behalf. */
#ifndef GUEST_MEMORY_FAULT_H
#define GUEST_MEMORY_FAULT_H

#include <sys/types.h>
#include <sys/uio.h>

#include "guest/memory/address_space.h"

/*
 * The guest touches `address`; `access` is PROT_READ, PROT_WRITE or PROT_EXEC. 0 where it may go on; -EFAULT where
 * Linux would send SIGSEGV, -EIO where SIGBUS; -ENOMEM, with space->out_of_memory set, where no page is left.
 */
int space_fault(struct address_space *space, uint64_t address, unsigned access);

/* Copies between the host and the guest, checked like a touch by the guest. 0 or -EFAULT. */
int space_read(struct address_space *space, void *out, uint64_t address, size_t size);
int space_write(struct address_space *space, uint64_t address, const void *data, size_t size);

/* Whether space_read() would succeed. */
bool space_can_read(struct address_space *space, uint64_t address, size_t size);

/*
 * Copies a string of at most `max` - 1 bytes with its NUL. Its length, -EFAULT, or -ENAMETOOLONG where there is no NUL.
 */
ssize_t space_read_string(struct address_space *space, char *out, uint64_t address, size_t max);

/*
 * Where the bytes of a guest buffer lie in the host: at most `max` pieces, in order. Fewer bytes where the buffer is
 * longer than that or partly unreachable. The number of pieces; -EFAULT where not even the first byte is reachable.
 * `*out_size` is the number of bytes in them.
 */
int space_pieces(struct address_space *space, uint64_t address, uint64_t size, unsigned access, struct iovec *out,
		 int max, size_t *out_size);

#endif
