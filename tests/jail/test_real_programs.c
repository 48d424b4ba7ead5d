/* SPDX-License-Identifier: MIT */
/* Programs of the host, each in a jail that was built from its name alone. */
#include "programs.h"

#include <string.h>

struct program {
	const char *name; /* what the root is made from */
	const char *argv[8];
	const char *input;
	const char *pattern; /* of the output */
	bool needs_null;     /* uses /dev/null in any case */
};

static const struct program bash = {
	"bash",
	{"bash", "-c", "for i in 1 2 3; do n=$((n + i)); done; echo $n ${BASH_VERSION:+yes}"},
	.pattern = "6 yes\n"};

static const struct program python = {
	"python3",
	{"python3", "-c",
	 "import json, ssl, sqlite3, ctypes, encodings.idna, hashlib, lzma, decimal, asyncio, xml.etree.ElementTree\n"
	 "import datetime, zoneinfo\n"
	 "ssl.create_default_context()\n"
	 "for name in 'idna', 'koi8_r', 'shift_jis', 'cp1252', 'utf_16': ''.encode(name)\n"
	 "row = sqlite3.connect('/work/x.db').execute('select 6 * 7').fetchone()\n"
	 "zone = datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))\n"
	 "print(json.dumps(row), ctypes.CDLL('libc.so.6').abs(-3), zone.isoformat())"},
	.pattern = "[[]42] 3 2024-07-01T12:00:00+02:00\n"};

static const struct program perl = {
	"perl",
	{"perl", "-MPOSIX=floor,strftime", "-MList::Util=sum", "-MEncode", "-MDigest::SHA=sha1_hex", "-we",
	 "use IO::Socket; use File::Temp; use Data::Dumper; use Storable; use Time::HiRes; use Unicode::Normalize;\n"
	 "print floor(3.7), ' ', sum(1, 2), ' ', strftime('%Y', gmtime(0)), ' ', length encode('UTF-8', chr 0x20ac)"},
	.pattern = "3 3 1970 3",
	.needs_null = true};

static const struct program lua = {
	"lua5.4",
	{"lua5.4", "-e", "local t = setmetatable({}, {__index = math}); print(t.tointeger(6.0) * 7, utf8.char(8364))"},
	.pattern = "42\t€\n"};

static const struct program sqlite = {
	"sqlite3",
	{"sqlite3", "/work/x.db", "create table t(a); insert into t values (41), (1); select sum(a) from t"},
	.pattern = "42\n"};

