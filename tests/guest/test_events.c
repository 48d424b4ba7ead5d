/* SPDX-License-Identifier: MIT */
/* Pipes, epoll, eventfd, timerfd and sockets, by Python's own modules for them. */
#include "guest_support.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static viso_root *python_root;

static viso_guest *python_guest(void)
{
	need_kvm();
	skip_without(access("/usr/bin/python3", X_OK) == 0, "python3");
	if (!python_root) {
		python_root = viso_root_new();
		assert_ok(viso_root_add_program(python_root, "/usr/bin/python3"));
	}
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, python_root));
	return guest;
}

static void check_python(const char *script, const char *expected)
{
	viso_guest *guest = python_guest();
	/* The first start of a process leaves open what later ones use. */
	viso_result_unref(run_in(guest, new_command("python3", "-c", "", NULL)));
	int fds = support_count_fds();
	viso_result *result = run_in(guest, new_command("python3", "-c", script, NULL));
	if (viso_result_exit_code(result) != 0)
		print_error("%s\n", viso_result_output(result, VISO_STDERR, NULL));
	assert_output(result, expected);
	assert_int_equal(support_count_fds(), fds);
	viso_guest_unref(guest);
}

static void test_asyncio(void **state)
{
	check_python("import asyncio, socket\n"
		     "async def main():\n"
		     "    a, b = socket.socketpair()\n"
		     "    reader, writer = await asyncio.open_connection(sock=a)\n"
		     "    loop = asyncio.get_running_loop()\n"
		     "    b.setblocking(False)\n"
		     "    writer.write(b'x' * 500000)\n"
		     "    total = 0\n"
		     "    while total < 500000:\n"
		     "        total += len(await loop.sock_recv(b, 65536))\n"
		     "    await loop.sock_sendall(b, b'answer\\n')\n"
		     "    line = await reader.readline()\n"
		     "    await asyncio.sleep(0.02)\n"
		     "    loop.call_later(0.01, print, total, line)\n"
		     "    await asyncio.wait_for(asyncio.sleep(0.05), 5)\n"
		     "    try:\n"
		     "        await asyncio.wait_for(reader.read(1), 0.05)\n"
		     "    except asyncio.TimeoutError: print('late')\n"
		     "asyncio.run(main())\n",
		     "500000 b'answer\\n'\nlate\n");
}

static void test_epoll(void **state)
{
	check_python("import os, select, socket\n"
		     "r, w = os.pipe()\n"
		     "e = select.epoll()\n"
		     "e.register(r, select.EPOLLIN | select.EPOLLET)\n"
		     "print(e.poll(0))\n"
		     "os.write(w, b'ab')\n"
		     "print(len(e.poll(0)), len(e.poll(0)))\n"
		     "os.write(w, b'c')\n"
		     "print(len(e.poll(0)))\n"
		     "e.modify(r, select.EPOLLIN | select.EPOLLONESHOT)\n"
		     "print(len(e.poll(0)), len(e.poll(0)))\n"
		     "e.modify(r, select.EPOLLIN)\n"
		     "print(len(e.poll(0)), len(e.poll(0)))\n"
		     "os.close(w); print(e.poll(0)[0][1] & select.EPOLLHUP)\n"
		     "os.close(r); print(e.poll(0.01))\n"
		     "a, b = select.epoll(), select.epoll()\n"
		     "a.register(b.fileno())\n"
		     "for x, y in ((b, a), (a, a)):\n"
		     "    try: x.register(y.fileno())\n"
		     "    except OSError as error: print(error.errno)\n"
		     "try: a.register(os.open('/usr/bin/python3', os.O_RDONLY))\n"
		     "except PermissionError: print('regular')\n",
		     "[]\n1 0\n1\n1 0\n1 1\n16\n[]\n40\n22\nregular\n");
}

