/* SPDX-License-Identifier: MIT */
/*
 * The programs of guest tools: is the file there, does it run, is there a channel to the hypervisor? None is executed,
 * so that it runs is known by the name of the process alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "machine/drivers/tools.h"

enum { COMM_SIZE = 16, PROCESSES_MAX = 32768 };

/* Where distributions and the vendors' own installers put programs. */
static const char *const directories[] = {
	"/usr/bin",
	"/usr/sbin",
	"/sbin",
	"/bin",
	"/usr/local/bin",
	"/usr/local/sbin",
	"/usr/libexec",
	"/usr/lib/hyper-v/bin",
	"/usr/libexec/hypervkvpd",
};

const struct tool_kind tool_kinds[] = {
	{"qemu-ga", VISO_FAMILY_VIRTIO, BROUGHT_QEMU_AGENT, .service = true, .port = "org.qemu.guest_agent.0"},
	{"spice-vdagentd", VISO_FAMILY_VIRTIO, BROUGHT_SPICE, .service = true, .port = "com.redhat.spice.0"},
	{"viso-agent", VISO_FAMILY_VIRTIO, BROUGHT_VIRTISO, .service = true, .port = "org.libvirtiso.agent.0"},
	{"VBoxService", VISO_FAMILY_VIRTUALBOX, BROUGHT_VIRTUALBOX, .service = true, .file = "/dev/vboxguest"},
	{"VBoxClient", VISO_FAMILY_VIRTUALBOX, BROUGHT_VIRTUALBOX, .service = true, .file = "/dev/vboxuser"},
	{"VBoxControl", VISO_FAMILY_VIRTUALBOX, BROUGHT_VIRTUALBOX, .file = "/dev/vboxguest"},
	{"mount.vboxsf", VISO_FAMILY_VIRTUALBOX, BROUGHT_VIRTUALBOX, .file = "/dev/vboxguest"},
	/* Fedora calls them hypervkvpd and so on. */
	{"hv_kvp_daemon", VISO_FAMILY_HYPERV, BROUGHT_HYPERV, true, "hypervkvpd", .file = "/dev/vmbus/hv_kvp"},
	{"hv_vss_daemon", VISO_FAMILY_HYPERV, BROUGHT_HYPERV, true, "hypervvssd", .file = "/dev/vmbus/hv_vss"},
	{"hv_fcopy_daemon", VISO_FAMILY_HYPERV, BROUGHT_HYPERV, true, "hypervfcopyd", .file = "/dev/vmbus/hv_fcopy"},
	/* Its I/O port is in every machine of VMware. */
	{"vmtoolsd", VISO_FAMILY_VMWARE, BROUGHT_VMWARE, .service = true, .by_hypervisor = true},
	{"VGAuthService", VISO_FAMILY_VMWARE, BROUGHT_VMWARE, .service = true, .by_hypervisor = true},
	{"vmware-rpctool", VISO_FAMILY_VMWARE, BROUGHT_VMWARE, .by_hypervisor = true},
	{"vmhgfs-fuse", VISO_FAMILY_VMWARE, BROUGHT_VMWARE, .by_hypervisor = true},
	{"xe-daemon", VISO_FAMILY_XEN, BROUGHT_XEN, .service = true, .file = "/dev/xen/xenbus"},
	{"xe-linux-distribution", VISO_FAMILY_XEN, BROUGHT_XEN, .file = "/dev/xen/xenbus"},
};
const size_t tool_kind_count = sizeof(tool_kinds) / sizeof(tool_kinds[0]);

/* What all of them are looked for in. */
struct search {
	struct provider *provider;
	const struct machine_drivers *drivers;
	struct strings processes; /* "NAME in FILE" of those that bear a name of ours */
	int processes_error;
	struct strings ports;
	int ports_error;
};

