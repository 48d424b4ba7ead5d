/* SPDX-License-Identifier: MIT */
/*
 * The layers around a program: replayed from machines.txt; with every source of every one of them refused or taken away
 * in turn; from captured directories that an enemy made; and on the machine that runs this.
 */
#include "machines.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

#include "machine/layers/layers.h"
#include "support.h"

enum { KINDS = VISO_LAYER_CHROOT + 1 };

static char *parent;

static int set_up(void **state)
{
	/* In memory, since there are many of them. */
	setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 1);
	parent = support_temporary_directory();
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(parent);
	free(parent);
	return 0;
}

static void describe(const viso_machine *machine, int layer, char *text, size_t size)
{
	char role[32];
	int number = viso_machine_layer_role(machine, layer);
	snprintf(role, sizeof(role), "%s", viso_layer_role_name((viso_layer_role)number));
	if (strchr(role, ' '))
		*strchr(role, ' ') = '_';
	snprintf(text, size, "%s%s%s", viso_machine_layer_id(machine, layer), number == VISO_ROLE_GUEST ? "" : "/",
		 number == VISO_ROLE_GUEST ? "" : role);
}

static void print_machine(const viso_machine *machine)
{
	int count = viso_machine_layer_count(machine);
	for (int i = 0; i < count + viso_machine_refuted_count(machine); i++) {
		print_message("#  %s%s %s\n", i < count ? "" : "not ", viso_machine_layer_id(machine, i),
			      viso_confidence_name((viso_confidence)viso_machine_layer_confidence(machine, i)));
		for (int j = 0; j < viso_machine_evidence_count(machine, i); j++)
			print_message("#    %d %s '%s' %d\n", viso_machine_evidence_side(machine, i, j),
				      viso_machine_evidence_source(machine, i, j),
				      viso_machine_evidence_value(machine, i, j),
				      viso_machine_evidence_error(machine, i, j));
	}
}

static bool is_refuted(const viso_machine *machine, const char *id)
{
	int begin = viso_machine_layer_count(machine);
	for (int i = begin; i < begin + viso_machine_refuted_count(machine); i++)
		if (!strcmp(viso_machine_layer_id(machine, i), id))
			return true;
	return false;
}

static bool is_as_expected(const struct machine *expected, const viso_machine *machine)
{
	char text[64];
	if (viso_machine_layer_count(machine) != expected->expect.count)
		return false;
	for (int i = 0; i < expected->expect.count; i++) {
		describe(machine, i, text, sizeof(text));
		if (strcmp(text, expected->expect.items[i]))
			return false;
		if (!strcmp(text, expected->named) && strcmp(viso_machine_layer_name(machine, i), expected->name))
			return false;
	}
	for (int i = 0; i < expected->refute.count; i++)
		if (!is_refuted(machine, expected->refute.items[i]))
			return false;
	return true;
}

static void test_machines_are_recognised(void **state)
{
	struct machine expected;
	int wrong = 0, count = 0;
	FILE *file = machines_open();
	for (; machines_next(file, parent, &expected); count++) {
		viso_machine *machine = viso_machine_new_from(expected.directory);
		assert_non_null(machine);
		if (!is_as_expected(&expected, machine)) {
			print_error("%s:\n", expected.title);
			print_machine(machine);
			wrong++;
		}
		viso_machine_unref(machine);
		support_remove_tree(expected.directory);
	}
	fclose(file);
	assert_int_equal(wrong, 0);
	assert_true(count > 100);
}

/* Every layer has evidence for it that was read, and every refuted one evidence against it; the unknown ones an errno.
 */