static void test_eventfd_and_pipes(void **state)
{
	check_python("import os, fcntl, select, signal\n"
		     "e = os.eventfd(3, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)\n"
		     "print(os.eventfd_read(e), os.eventfd_read(e), os.eventfd_read(e))\n"
		     "try: os.eventfd_read(e)\n"
		     "except BlockingIOError: print('none')\n"
		     "os.eventfd_write(e, 5)\n"
		     "print(select.select([e], [e], [], 0)[0] == [e])\n"
		     "r, w = os.pipe2(os.O_NONBLOCK)\n"
		     "print(os.write(w, b'x' * 1000000))\n"
		     "print(fcntl.fcntl(w, 1031, 1 << 20), os.write(w, b'y' * 1000000))\n"
		     "try: fcntl.fcntl(w, 1031, 1 << 21)\n"
		     "except PermissionError: print('too big')\n"
		     "n = 0\n"
		     "while n < 1048576: n += len(os.read(r, 300000))\n"
		     "os.close(r)\n"
		     "try: os.write(w, b'z')\n"
		     "except BrokenPipeError: print('broken')\n",
		     "1 1 1\nnone\nTrue\n65536\n1048576 983040\ntoo big\nbroken\n");
}

static void test_pairs(void **state)
{
	check_python("import os, socket\n"
		     "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
		     "a.send(b'one'); a.send(b''); a.send(b'three')\n"
		     "print(b.recv(2), b.recv(9), b.recv(9))\n"
		     "r, w = os.pipe()\n"
		     "socket.send_fds(a, [b'fd'], [w]); os.close(w)\n"
		     "data, fds, flags, name = socket.recv_fds(b, 10, 5)\n"
		     "os.write(fds[0], b'through'); print(data, os.read(r, 9))\n"
		     "socket.send_fds(a, [b'self'], [a.fileno(), b.fileno()])\n"
		     "b.settimeout(0.02); b.recv(9)\n"
		     "try: b.recv(1)\n"
		     "except TimeoutError: print('late')\n"
		     "socket.send_fds(a, [b'self'], [a.fileno(), b.fileno()])\n"
		     "a.close(); b.close()\n"
		     "a, b = socket.socketpair()\n"
		     "a.shutdown(socket.SHUT_WR); print(b.recv(1), a.getpeername() == '')\n"
		     "b.send(b'abc'); print(a.recv(2, socket.MSG_PEEK), a.recv(9))\n"
		     "for call in (lambda: socket.socket().connect(('192.0.2.1', 80)), lambda: "
		     "socket.socket().bind(('', 0)),\n"
		     "             lambda: socket.socket().listen(), lambda: socket.socket(socket.AF_PACKET)):\n"
		     "    try: call()\n"
		     "    except OSError as error: print(error.errno)\n",
		     "b'on' b'' b'three'\nb'fd' b'through'\nlate\nb'' True\nb'ab' b'abc'\n111\n13\n95\n97\n");
}

/* Threads that wait for what other threads do. */
static void test_threads_wake_each_other(void **state)
{
	check_python("import os, select, socket, threading, time, asyncio\n"
		     "r, w = os.pipe()\n"
		     "a, b = socket.socketpair()\n"
		     "got = []\n"
		     "def drain():\n"
		     "    n = 0\n"
		     "    while (d := os.read(r, 70000)): n += len(d)\n"
		     "    got.append(n)\n"
		     "def echo():\n"
		     "    while (d := b.recv(100)): b.sendall(d * 2)\n"
		     "    b.close()\n"
		     "def late(): time.sleep(0.02); os.write(w2, b'x')\n"
		     "threads = [threading.Thread(target=f) for f in (drain, echo, late)]\n"
		     "r2, w2 = os.pipe()\n"
		     "for t in threads: t.start()\n"
		     "os.write(w, b'z' * 3000000); os.close(w)\n"
		     "for i in range(20): a.sendall(b'ab'); assert a.recv(4, socket.MSG_WAITALL) == b'abab'\n"
		     "a.sendall(b'q' * 100000); a.shutdown(socket.SHUT_WR)\n"
		     "n = 0\n"
		     "while (d := a.recv(5000)): n += len(d)\n"
		     "e = select.epoll(); e.register(r2)\n"
		     "print(len(e.poll(5)), select.select([r2], [], [], 5)[0] == [r2])\n"
		     "for t in threads: t.join()\n"
		     "print(got, n)\n"
		     "async def main():\n"
		     "    print(await asyncio.to_thread(lambda: 6 * 7))\n"
		     "asyncio.run(main())\n"
		     /* A fd that is closed, and made again, while another thread waits for it. */
		     "r, w = os.pipe()\n"
		     "def reader():\n"
		     "    try: os.read(r, 1)\n"
		     "    except OSError: pass\n"
		     "def poller():\n"
		     "    p = select.epoll(); p.register(r); p.poll(0.1)\n"
		     "threads = [threading.Thread(target=f, daemon=True) for f in (reader, poller)]\n"
		     "for t in threads: t.start()\n"
		     "time.sleep(0.02); os.close(r); e.close(); r = os.dup(0)\n"
		     "threads[1].join(5); print(threads[1].is_alive())\n"
		     "os._exit(0) if not print('end', flush=True) else 0\n",
		     "1 True\n[3000000] 200000\n42\nFalse\nend\n");
}

