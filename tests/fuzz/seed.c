/* SPDX-License-Identifier: MIT */
/* A small dynamic program: a seed for the fuzz targets. */
int main(void)
{
	return 0;
}
