-- SPDX-License-Identifier: MIT
-- How a command ended.

local native = require "virtiso.native"
local support = require "virtiso.support"

local names = support.names
local name_of = support.name_of

local reasons = names("VISO_REASON_", "exited signalled timed_out cpu_time out_of_memory killed seccomp guest_fault syscalls_max")
local usages = names("VISO_USAGE_", [[wall_us user_us system_us memory_peak minor_faults major_faults blocks_in blocks_out
	voluntary_switches involuntary_switches memory swap swap_peak processes processes_peak cpu_throttled_us read_bytes
	written_bytes oom_kills memory_max_events processes_max_events cpu_pressure_us memory_pressure_us io_pressure_us
	exits exits_port exits_memory exits_interrupted exits_kvm exits_halt exits_hypercall exits_window interrupts]])

local results = {}

-- All figures that are known, by name.
function results.usage(figure, handle)
	local usage = {}
	for name, value in pairs(usages) do
		usage[name] = figure(handle, value)
	end
	return usage
end

local register_names = [[rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags fs_base gs_base]]

local Result = {__name = "virtiso.result"}
Result.__index = Result

function Result:__tostring()
	return self.description
end

-- Of a guest's program that ended by a signal or fault; nil for others.
local function registers_of(handle)
	if not native.viso_result_register(handle, "rip") then
		return nil
	end
	local registers = {}
	for name in register_names:gmatch("%S+") do
		registers[name] = native.viso_result_register(handle, name)
	end
	return registers
end

function results.make(handle, captured)
	local exit_code = native.viso_result_exit_code(handle)
	local signal = native.viso_result_signal(handle)
	local usage = results.usage(native.viso_result_usage, handle)
	local function output(stream)
		return captured[stream] and native.viso_result_output(handle, stream) or nil
	end
	return setmetatable({
		ok = exit_code == 0,
		reason = name_of(reasons, native.viso_result_reason(handle)),
		exit_code = exit_code >= 0 and exit_code or nil,
		signal = signal > 0 and signal or nil,
		description = native.viso_result_describe(handle),
		stdout = output(native.VISO_STDOUT),
		stderr = output(native.VISO_STDERR),
		stdout_truncated = native.viso_result_output_truncated(handle, native.VISO_STDOUT) == 1,
		stderr_truncated = native.viso_result_output_truncated(handle, native.VISO_STDERR) == 1,
		usage = usage,
		fault_address = native.viso_result_fault_address(handle),
		registers = registers_of(handle),
	}, Result)
end

return results
