/* SPDX-License-Identifier: MIT */
/*
 * Drivers, tools and paravirtual features: of machines made in guests.c; with every source of each of them refused or
 * taken away in turn; from captured directories that an enemy made; and of the machine that runs this.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

#include "guests.h"
#include "machine/drivers/drivers.h"
#include "machine/drivers/paravirtual.h"
#include "machine/drivers/tools.h"
#include "refusing.h"

/* Of what another program of this machine may disturb. */
enum { ATTEMPTS = 30 };

static char *parent, place[256];

static int set_up(void **state)
{
	/* In memory, since there are many of them. */
	setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 1);
	parent = support_temporary_directory();
	snprintf(place, sizeof(place), "%s/machine", parent);
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(parent);
	free(parent);
	return 0;
}

static int clear(void **state)
{
	if (access(place, F_OK) == 0)
		support_remove_tree(place);
	return 0;
}

static int number_of(const viso_machine *machine, const char *driver)
{
	for (int i = 0; i < viso_machine_driver_count(machine); i++)
		if (!strcmp(viso_machine_driver_name(machine, i), driver))
			return i;
	return -1;
}

static int tool_number(const viso_machine *machine, const char *tool)
{
	for (int i = 0; i < viso_machine_tool_count(machine); i++)
		if (!strcmp(viso_machine_tool_name(machine, i), tool))
			return i;
	return -1;
}

static void test_the_tables_are_sound(void **state)
{
	for (size_t i = 0; i < module_count; i++) {
		const struct module *module = &modules[i];
		bool is_follower_behind = !module->follows;
		assert_true(module->aliases[0] || module->follows || module->by_hypervisor);
		assert_null(module->aliases[ALIASES_MAX - 1]);
		assert_true(module->option && module->purpose && viso_family_name(module->family));
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(modules[j].name, module->name);
			is_follower_behind |= module->follows && !strcmp(modules[j].name, module->follows);
		}
		assert_true(is_follower_behind);
		for (int j = 0; j < DRIVERS_MAX && module->drivers[j]; j++)
			assert_non_null(strchr(module->drivers[j], '/'));
	}
	for (size_t i = 0; i < tool_kind_count; i++)
		assert_true(!!tool_kinds[i].port + !!tool_kinds[i].file + tool_kinds[i].by_hypervisor == 1);
	for (int i = 0; i < DISTRIBUTION_UNKNOWN; i++)
		for (int j = BROUGHT_KERNEL; j <= BROUGHT_XEN; j++)
			assert_non_null(distribution_package((enum distribution)i, (enum brought)j));
}

static const char *expected(const struct guest_expectation *list, int count, const char *name, const char *otherwise)
{
	for (int i = 0; i < count && list[i].name; i++)
		if (!strcmp(list[i].name, name) || !strcmp(list[i].name, "*"))
			return list[i].value;
	return otherwise;
}

static int check(const char *title, const char *what, const char *wanted, const char *got)
{
	if (!strcmp(wanted, got))
		return 0;
	print_error("%s: %s is '%s', not '%s'\n", title, what, got, wanted);
	return 1;
}

static int check_drivers(const struct guest_machine *guest, const viso_machine *machine)
{
	int wrong = 0;
	for (int i = 0; i < viso_machine_driver_count(machine); i++) {
		const char *name = viso_machine_driver_name(machine, i);
		const char *wanted = expected(guest->drivers, 12, name, "not applicable");
		int state = viso_machine_driver_state(machine, i);
		wrong += check(guest->title, name, wanted, viso_driver_state_name((viso_driver_state)state));
		assert_true(strlen(viso_machine_driver_detail(machine, i)) > 10);
		if (state != VISO_DRIVER_NOT_APPLICABLE)
			assert_true(viso_machine_driver_evidence_count(machine, i) > 0);
		for (int j = 0; j < viso_machine_driver_evidence_count(machine, i); j++)
			assert_non_null(strstr(viso_machine_driver_evidence(machine, i, j), ": "));
	}
	return wrong;
}