/* Takes the last line of evidence. 0 or -ENOMEM. */
static int answer(struct tool_answer *out, viso_answer value, int error, const char *source, const char *text)
{
	struct strings evidence = {0};
	if (evidence_add(&evidence, error, source, "%s", text) < 0)
		return -ENOMEM;
	out->answer = value;
	out->evidence = strdup(evidence.items[0]);
	strings_clear(&evidence);
	return out->evidence ? 0 : -ENOMEM;
}

static bool has_name(const struct tool_kind *kind, const char *name, size_t length)
{
	return (strlen(kind->name) >= length && !strncmp(kind->name, name, length) &&
		(length == COMM_SIZE - 1 || !kind->name[length])) ||
	       (kind->other_name && strlen(kind->other_name) == length && !strncmp(kind->other_name, name, length));
}

static int note_process(struct search *search, const char *pid)
{
	char path[64], name[COMM_SIZE + 1];
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	int r = provider_read_line(search->provider, path, name, sizeof(name));
	if (r == -ENOMEM)
		return r;
	/* A process that ended, or of another user where /proc hides them. */
	if (r < 0 && r != -ENOENT && r != -ESRCH)
		search->processes_error = r;
	for (size_t i = 0; r == 0 && i < tool_kind_count; i++)
		if (has_name(&tool_kinds[i], name, strlen(name)))
			return evidence_add(&search->processes, 0, path, "%s", name);
	return 0;
}

static int find_processes(struct search *search)
{
	_cleanup_(strings_clear) struct strings names = {0};
	int r = provider_list(search->provider, "/proc", &names), seen = 0;
	if (r == -ENOMEM)
		return r;
	search->processes_error = r;
	r = 0;
	for (size_t i = 0; r == 0 && i < names.count && seen < PROCESSES_MAX; i++)
		if (names.items[i][strspn(names.items[i], "0123456789")] == '\0') {
			seen++;
			r = note_process(search, names.items[i]);
		}
	/* proc(5), hidepid: then others' processes are not listed either, the first one among them. */
	if (r == 0 && !search->processes_error && provider_exists(search->provider, "/proc/1") != 1)
		search->processes_error = -EACCES;
	return r;
}

/* The names of the ports of virtio consoles: drivers/char/virtio_console.c. */
static int find_ports(struct search *search)
{
	static const char directory[] = "/sys/class/virtio-ports";
	_cleanup_(strings_clear) struct strings names = {0};
	int r = provider_list(search->provider, directory, &names);
	if (r == -ENOMEM)
		return r;
	search->ports_error = r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < names.count; i++) {
		char path[320], name[128];
		snprintf(path, sizeof(path), "%s/%.250s/name", directory, names.items[i]);
		r = provider_read_line(search->provider, path, name, sizeof(name));
		if (r == -ENOMEM || (r == 0 && strings_add(&search->ports, name) < 0))
			return -ENOMEM;
		if (r < 0 && r != -ENOENT)
			search->ports_error = r;
	}
	return 0;
}

static int find_installed(struct search *search, const struct tool_kind *kind, struct tool_answer *out)
{
	const char *const names[] = {kind->name, kind->other_name};
	char path[128];
	int error = 0;
	for (size_t n = 0; n < 2 && names[n]; n++)
		for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
			snprintf(path, sizeof(path), "%s/%s", directories[i], names[n]);
			int r = provider_exists(search->provider, path);
			if (r == 1)
				return answer(out, VISO_ANSWER_YES, 0, path, "there");
			if (r < 0)
				error = r;
		}
	return answer(out, error ? VISO_ANSWER_UNKNOWN : VISO_ANSWER_NO, error, kind->name,
		      "in none of the directories of programs");
}