static void check_evidence(const viso_machine *machine, const char *title)
{
	int count = viso_machine_layer_count(machine);
	for (int i = 0; i < count + viso_machine_refuted_count(machine); i++) {
		bool is_unknown = !strcmp(viso_machine_layer_id(machine, i), "unknown");
		int wanted = i >= count ? VISO_EVIDENCE_AGAINST : is_unknown ? VISO_EVIDENCE_UNREAD : VISO_EVIDENCE_FOR;
		bool found = false;
		for (int j = 0; j < viso_machine_evidence_count(machine, i); j++) {
			int side = viso_machine_evidence_side(machine, i, j);
			assert_true((side == VISO_EVIDENCE_UNREAD) == (viso_machine_evidence_error(machine, i, j) > 0));
			assert_true(viso_machine_evidence_source(machine, i, j)[0]);
			assert_non_null(viso_machine_evidence_value(machine, i, j));
			found |= side == wanted;
		}
		assert_true(is_unknown == (viso_machine_layer_confidence(machine, i) == VISO_CONFIDENCE_UNKNOWN));
		if (!found)
			print_error("%s: %s has no evidence\n", title, viso_machine_layer_id(machine, i));
		assert_true(found);
	}
}

static void test_every_verdict_has_evidence(void **state)
{
	struct machine expected;
	FILE *file = machines_open();
	while (machines_next(file, parent, &expected)) {
		viso_machine *machine = viso_machine_new_from(expected.directory);
		assert_non_null(machine);
		check_evidence(machine, expected.title);
		viso_machine_unref(machine);
		support_remove_tree(expected.directory);
	}
	fclose(file);
}

/* What each kind of layer is said to be: 1, 0, or -1 for unknown; and whether it is more than possible. */
struct verdicts {
	int of[KINDS];
	bool is_firm[KINDS];
	bool is_seen[KINDS]; /* on whichever side of it */
};

static struct verdicts read_verdicts(const struct layers *layers)
{
	struct verdicts verdicts = {0};
	for (int i = 0; i < layers->count; i++) {
		const struct layer *layer = &layers->list[i];
		verdicts.is_seen[layer->kind] |= layer->product != PRODUCTS && layer->role != VISO_ROLE_UNKNOWN;
		if (layer->role != VISO_ROLE_GUEST && layer->role != VISO_ROLE_UNKNOWN)
			continue;
		verdicts.is_firm[layer->kind] |= layer->confidence > VISO_CONFIDENCE_POSSIBLE;
		if (layer->product != PRODUCTS && layer->role == VISO_ROLE_GUEST)
			verdicts.of[layer->kind] = 1;
		else if (!verdicts.of[layer->kind])
			verdicts.of[layer->kind] = -1;
	}
	return verdicts;
}

/* A provider in front of another one, that refuses one source. */
static struct {
	struct provider inner;
	struct source {
		char name[96];
		int error; /* what the inner one said when it was opened; 0 where it is there */
	} sources[256];
	int count;
	const char *refused;
	int error;
} wrapper;

static struct source *find_source(const char *name)
{
	int i = 0;
	while (i < wrapper.count && strcmp(wrapper.sources[i].name, name))
		i++;
	assert_true(i < 256);
	if (i == wrapper.count) {
		wrapper.sources[wrapper.count++].error = 0;
		snprintf(wrapper.sources[i].name, sizeof(wrapper.sources[i].name), "%s", name);
	}
	return &wrapper.sources[i];
}

static bool refuses(const char *name)
{
	find_source(name);
	return wrapper.refused && !strcmp(wrapper.refused, name);
}

/* What is not there is not looked for again: it is most of all. */
static int wrapped_open(struct provider *provider, const char *path, int flags)
{
	if (refuses(path))
		return wrapper.error;
	struct source *source = find_source(path);
	if (source->error)
		return source->error;
	int fd = wrapper.inner.calls->open(&wrapper.inner, path, flags);
	if (fd < 0)
		source->error = fd;
	return fd;
}

static ssize_t wrapped_read_link(struct provider *provider, const char *path, char *target, size_t size)
{
	return refuses(path) ? wrapper.error : wrapper.inner.calls->read_link(&wrapper.inner, path, target, size);
}

static int wrapped_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out_answer)
{
	return refuses("cpuid") ? wrapper.error : wrapper.inner.calls->cpuid(&wrapper.inner, leaf, subleaf, out_answer);
}

