/* SPDX-License-Identifier: MIT */
/*
 * guest_compute sha256|matrix N: a computation, N times, each in nanoseconds on a line of its own. The same program is
 * run as a process and in a guest.
 */
#include <string.h>

#include "bench.h"

/* Long enough that to look at the clock, which is a system call in a guest, is nothing beside: some 40 us under
 * kvm_pvm.
 */
enum { BLOCKS = 20000, ORDER = 160, PRODUCTS = 16 };

static uint32_t rotate(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

/* FIPS 180-4, section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static uint32_t constants[64];

static void make_constants(void)
{
	int found = 0;
	for (int n = 2; found < 64; n++) {
		int is_prime = 1;
		for (int d = 2; d * d <= n; d++)
			is_prime &= n % d != 0;
		if (!is_prime)
			continue;
		long double root = 1;
		for (int i = 0; i < 60; i++)
			root -= (root * root * root - n) / (3 * root * root);
		constants[found++] = (uint32_t)((root - (int)root) * 4294967296.0L);
	}
}

/* FIPS 180-4, section 6.2.2 */
static void compress(uint32_t state[8], const uint32_t block[16])
{
	uint32_t w[64], v[8];
	memcpy(w, block, 64);
	memcpy(v, state, sizeof(v));
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] + (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (int i = 0; i < 64; i++) {
		uint32_t one = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
			       ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
		uint32_t two = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
			       ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += one;
		v[0] = one + two;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

static volatile uint32_t sink;

static void hash(void)
{
	uint32_t state[8] = {0}, block[16] = {1, 2, 3};
	for (int i = 0; i < BLOCKS; i++) {
		block[0] = (uint32_t)i;
		compress(state, block);
	}
	sink = state[0];
}

static double a[ORDER][ORDER], b[ORDER][ORDER], c[ORDER][ORDER];

static void multiply(void)
{
	for (int i = 0; i < ORDER; i++)
		for (int k = 0; k < ORDER; k++)
			for (int j = 0; j < ORDER; j++)
				c[i][j] += a[i][k] * b[k][j];
}

static void multiply_often(void)
{
	for (int n = 0; n < PRODUCTS; n++)
		multiply();
	sink = (uint32_t)c[1][1];
}

int main(int argc, char **argv)
{
	int count = argc == 3 ? bench_count(argv[2]) : 0;
	if (!count)
		return 2;
	void (*compute)(void) = argv[1][0] == 's' ? hash : multiply_often;
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	make_constants();
	for (int i = 0; i < ORDER * ORDER; i++)
		a[i / ORDER][i % ORDER] = b[i / ORDER][i % ORDER] = 1.0 / (i + 1);
	for (int i = 0; ns && i < count; i++) {
		int64_t begin = bench_now();
		compute();
		ns[i] = bench_now() - begin;
	}
	bench_print(ns, ns ? count : 0);
	free(ns);
	return 0;
}
