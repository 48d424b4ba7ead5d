/* SPDX-License-Identifier: MIT */
/* The notes of a core file: what its threads, its process and its mapped files were. */
#include <elf.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>

#include "core/cleanup.h"
#include "guest/dump/core_file.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/x86_64/registers.h"
#include "guest/x86_64/xstate.h"

static void pad(FILE *out)
{
	while (ftell(out) % 4)
		putc(0, out);
}

static void put_note(FILE *out, const char *owner, uint32_t type, const void *data, size_t size)
{
	const Elf64_Nhdr header = {.n_namesz = (uint32_t)strlen(owner) + 1, .n_descsz = (uint32_t)size, .n_type = type};
	fwrite(&header, sizeof(header), 1, out);
	fwrite(owner, header.n_namesz, 1, out);
	pad(out);
	fwrite(data, size, 1, out);
	pad(out);
}

static void put_status(FILE *out, const struct task *task, const siginfo_t *info)
{
	const struct program *program = task->program;
	const struct vcpu *vcpu = program->vcpu;
	const bool runs = task == program->task;
	struct user_regs_struct registers;
	struct elf_prstatus status = {
		.pr_info = {.si_signo = info->si_signo, .si_code = info->si_code},
		.pr_cursig = (short)info->si_signo,
		.pr_sigpend = task->signals.pending.set | program->signals.pending.set,
		.pr_sighold = task->signals.mask,
		.pr_pid = task->tid,
		.pr_ppid = (int)call_getppid((struct program *)program, NULL),
		.pr_fpvalid = 1,
	};
	if (runs)
		registers_for_core(vcpu->regs, vcpu_base(vcpu, false), vcpu_base(vcpu, true), &registers);
	else
		registers_for_core(&task->saved->regs, task->saved->segments[VCPU_FS].base,
				   task->saved->segments[VCPU_GS].base, &registers);
	_Static_assert(sizeof(registers) == sizeof(status.pr_reg), "the registers of a core file");
	memcpy(&status.pr_reg, &registers, sizeof(registers));
	put_note(out, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

static void put_process(FILE *out, struct program *program)
{
	struct elf_prpsinfo process = {
		.pr_sname = 'R',
		.pr_uid = program->uid,
		.pr_gid = program->gid,
		.pr_pid = program->pid,
		.pr_ppid = (int)call_getppid(program, NULL),
	};
	const char *slash = strrchr(program->executable, '/');
	snprintf(process.pr_fname, sizeof(process.pr_fname), "%.15s", program->name[0] ? program->name : slash + 1);
	snprintf(process.pr_psargs, sizeof(process.pr_psargs), "%.79s", program->executable);
	put_note(out, "CORE", NT_PRPSINFO, &process, sizeof(process));
}

static void put_auxiliary(FILE *out, const struct program *program)
{
	size_t count = 1;
	while (count < PROGRAM_AUXILIARY && program->auxiliary[count - 1][0] != AT_NULL)
		count++;
	put_note(out, "CORE", NT_AUXV, program->auxiliary, count * sizeof(program->auxiliary[0]));
}

/* NT_FILE: a count, the unit of the offsets, three numbers for each mapping, then the names. */
static void put_files(FILE *out, const struct address_space *space)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	uint64_t head[2] = {0, GUEST_PAGE};
	FILE *memory = open_memstream(&data, &size);
	if (!memory)
		return;
	fwrite(head, sizeof(head), 1, memory);
	for (size_t i = 0; i < space->count; i++) {
		const struct area *area = &space->areas[i];
		const uint64_t entry[3] = {area->start, area->end, area->file_offset / GUEST_PAGE};
		if (!area->file || !area->file->path)
			continue;
		fwrite(entry, sizeof(entry), 1, memory);
		head[0]++;
	}
	for (size_t i = 0; i < space->count; i++)
		if (space->areas[i].file && space->areas[i].file->path)
			fwrite(space->areas[i].file->path, strlen(space->areas[i].file->path) + 1, 1, memory);
	if (fclose(memory) != 0 || !data)
		return;
	memcpy(data, head, sizeof(head));
	put_note(out, "CORE", NT_FILE, data, size);
}

static void put_float_state(FILE *out, const struct task *task)
{
	uint8_t state[XSTATE_MAX] = {0};
	const struct vcpu *vcpu = task->program->vcpu;
	const struct processor *processor = vcpu->processor;
	if (task != task->program->task)
		memcpy(state, &task->saved->xsave, sizeof(state));
	else if (xstate_get(vcpu, state) < 0)
		return;
	put_note(out, "CORE", NT_FPREGSET, state, XSTATE_LEGACY);
	if (!processor->xstate_features)
		return;
	/* Where debuggers look for what the area has (user_xstateregs of arch/x86/include/asm/user.h). */
	memcpy(state + XSTATE_SOFTWARE, &processor->xstate_features, sizeof(processor->xstate_features));
	put_note(out, "LINUX", NT_X86_XSTATE, state, processor->xstate_size);
}

/* The thread that ends the program comes first: debuggers take it for the current one. */
static void put_threads(FILE *out, struct program *program, const siginfo_t *info, bool current)
{
	for (struct task *task = NULL; (task = scheduler_after(&program->instance->scheduler, task));) {
		if (task->program != program || (task == program->task) != current)
			continue;
		put_status(out, task, info);
		if (current)
			put_process(out, program);
		put_float_state(out, task);
	}
}

uint8_t *core_notes(struct program *program, const siginfo_t *info, size_t *out_size)
{
	char *data = NULL;
	FILE *out = open_memstream(&data, out_size);
	if (!out)
		return NULL;
	put_threads(out, program, info, true);
	put_note(out, "CORE", NT_SIGINFO, info, sizeof(*info));
	put_auxiliary(out, program);
	put_files(out, program->space);
	put_threads(out, program, info, false);
	bool failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(data);
		return NULL;
	}
	return (uint8_t *)data;
}