static int wrapped_msr(struct provider *provider, uint32_t number, uint64_t *out_value)
{
	return refuses("msr") ? wrapper.error : wrapper.inner.calls->msr(&wrapper.inner, number, out_value);
}

static int wrapped_uname(struct provider *provider, struct utsname *out_name)
{
	return refuses("uname") ? wrapper.error : wrapper.inner.calls->uname(&wrapper.inner, out_name);
}

static int wrapped_namespace(struct provider *provider, const char *name, uint64_t *out_inode)
{
	char source[32];
	snprintf(source, sizeof(source), "ns/%s", name);
	return refuses(source) ? wrapper.error : wrapper.inner.calls->namespace(&wrapper.inner, name, out_inode);
}

static int wrapped_mount_root(struct provider *provider)
{
	return refuses("root") ? wrapper.error : wrapper.inner.calls->mount_root(&wrapper.inner);
}

static const struct provider_calls wrapped = {
	.open = wrapped_open,
	.read_link = wrapped_read_link,
	.cpuid = wrapped_cpuid,
	.msr = wrapped_msr,
	.uname = wrapped_uname,
	.namespace = wrapped_namespace,
	.mount_root = wrapped_mount_root,
};

static struct verdicts detect_without(const char *refused, int error)
{
	struct layers layers = {0};
	struct provider provider = {.calls = &wrapped, .root = -1};
	wrapper.refused = refused;
	wrapper.error = error;
	assert_int_equal(layers_detect(&layers, &provider), 0);
	struct verdicts verdicts = read_verdicts(&layers);
	layers_release(&layers);
	return verdicts;
}

static bool is_only(const struct machine *machine, const char *source)
{
	/* There are machines without. */
	if (!strcmp(source, "/sys/class/dmi/id"))
		return true;
	for (int i = 0; i < machine->only.count; i++)
		if (!strcmp(machine->only.items[i], source))
			return true;
	return false;
}

/*
 * What could not be read makes a verdict unknown, at most. What is not there may take the only sign away, but only
 * where machines.txt says so. Neither makes a layer, except one that is possible where what refuted it is gone.
 */
static int count_wrong(const struct machine *machine, const struct verdicts *truth, const char *source, int error)
{
	int wrong = 0;
	struct verdicts verdicts = detect_without(source, error);
	for (int kind = 0; kind < KINDS; kind++) {
		bool false_none = truth->of[kind] == 1 && verdicts.of[kind] == 0 &&
				  !(error == -ENOENT && is_only(machine, source));
		bool false_one = truth->of[kind] == 0 && verdicts.of[kind] == 1 && verdicts.is_firm[kind] &&
				 (!truth->is_seen[kind] || kind != VISO_LAYER_CLOUD) && error == -EACCES;
		if (false_none || false_one) {
			print_error("%s without %s (%s): %s %d instead of %d\n", machine->title, source,
				    strerrorname_np(-error), viso_layer_kind_name((viso_layer_kind)kind),
				    verdicts.of[kind], truth->of[kind]);
			wrong++;
		}
	}
	return wrong;
}

static int count_wrong_without_each(const struct machine *machine)
{
	int wrong = 0;
	wrapper.count = 0;
	struct verdicts truth = detect_without(NULL, 0);
	const int sources = wrapper.count;
	assert_true(sources > 10);
	for (int i = 0; i < sources; i++) {
		wrong += count_wrong(machine, &truth, wrapper.sources[i].name, -EACCES);
		if (wrapper.sources[i].error != -ENOENT)
			wrong += count_wrong(machine, &truth, wrapper.sources[i].name, -ENOENT);
	}
	return wrong;
}

static void test_no_source_makes_a_false_none(void **state)
{
	struct machine machine;
	int wrong = 0;
	FILE *file = machines_open();
	while (machines_next(file, parent, &machine)) {
		assert_int_equal(provider_init_captured(&wrapper.inner, machine.directory), 0);
		wrong += count_wrong_without_each(&machine);
		provider_release(&wrapper.inner);
		support_remove_tree(machine.directory);
	}
	fclose(file);
	assert_int_equal(wrong, 0);
}