static int check_tools(const struct guest_machine *guest, const viso_machine *machine)
{
	int wrong = 0;
	for (int i = 0; i < viso_machine_tool_count(machine); i++) {
		char text[64];
		snprintf(text, sizeof(text), "%s %s %s",
			 viso_answer_name((viso_answer)viso_machine_tool(machine, i, VISO_TOOL_INSTALLED)),
			 viso_answer_name((viso_answer)viso_machine_tool(machine, i, VISO_TOOL_RUNNING)),
			 viso_answer_name((viso_answer)viso_machine_tool(machine, i, VISO_TOOL_CHANNEL)));
		for (int j = 0; j <= VISO_TOOL_CHANNEL; j++)
			assert_non_null(strstr(viso_machine_tool_evidence(machine, i, (viso_tool_aspect)j), ": "));
		if (!strncmp(guest->families, "?", 1)) /* they differ in what could be read */
			continue;
		wrong += check(guest->title, viso_machine_tool_name(machine, i),
			       expected(guest->tools, 6, viso_machine_tool_name(machine, i), "no no no"), text);
	}
	return wrong;
}

static int check_rest(const struct guest_machine *guest, const viso_machine *machine)
{
	char families[128] = "", text[256] = "";
	int wrong = 0;
	for (int i = 0; viso_family_name((viso_family)i); i++) {
		int answer = viso_machine_family(machine, (viso_family)i);
		if (answer != VISO_ANSWER_NO)
			snprintf(families + strlen(families), sizeof(families) - strlen(families), "%s%s%s",
				 *families ? " " : "", answer == VISO_ANSWER_UNKNOWN ? "?" : "",
				 viso_family_name((viso_family)i));
	}
	wrong += check(guest->title, "the families", guest->families, families);
	wrong += check(guest->title, "the way of hypercalls", guest->way,
		       viso_hypercall_way_name((viso_hypercall_way)viso_machine_hypercall(machine)));
	if (guest->package) {
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(guest->package, ":"), guest->package);
		int driver = number_of(machine, text), tool = tool_number(machine, text);
		const char *package = driver >= 0 ? viso_machine_driver_package(machine, driver)
						  : viso_machine_tool_package(machine, tool);
		wrong += check(guest->title, "the package", strchr(guest->package, ':') + 2, package);
	}
	return wrong;
}

static void test_guests_are_as_they_were_made(void **state)
{
	int wrong = 0;
	for (int i = 0; i < guest_machine_count; i++) {
		guest_machine_make(&guest_machines[i], place);
		viso_machine *machine = viso_machine_new_from(place);
		assert_non_null(machine);
		wrong += check_drivers(&guest_machines[i], machine) + check_tools(&guest_machines[i], machine) +
			 check_rest(&guest_machines[i], machine);
		viso_machine_unref(machine);
		support_remove_tree(place);
	}
	assert_int_equal(wrong, 0);
}

static const struct guest_machine *guest_called(const char *title)
{
	for (int i = 0; i < guest_machine_count; i++)
		if (!strcmp(guest_machines[i].title, title))
			return &guest_machines[i];
	fail_msg("no machine is called %s", title);
	return NULL;
}

static void test_devices_tell_what_they_are_bound_to(void **state)
{
	guest_machine_make(guest_called("a device that was given to another driver"), place);
	viso_machine *machine = viso_machine_new_from(place);
	int driver = number_of(machine, "virtio_pci");
	assert_int_equal(viso_machine_driver_device_count(machine, driver), 1);
	assert_string_equal(viso_machine_driver_device(machine, driver, 0), "pci/0000:00:03.0");
	assert_string_equal(viso_machine_driver_bound(machine, driver, 0), "vfio-pci");
	assert_non_null(strstr(viso_machine_driver_device_alias(machine, driver, 0), "d00001041"));
	assert_null(viso_machine_driver_device(machine, driver, 1));
	assert_int_equal(viso_error_number(), EINVAL);
	viso_machine_unref(machine);
}