struct asked {
	char addresses[512];
	int released;
	pthread_t thread;
	int served;
	int fd;
};

/* Answers one request of HTTP. */
static void *serve(void *data)
{
	struct asked *asked = data;
	char buffer[4096];
	size_t size = 0;
	while (size < sizeof(buffer) - 1) {
		ssize_t n = read(asked->fd, buffer + size, sizeof(buffer) - 1 - size);
		if (n <= 0)
			break;
		size += (size_t)n;
		buffer[size] = '\0';
		if (strstr(buffer, "\r\n\r\n"))
			break;
	}
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	asked->served += write(asked->fd, answer, sizeof(answer) - 1) > 0;
	close(asked->fd);
	return NULL;
}

static int connect_to_server(const char *address, void *userdata)
{
	struct asked *asked = userdata;
	size_t used = strlen(asked->addresses);
	snprintf(asked->addresses + used, sizeof(asked->addresses) - used, "%s ", address);
	if (strstr(address, "garbage"))
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (strstr(address, "closed"))
		return 12345;
	if (strcmp(address, "tcp:192.0.2.7:8080") != 0)
		return -EHOSTUNREACH;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	asked->fd = ends[1];
	if (pthread_create(&asked->thread, NULL, serve, asked))
		return -EAGAIN;
	return ends[0];
}

static void count_release(void *userdata)
{
	((struct asked *)userdata)->released++;
}

static void test_connections_go_through_the_handler(void **state)
{
	static struct asked asked;
	asked = (struct asked){0};
	viso_guest *guest = python_guest();
	assert_ok(viso_guest_set_connect_handler(guest, connect_to_server, &asked, count_release));
	int fds = support_count_fds();
	viso_result *result =
		run_in(guest, new_command("python3", "-c",
					  "import http.client, socket\n"
					  "c = http.client.HTTPConnection('192.0.2.7', 8080, timeout=5)\n"
					  "c.connect(); print(c.sock.getpeername(), c.sock.getsockname())\n"
					  "c.request('GET', '/'); print(c.getresponse().read())\n"
					  "for path in ('/x', '\\0name', '/garbage', '/closed'):\n"
					  "    try: socket.socket(socket.AF_UNIX).connect(path)\n"
					  "    except OSError as error: print(error.errno)\n"
					  "try: socket.socket(socket.AF_INET6).connect(('2001:db8::1', 443))\n"
					  "except OSError as error: print(error.errno)\n"
					  "try: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))\n"
					  "except OSError as error: print(error.errno)\n",
					  NULL));
	if (viso_result_exit_code(result) != 0)
		print_error("%s\n", viso_result_output(result, VISO_STDERR, NULL));
	assert_output(result, "('192.0.2.7', 8080) ('0.0.0.0', 0)\nb'hello'\n113\n113\n111\n111\n113\n113\n");
	pthread_join(asked.thread, NULL);
	assert_int_equal(asked.served, 1);
	assert_string_equal(asked.addresses, "tcp:192.0.2.7:8080 unix:/x unix:@name unix:/garbage unix:/closed "
					     "tcp:[2001:db8::1]:443 udp:192.0.2.1:53 ");
	assert_int_equal(support_count_fds(), fds);
	assert_int_equal(asked.released, 0);
	viso_guest_unref(guest);
	assert_int_equal(asked.released, 1);
}