static void test_no_source_of_this_machine_makes_a_false_none(void **state)
{
	provider_init(&wrapper.inner);
	/* Its own signs may be the only ones, whatever they are. */
	struct machine machine = {.title = "this machine"};
	wrapper.count = 0;
	struct verdicts truth = detect_without(NULL, 0);
	const int sources = wrapper.count;
	for (int i = 0; i < sources; i++)
		assert_int_equal(count_wrong(&machine, &truth, wrapper.sources[i].name, -EACCES), 0);
}

/* Whatever an enemy puts in the place of files: links out, pipes, directories, endless lines. */
static void make_hostile(const char *directory)
{
	static const char *const names[] = {"cpuid",
					    "msr",
					    "uname",
					    "ns",
					    "root",
					    "errors",
					    "proc/cpuinfo",
					    "proc/self/status",
					    "proc/self/mountinfo",
					    "proc/1/environ",
					    "sys/class/dmi/id/sys_vendor",
					    "run/.containerenv"};
	char path[512];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		switch (i % 4) {
		case 0:
			assert_int_equal(mkfifo(path, 0600), 0);
			break;
		case 1:
			assert_int_equal(symlink("/proc/kmsg", path), 0);
			break;
		case 2:
			assert_int_equal(mkdir(path, 0755), 0);
			break;
		default:
			assert_int_equal(symlink("../../../../../../../../etc/passwd", path), 0);
		}
	}
}

static void test_hostile_directories_do_no_harm(void **state)
{
	char path[512];
	int fds = support_count_fds();
	static const char *const directories[] = {"",     "/proc",      "/proc/self",     "/proc/1",
						  "/sys", "/sys/class", "/sys/class/dmi", "/sys/class/dmi/id",
						  "/run"};
	char *directory = support_temporary_directory();
	for (size_t i = 1; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", directory, directories[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	make_hostile(directory);
	viso_machine *machine = viso_machine_new_from(directory);
	assert_non_null(machine);
	/* Nothing could be read, and nothing of this machine was. */
	assert_int_equal(viso_machine_inside(machine, VISO_LAYER_HYPERVISOR), -ENODATA);
	assert_int_equal(viso_machine_inside(machine, VISO_LAYER_CONTAINER), -ENODATA);
	check_evidence(machine, "hostile");
	viso_machine_unref(machine);
	support_remove_tree(directory);
	free(directory);
	support_assert_nothing_left(fds);
}

static void test_links_within_a_captured_directory_are_followed(void **state)
{
	char path[512];
	struct machine machine;
	FILE *file = machines_open();
	assert_true(machines_next(file, parent, &machine));
	fclose(file);
	snprintf(path, sizeof(path), "%s/sys/class/dmi", machine.directory);
	char moved[512];
	snprintf(moved, sizeof(moved), "%s/sys/moved", machine.directory);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink("../moved", path), 0);
	snprintf(path, sizeof(path), "%s/sys/moved/id/sys_vendor", machine.directory);
	FILE *vendor = fopen(path, "we");
	fputs("Amazon EC2\n", vendor);
	fclose(vendor);
	viso_machine *captured = viso_machine_new_from(machine.directory);
	assert_non_null(captured);
	assert_string_equal(viso_machine_layer_id(captured, 0), "amazon");
	viso_machine_unref(captured);
	support_remove_tree(machine.directory);
}