static int find_running(struct search *search, const struct tool_kind *kind, struct tool_answer *out)
{
	if (!kind->service)
		return answer(out, VISO_ANSWER_NO, 0, kind->name, "no service");
	for (size_t i = 0; i < search->processes.count; i++) {
		const char *colon = strchr(search->processes.items[i], ':');
		if (has_name(kind, colon + 2, strlen(colon + 2))) {
			out->answer = VISO_ANSWER_YES;
			out->evidence = strdup(search->processes.items[i]);
			return out->evidence ? 0 : -ENOMEM;
		}
	}
	return answer(out, search->processes_error ? VISO_ANSWER_UNKNOWN : VISO_ANSWER_NO, search->processes_error,
		      "/proc", "no process of this name");
}

static int find_port(struct search *search, const struct tool_kind *kind, struct tool_answer *out)
{
	char text[160];
	for (size_t i = 0; i < search->ports.count; i++)
		if (!strcmp(search->ports.items[i], kind->port))
			return answer(out, VISO_ANSWER_YES, 0, "/sys/class/virtio-ports", kind->port);
	snprintf(text, sizeof(text), "no port %s", kind->port);
	return answer(out, search->ports_error ? VISO_ANSWER_UNKNOWN : VISO_ANSWER_NO, search->ports_error,
		      "/sys/class/virtio-ports", text);
}

static int find_channel(struct search *search, const struct tool_kind *kind, struct tool_answer *out)
{
	if (kind->port)
		return find_port(search, kind, out);
	if (kind->by_hypervisor)
		return answer(out, search->drivers->families[kind->family], 0, viso_family_name(kind->family),
			      viso_answer_name(search->drivers->families[kind->family]));
	int r = provider_exists(search->provider, kind->file);
	return answer(out,
		      r == 1   ? VISO_ANSWER_YES
		      : r == 0 ? VISO_ANSWER_NO
			       : VISO_ANSWER_UNKNOWN,
		      r, kind->file, r == 1 ? "there" : "not there");
}

/* Where it would have a channel and is not there. A channel that is a file of a driver comes with the driver; one that
 * is a port comes from the host, or not at all. */
static bool is_missing(const struct search *search, const struct tool_kind *kind, const struct tool *tool)
{
	bool is_of_use = tool->aspects[VISO_TOOL_CHANNEL].answer == VISO_ANSWER_YES ||
			 (kind->file && search->drivers->families[kind->family] == VISO_ANSWER_YES);
	return is_of_use && tool->aspects[VISO_TOOL_INSTALLED].answer == VISO_ANSWER_NO &&
	       tool->aspects[VISO_TOOL_RUNNING].answer != VISO_ANSWER_YES;
}

static int find_tool(struct search *search, enum distribution distribution, const struct tool_kind *kind,
		     struct tool *tool)
{
	if (find_installed(search, kind, &tool->aspects[VISO_TOOL_INSTALLED]) < 0 ||
	    find_running(search, kind, &tool->aspects[VISO_TOOL_RUNNING]) < 0 ||
	    find_channel(search, kind, &tool->aspects[VISO_TOOL_CHANNEL]) < 0)
		return -ENOMEM;
	tool->package = is_missing(search, kind, tool) ? distribution_package(distribution, kind->brought) : "";
	return 0;
}

struct tool *tools_new(struct provider *provider, const struct machine_drivers *drivers)
{
	struct tool *tools = calloc(tool_kind_count, sizeof(*tools));
	struct search search = {.provider = provider, .drivers = drivers};
	if (!tools)
		return NULL;
	enum distribution distribution = distribution_find(provider);
	int r = find_processes(&search);
	if (r == 0)
		r = find_ports(&search);
	for (size_t i = 0; r == 0 && i < tool_kind_count; i++)
		r = find_tool(&search, distribution, &tool_kinds[i], &tools[i]);
	strings_clear(&search.processes);
	strings_clear(&search.ports);
	if (r == 0)
		return tools;
	tools_free(tools);
	return NULL;
}

void tools_free(struct tool *tools)
{
	for (size_t i = 0; tools && i < tool_kind_count; i++)
		for (size_t j = 0; j < TOOL_ASPECTS; j++)
			free(tools[i].aspects[j].evidence);
	free(tools);
}