static int end_guest(const char *address, void *userdata)
{
	viso_guest **guest = userdata;
	if (viso_sandbox_close(viso_guest_sandbox(*guest)) != -EDEADLK)
		return -EPROTO;
	*guest = viso_guest_unref(*guest);
	return -EHOSTUNREACH;
}

/* As one of hypercalls: it can neither wait for itself, nor does the guest go under its program's feet. */
static void test_a_connect_handler_ends_the_guest(void **state)
{
	viso_guest *guest = python_guest();
	assert_ok(viso_guest_set_connect_handler(guest, end_guest, &guest, NULL));
	viso_command *command = new_command("python3", "-c",
					    "import socket, time\ntry: socket.socket().connect(('192.0.2.7', 1))\n"
					    "except OSError: time.sleep(60)",
					    NULL);
	viso_result *result;
	assert_ok(viso_sandbox_run(viso_guest_sandbox(guest), command, &result));
	viso_command_unref(command);
	assert_reason(result, VISO_REASON_KILLED);
	assert_null(guest);
}

enum { CLIENTS = 5 };

static void *run_clients(void *data)
{
	const struct sockaddr_in *address = data;
	char buffer[64];
	intptr_t right = 0;
	for (int i = 0; i < CLIENTS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 && write(fd, "ping", 4) == 4 &&
		    read(fd, buffer, sizeof(buffer)) == 4 && !memcmp(buffer, "PING", 4))
			right++;
		close(fd);
	}
	return (void *)right;
}

static void test_a_server_over_a_listening_socket(void **state)
{
	viso_guest *guest = python_guest();
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listening, (const struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listening, 16), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
	viso_command *command =
		new_command("python3", "-c",
			    "import select, socket\n"
			    "s = socket.socket(fileno=7); s.setblocking(False)\n"
			    "e = select.epoll(); e.register(7, select.EPOLLIN | select.EPOLLET)\n"
			    "clients, done = {}, 0\n"
			    "while done < 5:\n"
			    "    for fd, events in e.poll():\n"
			    "        if fd == 7:\n"
			    "            while True:\n"
			    "                try: c, name = s.accept()\n"
			    "                except BlockingIOError: break\n"
			    "                clients[c.fileno()] = c; e.register(c, select.EPOLLIN | select.EPOLLET)\n"
			    "        elif (data := clients[fd].recv(100)): clients[fd].send(data.upper())\n"
			    "        else: clients.pop(fd).close(); done += 1\n"
			    "print(done, name)\n",
			    NULL);
	assert_ok(viso_command_add_fd(command, listening, 7));
	/* accept(2) of one that blocks could hold the host. */
	viso_result *result;
	assert_int_equal(viso_sandbox_run(viso_guest_sandbox(guest), command, &result), -EINVAL);
	fcntl(listening, F_SETFL, O_NONBLOCK);
	pthread_t thread;
	void *right;
	assert_int_equal(pthread_create(&thread, NULL, run_clients, &address), 0);
	assert_output(run_in(guest, command), "5 ('0.0.0.0', 0)\n");
	pthread_join(thread, &right);
	assert_int_equal((intptr_t)right, CLIENTS);
	close(listening);
	viso_guest_unref(guest);
}

static int teardown(void **state)
{
	viso_root_unref(python_root);
	return fixture_teardown(state);
}

/* The heap of the host program must not come out where another thread shortens what a call is sending. */
static void test_messages_that_shrink(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_output(run(fixture, "/probe", "shrink-sent"), "done\n");
	assert_output(run(fixture, "/probe", "shrink-received"), "done\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asyncio),
		cmocka_unit_test(test_epoll),
		cmocka_unit_test(test_eventfd_and_pipes),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_messages_that_shrink),
		cmocka_unit_test(test_threads_wake_each_other),
		cmocka_unit_test(test_connections_go_through_the_handler),
		cmocka_unit_test(test_a_connect_handler_ends_the_guest),
		cmocka_unit_test(test_a_server_over_a_listening_socket),
	};
	return cmocka_run_group_tests_name("guest events", tests, fixture_setup, teardown);
}