static void test_evidence_is_printable(void **state)
{
	char path[512];
	struct machine machine;
	FILE *file = machines_open();
	assert_true(machines_next(file, parent, &machine));
	fclose(file);
	snprintf(path, sizeof(path), "%s/sys/class/dmi/id/sys_vendor", machine.directory);
	FILE *vendor = fopen(path, "we");
	fputs("QEMU\x1b]0;owned\a\xff\n", vendor);
	fclose(vendor);
	viso_machine *captured = viso_machine_new_from(machine.directory);
	assert_non_null(captured);
	assert_int_equal(viso_machine_inside(captured, VISO_LAYER_HYPERVISOR), 1);
	for (int i = 0; i < viso_machine_layer_count(captured); i++)
		for (int j = 0; j < viso_machine_evidence_count(captured, i); j++)
			for (const char *c = viso_machine_evidence_value(captured, i, j); *c; c++)
				assert_true(*c >= ' ' && *c <= '~');
	viso_machine_unref(captured);
	support_remove_tree(machine.directory);
}

/* The first bare machine of the list, to be changed. */
static void make_bare(struct machine *machine)
{
	FILE *file = machines_open();
	assert_true(machines_next(file, parent, machine));
	fclose(file);
}

static FILE *open_in(const struct machine *machine, const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", machine->directory, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	return file;
}

static int inside_of_captured(const struct machine *machine, viso_layer_kind kind)
{
	viso_machine *captured = viso_machine_new_from(machine->directory);
	assert_non_null(captured);
	int r = viso_machine_inside(captured, kind);
	viso_machine_unref(captured);
	return r;
}

/* A host of many containers has many mounts, with long lines, before the one that somebody made and chose as root. */
static void test_a_chroot_into_the_last_of_many_mounts_is_seen(void **state)
{
	struct machine machine;
	make_bare(&machine);
	FILE *first = open_in(&machine, "proc/1/mountinfo"), *own = open_in(&machine, "proc/self/mountinfo");
	fputs("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", first);
	for (int i = 100; i < 600; i++)
		fprintf(first, "%d 22 0:%d / /var/lib/x/%d/merged rw - overlay overlay rw,lowerdir=%0500d\n", i, i, i,
			i);
	fputs("900 22 8:2 / /mnt/other rw - ext4 /dev/sdb1 rw\n", first);
	fputs("900 22 8:2 / / rw - ext4 /dev/sdb1 rw\n", own);
	fclose(first);
	fclose(own);
	assert_int_equal(inside_of_captured(&machine, VISO_LAYER_CHROOT), 1);
	/* More than anybody reads: not known, then. */
	first = open_in(&machine, "proc/1/mountinfo");
	for (int i = 0; i < 20000; i++)
		fprintf(first, "22 1 8:1 / / rw - ext4 /dev/sda1 rw,%0500d\n", i);
	fclose(first);
	assert_int_equal(inside_of_captured(&machine, VISO_LAYER_CHROOT), -ENODATA);
	support_remove_tree(machine.directory);
}