static const struct program openssl_digest = {
	"openssl",
	{"openssl", "dgst", "-sha256", "-r"},
	.input = "abc",
	.pattern = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad *stdin\n"};

static const struct program openssl_key = {
	"openssl", {"openssl", "genpkey", "-algorithm", "ed25519"}, .pattern = "-----BEGIN PRIVATE KEY-----*"};

static const struct program openssl_certificate = {
	"openssl",
	{"openssl", "req", "-x509", "-newkey", "ed25519", "-noenc", "-subj", "/CN=jail"},
	.pattern = "*-----BEGIN CERTIFICATE-----*"};

/* MD4 is in a module that is loaded. */
static const struct program openssl_legacy = {"openssl",
					      {"openssl", "dgst", "-md4", "-r", "-provider", "legacy"},
					      .input = "abc",
					      .pattern = "a448017aaf21d8525fc10ae87aa6729d *stdin\n"};

static const struct program iconv_program = {
	"iconv", {"iconv", "-f", "KOI8-R", "-t", "UTF-8"}, .input = "\xcd\xc9\xd2", .pattern = "мир"};

static const struct program getent_services = {
	"getent", {"getent", "services", "domain/udp"}, .pattern = "domain*53/udp*"};

static const struct program getent_hosts = {"getent", {"getent", "hosts", "localhost"}, .pattern = "*localhost*"};

static const struct program getent_passwd = {"getent", {"getent", "passwd", "user"}, .pattern = "user:x:1000:1000:*"};

static const struct program node = {
	"node",
	{"node", "-e",
	 "const c = require('crypto'), fs = require('fs'), z = require('zlib');\n"
	 "fs.writeFileSync('/work/x', z.gzipSync('abc'));\n"
	 "fs.promises.readFile('/work/x').then(data => console.log(JSON.stringify([6 * 7]), "
	 "z.gunzipSync(data).toString(),\n"
	 "c.createHash('sha1').update('abc').digest('hex').slice(0, 8), new Intl.NumberFormat('de').format(1234.5)))"},
	.pattern = "[[]42] abc a9993e36 1.234,5\n"};

static const struct program ruby = {
	"ruby",
	{"ruby", "-e",
	 "require 'json'; require 'digest'; require 'date'; require 'socket'; require 'openssl'; require 'set'\n"
	 "puts JSON.generate([6 * 7]), Digest::SHA1.hexdigest('abc')[0, 8], Date.new(2024, 2, 29).yday, "
	 "Gem::Version.new('1').to_s"},
	.pattern = "[[]42]\na9993e36\n60\n1\n"};

static void test_program(void **state)
{
	const struct program *program = *state;
	struct box *box = jail_of(program->name, NULL);
	if (program->needs_null)
		skip_without_null_device(box);
	viso_command *command = command_of(program->argv);
	if (program->input)
		assert_ok(viso_command_set_input(command, program->input, strlen(program->input)));
	assert_output(box, command, program->pattern);
}

/* Semaphores and shared memory by name (shm_overview(7)) are files in /dev/shm, which the root has where it was added.
 */
static void test_python_processes(void **state)
{
	struct box *box = jail_of("python3", NULL);
	add_open_directory(box->root, "/dev/shm");
	assert_output(box,
		      command_of((const char *[]){"python3", "-c",
						  "import multiprocessing, subprocess, sys\n"
						  "subprocess.run([sys.executable, '-c', 'print(7)'], check=True)\n"
						  "print(multiprocessing.Pool(2).map(abs, [-1, -2]))",
						  NULL}),
		      "7\n[[]1, 2]\n");
}

static void test_git(void **state)
{
	static const char *const commands[][8] = {
		{"git", "init", "--quiet", "repository"},
		{"git", "-C", "repository", "config", "user.email", "me@example.org"},
		{"git", "-C", "repository", "config", "user.name", "Me"},
		{"sh", "-c", "echo text >repository/file"},
		{"git", "-C", "repository", "add", "file"},
		{"git", "-C", "repository", "commit", "--quiet", "-m", "First"},
		{"git", "clone", "--quiet", "repository", "clone"},
	};
	struct box *box = jail_of("git", NULL);
	skip_without_null_device(box);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_output(box, command_of(commands[i]), "");
	assert_output(box, command_of((const char *[]){"git", "-C", "clone", "log", "--format=%an: %s", NULL}),
		      "Me: First\n");
	/* A command that is a shell script. */
	assert_output(box, command_of((const char *[]){"git", "-C", "clone", "submodule", "status", NULL}), "");
	assert_output(box, command_of((const char *[]){"git", "-C", "clone", "gc", "--quiet", NULL}), "");
}

#define PROGRAM(row)                                                                                                   \
	{                                                                                                              \
#row, test_program, NULL, programs_teardown, (void *)&row                                              \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROGRAM(bash),
		PROGRAM(python),
		cmocka_unit_test_teardown(test_python_processes, programs_teardown),
		PROGRAM(perl),
		PROGRAM(lua),
		PROGRAM(sqlite),
		PROGRAM(openssl_digest),
		PROGRAM(openssl_key),
		PROGRAM(openssl_certificate),
		PROGRAM(openssl_legacy),
		PROGRAM(iconv_program),
		PROGRAM(getent_services),
		PROGRAM(getent_hosts),
		PROGRAM(getent_passwd),
		PROGRAM(node),
		PROGRAM(ruby),
		cmocka_unit_test_teardown(test_git, programs_teardown),
	};
	return cmocka_run_group_tests_name("real programs", tests, NULL, NULL);
}
