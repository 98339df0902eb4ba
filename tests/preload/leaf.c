/*
 * leaf.c -- stands in a directory that only loader.so's RUNPATH names.
 */
int leaf_number(void);

int leaf_number(void)
{
	return 4711;
}