/* Where it is not known what could not be read, all of it may be that. */
static void test_errors_that_cannot_be_read_are_no_absence(void **state)
{
	char path[512];
	struct machine machine;
	make_bare(&machine);
	FILE *errors = open_in(&machine, "errors");
	for (int i = 0; i < 40000; i++)
		fprintf(errors, "EACCES /proc/%d/comm\n", i);
	fputs("EACCES /sys/hypervisor/type\n", errors);
	fclose(errors);
	assert_int_equal(inside_of_captured(&machine, VISO_LAYER_HYPERVISOR), -ENODATA);
	snprintf(path, sizeof(path), "%s/errors", machine.directory);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(inside_of_captured(&machine, VISO_LAYER_HYPERVISOR), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(inside_of_captured(&machine, VISO_LAYER_HYPERVISOR), -ENODATA);
	support_remove_tree(machine.directory);
}

/* What that machine had no memory for is unread, and nothing of ours. */
static void test_a_machine_that_had_no_memory(void **state)
{
	struct machine machine;
	make_bare(&machine);
	FILE *errors = open_in(&machine, "errors");
	fputs("ENOMEM /sys/hypervisor/type\n", errors);
	fclose(errors);
	assert_int_equal(inside_of_captured(&machine, VISO_LAYER_HYPERVISOR), -ENODATA);
	support_remove_tree(machine.directory);
}

static void test_bad_arguments_are_refused(void **state)
{
	viso_machine *machine = viso_machine_new();
	assert_non_null(machine);
	int beyond = viso_machine_layer_count(machine) + viso_machine_refuted_count(machine);
	errno = 0;
	assert_null(viso_machine_new_from(NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(viso_machine_new_from("/nowhere/at/all"));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(viso_error_stage(), VISO_STAGE_MACHINE);
	assert_null(viso_machine_new_from("/proc/version"));
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(viso_machine_inside(NULL, VISO_LAYER_CHROOT), -EINVAL);
	assert_int_equal(viso_machine_inside(machine, (viso_layer_kind)KINDS), -EINVAL);
	assert_int_equal(viso_machine_inside(machine, (viso_layer_kind)-1), -EINVAL);
	assert_int_equal(viso_machine_layer_count(NULL), -EINVAL);
	assert_int_equal(viso_machine_refuted_count(NULL), -EINVAL);
	const int bad[] = {-1, beyond, 1 << 30};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(viso_machine_layer_id(machine, bad[i]));
		assert_null(viso_machine_layer_name(machine, bad[i]));
		assert_int_equal(viso_machine_layer_kind(machine, bad[i]), -EINVAL);
		assert_int_equal(viso_machine_layer_role(machine, bad[i]), -EINVAL);
		assert_int_equal(viso_machine_layer_confidence(machine, bad[i]), -EINVAL);
		assert_int_equal(viso_machine_evidence_count(machine, bad[i]), -EINVAL);
		assert_null(viso_machine_evidence_source(machine, bad[i], 0));
		assert_null(viso_machine_evidence_value(machine, 0, bad[i] < 0 ? bad[i] : 1 << 20));
		assert_int_equal(viso_machine_evidence_side(machine, bad[i], 0), -EINVAL);
		assert_int_equal(viso_machine_evidence_error(machine, bad[i], 0), -EINVAL);
	}
	assert_null(viso_layer_kind_name((viso_layer_kind)KINDS));
	assert_null(viso_layer_role_name((viso_layer_role)5));
	assert_null(viso_confidence_name((viso_confidence)4));
	viso_machine_unref(machine);
}

static void test_features_of_a_captured_machine_cannot_be_tried(void **state)
{
	struct machine machine;
	FILE *file = machines_open();
	assert_true(machines_next(file, parent, &machine));
	fclose(file);
	viso_machine *captured = viso_machine_new_from(machine.directory);
	assert_non_null(captured);
	assert_fails(viso_machine_feature(captured, VISO_FEATURE_JAIL), EOPNOTSUPP, VISO_STAGE_MACHINE, "jail");
	assert_null(viso_machine_detail(captured, VISO_FEATURE_JAIL));
	viso_machine_unref(captured);
	support_remove_tree(machine.directory);
}

static void test_this_machine_has_layers_with_evidence(void **state)
{
	errno = 77;
	int fds = support_count_fds();
	viso_machine *machine = viso_machine_new();
	assert_int_equal(errno, 77);
	assert_non_null(machine);
	print_machine(machine);
	check_evidence(machine, "this machine");
	viso_machine_unref(machine);
	support_assert_nothing_left(fds);
}

/* Not by our own means: the hypervisor's flag, and where that is, KVM's clock. */
static void test_the_hypervisor_is_the_one_that_linux_knows(void **state)
{
	char text[8192];
	FILE *file = fopen("/proc/cpuinfo", "re");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	viso_machine *machine = viso_machine_new();
	skip_without(strstr(text, "flags"), "an x86 processor");
	assert_int_equal(viso_machine_inside(machine, VISO_LAYER_HYPERVISOR), strstr(text, " hypervisor") ? 1 : 0);
	viso_machine_unref(machine);
}

static void test_firecracker_is_known_by_its_tables(void **state)
{
	char header[36] = "";
	FILE *file = fopen("/sys/firmware/acpi/tables/FACP", "re");
	skip_without(file, "ACPI tables that can be read");
	assert_int_equal(fread(header, 1, sizeof(header), file), sizeof(header));
	fclose(file);
	skip_without(!memcmp(header + 10, "FIRECK", 6), "Firecracker");
	viso_machine *machine = viso_machine_new();
	assert_string_equal(viso_machine_layer_id(machine, 0), "kvm");
	assert_string_equal(viso_machine_layer_id(machine, 1), "firecracker");
	assert_int_equal(viso_machine_layer_confidence(machine, 1), VISO_CONFIDENCE_CERTAIN);
	viso_machine_unref(machine);
}

static bool is_initial(const char *name, const char *initial)
{
	char path[64], target[64] = "";
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, initial);
}

static void test_a_left_over_marker_is_no_container(void **state)
{
	skip_without(access("/.dockerenv", F_OK) == 0, "a marker of Docker that was left over");
	skip_without(is_initial("pid", "4026531836") && is_initial("user", "4026531837") &&
			     is_initial("cgroup", "4026531835") && is_initial("ipc", "4026531839") &&
			     is_initial("uts", "4026531838"),
		     "the initial namespaces");
	viso_machine *machine = viso_machine_new();
	assert_int_equal(viso_machine_inside(machine, VISO_LAYER_CONTAINER), 0);
	assert_true(is_refuted(machine, "docker"));
	viso_machine_unref(machine);
}

static void assert_in_child(int (*work)(void))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(work());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		support_missing("namespaces or chroot for this user");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int ask(viso_layer_kind kind)
{
	viso_machine *machine = viso_machine_new();
	int r = viso_machine_inside(machine, kind);
	viso_machine_unref(machine);
	return r;
}

static int in_a_chroot(void)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/root", parent);
	if (mkdir(path, 0755) < 0 || chroot(path) < 0 || chdir("/") < 0)
		return errno == EPERM ? 77 : 1;
	return ask(VISO_LAYER_CHROOT) != 1;
}