static void test_a_container_says_whose_modules_they_are(void **state)
{
	guest_machine_make(guest_called("KVM seen from a container"), place);
	viso_machine *machine = viso_machine_new_from(place);
	int driver = number_of(machine, "virtio_gpu");
	assert_non_null(strstr(viso_machine_driver_detail(machine, driver), "the host's kernel"));
	assert_string_equal(viso_machine_driver_package(machine, driver), "");
	viso_machine_unref(machine);
}

static int paravirtual_number(const char *name)
{
	for (int i = 0; paravirtual_name(i); i++)
		if (!strcmp(paravirtual_name(i), name))
			return i;
	fail_msg("no feature is called %s", name);
	return -1;
}

static void test_features_of_kvm(void **state)
{
	static const struct {
		const char *name;
		viso_answer offered, used;
	} wanted[] = {
		{"clock 2", VISO_ANSWER_YES, VISO_ANSWER_YES},
		{"steal time", VISO_ANSWER_YES, VISO_ANSWER_UNKNOWN},
		{"waking of spinning processors", VISO_ANSWER_YES, VISO_ANSWER_NO},
		{"asynchronous page faults by interrupt", VISO_ANSWER_NO, VISO_ANSWER_NO},
		{"clock that is the same on all processors", VISO_ANSWER_YES, VISO_ANSWER_UNKNOWN},
		{"polling before halt", VISO_ANSWER_NO, VISO_ANSWER_NO},
	};
	guest_machine_make(guest_called("KVM with modules loaded"), place);
	viso_machine *machine = viso_machine_new_from(place);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int feature = paravirtual_number(wanted[i].name);
		print_message("# %s: %s\n", wanted[i].name, viso_machine_paravirtual_detail(machine, feature));
		assert_int_equal(viso_machine_paravirtual_offered(machine, feature), wanted[i].offered);
		assert_int_equal(viso_machine_paravirtual_used(machine, feature), wanted[i].used);
	}
	viso_machine_unref(machine);
}

/* All that is found by a provider. */
struct found {
	struct machine_drivers *drivers;
	struct tool *tools;
	struct paravirtual *paravirtual;
};

static struct found find(struct provider *provider)
{
	struct found found = {.drivers = machine_drivers_new(provider)};
	assert_non_null(found.drivers);
	found.tools = tools_new(provider, found.drivers);
	found.paravirtual = paravirtual_new(provider);
	assert_true(found.tools && found.paravirtual);
	return found;
}

static void forget(struct found *found)
{
	machine_drivers_free(found->drivers);
	tools_free(found->tools);
	free(found->paravirtual);
}

static bool turned(viso_answer before, viso_answer after)
{
	return (before == VISO_ANSWER_YES && after == VISO_ANSWER_NO) ||
	       (before == VISO_ANSWER_NO && after == VISO_ANSWER_YES);
}

/* What cannot be read makes things unknown; it turns no answer round. */
static int count_turned(const char *title, const char *source, const struct found *truth, const struct found *found)
{
	int wrong = 0;
	for (size_t i = 0; i < module_count; i++) {
		viso_driver_state before = truth->drivers->drivers[i].state, after = found->drivers->drivers[i].state;
		bool is_fine = before == after || after == VISO_DRIVER_UNKNOWN ||
			       /* Another source tells less: loaded, or a part of the kernel? The device is bound. */
			       (before == VISO_DRIVER_LOADED && after == VISO_DRIVER_BUILT_IN) ||
			       /* Known to be there by another source alone. */
			       (before == VISO_DRIVER_UNKNOWN && after != VISO_DRIVER_MISSING);
		if (!is_fine)
			print_error("%s without %s: %s is %s instead of %s\n", title, source, modules[i].name,
				    viso_driver_state_name(after), viso_driver_state_name(before));
		wrong += !is_fine;
	}
	for (int i = 0; i < FAMILIES; i++)
		wrong += turned(truth->drivers->families[i], found->drivers->families[i]);
	for (size_t i = 0; i < tool_kind_count; i++)
		for (int j = 0; j < TOOL_ASPECTS; j++)
			if (turned(truth->tools[i].aspects[j].answer, found->tools[i].aspects[j].answer)) {
				print_error("%s without %s: %s turned\n", title, source, tool_kinds[i].name);
				wrong++;
			}
	for (int i = 0; paravirtual_name(i); i++)
		wrong += turned(truth->paravirtual->features[i].offered, found->paravirtual->features[i].offered) +
			 turned(truth->paravirtual->features[i].used, found->paravirtual->features[i].used);
	return wrong;
}

