/* SPDX-License-Identifier: MIT */
/* The filter for devices. */
#include "groups.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Which of a container's own devices can be opened; the root of the tests has none beside them. */
static const char own[] =
	"for i in null zero full random urandom; do : </dev/$i && echo $i; done; : >/dev/null && echo w";

static void test_own_devices(void **state)
{
	struct box *box = box_open(state);
	/* One that is not there turns the filter on. */
	assert_ok(viso_container_allow_device(box->container, 'c', 10, 200, "rw"));
	skip_without_controller(box, "devices");
	assert_prints(box, shell(own), "null\nzero\nfull\nrandom\nurandom\nw\n");
}

/* A device of the host that everybody may read, and that no container has of its own. */
static int open_host_device(unsigned *out_major, unsigned *out_minor)
{
	static const char *const candidates[] = {"/dev/autofs", "/dev/fuse", "/dev/net/tun", "/dev/kvm"};
	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		struct stat st;
		if (stat(candidates[i], &st) == 0 && (st.st_mode & 04)) {
			*out_major = major(st.st_rdev);
			*out_minor = minor(st.st_rdev);
			return open(candidates[i], O_RDONLY | O_CLOEXEC);
		}
	}
	return -1;
}

/* Opens again what was handed in as fd 5, which takes the mount of the root, with nodev, out of the way. */
static void assert_reopens(struct box *box, int fd, const char *expected)
{
	viso_command *command = shell("(: </proc/self/fd/5) 2>/dev/null && echo reads; echo end");
	assert_ok(viso_command_add_fd(command, fd, 5));
	assert_prints(box, command, expected);
}

static void test_other_devices(void **state)
{
	struct box *box = box_open(state);
	unsigned major_number = 0, minor_number = 0;
	int fd = open_host_device(&major_number, &minor_number);
	skip_without(fd >= 0, "a device that everybody may read (autofs, fuse, tun, kvm)");
	/* It can be opened as long as nobody filters. */
	assert_reopens(box, fd, "reads\nend\n");

	struct box *filtered = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_allow_device(filtered->container, 'b', -1, -1, "r"));
	skip_without_controller(filtered, "devices");
	assert_reopens(filtered, fd, "end\n");
	box_close(filtered);

	filtered = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_allow_device(filtered->container, 'c', (int)major_number, (int)minor_number, "r"));
	assert_reopens(filtered, fd, "reads\nend\n");
	box_close(filtered);

	filtered = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_allow_device(filtered->container, 'c', (int)major_number, (int)minor_number, "wm"));
	assert_reopens(filtered, fd, "end\n");
	box_close(filtered);

	filtered = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_allow_device(filtered->container, 'c', (int)major_number, (int)minor_number + 1, "r"));
	assert_ok(viso_container_allow_device(filtered->container, 'a', (int)major_number, -1, "rwm"));
	assert_reopens(filtered, fd, "reads\nend\n");
	box_close(filtered);
	close(fd);
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_container *container = box->container;
	assert_fails(viso_container_allow_device(container, 'd', 1, 3, "r"), EINVAL, VISO_STAGE_ARGUMENT,
		     "allow_device");
	assert_fails(viso_container_allow_device(container, '\0', 1, 3, "r"), EINVAL, VISO_STAGE_ARGUMENT,
		     "allow_device");
	assert_fails(viso_container_allow_device(container, 'c', -2, 3, "r"), EINVAL, VISO_STAGE_ARGUMENT,
		     "allow_device");
	assert_fails(viso_container_allow_device(container, 'c', 1, 1 << 20, "r"), EINVAL, VISO_STAGE_ARGUMENT,
		     "allow_device");
	assert_fails(viso_container_allow_device(container, 'c', 1, 3, ""), EINVAL, VISO_STAGE_ARGUMENT,
		     "allow_device");
	assert_fails(viso_container_allow_device(container, 'c', 1, 3, "x"), EINVAL, VISO_STAGE_ARGUMENT,
		     "allow_device");
	assert_fails(viso_container_allow_device(container, 'c', 1, 3, NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "allow_device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_own_devices),
		AT_CONTAINER(test_other_devices),
		AT_CONTAINER(test_arguments),
	};
	return cmocka_run_group_tests_name("devices", tests, NULL, box_group_teardown);
}