static void test_a_chroot_is_seen_from_inside(void **state)
{
	assert_int_equal(ask(VISO_LAYER_CHROOT), 0);
	assert_in_child(in_a_chroot);
}

static int in_namespaces(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
		return 77;
	pid_t pid = fork();
	if (pid == 0)
		/* /proc is that of the outer namespaces, and shows nothing of this process: unknown, not none. */
		_exit(ask(VISO_LAYER_CONTAINER) == 0);
	int status;
	return waitpid(pid, &status, 0) != pid || status != 0;
}

static void test_namespaces_of_its_own_are_no_bare_machine(void **state)
{
	assert_in_child(in_namespaces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machines_are_recognised),
		cmocka_unit_test(test_every_verdict_has_evidence),
		cmocka_unit_test(test_no_source_makes_a_false_none),
		cmocka_unit_test(test_no_source_of_this_machine_makes_a_false_none),
		cmocka_unit_test(test_hostile_directories_do_no_harm),
		cmocka_unit_test(test_links_within_a_captured_directory_are_followed),
		cmocka_unit_test(test_evidence_is_printable),
		cmocka_unit_test(test_a_chroot_into_the_last_of_many_mounts_is_seen),
		cmocka_unit_test(test_errors_that_cannot_be_read_are_no_absence),
		cmocka_unit_test(test_a_machine_that_had_no_memory),
		cmocka_unit_test(test_bad_arguments_are_refused),
		cmocka_unit_test(test_features_of_a_captured_machine_cannot_be_tried),
		cmocka_unit_test(test_this_machine_has_layers_with_evidence),
		cmocka_unit_test(test_the_hypervisor_is_the_one_that_linux_knows),
		cmocka_unit_test(test_firecracker_is_known_by_its_tables),
		cmocka_unit_test(test_a_left_over_marker_is_no_container),
		cmocka_unit_test(test_a_chroot_is_seen_from_inside),
		cmocka_unit_test(test_namespaces_of_its_own_are_no_bare_machine),
	};
	return cmocka_run_group_tests_name("machine-layers", tests, set_up, tear_down);
}