static int refuse_each(const char *title, struct refusing *refusing, struct provider *provider)
{
	int wrong = 0;
	struct found truth = find(provider);
	int sources = refusing->count;
	assert_true(sources > 10 && sources < SOURCES_MAX);
	for (int i = 0; i < sources; i++) {
		char source[SOURCE_SIZE];
		snprintf(source, sizeof(source), "%s", refusing->sources[i]);
		/* One directory of programs is as good as another. */
		if (!strncmp(source, "/usr/local/", 11) || !strncmp(source, "/usr/l", 6) || strstr(source, "sbin/"))
			continue;
		refusing->refused = source;
		refusing->error = -EACCES;
		struct found found = find(provider);
		wrong += count_turned(title, source, &truth, &found);
		forget(&found);
		/* Gone without a trace: nothing can be said but that nothing breaks. */
		refusing->error = -ENOENT;
		machine_drivers_free(machine_drivers_new(provider));
	}
	forget(&truth);
	return wrong;
}

static void test_no_refused_source_turns_an_answer(void **state)
{
	int wrong = 0;
	for (int i = 0; i < guest_machine_count; i++) {
		struct refusing refusing;
		struct provider provider;
		guest_machine_make(&guest_machines[i], place);
		assert_int_equal(provider_init_captured(&refusing.inner, place), 0);
		refusing_init(&refusing, &provider);
		wrong += refuse_each(guest_machines[i].title, &refusing, &provider);
		refusing_release(&refusing);
		provider_release(&refusing.inner);
		support_remove_tree(place);
	}
	assert_int_equal(wrong, 0);
}

