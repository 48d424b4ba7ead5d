-- SPDX-License-Identifier: MIT
-- Where this runs, drivers and tools.

local tap = require "tap"
local virtiso = require "virtiso"

local scratch = os.tmpname()
os.remove(scratch)

tap.case("this machine, and captured", function()
	virtiso.capture_machine(scratch)
	local here, there = virtiso.machine(), virtiso.machine(scratch)
	for _, machine in ipairs {here, there} do
		for _, kind in ipairs {"hypervisor", "monitor", "cloud", "confidential", "container", "chroot"} do
			local inside = machine:inside(kind)
			tap.equal(inside == nil or type(inside) == "boolean", true, kind)
		end
		tap.equal(#machine:drivers() > 40, true, "drivers")
		tap.equal(#machine:tools() > 10, true, "tools")
		tap.equal(#machine:paravirtual() > 10, true, "features of KVM")
		tap.equal(type((machine:hypercall())), "string", "way of hypercalls")
	end
	for i, layer in ipairs(here:layers()) do
		tap.equal(there:layers()[i].id, layer.id, "layer")
		for _, evidence in ipairs(layer.evidence) do
			tap.equal(("for against unread"):find(evidence.side, 1, true) ~= nil, true, evidence.side)
			tap.equal(evidence.side == "unread", evidence.errno ~= 0, evidence.source)
		end
	end
	tap.equal(#there:refuted(), #here:refuted(), "refuted")
	for i, driver in ipairs(here:drivers()) do
		tap.equal(there:drivers()[i].state, driver.state, driver.name)
	end
	for name, answer in pairs(here:families()) do
		tap.equal(there:families()[name], answer, name)
	end
end)

tap.case("failures", function()
	local worked, err = pcall(virtiso.machine, "/nonexistent/captured")
	tap.equal(worked, false, "no such directory")
	tap.equal(err.errno, 2, "errno")
	worked, err = pcall(virtiso.capture_machine, scratch)
	tap.equal(worked, false, "capture where there is something")
	tap.equal(err.stage, "machine", "stage")
	tap.equal(pcall(virtiso.machine().inside, virtiso.machine(), "matrix"), false, "unknown kind")
	tap.equal(pcall(virtiso.machine(scratch).supports, virtiso.machine(scratch), "guest"), false, "features of a captured machine")
	tap.equal(virtiso.feature_name("user_namespaces"), "user namespaces", "name")
end)

os.execute("rm -rf " .. scratch)
tap.finish()
