/* SPDX-License-Identifier: MIT */
/* Address spaces that share pages until one of them writes. Looks at the library from the inside. */
#include "support.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/memory/address_space.h"
#include "guest/memory/fault.h"
#include "guest/memory/memory.h"
#include "guest/memory/shared_memory.h"
#include "guest/vm/vm.h"

#define START 0x10000000ull

struct machine {
	struct vm vm;
	struct guest_memory memory;
	struct address_space parent, child;
};

static void set_up(struct machine *machine, uint64_t memory)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	const struct processor *processor;
	assert_ok(vm_init(&machine->vm, &processor));
	assert_ok(memory_init(&machine->memory, memory, machine->vm.vm_fd));
	assert_ok(space_init(&machine->parent, &machine->memory));
}

static void tear_down(struct machine *machine)
{
	space_release(&machine->parent);
	vm_release(&machine->vm);
	memory_release(&machine->memory);
}

static void map(struct address_space *space, uint64_t start, size_t pages, struct shared_memory *shared)
{
	struct area area = {.start = start,
			    .end = start + pages * GUEST_PAGE,
			    .protection = PROT_READ | PROT_WRITE,
			    .shared = shared};
	assert_ok(space_map(space, &area));
}

static void put(struct address_space *space, uint64_t address, int value)
{
	assert_ok(space_write(space, address, &value, sizeof(value)));
}

static int get(struct address_space *space, uint64_t address)
{
	int value = -1;
	assert_ok(space_read(space, &value, address, sizeof(value)));
	return value;
}

static void test_writes_stay_apart(void **state)
{
	struct machine machine;
	set_up(&machine, 8u << 20);
	map(&machine.parent, START, 20, NULL);
	for (int i = 0; i < 16; i++)
		put(&machine.parent, START + (uint64_t)i * GUEST_PAGE, i);
	assert_ok(space_copy(&machine.child, &machine.parent));
	uint64_t before = machine.memory.used;

	put(&machine.child, START, 100);
	put(&machine.parent, START + GUEST_PAGE, 101);
	put(&machine.parent, START + 19 * GUEST_PAGE, 119);
	assert_int_equal(get(&machine.parent, START), 0);
	assert_int_equal(get(&machine.child, START + GUEST_PAGE), 1);
	assert_int_equal(get(&machine.child, START + 19 * GUEST_PAGE), 0);
	for (int i = 2; i < 16; i++)
		assert_int_equal(get(&machine.child, START + (uint64_t)i * GUEST_PAGE), i);
	assert_true(machine.memory.used >= before + 2);

	/* The one that is left may write to what was shared without a copy. */
	space_destroy(&machine.child);
	assert_int_equal(machine.memory.owners.shared, 0);
	before = machine.memory.used;
	for (int i = 0; i < 16; i++)
		put(&machine.parent, START + (uint64_t)i * GUEST_PAGE, i + 200);
	assert_int_equal(machine.memory.used, before);
	tear_down(&machine);
}

/* The guest's own write is a fault, as is one after mprotect(2) has given the right back. */
static void test_faults_and_rights(void **state)
{
	struct machine machine;
	set_up(&machine, 8u << 20);
	map(&machine.parent, START, 2, NULL);
	put(&machine.parent, START, 1);
	assert_ok(space_copy(&machine.child, &machine.parent));
	assert_false(paging_is_writable(*paging_entry(&machine.child.tables, START, false)));
	assert_ok(space_protect(&machine.child, START, START + GUEST_PAGE, PROT_READ));
	assert_int_equal(space_fault(&machine.child, START, PROT_WRITE), -EFAULT);
	assert_ok(space_protect(&machine.child, START, START + GUEST_PAGE, PROT_READ | PROT_WRITE));
	assert_false(paging_is_writable(*paging_entry(&machine.child.tables, START, false)));
	assert_ok(space_fault(&machine.child, START, PROT_READ));
	assert_false(paging_is_writable(*paging_entry(&machine.child.tables, START, false)));
	assert_ok(space_fault(&machine.child, START, PROT_WRITE));
	assert_true(paging_is_writable(*paging_entry(&machine.child.tables, START, false)));
	put(&machine.child, START, 2);
	assert_int_equal(get(&machine.parent, START), 1);
	space_destroy(&machine.child);
	tear_down(&machine);
}

static void test_host_writes_in_place(void **state)
{
	struct machine machine;
	struct iovec pieces[4];
	size_t size;
	set_up(&machine, 8u << 20);
	map(&machine.parent, START, 4, NULL);
	for (int i = 0; i < 4; i++)
		put(&machine.parent, START + (uint64_t)i * GUEST_PAGE, i);
	assert_ok(space_copy(&machine.child, &machine.parent));
	int count = space_pieces(&machine.child, START, 4 * GUEST_PAGE, PROT_WRITE, pieces, 4, &size);
	assert_true(count > 0 && size == 4 * GUEST_PAGE);
	for (int i = 0; i < count; i++)
		memset(pieces[i].iov_base, 0xff, pieces[i].iov_len);
	for (int i = 0; i < 4; i++)
		assert_int_equal(get(&machine.parent, START + (uint64_t)i * GUEST_PAGE), i);
	assert_int_equal(get(&machine.child, START), -1);
	space_destroy(&machine.child);
	tear_down(&machine);
}