static void write_hostile(const char *path, const char *bytes, size_t size)
{
	char whole[512];
	snprintf(whole, sizeof(whole), "%s/%s", place, path);
	for (char *slash = strchr(whole + strlen(place) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(whole, 0755);
		*slash = '/';
	}
	int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void write_hostile_text(const char *path, const char *text)
{
	write_hostile(path, text, strlen(text));
}

static void assert_printable(const char *text)
{
	assert_non_null(text);
	for (const char *c = text; *c; c++)
		assert_true(*c >= ' ' && *c <= '~');
}

/* A captured directory comes from anybody: endless lines, bytes that are no text, links that lead out, pipes. */
static void test_hostile_directories(void **state)
{
	static char bytes[300000];
	char path[600];
	struct strings none = {0};
	assert_int_equal(mkdir(place, 0755), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 131 + i / 7);
	write_hostile("proc/modules", bytes, sizeof(bytes));
	write_hostile("proc/interrupts", bytes, sizeof(bytes));
	write_hostile_text("proc/stat", "cpu 99999999999999999999999999 1 1 1 1 1 1 99999999999999999999999999 1\n");
	write_hostile("etc/os-release", bytes, sizeof(bytes));
	write_hostile_text("uname", "Linux\nx\n../../../../../etc\n#1\nx86_64\n");
	write_hostile_text(
		"cpuid",
		"1 0: 0 0 ffffffff 0\n40000000 0: ffffffff 4b4d564b 564b4d56 4d\n40000001 0: ffffffff 0 0 0\n");
	write_hostile("proc/1/comm", bytes, 4000);
	write_hostile_text("proc/99999999999999999999999/comm", "qemu-ga\n");
	for (int i = 0; i < 500; i++) {
		char alias[700];
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%d\x1b[31m/modalias", i);
		int length = snprintf(alias, sizeof(alias), "pci:v00001AF4d00001041sv%0*d[\xff\n", i + 1, i);
		write_hostile(path, alias, (size_t)length);
		snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%d\x1b[31m/driver", place, i);
		assert_int_equal(symlink("../drivers/\x1b[32m\xc0", path), 0);
	}
	snprintf(path, sizeof(path), "%s/sys/bus/virtio", place);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/sys/bus/virtio/devices", place);
	assert_int_equal(symlink("/", path), 0);
	snprintf(path, sizeof(path), "%s/sys/bus/acpi", place);
	assert_int_equal(mkfifo(path, 0644), 0);
	snprintf(path, sizeof(path), "%s/lib/modules", place);
	write_hostile_text("lib/x", "");
	assert_int_equal(symlink("../../../../../../../lib/modules", path), 0);

	viso_machine *machine = viso_machine_new_from(place);
	assert_non_null(machine);
	int driver = number_of(machine, "virtio_pci");
	assert_int_equal(viso_machine_driver_device_count(machine, driver), 500);
	for (int i = 0; i < viso_machine_driver_evidence_count(machine, driver); i++)
		assert_null(strchr(viso_machine_driver_evidence(machine, driver, i), '\x1b'));
	assert_int_equal(viso_machine_driver_state(machine, driver), VISO_DRIVER_UNKNOWN);
	assert_true(viso_machine_tool(machine, 0, VISO_TOOL_RUNNING) >= 0);
	assert_int_equal(viso_machine_hypercall(machine), VISO_HYPERCALL_WAY_KVM);
	for (int i = 0; i < viso_machine_driver_device_count(machine, driver); i++) {
		assert_printable(viso_machine_driver_device(machine, driver, i));
		assert_printable(viso_machine_driver_device_alias(machine, driver, i));
		assert_printable(viso_machine_driver_bound(machine, driver, i));
	}
	viso_machine_unref(machine);
	strings_clear(&none);
}

/* Twice the largest that is read, without taking that room on the disk. */
static void test_files_that_are_too_large_are_not_read(void **state)
{
	char path[600];
	guest_machine_make(guest_called("KVM with modules loaded"), place);
	snprintf(path, sizeof(path), "%s/lib/modules/6.1.0/modules.dep", place);
	assert_int_equal(truncate(path, 64 << 20), 0);
	viso_machine *machine = viso_machine_new_from(place);
	int driver = number_of(machine, "virtio_gpu");
	assert_int_equal(viso_machine_driver_state(machine, driver), VISO_DRIVER_UNKNOWN);
	int last = viso_machine_driver_evidence_count(machine, driver) - 1;
	assert_non_null(strstr(viso_machine_driver_evidence(machine, driver, last), "EFBIG"));
	viso_machine_unref(machine);
}

/* Against other ways of finding out. */
static void test_this_machine(void **state)
{
	viso_machine *machine = viso_machine_new();
	for (int i = 0; i < viso_machine_driver_count(machine); i++) {
		char command[256];
		int devices = viso_machine_driver_device_count(machine, i), bound = 0;
		int driver_state = viso_machine_driver_state(machine, i);
		for (int j = 0; j < devices; j++) {
			const char *name = viso_machine_driver_device(machine, i, j);
			snprintf(command, sizeof(command), "grep -qixF -e '%s' /sys/bus/%.*s/devices/%s/modalias",
				 viso_machine_driver_device_alias(machine, i, j), (int)strcspn(name, "/"), name,
				 strchr(name, '/') + 1);
			assert_int_equal(system(command), 0);
			bound += *viso_machine_driver_bound(machine, i, j) != '\0';
		}
		if (driver_state == VISO_DRIVER_LOADED || driver_state == VISO_DRIVER_BUILT_IN)
			print_message("# %s %s, %d of %d devices bound\n", viso_machine_driver_name(machine, i),
				      viso_driver_state_name((viso_driver_state)driver_state), bound, devices);
		if (driver_state == VISO_DRIVER_LOADED) {
			snprintf(command, sizeof(command), "grep -q '^%s ' /proc/modules",
				 viso_machine_driver_name(machine, i));
			assert_int_equal(system(command), 0);
		}
		if (driver_state == VISO_DRIVER_MISSING)
			assert_true(bound == 0 || number_of(machine, "virtio_pci") == i);
	}
	viso_machine_unref(machine);
}

/* The first of what the two are compared by that is not the same; NULL where all is. */
#define UNLESS_SAME(ask, ...)                                                                                          \
	do {                                                                                                           \
		if (ask(a, ##__VA_ARGS__) != ask(b, ##__VA_ARGS__))                                                    \
			return #ask;                                                                                   \
	} while (0)
#define UNLESS_SAME_TEXT(ask, ...)                                                                                     \
	do {                                                                                                           \
		if (strcmp(ask(a, __VA_ARGS__), ask(b, __VA_ARGS__)) != 0)                                             \
			return #ask;                                                                                   \
	} while (0)

static const char *other_drivers(const viso_machine *a, const viso_machine *b)
{
	for (int i = 0; i < viso_machine_driver_count(a); i++) {
		UNLESS_SAME(viso_machine_driver_state, i);
		UNLESS_SAME_TEXT(viso_machine_driver_detail, i);
		UNLESS_SAME(viso_machine_driver_evidence_count, i);
		for (int j = 0; j < viso_machine_driver_evidence_count(a, i); j++)
			UNLESS_SAME_TEXT(viso_machine_driver_evidence, i, j);
	}
	for (int i = 0; i < viso_machine_tool_count(a); i++)
		for (int j = 0; j <= VISO_TOOL_CHANNEL; j++)
			UNLESS_SAME(viso_machine_tool, i, (viso_tool_aspect)j);
	for (int i = 0; i < viso_machine_paravirtual_count(a); i++)
		UNLESS_SAME(viso_machine_paravirtual_offered, i);
	return NULL;
}

static const char *other_layers(const viso_machine *a, const viso_machine *b)
{
	UNLESS_SAME(viso_machine_hypercall);
	UNLESS_SAME(viso_machine_layer_count);
	UNLESS_SAME(viso_machine_refuted_count);
	for (int i = 0; i < viso_machine_layer_count(a) + viso_machine_refuted_count(a); i++) {
		UNLESS_SAME_TEXT(viso_machine_layer_id, i);
		UNLESS_SAME(viso_machine_layer_confidence, i);
		UNLESS_SAME(viso_machine_evidence_count, i);
		for (int j = 0; j < viso_machine_evidence_count(a, i); j++) {
			UNLESS_SAME_TEXT(viso_machine_evidence_source, i, j);
			UNLESS_SAME_TEXT(viso_machine_evidence_value, i, j);
		}
	}
	return NULL;
}

/* Between the two looks another test may have started or ended an agent: then it is to be captured once more. */
static bool is_captured(int attempts_left)
{
	viso_machine *here = viso_machine_new(), *captured = viso_machine_new_from(place);
	const char *other = other_drivers(here, captured);
	if (!other)
		other = other_layers(here, captured);
	viso_machine_unref(here);
	viso_machine_unref(captured);
	if (other)
		print_message("# not the same: %s\n", other);
	if (other && !attempts_left)
		fail_msg("what was captured is another machine: %s", other);
	return !other;
}

static void test_a_captured_machine_is_the_same(void **state)
{
	int fds = support_count_fds(), left = ATTEMPTS;
	do {
		clear(state);
		assert_ok(viso_machine_capture(place));
	} while (!is_captured(--left));
	support_assert_nothing_left(fds);
}

static void test_captured_files_hold_no_secret(void **state)
{
	char command[512];
	setenv("VISO_SECRET", "dont-write-me-down", 1);
	/* /proc/self/environ is as it was at the start: a program that starts with it. */
	pid_t pid = fork();
	if (pid == 0)
		_exit(execl("/proc/self/exe", "test", "--capture", place, NULL));
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	snprintf(command, sizeof(command), "grep -rq dont-write-me-down %s", place);
	assert_int_not_equal(system(command), 0);
	struct stat seen;
	assert_int_equal(stat(place, &seen), 0);
	assert_int_equal(seen.st_mode & 0777, 0700);
	unsetenv("VISO_SECRET");
}

static void test_where_a_machine_is_captured_to(void **state)
{
	int fds = support_count_fds();
	assert_fails(viso_machine_capture(NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_machine_capture");
	assert_fails(viso_machine_capture("/proc/self/status"), ENOTDIR, VISO_STAGE_MACHINE, "/proc/self/status");
	assert_fails(viso_machine_capture("/nonexistent/x"), ENOENT, VISO_STAGE_MACHINE, "/nonexistent");
	assert_int_equal(mkdir(place, 0755), 0);
	assert_fails(viso_machine_capture(parent), ENOTEMPTY, VISO_STAGE_MACHINE, parent);
	assert_ok(viso_machine_capture(place));
	assert_fails(viso_machine_capture(place), ENOTEMPTY, VISO_STAGE_MACHINE, place);
	support_assert_nothing_left(fds);
}

/*
 * Somebody else who may write to the directory waits until the capture has begun, and lays traps where it will write:
 * a pipe that nobody reads, and another name of a file that is not theirs.
 */
struct enemy {
	const char *victim;
	bool in_time;
};

static void *lay_traps(void *data)
{
	struct enemy *enemy = data;
	char path[600];
	snprintf(path, sizeof(path), "%s/proc", place);
	while (access(path, F_OK) < 0)
		;
	snprintf(path, sizeof(path), "%s/ns", place);
	enemy->in_time = mkfifo(path, 0666) == 0;
	snprintf(path, sizeof(path), "%s/root", place);
	enemy->in_time &= link(enemy->victim, path) == 0;
	return NULL;
}

/* On a busy machine all may have been written before the enemy comes. */
static bool capture_among_traps(const char *victim)
{
	struct enemy enemy = {.victim = victim};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, lay_traps, &enemy), 0);
	int r = viso_machine_capture(place);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_ok(r);
	return enemy.in_time;
}

static void test_traps_in_the_way_of_a_capture(void **state)
{
	char victim[600], path[600], text[16] = "";
	struct stat seen;
	snprintf(victim, sizeof(victim), "%s/victim", parent);
	int fd = open(victim, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	int left = ATTEMPTS;
	do {
		clear(state);
		assert_true(left-- > 0);
	} while (!capture_among_traps(victim) || !is_captured(left));
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 8);
	assert_string_equal(text, "precious");
	close(fd);
	snprintf(path, sizeof(path), "%s/ns", place);
	assert_int_equal(lstat(path, &seen), 0);
	assert_true(S_ISREG(seen.st_mode));
	assert_int_equal(unlink(victim), 0);
}

/* In a child with a file system of its own: 0, 1, or 77 where that cannot be made. */
static int capture_where_there_is_little_room(void)
{
	char path[600];
	if (mkdir(place, 0700) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("none", place, "tmpfs", 0, "size=32k") < 0)
		return 77;
	snprintf(path, sizeof(path), "%s/new", place);
	if (viso_machine_capture(path) != -ENOSPC || access(path, F_OK) == 0)
		return 1;
	/* What was there stays. */
	if (mkdir(path, 0750) < 0 || viso_machine_capture(path) != -ENOSPC)
		return 2;
	return rmdir(path) < 0 ? 3 : 0;
}

static void test_a_capture_that_fails_leaves_nothing(void **state)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(capture_where_there_is_little_room());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	skip_without(status != 77 << 8, "mounts for this user");
	assert_int_equal(status, 0);
}

/* A name of the machine is what its owner likes; of it nothing is known by. */
static void test_a_name_of_two_lines_is_captured(void **state)
{
	static const char *const names[] = {"two\nlines", "", "\n\n"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			_exit(unshare(CLONE_NEWUTS) < 0 || sethostname(names[i], strlen(names[i])) < 0 ? 77
			      : viso_machine_capture(place) < 0                                        ? 1
												       : 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		skip_without(status != 77 << 8, "namespaces of names for this user");
		assert_int_equal(status, 0);
		viso_machine *here = viso_machine_new(), *captured = viso_machine_new_from(place);
		for (int j = 0; j < viso_machine_driver_count(here); j++)
			assert_int_equal(viso_machine_driver_state(captured, j), viso_machine_driver_state(here, j));
		assert_int_equal(viso_machine_layer_count(captured), viso_machine_layer_count(here));
		viso_machine_unref(here);
		viso_machine_unref(captured);
		clear(state);
	}
}

static void test_whose_they_are(void **state)
{
	guest_machine_make(guest_called("VirtualBox with its additions"), place);
	viso_machine *machine = viso_machine_new_from(place);
	assert_int_equal(viso_machine_driver_family(machine, number_of(machine, "vboxsf")), VISO_FAMILY_VIRTUALBOX);
	assert_int_equal(viso_machine_driver_family(machine, number_of(machine, "hv_utils")), VISO_FAMILY_HYPERV);
	assert_int_equal(viso_machine_tool_family(machine, tool_number(machine, "vmtoolsd")), VISO_FAMILY_VMWARE);
	assert_int_equal(viso_machine_tool_family(machine, tool_number(machine, "qemu-ga")), VISO_FAMILY_VIRTIO);
	for (int i = 0; i < viso_machine_paravirtual_count(machine); i++)
		assert_string_equal(viso_machine_paravirtual_name(machine, i), paravirtual_name(i));
	assert_null(paravirtual_name(viso_machine_paravirtual_count(machine)));
	assert_int_equal(viso_machine_driver_family(machine, viso_machine_driver_count(machine)), -EINVAL);
	assert_int_equal(viso_machine_tool_family(machine, viso_machine_tool_count(machine)), -EINVAL);
	assert_null(viso_machine_paravirtual_name(machine, viso_machine_paravirtual_count(machine)));
	viso_machine_unref(machine);
}

static void test_names(void **state)
{
	assert_string_equal(viso_family_name(VISO_FAMILY_XEN), "Xen");
	assert_null(viso_family_name((viso_family)5));
	assert_string_equal(viso_driver_state_name(VISO_DRIVER_BUILT_IN), "built in");
	assert_null(viso_driver_state_name((viso_driver_state)6));
	assert_string_equal(viso_answer_name(VISO_ANSWER_UNKNOWN), "unknown");
	assert_null(viso_answer_name((viso_answer)3));
	assert_string_equal(viso_hypercall_way_name(VISO_HYPERCALL_WAY_HYPERV), "Hyper-V");
	assert_null(viso_hypercall_way_name((viso_hypercall_way)7));
	assert_null(viso_family_name((viso_family)-1));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_tables_are_sound),
		cmocka_unit_test(test_names),
		cmocka_unit_test_teardown(test_guests_are_as_they_were_made, clear),
		cmocka_unit_test_teardown(test_devices_tell_what_they_are_bound_to, clear),
		cmocka_unit_test_teardown(test_a_container_says_whose_modules_they_are, clear),
		cmocka_unit_test_teardown(test_features_of_kvm, clear),
		cmocka_unit_test_teardown(test_whose_they_are, clear),
		cmocka_unit_test_teardown(test_no_refused_source_turns_an_answer, clear),
		cmocka_unit_test_teardown(test_hostile_directories, clear),
		cmocka_unit_test_teardown(test_files_that_are_too_large_are_not_read, clear),
		cmocka_unit_test(test_this_machine),
		cmocka_unit_test_teardown(test_a_captured_machine_is_the_same, clear),
		cmocka_unit_test_teardown(test_captured_files_hold_no_secret, clear),
		cmocka_unit_test_teardown(test_where_a_machine_is_captured_to, clear),
		cmocka_unit_test_teardown(test_traps_in_the_way_of_a_capture, clear),
		cmocka_unit_test_teardown(test_a_capture_that_fails_leaves_nothing, clear),
		cmocka_unit_test_teardown(test_a_name_of_two_lines_is_captured, clear),
	};
	if (argc == 3 && !strcmp(argv[1], "--capture"))
		return viso_machine_capture(argv[2]) < 0;
	return cmocka_run_group_tests_name("drivers", tests, set_up, tear_down);
}