static void test_discard_and_move(void **state)
{
	struct machine machine;
	set_up(&machine, 8u << 20);
	map(&machine.parent, START, 4, NULL);
	for (int i = 0; i < 4; i++)
		put(&machine.parent, START + (uint64_t)i * GUEST_PAGE, i + 1);
	assert_ok(space_copy(&machine.child, &machine.parent));
	space_discard(&machine.child, START, START + GUEST_PAGE);
	assert_int_equal(get(&machine.child, START), 0);
	assert_int_equal(get(&machine.parent, START), 1);

	map(&machine.child, 2 * START, 4, NULL);
	assert_ok(space_move_pages(&machine.child, START + GUEST_PAGE, 2 * START, GUEST_PAGE));
	assert_int_equal(get(&machine.child, 2 * START), 2);
	put(&machine.child, 2 * START, 20);
	assert_int_equal(get(&machine.parent, START + GUEST_PAGE), 2);
	assert_int_equal(get(&machine.child, START + GUEST_PAGE), 0);
	assert_ok(space_unmap(&machine.child, START, START + 4 * GUEST_PAGE));
	assert_int_equal(get(&machine.parent, START + 3 * GUEST_PAGE), 4);
	space_destroy(&machine.child);
	tear_down(&machine);
}

static void test_shared_areas(void **state)
{
	struct machine machine;
	set_up(&machine, 8u << 20);
	struct shared_memory *shared = shared_memory_new(&machine.memory, 40);
	assert_non_null(shared);
	map(&machine.parent, START, 40, shared);
	shared_memory_unref(shared);
	put(&machine.parent, START, 1);
	assert_ok(space_copy(&machine.child, &machine.parent));
	/* Also where nobody had been before the copy. */
	put(&machine.child, START, 2);
	put(&machine.child, START + 30 * GUEST_PAGE, 3);
	assert_int_equal(get(&machine.parent, START), 2);
	assert_int_equal(get(&machine.parent, START + 30 * GUEST_PAGE), 3);
	/* The contents outlive the pages of one of the two. */
	space_discard(&machine.parent, START, START + 40 * GUEST_PAGE);
	assert_int_equal(get(&machine.parent, START), 2);
	assert_ok(space_unmap(&machine.parent, START, START + 20 * GUEST_PAGE));
	assert_int_equal(get(&machine.child, START), 2);
	assert_int_equal(get(&machine.parent, START + 30 * GUEST_PAGE), 3);
	assert_null(shared_memory_new(&machine.memory, (8u << 20) / GUEST_PAGE + 1));
	space_destroy(&machine.child);
	assert_ok(space_unmap(&machine.parent, START, START + 40 * GUEST_PAGE));
	assert_int_equal(machine.memory.owners.shared, 0);
	tear_down(&machine);
}

/* Copies of copies, again and again: nothing may be lost on the way, and the end of memory is met in order. */
static void test_nothing_is_lost(void **state)
{
	struct machine machine;
	struct address_space copies[16];
	set_up(&machine, 8u << 20);
	map(&machine.parent, START, 64, NULL);
	for (int i = 0; i < 64; i++)
		put(&machine.parent, START + (uint64_t)i * GUEST_PAGE, i);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 16; i++) {
			assert_ok(space_copy(&copies[i], i ? &copies[i - 1] : &machine.parent));
			put(&copies[i], START + (uint64_t)i * GUEST_PAGE, 1000 + i);
		}
		for (int i = 0; i < 16; i++)
			assert_int_equal(get(&copies[15], START + (uint64_t)i * GUEST_PAGE), 1000 + i);
		for (int i = 0; i < 16; i++)
			space_destroy(&copies[(i * 7) % 16]);
	}
	assert_int_equal(machine.memory.owners.shared, 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(get(&machine.parent, START + (uint64_t)i * GUEST_PAGE), i);

	map(&machine.parent, 2 * START, 1200, NULL);
	for (int i = 0; i < 1200; i++)
		put(&machine.parent, 2 * START + (uint64_t)i * GUEST_PAGE, i);
	assert_ok(space_copy(&machine.child, &machine.parent));
	int r = 0, i = 0;
	for (; i < 1200 && r == 0; i++)
		r = space_write(&machine.child, 2 * START + (uint64_t)i * GUEST_PAGE, &i, sizeof(i));
	assert_int_equal(r, -EFAULT);
	assert_true(machine.child.out_of_memory);
	space_destroy(&machine.child);
	for (i = 0; i < 1200; i++)
		assert_int_equal(get(&machine.parent, 2 * START + (uint64_t)i * GUEST_PAGE), i);
	tear_down(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_stay_apart),    cmocka_unit_test(test_faults_and_rights),
		cmocka_unit_test(test_host_writes_in_place), cmocka_unit_test(test_discard_and_move),
		cmocka_unit_test(test_shared_areas),         cmocka_unit_test(test_nothing_is_lost),
	};
	return cmocka_run_group_tests_name("guest copy-on-write", tests, NULL, NULL);
}
